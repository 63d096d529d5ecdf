"""Waits before a further attempt."""

from random import Random

import pytest
from policy_builders import failed

from proxy.core.settings import RetrySettings
from proxy.policy.delays import wait_before

SETTINGS = RetrySettings(base=0.1, cap=2.0)


class Top(Random):
    def random(self) -> float:
        return 1.0


def test_elsewhere_is_at_once() -> None:
    assert wait_before(False, failed(retry_after=5.0), 1, SETTINGS, Top()) == 0.0


@pytest.mark.parametrize(("named", "wait"), [(1.5, 1.5), (2.0, 2.0), (0.0, 0.1), (2.1, 0.1), (None, 0.1)])
def test_the_providers_delay_if_it_is_short(named: float | None, wait: float) -> None:
    assert wait_before(True, failed(retry_after=named), 1, SETTINGS, Top()) == wait


@pytest.mark.parametrize(("attempt", "ceiling"), [(0, 0.1), (1, 0.1), (2, 0.2), (4, 0.8), (6, 2.0), (5000, 2.0)])
def test_full_jitter_doubles_up_to_the_cap(attempt: int, ceiling: float) -> None:
    assert wait_before(True, failed(), attempt, SETTINGS, Top()) == pytest.approx(ceiling)
    waits = [wait_before(True, failed(), attempt, SETTINGS, Random(seed)) for seed in range(200)]
    assert 0 <= min(waits) < 0.1 * ceiling
    assert 0.9 * ceiling < max(waits) <= ceiling
