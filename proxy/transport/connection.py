"""One connection to a provider: bytes in, an answer out.

A connection serves one exchange at a time and is in one of five states:

    IDLE      no request; any byte or end of file means it is useless
    HEAD      request written, final answer's head not complete (interim 1xx answers are passed over here)
    BODY      head handed on, body coming
    DONE      last byte of the answer parsed; settled when the parser returns, or when a paused decoder has drained
    CLOSED    over, or as good as over

llhttp decides the framing; this file adds what it leaves open: limits, which transfer codings are ours, bodies that end
with the connection, and whether a connection may serve again. The receiver may abort, detach, pause or resume from
inside any callback, hence from inside the parser: these only swap the sink of body bytes and the state, which every
callback looks at, so that what the parser still finds in the same read goes nowhere. Nothing is settled, and no
connection returned to its pool, before the parser has returned.
"""

import asyncio
from typing import Final, Protocol, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy.core.exchange import FailureKind, HeaderList
from proxy.transport.decoding import PLAIN, DecodeError, Inflating, strip_stale
from proxy.transport.draining import DISCARD, BodySink, Drain
from proxy.transport.exchange import HttpExchange
from proxy.transport.head import NOTABLE, ends_with_connection, objection
from proxy.transport.limits import TransportLimits

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
DONE: Final = 3
CLOSED: Final = 4
STATE_NAMES = ("idle", "head", "body", "done", "closed")

#: Up to here head and body are joined into one write: a copy is cheaper than a second segment.
JOINED_BODY = 64 * 1024
BLANK = b" \t"


class Keeper(Protocol):
    """The pool, as a connection sees it."""

    def release(self, connection: "Connection") -> None:
        """The connection may serve again."""

    def forget(self, connection: "Connection") -> None:
        """The connection is gone; said once or more."""

    def repeat(self, exchange: HttpExchange) -> None:
        """The exchange met a stale connection: send it again on a fresh one."""


class Connection(asyncio.Protocol):
    __slots__ = (
        "_body_seen",
        "_exchange",
        "_framing",
        "_head_left",
        "_headers",
        "_inflating",
        "_keeper",
        "_limits",
        "_loop",
        "_notable",
        "_parser",
        "_pieces",
        "_served",
        "_sink",
        "_state",
        "_surplus",
        "_transport",
        "_until_close",
        "born",
        "idle_since",
        "label",
        "paused",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, keeper: Keeper, label: str, limits: TransportLimits) -> None:
        self._loop = loop
        self._keeper = keeper
        self._limits = limits
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._exchange: HttpExchange | None = None
        self._sink: BodySink = DISCARD
        self._inflating: Inflating | None = None
        self._state = IDLE
        self._served = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._notable: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._head_left = 0
        self._framing = 0
        self._surplus = False
        self._until_close = False
        self.paused = False
        self.born = loop.time()
        self.idle_since = self.born
        self.label = label

    def __repr__(self) -> str:
        paused = ", paused" if self.paused else ""
        return f"<Connection {self.label} {STATE_NAMES[self._state]}, {self._served} served{paused}>"

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    # -- the exchange's side

    def begin(self, exchange: HttpExchange) -> None:
        """Write the request of this exchange; the connection must be idle."""
        transport = self._transport
        assert transport is not None
        assert self._state == IDLE, self
        self._exchange = exchange
        self._sink = exchange.receiver
        self._state = HEAD
        self._headers = []
        self._notable = {}
        self._head_left = self._limits.head
        exchange.link(self)
        request = exchange.request
        if len(request.body) <= JOINED_BODY:
            transport.write(request.head + request.body)
        else:
            transport.write(request.head)
            transport.write(request.body)
        if exchange.paused:
            self.pause()

    def pause(self) -> None:
        if self.paused or self._state == CLOSED:
            return
        self.paused = True
        if self._transport is not None and self.usable:
            self._transport.pause_reading()

    def resume(self) -> None:
        if not self.paused:
            return
        self.paused = False
        if self._inflating is not None and self._inflating.backlog:
            self._loop.call_soon(self._catch_up)
        else:
            self._read_on()

    def abandon(self) -> None:
        """Close at once; nobody hears of it."""
        self._let_go()
        self.close()

    def drain(self) -> None:
        """Nobody wants the rest: keep the connection if the answer ends soon, else close it."""
        self._let_go()
        if self._state == DONE:
            self._settle()
        elif self._until_close or self._transport is None:
            self.close()
        else:
            self._sink = Drain(self._loop, self.close, self._limits)
            self.resume()

    def close(self) -> None:
        self._state = CLOSED
        self._silence()
        self._keeper.forget(self)
        if self._transport is not None:
            self._transport.abort()

    def fail(self, kind: FailureKind, detail: str) -> None:
        """Close, and end the exchange, if there is one, with a failure; what was read before counts."""
        self._hand_over()
        exchange = self._let_go()
        self.close()
        if exchange is not None:
            exchange.fail(kind, f"{self.label}: {detail}")

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == BODY:
            self._framing += len(data)
            self._feed(data)
            self._hand_over()
        elif state == HEAD:
            self._feed_head(data)
            self._hand_over()
        elif state == IDLE:
            self.close()
        elif state == DONE:
            self._surplus = True
        if self._state == DONE:
            self._settle()
        elif self._framing > self._limits.framing and self._state == BODY:
            self.fail(FailureKind.GARBAGE, f"more than {self._limits.framing} bytes of framing without body")

    def eof_received(self) -> None:
        if self._state == BODY and self._until_close:
            self._state = DONE
            self._settle()
        elif self._state == DONE:
            self._surplus = True
        else:
            self._cut("closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._state == DONE:
            self._keeper.forget(self)
        else:
            self._cut("closed the connection" if exc is None else (str(exc) or type(exc).__name__))

    # -- the parser's side

    def on_message_begin(self) -> None:
        self._surplus = self._surplus or self._state == DONE

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._state != HEAD:
            return
        name = name.lower()
        value = value.strip(BLANK)
        self._headers.append((name, value))
        if name in NOTABLE:
            known = self._notable.get(name)
            self._notable[name] = value if known is None else known + b", " + value

    def on_headers_complete(self) -> None:
        if self._state != HEAD:
            return
        status = self._parser.get_status_code()
        wrong = objection(status, self._parser.get_http_version(), len(self._headers), self._notable, self._limits)
        if wrong:
            self.fail(FailureKind.GARBAGE, wrong)
        elif status < 200:
            self._headers = []
            self._notable = {}
        else:
            self._open_body(status)

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self._state == BODY:
            self._state = DONE
            self._surplus = not self._parser.should_keep_alive()

    # -- inside

    def _hand_over(self) -> None:
        """Give the body of this read on in one piece: a read often holds many chunks, and each piece costs the receiver
        an event loop's write to its client."""
        pieces = self._pieces
        if pieces:
            self._framing = 0
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            try:
                self._sink.on_body(data)
            except BaseException:
                self._state = BODY  # for a receiver that failed on it the answer is not complete
                raise

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            # A receiver failed, not the provider: the loop's exception handler must see its own error.
            raise error.__context__ or error from None
        except HttpParserUpgrade:
            self.fail(FailureKind.GARBAGE, "switched protocols without being asked")
        except HttpParserError as error:
            # Garbage behind a complete answer does not spoil the answer, only the connection.
            if self._state == DONE:
                self._surplus = True
            elif self._state != CLOSED:
                self.fail(FailureKind.GARBAGE, f"not HTTP/1.1: {error}")

    def _feed_head(self, data: bytes) -> None:
        first = self._head_left == self._limits.head
        if first and data[:1] != b"H":
            self.fail(FailureKind.GARBAGE, "not HTTP/1.1: the answer does not begin with HTTP/")
            return
        allowed = self._head_left
        self._head_left -= len(data)
        self._framing = 0
        if self._head_left >= 0:
            self._feed(data)
            return
        # Never more than the limit into the parser while the head is open: it would keep all of it.
        self._feed(data[:allowed])
        if self._state == HEAD:
            self.fail(FailureKind.GARBAGE, f"head is larger than {self._limits.head} bytes")
        elif self._state == BODY:
            self._feed(data[allowed:])
        elif self._state == DONE:
            self._surplus = True

    def _open_body(self, status: int) -> None:
        notable = self._notable
        self._until_close = ends_with_connection(status, notable)
        self._state = BODY
        exchange = self._exchange
        if exchange is None:
            if self._until_close:
                self.close()
            return
        headers: HeaderList = self._headers
        coding = notable.get(b"content-encoding", b"").lower()
        if coding not in PLAIN:
            try:
                self._inflating = Inflating(coding, exchange.receiver, self, self._limits)
            except DecodeError as error:
                self.fail(FailureKind.GARBAGE, str(error))
                return
            self._sink = self._inflating
            headers = strip_stale(headers)
        exchange.receiver.on_head(status, headers)

    def _settle(self) -> None:
        """The answer is complete: give the connection back or up, then say so."""
        if self._inflating is not None and not self._inflating.finish():
            return
        exchange = self._let_go()
        self._served += 1
        transport = self._transport
        if self._surplus or self._until_close or transport is None or transport.get_write_buffer_size():
            self.close()
        else:
            self._state = IDLE
            self.resume()
            self._keeper.release(self)
        if exchange is not None:
            exchange.receiver.on_complete()

    def _cut(self, reason: str) -> None:
        """The provider ended the connection and no answer is complete."""
        exchange = self._let_go()
        state, untouched = self._state, self._head_left == self._limits.head
        self.close()
        if exchange is None:
            return
        if state == HEAD and untouched:
            if self._served and not exchange.repeated:
                self._keeper.repeat(exchange)
            else:
                exchange.fail(FailureKind.CLOSED, f"{self.label}: {reason} before answering")
        else:
            where = "in the head" if state == HEAD else "in the body"
            exchange.fail(FailureKind.BROKEN, f"{self.label}: {reason} {where} of the answer")

    def _let_go(self) -> HttpExchange | None:
        """Part from the exchange: from here on its receiver hears nothing of this connection by itself."""
        exchange, self._exchange = self._exchange, None
        self._silence()
        if self._inflating is not None:
            self._inflating.stop()
            self._inflating = None
        if exchange is not None:
            exchange.unlink()
        return exchange

    def _silence(self) -> None:
        if isinstance(self._sink, Drain):
            self._sink.stop()
        self._sink = DISCARD

    def _catch_up(self) -> None:
        """After a pause: first what a decoder still holds, then the socket."""
        inflating = self._inflating
        if inflating is None or self.paused:
            return
        inflating.advance()
        if self._inflating is not inflating:
            return
        if self._state == DONE:
            self._settle()
        elif not self.paused:
            self._read_on()

    def _read_on(self) -> None:
        if self._state != CLOSED and self._transport is not None and self.usable:
            self._transport.resume_reading()
