"""Chat requests as dialogues, field by field."""

import json
from typing import Any

import pytest
from wire_dialogues import USER, ask, envelope

from proxy.core.features import Feature as F
from proxy.wire.chat.reading import read_chat
from proxy.wire.dialogue import (
    AnswerFormat,
    Audio,
    CacheMark,
    Dialogue,
    Document,
    Image,
    Reasoning,
    Refusal,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from proxy.wire.openai_envelope import EnvelopeError

SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
OTHER = {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}


def assistant(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, **fields}


def result(id_: str, content: Any = "r", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content, **fields}


def test_the_plainest_request_uses_nothing() -> None:
    assert ask() == Dialogue(turns=[Turn("user", [Text("hi")])])
    assert ask(stream=True, stream_options={"include_usage": True}).stream


NULLS = [
    "temperature",
    "top_p",
    "n",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "metadata",
    "user",
    "store",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "logit_bias",
    "logprobs",
    "functions",
    "function_call",
    "modalities",
    "audio",
    "prediction",
    "verbosity",
    "service_tier",
    "parallel_tool_calls",
    "web_search_options",
    "top_k",
    "anything",
]


def test_null_is_nothing() -> None:
    assert ask(**dict.fromkeys(NULLS)) == ask()


@pytest.mark.parametrize(
    ("fields", "sampling", "features"),
    [
        ({"temperature": 0.5}, Sampling(temperature=0.5), {F.TEMPERATURE}),
        ({"temperature": 0}, Sampling(temperature=0), {F.TEMPERATURE}),
        ({"top_p": 1}, Sampling(top_p=1), {F.TOP_P}),
        ({"top_k": 40}, Sampling(top_k=40), {F.TOP_K}),
        ({"presence_penalty": 0, "frequency_penalty": 0}, Sampling(presence_penalty=0, frequency_penalty=0), set()),
        ({"presence_penalty": 1}, Sampling(presence_penalty=1), {F.PENALTIES}),
        ({"frequency_penalty": 1}, Sampling(frequency_penalty=1), {F.PENALTIES}),
        ({"seed": 7}, Sampling(seed=7), {F.SEED}),
        ({"stop": "a"}, Sampling(stop=["a"]), {F.STOP}),
        ({"stop": ["a", "b"]}, Sampling(stop=["a", "b"]), {F.STOP}),
        ({"stop": []}, Sampling(), set()),
        ({"n": 1}, Sampling(), set()),
        ({"n": 3.0}, Sampling(choices=3), {F.CHOICES}),
        ({"max_tokens": 5}, Sampling(max_tokens=5), {F.MAX_TOKENS}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, Sampling(max_tokens=6), {F.MAX_TOKENS}),
        ({"logprobs": False}, Sampling(), set()),
        ({"logprobs": True, "top_logprobs": 2}, Sampling(logprobs=True, top_logprobs=2), {F.LOGPROBS}),
        ({"logit_bias": {"50256": -100}}, Sampling(logit_bias={"50256": -100}), {F.LOGIT_BIAS}),
        ({"logit_bias": {}}, Sampling(), set()),
    ],
)
def test_sampling(fields: dict[str, Any], sampling: Sampling, features: set[F]) -> None:
    dialogue = ask(**fields)
    assert (dialogue.sampling, dialogue.features, dialogue.unknown) == (sampling, features, [])


@pytest.mark.parametrize(
    ("fields", "name", "value", "features"),
    [
        ({"verbosity": "low"}, "verbosity", "low", {F.VERBOSITY}),
        (
            {"prediction": {"type": "content", "content": "x"}}, "prediction", {"type": "content", "content": "x"},
            {F.PREDICTION},
        ),
        ({"user": "u"}, "user", "u", {F.USER}),
        ({"user": "u", "safety_identifier": "s"}, "user", "s", {F.USER}),
        ({"user": ""}, "user", None, set()),
        ({"metadata": {"a": "b"}}, "metadata", {"a": "b"}, {F.METADATA}),
        ({"metadata": {}}, "metadata", None, set()),
        ({"service_tier": "flex"}, "service_tier", "flex", {F.SERVICE_TIER}),
        ({"service_tier": "auto"}, "service_tier", "auto", set()),
        ({"prompt_cache_key": "k"}, "cache_key", "k", set()),
        ({"parallel_tool_calls": False}, "parallel", False, {F.PARALLEL_OFF}),
        ({"parallel_tool_calls": True}, "parallel", True, set()),
        ({"store": True}, "unknown", [], {F.STORE}),
        ({"store": False}, "unknown", [], set()),
        ({"modalities": ["text"]}, "unknown", [], set()),
        ({"modalities": ["text", "audio"]}, "unknown", [], {F.AUDIO_OUTPUT}),
        ({"audio": {"voice": "x", "format": "wav"}}, "unknown", [], {F.AUDIO_OUTPUT}),
        ({"moderation": {"model": "m"}, "min_p": 0.1}, "unknown", ["moderation", "min_p"], set()),
        ({"response_format": {"type": "text"}}, "answer_format", None, set()),
        ({"response_format": {"type": "json_object"}}, "answer_format", AnswerFormat("json"), {F.JSON_OBJECT}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}},
            "answer_format", AnswerFormat("schema", "n", SCHEMA, True), {F.JSON_SCHEMA},
        ),
    ],
)  # fmt: skip
def test_other_fields(fields: dict[str, Any], name: str, value: Any, features: set[F]) -> None:
    dialogue = ask(**fields)
    assert (getattr(dialogue, name), dialogue.features) == (value, features)


BUDGET = {F.REASONING, F.REASONING_BUDGET}


@pytest.mark.parametrize(
    ("fields", "reasoning", "features"),
    [
        ({"reasoning_effort": "high"}, Reasoning("high"), {F.REASONING}),
        ({"reasoning_effort": "none"}, Reasoning("none"), {F.REASONING}),
        ({"reasoning_effort": "default"}, Reasoning(adaptive=True), {F.REASONING}),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, Reasoning("low"), {F.REASONING}),
        ({"reasoning": {"effort": "high"}}, Reasoning("high"), {F.REASONING}),
        ({"reasoning": {"max_tokens": 2000}}, Reasoning(budget=2000), BUDGET),
        (
            {"reasoning": {"max_tokens": 2000, "exclude": True}}, Reasoning(budget=2000, summary="omitted"),
            BUDGET | {F.REASONING_SUMMARY},
        ),
        ({"reasoning": {"exclude": True}}, Reasoning(summary="omitted"), {F.REASONING_SUMMARY}),
        ({"reasoning": {"enabled": True}}, Reasoning("medium"), {F.REASONING}),
        ({"reasoning": {"enabled": False}}, Reasoning("none"), {F.REASONING}),
        ({"reasoning": {}}, None, set()),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, Reasoning(budget=4096), BUDGET),
        ({"thinking": {"type": "enabled"}}, Reasoning(adaptive=True), {F.REASONING}),
        ({"thinking": {"type": "adaptive"}}, Reasoning(adaptive=True), {F.REASONING}),
        ({"thinking": {"type": "disabled"}}, Reasoning("none"), {F.REASONING}),
        ({"reasoning": {}, "thinking": {"type": "disabled"}}, Reasoning("none"), {F.REASONING}),
    ],
)  # fmt: skip
def test_reasoning_in_every_spelling(fields: dict[str, Any], reasoning: Reasoning | None, features: set[F]) -> None:
    dialogue = ask(**fields)
    assert (dialogue.reasoning, dialogue.features) == (reasoning, features)


@pytest.mark.parametrize(
    ("fields", "tools", "features"),
    [
        ({"tools": [TOOL]}, [Tool("f", "d", SCHEMA, True)], {F.TOOLS, F.STRICT_TOOLS}),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, [Tool("f")], {F.TOOLS}),
        ({"tools": [{"function": {"name": "f", "strict": False}}]}, [Tool("f", strict=False)], {F.TOOLS}),
        ({"functions": [{"name": "f", "parameters": SCHEMA}]}, [Tool("f", parameters=SCHEMA)], {F.TOOLS, F.PARALLEL_OFF}),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, [Tool("c", grammar={"type": "text"})], {F.CUSTOM_TOOLS}),
        (
            {"tools": [{"type": "custom", "custom": {"name": "c",
                "format": {"type": "grammar", "grammar": {"syntax": "lark"}}}}]},
            [Tool("c", grammar={"type": "grammar", "grammar": {"syntax": "lark"}})], {F.CUSTOM_TOOLS},
        ),
        (
            {"tools": [{"type": "browser_search", "x": 1}]},
            [Tool("browser_search", hosted={"type": "browser_search", "x": 1})],
            {F.HOSTED_TOOLS},
        ),
        (
            {"web_search_options": {"search_context_size": "low"}},
            [Tool("web_search", hosted={"type": "web_search", "search_context_size": "low"})], {F.HOSTED_TOOLS},
        ),
        (
            {"tools": [{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            [Tool("f", "d", SCHEMA, True, cache=CacheMark("1h"))], {F.TOOLS, F.STRICT_TOOLS, F.CACHE_CONTROL},
        ),
        ({"tools": []}, [], set()),
    ],
)  # fmt: skip
def test_tools(fields: dict[str, Any], tools: list[Tool], features: set[F]) -> None:
    dialogue = ask(**fields)
    assert (dialogue.tools, dialogue.features) == (tools, features)


def test_the_order_of_a_schema_survives() -> None:
    parameters = ask(tools=[TOOL]).tools[0].parameters
    assert json.dumps(parameters) == json.dumps(SCHEMA)


def test_functions_have_room_for_one_call_in_the_answer() -> None:
    assert ask(functions=[{"name": "f"}]).parallel is False


ALLOWED = {
    "type": "allowed_tools",
    "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
}


@pytest.mark.parametrize(
    ("field", "value", "choice", "features"),
    [
        ("tool_choice", "auto", ToolChoice("auto"), set()),
        ("tool_choice", "none", ToolChoice("none"), {F.TOOL_CHOICE}),
        ("tool_choice", "required", ToolChoice("required"), {F.TOOL_CHOICE}),
        ("tool_choice", "any", ToolChoice("required"), {F.TOOL_CHOICE}),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}, ToolChoice("named", "f"), {F.TOOL_CHOICE}),
        ("tool_choice", {"type": "function", "name": "f"}, ToolChoice("named", "f"), {F.TOOL_CHOICE}),
        ("tool_choice", {"type": "custom", "custom": {"name": "c"}}, ToolChoice("named", "c"), {F.TOOL_CHOICE}),
        ("tool_choice", {"type": "web_search"}, ToolChoice("named", "web_search"), {F.TOOL_CHOICE}),
        ("function_call", {"name": "f"}, ToolChoice("named", "f"), {F.TOOL_CHOICE}),
        ("function_call", "none", ToolChoice("none"), {F.TOOL_CHOICE}),
        ("tool_choice", ALLOWED, ToolChoice("required", allowed=["f"]), {F.TOOL_CHOICE, F.ALLOWED_TOOLS}),
        (
            "tool_choice", {"type": "allowed_tools",
                "tools": [{"type": "custom", "custom": {"name": "c"}}, {"type": "mcp"}]},
            ToolChoice("auto", allowed=["c", "mcp"]), {F.ALLOWED_TOOLS},
        ),
    ],
)  # fmt: skip
def test_tool_choice(field: str, value: Any, choice: ToolChoice, features: set[F]) -> None:
    dialogue = ask(**{field: value})
    assert (dialogue.tool_choice, dialogue.features) == (choice, features)


@pytest.mark.parametrize(
    ("part", "expected", "features"),
    [
        ({"type": "text", "text": "a"}, [Text("a")], set()),
        ({"type": "text", "text": ""}, [], set()),
        ("a", [Text("a")], set()),
        ("", [], set()),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, [Text("a", CacheMark())],
            {F.CACHE_CONTROL},
        ),
        (
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "1h"}},
            [Text("a", CacheMark("1h"))], {F.CACHE_CONTROL},
        ),
        (
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "24h"}},
            [Text("a", CacheMark())], {F.CACHE_CONTROL},
        ),
        ({"type": "text", "text": "a", "cache_control": False}, [Text("a")], set()),
        (
            {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,QUJD", "detail": "auto"}},
            [Image("QUJD", "image/png", detail="auto")], {F.IMAGES},
        ),
        (
            {"type": "image_url", "image_url": "DATA:image/png;x=y;Base64,QUJD"}, [Image("QUJD", "image/png")], {F.IMAGES},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}},
            [Image(url="https://x/y.png", detail="high")], {F.IMAGES, F.IMAGE_URLS, F.IMAGE_DETAIL},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}, [Audio("QUJD", "wav")],
            {F.AUDIO_INPUT},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}},
            [Document("QUJD", "application/pdf", name="a.pdf")], {F.DOCUMENTS},
        ),
        ({"type": "file", "file": {"file_data": "QUJD"}}, [Document("QUJD", "application/pdf")], {F.DOCUMENTS}),
        ({"type": "file", "file": {"file_data": "https://x/a.pdf"}}, [Document(url="https://x/a.pdf")], {F.DOCUMENTS}),
        ({"type": "file", "file": {"file_id": "file-1"}}, [Document(file_id="file-1")], {F.DOCUMENTS, F.FILE_IDS}),
        ({"type": "refusal", "refusal": "no"}, [Refusal("no")], {F.REFUSALS}),
        ({"type": "refusal", "refusal": ""}, [], set()),
    ],
)  # fmt: skip
def test_parts(part: Any, expected: list[Any], features: set[F]) -> None:
    dialogue = ask({"role": "user", "content": [part]})
    assert dialogue.turns == [Turn("user", expected)]
    assert dialogue.features == features


@pytest.mark.parametrize(
    ("messages", "turns", "features"),
    [
        (
            [{"role": "developer", "content": "d"}, {"role": "system", "content": [{"type": "text", "text": "s"}]}, USER],
            [Turn("system", [Text("d")]), Turn("system", [Text("s")]), Turn("user", [Text("hi")])], set(),
        ),
        (
            [USER, {"role": "system", "content": "s"}], [Turn("user", [Text("hi")]), Turn("system", [Text("s")])],
            {F.LATER_SYSTEM},
        ),
        ([{**USER, "name": "bob"}], [Turn("user", [Text("hi")], "bob")], {F.NAMES}),
        ([{"role": "user", "content": None}], [Turn("user", [])], set()),
        ([USER, assistant(content="So")], [Turn("user", [Text("hi")]), Turn("assistant", [Text("So")])], {F.PREFILL}),
        (
            [{**USER, "cache_control": {"type": "ephemeral"}}], [Turn("user", [Text("hi", CacheMark())])], {F.CACHE_CONTROL},
        ),
        (
            [{"role": "user", "content": [{"type": "refusal", "refusal": "no"}], "cache_control": {"type": "ephemeral"}}],
            [Turn("user", [Refusal("no")])], {F.REFUSALS},
        ),
        ([assistant(refusal="no"), USER], [Turn("assistant", [Refusal("no")]), Turn("user", [Text("hi")])], {F.REFUSALS}),
        (
            [assistant(audio={"id": "a"}, content="said"), USER],
            [Turn("assistant", [Text("said")]), Turn("user", [Text("hi")])], {F.STATE},
        ),
        (
            [assistant(tool_calls=[CALL]), result("c1")],
            [Turn("assistant", [ToolCall("c1", "f", '{"x": 1}')]), Turn("user", [ToolResult("c1", "f", [Text("r")])])],
            set(),
        ),
        ([assistant(tool_calls=[CALL])], [Turn("assistant", [ToolCall("c1", "f", '{"x": 1}')])], set()),
        ([result("c9", name="z")], [Turn("user", [ToolResult("c9", "z", [Text("r")])])], set()),
        (
            [assistant(tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "k", "input": "in"}}]), result("c")],
            [Turn("assistant", [ToolCall("c", "k", "in", custom=True)]),
                Turn("user", [ToolResult("c", "k", [Text("r")], custom=True)])],
            {F.CUSTOM_TOOLS},
        ),
        (
            [assistant(tool_calls=[{**CALL, "extra_content": {"google": {"thought_signature": "S"}}}]), result("c1")],
            [Turn("assistant", [ToolCall("c1", "f", '{"x": 1}', signature="S")]),
                Turn("user", [ToolResult("c1", "f", [Text("r")])])],
            {F.SIGNATURES},
        ),
        (
            [assistant(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}])],
            [Turn("assistant", [ToolCall("c", "f", '{"a":1}')])], set(),
        ),
    ],
)  # fmt: skip
def test_messages(messages: list[dict[str, Any]], turns: list[Turn], features: set[F]) -> None:
    dialogue = ask(*messages)
    assert dialogue.turns == turns
    assert dialogue.features == features


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}


def test_a_tool_may_answer_with_a_picture() -> None:
    dialogue = ask(assistant(tool_calls=[CALL]), result("c1", [PICTURE], cache_control={"type": "ephemeral"}))
    assert dialogue.turns[1].parts == [ToolResult("c1", "f", [Image("QUJD", "image/png")], cache=CacheMark())]
    assert dialogue.features == {F.IMAGES, F.TOOL_RESULT_MEDIA, F.CACHE_CONTROL}


def test_results_are_gathered_behind_their_turn_in_the_order_of_the_calls() -> None:
    dialogue = ask(
        assistant(tool_calls=[CALL, OTHER]), result("c2"), result("c9"), USER, result("c1"), assistant(content="ok"), USER
    )
    assert [turn.role for turn in dialogue.turns] == ["assistant", "user", "user", "assistant", "user"]
    results = dialogue.turns[1].parts
    assert [(part.id, part.name) for part in results if isinstance(part, ToolResult)] == [
        ("c1", "f"),
        ("c2", "g"),
        ("c9", ""),
    ]
    assert dialogue.features == {F.PARALLEL_TOOLS}


def test_results_go_before_what_the_user_said_first() -> None:
    dialogue = ask(assistant(tool_calls=[CALL]), USER, result("c1"))
    assert [type(turn.parts[0]) for turn in dialogue.turns] == [ToolCall, ToolResult, Text]


def test_the_deprecated_function_call_becomes_a_tool_call() -> None:
    old = {"name": "f", "arguments": "{}"}
    answer = {"role": "function", "name": "f", "content": "r"}
    dialogue = ask(USER, assistant(function_call=old), answer, USER, assistant(function_call=old), answer)
    ids = [part.id for turn in dialogue.turns for part in turn.parts if isinstance(part, ToolCall | ToolResult)]
    assert ids == ["call_1", "call_1", "call_4", "call_4"]
    lost = ask({"role": "function", "content": "r"}).turns[0].parts
    assert lost == [ToolResult("call_0", "", [Text("r")])]


SEAL = {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic-claude-v1", "index": 0}
HIDDEN = {"type": "reasoning.encrypted", "data": "D", "format": "openai-responses-v1"}


@pytest.mark.parametrize(
    ("fields", "parts", "features"),
    [
        ({"reasoning_content": "hm"}, [Thinking("hm")], {F.THINKING_HISTORY}),
        ({"reasoning": "hm"}, [Thinking("hm")], {F.THINKING_HISTORY}),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, [Thinking("hm")],
            {F.THINKING_HISTORY}),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, [Thinking("hm")], {F.THINKING_HISTORY}),
        ({"content": [{"type": "thinking"}]}, [], set()),
        (
            {"reasoning_content": "hm", "reasoning_details": [SEAL]}, [Thinking("hm", "S", vendor="anthropic")],
            {F.THINKING_HISTORY, F.SIGNATURES},
        ),
        (
            {"reasoning_content": "hm", "reasoning_details": [HIDDEN]},
            [Thinking("hm"), Thinking(redacted="D", vendor="openai")], {F.THINKING_HISTORY, F.SIGNATURES},
        ),
        ({"reasoning_details": [HIDDEN]}, [Thinking(redacted="D", vendor="openai")], {F.SIGNATURES}),
        (
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "short", "format": "odd"}]}, [Thinking("short")],
            {F.THINKING_HISTORY},
        ),
        ({"reasoning_details": [{"type": "reasoning.text"}]}, [], set()),
        (
            {"reasoning_details": [
                {"type": "reasoning.text", "text": "h", "index": 0}, {"type": "reasoning.text", "text": "m", "index": 0},
                {"type": "reasoning.text", "signature": "S", "format": "google-gemini-v1", "index": 0},
                {"type": "reasoning.text", "text": "2", "index": 1}, HIDDEN,
            ]},
            [Thinking("hm", "S", vendor="google"), Thinking("2"), Thinking(redacted="D", vendor="openai")],
            {F.THINKING_HISTORY, F.SIGNATURES},
        ),
    ],
)  # fmt: skip
def test_reasoning_of_earlier_turns(fields: dict[str, Any], parts: list[Any], features: set[F]) -> None:
    dialogue = ask(assistant(**fields), USER)
    assert dialogue.turns[0] == Turn("assistant", parts)
    assert dialogue.features == features


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": {}}, "messages", "invalid_type"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "owl"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [USER, {"role": "user", "content": 1}]}, "messages[1].content", "invalid_type"),
        ({"messages": [{"role": "tool", "content": "r"}]}, "messages[0].tool_call_id", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "messages[0].content[0].type",
            "invalid_value"),
        ({"messages": [assistant(tool_calls=[{"id": "x"}])]}, "messages[0].tool_calls[0].function",
            "missing_required_parameter"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 1.5}, "n", "invalid_type"),
        ({"stop": [1]}, "stop[0]", "invalid_type"),
        ({"top_p": 10**400}, "top_p", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [TOOL, {"type": "custom"}]}, "tools[1].custom", "missing_required_parameter"),
        ({"tools": [TOOL, {"function": {"name": 1}}]}, "tools[1].function.name", "invalid_type"),
        ({"tools": [1]}, "tools[0]", "invalid_type"),
        ({"tool_choice": "maybe"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name", "missing_required_parameter"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "x"}}, "tool_choice.allowed_tools.mode", "invalid_value"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools.tools", "missing_required_parameter"),
        ({"tool_choice": {"type": "allowed_tools", "tools": ["f"]}}, "tool_choice.allowed_tools.tools", "invalid_value"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "invalid_value"),
    ],
)  # fmt: skip
def test_what_nobody_could_be_asked(fields: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(EnvelopeError) as raised:
        read_chat(envelope(**{"messages": [USER], **fields}))
    assert (raised.value.param, raised.value.code) == (param, code)
    assert param in raised.value.message or code == "invalid_value"


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "text"}, "text"),
        ({"type": "image_url"}, "image_url"),
        ({"type": "image_url", "image_url": {"url": "QUJD"}}, "image_url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,QUJD"}}, "image_url"),
        ({"type": "image_url", "image_url": {"url": "data:;base64"}}, "image_url"),
        ({"type": "input_audio"}, "input_audio"),
        ({"type": "file"}, "file"),
        ({"type": "file", "file": {"filename": "x"}}, "file.file_data"),
    ],
)
def test_parts_that_hold_nothing(part: dict[str, Any], param: str) -> None:
    with pytest.raises(EnvelopeError) as raised:
        ask({"role": "user", "content": [part]})
    assert raised.value.param == f"messages[0].content[0].{param}"


def test_a_tool_cannot_answer_with_sound() -> None:
    with pytest.raises(EnvelopeError, match="text, images and files"):
        ask(result("c", [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]))


def test_a_lone_surrogate_is_read_as_elsewhere() -> None:
    assert ask({"role": "user", "content": "\ud83d"}).turns == [Turn("user", [Text("?")])]
