"""A data plane on a loopback socket, an application that does what a test tells it, and raw clients."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import uvloop

from proxy.core.drill import DrillOrder
from proxy.core.exchange import ClientRequest, Downstream
from proxy.core.settings import ServerSettings
from proxy.server.application import Identity, Page
from proxy.server.drills import DrillView
from proxy.server.listener import DataPlane
from proxy.server.refusals import Refusal

T = TypeVar("T")
Serve = Callable[[ClientRequest, Downstream], Awaitable[None]]

#: Long limits, so that a busy machine fails no test; tests of the limits set short ones.
QUICK = ServerSettings(
    port=0,
    max_body=256 * 1024,
    header_timeout=9.0,
    body_timeout=9.0,
    keepalive_timeout=9.0,
    write_timeout=9.0,
)
JSON = ((b"content-type", b"application/json"),)


async def echo(request: ClientRequest, downstream: Downstream) -> None:
    downstream.start(200, JSON, len(request.body))
    downstream.write(request.body)
    downstream.finish()


@dataclass
class FakeApplication:
    """Echoes bodies unless told otherwise. `secret` None: no keys are configured; `routes`: what the one key may use."""

    behave: Serve = echo
    secret: str | None = None
    routes: frozenset[str] | None = frozenset({"m"})
    served: list[ClientRequest] = field(default_factory=list)
    pages: list[tuple[str, str]] = field(default_factory=list)
    cancelled: int = 0
    drilling: list[DrillView] = field(default_factory=list)

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        if self.secret is None:
            return Identity()
        good = headers.get("authorization") == f"Bearer {self.secret}"
        return Identity("tester", self.routes) if good else None

    async def serve(self, request: ClientRequest, downstream: Downstream) -> None:
        self.served.append(request)
        try:
            await self.behave(request, downstream)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    relays = False
    #: Everybody is turned away with this, if it is set.
    away: Refusal | None = None

    @property
    def strained(self) -> bool:
        return self.away is not None

    def turn_away(self, identity: Identity, headers: Mapping[str, str]) -> Refusal | None:
        return self.away

    def page(self, path: str, query: str, identity: Identity, anthropic: bool = False) -> Page | None:
        self.pages.append((path, query))
        if path == "/v1/models/none":
            return None
        if anthropic:
            return Page(200, b"for Anthropic's clients")
        return Page(200, b'{"page":"%b"}' % path.encode())

    async def report(self, query: Mapping[str, str]) -> Page:
        return Page(200, json.dumps(dict(query)).encode())

    def explain(self, model: str, tools: bool, images: bool, tokens: int) -> Page:
        return Page(200, f"{model} {tools} {images} {tokens}".encode(), "text/plain")

    def alerts(self) -> Page:
        return Page(200, b'{"object":"alerts"}')

    def start_drill(self, order: DrillOrder) -> DrillView:
        if any(drill.provider == order.provider for drill in self.drilling):
            raise ValueError(f"{order.provider} has a drill already")
        drill = DrillView(order.provider, str(order.fault), order.share, 0.0, order.seconds, order.by, 0)
        self.drilling.append(drill)
        return drill

    def stop_drills(self, provider: str | None, by: str) -> list[DrillView]:
        stopped = [drill for drill in self.drilling if provider in (None, drill.provider)]
        self.drilling = [drill for drill in self.drilling if drill not in stopped]
        return stopped

    def drills(self) -> list[DrillView]:
        return self.drilling


@dataclass
class Bench:
    plane: DataPlane
    app: FakeApplication
    host: str
    port: int
    sockets: list[socket.socket] = field(default_factory=list)

    async def connect(self, **options: int) -> "Client":
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in options.items():
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        self.sockets.append(sock)
        await asyncio.get_running_loop().sock_connect(sock, (self.host, self.port))
        return Client(sock)

    async def exchange(self, raw: bytes, limit: float = 3.0) -> bytes:
        """Send, then read until the server closes; a server that does not close in time fails the test."""
        client = await self.connect()
        try:
            await client.send(raw)
            return await client.read_to_end(limit)
        finally:
            client.close()


class Client:
    """A raw socket. Every wait has a limit, so that a hang is a failure."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.seen = b""

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def receive(self, size: int = 65536, limit: float = 3.0) -> bytes:
        async with asyncio.timeout(limit):
            return await asyncio.get_running_loop().sock_recv(self.sock, size)

    async def read_until(self, mark: bytes, limit: float = 3.0) -> bytes:
        """Everything up to and with `mark`; what came after it is kept."""
        while mark not in self.seen:
            data = await self.receive(limit=limit)
            assert data, f"closed before {mark!r}: {self.seen!r}"
            self.seen += data
        end = self.seen.index(mark) + len(mark)
        taken, self.seen = self.seen[:end], self.seen[end:]
        return taken

    async def read_to_end(self, limit: float = 3.0) -> bytes:
        async with asyncio.timeout(limit):
            parts = [self.seen]
            while data := await self.receive(limit=limit):
                parts.append(data)
        self.seen = b""
        return b"".join(parts)

    def shut_write(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()


def run_bench(
    scenario: Callable[[Bench], Coroutine[None, None, T]],
    *,
    app: FakeApplication | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    **changes: object,
) -> T:
    """Run a scenario against a fresh data plane. Afterwards nothing of it may be left."""
    settings = replace(QUICK, **changes)

    async def play() -> T:
        fake = app or FakeApplication()
        plane = DataPlane(fake, settings, loop=asyncio.get_running_loop())
        host, port = await plane.start("127.0.0.1", 0)
        bench = Bench(plane, fake, host, port)
        try:
            async with asyncio.timeout(10):
                result = await scenario(bench)
        finally:
            await plane.stop(0.2)
            for sock in bench.sockets:
                sock.close()
        assert plane.open_connections == 0
        assert plane.open_calls == 0
        return result

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(play())


async def until(condition: Callable[[], bool], limit: float = 3.0) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.002)


def post(body: bytes = b"{}", path: str = "/v1/chat/completions", extra: str = "", version: str = "1.1") -> bytes:
    head = f"POST {path} HTTP/{version}\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode("latin-1") + body


def get(path: str = "/v1/models", extra: str = "", method: str = "GET", version: str = "1.1") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n{extra}\r\n".encode("latin-1")


CLOSE = "Connection: close\r\n"
