"""The sliding window: no minute ever holds more than the limit, and the wait that is told is true."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.rates import RateWindow


def test_a_playbook() -> None:
    window = RateWindow()
    assert window.wait(1, 3, 100.0) == 0.0
    first = window.add(1, 100.0)
    window.add(2, 100.05)
    assert window.total == 3
    assert window.wait(1, 3, 100.2) > 0
    assert window.used(160.0) == 3, "the step that 100.0 fell into is not a minute old yet"
    assert window.used(160.1) == 0
    window.give_back(first, 1)
    assert window.total == 0, "what counts no more cannot be given back"
    assert window.reset_after(160.1) == 0.0


def test_what_is_given_back_is_free_at_once() -> None:
    window = RateWindow()
    step = window.add(10, 5.0)
    window.give_back(step, 7)
    assert (window.total, window.wait(7, 10, 5.0), window.wait(8, 10, 5.0) > 0) == (3, 0.0, True)
    assert repr(window) == "<RateWindow 3 in 1 steps>"


def test_more_than_the_limit_fits_into_an_empty_window() -> None:
    window = RateWindow()
    assert window.wait(500, 100, 0.0) == 0.0
    window.add(500, 0.0)
    wait = window.wait(1, 100, 0.0)
    assert window.wait(1, 100, wait + 0.001) == 0.0


def test_a_lower_limit_counts_for_what_was_used() -> None:
    window = RateWindow()
    window.add(50, 0.0)
    assert window.wait(1, 100, 1.0) == 0.0
    assert window.wait(1, 50, 1.0) > 0.0


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40)), max_size=60),
    st.integers(1, 100),
)
def test_no_minute_holds_more_than_the_limit_and_waits_are_true(arrivals: list[tuple[float, int]], limit: int) -> None:
    window = RateWindow()
    admitted: deque[tuple[float, int]] = deque()
    now = 1000.0
    for gap, amount in arrivals:
        now += gap
        wait = window.wait(amount, limit, now)
        if wait:
            assert window.wait(amount, limit, now + wait / 2) > 0, "not before"
            now += wait + 1e-6
            assert window.wait(amount, limit, now) == 0.0, "but then"
        window.add(amount, now)
        admitted.append((now, amount))
        held = [size for moment, size in admitted if moment > now - 60]
        assert sum(held) <= max(limit, amount)
        assert window.total >= sum(held)
        assert window.reset_after(now) > 60 - 0.1
