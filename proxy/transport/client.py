"""The transport: HTTP/1.1 to providers, on sockets.

`HttpTransport` finds the pool of a request and hands it over; pools are keyed by provider and origin, so that a provider
that hangs uses up its own connections and nobody else's. It sends exactly the bytes it is given and shows exactly the
answer that comes: no redirects, no cookies, no proxies from the environment, no retries but the one on a stale
keep-alive connection.
"""

import asyncio
import ssl
from dataclasses import dataclass

from proxy.core.exchange import FailureKind, Receiver, UpstreamRequest
from proxy.core.settings import Origin
from proxy.core.tunnel import Caller
from proxy.transport.dialing import Dialer
from proxy.transport.exchange import HttpExchange
from proxy.transport.limits import TransportLimits
from proxy.transport.pool import Pool
from proxy.transport.resolution import AddressBook, Resolve, system_resolver
from proxy.transport.tunnel import Tunnel

DEFAULT_LIMITS = TransportLimits()


@dataclass(slots=True)
class PoolSize:
    """Connections of one provider; `open` includes the idle ones."""

    open: int = 0
    idle: int = 0
    connecting: int = 0


class HttpTransport:
    """Implements `core.exchange.Transport`. Belongs to one loop; `close` or `aclose` ends it for good.

    `ssl_context` None: the system's trust store, made at the first TLS connection. `resolver` None: the system's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        limits: TransportLimits = DEFAULT_LIMITS,
        ssl_context: ssl.SSLContext | None = None,
        resolver: Resolve | None = None,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._book = AddressBook(loop, resolver or system_resolver(loop), limits)
        self._dialer = Dialer(loop, self._book, ssl_context, limits)
        self._pools: dict[tuple[str, Origin], Pool] = {}
        self._recent: dict[str, Pool] = {}
        self._pool_limits: dict[str, int] = {}
        self._tunnels: dict[str, set[Tunnel]] = {}
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else ", ".join(f"{name} {pool!r}" for (name, _), pool in self._pools.items())
        return f"<HttpTransport {state}>"

    def send(self, request: UpstreamRequest, receiver: Receiver) -> HttpExchange:
        exchange = HttpExchange(request, receiver)
        if self._closed:
            exchange.fail_soon(self._loop, FailureKind.CONNECT, "the transport is closed")
            return exchange
        # A provider has one origin but after a reload, so the pool used last is most often the right one.
        pool = self._recent.get(request.pool)
        if pool is None or pool.origin is not request.origin:
            pool = self._recent[request.pool] = self._pools.get((request.pool, request.origin)) or self._open_pool(request)
        pool.submit(exchange)
        return exchange

    def open_tunnel(self, request: UpstreamRequest, caller: Caller) -> Tunnel:
        """A connection of its own, for a request that asks to switch protocols; counts against the provider's limit."""
        limit = self._pool_limits.get(request.pool, self._limits.connections)
        mine = self._tunnels.setdefault(request.pool, set())
        full = self._closed or self.pool_sizes()[request.pool].open >= limit
        tunnel = Tunnel(self._loop, request, caller, self._limits)
        if full:
            tunnel.fail_soon(FailureKind.POOL_FULL, f"all {limit} connections are in use")
        else:
            mine.add(tunnel)
            tunnel.gone = mine.discard
            tunnel.dial(self._dialer)
        return tunnel

    def set_pool_limit(self, pool: str, max_connections: int) -> None:
        """At most this many connections for this provider (each of its origins); open ones beyond it finish first."""
        self._pool_limits[pool] = max_connections
        for (name, _), existing in self._pools.items():
            if name == pool:
                existing.limit = max_connections

    def pool_sizes(self) -> dict[str, PoolSize]:
        """Per provider, summed over its origins."""
        sizes: dict[str, PoolSize] = {}
        for (name, _), pool in self._pools.items():
            size = sizes.setdefault(name, PoolSize())
            size.open += pool.open_count
            size.idle += pool.idle_count
            size.connecting += pool.dial_count
        for name, tunnels in self._tunnels.items():
            sizes.setdefault(name, PoolSize()).open += len(tunnels)
        return sizes

    def close(self) -> None:
        """Abort every connection and connect; whoever waits for an answer hears `on_failed` from inside this call."""
        self._closed = True
        for pool in list(self._pools.values()):
            pool.close()
        for tunnel in [tunnel for tunnels in self._tunnels.values() for tunnel in tunnels]:
            tunnel.fail(FailureKind.BROKEN, "the transport was closed")
        self._book.close()

    async def aclose(self) -> None:
        """`close`, and wait until sockets and tasks are really gone."""
        tasks: list[asyncio.Task[object]] = [*self._book.lookups]
        for pool in self._pools.values():
            tasks += pool.tasks
        for tunnels in self._tunnels.values():
            tasks += [tunnel.task for tunnel in tunnels if tunnel.task is not None]
        self.close()
        if tasks:
            await asyncio.wait(tasks)
        # Transports that were aborted report their end in the loop's next rounds.
        for _ in range(3):
            await asyncio.sleep(0)

    def _open_pool(self, request: UpstreamRequest) -> Pool:
        limit = self._pool_limits.get(request.pool, self._limits.connections)
        pool = Pool(self._loop, request.origin, self._dialer, self._limits, limit)
        self._pools[request.pool, request.origin] = pool
        return pool
