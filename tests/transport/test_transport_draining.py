from transport_fakes import StillLoop

from proxy.transport.draining import DISCARD, Drain
from proxy.transport.limits import TransportLimits


def test_drain_gives_up_beyond_its_bytes_and_by_its_timer() -> None:
    loop, given_up = StillLoop(), []
    drain = Drain(loop, lambda: given_up.append(True), TransportLimits(drain=0.5, drain_bytes=10))  # type: ignore[arg-type]
    drain.on_body(b"x" * 10)
    assert given_up == []
    drain.on_body(b"x")
    assert given_up == [True]
    [timer] = loop.pending_timers
    assert timer.delay == 0.5
    timer.callback()
    assert given_up == [True, True]
    drain.stop()
    assert loop.pending_timers == []


def test_discard_takes_anything() -> None:
    assert DISCARD.on_body(b"x") is None  # type: ignore[func-returns-value]
