"""Streams and whole answers of servers of the chat format, as pieces and completions."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import wire_fixtures as fixtures
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_chunks import HELLO, chunk, event

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.chat.decoding import ChatDecoder
from proxy.wire.chat.quirks import USUAL, Quirks
from proxy.wire.chat.vendor import CHAT_FORMAT, make_chat_format
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Completion,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)

DONE = b"data: [DONE]\n\n"
STREAMS = {
    name: getattr(fixtures, name)
    for name in (
        "OPENAI", "GROQ", "DEEPSEEK", "MISTRAL", "ZAI", "OPENROUTER",
        "OPENROUTER_FAILURE_A", "OPENROUTER_FAILURE_B", "SGLANG_OVERFLOW", "AZURE_FIRST",
    )
}  # fmt: skip
STOP = Finished(Finish.STOP)
CALLED = Finished(Finish.TOOL_CALLS)


def decode(stream: bytes | Sequence[bytes], quirks: Quirks = USUAL) -> tuple[list[Piece], ChatDecoder]:
    decoder = ChatDecoder(quirks)
    pieces: list[Piece] = []
    for part in [stream] if isinstance(stream, bytes) else stream:
        pieces += decoder.feed(part)
    return pieces + decoder.finish(), decoder


def state(parts: Sequence[bytes]) -> tuple[object, ...]:
    pieces, decoder = decode(parts)
    return pieces, decoder.failure, decoder.done, decoder.events


def say(*deltas: dict[str, Any], finish: str = "stop") -> list[Piece]:
    """The pieces of a stream between its beginning and its finish."""
    pieces, decoder = decode([*[chunk(delta) for delta in deltas], chunk(finish=finish), DONE])
    assert decoder.failure is None
    assert pieces[0] == Began("c", "m")
    return pieces[1:]


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        (
            "OPENAI",
            [
                Began("chatcmpl-1", "gpt-x", 1), CallBegan(0, "call_1", "get_capital"), CallPiece(0, '{"country":"UK"}'),
                CALLED,
                Spent(Usage(53, 15)),
            ],
        ),
        ("GROQ", [Began("chatcmpl-g", "m", 1), ThinkingPiece("Alright"), STOP, Spent(Usage(21, 9))]),
        ("DEEPSEEK", [Began("d", "deepseek-reasoner", 1), ThinkingPiece("Hmm"), STOP, Spent(Usage(6, 212, reasoning=198))]),
        ("MISTRAL", [Began("m", "magistral", 1), ThinkingPiece("Okay"), STOP, Spent(Usage(10, 232))]),
        ("ZAI", [Began("z", "glm", 1), ThinkingPiece("1."), STOP, Spent(Usage(13, 564, reasoning=561))]),
        ("OPENROUTER", [Began("gen-1", "openai/gpt-4o-mini", 1), TextPiece("Hi"), STOP, Spent(Usage(8, 1))]),
    ],
)  # fmt: skip
def test_recorded_streams(name: str, pieces: list[Piece]) -> None:
    found, decoder = decode(STREAMS[name])
    assert found == pieces
    assert (decoder.failure, decoder.done) == (None, True)


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (fixtures.OPENROUTER_FAILURE_A, Kind.SERVER_ERROR),
        (fixtures.OPENROUTER_FAILURE_B, Kind.SERVER_ERROR),
        (fixtures.SGLANG_OVERFLOW, Kind.CONTEXT_TOO_LONG),
        (fixtures.OLLAMA_ERROR_LINE + b"\n\n", Kind.SERVER_ERROR),
        (fixtures.OLLAMA_ERROR_LINE, Kind.SERVER_ERROR),
        (fixtures.AZURE_FIRST, Kind.STREAM_BROKEN),
        (chunk(finish="error"), Kind.SERVER_ERROR),
        (event({"choices": [], "x_groq": {"error": "over capacity"}}), Kind.SERVER_ERROR),
        (event({"error": {"code": "rate_limit_exceeded", "message": "slow"}}), Kind.RATE_LIMITED),
        (b"data: {broken\n\n", Kind.MALFORMED),
        (b"<html>", Kind.MALFORMED),
        (DONE, Kind.MALFORMED),
        (b"", Kind.STREAM_BROKEN),
        (chunk(finish="stop") + b"data: {", Kind.STREAM_BROKEN),
    ],
)  # fmt: skip
def test_failures(stream: bytes, kind: Kind) -> None:
    pieces, decoder = decode(stream)
    assert decoder.failure is not None
    assert decoder.failure.kind is kind
    assert [piece for piece in pieces if isinstance(piece, TextPiece | ThinkingPiece | CallBegan)] == []


def test_nothing_comes_after_a_failure() -> None:
    pieces, decoder = decode([chunk({"content": "a"}) + chunk({"content": "b"}, finish="error"), HELLO])
    assert pieces == [Began("c", "m"), TextPiece("a")]
    assert decoder.failure is not None


@pytest.mark.parametrize("end", [b"", DONE, b"data: [DONE]"])
def test_a_stream_may_end_without_its_terminator(end: bytes) -> None:
    pieces, decoder = decode(HELLO + end)
    assert pieces == [Began("c", "m"), TextPiece("Hello"), STOP]
    assert decoder.failure is None


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_byte_alone_gives_the_same(name: str, ends: bytes) -> None:
    stream = STREAMS[name].replace(b"\n", ends)
    assert state([stream[i : i + 1] for i in range(len(stream))]) == state([STREAMS[name]])


USED = {"prompt_tokens": 1, "completion_tokens": 2}
CALL = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{"}}
EVENTS = [
    b": ping\n\n", DONE, b"\n", b"data: {broken\n\n", HELLO, fixtures.AZURE_FIRST, chunk({"content": "é😀"}, usage=USED),
    chunk({"tool_calls": [CALL]}), chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
    chunk({"tool_calls": [{"id": "c2", "function": {"arguments": "x"}}]}), chunk(finish="tool_calls", usage=USED),
    chunk({"reasoning": "r", "reasoning_details": [{"signature": "S"}]}), chunk({"content": "x"}, "stop", 1),
    event({"choices": [], "usage": USED}), event({"error": {"code": 502}}),
    b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n',
]  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.sampled_from(EVENTS), max_size=8).map(b"".join), st.lists(st.integers(0, 5000), max_size=10))
def test_any_split_gives_the_same(stream: bytes, points: list[int]) -> None:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    assert state([stream[a:b] for a, b in pairwise(edges)]) == state([stream])


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_no_bytes_raise(parts: list[bytes]) -> None:
    for part in parts:
        decode([part, b"data: " + part + b"\n\n"])
        CHAT_FORMAT.read_answer(part)


def test_usage_is_told_whenever_it_changes() -> None:
    more = {"prompt_tokens": 1, "completion_tokens": 3}
    pieces, _ = decode(chunk({"content": "a"}, usage=USED) + chunk({"content": "b"}, "stop", usage=more))
    assert pieces[1:] == [TextPiece("a"), Spent(Usage(1, 2)), TextPiece("b"), STOP, Spent(Usage(1, 3))]
    reasoned = {**more, "completion_tokens_details": {"reasoning_tokens": 5}}
    pieces, _ = decode(chunk({"content": "a"}, usage=reasoned), Quirks(reasoning_outside=True))
    assert pieces[-1] == Spent(Usage(1, 8, reasoning=5))


def test_the_beginning_skips_azures_first_chunk_and_odd_labels() -> None:
    odd = event({"id": 7, "created": "x", "choices": [{"delta": {"content": "a"}}]})
    assert decode(fixtures.AZURE_FIRST + odd)[0] == [Began(), TextPiece("a")]
    assert decode(event({"id": "i", "created": 1.5, "choices": [{}]}))[0] == [Began("i", "", 1)]


@pytest.mark.parametrize(
    ("deltas", "pieces"),
    [
        ([{"content": "a", "reasoning_content": "r", "refusal": "no"}],
            [ThinkingPiece("r"), TextPiece("a"), RefusalPiece("no")]),
        ([{"content": ["a", {"type": "text", "text": "b"}, {"type": "thinking", "thinking": "c"}]}],
         [TextPiece("a"), TextPiece("b"), ThinkingPiece("c")]),
        ([{"reasoning_content": "r", "reasoning": "r"}], [ThinkingPiece("r")]),
        (
            [
                {"reasoning": "r", "reasoning_details": [{"type": "reasoning.text", "text": "r",
                    "format": "anthropic-claude-v1"}]},
                {"reasoning_details": [{"type": "reasoning.text", "signature": "S", "format": "anthropic-claude-v1"}]},
                {"reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "format": "openai-responses-v1"}]},
                {"reasoning_details": [{"type": "reasoning.summary", "summary": "s"}, "odd", {"text": 1}]},
            ],
            [
                ThinkingPiece("r"), ThinkingSealed("S", vendor="anthropic"), ThinkingSealed(redacted="D", vendor="openai"),
                ThinkingPiece("s"),
            ],
        ),
        ([{"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a", "title": "T"}}, "odd", {}]}],
         [Citation("https://a", "T", {"url": "https://a", "title": "T"})]),
        ([{"audio": {"transcript": "x"}}], []),
    ],
)  # fmt: skip
def test_deltas(deltas: list[dict[str, Any]], pieces: list[Piece]) -> None:
    assert say(*deltas) == [*pieces, STOP]


def call(index: int | None = None, id_: str | None = None, name: str | None = None, arguments: Any = None) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}]}


@pytest.mark.parametrize(
    ("deltas", "pieces"),
    [
        # Interleaved by index.
        (
            [call(0, "a", "f", ""), call(1, "b", "g", ""), call(1, arguments="1"), call(0, arguments="0")],
            [CallBegan(0, "a", "f"), CallBegan(1, "b", "g"), CallPiece(1, "1"), CallPiece(0, "0")],
        ),
        # Ollama: whole calls without an index; Google's endpoint: the same index for every call.
        ([call(None, "a", "f", "{}"), call(None, "b", "f", "{}")],
         [CallBegan(0, "a", "f"), CallPiece(0, "{}"), CallBegan(1, "b", "f"), CallPiece(1, "{}")]),
        ([call(0, "a", "f", "{}"), call(0, "b", "f", "{}")],
         [CallBegan(0, "a", "f"), CallPiece(0, "{}"), CallBegan(1, "b", "f"), CallPiece(1, "{}")]),
        # No ids at all: they are ours, and fragments without a name go on.
        ([call(None, None, "f", "{}"), call(None, None, "f", "{"), call(None, None, None, "}")],
         [CallBegan(0, "call_c_0_0", "f"), CallPiece(0, "{}"), CallBegan(1, "call_c_0_1", "f"), CallPiece(1, "{"),
             CallPiece(1, "}")]),
        # Id and name repeated in every fragment.
        ([call(0, "a", "f", "{"), call(0, "a", "f", "}")], [CallBegan(0, "a", "f"), CallPiece(0, "{"), CallPiece(0, "}")]),
        # The name comes late, or never.
        ([call(0, "a", None, "{"), call(0, None, "f", "}")], [CallBegan(0, "a", "f"), CallPiece(0, "{"), CallPiece(0, "}")]),
        ([call(0, "a", None, "{"), call(1, "b")], [CallBegan(0, "a", ""), CallPiece(0, "{")]),
        # Arguments as an object.
        ([call(0, "a", "f", {"x": 1})], [CallBegan(0, "a", "f"), CallPiece(0, '{"x":1}')]),
        ([{"tool_calls": [{"index": 0, "id": "a", "custom": {"name": "k", "input": "x"}}]}],
         [CallBegan(0, "a", "k", custom=True), CallPiece(0, "x")]),
        ([{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"},
            "extra_content": {"google": {"thought_signature": "S"}}}]}],
         [CallBegan(0, "a", "f", signature="S")]),
        ([{"tool_calls": [{"index": 0, "id": "a"}]}], []),
        ([{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}],
         [CallBegan(0, "call_c_0_0", "f"), CallPiece(0, "{}")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("finish", ["stop", "tool_calls", "function_call"])
def test_calls(deltas: list[dict[str, Any]], pieces: list[Piece], finish: str) -> None:
    assert say(*deltas, finish=finish) == [*pieces, CALLED]


def test_an_invented_id_is_the_answers_own() -> None:
    body = {
        "id": "chatcmpl:1-é" + "x" * 50,
        "choices": [{"index": 2, "delta": {"tool_calls": [{"function": {"name": "f"}}]}}],
    }
    assert decode(event(body))[0][1] == CallBegan(0, f"call_{'x' * 40}_2_0", "f", choice=2)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", Finish.STOP), ("length", Finish.LENGTH), ("model_length", Finish.LENGTH), ("tool_calls", Finish.TOOL_CALLS),
        ("content_filter", Finish.CONTENT_FILTER), ("eos", Finish.STOP),
    ],
)  # fmt: skip
def test_finishes(word: str, finish: Finish) -> None:
    assert say({"content": "a"}, finish=word)[-1] == Finished(finish)
    assert whole({"content": "a"}, finish_reason=word).choices[0].finish == Finished(finish)


def test_choices_are_kept_apart_and_finish_once() -> None:
    pieces, _ = decode(
        chunk({"content": "a"}) + chunk({"content": "b"}, "stop", 1) + chunk({}, "length") + chunk({"content": ""}, "stop")
    )
    assert pieces[1:] == [TextPiece("a"), TextPiece("b", 1), Finished(Finish.STOP, choice=1), Finished(Finish.LENGTH)]


SOURCES = {"search_results": [{"url": "https://a", "title": "T"}, 7], "citations": ["https://a"]}


def test_sources_that_stand_in_every_chunk_are_told_once() -> None:
    source = Citation("https://a", "T", SOURCES["search_results"][0])
    pieces, _ = decode(chunk({"content": "a"}, **SOURCES) + chunk({"content": "b"}, "stop", **SOURCES))
    assert pieces[1:] == [TextPiece("a"), TextPiece("b"), source, STOP]
    assert whole({"content": "a"}, **SOURCES).choices[0].citations == [source]
    assert whole({"content": "a"}, citations=["https://a", 7]).choices[0].citations == [Citation("https://a")]
    assert whole({"content": "a"}, citations=7).choices[0].citations == []


def test_a_lenient_end_finishes_what_is_open() -> None:
    stream = chunk({"content": "a"}) + chunk({"tool_calls": [CALL]}, index=1) + chunk({}, "length", 2) + DONE
    pieces, decoder = decode(stream, Quirks(lenient_finish=True))
    assert pieces[-2:] == [STOP, Finished(Finish.TOOL_CALLS, choice=1)]
    assert decoder.failure is None
    _, decoder = decode(stream)
    assert decoder.done
    assert decoder.failure is not None


# Whole answers.


def whole(message: dict[str, Any] | None, finish_reason: str | None = "stop", **rest: Any) -> Completion:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return CHAT_FORMAT.read_answer(json.dumps({"id": "i", "model": "m", "created": 5, "choices": [choice], **rest}).encode())


def test_a_whole_answer() -> None:
    found = whole({"content": "a"}, usage={**USED}, service_tier="default")
    assert found.outcome.ok
    assert (found.id, found.model, found.created, found.usage, found.service_tier) == ("i", "m", 5, Usage(1, 2), "default")
    assert [(choice.parts, choice.finish, choice.citations) for choice in found.choices] == [([Text("a")], STOP, [])]


TOLD = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "T"}}


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (None, []),
        ({"content": None, "refusal": "no"}, [Refusal("no")]),
        ({"content": "a", "reasoning": "r"}, [Thinking("r"), Text("a")]),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}, {"type": "text", "text": "a"}]},
            [Thinking("r"), Text("a")],
        ),
        (
            {"reasoning_details": [
                {"type": "reasoning.text", "text": "r", "signature": "S", "format": "anthropic-claude-v1"},
                {"type": "reasoning.encrypted", "data": "D", "format": "google-gemini-v1"},
                {"type": "reasoning.text", "signature": "T"},
            ]},
            [Thinking("r", "S", vendor="anthropic"), Thinking(redacted="D", vendor="google"), Thinking(signature="T")],
        ),
    ],
)  # fmt: skip
def test_whole_messages(message: dict[str, Any] | None, parts: list[Any]) -> None:
    choice = whole(message).choices[0]
    assert (choice.parts, choice.finish) == (parts, STOP)


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        (
            {"tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": '{"x": 1}'},
                    "extra_content": {"google": {"thought_signature": "S"}}},
                {"index": 0, "custom": {"name": "k", "input": "in"}}, {"id": "a"},
            ]},
            [ToolCall("a", "f", '{"x": 1}', signature="S"), ToolCall("call_i_0_1", "k", "in", custom=True),
                ToolCall("a", "", "")],
        ),
        ({"content": "", "function_call": {"name": "f", "arguments": {}}}, [ToolCall("call_i_0_0", "f", "{}")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("finish", ["stop", "tool_calls", None])
def test_whole_calls(message: dict[str, Any], calls: list[ToolCall], finish: str | None) -> None:
    choice = whole(message, finish).choices[0]
    assert (choice.parts, choice.finish) == (calls, CALLED)


def test_annotations_of_a_whole_answer() -> None:
    assert whole({"content": "a", "annotations": [TOLD]}).choices[0].citations == [
        Citation("https://a", "T", TOLD["url_citation"])
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", Kind.MALFORMED),
        (b'{"error":{"code":429,"message":"slow"}}', Kind.RATE_LIMITED),
        (b'{"choices":[],"usage":{"prompt_tokens":1}}', Kind.MALFORMED),
        (b'{"choices":{},"usage":{"prompt_tokens":1}}', Kind.MALFORMED),
        (b'{"choices":[{"message":{"content":1}}]}', Kind.MALFORMED),
        (b'{"choices":[{"finish_reason":"error"}],"usage":{"prompt_tokens":1}}', Kind.SERVER_ERROR),
    ],
)
def test_answers_that_are_none(body: bytes, kind: Kind) -> None:
    found = CHAT_FORMAT.read_answer(body)
    assert found.outcome.kind is kind
    assert found.choices == []
    assert found.usage == (Usage(1, 0) if b"usage" in body else None)


def test_odd_labels_and_lone_surrogates_of_a_whole_answer() -> None:
    found = CHAT_FORMAT.read_answer(b'{"id":7,"created":"x","service_tier":1,"choices":[{"message":{"content":"a"}}]}')
    assert (found.id, found.created, found.service_tier) == ("", 0, None)
    body = b'{"id":"i","choices":[{"message":{"content":"\\ud83d"}}],"search_results":"\\ud83d"}'
    assert CHAT_FORMAT.read_answer(body).choices[0].parts == [Text("?")]
    assert CHAT_FORMAT.read_answer(body).id == "i"
    assert CHAT_FORMAT.read_answer(b'{"created":1e999,"choices":[{"message":{"content":"a"}}]}').created == 0


def test_quirks_reach_the_answer() -> None:
    body = b'{"choices":[{"message":{"content":"a"}}],"usage":{"completion_tokens":1,"reasoning_tokens":2}}'
    found = make_chat_format(Quirks(reasoning_outside=True)).read_answer(body)
    assert found.usage == Usage(0, 3, reasoning=2)
