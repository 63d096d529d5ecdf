"""The connections to one origin on behalf of one provider: a bulkhead.

An exchange gets the connection that was used last (so that the surplus of a burst goes idle and is closed), or a fresh
one while the limit allows, or a failure. Nothing ever waits here for a connection to become free: queues, with their
deadlines, belong to the targets. Connects count against the limit like connections. One coarse timer closes what has
been idle too long.
"""

import asyncio

from proxy.core.exchange import FailureKind
from proxy.core.settings import Origin
from proxy.transport.connection import Connection
from proxy.transport.dialing import DIAL_ERRORS, Dialer, explain
from proxy.transport.exchange import HttpExchange
from proxy.transport.limits import TransportLimits

#: The idle timer fires no more often than this, in seconds.
COARSE = 1.0


class Dial:
    """One connect on behalf of one exchange: a task and its limit on time."""

    __slots__ = ("_exchange", "_pool", "_timer", "task")

    def __init__(self, pool: "Pool", exchange: HttpExchange, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._exchange = exchange
        self._timer = loop.call_later(exchange.request.connect_timeout, self._expire)
        self.task = loop.create_task(self._run())

    def cancel(self) -> None:
        """The exchange does not want it any more."""
        self._timer.cancel()
        self._pool.undial(self)
        self.task.cancel()

    def fail(self, kind: FailureKind, detail: str) -> None:
        self.cancel()
        self._exchange.fail(kind, f"{self._pool.label}: {detail}")

    def _expire(self) -> None:
        self.fail(FailureKind.CONNECT_TIMEOUT, f"no connection within {self._exchange.request.connect_timeout:g} s")

    async def _run(self) -> None:
        try:
            connection = await self._pool.open()
        except DIAL_ERRORS as error:
            self._timer.cancel()
            self._pool.undial(self)
            self._exchange.fail(FailureKind.CONNECT, f"{self._pool.label}: {explain(error)}")
        else:
            self._timer.cancel()
            self._pool.undial(self)
            self._pool.adopt(connection, self._exchange)


class Pool:
    """Implements `connection.Keeper`. `limit` counts connections, idle ones and connects included."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, origin: Origin, dialer: Dialer, limits: TransportLimits, limit: int
    ) -> None:
        self.limit = limit
        self.label = f"[{origin.host}]:{origin.port}" if ":" in origin.host else f"{origin.host}:{origin.port}"
        self._loop = loop
        self.origin = origin
        self._dialer = dialer
        self._limits = limits
        self._idle: dict[Connection, None] = {}  # a stack in order of release: the last one is on top
        self._open: set[Connection] = set()
        self._dials: set[Dial] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Pool {self.label} {self.open_count} open, {self.idle_count} idle, {self.dial_count} connecting>"

    @property
    def open_count(self) -> int:
        return len(self._open)

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    @property
    def dial_count(self) -> int:
        return len(self._dials)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [dial.task for dial in self._dials]

    def submit(self, exchange: HttpExchange) -> None:
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.usable:
                connection.begin(exchange)
                return
            connection.close()
        if len(self._open) + len(self._dials) >= self.limit:
            detail = f"{self.label}: all {self.limit} connections are in use"
            exchange.fail_soon(self._loop, FailureKind.POOL_FULL, detail)
        else:
            self._dial(exchange)

    def close(self) -> None:
        """Abort everything; whoever waits for an answer hears that it failed."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for dial in list(self._dials):
            dial.fail(FailureKind.CONNECT, "the transport was closed")
        for connection in list(self._open):
            connection.fail(FailureKind.BROKEN, "the transport was closed")

    # -- connection.Keeper

    def release(self, connection: Connection) -> None:
        now = self._loop.time()
        if self._closed or now - connection.born > self._limits.age or len(self._open) > self.limit:
            connection.close()
            return
        connection.idle_since = now
        self._idle[connection] = None
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(max(self._limits.idle, COARSE), self._sweep)

    def forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)

    def repeat(self, exchange: HttpExchange) -> None:
        # No look at the limit: the stale connection has just made room.
        exchange.repeated = True
        self._dial(exchange)

    # -- the dial's side

    async def open(self) -> Connection:
        connection = Connection(self._loop, self, self.label, self._limits)
        await self._dialer.open(self.origin, connection)
        return connection

    def adopt(self, connection: Connection, exchange: HttpExchange) -> None:
        self._open.add(connection)
        connection.begin(exchange)

    def undial(self, dial: Dial) -> None:
        self._dials.discard(dial)

    # -- inside

    def _dial(self, exchange: HttpExchange) -> None:
        dial = Dial(self, exchange, self._loop)
        self._dials.add(dial)
        exchange.wait_for(dial)

    def _sweep(self) -> None:
        """Close what is past its time, and come back when the one at the bottom, the oldest, will be."""
        self._sweeper = None
        due = self._loop.time() - self._limits.idle
        for connection in [connection for connection in self._idle if connection.idle_since <= due]:
            connection.close()
        if self._idle:
            wait = next(iter(self._idle)).idle_since - due
            self._sweeper = self._loop.call_later(max(wait, COARSE), self._sweep)
