import pytest
from botocore.exceptions import EventStreamError
from hypothesis import given
from hypothesis import strategies as st
from wire.converse_judge import read_events
from wire.converse_streams import (
    BEGIN,
    HELLO,
    METADATA,
    THINKING,
    TOOLS,
    close,
    cut,
    delta,
    event,
    exception,
    start,
    stop,
)

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.converse.stream import ConverseDecoder
from proxy.wire.converse.tools import ANSWER_TOOL
from proxy.wire.dialogue import BEDROCK
from proxy.wire.eventstream import write_frame
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

SPENT = Spent(Usage(input=110, output=5, cached=60, cache_write=40))


def read(*parts: bytes) -> tuple[list[Piece], ConverseDecoder]:
    decoder = ConverseDecoder()
    pieces = [piece for part in parts for piece in decoder.feed(part)]
    return pieces + decoder.finish(), decoder


def test_text() -> None:
    pieces, decoder = read(HELLO)
    assert pieces == [Began(), TextPiece("Hel"), TextPiece("lo"), SPENT, Finished(Finish.STOP)]
    assert (decoder.done, decoder.failure, decoder.events) == (True, None, 6)


def test_reasoning_and_its_seals() -> None:
    pieces, _ = read(THINKING)
    assert pieces[1:6] == [
        ThinkingPiece("hm"),
        ThinkingPiece("m"),
        ThinkingSealed("EqQB", None, BEDROCK),
        ThinkingSealed(None, "AAAA", BEDROCK),
        TextPiece("Hi"),
    ]


def test_calls_are_counted_by_themselves() -> None:
    pieces, _ = read(TOOLS)
    assert pieces[1:] == [
        TextPiece("Let me see."),
        CallBegan(0, "tooluse_1", "weather"),
        CallPiece(0, '{"city":'),
        CallPiece(0, ' "Rome"}'),
        CallBegan(1, "tooluse_2", "time"),
        SPENT,
        Finished(Finish.TOOL_CALLS),
    ]


def test_the_answers_tool_is_text_to_the_client() -> None:
    stream = BEGIN + start(0, "t", ANSWER_TOOL) + delta(toolUse={"input": '{"a":1}'}) + close() + stop("tool_use") + METADATA
    assert read(stream)[0] == [Began(), TextPiece('{"a":1}'), SPENT, Finished(Finish.STOP)]


def test_what_the_vendor_runs_itself_is_nobodys_call() -> None:
    stream = BEGIN + start(0, "t", "search", type="server_tool_use") + delta(toolUse={"input": "{}"}) + delta(1, text="Hi")
    assert read(stream + stop())[0] == [Began(), TextPiece("Hi"), Finished(Finish.STOP)]


def test_ids_and_names_that_are_missing_are_made_up() -> None:
    stream = event("contentBlockStart", start={"toolUse": {}}) + event(
        "contentBlockDelta", delta={"toolUse": {"input": "{}"}}
    )
    assert read(stream)[0] == [CallBegan(0, "call_0", ""), CallPiece(0, "{}")]


def test_sources() -> None:
    cited = {"title": "T", "location": {"web": {"url": "https://x", "domain": "x"}}}
    stream = delta(citation=cited) + delta(citation={"location": {"documentChar": {}}, "title": None}) + delta(citation={})
    assert read(stream)[0] == [
        Citation("https://x", "T", cited),
        Citation(raw={"location": {"documentChar": {}}, "title": None}),
        Citation(raw={}),
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", Finish.STOP),
        ("stop_sequence", Finish.STOP_SEQUENCE),
        ("max_tokens", Finish.LENGTH),
        ("model_context_window_exceeded", Finish.LENGTH),
        ("guardrail_intervened", Finish.CONTENT_FILTER),
        ("content_filtered", Finish.CONTENT_FILTER),
        ("tool_use", Finish.STOP),  # of the answer's tool, or the vendor's
        ("something_new", Finish.STOP),
    ],
)
def test_reasons_to_stop(reason: str, finish: Finish) -> None:
    assert read(BEGIN + stop(reason) + METADATA)[0][-1] == Finished(finish)


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_what_the_model_garbled_is_a_failure(reason: str) -> None:
    pieces, decoder = read(BEGIN + delta(text="x") + stop(reason) + METADATA)
    assert decoder.failure is not None
    assert (decoder.failure.kind, decoder.failure.code) == (Kind.MALFORMED, reason)
    assert pieces == [Began(), TextPiece("x")]


class TestEnds:
    def test_a_stream_without_metadata_is_whole_at_its_end(self) -> None:
        decoder = ConverseDecoder()
        assert decoder.feed(BEGIN + delta(text="x") + stop("max_tokens")) == [Began(), TextPiece("x")]
        assert not decoder.done
        assert decoder.finish() == [Finished(Finish.LENGTH)]
        assert decoder.done
        assert decoder.finish() == []

    def test_metadata_alone_is_no_finish(self) -> None:
        pieces, decoder = read(BEGIN + METADATA)
        assert pieces == [Began(), SPENT]
        assert not decoder.done

    def test_metadata_without_counts(self) -> None:
        assert read(stop() + event("metadata", metrics={}))[0] == [Finished(Finish.STOP)]
        assert read(stop() + event("metadata", usage={"inputTokens": 3.0, "outputTokens": -1}))[0][0] == Spent(Usage(3, 0))

    def test_nothing_comes_after_the_end(self) -> None:
        pieces, decoder = read(HELLO + delta(text="more"), b"garbage that is no frame")
        assert pieces[-1] == Finished(Finish.STOP)
        assert decoder.failure is None

    def test_a_frame_that_is_cut(self) -> None:
        pieces, decoder = read(HELLO[:-10])
        assert pieces[-1] == TextPiece("lo")
        assert decoder.failure is not None
        assert decoder.failure.kind is Kind.STREAM_BROKEN

    def test_a_stream_that_ends_early(self) -> None:
        pieces, decoder = read(BEGIN + delta(text="x"))
        assert pieces == [Began(), TextPiece("x")]
        assert (decoder.failure, decoder.done) == (None, False)


class TestFailures:
    @pytest.mark.parametrize(
        ("name", "fields", "kind"),
        [
            ("throttlingException", {"message": "Too many requests, please wait before trying again."}, Kind.RATE_LIMITED),
            ("throttlingException", {"message": "Too many tokens per day, please wait."}, Kind.QUOTA_EXHAUSTED),
            ("serviceUnavailableException", {"message": "Bedrock is unable to process your request."}, Kind.OVERLOADED),
            ("internalServerException", {"message": "An internal server error occurred."}, Kind.SERVER_ERROR),
            ("modelStreamErrorException", {"message": "x", "originalStatusCode": 500}, Kind.SERVER_ERROR),
            ("modelStreamErrorException", {"message": "x", "originalStatusCode": 400}, Kind.BAD_REQUEST),
            ("modelStreamErrorException", {"message": "x", "originalStatusCode": 200}, Kind.SERVER_ERROR),
            ("modelStreamErrorException", {"message": "x"}, Kind.SERVER_ERROR),
            ("validationException", {"message": "Input is too long for requested model."}, Kind.CONTEXT_TOO_LONG),
            ("validationException", {"message": "messages: roles must alternate"}, Kind.BAD_REQUEST),
            ("validationException", {"message": "The provided model identifier is invalid."}, Kind.MODEL_NOT_FOUND),
            ("somethingNewException", {}, Kind.SERVER_ERROR),
        ],
    )
    def test_exceptions(self, name: str, fields: dict[str, object], kind: Kind) -> None:
        stream = BEGIN + delta(text="x") + exception(name, **fields)
        with pytest.raises(EventStreamError):
            read_events(stream)
        pieces, decoder = read(stream + HELLO)
        assert pieces == [Began(), TextPiece("x")]
        assert decoder.failure is not None
        assert (decoder.failure.kind, decoder.failure.type) == (kind, name)
        assert decoder.feed(HELLO) == []

    def test_errors_of_the_transport(self) -> None:
        frame = write_frame({":message-type": "error", ":error-code": "InternalError", ":error-message": 'It "broke"'}, b"")
        _, decoder = read(BEGIN + frame)
        assert decoder.failure is not None
        assert (decoder.failure.kind, decoder.failure.message) == (Kind.SERVER_ERROR, 'It "broke"')

    @pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'{"delta":{"text":1}}', b'{"delta":{"text":"\\uZZZZ"}}'])
    def test_payloads_that_cannot_be_read(self, payload: bytes) -> None:
        frame = write_frame({":message-type": "event", ":event-type": "contentBlockDelta"}, payload)
        _, decoder = read(BEGIN + frame + HELLO)
        assert decoder.failure is not None
        assert decoder.failure.kind is Kind.MALFORMED

    def test_half_an_emoji_can_be_read(self) -> None:
        frame = write_frame({":message-type": "event", ":event-type": "contentBlockDelta"}, b'{"delta":{"text":"\\ud83d"}}')
        assert read(frame)[0] == [TextPiece("?")]

    @pytest.mark.parametrize("stream", [b"<html><body>502 Bad Gateway</body></html>", b'{"message":"no"}', b"\x00" * 40])
    def test_what_is_no_event_stream(self, stream: bytes) -> None:
        pieces, decoder = read(stream)
        assert pieces == []
        assert decoder.failure is not None
        assert decoder.failure.kind is Kind.MALFORMED


def test_unknown_events_and_empty_ones_are_passed_over() -> None:
    headers = {":message-type": "event", ":event-type": "somethingNew"}
    stream = write_frame(headers, b"not json") + write_frame({}, b"") + event("contentBlockStart", start={}) + delta()
    stream += (
        event("contentBlockDelta") + event("contentBlockStart") + delta(reasoningContent={}) + delta(image={}) + close()
    )
    pieces, decoder = read(stream)
    assert pieces == []
    assert decoder.failure is None
    assert decoder.events == 9


@given(st.sampled_from([HELLO, THINKING, TOOLS, HELLO[:-7]]), st.lists(st.integers(0, 10_000), max_size=10))
def test_any_split_gives_the_same_pieces(stream: bytes, points: list[int]) -> None:
    whole, decoder = read(stream)
    pieces, other = read(*cut(stream, points))
    assert pieces == whole
    assert (other.failure, other.done, other.events) == (decoder.failure, decoder.done, decoder.events)


@pytest.mark.parametrize("stream", [HELLO, THINKING, TOOLS])
def test_botocore_reads_these_streams_too(stream: bytes) -> None:
    events = read_events(stream)
    text = "".join(e["contentBlockDelta"]["delta"].get("text", "") for e in events if "contentBlockDelta" in e)
    assert text == "".join(piece.text for piece in read(stream)[0] if isinstance(piece, TextPiece))
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert events[-1]["metadata"]["usage"]["totalTokens"] == 115
