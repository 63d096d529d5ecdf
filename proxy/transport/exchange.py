"""One request under way, wherever it is: waiting for its connection, on it, or over.

The exchange is what the pipeline holds; connections and connects come and go under it. It points at no more than one of
`_connection` (the request is written) and `_pending` (a connect, or a failure that is scheduled). Whoever ends it
unlinks it first, so that a late `abort` or `pause` can never hit a connection that already serves somebody else.
"""

import asyncio
from typing import TYPE_CHECKING, Protocol

from proxy.core.exchange import FailureKind, Receiver, TransportError, UpstreamRequest

if TYPE_CHECKING:
    from proxy.transport.connection import Connection


class Cancellable(Protocol):
    def cancel(self) -> object: ...


class HttpExchange:
    """Implements `core.exchange.Exchange`. `repeated`: it was already sent again after a stale connection."""

    __slots__ = ("_connection", "_pending", "paused", "receiver", "repeated", "request")

    def __init__(self, request: UpstreamRequest, receiver: Receiver) -> None:
        self.request = request
        self.receiver = receiver
        self.repeated = False
        self.paused = False
        self._connection: Connection | None = None
        self._pending: Cancellable | None = None

    def __repr__(self) -> str:
        where = repr(self._connection) if self._connection else "connecting" if self._pending else "over"
        return f"<HttpExchange {self.request.pool} {where}>"

    def abort(self) -> None:
        connection, pending = self._connection, self._pending
        self.unlink()
        if connection is not None:
            connection.abandon()
        elif pending is not None:
            pending.cancel()

    def detach(self) -> None:
        connection, pending = self._connection, self._pending
        self.unlink()
        if connection is not None:
            connection.drain()
        elif pending is not None:
            pending.cancel()

    def pause(self) -> None:
        self.paused = True
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        self.paused = False
        if self._connection is not None:
            self._connection.resume()

    def wait_for(self, pending: Cancellable) -> None:
        self._connection, self._pending = None, pending

    def link(self, connection: "Connection") -> None:
        self._connection, self._pending = connection, None

    def unlink(self) -> None:
        self._connection = self._pending = None

    def fail(self, kind: FailureKind, detail: str) -> None:
        """End it with a failure, now. Not to be called from inside `Transport.send`: see `fail_soon`."""
        self.unlink()
        self.receiver.on_failed(TransportError(kind, detail))

    def fail_soon(self, loop: asyncio.AbstractEventLoop, kind: FailureKind, detail: str) -> None:
        self.wait_for(loop.call_soon(self.fail, kind, detail))
