"""37: what two servers could read differently is, through the whole stack, at most one request to a provider."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from live_sockets import Caller
from support.live import running
from support.raw_server import Peer, RawServer
from support.simulation import provider, replace, settings

from proxy.core.settings import Origin

pytestmark = pytest.mark.live


def body(label: str) -> bytes:
    return json.dumps({"model": "lamp", "user": label, "messages": [{"role": "user", "content": "hi"}]}).encode()


LINE = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
HONEST = body("honest")
CANARY = LINE + b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body("canary")), body("canary"))
SIZE = b"Content-Length: %d\r\n" % len(HONEST)
CODED = b"Transfer-Encoding: chunked\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HONEST), HONEST)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()
#: Each is followed by the canary, a sound request that must never be read out of the first one's remains.
REFUSED: Mapping[str, bytes] = {
    "length then chunked": LINE + SIZE + CODED + b"\r\n" + CHUNKED,
    "chunked then length": LINE + CODED + SIZE + b"\r\n" + CHUNKED,
    "chunked, and the canary inside the length": LINE + CODED + b"Content-Length: %d\r\n\r\n0\r\n\r\n" % (5 + len(CANARY)),
    "two lengths": LINE + SIZE + b"Content-Length: 0\r\n\r\n" + HONEST,
    "length as a list": LINE + b"Content-Length: %d, 0\r\n\r\n" % len(HONEST) + HONEST,
    "length with a sign": LINE + b"Content-Length: +%d\r\n\r\n" % len(HONEST) + HONEST,
    "coding with a space before the colon": LINE + b"Transfer-Encoding : chunked\r\n" + SIZE + b"\r\n" + HONEST,
    "coding folded": LINE + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKED,
    "coding unknown": LINE + b"Transfer-Encoding: xchunked\r\n" + SIZE + b"\r\n" + HONEST,
    "underscore": LINE + b"Content_Length: 0\r\n" + SIZE + b"\r\n" + HONEST,
    "bare line feeds": (LINE + SIZE).replace(b"\r\n", b"\n") + b"\n" + HONEST,
    "chunk size with a line feed in its extension": LINE + CODED + b"\r\n" + CHUNKED.replace(b"\r\n", b";x\ny\r\n", 1),
    "chunk longer than said": LINE + CODED + b"\r\n1\r\n" + HONEST + b"\r\n0\r\n\r\n",
    "get with a body": b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(CANARY),
    "version 1.0 and chunked": LINE.replace(b"1.1", b"1.0") + CODED + b"\r\n" + CHUNKED,
    "two hosts": LINE + b"Host: evil.test\r\n" + SIZE + b"\r\n" + HONEST,
}
#: One way to read them; a connection whose parser might carry something over ends after the answer.
READ_ONCE: Mapping[str, bytes] = {
    "chunked with a trailer": LINE + CODED + b"\r\n" + CHUNKED[:-2] + b"Authorization: Bearer other\r\n\r\n",
    "chunked in upper case": LINE + b"Transfer-Encoding: CHUNKED\r\n\r\n" + CHUNKED,
    "offer of another protocol": LINE + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + SIZE + b"\r\n" + HONEST,
}


async def answer(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(WHOLE % (len(ANSWER), ANSWER))


def play(payload: bytes) -> tuple[bytes, list[bytes]]:
    """What the client gets and what reached the provider, when the canary comes right behind the payload."""

    async def run() -> tuple[bytes, list[bytes]]:
        async with RawServer(answer) as server:
            origin = Origin("http", "127.0.0.1", server.port, "/v1")
            configured = replace(settings((("a/m",),)), providers={"a": replace(provider("a"), origin=origin)})
            async with running({}, configured) as live:
                caller = await Caller(live.host, live.port).open(payload + CANARY)
                reply = await caller.read_until(b"no such thing")
                caller.close()
            return reply, [request for peer in server.peers for _, request in peer.requests]

    return asyncio.run(run())


@pytest.mark.parametrize("name", REFUSED)
def test_37_nothing_of_a_refused_payload_reaches_a_provider(name: str) -> None:
    reply, requests = play(REFUSED[name])
    assert reply.startswith(b"HTTP/1.1 400 "), reply[:200]
    assert reply.count(b"HTTP/1.1 ") == 1
    assert requests == []


@pytest.mark.parametrize("name", READ_ONCE)
def test_37_an_odd_but_clear_payload_is_one_request(name: str) -> None:
    reply, requests = play(READ_ONCE[name])
    assert reply.startswith(b"HTTP/1.1 200 "), reply[:200]
    assert reply.count(b"HTTP/1.1 ") == 1
    assert [json.loads(request)["user"] for request in requests] == ["honest"]


def test_37_two_sound_requests_are_two() -> None:
    """The canary is alive: behind a request that leaves no doubt it is served."""
    reply, requests = play(LINE + SIZE + b"\r\n" + HONEST)
    assert reply.count(b"HTTP/1.1 200 ") == 2
    assert [json.loads(request)["user"] for request in requests] == ["honest", "canary"]
