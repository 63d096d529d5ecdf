"""Content-Encoding, for servers that compress although they were asked not to.

`Inflater` turns compressed bytes into plain ones, a piece at a time and never more than the limits allow. `Inflating` is
put between the connection and the receiver for such an answer. It stops between two pieces as soon as the answer is
paused, so that a small compressed read cannot become a large buffer; what is left over stays compressed. It knows
nothing of sockets or framing, and refuses codings that this proxy does not read (br, zstd) and codings of codings.
"""

import zlib
from typing import Protocol

from proxy.core.exchange import FailureKind, HeaderList, Receiver
from proxy.transport.limits import TransportLimits

PIECE = 64 * 1024
PLAIN = frozenset({b"", b"identity"})
#: Coding to zlib window bits; deflate is told from its first two bytes, since servers send it with and without a header.
GZIP = zlib.MAX_WBITS | 16
CODINGS = {b"gzip": GZIP, b"x-gzip": GZIP, b"deflate": None}
#: Headers that describe the bytes on the wire and would lie about the decoded ones.
STALE_HEADERS = frozenset({b"content-encoding", b"content-length"})


class DecodeError(Exception):
    """The compressed body cannot be read, or grows beyond the limits. The text is for people."""


class Inflater:
    """gzip (several members too) or deflate (zlib or raw), incrementally: `feed`, then `read` until it gives nothing."""

    __slots__ = ("_bits", "_engine", "_full", "_given", "_limits", "_tail", "_taken")

    def __init__(self, coding: bytes, limits: TransportLimits) -> None:
        if coding not in CODINGS:
            raise DecodeError(f"content-encoding {coding.decode('latin-1')[:40]!r} was not asked for and is not understood")
        self._bits: int | None = CODINGS[coding]
        self._limits = limits
        self._engine = None if self._bits is None else zlib.decompressobj(self._bits)
        self._tail = b""
        self._full = False
        self._taken = 0
        self._given = 0

    @property
    def backlog(self) -> bool:
        """Whether `read` may still give something without another `feed`."""
        return self._full or (bool(self._tail) and self._engine is not None)

    @property
    def ended(self) -> bool:
        """Whether the compressed data came to its own end (an empty body has nothing to end)."""
        return self._taken == 0 or (self._engine is not None and self._engine.eof and not self._tail)

    def feed(self, data: bytes) -> None:
        self._taken += len(data)
        self._tail = self._tail + data if self._tail else data

    def read(self) -> bytes:
        """At most `PIECE` plain bytes; empty when more input is needed. Raises DecodeError."""
        engine = self._engine or self._begin()
        if engine is None:
            return b""
        if engine.eof and self._tail:
            engine = self._next_member()
        try:
            plain: bytes = engine.decompress(self._tail, PIECE)
        except zlib.error as error:
            raise DecodeError(f"compressed body is damaged: {error}") from error
        self._tail = engine.unused_data if engine.eof else engine.unconsumed_tail
        self._full = len(plain) == PIECE
        self._given += len(plain)
        self._judge()
        return plain

    def _begin(self) -> "zlib._Decompress | None":
        if len(self._tail) < 2:
            return None
        first, second = self._tail[0], self._tail[1]
        headed = first & 0x0F == 8 and (first << 8 | second) % 31 == 0
        self._engine = zlib.decompressobj(zlib.MAX_WBITS if headed else -zlib.MAX_WBITS)
        return self._engine

    def _next_member(self) -> "zlib._Decompress":
        if self._bits != GZIP:
            raise DecodeError("data after the end of the compressed body")
        self._engine = engine = zlib.decompressobj(GZIP)
        return engine

    def _judge(self) -> None:
        if self._given > self._limits.decoded:
            raise DecodeError(f"decompressed body is larger than {self._limits.decoded} bytes")
        eaten = self._taken - len(self._tail)
        if self._given > self._limits.ratio_from and self._given > eaten * self._limits.ratio:
            raise DecodeError(f"body grows more than {self._limits.ratio} times when decompressed")


class Owner(Protocol):
    """The connection, as an `Inflating` sees it."""

    @property
    def paused(self) -> bool: ...

    def fail(self, kind: FailureKind, detail: str) -> None: ...


class Inflating:
    """Takes the body in place of the receiver and hands it plain bytes. The end still reaches the receiver from the
    connection, once `finish` has said that nothing is left."""

    __slots__ = ("_inflater", "_owner", "_receiver", "_stopped")

    def __init__(self, coding: bytes, receiver: Receiver, owner: Owner, limits: TransportLimits) -> None:
        self._inflater = Inflater(coding, limits)
        self._receiver = receiver
        self._owner = owner
        self._stopped = False

    @property
    def backlog(self) -> bool:
        return not self._stopped and self._inflater.backlog

    def on_body(self, data: bytes) -> None:
        self._inflater.feed(data)
        self.advance()

    def advance(self) -> None:
        """Hand on what there is, until the answer is paused, aborted or spent."""
        while not (self._stopped or self._owner.paused):
            try:
                plain = self._inflater.read()
            except DecodeError as error:
                self._owner.fail(FailureKind.GARBAGE, str(error))
                return
            if plain:
                self._receiver.on_body(plain)
            if not self._inflater.backlog:
                return

    def finish(self) -> bool:
        """The body's last byte has come: True when it may be completed, False when it has failed or is not drained."""
        if self.backlog:
            return False
        if not self._inflater.ended:
            self._owner.fail(FailureKind.BROKEN, "compressed body ends early")
            return False
        return True

    def stop(self) -> None:
        self._stopped = True


def strip_stale(headers: HeaderList) -> HeaderList:
    return [header for header in headers if header[0] not in STALE_HEADERS]
