"""A connection to a provider that switches protocols: dial, ask, wait for 101, then bytes both ways.

It goes through these states: DIALING, ASKING (the request is written, the answer's head not complete),
OPEN, CLOSED; from ASKING also REFUSED, while the body of an answer that is no 101 comes in. llhttp decides what the head
says and where it ends, as for every other answer. A tunnel belongs to no pool and is never used again.

Refuses to know what flows through it.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy.core.exchange import FailureKind, TransportError, UpstreamRequest
from proxy.core.tunnel import Caller
from proxy.transport.dialing import DIAL_ERRORS, Dialer, explain
from proxy.transport.limits import TransportLimits

DIALING: Final = 0
ASKING: Final = 1
REFUSED: Final = 2
OPEN: Final = 3
CLOSED: Final = 4
STATE_NAMES = ("dialing", "asking", "refused", "open", "closed")

SWITCHING = 101
#: Bytes of a refusal that are read.
MAX_BODY = 64 * 1024
HIGH_WATER = 64 * 1024


class Tunnel(asyncio.Protocol):
    """Implements `core.tunnel.Side`. `gone` is called once when it is over."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, request: UpstreamRequest, caller: Caller, limits: TransportLimits
    ) -> None:
        self._loop = loop
        self._request = request
        self._caller = caller
        self._limits = limits
        self._state = DIALING
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._head_left = limits.head
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self.gone: Callable[[Tunnel], None] = lambda _: None
        self._timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Tunnel {self._label} {STATE_NAMES[self._state]}>"

    @property
    def _label(self) -> str:
        return f"{self._request.origin.host}:{self._request.origin.port}"

    # -- Side

    def write(self, data: bytes) -> None:
        if self._state == OPEN and self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        if self._state == OPEN and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._state == OPEN and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def end(self) -> None:
        transport = self._transport
        self._leave()
        if transport is not None:
            transport.close()

    def abort(self) -> None:
        self._leave()
        self.close()

    # -- dialing

    def dial(self, dialer: Dialer) -> None:
        """Begin. Whoever cannot let it begin calls `fail_soon` instead."""
        self._timer = self._loop.call_later(self._request.connect_timeout, self._expire)
        self.task = self._loop.create_task(self._dial(dialer))

    async def _dial(self, dialer: Dialer) -> None:
        try:
            await dialer.open(self._request.origin, self)
        except DIAL_ERRORS as error:
            self.fail(FailureKind.CONNECT, explain(error))
        else:
            self._stop_timer()

    def _expire(self) -> None:
        self.fail(FailureKind.CONNECT_TIMEOUT, f"no connection within {self._request.connect_timeout:g} s")

    def close(self) -> None:
        """Let go of the socket at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._state != DIALING:
            self._transport.abort()
            return
        self._state = ASKING
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self._transport.write(self._request.head)

    def data_received(self, data: bytes) -> None:
        if self._state == OPEN:
            self._caller.on_bytes(data)
        elif self._state in (ASKING, REFUSED):
            self._feed(data)

    def eof_received(self) -> None:
        if self._state == REFUSED:
            self._refuse()

    def connection_lost(self, exc: Exception | None) -> None:
        state = self._state
        self._transport = None
        if state == OPEN:
            self._leave()
            self._caller.on_end()
        elif state == REFUSED:
            self._refuse()
        else:
            self.fail(FailureKind.CLOSED, "closed the connection before answering")

    def pause_writing(self) -> None:
        if self._state == OPEN:
            self._caller.on_full()

    def resume_writing(self) -> None:
        if self._state == OPEN:
            self._caller.on_drained()

    # -- the parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 and status != SWITCHING:
            self._headers = []
        elif status != SWITCHING:
            self._state = REFUSED

    def on_body(self, data: bytes) -> None:
        self._body += data[: MAX_BODY - len(self._body)]

    # -- inside

    def _feed(self, data: bytes) -> None:
        if self._state == REFUSED:
            self._parse(data, b"")
            return
        # Never more than the limit into the parser while the head is open: it would keep all of it.
        allowed, self._head_left = self._head_left, self._head_left - len(data)
        self._parse(data[:allowed], data[allowed:])
        if self._state == ASKING and self._head_left < 0:
            self.fail(FailureKind.GARBAGE, f"head is larger than {self._limits.head} bytes")

    def _parse(self, data: bytes, beyond: bytes) -> None:
        try:
            self._parser.feed_data(data)
            if beyond and self._state == REFUSED:
                self._parser.feed_data(beyond)
        except HttpParserUpgrade as upgrade:
            self._open(data[upgrade.args[0] :] + beyond)
        except HttpParserError as error:
            self.fail(FailureKind.GARBAGE, f"not HTTP/1.1: {error}")
        else:
            if self._state == REFUSED and len(self._body) >= MAX_BODY:
                self._refuse()

    def on_message_complete(self) -> None:
        if self._state == REFUSED:
            self._loop.call_soon(self._refuse)

    def _open(self, rest: bytes) -> None:
        if self._state != ASKING:
            self.fail(FailureKind.GARBAGE, "switched protocols in an odd place")
            return
        self._state = OPEN
        self._caller.on_open(self._headers)
        if rest and self._is_open():
            self._caller.on_bytes(rest)

    def _is_open(self) -> bool:
        return self._state == OPEN

    def _refuse(self) -> None:
        if self._state == REFUSED:
            self._leave()
            self.close()
            self._caller.on_refused(self._parser.get_status_code(), self._headers, bytes(self._body))

    def fail(self, kind: FailureKind, detail: str) -> None:
        """End it, now: with a failure where it was not open yet."""
        state = self._state
        if state == CLOSED:
            return
        self._leave()
        self.close()
        if state == OPEN:
            self._caller.on_end()
        else:
            self._caller.on_failed(TransportError(kind, f"{self._label}: {detail}"))

    def fail_soon(self, kind: FailureKind, detail: str) -> None:
        """For whoever is still inside of `open_tunnel`."""
        self._loop.call_soon(self.fail, kind, detail)

    def _leave(self) -> None:
        """Nobody hears of it any more."""
        if self._state == CLOSED:
            return
        if self._state == DIALING and self.task is not None:
            self.task.cancel()
        self._state = CLOSED
        self._stop_timer()
        self.gone(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
