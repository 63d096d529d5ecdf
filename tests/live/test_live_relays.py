"""37, on the endpoints that are relayed: nothing that two servers could read differently reaches a provider in our name."""

import asyncio
import base64
import json
from collections.abc import Mapping

import pytest
from live_sockets import Caller
from support.live import running
from support.raw_server import Peer, RawServer
from support.simulation import provider, replace, settings

from proxy.core.settings import Origin
from proxy.wire.websocket import accept_of

pytestmark = pytest.mark.live

KEY = base64.b64encode(b"0123456789abcdef")
GET = b"GET /v1/realtime?model=lamp HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
SOUND = UPGRADE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
CHAT = json.dumps({"model": "lamp", "user": "canary", "messages": []}).encode()
CANARY = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(CHAT), CHAT)
SWITCHED = b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %s\r\n\r\n" % accept_of(
    KEY.decode()
)
ECHO = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def play(payload: bytes, answer: bytes = ECHO, *more: bytes, mark: bytes = b"no such thing") -> tuple[bytes, list[bytes]]:
    """What the client gets, and every byte that reached a provider. `more` is sent once something was answered."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        head, body = await peer.request()
        seen.append(head + body)
        await peer.send(answer)
        seen.append(await peer._reader.read(65536))

    async def run() -> bytes:
        async with RawServer(script) as server:
            origin = Origin("http", "127.0.0.1", server.port, "/v1")
            configured = replace(settings((("a/m",),)), providers={"a": replace(provider("a"), origin=origin, relay=True)})
            async with running({}, configured) as live:
                caller = await Caller(live.host, live.port).open(payload)
                reply = await caller.read_until(mark if not more else b"\r\n\r\n")
                for data in more:
                    await caller.send(data)
                    reply += await caller.read_until(mark)
                caller.close()
                await asyncio.sleep(0.05)
        return reply

    return asyncio.run(run()), seen


UPGRADES: Mapping[str, bytes] = {
    "another path": GET.replace(b"realtime", b"responses") + SOUND,
    "a longer path": GET.replace(b"/realtime", b"/realtime/") + SOUND,
    "version 1.0": GET.replace(b"1.1", b"1.0") + SOUND,
    "no key": GET + UPGRADE + b"Sec-WebSocket-Version: 13\r\n",
    "a short key": GET + UPGRADE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abcd\r\n",
    "two keys": GET + SOUND + b"Sec-WebSocket-Key: " + KEY + b"\r\n",
    "another version": GET + SOUND.replace(b"13", b"8"),
    "two upgrades": GET + SOUND + b"Upgrade: h2c\r\n",
    "a list of upgrades": GET + SOUND.replace(b"websocket\r\n", b"websocket, h2c\r\n", 1),
    "connection names more": GET + SOUND.replace(b"Connection: Upgrade", b"Connection: Upgrade, Sec-WebSocket-Key"),
    "a length": GET + SOUND + b"Content-Length: 0\r\n",
    "a body": GET + SOUND + b"Content-Length: %d\r\n" % len(CANARY),
    "chunked": GET + SOUND + b"Transfer-Encoding: chunked\r\n",
    "an expectation": GET + SOUND + b"Expect: 100-continue\r\n",
}


@pytest.mark.parametrize("name", UPGRADES)
def test_37_only_one_handshake_is_one(name: str) -> None:
    reply, seen = play(UPGRADES[name] + b"\r\n" + CANARY)
    assert reply.startswith(b"HTTP/1.1 4"), reply[:200]
    assert reply.count(b"HTTP/1.1 ") == 1
    assert seen == []


def test_37_what_comes_early_belongs_to_the_session() -> None:
    """A request behind a handshake is no request: it is sent on as what it is, bytes of the session, and after the 101."""
    reply, seen = play(GET + SOUND + b"\r\n" + CANARY, SWITCHED, b"later", mark=b"\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 101 ")
    assert reply.count(b"HTTP/1.1 ") == 1
    assert seen[0].startswith(b"GET /v1/realtime?model=m HTTP/1.1\r\n")
    assert seen[0].endswith(b"\r\n\r\n")
    assert seen[1].startswith(CANARY)


def test_37_what_comes_early_is_never_a_request_after_a_refusal() -> None:
    reply, seen = play(GET + SOUND + b"\r\n" + CANARY, b"HTTP/1.1 400 X\r\ncontent-length: 0\r\n\r\n")
    assert reply.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in reply
    assert all(b"canary" not in data for data in seen)


@pytest.mark.parametrize(
    "answer",
    [
        SWITCHED.replace(accept_of(KEY.decode()), b"x" * 28),
        SWITCHED.replace(b"upgrade: websocket\r\n", b""),
        SWITCHED.replace(b"\r\n\r\n", b"\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n"),
        SWITCHED.replace(b"\r\n\r\n", b"\r\nsec-websocket-protocol: mine\r\n\r\n"),
        ECHO,
        b"garbage\r\n\r\n",
        b"HTTP/1.1 101 X\r\n" + b"x: y\r\n" * 30_000,
    ],
    ids=["accept", "upgrade", "extensions", "protocol", "200", "garbage", "endless"],
)
def test_a_101_that_is_none_is_no_session(answer: bytes) -> None:
    reply, _ = play(GET + SOUND + b"\r\n", answer)
    assert reply.startswith(b"HTTP/1.1 50")


def test_a_realtime_request_without_an_upgrade() -> None:
    reply, seen = play(GET + b"Connection: close\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 426 ")
    assert b"upgrade: websocket\r\n" in reply
    assert seen == []
    reply, seen = play(b"POST" + GET[3:] + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 405 ")


def form(*parts: bytes, boundary: bytes = b"edge") -> bytes:
    body = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    return (
        head + b"Content-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n" % (boundary, len(body)) + body
    )


MODEL = b'Content-Disposition: form-data; name="model"\r\n\r\nlamp'
FILE = b'Content-Disposition: form-data; name="file"; filename="%s"\r\nContent-Type: audio/wav\r\n\r\nRIFF'
FORMS: Mapping[str, bytes] = {
    "two models": form(MODEL, MODEL.replace(b"lamp", b"dear")),
    "a model in another charset": form(MODEL.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n")),
    "a model behind a bare line feed": form(
        MODEL, (FILE % b"x") + b"\n--edge\nContent-Disposition: form-data; name=model\n\ndear"
    ),
    "a header in a name": form(MODEL, b'Content-Disposition: form-data; name="a\r\nX-Evil: 1"\r\n\r\nx'),
    "an escaped quote in a file's name": form(MODEL, FILE % b'x\\"; name=\\"model'),
    "a head without an end": form(MODEL, b"Content-Disposition: form-data; name=a; x=" + b"y" * 20_000 + b"\r\n\r\nx"),
    "no boundary in the body": form(MODEL, boundary=b"other"),
    "a boundary with a line's end": form(MODEL, boundary=b'"ed\tge"'),
    "a thousand parts": form(MODEL, *[b"Content-Disposition: form-data; name=a\r\n\r\nx"] * 1500),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_with_two_readings_reach_nobody(name: str) -> None:
    reply, seen = play(FORMS[name])
    assert reply.startswith(b"HTTP/1.1 400 "), reply[:300]
    assert seen == []


def test_a_sound_form_is_sent_with_its_boundary_as_we_read_it() -> None:
    reply, seen = play(form(MODEL, FILE % b"a;b\xc3\xa9.wav"), ECHO.replace(b"2\r\n\r\n{}", b'12\r\n\r\n{"text":"x"}'))
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: multipart/form-data; boundary=edge\r\n" in seen[0]
    assert seen[0].count(b"form-data; name=") == 2
    assert b"\r\n\r\nm\r\n--edge" in seen[0]


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/../admin",
        b"/v1/a/../../admin",
        b"/v1/a/..;/b",
        b"/v1/%2e%2e/admin",
        b"/v1/a%2fb",
        b"/v1/a%00",
        b"/v1//evil.test/a",
        b"/v1/a//b",
        b"/v1/./a",
        b"/v1/a\\b",
        b"/v1/files/../x",
        b'/v1/a?x=%22"',
    ],
)
def test_paths_that_lead_elsewhere_reach_nobody(path: bytes) -> None:
    reply, seen = play(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path)
    assert reply.startswith(b"HTTP/1.1 400 "), reply[:200]
    assert seen == []


@pytest.mark.parametrize("target", [b"http://evil.test/v1/other", b"//evil.test/v1/other", b"/V1/other", b"/other", b"*"])
def test_no_request_chooses_its_host(target: bytes) -> None:
    reply, seen = play(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target)
    assert reply.startswith(b"HTTP/1.1 4"), reply[:200]
    assert seen == []


def test_what_is_relayed_carries_no_more_than_it_must() -> None:
    reply, seen = play(
        b"DELETE /v1/other/x?y=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer mine\r\n"
        b"X-Api-Key: mine\r\nCookie: c=1\r\nProxy-Authorization: Basic x\r\nTE: trailers\r\nX-Forwarded-For: 1.2.3.4\r\n"
        b"OpenAI-Organization: org-1\r\nOpenAI-Beta: x=1\r\n\r\n"
    )
    assert reply.startswith(b"HTTP/1.1 200 ")
    names = {line.partition(b":")[0] for line in seen[0].split(b"\r\n")[1:]}
    assert seen[0].startswith(b"DELETE /v1/other/x?y=1 HTTP/1.1\r\n")
    assert names <= {
        b"host",
        b"accept",
        b"accept-encoding",
        b"user-agent",
        b"openai-beta",
        b"content-length",
        b"authorization",
        b"",
    }
    assert b"mine" not in seen[0]
