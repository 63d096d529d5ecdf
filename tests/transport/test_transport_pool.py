"""The bulkhead by hand: last in, first out; limits; age; and one coarse timer."""

import asyncio

from transport_fakes import ORIGIN, FakeSocket, Recorder, StillLoop, request

from proxy.transport.connection import Connection
from proxy.transport.dialing import Dialer
from proxy.transport.exchange import HttpExchange
from proxy.transport.limits import TransportLimits
from proxy.transport.pool import Pool
from proxy.transport.resolution import AddressBook, system_resolver

EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


class PoolBench:
    """A pool on a still loop; connections are put in by hand, so nothing is ever dialled."""

    def __init__(self, limit: int = 100, **limits: float) -> None:
        self.loop = StillLoop()
        loop: asyncio.AbstractEventLoop = self.loop  # type: ignore[assignment]
        self.limits = TransportLimits(**limits)  # type: ignore[arg-type]
        book = AddressBook(loop, system_resolver(loop), self.limits)
        self.pool = Pool(loop, ORIGIN, Dialer(loop, book, None, self.limits), self.limits, limit)

    def busy(self) -> tuple[Connection, FakeSocket]:
        """A connection with a request on it."""
        loop: asyncio.AbstractEventLoop = self.loop  # type: ignore[assignment]
        connection, sock = Connection(loop, self.pool, "x", self.limits), FakeSocket()
        connection.connection_made(sock)  # type: ignore[arg-type]
        self.pool.adopt(connection, HttpExchange(request(), Recorder()))
        return connection, sock

    def send(self) -> Recorder:
        recorder = Recorder()
        self.pool.submit(HttpExchange(request(), recorder))
        return recorder


def test_last_used_is_used_first() -> None:
    bench = PoolBench()
    made = [bench.busy() for _ in range(3)]
    for at in (1, 0, 2):
        made[at][0].data_received(EMPTY)
    assert (bench.pool.open_count, bench.pool.idle_count) == (3, 3)
    for at in (2, 0, 1):
        bench.send()
        assert len(made[at][1].written) == 2
    assert bench.pool.idle_count == 0


def test_connection_that_is_closing_is_passed_over() -> None:
    bench = PoolBench()
    (older, older_sock), (newer, newer_sock) = bench.busy(), bench.busy()
    older.data_received(EMPTY)
    newer.data_received(EMPTY)
    newer_sock.aborted = True
    bench.send()
    assert (len(older_sock.written), len(newer_sock.written)) == (2, 1)
    assert bench.pool.open_count == 1


def test_full_is_told_later_and_counts_busy_ones() -> None:
    bench = PoolBench(limit=2)
    bench.busy()
    bench.busy()
    recorder = bench.send()
    assert recorder.events == []
    bench.loop.turn()
    assert recorder.kind == "pool_full"
    assert "all 2 connections are in use" in str(recorder.error)


def test_idle_ones_are_closed_by_one_timer_oldest_first() -> None:
    bench = PoolBench(idle=55.0)
    made = [bench.busy() for _ in range(3)]
    for at, (connection, _) in enumerate(made):
        bench.loop.now = at * 10.0
        connection.data_received(EMPTY)
    assert [timer.delay for timer in bench.loop.timers] == [55.0]
    bench.loop.now = 66.0
    bench.loop.timers[0].callback()
    assert [sock.aborted for _, sock in made] == [True, True, False]
    assert bench.pool.open_count == 1
    assert [timer.delay for timer in bench.loop.timers] == [55.0, 9.0]
    bench.loop.now = 75.0
    bench.loop.timers[1].callback()
    assert bench.pool.open_count == 0
    assert len(bench.loop.timers) == 2


def test_timer_is_coarse() -> None:
    bench = PoolBench(idle=55.0)
    for now in (0.0, 0.1):
        bench.loop.now = now
        bench.busy()[0].data_received(EMPTY)
    bench.loop.now = 55.0
    bench.loop.timers[0].callback()
    assert bench.loop.timers[1].delay == 1.0


def test_old_connection_is_not_kept() -> None:
    bench = PoolBench(age=600.0)
    connection, sock = bench.busy()
    bench.loop.now = 601.0
    connection.data_received(EMPTY)
    assert sock.aborted
    assert bench.pool.open_count == bench.pool.idle_count == 0


def test_lowered_limit_is_reached_as_answers_end() -> None:
    bench = PoolBench(limit=3)
    made = [bench.busy() for _ in range(3)]
    bench.pool.limit = 2
    for connection, _ in made:
        connection.data_received(EMPTY)
    assert [sock.aborted for _, sock in made] == [True, False, False]
    assert repr(bench.pool) == "<Pool provider.test:80 2 open, 2 idle, 0 connecting>"


def test_close_stops_the_timer_and_fails_who_waits() -> None:
    bench = PoolBench()
    idle, idle_sock = bench.busy()
    idle.data_received(EMPTY)
    loop: asyncio.AbstractEventLoop = bench.loop  # type: ignore[assignment]
    waiting, recorder, sock = Connection(loop, bench.pool, "x", bench.limits), Recorder(), FakeSocket()
    waiting.connection_made(sock)  # type: ignore[arg-type]
    bench.pool.adopt(waiting, HttpExchange(request(), recorder))
    bench.pool.close()
    assert (recorder.kind, idle_sock.aborted, sock.aborted) == ("broken", True, True)
    assert bench.loop.pending_timers == []
    assert bench.pool.open_count == 0
