"""The handshake, and what frames tell in passing, however their bytes are split."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.usage import Usage
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.websocket import (
    FrameSniffer,
    accept_of,
    answer_handshake,
    find_key,
    is_handshake,
    list_protocols,
    read_session,
    write_handshake,
)

KEY = base64.b64encode(b"0123456789abcdef")
SOUND = [
    (b"Host", b"localhost"),
    (b"Connection", b"keep-alive, Upgrade"),
    (b"Upgrade", b"WebSocket"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", KEY),
]


def without(name: bytes, value: bytes | None = None) -> list[tuple[bytes, bytes]]:
    kept = [header for header in SOUND if header[0] != name]
    return kept if value is None else [*kept, (name, value)]


def test_a_sound_handshake() -> None:
    assert is_handshake(SOUND)
    assert is_handshake([*SOUND, (b"X", b"1"), (b"X", b"2"), (b"Sec-WebSocket-Extensions", b"permessage-deflate")])


@pytest.mark.parametrize(
    "headers",
    [
        *(without(name) for name, _ in SOUND[1:]),
        *([*SOUND, (name.lower(), value)] for name, value in SOUND[1:]),
        without(b"Connection", b"upgrade, te"),
        without(b"Upgrade", b"websocket, h2c"),
        without(b"Sec-WebSocket-Version", b"8"),
        without(b"Sec-WebSocket-Key", b"!!!"),
        without(b"Sec-WebSocket-Key", b"c2hvcnQ="),
        *([*SOUND, (name, b"0")] for name in (b"Content-Length", b"Transfer-Encoding", b"Expect")),
    ],
)
def test_handshakes_that_somebody_could_read_otherwise(headers: list[tuple[bytes, bytes]]) -> None:
    assert not is_handshake(headers)


def test_the_example_of_the_rfc() -> None:
    assert accept_of("dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_protocols_and_the_key_among_them() -> None:
    offer = {"sec-websocket-protocol": "realtime, openai-insecure-api-key.sk-1 ,, a b, é"}
    assert list_protocols(offer) == ["realtime", "openai-insecure-api-key.sk-1"]
    assert find_key(offer) == "sk-1"
    assert find_key({}) is None
    assert find_key({"sec-websocket-protocol": "openai-insecure-api-key.a, openai-insecure-api-key.b"}) is None


def ask(query: str, **headers: str) -> Call:
    named = {"sec-websocket-key": KEY.decode(), **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = ClientRequest(Endpoint.REALTIME, named, b"", None, None, 0.0, "GET", "/realtime", query)
    return Call("id", Endpoint.REALTIME, read_session(request), named)


def test_a_session_upstream() -> None:
    protocols = "realtime, openai-insecure-api-key.sk, openai-organization.o, openai-project.p, openai-beta.x"
    call = ask("intent=a%26b&model=la%20mp", sec_websocket_protocol=protocols)
    assert (call.envelope.model, call.envelope.stream, call.envelope.opaque) == ("la mp", True, True)
    handshake = write_handshake(call, "up/stream")
    assert handshake.path == "/realtime?model=up%2Fstream&intent=a%26b"
    assert f"sec-websocket-key: {KEY.decode()}\r\n" in handshake.lines
    assert "sec-websocket-protocol: realtime, openai-beta.x\r\n" in handshake.lines
    assert "sec-websocket-protocol" not in write_handshake(ask("model=m"), "m").lines


@pytest.mark.parametrize("query", ["", "model=", "call_id=x", "model=a&model=b", "a;b", "model=%00", "&".join(["a=1"] * 60)])
def test_sessions_without_a_model(query: str) -> None:
    with pytest.raises(EnvelopeError):
        ask(query)


ANSWER = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept_of(KEY.decode()))]
CLIENT = {"sec-websocket-key": KEY.decode(), "sec-websocket-protocol": "realtime"}


def test_answers() -> None:
    reply = answer_handshake(CLIENT, [*ANSWER, (b"sec-websocket-protocol", b"realtime"), (b"set-cookie", b"x")])
    assert reply == [*ANSWER, (b"sec-websocket-protocol", b"realtime")]
    assert answer_handshake(CLIENT, ANSWER) == ANSWER
    for odd in (
        ANSWER[1:],
        ANSWER[:2],
        [*ANSWER, (b"sec-websocket-protocol", b"other")],
        [*ANSWER, (b"sec-websocket-extensions", b"x")],
    ):
        assert answer_handshake(CLIENT, odd) is None


def frame(opcode: Opcode, payload: bytes, fin: bool = True, mask: bool = False) -> bytes:
    """As the reference implementation writes it."""
    return Frame(opcode, payload, fin).serialize(mask=mask)


def done(**usage: object) -> bytes:
    return json.dumps({"type": "response.done", "response": {"id": "r", "usage": usage}}).encode()


def follow(data: bytes, sizes: list[int], masked: bool = False) -> FrameSniffer:
    sniffer = FrameSniffer(masked)
    at = 0
    for size in [*sizes, len(data)]:
        sniffer.feed(data[at : at + size])
        at += size
    return sniffer


SPENT = done(input_tokens=5, output_tokens=7, input_token_details={"cached_tokens": 2})
splits = st.lists(st.integers(1, 300), max_size=40)


@given(splits)
def test_usage_is_summed_and_a_goodbye_is_seen(sizes: list[int]) -> None:
    data = (
        frame(Opcode.TEXT, b'{"type":"session.created"}')
        + frame(Opcode.TEXT, SPENT)
        + frame(Opcode.PONG, b"")
        + frame(Opcode.BINARY, SPENT)
        + frame(Opcode.TEXT, b'{"type":"response.output_audio.delta","delta":"' + b"A" * 70_000 + b'"}')
        + frame(Opcode.TEXT, SPENT[:9], fin=False)
        + frame(Opcode.PING, SPENT[:100])
        + frame(Opcode.CONT, b"", fin=False)
        + frame(Opcode.CONT, SPENT[9:])
        + frame(Opcode.TEXT, b"")
    )
    sniffer = follow(data, sizes)
    assert sniffer.usage is not None
    assert (sniffer.usage.input, sniffer.usage.output, sniffer.usage.cached) == (10, 14, 4)
    assert not sniffer.closed
    assert follow(data + frame(Opcode.CLOSE, b"\x03\xe8bye"), sizes).closed


def test_kinds_of_realtime_tokens_are_summed_too() -> None:
    """Case 22: what of the audio came from the cache is told apart."""
    cached = {"audio_tokens": 20, "image_tokens": 3, "text_tokens": 2}
    told = done(
        input_tokens=100,
        output_tokens=50,
        input_token_details={"cached_tokens": 25, "audio_tokens": 60, "image_tokens": 9, "cached_tokens_details": cached},
        output_token_details={"audio_tokens": 40, "text_tokens": 10},
    )
    once = Usage(100, 50, cached=25, audio_in=60, audio_cached=20, image_in=9, image_cached=3, audio_out=40)
    assert follow(frame(Opcode.TEXT, told), []).usage == once
    assert follow(frame(Opcode.TEXT, told) * 2, []).usage == Usage(
        200, 100, cached=50, audio_in=120, audio_cached=40, image_in=18, image_cached=6, audio_out=80
    )


@given(splits)
def test_a_client_s_goodbye(sizes: list[int]) -> None:
    data = frame(Opcode.TEXT, SPENT, mask=True) + frame(Opcode.BINARY, b"x" * 200, mask=True)
    assert not follow(data, sizes, masked=True).closed
    sniffer = follow(data + frame(Opcode.CLOSE, b"", mask=True), sizes, masked=True)
    assert sniffer.closed
    assert sniffer.usage is None


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"response.done"',
        b'{"type":"response.done"}',
        b'{"type":"response.done","response":{}}',
        b'{"type":"response.done","response":{"usage":{}}}',
        b'{"type":"other","of":"response.done","response":{"usage":{"input_tokens":1}}}',
        b'{"type":"response.done","response":{"usage":{"input_tokens":1}},"pad":"' + b"x" * 1_100_000 + b'"}',
    ],
)
def test_what_tells_no_usage(payload: bytes) -> None:
    sniffer = follow(frame(Opcode.TEXT, payload) + frame(Opcode.TEXT, b"more"), [])
    assert sniffer.usage is None


@pytest.mark.parametrize("first", [b"\xc1\x01x", b"\x81\x81maskx"])
def test_it_goes_blind_at_what_it_does_not_understand(first: bytes) -> None:
    """Compressed, or masked by a server."""
    sniffer = follow(first + frame(Opcode.TEXT, SPENT) + frame(Opcode.CLOSE, b""), [])
    assert (sniffer.usage, sniffer.closed) == (None, False)


@given(st.binary(max_size=500), splits, st.booleans())
def test_no_bytes_raise(data: bytes, sizes: list[int], masked: bool) -> None:
    whole, split = follow(data, [], masked), follow(data, sizes, masked)
    assert (whole.usage, whole.closed) == (split.usage, split.closed)
