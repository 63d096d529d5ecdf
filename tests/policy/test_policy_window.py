"""Each trip rule by itself, and what the window forgets."""

from dataclasses import replace

import pytest
from policy_builders import T_PROFILE

from proxy.policy.window import Window

#: (seconds between calls, pattern repeated, expected call that trips, words of the cause)
TRIPS = [
    ("nothing but failures, little traffic", 1.0, "F", 5, "5 calls in a row failed"),
    ("nothing but failures after good traffic", 0.01, "." * 40 + "F" * 20, 56, "16 of the last 20 calls failed"),
    ("80 % failing periodically", 0.01, "FFFF.", 19, "16 of the last 19 calls failed"),
    ("60 % failing", 0.01, "FFF..", 21, "13 of 21 calls in 10 s failed"),
    ("a quarter failing", 0.01, "F...", None, ""),
    ("one in twenty failing", 0.01, "F" + "." * 19, None, ""),
    ("four in a row, then a success", 1.0, "FFFF.....", None, ""),
]


@pytest.mark.parametrize(("name", "gap", "pattern", "trips_at", "words"), TRIPS, ids=[row[0] for row in TRIPS])
def test_failure_rules(name: str, gap: float, pattern: str, trips_at: int | None, words: str) -> None:
    window = Window(T_PROFILE)
    now = 1000.0
    for call in range(1, 400):
        failed = pattern[(call - 1) % len(pattern)] == "F"
        window.record(failed, now)
        cause = window.tripped(now) if failed else None
        if cause is not None:
            assert (call, cause) == (trips_at, words)
            return
        now += gap
    assert trips_at is None


def test_five_in_a_row_do_not_open_a_busy_target() -> None:
    window = Window(T_PROFILE)
    for call in range(100):
        window.record(94 <= call < 99, 50.0 + call * 0.01)
    assert window.consecutive == 0
    window.record(True, 51.0)
    assert window.tripped(51.0) is None


@pytest.mark.parametrize(
    ("slow", "total", "cause"), [(16, 20, "16 of 20 answers in 10 s took over 1 s to begin"), (15, 20, None), (19, 19, None)]
)
def test_slow_rule(slow: int, total: int, cause: str | None) -> None:
    window = Window(T_PROFILE)
    for number in range(total):
        window.record_speed(number < slow, 7.0)
    assert window.tripped(7.0) == cause


def test_the_window_forgets_by_time_and_the_run_does_not() -> None:
    window = Window(T_PROFILE)
    for number in range(20):
        window.record(number < 9, 100.0)
        window.record_speed(True, 100.0)
    assert (window.calls, window.failed, window.timed, window.slow) == (20, 9, 20, 20)
    assert window.tripped(109.6) is not None
    assert window.tripped(110.1) is None
    assert (window.calls, window.failed, window.timed, window.slow) == (0, 0, 0, 0)


def test_a_gap_longer_than_the_window_and_clear() -> None:
    window = Window(T_PROFILE)
    for number in range(4):
        window.record(True, 1.0 + number)
    window.record_speed(False, 500.0)
    window.record(True, 500.0)
    assert (window.calls, window.consecutive) == (1, 5)
    assert window.tripped(500.0) == "5 calls in a row failed"
    window.clear()
    assert window.tripped(500.0) is None


def test_partial_expiry_matches_an_exact_count() -> None:
    window = Window(replace(T_PROFILE, window=3.0))
    for number in range(100):
        window.record(number % 2 == 0, number * 0.1)
    assert 29 <= window.calls <= 30
    assert window.failed == pytest.approx(window.calls / 2, abs=1)
