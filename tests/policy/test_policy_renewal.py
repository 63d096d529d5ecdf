"""When tokens are renewed, and how long failures are waited out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_builders import Low

from proxy.policy.renewal import (
    JITTER,
    LONGEST_HINT,
    LONGEST_WAIT,
    REFUSED_WAIT,
    SHORTEST,
    UNKNOWN_LIFE,
    Backoff,
    renew_after,
)


class High(Low):
    """Dice that always show the highest."""

    def random(self) -> float:
        return 1.0


@pytest.mark.parametrize(
    ("life", "hint", "seconds"),
    [
        (3600.0, None, 2880.0),
        (86400.0, None, 69120.0),
        (5400.0, 2700.0, 2700.0),  # Entra's refresh_in
        (3600.0, 7200.0, 2880.0),  # after the end: not obeyed
        (None, 300.0, 300.0),
        (None, None, UNKNOWN_LIFE),
        (1.0, None, SHORTEST),
        (-5.0, None, SHORTEST),
    ],
)
def test_four_fifths_of_the_life_or_as_told(life: float | None, hint: float | None, seconds: float) -> None:
    assert renew_after(life, hint, Low()) == seconds
    assert renew_after(life, hint, High()) == pytest.approx(max(SHORTEST, seconds * (1 - JITTER)))


@given(st.floats(10, 1e6), st.none() | st.floats(1, 1e6))
def test_always_before_the_end(life: float, hint: float | None) -> None:
    assert renew_after(life, hint, Low()) < life


def test_steps_double_to_half_a_minute() -> None:
    backoff = Backoff(Low())
    assert [backoff.wait(False, None) for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
    backoff.reset()
    assert backoff.wait(False, None) == 1
    assert LONGEST_WAIT == 30


def test_a_refusal_waits_a_minute() -> None:
    backoff = Backoff(High())
    assert backoff.wait(True, None) == pytest.approx(REFUSED_WAIT * (1 + JITTER))
    assert backoff.wait(False, None) == pytest.approx(2.0 * (1 + JITTER))


@pytest.mark.parametrize(("hint", "seconds"), [(120.0, 120.0), (0.1, 1.0), (86400.0, LONGEST_HINT)])
def test_a_retry_after_is_obeyed_within_reason(hint: float, seconds: float) -> None:
    assert Backoff(Low()).wait(False, hint) == seconds
