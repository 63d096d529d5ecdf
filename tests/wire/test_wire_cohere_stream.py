import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.cohere_judge import check_event
from wire.cohere_streams import BEGIN, CITATION, HELLO, THINKING, TOOLS, call, cut, end, event, say

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.cohere.stream import CohereDecoder
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
)
from proxy.wire.sse import MAX_BLOCK

SPENT = Spent(Usage(input=542, output=63, cached=512, billed=(13, 61)))


def read(*parts: bytes) -> tuple[list[Piece], CohereDecoder]:
    decoder = CohereDecoder()
    pieces = [piece for part in parts for piece in decoder.feed(part)]
    return pieces + decoder.finish(), decoder


@pytest.mark.parametrize("stream", [HELLO, THINKING, TOOLS])
def test_the_sdk_knows_these_events(stream: bytes) -> None:
    for line in stream.splitlines():
        if line.startswith(b"data: ") and b"message-start" not in line:  # typed without the lists that it really holds
            check_event(json.loads(line[6:]))


def test_text_and_sources() -> None:
    pieces, decoder = read(HELLO)
    source = Citation("https://x", "T", CITATION)
    assert pieces == [Began("c1"), TextPiece("Hi"), TextPiece(" there"), source, SPENT, Finished(Finish.STOP)]
    assert (decoder.done, decoder.failure, decoder.events) == (True, None, 8)


def test_reasoning() -> None:
    assert read(THINKING)[0][1:4] == [ThinkingPiece("hm"), TextPiece("Y"), TextPiece("es")]


def test_calls_and_the_plan_before_them() -> None:
    assert read(TOOLS)[0][1:] == [
        TextPiece("I will look."),
        CallBegan(0, "weather_1", "weather"),
        CallPiece(0, '{"city":'),
        CallPiece(0, '"Rome"}'),
        CallBegan(1, "time_1", "time"),
        CallPiece(1, "{}"),
        SPENT,
        Finished(Finish.TOOL_CALLS),
    ]


def test_what_is_missing_is_made_up_or_passed_over() -> None:
    stream = call("start", 3) + call("delta", 3, function={}) + call("delta", 9, function={"arguments": "x"})
    stream += event("content-delta") + event("tool-plan-delta") + event("tool-call-start") + event("tool-call-delta")
    stream += event("citation-start") + event("citation-start", delta={"message": {"citations": {"sources": None}}})
    stream += event("citation-start", delta={"message": {"citations": {"sources": [1, {"document": {"url": 1}}]}}})
    stream += event("message-start") + event("debug", prompt="x") + b": comment\n\ndata:\n\ndata: [DONE]\n\nid: 1\n\n"
    pieces, decoder = read(stream)
    assert pieces == [
        CallBegan(0, "call_0", ""),
        Citation(raw={"sources": None}),
        Citation(raw={"sources": [1, {"document": {"url": 1}}]}),
        Began(),
    ]
    assert (decoder.done, decoder.failure) == (False, None)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP_SEQUENCE", Finish.STOP_SEQUENCE),
        ("MAX_TOKENS", Finish.LENGTH),
        ("ERROR_TOXIC", Finish.CONTENT_FILTER),
        ("SOMETHING_NEW", Finish.STOP),
    ],
)
def test_reasons_to_stop(reason: str, finish: Finish) -> None:
    assert read(BEGIN + end(reason))[0][-1] == Finished(finish)


@pytest.mark.parametrize(
    ("usage", "spent"),
    [
        (None, []),
        ({}, []),
        ({"tokens": {}}, []),
        ({"tokens": {"input_tokens": 3.2}}, [Spent(Usage(4, 0))]),
        ({"billed_units": {"input_tokens": 3, "output_tokens": -1}}, [Spent(Usage(3, 0, billed=(3, 0)))]),
    ],
)
def test_usage(usage: object, spent: list[Piece]) -> None:
    assert read(end(usage=usage))[0] == [*spent, Finished(Finish.STOP)]


class TestFailures:
    @pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
    def test_a_finish_that_is_none(self, reason: str) -> None:
        pieces, decoder = read(BEGIN + say(text="x") + end(reason) + say(text="y"))
        assert pieces == [Began("c1"), TextPiece("x"), SPENT]
        assert decoder.failure is not None
        assert (decoder.failure.kind, decoder.failure.code) == (Kind.SERVER_ERROR, reason)

    def test_an_error_at_the_end(self) -> None:
        _, decoder = read(end("COMPLETE", error="It broke"))
        assert decoder.failure is not None
        assert decoder.failure.message == "It broke"

    @pytest.mark.parametrize(
        ("stream", "kind"),
        [
            (b'data: {"message":"too many tokens: 9000"}\n\n', Kind.CONTEXT_TOO_LONG),
            (b'{"id":"x","message":"internal error"}\n\n', Kind.SERVER_ERROR),
            (b"<html>502</html>\n\n", Kind.MALFORMED),
            (b"data: {\n\n", Kind.MALFORMED),
            (b'data: {"type":"content-delta","delta":1}\n\n', Kind.MALFORMED),
            (b'data: {"type":"content-delta","delta":{"error":"\\ud83d","message":1}}\n\n', Kind.MALFORMED),
        ],
    )
    def test_what_is_no_event(self, stream: bytes, kind: Kind) -> None:
        pieces, decoder = read(BEGIN + stream + HELLO)
        assert pieces == [Began("c1")]
        assert decoder.failure is not None
        assert decoder.failure.kind is kind
        assert decoder.feed(HELLO) == []

    def test_an_endless_event(self) -> None:
        _, decoder = read(b"data: " + b"x" * (MAX_BLOCK + 1))
        assert decoder.failure is not None
        assert decoder.failure.kind is Kind.MALFORMED

    def test_an_object_without_a_type_is_passed_over(self) -> None:
        assert read(b'data: {"a":1}\n\n' + HELLO)[1].failure is None


class TestEnds:
    def test_a_stream_without_its_end(self) -> None:
        pieces, decoder = read(BEGIN + say(text="x"))
        assert pieces == [Began("c1"), TextPiece("x")]
        assert (decoder.done, decoder.failure) == (False, None)

    def test_an_end_without_a_reason_is_none(self) -> None:
        assert not read(BEGIN + end(None))[1].done

    def test_a_last_event_without_its_blank_line_counts(self) -> None:
        pieces, decoder = read(HELLO[:-2])
        assert pieces[-1] == Finished(Finish.STOP)
        assert decoder.done

    def test_a_cut_event_does_not(self) -> None:
        _, decoder = read(HELLO[:-20])
        assert decoder.failure is not None
        assert decoder.failure.kind is Kind.STREAM_BROKEN

    def test_nothing_comes_after_the_end(self) -> None:
        pieces, decoder = read(HELLO + BEGIN, b"data: {")
        assert pieces[-1] == Finished(Finish.STOP)
        assert decoder.failure is None

    def test_half_an_emoji_can_be_read(self) -> None:
        assert read(b'data: {"type":"content-delta","delta":{"message":{"content":{"text":"\\ud83d"}}}}\n\n')[0] == [
            TextPiece("?")
        ]


@given(st.sampled_from([HELLO, THINKING, TOOLS, HELLO[:-7]]), st.lists(st.integers(0, 10_000), max_size=10), st.booleans())
def test_any_split_gives_the_same_pieces(stream: bytes, points: list[int], crlf: bool) -> None:
    stream = stream.replace(b"\n", b"\r\n") if crlf else stream
    whole, decoder = read(stream)
    pieces, other = read(*cut(stream, points))
    assert pieces == whole
    assert (other.failure, other.done, other.events) == (decoder.failure, decoder.done, decoder.events)
