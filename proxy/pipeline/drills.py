"""Fire drills: a provider seems to fail, for a while and for a part of its requests, and everything else is real.

While a drill runs, `Drills` stands in the place of the transport, hands on what it does not hit, and spoils the rest before
the pipeline sees it: breakers, failover, ledger and alarms do what they would do in an outage. Without a drill it stands
nowhere, and costs nothing. A drill ends by its timer, by order, with a reload and with the process, whichever is first; a
provider has at most one. Statuses carry a `Retry-After` that ends with the drill (at most a minute), so that what they put
on hold does not outlast it for long; breakers close again as they always do.

Not spoiled: sessions (WebSocket tunnels) and token endpoints.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.core.drill import DrillOrder, FaultKind
from proxy.core.exchange import Exchange, FailureKind, HeaderList, Receiver, Transport, TransportError, UpstreamRequest
from proxy.core.records import StateChange
from proxy.pipeline.services import Services

#: Seconds for which a refused credential is put on hold by a drill, at most.
HOLD = 60.0
_JSON = (b"content-type", b"application/json")
_ANSWERS = {
    FaultKind.AUTH: (401, b'{"error":{"message":"drill: the key is refused","type":"authentication_error","code":"drill"}}'),
    FaultKind.RATE: (429, b'{"error":{"message":"drill: too many requests","type":"rate_limit_error","code":"drill"}}'),
}


class DrillRefused(ValueError):
    """This drill cannot be started; the message says why."""


@dataclass(slots=True)
class Drill:
    """One drill under way. `began` and `ends` in loop time, `since` in Unix time; `hit`: requests so far."""

    order: DrillOrder
    began: float
    ends: float
    since: float
    timer: asyncio.TimerHandle = field(repr=False)
    hit: int = 0


class Drills:
    """Starts, ends and shows drills. Implements `Transport`. `faults`: requests hit so far, by provider and fault."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._loop = services.loop
        self._real: Transport = services.transport
        self._active: dict[str, Drill] = {}
        self.faults: dict[tuple[str, str], int] = {}

    @property
    def active(self) -> Mapping[str, Drill]:
        return self._active

    def start(self, order: DrillOrder) -> Drill:
        """Begin at once. Raises DrillRefused where the provider has a drill already."""
        running = self._active.get(order.provider)
        if running is not None:
            raise DrillRefused(f"{order.provider} has a drill already ({running.order.fault}); stop it first")
        now = self._loop.time()
        timer = self._loop.call_later(order.seconds, self.stop, order.provider, "its time is over")
        drill = Drill(order, now, now + order.seconds, self._services.wall(), timer)
        if not self._active:
            self._real, self._services.transport = self._services.transport, self
        self._active[order.provider] = drill
        whom = order.by or "somebody on this machine"
        cause = f"drill {order.fault} on {order.share:.0%} of its requests, started by {whom}"
        self._tell(order.provider, "off", order.fault.kind.value, cause, drill.ends)
        return drill

    def stop(self, provider: str, cause: str) -> Drill | None:
        """End the drill of a provider; None: there is none."""
        drill = self._active.pop(provider, None)
        if drill is None:
            return None
        drill.timer.cancel()
        if not self._active:
            self._services.transport = self._real
        self._tell(provider, drill.order.fault.kind.value, "off", f"drill ended after {drill.hit} requests: {cause}", None)
        return drill

    def stop_all(self, cause: str) -> list[Drill]:
        """End every drill."""
        return [drill for provider in list(self._active) if (drill := self.stop(provider, cause)) is not None]

    def _tell(self, provider: str, before: str, after: str, cause: str, until: float | None) -> None:
        change = StateChange(self._loop.time(), f"drill:{provider}", None, before, after, cause, until)
        self._services.sink.state_changed(change)

    # Transport.

    def send(self, request: UpstreamRequest, receiver: Receiver) -> Exchange:
        drill = self._active.get(request.pool)
        if drill is None or self._services.rng.random() >= drill.order.share:
            return self._real.send(request, receiver)
        fault = drill.order.fault
        request.drill = str(fault)
        drill.hit += 1
        key = (request.pool, fault.kind.value)
        self.faults[key] = self.faults.get(key, 0) + 1
        if fault.kind is FaultKind.SLOW:
            return _Late(self._real, request, receiver, self._loop, fault.amount)
        if fault.kind is FaultKind.CUT:
            return _Cut(self._real, request, receiver, int(fault.amount))
        if fault.kind is FaultKind.DOWN:
            refused = TransportError(FailureKind.CONNECT, "drill: connection refused")
            return _Told(self._loop, receiver, lambda told: told.on_failed(refused))
        rest = min(HOLD, max(1.0, drill.ends - self._loop.time()))
        return _Told(self._loop, receiver, _answer(fault.kind, rest))


def _answer(kind: FaultKind, rest: float) -> Callable[[Receiver], None]:
    status, body = _ANSWERS[kind]
    headers = [_JSON, (b"content-length", b"%d" % len(body)), (b"retry-after", b"%d" % rest)]

    def tell(receiver: Receiver) -> None:
        receiver.on_head(status, headers)
        receiver.on_body(body)
        receiver.on_complete()

    return tell


class _Told:
    """An exchange that never was: its end is told on the loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receiver: Receiver, tell: Callable[[Receiver], None]) -> None:
        self._handle = loop.call_soon(tell, receiver)

    def abort(self) -> None:
        self._handle.cancel()

    detach = abort

    def pause(self) -> None:
        """There is nothing to hold back."""

    def resume(self) -> None:
        """There was nothing held back."""


class _Through:
    """A real exchange whose answer passes through here on its way to the receiver."""

    def __init__(self, real: Transport, request: UpstreamRequest, receiver: Receiver) -> None:
        self._receiver = receiver
        self._exchange = real.send(request, self)

    def on_head(self, status: int, headers: HeaderList) -> None:
        self._receiver.on_head(status, headers)

    def on_body(self, data: bytes) -> None:
        self._receiver.on_body(data)

    def on_complete(self) -> None:
        self._receiver.on_complete()

    def on_failed(self, error: TransportError) -> None:
        self._receiver.on_failed(error)

    def pause(self) -> None:
        self._exchange.pause()

    def resume(self) -> None:
        self._exchange.resume()

    def abort(self) -> None:
        self._exchange.abort()

    def detach(self) -> None:
        self._exchange.detach()


class _Late(_Through):
    """What comes is held back until the delay is over; the provider is paused meanwhile."""

    def __init__(
        self,
        real: Transport,
        request: UpstreamRequest,
        receiver: Receiver,
        loop: asyncio.AbstractEventLoop,
        delay: float,
    ) -> None:
        self._held: list[Callable[[], None]] | None = []
        self._paused = self._gone = False
        self._timer = loop.call_later(delay, self._release)
        super().__init__(real, request, receiver)

    def _later(self, step: Callable[[], None]) -> None:
        if self._held is None:
            step()
            return
        self._held.append(step)

    def _release(self) -> None:
        """Hand over what was held. The receiver may abort in the middle of it."""
        held, self._held = self._held or [], None
        for step in held:
            if self._gone:
                return
            step()
        if not self._paused:
            self._exchange.resume()

    def on_head(self, status: int, headers: HeaderList) -> None:
        self._later(lambda: self._receiver.on_head(status, headers))

    def on_body(self, data: bytes) -> None:
        self._later(lambda: self._receiver.on_body(data))
        if self._held is not None:
            self._exchange.pause()

    def on_complete(self) -> None:
        self._later(self._receiver.on_complete)

    def on_failed(self, error: TransportError) -> None:
        self._later(lambda: self._receiver.on_failed(error))

    def pause(self) -> None:
        self._paused = True
        self._exchange.pause()

    def resume(self) -> None:
        self._paused = False
        if self._held is None:
            self._exchange.resume()

    def abort(self) -> None:
        self._leave()
        super().abort()

    def detach(self) -> None:
        self._leave()
        super().detach()

    def _leave(self) -> None:
        self._gone = True
        self._timer.cancel()


class _Cut(_Through):
    """The connection breaks after so many events of a stream, or at the first bytes of a whole answer."""

    def __init__(self, real: Transport, request: UpstreamRequest, receiver: Receiver, events: int) -> None:
        self._left = events
        self._streams = False
        super().__init__(real, request, receiver)

    def on_head(self, status: int, headers: HeaderList) -> None:
        self._streams = any(name == b"content-type" and b"stream" in value for name, value in headers)
        super().on_head(status, headers)

    def on_body(self, data: bytes) -> None:
        self._left -= (data.count(b"\n\n") or 1) if self._streams else self._left
        super().on_body(data)
        if self._left <= 0:
            self._exchange.abort()
            self._receiver.on_failed(TransportError(FailureKind.BROKEN, "drill: connection cut"))
