"""A TCP server that does exactly what its script says, byte by byte, in the test's own loop.

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok")

    async with RawServer(script) as server:
        ... connect to server.port ...

The n-th connection runs the n-th script, the last one serves all further connections. A script that returns closes its
connection in order. A script that raises fails the test when the server is left.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType


class Peer:
    """The server's end of one connection. `index` counts connections from 0; `requests` is what was asked so far."""

    def __init__(self, index: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.index = index
        self.requests: list[tuple[bytes, bytes]] = []
        self.gone = asyncio.Event()
        self._reader = reader
        self._writer = writer

    async def request(self) -> tuple[bytes, bytes]:
        """Read one request with a content-length (or none): head, body. Raises asyncio.IncompleteReadError at the end."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
        self.requests.append((head, await self._reader.readexactly(length)))
        return self.requests[-1]

    async def send(self, *pieces: bytes) -> None:
        """Write each piece for itself, with a turn of the loop between two."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    def info(self, name: str) -> object:
        """What the transport knows: `ssl_object`, `sockname`."""
        return self._writer.get_extra_info(name)

    def shut(self) -> None:
        """End of file towards the client; reading goes on."""
        self._writer.write_eof()

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def wait_gone(self) -> bytes:
        """Until the client has closed or reset the connection; what it still sent."""
        rest = b""
        with contextlib.suppress(ConnectionError):
            rest = await self._reader.read(-1)
        self.gone.set()
        return rest

    async def end(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.peers: list[Peer] = []
        self.port = 0
        self._scripts = scripts
        self._tls = tls
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "RawServer":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        failures = [result for result in results if isinstance(result, Exception)]
        if failures and error is None:
            raise failures[0]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        script = self._scripts[min(peer.index, len(self._scripts) - 1)]
        self._tasks.append(asyncio.get_running_loop().create_task(self._run(script, peer)))

    async def _run(self, script: Script, peer: Peer) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(peer)
        finally:
            await peer.end()


def free_port() -> int:
    """A port on which nobody listens (a moment ago)."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
