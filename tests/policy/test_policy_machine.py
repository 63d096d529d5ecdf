"""pybreaker on our clock: its own checks give the answers our clock would give."""

import pybreaker
import pytest
from policy_builders import T_PROFILE

from proxy.policy.machine import FAIL_MAX, Storage, Transitions
from proxy.policy.window import Window


def make_machine() -> tuple[pybreaker.CircuitBreaker, Storage, list[tuple[str, str]]]:
    moves: list[tuple[str, str]] = []
    storage = Storage("p/m chat", Window(T_PROFILE))
    machine = pybreaker.CircuitBreaker(
        fail_max=FAIL_MAX,
        state_storage=storage,
        listeners=[Transitions(lambda before, after: moves.append((before, after)))],
        throw_new_error_on_trip=False,
    )
    return machine, storage, moves


def test_an_open_machine_refuses_until_our_clock_says_so() -> None:
    machine, storage, moves = make_machine()
    storage.now, storage.until = 100.0, 105.0
    machine.open()
    storage.now = 104.999
    with pytest.raises(pybreaker.CircuitBreakerError):
        machine.call(int)
    storage.now = 105.0
    assert machine.call(int) == 0
    assert moves == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]


def test_any_trip_rule_reaches_fail_max() -> None:
    machine, storage, moves = make_machine()
    storage.now = 50.0
    for _ in range(4):
        with pytest.raises(ZeroDivisionError):
            machine.call(lambda: 1 / 0)
    machine.call(int)
    assert (storage.counter, moves) == (0, [])
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            machine.call(lambda: 1 / 0)
    assert storage.cause == "5 calls in a row failed"
    assert moves == [("closed", "open")]
