"""Names to addresses, with a memory.

A resolver is asked at most once at a time per name, and a fresh answer serves everybody. When the resolver fails, answers
with nothing, or hangs, the last good addresses are used however old they are: a provider does not move because a
resolver is down. It decides nothing about reachability and keeps no record of which address worked.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from proxy.transport.limits import TransportLimits

#: Host and port to IP addresses as text, best first. Raises OSError (socket.gaierror is one).
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(slots=True)
class Known:
    addresses: tuple[str, ...]
    at: float


def system_resolver(loop: asyncio.AbstractEventLoop) -> Resolve:
    """The operating system's resolver, in the loop's threads."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]

    return resolve


def is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def interleave(addresses: Sequence[str]) -> tuple[str, ...]:
    """Without duplicates, families alternating (RFC 8305 section 4), the resolver's order kept within each."""
    unique = list(dict.fromkeys(addresses))
    if not unique:
        return ()
    first_is_v6 = ":" in unique[0]
    leading = [address for address in unique if (":" in address) == first_is_v6]
    others = [address for address in unique if (":" in address) != first_is_v6]
    ordered: list[str] = []
    for index in range(max(len(leading), len(others))):
        ordered += leading[index : index + 1] + others[index : index + 1]
    return tuple(ordered)


class AddressBook:
    def __init__(self, loop: asyncio.AbstractEventLoop, resolve: Resolve, limits: TransportLimits) -> None:
        self._loop = loop
        self._resolve = resolve
        self._limits = limits
        self._known: dict[tuple[str, int], Known] = {}
        self._lookups: dict[tuple[str, int], asyncio.Task[tuple[str, ...]]] = {}

    async def find(self, host: str, port: int) -> tuple[str, ...]:
        """Addresses of this name, best first, never none. Raises OSError."""
        if is_literal(host):
            return (host,)
        key = (host, port)
        known = self._known.get(key)
        if known is not None and self._loop.time() - known.at < self._limits.dns_ttl:
            return known.addresses
        lookup = self._lookups.get(key) or self._look_up(key)
        # asyncio.wait leaves the lookup running when this waiter is cancelled: others may share it.
        await asyncio.wait({lookup}, timeout=None if known is None else self._limits.dns_patience)
        if lookup.done() and not lookup.cancelled() and lookup.exception() is None:
            return lookup.result()
        if known is not None:
            return known.addresses
        if lookup.cancelled():
            raise OSError("the resolver does not answer")
        return lookup.result()

    def close(self) -> None:
        for lookup in self._lookups.values():
            lookup.cancel()

    @property
    def lookups(self) -> list[asyncio.Task[tuple[str, ...]]]:
        return list(self._lookups.values())

    def _look_up(self, key: tuple[str, int]) -> asyncio.Task[tuple[str, ...]]:
        lookup = self._lookups[key] = self._loop.create_task(self._ask(*key))
        limit = self._loop.call_later(self._limits.dns_limit, lookup.cancel)

        def finished(task: asyncio.Task[tuple[str, ...]]) -> None:
            limit.cancel()
            del self._lookups[key]
            if not task.cancelled() and task.exception() is None:
                self._known[key] = Known(task.result(), self._loop.time())

        lookup.add_done_callback(finished)
        return lookup

    async def _ask(self, host: str, port: int) -> tuple[str, ...]:
        addresses = interleave(await self._resolve(host, port))
        if not addresses:
            raise OSError("the resolver knows no address")
        return addresses
