"""Stand-ins around a connection: a receiver that writes down what it hears, a loop that runs nothing by itself, a socket
transport without a socket, a pool that only notes."""

import asyncio
from collections.abc import Callable

from proxy.core.exchange import HeaderList, TransportError, UpstreamRequest
from proxy.core.settings import Origin
from proxy.transport.connection import Connection
from proxy.transport.exchange import HttpExchange
from proxy.transport.limits import TransportLimits

ORIGIN = Origin("http", "provider.test", 80)
GET = b"POST /v1/x HTTP/1.1\r\nhost: provider.test\r\ncontent-length: 2\r\n\r\n"


def request(
    port: int = 80, *, pool: str = "p", body: bytes = b"{}", connect_timeout: float = 3.0, **origin: str
) -> UpstreamRequest:
    place = Origin(origin.get("scheme", "http"), origin.get("host", "127.0.0.1"), port)
    head = b"POST /v1/x HTTP/1.1\r\nhost: provider.test\r\ncontent-length: %d\r\n\r\n" % len(body)
    return UpstreamRequest(pool, place, head, body, connect_timeout)


class Recorder:
    """A receiver. `events` keeps the order: head, body (runs of body joined), complete, failed. `on_event`, if set, is
    called with each event's name after it was noted, from inside the callback."""

    def __init__(self, on_event: Callable[[str], None] | None = None) -> None:
        self.events: list[str] = []
        self.status = 0
        self.headers: HeaderList = []
        self.body = b""
        self.pieces: list[bytes] = []
        self.error: TransportError | None = None
        self.on_event = on_event
        self._changed: asyncio.Event | None = None

    def on_head(self, status: int, headers: HeaderList) -> None:
        self.status, self.headers = status, headers
        self._note("head")

    def on_body(self, data: bytes) -> None:
        assert data
        self.body += data
        self.pieces.append(data)
        self._note("body")

    def on_complete(self) -> None:
        self._note("complete")

    def on_failed(self, error: TransportError) -> None:
        self.error = error
        self._note("failed")

    @property
    def kind(self) -> str | None:
        return None if self.error is None else str(self.error.kind)

    @property
    def over(self) -> bool:
        return bool(self.events) and self.events[-1] in ("complete", "failed")

    @property
    def story(self) -> tuple[object, ...]:
        """Everything that must not depend on how the bytes were split."""
        return self.events, self.status, list(self.headers), self.body, self.kind

    async def until(self, condition: Callable[["Recorder"], bool]) -> "Recorder":
        """Until the condition holds after some event."""
        while not condition(self):
            self._changed = asyncio.Event()
            await self._changed.wait()
        return self

    async def done(self) -> "Recorder":
        return await self.until(lambda recorder: recorder.over)

    def _note(self, event: str) -> None:
        assert not self.over, f"{event} after the end: {self.events}"
        if event != "body" or self.events[-1:] != ["body"]:
            self.events.append(event)
        if self._changed is not None:
            self._changed.set()
        if self.on_event is not None:
            self.on_event(event)


class Later:
    """Handle of a scheduled callback."""

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...], delay: float) -> None:
        self.callback, self.args, self.delay, self.cancelled = callback, args, delay, False

    def cancel(self) -> None:
        self.cancelled = True


class StillLoop:
    """As much of a loop as a connection uses; the test says when something runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.soon: list[Later] = []
        self.timers: list[Later] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., object], *args: object) -> Later:
        self.soon.append(Later(callback, args, 0.0))
        return self.soon[-1]

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> Later:
        self.timers.append(Later(callback, args, delay))
        return self.timers[-1]

    def turn(self) -> None:
        waiting, self.soon = self.soon, []
        for later in waiting:
            if not later.cancelled:
                later.callback(*later.args)

    @property
    def pending_timers(self) -> list[Later]:
        return [timer for timer in self.timers if not timer.cancelled]


class FakeSocket:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False
        self.reading = True
        self.unsent = 0

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unsent


class NotingKeeper:
    def __init__(self) -> None:
        self.released: list[Connection] = []
        self.forgotten: set[Connection] = set()
        self.repeated: list[HttpExchange] = []

    def release(self, connection: Connection) -> None:
        self.released.append(connection)

    def forget(self, connection: Connection) -> None:
        self.forgotten.add(connection)

    def repeat(self, exchange: HttpExchange) -> None:
        self.repeated.append(exchange)


class Bench:
    """One connection on a fake socket with a request written and its answer awaited."""

    def __init__(self, limits: TransportLimits | None = None, recorder: Recorder | None = None) -> None:
        self.loop = StillLoop()
        self.keeper = NotingKeeper()
        self.socket = FakeSocket()
        self.recorder = recorder or Recorder()
        loop: asyncio.AbstractEventLoop = self.loop  # type: ignore[assignment]
        self.connection = Connection(loop, self.keeper, "provider.test:80", limits or TransportLimits())
        self.connection.connection_made(self.socket)  # type: ignore[arg-type]
        self.exchange = HttpExchange(request(), self.recorder)
        self.connection.begin(self.exchange)

    def again(self, recorder: Recorder | None = None) -> Recorder:
        """The next request on the same connection."""
        self.recorder = recorder or Recorder()
        self.exchange = HttpExchange(request(), self.recorder)
        self.connection.begin(self.exchange)
        return self.recorder

    def feed(self, *pieces: bytes) -> "Bench":
        for piece in pieces:
            if piece and not self.socket.aborted:
                self.connection.data_received(piece)
        return self

    def end(self, error: Exception | None = None) -> "Bench":
        """End of file, or with an error a reset; then the transport's own end."""
        if error is None and not self.socket.aborted:
            self.connection.eof_received()
        self.connection.connection_lost(error)
        return self

    @property
    def reusable(self) -> bool:
        return self.keeper.released == [self.connection] and not self.socket.aborted
