"""The seams of a connection that has switched protocols: two ends, and bytes that nobody here reads.

A `Side` is one end's connection as the middle sees it, a `Peer` the middle as an end sees it. Everything is callback-shaped
and synchronous, as in `exchange.py`: a byte that came in at one end is written to the other in the same turn of the loop.
"""

from typing import Protocol, runtime_checkable

from proxy.core.exchange import HeaderList, Source, TransportError, UpstreamRequest


class Side(Source, Protocol):
    """`pause` and `resume` say whether bytes are wanted from this end. After `end` or `abort` all of it does nothing."""

    def write(self, data: bytes) -> None: ...

    def end(self) -> None:
        """Close it once what was written has gone out."""

    def abort(self) -> None:
        """Close it now."""


class Peer(Protocol):
    """Hears from one end: bytes, and that it takes no more for now, or again."""

    def on_bytes(self, data: bytes) -> None: ...

    def on_full(self) -> None: ...

    def on_drained(self) -> None: ...


class Caller(Peer, Protocol):
    """Whoever asks a provider to switch protocols. First exactly one of `on_open`, `on_refused` and `on_failed`; after
    `on_open` bytes, then `on_end` once. None of them after `abort`, and none from inside `open_tunnel`."""

    def on_open(self, headers: HeaderList) -> None:
        """The provider switched protocols (101)."""

    def on_refused(self, status: int, headers: HeaderList, body: bytes) -> None:
        """The provider answered something else; `body` is the beginning of what it said."""

    def on_failed(self, error: TransportError) -> None: ...

    def on_end(self) -> None:
        """The provider closed the connection, or it broke."""


@runtime_checkable
class Tunnels(Protocol):
    """Opens connections that switch protocols."""

    def open_tunnel(self, request: UpstreamRequest, caller: Caller) -> Side: ...


class Switch(Protocol):
    """The client's side of a request that asks to switch protocols; nothing was answered yet."""

    def switch(self, headers: HeaderList, peer: Peer) -> Side | None:
        """Answer 101 with these headers. What the client sends from now on, and what it has sent too early, goes to `peer`,
        not from inside this call. None: the client has left, and the call will be cancelled."""
        ...
