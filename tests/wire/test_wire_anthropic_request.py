"""Messages requests, read into dialogues."""

from typing import Any

import pytest
from messages_shapes import read

from proxy.core.call import Envelope
from proxy.core.features import Feature as F
from proxy.wire.anthropic.request import read_request
from proxy.wire.dialogue import (
    AnswerFormat,
    CacheMark,
    Document,
    Image,
    Reasoning,
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
from proxy.wire.seals import seal_id

USER = {"role": "user", "content": "hi"}
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
BLOCK_CASES: list[tuple[dict[str, Any], list[object], set[F]]] = [
    ({"type": "text", "text": "a"}, [Text("a")], set()),
    ({"type": "text", "text": ""}, [], set()),
    ({"type": "text", "text": "a", **MARK}, [Text("a", CacheMark("1h"))], {F.CACHE_CONTROL}),
    ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, [Text("a", CacheMark())], {F.CACHE_CONTROL}),
    ({"type": "text", "text": "a", "citations": [{"type": "page_location"}]}, [Text("a")], {F.CITATIONS}),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
        [Image("AA", "image/png")],
        {F.IMAGES},
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "https://x/y"}},
        [Image(url="https://x/y")],
        {F.IMAGES, F.IMAGE_URLS},
    ),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, [Image(file_id="f")], {F.IMAGES, F.FILE_IDS}),
    (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
            "title": "t",
            "context": "c",
            "citations": {"enabled": True},
        },
        [Document("AA", "application/pdf", name="t", context="c", citations=True)],
        {F.DOCUMENTS, F.CITATIONS},
    ),
    (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}},
        [Document(text="abc", media_type="text/plain")],
        {F.DOCUMENTS},
    ),
    ({"type": "document", "source": {"type": "url", "url": "u"}}, [Document(url="u")], {F.DOCUMENTS}),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}}, [Document(file_id="f")], {F.DOCUMENTS, F.FILE_IDS}),
    (
        {
            "type": "document",
            "source": {
                "type": "content",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image", "source": {"type": "url", "url": "u"}},
                    {"type": "text", "text": "b"},
                ],
            },
        },
        [Document(text="a\n\nb", media_type="text/plain"), Image(url="u")],
        {F.DOCUMENTS, F.IMAGES, F.IMAGE_URLS},
    ),
    (
        {
            "type": "search_result",
            "source": "https://x",
            "title": "t",
            "content": [{"type": "text", "text": "a"}],
            "citations": {"enabled": False},
        },
        [Document(text="a", media_type="text/plain", name="t", context="https://x")],
        {F.DOCUMENTS},
    ),
    (
        {"type": "search_result", "source": {"type": "odd"}, "content": "a"},
        [Document(text="a", media_type="text/plain")],
        {F.DOCUMENTS},
    ),
]


@pytest.mark.parametrize(("block", "parts", "features"), BLOCK_CASES)
def test_blocks_of_the_user(block: dict[str, Any], parts: list[object], features: set[F]) -> None:
    dialogue = read([{"role": "user", "content": [block, {"type": "text", "text": "end"}]}])
    assert dialogue.turns == [Turn("user", [*parts, Text("end")])]  # type: ignore[list-item]
    assert dialogue.features == features
    assert dialogue.unknown == []


def test_thinking_in_the_history() -> None:
    blocks = [
        {"type": "thinking", "thinking": "so", "signature": "EvMC="},
        {"type": "thinking", "thinking": "Gemini", "signature": "undimmed.google.signature.AAA"},
        {"type": "thinking", "thinking": "nobody's", "signature": "undimmed..signature."},
        {"type": "thinking", "thinking": "bare"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "redacted_thinking", "data": "undimmed.openai.redacted.xyz"},
    ]
    dialogue = read([USER, {"role": "assistant", "content": blocks}, USER])
    assert dialogue.turns[1].parts == [
        Thinking("so", "EvMC=", vendor="anthropic"),
        Thinking("Gemini", "AAA", vendor="google"),
        Thinking("nobody's"),
        Thinking("bare"),
        Thinking(redacted="opaque", vendor="anthropic"),
        Thinking(redacted="xyz", vendor="openai"),
    ]
    assert dialogue.features == {F.THINKING_HISTORY, F.SIGNATURES}


def test_tools_called_and_answered() -> None:
    raw = b"""{"model":"m","messages":[
      {"role":"user","content":"go"},
      {"role":"assistant","content":[{"type":"text","text":"ok"},
        {"type":"tool_use","id":"a","name":"f","input":{"x": 1.10, "y":"\\u00e4"}},
        {"type":"tool_use","id":"b::sig:Uw","name":"g","input":{}},
        {"type":"tool_use","id":"c","name":"h"}]},
      {"role":"user","content":[{"type":"text","text":"and now"},
        {"type":"tool_result","tool_use_id":"c"},
        {"type":"tool_result","tool_use_id":"z","content":"?"}]},
      {"role":"user","content":[
        {"type":"tool_result","tool_use_id":"b::sig:Uw","is_error":true,"content":[{"type":"text","text":"no"},
          {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}},{"type":"odd"}]},
        {"type":"tool_result","tool_use_id":"a","content":null}]}]}"""
    dialogue = read_request(Envelope("m", False, False, {"messages": b""}, raw))
    assert dialogue.turns[1].parts == [
        Text("ok"),
        ToolCall("a", "f", '{"x": 1.10, "y":"\\u00e4"}'),
        ToolCall("b", "g", "{}", signature="S"),
        ToolCall("c", "h", ""),
    ]
    assert dialogue.turns[2:] == [
        Turn(
            "user",
            [
                ToolResult("a", "f", []),
                ToolResult("b", "g", [Text("no"), Image("AA", "image/png")], error=True),
                ToolResult("c", "h", []),
                ToolResult("z", "", [Text("?")]),
                Text("and now"),
            ],
        )
    ]
    assert dialogue.features == {F.PARALLEL_TOOLS, F.SIGNATURES, F.TOOL_RESULT_MEDIA, F.TOOL_RESULT_ERROR, F.IMAGES}
    assert dialogue.unknown == ["messages.odd"]


def test_only_what_a_tool_can_give_counts_as_its_result() -> None:
    blocks = [{"type": "text", "text": "a"}, {"type": "tool_result", "tool_use_id": "y", "content": "b"}]
    result = {"type": "tool_result", "tool_use_id": "x", "content": blocks}
    assert read([USER, {"role": "assistant", "content": "b"}, {"role": "user", "content": [result]}]).turns[2].parts == [
        ToolResult("x", "", [Text("a")])
    ]


def test_one_call_is_not_parallel() -> None:
    calls = [{"type": "tool_use", "id": seal_id("a", None), "name": "f", "input": {}}]
    assert read([USER, {"role": "assistant", "content": calls}, USER]).features == set()


def test_blocks_that_only_anthropic_understands_are_left_out_by_name() -> None:
    blocks = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result"},
        {},
    ]
    dialogue = read([USER, {"role": "assistant", "content": blocks}, USER], speed="fast")
    assert dialogue.turns == [Turn("user", [Text("hi")]), Turn("user", [Text("hi")])]
    assert dialogue.unknown == ["speed", "messages.server_tool_use", "messages.web_search_tool_result", "messages.type"]


def test_turns() -> None:
    dialogue = read(
        [
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {"role": "system", "content": "be brief"},
            {"role": "system", "content": "be kind"},
            {"role": "assistant", "content": ""},
            {"role": "assistant", "content": "The answer is"},
        ],
        system=[{"type": "text", "text": "s", **MARK}, {"type": "text", "text": "t"}],
    )
    assert dialogue.turns == [
        Turn("system", [Text("s", CacheMark("1h")), Text("t")]),
        Turn("user", [Text("a"), Text("b")]),
        Turn("system", [Text("be brief")]),
        Turn("system", [Text("be kind")]),
        Turn("assistant", [Text("The answer is")]),
    ]
    assert dialogue.features == {F.LATER_SYSTEM, F.PREFILL, F.CACHE_CONTROL}


def test_a_system_turn_before_all_others_is_not_a_later_one() -> None:
    assert read([{"role": "system", "content": "s"}, USER], system="r").features == set()
    assert read(system="").turns == [Turn("user", [Text("hi")])]


@pytest.mark.parametrize(
    ("fields", "reasoning", "features"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            Reasoning(budget=2048),
            {F.REASONING, F.REASONING_BUDGET},
        ),
        ({"thinking": {"type": "enabled"}}, Reasoning(adaptive=True), {F.REASONING}),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, Reasoning("none"), {F.REASONING}),
        ({"thinking": {"type": "between_tools"}}, Reasoning(adaptive=True), {F.REASONING}),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
            Reasoning("max", summary="omitted"),
            {F.REASONING, F.REASONING_SUMMARY},
        ),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            Reasoning(adaptive=True, summary="auto"),
            {F.REASONING, F.REASONING_SUMMARY},
        ),
        ({"output_config": {"effort": "high"}}, Reasoning("high"), {F.REASONING}),
        ({"output_config": {}, "thinking": None}, None, set()),
    ],
)
def test_reasoning(fields: dict[str, Any], reasoning: Reasoning | None, features: set[F]) -> None:
    dialogue = read(**fields)
    assert dialogue.reasoning == reasoning
    assert dialogue.features == features


def test_tools() -> None:
    hosted = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    dialogue = read(
        tools=[
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True, **MARK},
            {"type": "custom", "name": "g", "input_schema": {"type": "object"}},
            hosted,
            {"type": "odd_20990101"},
        ],
    )
    assert dialogue.tools == [
        Tool("f", "d", {"type": "object"}, True, cache=CacheMark("1h")),
        Tool("g", None, {"type": "object"}),
        Tool("web_search", hosted=hosted),
        Tool("odd_20990101", hosted={"type": "odd_20990101"}),
    ]
    assert dialogue.features == {F.TOOLS, F.STRICT_TOOLS, F.HOSTED_TOOLS, F.CACHE_CONTROL}


@pytest.mark.parametrize(
    ("choice", "expected", "parallel", "features"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None, set()),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice("auto"), False, {F.PARALLEL_OFF}),
        ({"type": "any"}, ToolChoice("required"), None, {F.TOOL_CHOICE}),
        ({"type": "none"}, ToolChoice("none"), None, {F.TOOL_CHOICE}),
        (
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            ToolChoice("named", "f"),
            False,
            {F.TOOL_CHOICE, F.PARALLEL_OFF},
        ),
    ],
)
def test_tool_choice(choice: dict[str, Any], expected: ToolChoice, parallel: bool | None, features: set[F]) -> None:
    dialogue = read(tool_choice=choice)
    assert (dialogue.tool_choice, dialogue.parallel) == (expected, parallel)
    assert dialogue.features == features


def test_everything_else() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    dialogue = read(
        max_tokens=5,
        temperature=1,
        top_p=0.5,
        top_k=40,
        stop_sequences=["x", "y"],
        metadata={"user_id": "u"},
        service_tier="standard_only",
        output_config={"format": {"type": "json_schema", "schema": schema}},
        stream=True,
        mcp_servers=[{"url": "https://x"}],
        container="c_1",
        betas=[],
    )
    assert dialogue.stream
    assert dialogue.sampling == Sampling(5, 1.0, 0.5, 40, stop=["x", "y"])
    assert (dialogue.user, dialogue.service_tier) == ("u", "default")
    assert dialogue.answer_format == AnswerFormat("schema", schema=schema)
    assert dialogue.features == {
        F.MAX_TOKENS,
        F.TEMPERATURE,
        F.TOP_P,
        F.TOP_K,
        F.STOP,
        F.USER,
        F.SERVICE_TIER,
        F.JSON_SCHEMA,
        F.HOSTED_TOOLS,
        F.STATE,
    }
    assert dialogue.unknown == ["betas"]
    old = read(output_format={"type": "json_schema", "schema": schema}, service_tier="auto", metadata={})
    assert (old.answer_format, old.service_tier, old.user) == (dialogue.answer_format, "auto", None)


def test_a_mark_at_the_top_stands_at_the_end() -> None:
    control = {"type": "ephemeral"}
    dialogue = read(
        [USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "s"}]}],
        cache_control=control,
    )
    assert dialogue.turns[0].parts == [Text("hi", CacheMark())]
    assert F.CACHE_CONTROL in dialogue.features
    assert read([], cache_control=control).turns == []
    kept = read([{"role": "user", "content": [{"type": "text", "text": "a", **MARK}]}], cache_control=control)
    assert kept.turns[0].parts == [Text("a", CacheMark("1h"))]


@pytest.mark.parametrize(
    ("messages", "fields", "message"),
    [
        ([{"role": "tool", "content": ""}], {}, "messages.0.role: Input should be 'user', 'assistant' or 'system'"),
        ([{"role": "user"}], {}, "messages.0.content: Field required"),
        ([{"role": 1, "content": ""}], {}, "messages.0.role: Expected `str`, got `int`"),
        ([USER], {"max_tokens": "5"}, "max_tokens: Expected `int | null`, got `str`"),
        ([USER], {"tool_choice": {"type": "odd"}}, "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"),
        ([USER], {"tools": [{"input_schema": {}}]}, "tools: every tool needs a name"),
        ([USER], {"tools": [{"name": 1}]}, "name: Expected `str | null`, got `int`"),
        ([USER], {"output_config": {"format": {"type": "x"}}}, "output_config.format: a JSON schema is required"),
        ([{"role": "user", "content": [{"type": "image"}]}], {}, "messages: a block of type 'image' needs a source"),
        (
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": 3}]}],
            {},
            "messages: the content of a block cannot be read",
        ),
    ],
)
def test_what_nobody_could_be_asked(messages: list[object], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        read(messages, **fields)
    assert caught.value.message == message


def test_bodies_that_are_no_requests() -> None:
    for raw, message in (
        (b"{}", "messages: Field required"),
        (b'{"messages":[],"tools":[{"x":"\xf4"}]}', "not valid JSON"),
        (b'{"messages":[],"tools":[{"type":"t","x":1e999}]}', "out of range"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{", "not valid JSON"),
    ):
        with pytest.raises(EnvelopeError, match=message):
            read_request(Envelope("m", False, False, {}, raw))


def test_half_of_an_emoji_is_read_all_the_same() -> None:
    raw = b'{"messages":[{"role":"user","content":"a\\ud83d"}]}'
    assert read_request(Envelope("m", False, False, {}, raw)).turns == [Turn("user", [Text("a?")])]
