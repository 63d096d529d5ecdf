"""One timer for limits that move."""

import math
from collections.abc import Callable

from proxy.server.watchdog import Watchdog


class Handle:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """As much of a loop as a watchdog uses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.handles: list[Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> Handle:
        self.handles.append(Handle(at, call))
        return self.handles[-1]

    def advance(self, to: float) -> None:
        self.now = to
        for handle in [h for h in self.handles if h.at <= to and not h.cancelled]:
            self.handles.remove(handle)
            handle.call()


class Owner:
    def __init__(self) -> None:
        self.clock = Clock()
        self.due = math.inf
        self.expired = 0
        self.watchdog = Watchdog(self.clock, lambda: self.due, self.expire)

    def expire(self) -> None:
        self.expired += 1


def test_what_is_due_never_sets_no_timer() -> None:
    owner = Owner()
    owner.watchdog.arm()
    assert owner.clock.handles == []


def test_a_limit_that_moves_away_costs_nothing_until_the_timer_fires() -> None:
    owner = Owner()
    owner.due = 10.0
    owner.watchdog.arm()
    for due in range(11, 100):
        owner.due = float(due)
        owner.watchdog.arm()
    assert len(owner.clock.handles) == 1
    owner.clock.advance(10.0)
    assert owner.expired == 0
    assert [handle.at for handle in owner.clock.handles] == [99.0]
    owner.clock.advance(99.0)
    assert owner.expired == 1


def test_a_limit_that_comes_nearer_replaces_the_timer() -> None:
    owner = Owner()
    owner.due = 10.0
    owner.watchdog.arm()
    owner.due = 5.0
    owner.watchdog.arm()
    owner.clock.advance(5.0)
    assert owner.expired == 1
    owner.due = math.inf
    owner.clock.advance(10.0)
    assert owner.expired == 1


def test_a_limit_lifted_meanwhile_ends_the_timer() -> None:
    owner = Owner()
    owner.due = 10.0
    owner.watchdog.arm()
    owner.due = math.inf
    owner.clock.advance(10.0)
    assert (owner.expired, owner.clock.handles) == (0, [])


def test_a_timer_a_little_early_counts() -> None:
    owner = Owner()
    owner.due = 10.0
    owner.watchdog.arm()
    owner.clock.now = 9.9995
    owner.clock.handles.pop().call()
    assert owner.expired == 1


def test_stopped_is_stopped() -> None:
    owner = Owner()
    owner.due = 1.0
    owner.watchdog.arm()
    owner.watchdog.stop()
    owner.clock.advance(2.0)
    assert owner.expired == 0
