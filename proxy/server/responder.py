"""The reply to one request: the listener's `Downstream`.

The head waits for the first body bytes and leaves with them in one write. A chunked piece is one write. Once the reply
has ended, or the client has left, every method does nothing. The message is framed so that an answer that was
not finished cannot be taken for a whole one: without its last chunk, short of its length, or (HTTP/1.0, where only the
connection's end marks the end) reset.
"""

import asyncio
import traceback
from typing import Protocol

import structlog

from proxy.core.exchange import HeaderList, Source
from proxy.core.tunnel import Peer, Side
from proxy.server.errand import Errand
from proxy.server.heads import CLOSE, build_framing, build_head
from proxy.server.outlet import Outlet
from proxy.server.refusals import INTERNAL, SHUTTING_DOWN, Refusal
from proxy.server.roster import Roster

log = structlog.get_logger()

_CHUNKED = -1
_UNTIL_CLOSE = -2
#: Below this a head and its body are copied together, to be one write.
_JOIN = 64 * 1024


class Line(Protocol):
    """The connection, as far as a reply must tell it how it ended."""

    def replied(self) -> None:
        """The reply is complete."""

    def broken(self, reset: bool) -> None:
        """The reply will never be complete: end the connection after what was written, by a reset if asked."""

    def fail(self, refusal: Refusal) -> None:
        """Nothing was written: say this instead."""

    def switch(self, peer: Peer) -> Side:
        """Protocols were switched: hand the connection over."""
        ...


class Responder:
    """`Downstream` over one connection."""

    __slots__ = ("_head", "_left", "_line", "_outlet", "_roster", "_source", "_started")

    def __init__(self, line: Line, outlet: Outlet, roster: Roster) -> None:
        self._line: Line | None = line
        self._outlet = outlet
        self._roster = roster
        self._head = b""
        self._left = 0
        self._source: Source | None = None
        self._started = False

    def __repr__(self) -> str:
        state = "ended" if self._line is None else "under way" if self._started else "not started"
        return f"<Responder {state}>"

    @property
    def started(self) -> bool:
        return self._started

    def start(self, status: int, headers: HeaderList, length: int | None) -> None:
        if self._started:
            raise RuntimeError("a reply can be started only once")
        self._started = True
        outlet = self._outlet
        if self._line is None:
            return
        if self._roster.draining or (length is None and outlet.old):
            outlet.keep = False
        if status in (204, 304):
            self._left, framing = 0, b"" if outlet.keep else CLOSE
        else:
            self._left = length if length is not None else _UNTIL_CLOSE if outlet.old else _CHUNKED
            framing = build_framing(length, keep=outlet.keep, old=outlet.old)
        self._head = build_head(status, headers, framing + self._roster.date.current())

    def write(self, data: bytes) -> None:
        if self._line is None or not data:
            return
        left = self._left
        if left == _CHUNKED:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        elif left >= 0:
            # More than was announced would be read as the start of the next reply.
            data = data[:left]
            self._left = left - len(data)
        if self._head:
            data = self._take_head(data)
        self._outlet.transport.write(data)

    def _take_head(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        if len(data) < _JOIN:
            return head + data
        self._outlet.transport.write(head)
        return data

    def finish(self, data: bytes = b"") -> None:
        line = self._line
        if line is None:
            return
        left = self._left
        if left >= 0:
            data = data[:left]
            if len(data) < left:
                self.abort()
                return
        elif left == _CHUNKED:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        rest = self._take_head(data) if self._head else data
        if rest:
            self._outlet.transport.write(rest)
        self._end()
        line.replied()

    def abort(self) -> None:
        line = self._line
        if line is not None:
            self._end()
            line.broken(reset=self._left == _UNTIL_CLOSE)

    def switch(self, headers: HeaderList, peer: Peer) -> Side | None:
        """Answer 101, as the last thing that is said in HTTP on this connection; None: the client has left."""
        line = self._line
        if line is None or self._started:
            return None
        self._started = True
        self._outlet.transport.write(build_head(101, headers, self._roster.date.current()))
        self._end()
        return line.switch(peer)

    def attach(self, source: Source | None) -> None:
        self._source = source if self._line is not None else None
        if self._source is not None and self._outlet.stalled:
            self._source.pause()

    def pause(self) -> None:
        if self._source is not None:
            self._source.pause()

    def resume(self) -> None:
        if self._source is not None:
            self._source.resume()

    def lose(self) -> None:
        """The client is gone."""
        self._end()

    def _end(self) -> None:
        self._line = None
        self._source = None
        self._head = b""

    def settle(self, call: Errand, error: BaseException | None) -> None:
        """The call that served this request is over; an edge where whatever it raised ends."""
        self._roster.settle(call)
        line = self._line
        if line is None and error is None:
            return
        cancelled = isinstance(error, asyncio.CancelledError)
        if error is not None and not cancelled:
            self._roster.failed += 1
            log.error("handler_failed", error=type(error).__name__, at=_place(error))
        elif line is not None and not cancelled:
            self._roster.failed += 1
            log.error("reply_unfinished", started=self._started)
        if line is None:
            return
        if self._started:
            self.abort()
        else:
            self._end()
            line.fail(SHUTTING_DOWN if cancelled else INTERNAL)


def _place(error: BaseException) -> str:
    """Where it was raised. Its message is not logged: it may quote a prompt or a key."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
