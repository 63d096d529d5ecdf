"""The seams through which bytes pass: towards a provider and towards a client.

`pipeline` speaks only to these Protocols. `transport` implements them with sockets, `rehearse` with a simulated network
in virtual time, `server` is the client's side. Everything here is callback-shaped and synchronous on purpose: a
chunk of a stream goes from the provider's socket to the client's transport without a task, a queue or a future.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from proxy.core.endpoints import Endpoint
from proxy.core.priorities import NORMAL
from proxy.core.settings import Origin

if TYPE_CHECKING:
    from proxy.core.tunnel import Switch

#: Lower-case name and value, in the order they came; duplicates kept.
HeaderList = Sequence[tuple[bytes, bytes]]


class FailureKind(enum.StrEnum):
    """How the transport failed; what follows from it is decided in `policy/outcomes.py`."""

    CONNECT = "connect"  # DNS, refused, unreachable, TLS: the request was never sent
    CONNECT_TIMEOUT = "connect_timeout"
    CLOSED = "closed"  # the connection ended before any byte of the answer
    BROKEN = "broken"  # the connection ended, or was reset, inside the answer
    GARBAGE = "garbage"  # not HTTP/1.1, or over our limits on lines, headers or decompressed size
    POOL_FULL = "pool_full"  # the provider's connection limit is reached


class TransportError(Exception):
    """Handed to `Receiver.on_failed`, never raised through the pipeline. `detail` is for people."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class UpstreamRequest(Struct, gc=False):
    """One HTTP/1.1 request, ready to be written. `head` ends with the blank line and already carries the body's
    length. `pool` names the bulkhead (the provider); `connect_timeout` in seconds covers DNS, TCP and TLS. `dropped`: what
    of the client's request it could not carry as it was, as `x-undimmed-dropped` names it.

    `sign`: for authentication that depends on the time of sending. Given Unix time it returns further header lines, each
    with its line end, which go before the blank line. `drill`: the fault that a fire drill gave it on its way out."""

    pool: str
    origin: Origin
    head: bytes
    body: bytes = b""
    connect_timeout: float = 3.0
    dropped: tuple[str, ...] = ()
    sign: Callable[[float], bytes] | None = None
    drill: str = ""


class Receiver(Protocol):
    """Whoever takes in an answer. Calls come in this order: `on_head` once, `on_body` any number of times, then
    exactly one of `on_complete` and `on_failed`; or `on_failed` alone. None of them after `abort` or `detach`.
    Interim 1xx answers are not shown. Never called from inside `Transport.send`: even an immediate failure is
    scheduled, so that the caller holds the `Exchange` before it hears of it."""

    def on_head(self, status: int, headers: HeaderList) -> None: ...

    def on_body(self, data: bytes) -> None: ...

    def on_complete(self) -> None: ...

    def on_failed(self, error: TransportError) -> None: ...


class Source(Protocol):
    """Something that can be told to stop sending for a while: back-pressure."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Exchange(Source, Protocol):
    """A request under way. `abort` closes the connection at once (this is how a provider is cancelled in HTTP/1.1);
    `detach` lets the rest of the answer go: the connection is kept if the answer ends soon, else closed. Both may be
    called at any time and any number of times; after either the receiver hears nothing more."""

    def abort(self) -> None: ...

    def detach(self) -> None: ...


class Transport(Protocol):
    """Sends requests. `send` returns at once; connecting and waiting happen behind it."""

    def send(self, request: UpstreamRequest, receiver: Receiver) -> Exchange: ...


class Downstream(Protocol):
    """The client's side of one request. `start` once, then `write` any number of times, then `finish`, which ends the
    message in order, or `abort`, which breaks it so that the client can tell. After the client has left all of
    them do nothing: its leaving arrives as cancellation of the task that serves the request."""

    @property
    def started(self) -> bool: ...

    def start(self, status: int, headers: HeaderList, length: int | None) -> None:
        """Begin the reply; `length` None: unknown, chunked. `headers` holds no framing and no connection headers."""

    def write(self, data: bytes) -> None: ...

    def finish(self, data: bytes = b"") -> None:
        """`data` as the last bytes of the body, written together with the message's end."""

    def abort(self) -> None: ...

    def attach(self, source: Source | None) -> None:
        """From now on pause and resume this source as the client's transport fills and drains; None: nobody."""


class ClientRequest(Struct, gc=False):
    """A request that passed the listener: read whole, authenticated, its path known. `headers` has lower-case names.
    `key` is the name of the client's key, None where no keys are configured; `routes` what that key may use (None: all),
    `tags` what its calls are counted under, `priority` how urgent they are at most.
    `arrived` is loop time. `path` and `query` are as they came; only what is relayed to an account needs them. `upgrade`:
    the client asks to switch protocols, and this is how it is answered."""

    endpoint: Endpoint
    headers: Mapping[str, str]
    body: bytes
    key: str | None
    routes: frozenset[str] | None
    arrived: float
    method: str = "POST"
    path: str = ""
    query: str = ""
    upgrade: "Switch | None" = None
    tags: tuple[str, ...] = ()
    priority: str = NORMAL
