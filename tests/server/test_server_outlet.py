"""Whether a client takes what it is sent; and what the connections share."""

import asyncio

import pytest

from proxy.core.settings import ServerSettings
from proxy.server.outlet import READ_RATE, Outlet
from proxy.server.refusals import SHUTTING_DOWN, UNAUTHENTICATED
from proxy.server.roster import Roster


class FakeTransport:
    def __init__(self) -> None:
        self.waiting = 0
        self.sent = b""

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        assert (high, low) == (65536, 16384)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.sent += data


@pytest.fixture(name="loop")
def _loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(name="outlet")
def _outlet(loop: asyncio.AbstractEventLoop) -> Outlet:
    return Outlet(FakeTransport(), Roster(None, ServerSettings(write_timeout=10.0), loop))


@pytest.mark.parametrize(("taken", "drains"), [(0, False), (10 * READ_RATE - 1, False), (10 * READ_RATE, True), (-5, False)])
def test_a_client_must_take_something(outlet: Outlet, taken: int, drains: bool) -> None:
    outlet.transport.waiting = 100_000
    outlet.mark()
    outlet.transport.waiting -= taken
    assert outlet.drains() is drains


def test_everything_taken_is_flushed(outlet: Outlet) -> None:
    assert outlet.flushed
    outlet.transport.waiting = 1
    assert not outlet.flushed


def test_the_limit_runs_from_the_mark(outlet: Outlet, loop: asyncio.AbstractEventLoop) -> None:
    before = loop.time()
    outlet.mark()
    assert before + 10.0 <= outlet.stall_due <= loop.time() + 10.0


def test_refusals_are_counted_and_close_where_they_must(outlet: Outlet) -> None:
    outlet.write_refusal(UNAUTHENTICATED)
    assert outlet.keep
    outlet.bodyless = True
    outlet.write_refusal(SHUTTING_DOWN)
    assert not outlet.keep
    assert outlet.transport.sent.endswith(b"\r\n\r\n")
    assert outlet._roster.refused == {"unauthenticated": 1, "shutting_down": 1}
    outlet.reset_on_close()


def test_the_last_to_leave_is_noticed(loop: asyncio.AbstractEventLoop) -> None:
    roster = Roster(None, ServerSettings(), loop)
    first, second = object(), object()
    roster.connections.update((first, second))
    roster.emptied = loop.create_future()
    roster.leave(first)
    assert not roster.emptied.done()
    roster.leave(second)
    roster.leave(second)
    assert roster.emptied.done()
    roster.count_cut("slow_reader")
    roster.count_cut("slow_reader")
    assert roster.cut == {"slow_reader": 2}
