"""Requests of the Responses API in the neutral form."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.responses_plays import envelope

from proxy.core.features import Feature
from proxy.wire.dialogue import (
    AnswerFormat,
    Audio,
    CacheMark,
    Dialogue,
    Document,
    Image,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.responses.request import read_request
from proxy.wire.responses.tools import join_name
from proxy.wire.seals import Seal, seal_id, wrap

F = Feature


def read(**fields: object) -> Dialogue:
    return read_request(envelope(**fields))


def turns(*items: object, **fields: object) -> list[Turn]:
    return read(input=list(items), **fields).turns


def refuse(**fields: object) -> EnvelopeError:
    with pytest.raises(EnvelopeError) as error:
        read(**fields)
    return error.value


def fcall(call_id: str, name: str = "f", arguments: object = "{}") -> dict[str, object]:
    return {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, "arguments": arguments}


def output(call_id: str, value: object = "ok") -> dict[str, object]:
    return {"type": "function_call_output", "call_id": call_id, "output": value}


def user(*parts: object) -> dict[str, object]:
    return {"role": "user", "content": list(parts) if parts else "hi"}


def test_a_plain_request_uses_nothing() -> None:
    dialogue = read(stream=True)
    assert dialogue == Dialogue([Turn("user", [Text("hi")])], stream=True)


def test_it_is_read_once() -> None:
    what = envelope()
    assert read_request(what) is read_request(what)


@pytest.mark.parametrize(
    ("part", "expected", "features"),
    [
        ({"type": "input_text", "text": "a"}, Text("a"), set()),
        ("a", Text("a"), set()),
        (
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
            Text("a", CacheMark("1h")),
            {F.CACHE_CONTROL},
        ),
        (
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            Text("a", CacheMark()),
            {F.CACHE_CONTROL},
        ),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
            Image(data="aGk=", media_type="image/png", detail="auto"),
            {F.IMAGES},
        ),
        (
            {"type": "input_image", "image_url": {"url": "https://a/b.png"}, "detail": "low"},
            Image(url="https://a/b.png", detail="low"),
            {F.IMAGES, F.IMAGE_URLS, F.IMAGE_DETAIL},
        ),
        ({"type": "input_image", "image_url": "data:text,x"}, Image(url="data:text,x"), {F.IMAGES, F.IMAGE_URLS}),
        ({"type": "input_image", "file_id": "file-1"}, Image(file_id="file-1"), {F.IMAGES, F.FILE_IDS}),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
            Document(data="aGk=", media_type="application/pdf", name="a.pdf"),
            {F.DOCUMENTS},
        ),
        (
            {"type": "input_file", "filename": "a.csv", "file_data": "aGk="},
            Document(data="aGk=", media_type="text/csv", name="a.csv"),
            {F.DOCUMENTS},
        ),
        (
            {"type": "input_file", "file_data": "aGk="},
            Document(data="aGk=", media_type="application/pdf"),
            {F.DOCUMENTS},
        ),
        ({"type": "input_file", "file_url": "https://a/b"}, Document(url="https://a/b"), {F.DOCUMENTS}),
        ({"type": "input_file", "file_id": "file-1"}, Document(file_id="file-1"), {F.DOCUMENTS, F.FILE_IDS}),
        (
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
            Audio("aGk=", "wav"),
            {F.AUDIO_INPUT},
        ),
    ],
)
def test_parts(part: object, expected: object, features: set[Feature]) -> None:
    dialogue = read(input=[user(part)])
    assert dialogue.turns == [Turn("user", [expected])]  # type: ignore[list-item]
    assert dialogue.features == features


def test_what_the_assistant_said_comes_back() -> None:
    said = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "a", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "no"},
        ],
    }
    dialogue = read(input=[user(), said, user(), {"role": "assistant", "content": "b"}])
    assert dialogue.turns == [
        Turn("user", [Text("hi")]),
        Turn("assistant", [Text("a"), Refusal("no")]),
        Turn("user", [Text("hi")]),
        Turn("assistant", [Text("b")]),
    ]
    assert dialogue.features == {F.REFUSALS, F.PREFILL}


def test_instructions_come_first_and_later_ones_stay_where_they_are() -> None:
    dialogue = read(
        instructions="a", input=[{"role": "developer", "content": "b"}, user(), {"role": "system", "content": "c"}]
    )
    assert dialogue.turns == [
        Turn("system", [Text("a")]),
        Turn("system", [Text("b")]),
        Turn("user", [Text("hi")]),
        Turn("system", [Text("c")]),
    ]
    assert dialogue.features == {F.LATER_SYSTEM}


def test_a_loop_of_calls() -> None:
    got = turns(user(), fcall("1"), output("1", "one"), fcall("2"), output("2", "two"))
    assert got == [
        Turn("user", [Text("hi")]),
        Turn("assistant", [ToolCall("1", "f", "{}")]),
        Turn("user", [ToolResult("1", "f", [Text("one")])]),
        Turn("assistant", [ToolCall("2", "f", "{}")]),
        Turn("user", [ToolResult("2", "f", [Text("two")])]),
    ]


def test_parallel_calls_are_one_turn_and_their_results_stand_in_the_order_of_the_calls() -> None:
    said = {"role": "assistant", "content": "Looking."}
    dialogue = read(input=[user(), said, fcall("1"), fcall("2", "g"), output("2", "two"), output("1", "one"), user()])
    assert dialogue.turns == [
        Turn("user", [Text("hi")]),
        Turn("assistant", [Text("Looking."), ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}")]),
        Turn("user", [ToolResult("1", "f", [Text("one")]), ToolResult("2", "g", [Text("two")]), Text("hi")]),
    ]
    assert dialogue.features == {F.TOOLS, F.PARALLEL_TOOLS}


def test_a_late_result_goes_where_its_call_is() -> None:
    got = turns(fcall("1"), {"role": "system", "content": "s"}, output("1"), user())
    assert got == [
        Turn("assistant", [ToolCall("1", "f", "{}")]),
        Turn("user", [ToolResult("1", "f", [Text("ok")])]),
        Turn("system", [Text("s")]),
        Turn("user", [Text("hi")]),
    ]


def test_results_may_hold_parts_and_custom_tools_free_text() -> None:
    dialogue = read(
        input=[
            {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": "*** Begin"},
            {
                "type": "custom_tool_call_output",
                "call_id": "1",
                "output": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
                    {"type": "refusal", "refusal": "what no result can hold"},
                ],
            },
        ]
    )
    assert dialogue.turns == [
        Turn("assistant", [ToolCall("1", "patch", "*** Begin", custom=True)]),
        Turn(
            "user",
            [ToolResult("1", "patch", [Text("a"), Image(data="aGk=", media_type="image/png")], custom=True)],
        ),
    ]
    assert {F.CUSTOM_TOOLS, F.TOOL_RESULT_MEDIA} <= dialogue.features


def test_arguments_survive_byte_for_byte() -> None:
    odd = '{"a": 1.10, "b":"\\u00e9"}'
    assert turns(fcall("1", arguments=odd), output("1"))[0].parts == [ToolCall("1", "f", odd)]
    assert turns(fcall("1", arguments={"a": 1}), output("1"))[0].parts == [ToolCall("1", "f", '{"a":1}')]
    assert turns(fcall("1", arguments=None), output("1"))[0].parts == [ToolCall("1", "f", "")]


def test_a_seal_on_a_call_is_split_off_both_ids() -> None:
    sealed = seal_id("call_1", "Z2VtaW5p")
    dialogue = read(input=[fcall(sealed), output(sealed)])
    assert dialogue.turns == [
        Turn("assistant", [ToolCall("call_1", "f", "{}", signature="Z2VtaW5p")]),
        Turn("user", [ToolResult("call_1", "f", [Text("ok")])]),
    ]
    assert F.SIGNATURES in dialogue.features


@pytest.mark.parametrize(
    ("fields", "expected", "features"),
    [
        (
            {"summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]},
            Thinking("a\n\nb"),
            {F.THINKING_HISTORY},
        ),
        (
            {"summary": [{"text": "short"}], "content": [{"text": "lo"}, {"text": "ng"}, 5]},
            Thinking("long"),
            {F.THINKING_HISTORY},
        ),
        ({"encrypted_content": "gAAAA"}, Thinking("", "gAAAA", vendor="openai"), {F.SIGNATURES}),
        (
            {
                "summary": [{"type": "summary_text", "text": "a"}],
                "encrypted_content": wrap(Seal("anthropic", "signature", "s")),
            },
            Thinking("a", "s", vendor="anthropic"),
            {F.SIGNATURES, F.THINKING_HISTORY},
        ),
        (
            {"encrypted_content": wrap(Seal("anthropic", "redacted", "r"))},
            Thinking(redacted="r", vendor="anthropic"),
            {F.SIGNATURES},
        ),
    ],
)
def test_reasoning_comes_back(fields: dict[str, Any], expected: Thinking, features: set[Feature]) -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], **fields}
    dialogue = read(input=[user(), item, {"role": "assistant", "content": "b"}, user()])
    assert dialogue.turns[1] == Turn("assistant", [expected, Text("b")])
    assert dialogue.features == features


def test_reasoning_that_shows_nothing_is_nothing() -> None:
    assert turns(user(), {"type": "reasoning", "id": "rs_1", "summary": None}) == [Turn("user", [Text("hi")])]


@pytest.mark.parametrize(
    ("item", "feature"),
    [
        ({"type": "item_reference", "id": "msg_1"}, F.STATE),
        ({"id": "msg_1"}, F.STATE),
        ({"type": "compaction", "encrypted_content": "x"}, F.STATE),
        ({"type": "computer_call_output", "call_id": "1", "output": {}}, F.HOSTED_TOOLS),
        ({"type": "mcp_approval_response", "approve": True}, F.HOSTED_TOOLS),
        ({"type": "of_next_year"}, F.HOSTED_TOOLS),
        ({"type": 5}, F.HOSTED_TOOLS),
        ({"type": {}}, F.HOSTED_TOOLS),
    ],
)
def test_items_that_need_their_vendor(item: object, feature: Feature) -> None:
    dialogue = read(input=[user(), item])
    assert dialogue.features == {feature}
    assert len(dialogue.turns) == 1


def test_records_of_hosted_tools_are_left_out_by_name() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    dialogue = read(input=[user(), search, search, {"role": "assistant", "content": "b"}, user()])
    assert [turn.role for turn in dialogue.turns] == ["user", "assistant", "user"]
    assert (dialogue.features, dialogue.unknown) == (set(), ["input.web_search_call"])


def test_tools() -> None:
    web = {"type": "web_search", "search_context_size": "low"}
    dialogue = read(
        tools=[
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
            {"type": "function", "name": "g"},
            {"type": "custom", "name": "p"},
            {
                "type": "custom",
                "name": "q",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"},
            },
            web,
            {"type": "mcp", "name": "deep", "server_label": "wiki"},
        ]
    )
    assert dialogue.tools == [
        Tool("f", "d", {"type": "object"}, True),
        Tool("g"),
        Tool("p", grammar={"type": "text"}),
        Tool("q", grammar={"type": "grammar", "grammar": {"definition": "start: A", "syntax": "lark"}}),
        Tool("web_search", hosted=web),
        Tool("deep", hosted={"type": "mcp", "name": "deep", "server_label": "wiki"}),
    ]
    assert dialogue.features == {F.TOOLS, F.STRICT_TOOLS, F.CUSTOM_TOOLS, F.HOSTED_TOOLS}


def test_tools_of_a_namespace_have_one_name() -> None:
    function = {"type": "function", "name": "close", "parameters": {"type": "object"}}
    group = {
        "type": "namespace",
        "name": "agents.v1",
        "description": "d",
        "tools": [function, {"type": "custom", "name": "say"}],
    }
    usual = {"type": "namespace", "name": "functions", "tools": [{"type": "function", "name": "wait"}, {"type": "shell"}]}
    dialogue = read(tools=[group, usual])
    assert dialogue.tools == [
        Tool("agents_v1__close", parameters={"type": "object"}, home=("agents.v1", "close")),
        Tool("agents_v1__say", grammar={"type": "text"}, home=("agents.v1", "say")),
        Tool("wait", home=("functions", "wait")),
        Tool("shell", hosted={"type": "shell"}),
    ]
    assert dialogue.features == {F.TOOLS, F.CUSTOM_TOOLS, F.HOSTED_TOOLS}


def test_calls_of_a_namespace_have_the_name_of_its_tools() -> None:
    call = {**fcall("1", "close"), "namespace": "agents.v1"}
    _, made, answered = turns(user(), call, output("1"))
    assert made.parts == [ToolCall("1", "agents_v1__close", "{}")]
    assert answered.parts == [ToolResult("1", "agents_v1__close", [Text("ok")])]


def test_a_name_that_is_too_long_is_cut_and_stays_the_only_one() -> None:
    names = [join_name("mcp__" + "x" * 60, name) for name in ("a", "b")]
    assert len(set(names)) == 2
    assert {len(name) for name in names} == {64}
    assert len(join_name("n" * 31, "f" * 31)) == 64


def test_items_can_bring_tools() -> None:
    early = {"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "f"}]}
    found = {"type": "tool_search_output", "call_id": "c", "tools": [{"type": "function", "name": "g", "strict": True}]}
    dialogue = read(
        input=[early, user(), {"type": "tool_search_call"}, found], tools=[{"type": "function", "name": "f", "strict": True}]
    )
    assert dialogue.tools == [Tool("f", strict=True), Tool("g", strict=True)]
    assert dialogue.unknown == ["input.tool_search_call"]
    assert len(dialogue.turns) == 1
    error = refuse(input=[{**early, "tools": {}}])
    assert error.param == "input[0].tools"


@pytest.mark.parametrize(
    ("choice", "expected", "features"),
    [
        ("auto", None, set()),
        (None, None, set()),
        ("none", ToolChoice("none"), {F.TOOL_CHOICE}),
        ("required", ToolChoice("required"), {F.TOOL_CHOICE}),
        ({"type": "function", "name": "f"}, ToolChoice("named", "f"), {F.TOOL_CHOICE}),
        ({"type": "custom", "name": "p"}, ToolChoice("named", "p"), {F.TOOL_CHOICE}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice("required", allowed=["f"]),
            {F.ALLOWED_TOOLS},
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "image_generation"}, 5]},
            ToolChoice("auto", allowed=[]),
            {F.ALLOWED_TOOLS, F.HOSTED_TOOLS},
        ),
        ({"type": "allowed_tools", "mode": "auto"}, ToolChoice("auto", allowed=[]), {F.ALLOWED_TOOLS}),
        ({"type": "web_search_preview"}, ToolChoice("named", "web_search_preview"), {F.HOSTED_TOOLS}),
    ],
)
def test_tool_choice(choice: object, expected: ToolChoice | None, features: set[Feature]) -> None:
    dialogue = read(tool_choice=choice)
    assert dialogue.tool_choice == expected
    assert dialogue.features == features


@pytest.mark.parametrize(
    ("text", "expected", "features"),
    [
        ({"format": {"type": "text"}}, None, set()),
        ({"format": None}, None, set()),
        ({"format": {"type": "json_object"}}, AnswerFormat("json"), {F.JSON_OBJECT}),
        (
            {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True, "description": "d"}},
            AnswerFormat("schema", "n", {"a": 1}, True, "d"),
            {F.JSON_SCHEMA},
        ),
        (
            {"format": {"type": "json_schema", "name": "n", "schema": {}}},
            AnswerFormat("schema", "n", {}),
            {F.JSON_SCHEMA},
        ),
        ("odd", None, set()),
    ],
)
def test_answer_formats(text: object, expected: AnswerFormat | None, features: set[Feature]) -> None:
    dialogue = read(text=text)
    assert dialogue.answer_format == expected
    assert dialogue.features == features


@pytest.mark.parametrize(
    ("reasoning", "expected", "features", "unknown"),
    [
        ({"effort": "low"}, Reasoning(effort="low"), {F.REASONING}, []),
        ({"summary": "auto"}, Reasoning(summary="auto"), {F.REASONING_SUMMARY}, []),
        ({"generate_summary": "concise"}, Reasoning(summary="concise"), {F.REASONING_SUMMARY}, []),
        ({"effort": None}, None, set(), []),
        ({"context": "auto", "mode": "pro"}, None, set(), ["reasoning.context", "reasoning.mode"]),
        ("odd", None, set(), []),
    ],
)
def test_reasoning(reasoning: object, expected: Reasoning | None, features: set[Feature], unknown: list[str]) -> None:
    dialogue = read(reasoning=reasoning)
    assert (dialogue.reasoning, dialogue.features, dialogue.unknown) == (expected, features, unknown)


def test_numbers_and_the_rest() -> None:
    dialogue = read(
        max_output_tokens=50.0,
        temperature=0,
        top_p=0.5,
        top_logprobs=2,
        parallel_tool_calls=False,
        metadata={"a": "b"},
        user="old",
        safety_identifier="new",
        service_tier="flex",
        prompt_cache_key="k",
        store=True,
        truncation="auto",
        text={"verbosity": "low"},
        stream_options={"include_obfuscation": False},
        max_tool_calls=3,
        moderation=None,
        future={"x": 1},
    )
    sampling = dialogue.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (50, 0.0, 0.5)
    assert (sampling.logprobs, sampling.top_logprobs) == (True, 2)
    assert (dialogue.parallel, dialogue.user, dialogue.service_tier, dialogue.cache_key) == (False, "new", "flex", "k")
    assert (dialogue.metadata, dialogue.verbosity) == ({"a": "b"}, "low")
    assert dialogue.unknown == ["max_tool_calls", "future", "truncation"]
    assert dialogue.features == {
        F.MAX_TOKENS, F.TEMPERATURE, F.TOP_P, F.LOGPROBS, F.PARALLEL_OFF, F.METADATA, F.USER, F.SERVICE_TIER, F.STORE,
        F.VERBOSITY,
    }  # fmt: skip


def test_what_is_the_default_is_no_feature() -> None:
    dialogue = read(
        parallel_tool_calls=True, metadata={}, service_tier="auto", store=False, truncation="disabled", include=["x"],
        top_logprobs=0, background=False, previous_response_id=None, context_management=[],
    )  # fmt: skip
    assert dialogue.features == set()
    assert dialogue.unknown == []
    assert dialogue.parallel is True


def test_probabilities_may_be_asked_for_by_name() -> None:
    dialogue = read(include=["message.output_text.logprobs"])
    assert dialogue.sampling.logprobs
    assert dialogue.features == {F.LOGPROBS}


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"prompt": {"id": "pmpt_1"}},
        {"context_management": [{"type": "compaction"}]},
    ],
)
def test_what_one_account_holds_is_state(fields: dict[str, object]) -> None:
    dialogue = read(**fields, input=[output("of an earlier response"), user()])
    assert dialogue.features == {F.STATE}
    assert read(**fields, input=None).features == {F.STATE}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": {}, "content": "x"}]}, "input[0].role"),
        ({"input": [user(5)]}, "input[0].content[0]"),
        ({"input": [user({"type": "text_of_next_year"})]}, "input[0].content[0].type"),
        ({"input": [user({"type": 5})]}, "input[0].content[0].type"),
        ({"input": [user({"type": "input_text"})]}, "input[0].content[0].text"),
        ({"input": [user({"type": "input_image"})]}, "input[0].content[0].image_url"),
        ({"input": [user({"type": "input_file"})]}, "input[0].content[0].file_data"),
        ({"input": [user({"type": "input_audio"})]}, "input[0].content[0].input_audio"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "1", "arguments": "{}"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [output("nobody's")]}, "input"),
        ({"instructions": ["x"]}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
    ],
)
def test_what_nobody_could_be_asked_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    error = refuse(**fields)
    assert error.param == param
    assert error.message


def test_a_message_without_content_is_no_turn() -> None:
    assert turns({"role": "user", "content": ""}, {"role": "user", "content": None}, user()) == [Turn("user", [Text("hi")])]


KEYS = ["type", "role", "content", "text", "call_id", "name", "output", "id", "summary", "format"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "user", "function_call", "message", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["input", "tools", "tool_choice", "text", "reasoning", "include", "top_p"]), JSON))
def test_no_shape_raises_anything_else(fields: dict[str, Any]) -> None:
    try:
        dialogue = read(**fields)
    except EnvelopeError:
        return
    assert all(turn.parts for turn in dialogue.turns)
