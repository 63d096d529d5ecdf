"""Peak EWMA and p99."""

import pytest

from proxy.policy.latency import DECAY, Latency, Recent


def test_unmeasured() -> None:
    latency = Latency()
    assert latency.ewma(5.0) is None
    assert latency.typical(5.0) is None
    assert latency.p99() is None


def test_it_jumps_to_a_peak_and_forgets_slowly() -> None:
    latency = Latency()
    latency.observe(0.2, 0.0)
    latency.observe(3.0, 1.0)
    assert latency.ewma(1.0) == 3.0
    latency.observe(0.2, 1.0 + DECAY)
    assert latency.ewma(1.0 + DECAY) == pytest.approx(0.2 + 2.8 * 0.3679, rel=1e-3)


def test_silence_decays_what_is_chosen_by_but_not_what_is_shown() -> None:
    latency = Latency()
    latency.observe(2.0, 100.0)
    assert latency.ewma(100.0 + DECAY) == pytest.approx(0.7358, rel=1e-3)
    assert latency.typical(100.0 + DECAY) == 2.0


def test_a_penalty_moves_the_average_only() -> None:
    latency = Latency()
    for _ in range(20):
        latency.observe(0.1, 1.0)
    latency.penalise(15.0, 1.0)
    assert latency.ewma(1.0) == 15.0
    assert latency.p99() == 0.1


def test_p99_needs_twenty_samples_and_is_recomputed_every_sixteen() -> None:
    recent = Recent()
    for number in range(19):
        recent.observe(number)
    assert recent.p99() is None
    recent.observe(19)
    assert recent.p99() == 19
    for _ in range(15):
        recent.observe(1000)
    assert recent.p99() == 19
    recent.observe(1000)
    assert recent.p99() == 1000


def test_p99_is_nearest_rank_over_the_last_128() -> None:
    recent = Recent()
    for number in range(1000):
        recent.observe(number)
    # 872 … 999: the 127th of 128
    assert recent.p99() == 998
