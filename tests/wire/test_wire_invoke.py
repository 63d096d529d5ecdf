import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.converse_streams import cut, exception

from proxy.core.outcome import OutcomeKind as Kind
from proxy.rehearse.answers import ask
from proxy.rehearse.anthropic_answers import MESSAGE_STOP
from proxy.rehearse.anthropic_answers import compose as compose_plain
from proxy.rehearse.bedrock_answers import compose
from proxy.rehearse.behaviour import Style
from proxy.wire.anthropic.relay import MessagesReader
from proxy.wire.eventstream import write_frame
from proxy.wire.invoke import InvokeReader

BODY = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": []}).encode()


def framed(style: Style = Style.TEXT) -> bytes:
    reply = compose(ask("POST", "/model/anthropic.claude-x/invoke-with-response-stream", "k", BODY), "r", 6, style)
    return reply.opening + b"".join(reply.pieces) + reply.finish + reply.usage


def chunk(data: bytes) -> bytes:
    payload = json.dumps({"bytes": b64encode(data).decode(), "p": "abc"}).encode()
    return write_frame({":event-type": "chunk", ":message-type": "event"}, payload)


def read(*parts: bytes) -> tuple[InvokeReader, bytes]:
    reader = InvokeReader(MessagesReader())
    return reader, b"".join([reader.feed(part) for part in parts])


@pytest.mark.parametrize("style", Style)
def test_a_client_gets_what_anthropic_would_have_sent(style: Style) -> None:
    body = json.dumps({"model": "anthropic.claude-x", "max_tokens": 50, "stream": True}).encode()
    plain = compose_plain(ask("POST", "/v1/messages", "k", body), "r", 6, style)
    inner = MessagesReader()
    inner.feed(plain.opening + b"".join(plain.pieces) + plain.finish + MESSAGE_STOP)
    reader, out = read(framed(style))
    assert (reader.done, reader.content, reader.failure, reader.model) == (True, True, None, "anthropic.claude-x")
    assert reader.end().ok
    assert reader.usage is not None
    assert inner.usage is not None
    assert (reader.usage.output, reader.terminator, reader.texts()) == (6, inner.terminator, inner.texts())
    assert out.startswith(b'event: message_start\ndata: {"type":"message_start"')
    assert reader.data_events == inner.data_events
    assert reader.feed(framed()) == b""


@given(st.sampled_from(Style), st.lists(st.integers(0, 20_000), max_size=8))
def test_any_split_gives_the_same_bytes(style: Style, points: list[int]) -> None:
    stream = framed(style)
    whole, out = read(stream)
    other, pieces = read(*cut(stream, points))
    assert pieces == out
    assert (other.failure, other.usage) == (whole.failure, whole.usage)


def test_exceptions_are_failures() -> None:
    reader, _ = read(exception("throttlingException", message="Too many requests"), framed())
    assert reader.failure is not None
    assert reader.failure.kind is reader.end().kind is Kind.RATE_LIMITED
    assert not reader.content


@pytest.mark.parametrize(
    "frame",
    [
        write_frame({":event-type": "chunk"}, b"{"),
        write_frame({":event-type": "chunk"}, b'{"bytes":"!"}'),
        chunk(b"{"),
        chunk(b"\xff"),
        b"<html><body>502</body></html>",
        chunk(b'{"type":"error","error":{"type":"api_error","message":"x"}}'),
    ],
)
def test_what_cannot_be_read_ends_the_stream(frame: bytes) -> None:
    reader, out = read(frame + framed())
    assert reader.failure is not None
    assert out == b""


def test_a_cut_stream_is_never_whole() -> None:
    reader, _ = read(framed()[:-5])
    assert reader.end().kind is Kind.STREAM_BROKEN
    reader, _ = read(framed()[:900])
    assert reader.end().kind is Kind.STREAM_BROKEN
    reader, _ = read(chunk(b'{"type":"ping"}') + write_frame({":event-type": "other"}, b""))
    assert reader.end().kind is Kind.STREAM_BROKEN
