"""What clients of chat completions get, streamed and whole, held against OpenAI's schema and its SDK's types."""

import json
from collections.abc import Sequence
from typing import Any

import httpx2 as httpx
import openai
import pytest
from contract.contract_schemas import events, violations
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from wire_dialogues import USER, ask, call

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK
from proxy.core.usage import Usage
from proxy.wire.chat.answers import write_chat_answer
from proxy.wire.chat.encoding import ChatEncoder
from proxy.wire.chat.legacy import read_completion
from proxy.wire.chat.reading import read_chat
from proxy.wire.dialects import CLIENTS
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Completion,
    CompletionChoice,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)

BEGAN = Began("x1", "vendor-model", 17)
USAGE = Usage(13, 11, cached=4, cache_write=2, reasoning=3)
SPELLED = {
    "prompt_tokens": 13, "completion_tokens": 11, "total_tokens": 24,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}  # fmt: skip
ROLE = {"role": "assistant", "content": "", "refusal": None}


def stream(pieces: Sequence[Piece], **fields: Any) -> list[dict[str, Any]]:
    """The chunks, each valid."""
    encoder = ChatEncoder(call(messages=[USER], stream=True, **fields))
    *data, done = events(encoder.encode(pieces) + encoder.close())
    assert done == "[DONE]"
    chunks = [json.loads(text) for text in data]
    for chunk in chunks:
        assert violations("CreateChatCompletionStreamResponse", chunk) == []
        ChatCompletionChunk.model_validate(chunk, strict=True)
    return chunks


def deltas(pieces: Sequence[Piece], **fields: Any) -> list[dict[str, Any]]:
    """What the first choice says after its role."""
    first, *rest = [chunk["choices"][0] for chunk in stream([BEGAN, *pieces], **fields)]
    assert first == {"index": 0, "delta": ROLE, "logprobs": None, "finish_reason": None}
    return [choice["delta"] for choice in rest]


def test_a_stream_in_openais_shape() -> None:
    chunks = stream([BEGAN, TextPiece('Par"is\n'), Finished(Finish.STOP), Spent(USAGE)])
    outside = {"id": "x1", "object": "chat.completion.chunk", "created": 17, "model": "vendor-model"}
    assert chunks == [
        {**outside, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        for delta, finish in ((ROLE, None), ({"content": 'Par"is\n'}, None), ({}, "stop"))
    ]


def test_usage_only_for_those_who_asked() -> None:
    pieces = [BEGAN, TextPiece("a"), Spent(Usage(1, 1)), Finished(Finish.STOP), Spent(USAGE)]
    *chunks, last = stream(pieces, stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks] == [None] * 3
    assert (last["choices"], last["usage"]) == ([], SPELLED)
    assert all("usage" not in chunk for chunk in stream(pieces))
    assert len(stream(pieces[:2], stream_options={"include_usage": True})) == 2  # none came: none is made up


@pytest.mark.parametrize("pieces", [[TextPiece("a")], [Began(), TextPiece("a")], [TextPiece("a"), BEGAN]])
def test_what_the_vendor_does_not_say_we_do(pieces: list[Piece]) -> None:
    for chunk in stream(pieces):
        assert (chunk["id"], chunk["created"], chunk["model"]) == ("chatcmpl-abc", 1700000000, "m")


def test_close_alone_is_a_whole_end() -> None:
    encoder = ChatEncoder(call(messages=[USER], stream=True, stream_options={"include_usage": True}))
    assert encoder.encode([Spent(USAGE)]) == b""
    chunk, done = events(encoder.close())
    assert json.loads(chunk)["usage"] == SPELLED
    assert done == "[DONE]"


def test_choices_open_with_their_own_role() -> None:
    chunks = stream([BEGAN, TextPiece("a"), TextPiece("b", 1), Finished(Finish.STOP, choice=1), Finished(Finish.STOP)])
    seen = [(chunk["choices"][0]["index"], chunk["choices"][0]["delta"]) for chunk in chunks]
    assert seen == [(0, ROLE), (0, {"content": "a"}), (1, ROLE), (1, {"content": "b"}), (1, {}), (0, {})]


FINISHES = {
    Finish.STOP: "stop", Finish.STOP_SEQUENCE: "stop", Finish.PAUSE: "stop", Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls", Finish.CONTENT_FILTER: "content_filter", Finish.REFUSAL: "content_filter",
}  # fmt: skip


@pytest.mark.parametrize("reason", Finish)
def test_finish(reason: Finish) -> None:
    assert stream([BEGAN, Finished(reason)])[-1]["choices"][0]["finish_reason"] == FINISHES[reason]


def test_calls_of_tools() -> None:
    pieces = [
        CallBegan(0, "c1", "f"), CallBegan(1, "c2", "g", signature="S"), CallPiece(1, '{"a"'), CallPiece(0, "{}"),
        CallPiece(1, ":1}"), Finished(Finish.TOOL_CALLS),
    ]  # fmt: skip
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}
    sealed = {**second, "extra_content": {"google": {"thought_signature": "S"}}}
    assert deltas(pieces) == [
        {"tool_calls": [first]},
        {"tool_calls": [sealed]},
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": ":1}"}}]},
        {},
    ]


def test_custom_tools_take_text() -> None:
    # OpenAI's schema of chunks knows no custom calls, so they are only looked at.
    encoder = ChatEncoder(call(messages=[USER], stream=True))
    out = encoder.encode([BEGAN, CallBegan(0, "c1", "k", custom=True), CallPiece(0, "x"), CallBegan(1, "c2", "f")])
    _, began, piece, _ = [json.loads(text)["choices"][0]["delta"]["tool_calls"][0] if "tool_calls" in text else None
                          for text in events(out)]  # fmt: skip
    assert began == {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "k", "input": ""}}
    assert piece == {"index": 0, "custom": {"input": "x"}}


FUNCTIONS = {"functions": [{"name": "f"}]}


def test_a_client_of_functions_gets_a_function_call() -> None:
    pieces = [CallBegan(0, "c1", "f"), CallPiece(0, "{}"), CallBegan(1, "c2", "f"), CallPiece(1, "{}")]
    assert deltas(pieces, **FUNCTIONS) == [
        {"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}},
    ]  # fmt: skip
    last = stream([BEGAN, *pieces, Finished(Finish.TOOL_CALLS)], **FUNCTIONS)[-1]
    assert last["choices"][0]["finish_reason"] == "function_call"


def test_reasoning_and_its_seals() -> None:
    pieces = [
        ThinkingPiece("h"), ThinkingPiece("m"), ThinkingSealed("S", vendor="anthropic"),
        ThinkingSealed(redacted="R", vendor="anthropic"), ThinkingPiece("x"), ThinkingSealed("T", vendor="google"),
        TextPiece("a"),
    ]  # fmt: skip
    sealed = {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic-claude-v1", "index": 0}
    hidden = {"type": "reasoning.encrypted", "data": "R", "format": "anthropic-claude-v1", "index": 1}
    other = {"type": "reasoning.text", "text": "x", "signature": "T", "format": "google-gemini-v1", "index": 2}
    assert deltas(pieces) == [
        {"reasoning_content": "h"}, {"reasoning_content": "m"}, {"reasoning_details": [sealed]},
        {"reasoning_details": [hidden]}, {"reasoning_content": "x"}, {"reasoning_details": [other]}, {"content": "a"},
    ]  # fmt: skip


def test_refusals() -> None:
    assert deltas([RefusalPiece("no"), Finished(Finish.STOP)]) == [{"refusal": "no"}, {}]
    assert deltas([Finished(Finish.REFUSAL, explanation="not that")]) == [{"refusal": "not that"}, {}]
    assert deltas([Finished(Finish.STOP, explanation="?")]) == [{}]


def annotation(start: int, end: int, url: str, **index: int) -> dict[str, Any]:
    return {
        **index,
        "type": "url_citation",
        "url_citation": {"start_index": start, "end_index": end, "url": url, "title": "T"},
    }


def test_citations_point_at_what_was_just_written() -> None:
    pieces = [
        TextPiece("abc"), Citation("https://a", "T"), Citation("https://b", "T"), Citation(raw={"doc": 1}), TextPiece("de"),
        Citation("https://c", "T"),
    ]  # fmt: skip
    found = [delta["annotations"] for delta in deltas(pieces) if "annotations" in delta]
    assert found == [
        [annotation(0, 3, "https://a", index=0)],
        [annotation(0, 3, "https://b", index=1)],
        [annotation(3, 5, "https://c", index=2)],
    ]


# Whole answers.


def whole(
    parts: list[Any], finish: Finished | None = None, citations: Sequence[Citation] = (), **fields: Any
) -> dict[str, Any]:
    """The first choice of an answer, valid."""
    asked = call(messages=[USER], **fields)
    choice = CompletionChoice(parts, finish or Finished(Finish.STOP), list(citations))
    answer = json.loads(write_chat_answer(asked, Completion(OK, "x1", "vendor-model", 17, [choice], USAGE, "standard")))
    assert violations("CreateChatCompletionResponse", answer) == []
    ChatCompletion.model_validate(answer, strict=True)
    assert answer["usage"] == SPELLED
    assert answer["service_tier"] == "default"
    found = answer["choices"][0]
    assert isinstance(found, dict)
    return found


def test_a_whole_answer_in_openais_shape() -> None:
    assert whole([Text("a"), Text("b")]) == {
        "index": 0, "message": {"role": "assistant", "content": "ab", "refusal": None, "annotations": []}, "logprobs": None,
        "finish_reason": "stop",
    }  # fmt: skip


def test_what_the_vendor_does_not_say_of_a_whole_answer_we_do() -> None:
    choices = [CompletionChoice([Text(text)], Finished(Finish.LENGTH)) for text in "ab"]
    answer = json.loads(write_chat_answer(call(messages=[USER]), Completion(OK, choices=choices, service_tier="odd")))
    assert violations("CreateChatCompletionResponse", answer) == []
    assert (answer["id"], answer["created"], answer["model"]) == ("chatcmpl-abc", 1700000000, "m")
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert answer.keys().isdisjoint(("usage", "service_tier"))


@pytest.mark.parametrize(
    ("parts", "finish", "expected"),
    [
        ([], Finished(Finish.STOP), {"content": ""}),
        ([Refusal("no")], Finished(Finish.STOP), {"content": None, "refusal": "no"}),
        ([], Finished(Finish.REFUSAL, explanation="not that"), {"content": None, "refusal": "not that"}),
        ([Refusal("no")], Finished(Finish.REFUSAL, explanation="not that"), {"content": None, "refusal": "no"}),
        ([Thinking("hm"), Text("a")], Finished(Finish.STOP), {"content": "a", "reasoning_content": "hm"}),
        (
            [Thinking("h", "S", vendor="bedrock"), Thinking(redacted="R"), Thinking("m")], Finished(Finish.STOP),
            {
                "content": "", "reasoning_content": "hm",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "h", "signature": "S", "format": "bedrock-converse-v1", "index": 0},
                    {"type": "reasoning.encrypted", "data": "R", "format": "unknown", "index": 1},
                    {"type": "reasoning.text", "text": "m", "signature": None, "format": "unknown", "index": 2},
                ],
            },
        ),
        (
            [ToolCall("c1", "f", '{"a": 1}', signature="S"), ToolCall("c2", "k", "in", custom=True)],
            Finished(Finish.TOOL_CALLS),
            {
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'},
                        "extra_content": {"google": {"thought_signature": "S"}},
                    },
                    {"id": "c2", "type": "custom", "custom": {"name": "k", "input": "in"}},
                ],
            },
        ),
    ],
)  # fmt: skip
def test_messages(parts: list[Any], finish: Finished, expected: dict[str, Any]) -> None:
    choice = whole(parts, finish)
    assert choice["message"] == {"role": "assistant", "refusal": None, "annotations": [], **expected}
    assert choice["finish_reason"] == FINISHES[finish.reason]


def test_a_client_of_functions_gets_a_whole_function_call() -> None:
    calls = [ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")]
    choice = whole(calls, Finished(Finish.TOOL_CALLS), **FUNCTIONS)
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"
    assert "tool_calls" not in choice["message"]


def test_citations_of_a_whole_answer_are_about_all_of_it() -> None:
    message = whole([Text("abc")], citations=[Citation("https://a", "T"), Citation(raw={})])["message"]
    assert message["annotations"] == [annotation(0, 3, "https://a")]


def test_what_a_client_is_given_it_can_send_back() -> None:
    parts = [
        Thinking("h", "S", vendor="anthropic"), Thinking(redacted="R", vendor="openai"),
        Thinking("m", "T", vendor="bedrock"),
        Text("a"), ToolCall("c1", "f", '{"a": 1}', signature="G"), ToolCall("c2", "k", "in", custom=True),
    ]  # fmt: skip
    message = whole(parts, Finished(Finish.TOOL_CALLS))["message"]
    assert ask(message, USER).turns[0].parts == parts


def test_both_clients_are_in_the_table() -> None:
    assert CLIENTS[Endpoint.CHAT].read is read_chat
    assert CLIENTS[Endpoint.COMPLETIONS].read is read_completion


def test_the_sdks_own_accumulator_puts_the_stream_together() -> None:
    pieces: list[Piece] = [
        BEGAN, ThinkingPiece("h"), ThinkingPiece("m"), ThinkingSealed("S", vendor="anthropic"), ThinkingSealed(redacted="R"),
        TextPiece("a"), Citation("https://a", "T"), TextPiece("b"), Citation("https://b", "T"), Citation("https://c", "T"),
        CallBegan(0, "c1", "f"), CallBegan(1, "c2", "g", signature="G"), CallPiece(1, "{"), CallPiece(0, "{}"),
        CallPiece(1, "}"),
        Finished(Finish.TOOL_CALLS), Spent(USAGE),
    ]  # fmt: skip
    encoder = ChatEncoder(call(messages=[USER], stream=True, stream_options={"include_usage": True}))
    body = encoder.encode(pieces) + encoder.close()
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    )
    with (
        openai.OpenAI(api_key="x", base_url="http://x", http_client=httpx.Client(transport=transport)) as client,
        client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        answer = stream.get_final_completion()
    message = answer.choices[0].message.model_dump(exclude_none=True)
    assert (message["content"], message["reasoning_content"]) == ("ab", "hm")
    assert [detail.get("signature", detail.get("data")) for detail in message["reasoning_details"]] == ["S", "R"]
    assert [note["url_citation"]["url"] for note in message["annotations"]] == ["https://a", "https://b", "https://c"]
    assert [made["function"]["arguments"] for made in message["tool_calls"]] == ["{}", "{}"]
    assert answer.usage is not None
    assert answer.usage.total_tokens == 24
    sent = ask(message, USER).turns[0].parts
    assert sent == [
        Thinking("hm", "S", vendor="anthropic"), Thinking(redacted="R"), Text("ab"), ToolCall("c1", "f", "{}"),
        ToolCall("c2", "g", "{}", signature="G"),
    ]  # fmt: skip
