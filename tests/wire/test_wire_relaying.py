"""Relayed answers: what passes is the very bytes, what is none is told apart, however the bytes are split."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind
from proxy.wire.reading import StreamReader
from proxy.wire.relay_envelope import read_relayed
from proxy.wire.relaying import MAX_SUSPECT, BytesReader, EventReader, open_relay_reader, read_relay_answer

ENDS = frozenset({"image_generation.completed"})
splits = st.lists(st.integers(1, 40), max_size=30)


def call(endpoint: Endpoint, **fields: object) -> Call:
    return Call("id", endpoint, read_relayed(json.dumps({"model": "m", **fields}).encode(), "", endpoint), {})


def form_call(endpoint: Endpoint, response_format: str = "json") -> Call:
    body = (
        '--e\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
        f'--e\r\nContent-Disposition: form-data; name="response_format"\r\n\r\n{response_format}\r\n--e--'
    )
    return Call("id", endpoint, read_relayed(body.encode(), "multipart/form-data; boundary=e", endpoint), {})


def event(kind: str, **members: object) -> bytes:
    return b"data: " + json.dumps({"type": kind, **members}).encode() + b"\n\n"


def feed(reader: StreamReader, data: bytes, sizes: list[int]) -> bytes:
    out, at = b"", 0
    for size in [*sizes, len(data)]:
        if at < len(data):
            out += reader.feed(data[at : at + size])
            at += size
    return out


FILES = {
    "mp3": b"ID3\x04\x00" + bytes(range(256)),
    "one byte": b"\x00",
    "a brace": b"{",
    "sound that begins like JSON": b'{"' + bytes(range(255, 0, -1)),
    "much sound that begins like JSON": b'{"' + b"\xfe" * (MAX_SUSPECT + 10),
}


@pytest.mark.parametrize("name", FILES)
@given(sizes=splits)
def test_files_pass_as_they_are(name: str, sizes: list[int]) -> None:
    reader = BytesReader()
    out = feed(reader, FILES[name], sizes)
    assert reader.end().ok
    assert out + reader.terminator == FILES[name]
    assert (reader.failure, reader.done, reader.texts()) == (None, False, [])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", OutcomeKind.MALFORMED),
        (b"<html><title>Oops</title>", OutcomeKind.MALFORMED),
        (b'{"audio": "later"}', OutcomeKind.MALFORMED),
        (b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}', OutcomeKind.RATE_LIMITED),
        (b'data: {"error":{"message":"oops","type":"server_error"}}\n\n', OutcomeKind.SERVER_ERROR),
        (b'event: error\ndata: {"error":{"message":"oops","type":"server_error"}}\n\n', OutcomeKind.SERVER_ERROR),
    ],
)
@given(sizes=splits)
def test_what_is_no_file_never_passes(body: bytes, kind: OutcomeKind, sizes: list[int]) -> None:
    reader = BytesReader()
    assert feed(reader, body, sizes) == b""
    assert not reader.content
    assert reader.end().kind is kind


@pytest.mark.parametrize("body", [b"", b'{"error":1}', b"<html>"])
def test_nothing_is_wrong_with_any_bytes_where_nobody_knows_what_they_are(body: bytes) -> None:
    reader = BytesReader(strict=False)
    assert reader.feed(body) == body if body else True
    assert reader.end().ok


PICTURE = event("image_generation.partial_image", b64_json="AAAA", partial_image_index=0)
LAST = event("image_generation.completed", b64_json="AAAA", usage={"input_tokens": 3, "output_tokens": 5, "total_tokens": 8})


@given(splits)
def test_events_pass_until_the_last_one(sizes: list[int]) -> None:
    reader = EventReader(ENDS)
    stream = b": wait\n\n" + PICTURE + b"event: x\n" + LAST
    assert feed(reader, stream + b"data: more\n\n", sizes) == stream
    assert (reader.content, reader.done, reader.data_events, reader.terminator) == (True, True, 2, b"")
    assert reader.end().ok
    assert reader.usage is not None
    assert (reader.usage.input, reader.usage.output) == (3, 5)
    assert reader.texts() == []


def test_as_many_last_events_as_pictures_were_asked_for() -> None:
    reader = open_relay_reader(call(Endpoint.IMAGES, stream=True, n=2))
    reader.feed(LAST)
    assert not reader.done
    reader.feed(LAST)
    assert reader.done
    assert isinstance(open_relay_reader(call(Endpoint.IMAGES, stream=True, n="x")), EventReader)
    assert isinstance(open_relay_reader(call(Endpoint.SPEECH)), BytesReader)


@given(splits)
def test_transcripts_as_vllm_streams_them(sizes: list[int]) -> None:
    chunk = b'data: {"object":"transcription.chunk","choices":[{"delta":{"content":"lamp"}}]}\n\n'
    empty = b'data: {"choices":[{"delta":{"content":""}}]}\n\n'
    reader = EventReader(frozenset({"transcript.text.done"}))
    assert feed(reader, empty + chunk + b"data: [DONE]\n\n", sizes) == empty + chunk
    assert reader.end().ok
    assert reader.terminator == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"", OutcomeKind.STREAM_BROKEN),
        (PICTURE, OutcomeKind.STREAM_BROKEN),
        (b"data: [DONE]\n\n", OutcomeKind.MALFORMED),
        (b'data: {"choices":[]}\n\n', OutcomeKind.STREAM_BROKEN),
        (event("error", message="oops", code="server_error"), OutcomeKind.SERVER_ERROR),
        (b'event: error\ndata: {"code":"rate_limit_exceeded","message":"x"}\n\n', OutcomeKind.RATE_LIMITED),
        (b'data: {"error":{"message":"x","code":"invalid_api_key"}}\n\n', OutcomeKind.AUTH_FAILED),
        (b'data: {"error":"text"}\n\n', OutcomeKind.SERVER_ERROR),
        (b'data: {"type":5,"error":{"message":"x","type":"server_error"}}\n\n', OutcomeKind.SERVER_ERROR),
        (b"data: {{{\n\n", OutcomeKind.MALFORMED),
        (b'{"error":{"message":"x","type":"server_error"}}\n\n', OutcomeKind.SERVER_ERROR),
        (b"<html>\n\n", OutcomeKind.STREAM_BROKEN),
    ],
)
@given(sizes=splits)
def test_streams_that_are_none(stream: bytes, kind: OutcomeKind, sizes: list[int]) -> None:
    reader = EventReader(ENDS)
    feed(reader, stream, sizes)
    assert reader.end().kind is kind
    assert reader.feed(LAST) == b"" or reader.failure is None


def test_an_event_without_an_end_is_given_up() -> None:
    reader = EventReader(ENDS)
    reader._splitter._limit = 100
    assert reader.feed(b"data: " + b"x" * 200) == b""
    assert reader.failure is not None
    assert reader.end().kind is OutcomeKind.MALFORMED
    reader._fail(reader.failure)
    assert reader.feed(PICTURE) == b""


def test_odd_members_are_no_failure() -> None:
    reader = EventReader(ENDS)
    odd = event("a", usage=None, error=None) + event("b", usage=[1], error={}) + event("c", usage={"seconds": 3})
    assert reader.feed(odd) == odd
    assert (reader.usage, reader.failure, reader.content) == (None, None, True)


@pytest.mark.parametrize(
    ("request_of", "body", "tokens"),
    [
        (call(Endpoint.IMAGES), {"data": [{"url": "x"}], "usage": {"input_tokens": 1, "output_tokens": 2}}, (1, 2)),
        (call(Endpoint.IMAGES), {"data": [{"b64_json": "x"}]}, None),
        (call(Endpoint.MODERATIONS), {"id": "x", "model": "m", "results": [{"flagged": False}]}, None),
        (call(Endpoint.RERANK), {"results": [{"index": 0}], "usage": {"total_tokens": 7}}, (7, 0)),
        (call(Endpoint.RERANK), {"results": [{"index": 0}], "meta": {"tokens": {"input_tokens": 4.0}}}, (4, 0)),
        (call(Endpoint.RERANK), {"results": [{"index": 0}], "meta": {"billed_units": {"search_units": 1}}}, None),
        (form_call(Endpoint.TRANSCRIPTIONS), {"text": "", "usage": {"type": "duration", "seconds": 3}}, None),
        (form_call(Endpoint.TRANSCRIPTIONS), {"segments": [{"text": "x"}]}, None),
        (form_call(Endpoint.TRANSLATIONS), {"text": "lamp", "error": None}, None),
    ],
)  # fmt: skip
def test_sound_answers(request_of: Call, body: dict[str, object], tokens: tuple[int, int] | None) -> None:
    raw = json.dumps(body).encode()
    answer = read_relay_answer(request_of, raw)
    assert answer.outcome.ok
    assert answer.body is raw
    assert (None if answer.usage is None else (answer.usage.input, answer.usage.output)) == tokens


@pytest.mark.parametrize("body", [b"lamp\n", b"\n", b"1\n00:00 --> 00:01\nlamp", b"{lamp}"])
def test_transcripts_as_text(body: bytes) -> None:
    for name in ("text", "srt", "vtt"):
        assert read_relay_answer(form_call(Endpoint.TRANSCRIPTIONS, name), body).outcome.ok


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", OutcomeKind.MALFORMED),
        (b"<!doctype html>", OutcomeKind.MALFORMED),
        (b'{"error":{"message":"x","code":"rate_limit_exceeded"}}', OutcomeKind.RATE_LIMITED),
    ],
)
def test_what_is_no_answer(body: bytes, kind: OutcomeKind) -> None:
    for made in (
        call(Endpoint.IMAGES),
        call(Endpoint.MODERATIONS),
        call(Endpoint.RERANK),
        call(Endpoint.SPEECH),
        form_call(Endpoint.TRANSCRIPTIONS),
        form_call(Endpoint.TRANSCRIPTIONS, "text"),
    ):
        assert read_relay_answer(made, body).outcome.kind is kind


@pytest.mark.parametrize("body", [b"{}", b'{"data":[],"results":null}', b"[1]", b"\xff", b'{"text":"x"}'])
def test_answers_without_what_they_are_for(body: bytes) -> None:
    for endpoint in (Endpoint.IMAGES, Endpoint.RERANK, Endpoint.SPEECH):
        assert read_relay_answer(call(endpoint), body).outcome.kind is OutcomeKind.MALFORMED


@pytest.mark.parametrize(
    "body", [b'{"data":[1],"error":{"message":"x","type":"server_error"}}', b'[{"error":{"message":"x","code":500}}]']
)
def test_an_error_inside_an_answer(body: bytes) -> None:
    assert read_relay_answer(call(Endpoint.IMAGES), body).outcome.kind is OutcomeKind.SERVER_ERROR


def test_usage_that_is_no_text_is_none() -> None:
    answer = read_relay_answer(call(Endpoint.IMAGES), b'{"data":[1],"usage":{"input_tokens":"\xff"}}')
    assert answer.outcome.ok
    assert answer.usage is None


def test_an_opaque_envelope_reads_bytes() -> None:
    assert Envelope("m", True, False, {}, b"", opaque=True).content_type == ""
