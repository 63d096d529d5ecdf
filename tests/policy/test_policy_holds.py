"""How long something is left alone."""

from random import Random

import pytest
from policy_builders import Low, failed

from proxy.core.outcome import OutcomeKind
from proxy.policy.holds import JITTER, Holding
from proxy.policy.outcomes import RULES

K = OutcomeKind


def lengths(kind: K, repeats: int) -> list[float]:
    """Hold lengths of repeated failures without a hint, each after the last hold has ended."""
    holding, now, seen = Holding(), 100.0, []
    for _ in range(repeats):
        holding.extend(failed(kind), RULES[kind], now, Low())
        seen.append(holding.until - now)
        now = holding.until
    return seen


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (K.RATE_LIMITED, [5, 10, 20, 40, 60, 60]),
        (K.AUTH_FAILED, [60, 120, 240, 480, 600, 600]),
        (K.QUOTA_EXHAUSTED, [900, 1800, 3600, 7200, 14400, 21600, 21600]),
        (K.MODEL_NOT_FOUND, [300, 300]),
        (K.MODEL_FORBIDDEN, [300, 300]),
    ],
)
def test_doubling_up_to_the_cap(kind: K, expected: list[float]) -> None:
    assert lengths(kind, len(expected)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "hint", "seconds"),
    [
        (K.RATE_LIMITED, 0.012, 0.012),
        (K.RATE_LIMITED, 42.0, 42.0),
        (K.RATE_LIMITED, 900.0, 900.0),
        (K.RATE_LIMITED, 86_400.0, 3600.0),
        (K.QUOTA_EXHAUSTED, 7200.0, 7200.0),
        (K.QUOTA_EXHAUSTED, 1e9, 21600.0),
        (K.OVERLOADED, 30.0, 30.0),
        (K.OVERLOADED, 4000.0, 300.0),
        (K.RATE_LIMITED, 0.0, 5.0),
    ],
)
def test_hints_are_obeyed_and_clamped(kind: K, hint: float, seconds: float) -> None:
    holding = Holding()
    assert holding.extend(failed(kind, hint), RULES[kind], 10.0, Low()) is True
    assert holding.until - 10.0 == pytest.approx(seconds)


@pytest.mark.parametrize("seed", range(50))
def test_jitter_is_only_added(seed: int) -> None:
    holding = Holding()
    holding.extend(failed(K.RATE_LIMITED, 10.0), RULES[K.RATE_LIMITED], 0.0, Random(seed))
    assert 10.0 <= holding.until <= 10.0 * (1 + JITTER)


@pytest.mark.parametrize("seed", range(20))
def test_jitter_stays_under_the_limit(seed: int) -> None:
    """`retry-after: 9999` held for 4090 s though the limit is an hour."""
    holding = Holding()
    holding.extend(failed(K.RATE_LIMITED, 9999.0), RULES[K.RATE_LIMITED], 0.0, Random(seed))
    assert holding.until == 3600.0
    holding = Holding()
    holding.extend(failed(K.RATE_LIMITED, 3500.0), RULES[K.RATE_LIMITED], 0.0, Random(seed))
    assert 3500.0 <= holding.until <= 3600.0
    rng, holding, now = Random(seed), Holding(), 0.0
    for _ in range(8):
        holding.extend(failed(K.RATE_LIMITED), RULES[K.RATE_LIMITED], now, rng)
        assert holding.until - now <= 60.0 + 1e-9
        now = holding.until


def test_a_hint_where_none_is_obeyed_does_not_undo_the_hold() -> None:
    holding = Holding()
    assert holding.extend(failed(K.MODEL_NOT_FOUND, 5.0), RULES[K.MODEL_NOT_FOUND], 10.0, Low()) is True
    assert holding.until == 310.0


def test_no_hint_no_hold_where_the_breaker_decides() -> None:
    holding = Holding()
    assert holding.extend(failed(K.OVERLOADED), RULES[K.OVERLOADED], 5.0, Low()) is False
    assert holding.until == 0.0


def test_late_failures_neither_double_nor_shorten_but_a_later_reset_counts() -> None:
    holding, rule = Holding(), RULES[K.RATE_LIMITED]
    assert holding.extend(failed(K.RATE_LIMITED, 20.0, "slow down"), rule, 100.0, Low()) is True
    for _ in range(10):
        assert holding.extend(failed(K.RATE_LIMITED), rule, 101.0, Low()) is False
    assert holding.extend(failed(K.RATE_LIMITED, 1.0), rule, 102.0, Low()) is False
    assert (holding.until, holding.since) == (120.0, 100.0)
    assert holding.extend(failed(K.RATE_LIMITED, 30.0), rule, 103.0, Low()) is False
    assert holding.until == 133.0
    holding.extend(failed(K.RATE_LIMITED), rule, 140.0, Low())
    assert holding.until == 145.0


def test_success_ends_the_growth_not_the_hold() -> None:
    holding, rule = Holding(), RULES[K.RATE_LIMITED]
    holding.extend(failed(K.RATE_LIMITED), rule, 0.0, Low())
    holding.extend(failed(K.RATE_LIMITED), rule, 10.0, Low())
    holding.ease()
    assert holding.until == 20.0
    holding.extend(failed(K.RATE_LIMITED), rule, 30.0, Low())
    assert holding.until == 35.0
