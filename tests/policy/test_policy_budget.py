"""The retry budget against an exact count."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.settings import RetrySettings
from proxy.policy.budget import RetryBudget


def test_the_floor_without_traffic() -> None:
    budget = RetryBudget(RetrySettings())
    assert [budget.take(5.0) for _ in range(4)] == [True, True, True, False]
    assert budget.take(14.9) is False
    assert budget.take(15.2) is True


def test_a_fifth_of_the_attempts() -> None:
    budget = RetryBudget(RetrySettings())
    for number in range(100):
        budget.attempted(number * 0.05)
    assert sum(budget.take(5.0) for _ in range(100)) == 20


def test_attempts_leave_the_window() -> None:
    budget = RetryBudget(RetrySettings())
    for _ in range(100):
        budget.attempted(0.0)
    assert sum(budget.take(9.5) for _ in range(100)) == 20
    assert budget.take(12.0) is False
    assert sum(budget.take(40.0) for _ in range(100)) == 3


def test_the_throttle_stops_at_half_and_is_won_back() -> None:
    budget = RetryBudget(RetrySettings())
    for _ in range(5):
        budget.failed()
    assert budget.take(1.0) is False
    budget.succeeded()
    assert budget.take(1.0) is True
    for _ in range(100):
        budget.failed()
    assert budget.tokens == 0.0
    for _ in range(200):
        budget.succeeded()
    assert budget.tokens == 10.0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 30), st.integers(0, 10)), max_size=60),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_no_window_that_ends_at_a_retry_breaks_the_rule(
    steps: list[tuple[float, int, int]], ratio: float, floor: int
) -> None:
    budget = RetryBudget(RetrySettings(budget_ratio=ratio, budget_floor=floor))
    now = 1000.0
    attempts: list[float] = []
    retries: list[float] = []
    for gap, attempted, asked in steps:
        now += gap
        for _ in range(attempted):
            budget.attempted(now)
            attempts.append(now)
        for _ in range(asked):
            if budget.take(now):
                retries.append(now)
                seen = sum(moment > now - 10 for moment in attempts)
                assert sum(moment > now - 10 for moment in retries) <= max(floor, ratio * seen)
