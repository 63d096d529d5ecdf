"""When and with what targets are probed."""

from random import Random

import pytest
from policy_builders import Low, Middle

from proxy.core.settings import ProbeSettings
from proxy.policy.probes import HourlyBudget, ProbeKind, ProbePlan

FREE, COMPLETION = ProbeKind.FREE, ProbeKind.COMPLETION
FAST = ProbeSettings(every=5.0, idle_after=60.0)


def test_a_busy_closed_target_is_left_alone() -> None:
    plan = ProbePlan(FAST, Low())
    assert not any(plan.due(now, now - 1.0, False) for now in range(1, 500))


def test_idle_and_open_targets_are_probed_every_so_often() -> None:
    for last_traffic, is_open in ((0.0, False), (1e9, True)):
        plan = ProbePlan(FAST, Middle())
        moments = [now for now in range(100, 131) if plan.due(float(now), last_traffic, is_open)]
        assert moments == [103, 108, 113, 118, 123, 128]


def test_traffic_stops_the_probing_and_the_next_outage_starts_afresh() -> None:
    plan = ProbePlan(FAST, Middle())
    assert plan.due(100.0, 0.0, True) is False
    assert plan.due(102.5, 0.0, True) is True
    assert plan.due(110.0, 110.0, False) is False
    assert plan.due(111.0, 110.0, True) is False
    assert plan.due(113.5, 110.0, True) is True


def test_jitter_spreads_first_and_later_probes() -> None:
    firsts, gaps = [], []
    for seed in range(100):
        plan = ProbePlan(ProbeSettings(every=30.0, jitter=0.2), Random(seed))
        moments = [now / 10 for now in range(1000, 1900) if plan.due(now / 10, 0.0, True)]
        firsts.append(moments[0])
        gaps.append(moments[1] - moments[0])
    assert max(firsts) - min(firsts) > 20
    assert min(gaps) >= 23.9
    assert max(gaps) <= 36.1
    assert max(gaps) - min(gaps) > 6


def test_passive_never_probes() -> None:
    plan = ProbePlan(ProbeSettings(kind="passive"), Low())
    assert all(plan.next_probe(float(now), 0.0, True, True) is None for now in range(1000))
    assert plan.kind(True, True, None) is None


@pytest.mark.parametrize(
    ("configured", "is_open", "lies", "free_ok", "expected"),
    [
        ("auto", True, True, None, FREE),
        ("auto", True, True, True, COMPLETION),
        ("auto", True, True, False, None),
        ("auto", True, False, True, None),
        ("auto", False, True, None, FREE),
        ("auto", False, True, True, None),
        ("free", True, True, None, FREE),
        ("free", True, True, True, None),
        ("completion", True, True, None, COMPLETION),
        ("completion", False, False, None, COMPLETION),
        ("completion", True, True, True, None),
    ],
)
def test_kinds(configured: str, is_open: bool, lies: bool, free_ok: bool | None, expected: ProbeKind | None) -> None:
    assert ProbePlan(ProbeSettings(kind=configured), Low()).kind(is_open, lies, free_ok) is expected


def test_auto_asks_for_free_first_and_believes_only_a_completion() -> None:
    plan = ProbePlan(FAST, Low())
    assert plan.next_probe(100.0, 0.0, True, True) is FREE
    assert plan.next_probe(100.1, 0.0, True, True) is None
    plan.probed(FREE, True, 100.2)
    assert plan.next_probe(100.3, 0.0, True, True) is COMPLETION
    plan.probed(COMPLETION, True, 100.4)
    assert plan.next_probe(100.5, 0.0, True, True) is None
    assert plan.next_probe(110.0, 0.0, True, True) is FREE
    plan.probed(FREE, False, 110.1)
    assert plan.next_probe(110.2, 0.0, True, True) is None


def test_an_idle_closed_target_never_costs_money_in_auto() -> None:
    plan = ProbePlan(FAST, Low())
    sent = []
    for now in range(100, 1000):
        kind = plan.next_probe(float(now), 0.0, False, True)
        if kind is not None:
            sent.append(kind)
            plan.probed(kind, True, float(now))
    assert set(sent) == {FREE}
    assert len(sent) > 100


def test_paid_probes_share_an_hourly_budget() -> None:
    settings = ProbeSettings(kind="completion", every=5.0, hourly_completions=10)
    paid = HourlyBudget(10)
    plans = [ProbePlan(settings, Low(), paid), ProbePlan(settings, Low(), paid)]
    sent = [now for now in range(3600) for plan in plans if plan.next_probe(float(now), 0.0, True, True) is not None]
    assert len(sent) == 10
    assert plans[0].next_probe(3700.0, 0.0, True, True) is COMPLETION
