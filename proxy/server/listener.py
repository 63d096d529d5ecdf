"""The data plane: the listener that clients talk to."""

import asyncio
import socket

import aiohttp
from aiohttp import http_parser

from proxy.core.settings import ServerSettings
from proxy.server.application import Application
from proxy.server.connection import Connection
from proxy.server.inlet import Unpaused
from proxy.server.roster import Roster

_LEAST_AIOHTTP = (3, 14, 3)
_BACKLOG = 4096
#: Seconds that calls cut at the end of a drain have to settle what they hold.
_SETTLING = 2.0
#: Bytes not yet sent that the kernel takes for a client; left to itself it takes megabytes for one that reads slowly, out of
#: reach of our own limits. What is on its way, and so the speed of distant clients, is not touched by this.
_UNSENT = 64 * 1024
#: Not on every system.
_UNSENT_OPTION: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)


class ParserMissing(RuntimeError):
    """The installed aiohttp cannot be trusted with untrusted requests."""


def require_parser() -> None:
    """aiohttp's Python parser differs from its C parser in what it accepts, and hangs on a huge chunk size; older releases
    have known request smuggling holes. Neither may stand between the network and this proxy."""
    numbers = tuple(int(part) for part in aiohttp.__version__.split(".")[:3] if part.isdigit())
    if numbers < _LEAST_AIOHTTP:
        wanted = ".".join(map(str, _LEAST_AIOHTTP))
        raise ParserMissing(f"aiohttp {aiohttp.__version__} is too old to be safe: install aiohttp>={wanted}")
    compiled = getattr(http_parser, "HttpRequestParserC", None)
    if compiled is None or http_parser.HttpRequestParser is not compiled:
        raise ParserMissing(
            "aiohttp was installed or started without its C extension, which this proxy's listener needs: install a binary"
            " wheel of aiohttp for this Python, and do not set AIOHTTP_NO_EXTENSIONS"
        )


class DataPlane:
    """Accepts connections for one application. `start`, then `stop`, or `drain` first to let load balancers notice.

    `state` holds what is worth counting (see `Roster`).
    """

    def __init__(self, app: Application, settings: ServerSettings, *, loop: asyncio.AbstractEventLoop) -> None:
        require_parser()
        self.state = Roster(app, settings, loop)
        self._flow = Unpaused(loop)
        self._server: asyncio.Server | None = None

    @property
    def draining(self) -> bool:
        return self.state.draining

    @property
    def open_connections(self) -> int:
        return len(self.state.connections)

    @property
    def open_calls(self) -> int:
        return len(self.state.calls)

    def connection(self) -> Connection:
        """The protocol factory."""
        return Connection(self.state, self._flow)

    async def start(
        self, host: str | None = None, port: int | None = None, *, sock: socket.socket | None = None
    ) -> tuple[str, int]:
        """Listen: on a socket that is already bound, or on an address, by default the configured one. Returns the address
        it really got (for port 0). Raises OSError."""
        loop, settings = self.state.loop, self.state.settings
        if sock is not None:
            server = await loop.create_server(self.connection, sock=sock, backlog=_BACKLOG)
        else:
            host, port = host or settings.host, settings.port if port is None else port
            server = await loop.create_server(self.connection, host, port, backlog=_BACKLOG)
        self._server = server
        for listening in server.sockets:
            if _UNSENT_OPTION is not None and listening.family in (socket.AF_INET, socket.AF_INET6):
                # The sockets it accepts inherit this.
                listening.setsockopt(socket.IPPROTO_TCP, _UNSENT_OPTION, _UNSENT)
        address = server.sockets[0].getsockname()
        return address[0], address[1]

    def drain(self) -> None:
        """From now on every reply is the last of its connection, and idle connections are closed. New connections are
        still accepted, so that readiness can be asked and answered, until `stop`."""
        self.state.draining = True
        for connection in tuple(self.state.connections):
            connection.drain()

    async def wait_idle(self, limit: float) -> None:
        """Until no connection is open and no call under way, for up to `limit` seconds."""
        deadline = self.state.loop.time() + limit
        await self._await_close(limit)
        await self._await_calls(max(deadline - self.state.loop.time(), 0.0))

    async def stop(self, limit: float) -> None:
        """Accept nothing more, let what is under way finish for up to `limit` seconds, then cut the rest."""
        state = self.state
        if self._server is not None:
            self._server.close()
        self.drain()
        deadline = state.loop.time() + limit
        await self._await_calls(limit)
        for call in tuple(state.calls):
            call.cancel("shutdown")
        await self._await_calls(_SETTLING)
        await self._await_close(max(deadline - state.loop.time(), 0.1))
        for connection in tuple(state.connections):
            connection.abort()
        await self._await_close(_SETTLING)

    async def _await_calls(self, limit: float) -> None:
        state = self.state
        if state.calls:
            state.settled = state.loop.create_future()
            await asyncio.wait([state.settled], timeout=limit)
            state.settled = None

    async def _await_close(self, limit: float) -> None:
        state = self.state
        if state.connections:
            state.emptied = state.loop.create_future()
            await asyncio.wait([state.emptied], timeout=limit)
            state.emptied = None
