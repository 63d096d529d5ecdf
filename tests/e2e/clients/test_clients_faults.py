"""Providers that misbehave on the wire, byte by byte, seen by a client through the proxy.

Provider A answers as the line of the table says, B is healthy. Either the client gets a whole answer, from A or, unseen,
from B; or an answer that had begun ends in an honest error. Nobody is asked twice, and no redirect is followed.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2 as httpx
import pytest
from support.live import Stack, running
from support.raw_server import Peer, RawServer
from support.simulation import TIMEOUTS, provider, replace, settings

from proxy.core.settings import Credential, Origin
from proxy.rehearse.behaviour import Behaviour, constant

pytestmark = pytest.mark.live

SECRET = "Geheim+/=Wort-7"
WORDS = ("Hé", "llo", " 🎉")
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = SSE + b"transfer-encoding: chunked\r\n\r\n"


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


ROLE = _event({"role": "assistant", "content": ""})
PARTS = [ROLE, *(_event({"content": word}) for word in WORDS), _event({}, "stop")]
DONE = b"data: [DONE]\n\n"
STREAM = b"".join(PARTS) + DONE
BODY = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(WORDS)}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    }
).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _sized(status: int, body: bytes, headers: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
    return head % (status, headers, len(body)) + body


def _multiline(event: bytes) -> bytes:
    if event == DONE:
        return event
    lines = json.dumps(json.loads(event[6:]), indent=1).encode().split(b"\n")
    return b"".join(b"data: %b\n" % line for line in lines) + b"\n"


#: What A sends for a streamed request; the client must get A's whole answer.
WHOLE_STREAMS = {
    "in one read": [CHUNKED + _chunk(STREAM) + b"0\r\n\r\n"],
    "byte by byte": [bytes([byte]) for byte in CHUNKED + _chunk(STREAM) + b"0\r\n\r\n"],
    "CRLF": [CHUNKED + _chunk(STREAM.replace(b"\n", b"\r\n")) + b"0\r\n\r\n"],
    "CR": [CHUNKED + _chunk(STREAM.replace(b"\n", b"\r")) + b"0\r\n\r\n"],
    "byte order mark": [CHUNKED + _chunk(b"\xef\xbb\xbf" + STREAM) + b"0\r\n\r\n"],
    "comments": [CHUNKED, *(_chunk(b": PROCESSING\n\n" + part) for part in [*PARTS, DONE]), b"0\r\n\r\n"],
    "named events": [CHUNKED, *(_chunk(b"event: message\nid: 1\n" + part) for part in [*PARTS, DONE]), b"0\r\n\r\n"],
    "data of many lines": [CHUNKED, *(_chunk(_multiline(part)) for part in [*PARTS, DONE]), b"0\r\n\r\n"],
    "no space after data": [CHUNKED + _chunk(STREAM.replace(b"data: ", b"data:")) + b"0\r\n\r\n"],
    "no [DONE]": [CHUNKED + _chunk(b"".join(PARTS)) + b"0\r\n\r\n"],
    "ended by closing": [SSE + b"connection: close\r\n\r\n" + STREAM],
    "HTTP/1.0": [SSE.replace(b"1.1", b"1.0") + b"\r\n" + STREAM],
    "gzip": [
        SSE + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n" + _chunk(gzip.compress(STREAM)) + b"0\r\n\r\n"
    ],
    "interim answers": [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: </x>\r\n\r\n" + CHUNKED + _chunk(STREAM) + b"0\r\n\r\n"
    ],
    "as plain text": [CHUNKED.replace(b"event-stream", b"plain") + _chunk(STREAM) + b"0\r\n\r\n"],
    "events behind [DONE]": [CHUNKED + _chunk(STREAM + PARTS[1]) + b"0\r\n\r\n"],
}

#: What A sends instead of anything a client could use; B must answer. Streamed and plain requests alike.
USELESS = {
    "nothing": [],
    "cut inside the head": [CHUNKED[:20]],
    "cut behind the role": [CHUNKED + _chunk(ROLE)],
    "garbage": [b"\x00\x01 not HTTP\r\n\r\n"],
    "bad chunk": [CHUNKED + b"zz\r\nboo\r\n"],
    "endless chunk": [CHUNKED + b"fffffffffffffffff\r\nboo"],
    "length and chunked": [_sized(200, BODY, b"transfer-encoding: chunked\r\n")],
    "page": [_sized(200, b"<!doctype html><title>Hi</title>").replace(b"application/json", b"text/html")],
    "page with 502": [_sized(502, b"<html><title>Bad Gateway</title>").replace(b"application/json", b"text/html")],
    "moved": [b"HTTP/1.1 301 X\r\nlocation: /v1/elsewhere\r\ncontent-length: 0\r\n\r\n"],
    "moved for good": [b"HTTP/1.1 308 X\r\nlocation: /v1/elsewhere\r\ncontent-length: 0\r\n\r\n"],
    "no content": [b"HTTP/1.1 204 X\r\n\r\n"],
    "not modified": [b"HTTP/1.1 304 X\r\n\r\n"],
    "another protocol": [b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"],
    "empty body": [_sized(200, b"")],
    "error inside": [_sized(200, b'{"error": {"message": "inner", "code": 503}}')],
    "no choices": [_sized(200, b'{"id": "x", "object": "chat.completion", "choices": null}')],
    "brotli": [_sized(200, b"\x0b\x02\x80", b"content-encoding: br\r\n")],
    "damaged gzip": [_sized(200, gzip.compress(BODY)[:-12] + b"x" * 12, b"content-encoding: gzip\r\n")],
    "zip bomb": [_sized(200, gzip.compress(b" " * 8_000_000), b"content-encoding: gzip\r\n")],
    "huge head": [_sized(200, BODY, b"x-big: " + b"a" * 100_000 + b"\r\n")],
    "many headers": [_sized(200, BODY, b"".join(b"x-%d: 1\r\n" % n for n in range(200)))],
    "rate limit": [_sized(429, b'{"error": {"message": "slow down"}}', b"retry-after: 30\r\n")],
    "rate limit, no hint": [_sized(429, b'{"error": {"message": "slow down"}}')],
    "unauthorized": [_sized(401, b'{"error": {"message": "bad key"}}')],
    "too early": [_sized(425, b"{}")],
}

#: What A sends of a streamed answer before it breaks. The client keeps what it has, and learns that it is not all.
BROKEN = {
    "closed": [CHUNKED, _chunk(PARTS[0]), _chunk(PARTS[1])],
    "ended without a finish": [CHUNKED, *map(_chunk, PARTS[:2]), b"0\r\n\r\n"],
    "HTTP/1.0 cut": [SSE.replace(b"1.1", b"1.0") + b"\r\n", *PARTS[:2]],
    "cut inside an event": [CHUNKED, *map(_chunk, PARTS[:2]), _chunk(PARTS[2][:40]), b"0\r\n\r\n"],
    "bad chunk": [CHUNKED, *map(_chunk, PARTS[:2]), b"-5\r\nboo\r\n"],
    "garbage event": [CHUNKED, *map(_chunk, PARTS[:2]), _chunk(b"data: {nope\n\n" + DONE), b"0\r\n\r\n"],
    "error event": [CHUNKED, *map(_chunk, PARTS[:2]), _chunk(b'data: {"error": {"message": "oops"}}\n\n'), b"0\r\n\r\n"],
}


class Sender:
    """Provider A: sends the pieces to whoever asks, then closes. `asked` is what it was asked for."""

    def __init__(self, pieces: list[bytes], gap: float = 0.0) -> None:
        self._pieces = pieces
        self._gap = gap
        self.asked: list[bytes] = []

    async def serve(self, peer: Peer) -> None:
        head, _ = await peer.request()
        self.asked.append(head)
        for piece in self._pieces:
            await peer.send(piece)
            await asyncio.sleep(self._gap)


@asynccontextmanager
async def behind(pieces: list[bytes], gap: float = 0.0) -> AsyncIterator[tuple[Stack, Sender, httpx.AsyncClient]]:
    sender = Sender(pieces, gap)
    async with RawServer(sender.serve) as server:
        origin = Origin("http", "127.0.0.1", server.port, "/v1")
        a = replace(provider("a"), origin=origin, credentials=(Credential("a#1", SECRET),))
        configured = settings(providers={"a": a, "b": provider("b")}, timeouts=replace(TIMEOUTS, total=10.0))
        async with (
            running({"b": Behaviour(chunks=4, gap=0.001, latency=constant(0.0))}, configured) as live,
            httpx.AsyncClient(base_url=live.url, timeout=20, verify=False) as client,
        ):
            yield live, sender, client


def _request(stream: bool) -> dict[str, object]:
    return {"model": "lamp", "messages": [{"role": "user", "content": "Licht?"}], "stream": stream}


def _read(text: str) -> tuple[str, bool, list[str]]:
    """Text, whether `[DONE]` came, and the codes of error events."""
    said, done, errors = "", False, []
    for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        lines = [line.removeprefix("data:").removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        data = "\n".join(lines)
        if data == "[DONE]":
            done = True
        elif data:
            chunk = json.loads(data)
            errors += [chunk["error"]["code"]] if "error" in chunk else []
            said += "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))
    return said, done, errors


@pytest.mark.parametrize("name", WHOLE_STREAMS)
def test_an_unusual_stream_comes_through_whole(name: str) -> None:
    async def body() -> None:
        async with behind(WHOLE_STREAMS[name]) as (_, sender, client):
            reply = await client.post("/v1/chat/completions", json=_request(True))
            assert reply.headers["x-undimmed-target"] == "a/m"
            assert _read(reply.content.decode()) == ("".join(WORDS), True, [])
            assert len(sender.asked) == 1

    asyncio.run(body())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("name", USELESS)
def test_a_useless_answer_is_never_seen(name: str, stream: bool) -> None:
    async def body() -> None:
        async with behind(USELESS[name]) as (live, sender, client):
            reply = await client.post("/v1/chat/completions", json=_request(stream))
            assert reply.status_code == 200
            assert reply.headers["x-undimmed-target"] == "b/m"
            assert _read(reply.text)[1:] == (True, []) if stream else reply.json()["choices"][0]["message"]["content"]
            assert len(sender.asked) == live.calls("b") == 1
            assert b"elsewhere" not in sender.asked[0]

    asyncio.run(body())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_says_so(name: str) -> None:
    async def body() -> None:
        async with behind(BROKEN[name], gap=0.01) as (live, sender, client):
            received = bytearray()

            async def read(reply: httpx.Response) -> None:
                async for piece in reply.aiter_raw():
                    received.extend(piece)

            async with client.stream("POST", "/v1/chat/completions", json=_request(True)) as reply:
                with pytest.raises(httpx.RemoteProtocolError):
                    await read(reply)
            said, done, errors = _read(received.decode())
            assert said == WORDS[0]
            assert not done
            assert len(errors) == 1
            assert errors[0].startswith("provider_")
            assert len(sender.asked) == 1
            assert live.calls("b") == 0

    asyncio.run(body())


@pytest.mark.parametrize("status", [400, 401, 404, 418, 500])
def test_a_provider_that_quotes_our_key_tells_nobody(status: int) -> None:
    """Its own words go on, without the key; not even where an unusual key looks like no key at all."""
    words = json.dumps({"error": {"message": f"authorization: Bearer {SECRET} is {SECRET}", "code": "x"}}).encode()

    async def body() -> None:
        async with behind([_sized(status, words, b"x-echo: " + SECRET.encode() + b"\r\n")]) as (live, sender, client):
            reply = await client.post("/v1/chat/completions", json=_request(False))
            assert SECRET.encode() in sender.asked[0]
            pages = [await client.get(path) for path in ("/health", "/metrics", "/usage")]
            for shown in (reply, *pages):
                assert SECRET not in shown.text
                assert SECRET not in str(shown.headers)
            assert all(page.status_code == 200 for page in pages)
            assert live.calls("b") == (0 if status in (400, 418) else 1)

    asyncio.run(body())
