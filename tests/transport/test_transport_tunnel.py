"""Tunnels to a provider that answers, refuses, stalls, lies or dies, on real sockets."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from support.raw_server import Peer, RawServer, Script, free_port

from proxy.core.exchange import FailureKind, HeaderList, TransportError, UpstreamRequest
from proxy.core.settings import Origin
from proxy.transport.client import HttpTransport
from proxy.transport.limits import TransportLimits
from proxy.transport.tunnel import Tunnel

HEAD = b"GET /v1/realtime HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: 1\r\n\r\n"


class Caller:
    def __init__(self) -> None:
        self.said: list[object] = []
        self.full: list[bool] = []
        self.data = b""
        self.turn = asyncio.Event()

    def note(self, word: object) -> None:
        self.said.append(word)
        self.turn.set()

    def on_open(self, headers: HeaderList) -> None:
        self.headers = dict(headers)
        self.note("open")

    def on_refused(self, status: int, headers: HeaderList, body: bytes) -> None:
        self.note((status, body))

    def on_failed(self, error: TransportError) -> None:
        self.note(error.kind)

    def on_bytes(self, data: bytes) -> None:
        self.data += data
        self.turn.set()

    def on_end(self) -> None:
        self.note("end")

    def on_full(self) -> None:
        self.full.append(True)

    def on_drained(self) -> None:
        self.full.append(False)
        self.turn.set()

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                self.turn.clear()
                await self.turn.wait()


Play = Callable[[Tunnel, Caller, HttpTransport], Awaitable[None]]


def play(script: Script | None, body: Play, connect_timeout: float = 2.0, **limits: int) -> None:
    async def main() -> None:
        transport = HttpTransport(asyncio.get_running_loop(), limits=TransportLimits(**limits))  # type: ignore[arg-type]
        async with RawServer(script or _nobody) as server:
            port = server.port if script else free_port()
            request = UpstreamRequest("a", Origin("http", "127.0.0.1", port), HEAD, connect_timeout=connect_timeout)
            caller = Caller()
            tunnel = transport.open_tunnel(request, caller)
            try:
                await body(tunnel, caller, transport)
            finally:
                await transport.aclose()
        assert transport.pool_sizes().get("a") is None or transport.pool_sizes()["a"].open == 0

    asyncio.run(main())


async def _nobody(peer: Peer) -> None:
    raise AssertionError("nobody should come here")


async def echo(peer: Peer) -> None:
    await peer.request()
    await peer.send(SWITCHED + b"hello")
    while data := await peer._reader.read(65536):
        await peer.send(data)


def test_bytes_go_both_ways() -> None:
    async def body(tunnel: Tunnel, caller: Caller, transport: HttpTransport) -> None:
        tunnel.write(b"too early")
        tunnel.pause()
        assert "dialing" in repr(tunnel)
        await caller.until(lambda: caller.data == b"hello")
        assert (caller.said, caller.headers[b"x"]) == (["open"], b"1")
        assert transport.pool_sizes()["a"].open == 1
        tunnel.write(b" world")
        await caller.until(lambda: caller.data == b"hello world")
        tunnel.end()
        tunnel.end()
        tunnel.write(b"too late")
        await asyncio.sleep(0.05)
        assert caller.said == ["open"]

    play(echo, body)


def test_back_pressure_both_ways() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCHED)
        await peer._reader.readexactly(1)
        await asyncio.sleep(0.2)
        await peer._reader.readexactly(20_000_000)
        await peer.send(b"done")
        await peer.wait_gone()

    async def body(tunnel: Tunnel, caller: Caller, _: HttpTransport) -> None:
        await caller.until(lambda: "open" in caller.said)
        tunnel.write(b"x" * 20_000_001)
        assert caller.full == [True]
        tunnel.pause()
        await caller.until(lambda: caller.full == [True, False])
        await asyncio.sleep(0.1)
        assert caller.data == b""
        tunnel.resume()
        await caller.until(lambda: caller.data == b"done")
        tunnel.abort()
        tunnel.resume()

    play(script, body)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([b"HTTP/1.1 503 X\r\ncontent-length: 4\r\n\r\nb", b"usy"], (503, b"busy")),
        ([b"HTTP/1.1 503 X\r\n\r\nuntil the end"], (503, b"until the end")),
        ([b"HTTP/1.1 429 X\r\ntransfer-encoding: chunked\r\n\r\n4\r\nslow\r\n0\r\n\r\n"], (429, b"slow")),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 X\r\ncontent-length: 0\r\n\r\n"], (401, b"")),
        ([b"HTTP/1.1 500 X\r\ncontent-length: 900000\r\n\r\n", b"x" * 300_000], (500, b"x" * 65536)),
        ([b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\ncut"], (500, b"cut")),
        ([b"nonsense\r\n\r\n"], FailureKind.GARBAGE),
        ([b"HTTP/1.1 101 X\r\n" + b"a: b\r\n" * 20_000], FailureKind.GARBAGE),
        ([b"HTTP/1.1 10"], FailureKind.CLOSED),
        ([], FailureKind.CLOSED),
    ],
)
def test_answers_that_open_nothing(pieces: list[bytes], said: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)

    async def body(tunnel: Tunnel, caller: Caller, _: HttpTransport) -> None:
        await caller.until(lambda: bool(caller.said))
        assert caller.said == [said]
        tunnel.abort()

    play(script, body)


def test_a_101_without_an_upgrade_opens_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 101 X\r\n\r\nhello")

    async def body(tunnel: Tunnel, caller: Caller, _: HttpTransport) -> None:
        await caller.until(lambda: bool(caller.said))
        assert caller.said in ([FailureKind.GARBAGE], [FailureKind.CLOSED])

    play(script, body)


def test_nobody_there() -> None:
    async def body(tunnel: Tunnel, caller: Caller, _: HttpTransport) -> None:
        await caller.until(lambda: bool(caller.said))
        assert caller.said == [FailureKind.CONNECT]

    play(None, body)


def test_no_time_to_connect() -> None:
    async def body(tunnel: Tunnel, caller: Caller, _: HttpTransport) -> None:
        await caller.until(lambda: bool(caller.said))
        assert caller.said == [FailureKind.CONNECT_TIMEOUT]
        await asyncio.sleep(0.05)  # for the server to see what came of it

    play(echo, body, connect_timeout=0.0)


def test_leaving_while_it_dials_leaves_nothing() -> None:
    async def body(tunnel: Tunnel, caller: Caller, transport: HttpTransport) -> None:
        tunnel.abort()
        assert transport.pool_sizes()["a"].open == 0
        await asyncio.sleep(0.05)
        assert caller.said == []

    play(echo, body)


def test_a_provider_that_goes_and_a_transport_that_closes() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCHED)
        if peer.index:
            await peer.wait_gone()

    async def body(tunnel: Tunnel, caller: Caller, transport: HttpTransport) -> None:
        await caller.until(lambda: "end" in caller.said)
        assert caller.said == ["open", "end"]
        again = Caller()
        transport.open_tunnel(tunnel._request, again)
        await again.until(lambda: "open" in again.said)
        transport.close()
        assert again.said == ["open", "end"]
        late = Caller()
        transport.open_tunnel(tunnel._request, late)
        await late.until(lambda: bool(late.said))
        assert late.said == [FailureKind.POOL_FULL]

    play(script, body)


def test_tunnels_count_against_the_limit() -> None:
    async def body(tunnel: Tunnel, caller: Caller, transport: HttpTransport) -> None:
        await caller.until(lambda: "open" in caller.said)
        more = Caller()
        transport.open_tunnel(tunnel._request, more)
        await more.until(lambda: bool(more.said))
        assert more.said == [FailureKind.POOL_FULL]

    play(echo, body, connections=1)
