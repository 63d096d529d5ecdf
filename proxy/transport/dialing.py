"""From an origin to an open connection: name, socket, TLS.

Addresses are tried in order, the next one starting when the one before has failed or has used up its head start
(RFC 8305, "happy eyeballs"); the first socket that connects wins and the others are closed. There is no limit on time
here: whoever dials cancels the task, and cancelling leaves nothing open.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.core.settings import Origin
from proxy.transport.connection import Connection
from proxy.transport.limits import TransportLimits
from proxy.transport.resolution import AddressBook

if TYPE_CHECKING:
    from proxy.transport.tunnel import Tunnel

#: What opening a connection may raise: the network's errors (TLS and resolver errors are OSErrors), and ValueError for
#: names that cannot be encoded for DNS or TLS.
DIAL_ERRORS = (OSError, ValueError)


def default_tls() -> ssl.SSLContext:
    """The system's trust store, host names checked, HTTP/1.1 only. Takes some ten milliseconds: make it once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def explain(error: Exception) -> str:
    """A dial error for people, without numbers of the platform."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: certificate refused: {error.verify_message or error.reason or error}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'reason', None) or error}"
    if isinstance(error, socket.gaierror):
        return f"name not resolved: {error.strerror or error}"
    if isinstance(error, OSError) and error.errno:
        # The loops put addresses and their own words into strerror.
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


async def connect_one(loop: asyncio.AbstractEventLoop, address: str, port: int) -> socket.socket:
    """A connected, non-blocking socket. Raises OSError; closes the socket on error and on cancellation."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def connect_any(loop: asyncio.AbstractEventLoop, addresses: Sequence[str], port: int, stagger: float) -> socket.socket:
    """The first of these addresses that accepts. Raises OSError naming every address that did not."""
    if len(addresses) == 1:
        return await connect_one(loop, addresses[0], port)
    waiting = list(addresses)
    running: dict[asyncio.Task[socket.socket], str] = {}
    refusals: list[str] = []
    try:
        while waiting or running:
            if waiting:
                address = waiting.pop(0)
                running[loop.create_task(connect_one(loop, address, port))] = address
            await asyncio.wait(running, timeout=stagger if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in running if task.done()]:
                address = running.pop(task)
                error = task.exception()
                if error is None:
                    return task.result()
                refusals.append(f"{address} {explain(error) if isinstance(error, Exception) else error}")
    finally:
        for task in running:
            _drop(task)
    raise OSError("; ".join(refusals))


def _drop(task: asyncio.Task[socket.socket]) -> None:
    """A loser: cancelled, or closed if it won a moment too late."""
    if not task.done():
        task.cancel()
    elif task.exception() is None:
        task.result().close()


class Dialer:
    """Opens connections; shared by all pools of a transport."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, book: AddressBook, tls: ssl.SSLContext | None, limits: TransportLimits
    ) -> None:
        self._loop = loop
        self._book = book
        self._tls = tls
        self._limits = limits

    async def open(self, origin: Origin, connection: "Connection | Tunnel") -> None:
        """Bring this connection up. Raises one of DIAL_ERRORS; leaves nothing open on error and on cancellation."""
        tls = self._context() if origin.tls else None
        name = origin.host if origin.tls else None
        addresses = await self._book.find(origin.host, origin.port)
        sock = await connect_any(self._loop, addresses, origin.port, self._limits.stagger)
        try:
            await self._loop.create_connection(lambda: connection, sock=sock, ssl=tls, server_hostname=name)
        except BaseException:
            # The loop closes the socket with the transport it made for it; our connection may have been told of one.
            connection.close()
            raise

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = default_tls()
        return self._tls
