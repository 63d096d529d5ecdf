"""Anthropic's streams and whole answers, read into pieces and completions."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages_shapes import (
    AGENT,
    HELLO,
    OVERLOADED,
    PING,
    START,
    STOP,
    STREAMS,
    THOUGHT,
    TOOL,
    accumulate,
    begin,
    close,
    delta,
    event,
    finish,
    make_call,
    text,
)

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.anthropic.answer import read_completion
from proxy.wire.anthropic.decoder import MessagesDecoder
from proxy.wire.anthropic.dialect import MESSAGES
from proxy.wire.anthropic.encoder import MessageEncoder
from proxy.wire.anthropic.message import write_message
from proxy.wire.anthropic.tools import ANSWER_TOOL
from proxy.wire.anthropic.vendor import MESSAGES_FORMAT
from proxy.wire.dialogue import Text, Thinking, ToolCall
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Finish,
    Finished,
    Piece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from proxy.wire.translation import TranslatedReader

USAGE = Usage(input=55, output=282, cached=7, cache_write=5, reasoning=40)
BEGAN = Began("msg_01", "claude-x")
CITED = {"type": "web_search_result_location", "url": "https://x", "title": "t", "cited_text": "c", "encrypted_index": "E"}


def decode(*parts: bytes) -> list[Piece]:
    decoder = MessagesDecoder()
    return [piece for part in parts for piece in decoder.feed(part)] + decoder.finish()


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("hello", [BEGAN, TextPiece("He"), TextPiece("y ä"), Finished(Finish.STOP), Spent(USAGE)]),
        ("crlf", [BEGAN, TextPiece("He"), TextPiece("y ä"), Finished(Finish.STOP), Spent(USAGE)]),
        (
            "agent",
            [
                BEGAN,
                ThinkingPiece("This"),
                ThinkingPiece(" is"),
                ThinkingSealed("EvMC", vendor="anthropic"),
                TextPiece("I"),
                CallBegan(0, "toolu_1", "f"),
                CallPiece(0, '{"x":'),
                CallPiece(0, "1.10}"),
                Finished(Finish.TOOL_CALLS),
                Spent(USAGE),
            ],
        ),
        (
            "omitted",
            [BEGAN, ThinkingSealed("E", vendor="anthropic"), TextPiece("a"), Finished(Finish.STOP), Spent(USAGE)],
        ),
        (
            "redacted",
            [BEGAN, ThinkingSealed(redacted="R", vendor="anthropic"), TextPiece("a"), Finished(Finish.STOP), Spent(USAGE)],
        ),
        (
            "server_tools",
            [BEGAN, Citation("https://x", "t", CITED), TextPiece("found"), Finished(Finish.PAUSE), Spent(USAGE)],
        ),
        ("refusal", [BEGAN, TextPiece("I"), Finished(Finish.REFUSAL, explanation="no"), Spent(USAGE)]),
        ("unknown", [BEGAN, TextPiece("a"), Finished(Finish.STOP), Spent(USAGE)]),
    ],
)
def test_recorded_streams(name: str, pieces: list[Piece]) -> None:
    decoder = MessagesDecoder()
    assert decoder.feed(STREAMS[name]) == pieces
    assert (decoder.done, decoder.failure, decoder.finish(), decoder.feed(HELLO)) == (True, None, [], [])


@pytest.mark.parametrize(
    ("reason", "finish_"),
    [
        ("end_turn", Finish.STOP),
        ("max_tokens", Finish.LENGTH),
        ("model_context_window_exceeded", Finish.LENGTH),
        ("tool_use", Finish.TOOL_CALLS),
        ("pause_turn", Finish.PAUSE),
        ("refusal", Finish.REFUSAL),
        ("of_tomorrow", Finish.STOP),
    ],
)
def test_why_it_stopped(reason: str, finish_: Finish) -> None:
    assert decode(finish(reason))[0] == Finished(finish_)


def test_a_stop_sequence_is_named() -> None:
    end = event({"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}})
    assert decode(end) == [Finished(Finish.STOP_SEQUENCE, "END")], "and of usage nothing is said"


def test_usage_is_cumulative_and_finished_once() -> None:
    pieces = decode(START, finish(output=10), finish(output=20))
    assert [piece.usage.output for piece in pieces if isinstance(piece, Spent)] == [10, 20]
    assert sum(isinstance(piece, Finished) for piece in pieces) == 1
    more = event(
        {"type": "message_delta", "usage": {"input_tokens": 100, "output_tokens": 2.5, "cache_read_input_tokens": -1}}
    )
    assert decode(START, more)[-1] == Spent(Usage(112, 3, 7, 5))


@pytest.mark.parametrize(
    "usage",
    [
        "3",
        "null",
        "[]",
        '"x"',
        '{"output_tokens":true}',
        '{"output_tokens":1' + "0" * 400 + "}",
        '{"output_tokens_details":3}',
    ],
)
def test_usage_that_is_none(usage: str) -> None:
    assert decode(b'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":%b}\n\n' % usage.encode()) == []


def test_the_answer_tool_is_text() -> None:
    def of(name: str, index: int) -> bytes:
        return begin(index, type="tool_use", id="t", name=name, input={}) + delta(
            index, type="input_json_delta", partial_json='{"a":1}'
        )

    assert decode(of(ANSWER_TOOL, 0), close(0), finish("tool_use")) == [
        TextPiece('{"a":1}'),
        Finished(Finish.STOP),
        Spent(Usage(7, 282, 7, reasoning=40)),
    ]
    both = decode(of(ANSWER_TOOL, 0), of("f", 1), finish("tool_use"))
    assert both[1:4] == [CallBegan(0, "t", "f"), CallPiece(0, '{"a":1}'), Finished(Finish.TOOL_CALLS)]


def test_input_that_comes_whole_at_the_beginning() -> None:
    start = begin(0, type="tool_use", id="", name=None, input={"a": 1})
    assert decode(start, close(0)) == [CallBegan(0, "toolu_0", ""), CallPiece(0, '{"a":1}')]
    fragment = delta(0, type="input_json_delta", partial_json="{}")
    assert decode(start, fragment, close(0))[1:] == [CallPiece(0, "{}")]


def test_odd_events_say_nothing() -> None:
    odd = [{"type": name} for name in ("message_start", "content_block_start", "content_block_delta", "message_delta")]
    assert decode(*map(event, odd), delta(0, type="citations_delta", citation="x"), begin(0, type="text", text="a")) == [
        TextPiece("a")
    ]
    assert decode(b": comment\n\n", PING) == []
    assert decode(delta(0, type="citations_delta", citation={"source": "s", "document_title": "d"})) == [
        Citation("s", "d", {"source": "s", "document_title": "d"})
    ]
    assert decode(delta(0, citation={"url": 3})) == [Citation(raw={"url": 3})]


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (START + OVERLOADED, Kind.OVERLOADED),
        (b'event: x\ndata: {"type"\n\n', Kind.MALFORMED),
        (b"<html>", Kind.MALFORMED),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n', Kind.OVERLOADED),
    ],
)
def test_failures(stream: bytes, kind: Kind) -> None:
    decoder = MessagesDecoder()
    decoder.feed(stream)
    decoder.finish()
    assert decoder.failure is not None
    assert decoder.failure.kind is kind
    assert decoder.feed(HELLO) == []
    assert not decoder.done


EVENTS = [
    START, PING, THOUGHT, TOOL, OVERLOADED, STOP, finish(), text(0, "a"), b": c\n\n", b"data: x\n\n", b"\n",
    b'data:{"type":"ping"}\r\n\r\n', HELLO, AGENT,
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(EVENTS), max_size=8).map(b"".join), st.lists(st.integers(0, 5000), max_size=10))
def test_any_split_gives_the_same(stream: bytes, points: list[int]) -> None:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    once, many = MessagesDecoder(), MessagesDecoder()
    pieces = once.feed(stream) + once.finish()
    split = [piece for a, b in pairwise(edges) for piece in many.feed(stream[a:b])] + many.finish()
    assert (split, many.failure, many.done, many.events) == (pieces, once.failure, once.done, once.events)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_survives_both_halves(name: str) -> None:
    """Anthropic's stream, decoded and written again, means the same to the official SDK."""
    reader = TranslatedReader(MessagesDecoder(), MessageEncoder(make_call()))
    out = reader.feed(STREAMS[name])
    assert reader.end().ok
    got = accumulate(out + reader.terminator).model_dump(exclude_none=True)
    if name != "server_tools":
        want = accumulate(STREAMS["hello" if name == "crlf" else name]) if name != "unknown" else None
        if want is not None:
            dumped = want.model_dump(exclude_none=True)
            for block in dumped["content"]:
                block.pop("caller", None)
            assert (got["content"], got["stop_reason"], got["id"]) == (dumped["content"], want.stop_reason, want.id)
    assert got["usage"]["output_tokens"] == 282


def whole(*content: dict[str, Any], reason: str = "end_turn", **rest: Any) -> bytes:
    fields = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content}
    usage = {"input_tokens": 1, "output_tokens": 9}
    return json.dumps({**fields, "stop_reason": reason, "stop_sequence": None, "usage": usage, **rest}).encode()


def test_a_whole_answer() -> None:
    completion = read_completion(
        whole(
            {"type": "thinking", "thinking": "hm", "signature": "S"},
            {"type": "thinking"},
            {"type": "redacted_thinking", "data": "R"},
            {"type": "text", "text": "a", "citations": [CITED, 3]},
            {"type": "text", "text": ""},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1.10}},
            {"type": "tool_use"},
            reason="tool_use",
        )
    )
    assert completion.outcome.ok
    assert (completion.id, completion.model, completion.usage) == ("msg_1", "claude-x", Usage(1, 9))
    (choice,) = completion.choices
    assert choice.parts == [
        Thinking("hm", "S", vendor="anthropic"),
        Thinking(vendor="anthropic"),
        Thinking(redacted="R", vendor="anthropic"),
        Text("a"),
        ToolCall("t", "f", '{"x": 1.1}'),
        ToolCall("toolu_0", "", "{}"),
    ]
    assert (choice.finish, choice.citations) == (Finished(Finish.TOOL_CALLS), [Citation("https://x", "t", CITED)])


def test_the_answer_tool_of_a_whole_answer() -> None:
    tool = {"type": "tool_use", "id": "t", "name": ANSWER_TOOL, "input": {"a": 1}}
    completion = read_completion(whole(tool, reason="tool_use"))
    assert completion.choices[0].parts == [Text('{"a": 1}')]
    assert completion.choices[0].finish == Finished(Finish.STOP)
    both = read_completion(whole(tool, {"type": "tool_use", "id": "u", "name": "f", "input": {}}, reason="tool_use"))
    assert both.choices[0].finish == Finished(Finish.TOOL_CALLS)


def test_a_whole_answer_that_is_none() -> None:
    assert (
        read_completion(b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}').outcome.kind
        is Kind.OVERLOADED
    )
    assert read_completion(b"<html>").outcome.kind is Kind.MALFORMED


def test_a_whole_answer_survives_both_halves() -> None:
    body = whole(
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"x": [1]}},
        reason="tool_use",
    )
    again = json.loads(write_message(make_call(), read_completion(body)))
    for block in again["content"]:
        block.pop("citations", None)
    assert again["content"] == json.loads(body)["content"]


def test_the_halves_are_where_they_are_looked_for() -> None:
    assert MESSAGES_FORMAT.name == "anthropic-messages"
    assert isinstance(MESSAGES_FORMAT.decoder(), MessagesDecoder)
    assert isinstance(MESSAGES.encoder(make_call()), MessageEncoder)
