"""Hours against their like: Monday 1970-01-05 00:00 is hour 96."""

from random import Random

import pytest

from proxy.core.alarming import Thresholds
from proxy.policy.alerts.anomalies import HISTORY, WEEK, describe_baseline, unusual, usual
from proxy.policy.alerts.figures import Figures, Finding, Hours, HourSum

DOLLAR = 1_000_000_000
NOW = 4000


def cost(dollars: float, tokens: int = 0) -> HourSum:
    return HourSum(int(dollars * DOLLAR), tokens, "gpt-5", "fast")


def weekly(weeks: int, seed: int = 1) -> dict[int, HourSum]:
    """Working hours cost about ten dollars, nights and weekends one."""
    rng = Random(seed)
    first = NOW - weeks * WEEK
    return {
        hour: cost((10.0 if hour % 24 in range(8, 18) and hour % WEEK < 120 else 1.0) * rng.uniform(0.8, 1.2), 1000)
        for hour in range(first, NOW)
    }


def judge(sums: dict[int, HourSum], hour: int = NOW, past: float = 600.0, **changes: float) -> list[Finding]:
    hours = Hours(min(sums), sums)
    return list(unusual(Figures(hour * 3600.0 + past, hours=hours), Thresholds(**changes)))


def test_without_a_ledger_nothing_is_said() -> None:
    assert list(unusual(Figures(0.0), Thresholds())) == []


@pytest.mark.parametrize("seed", range(20))
def test_usual_weeks_are_quiet(seed: int) -> None:
    sums = weekly(6, seed)
    for hour in range(NOW - WEEK, NOW):
        assert judge({known: one for known, one in sums.items() if known <= hour}, hour, 3500.0) == []


def test_the_hour_under_way_need_not_end() -> None:
    [found] = judge({**weekly(5), NOW: cost(100.0)})
    assert "$100.00 since" in found.text
    assert "and the hour is not over, most of it by route gpt-5" in found.text
    assert "this hour of the week usually has" in found.text
    assert found.subject == "spend"
    assert found.value == 100.0
    assert found.threshold is not None
    assert found.threshold < 100.0


def test_the_hour_that_has_ended_is_looked_at_too() -> None:
    [found] = judge({**weekly(5), NOW - 1: cost(100.0), NOW: cost(0.1)})
    assert "in one hour" in found.text
    assert found.since == (NOW - 1) * 3600.0


def test_a_day_of_work_is_no_anomaly_and_the_same_at_night_is() -> None:
    sums = weekly(6)
    monday_ten = next(h for h in range(NOW - WEEK, NOW) if h % WEEK < 120 and h % 24 == 10)
    night = monday_ten - 7
    assert judge({**{h: s for h, s in sums.items() if h < monday_ten}, monday_ten: cost(11.0)}, monday_ten) == []
    assert judge({**{h: s for h, s in sums.items() if h < night}, night: cost(11.0)}, night) != []


def test_history_decides_what_it_is_held_against() -> None:
    flat = {hour: cost(1.0) for hour in range(NOW - 6 * 24, NOW)}
    assert judge({**flat, NOW: cost(500.0)}) == []  # six days: silent
    flat |= {hour: cost(1.0) for hour in range(NOW - 8 * 24, NOW)}
    [found] = judge({**flat, NOW: cost(500.0)})
    assert "this hour of the day usually has $1.00 (median of 7)" in found.text
    flat |= {hour: cost(1.0) for hour in range(NOW - 3 * WEEK - 1, NOW)}
    [found] = judge({**flat, NOW: cost(500.0)})
    assert "this hour of the week usually has $1.00 (median of 3)" in found.text


def test_it_says_what_it_is_held_against() -> None:
    now = NOW * 3600.0
    assert describe_baseline(None, now) == "silent until the ledger has 7 days (0 so far)"
    assert describe_baseline(Hours(NOW - 50, {}), now) == "silent until the ledger has 7 days (2 so far)"
    by_day = "this hour of the day, 9 of them; by the week from 3 weeks on"
    assert describe_baseline(Hours(NOW - 24 * 10, {}), now) == by_day
    assert describe_baseline(Hours(NOW - 4 * WEEK, {}), now) == "this hour of the week, 3 of them"


def test_hours_without_traffic_are_hours_of_nothing_and_old_ones_are_forgotten() -> None:
    hours = Hours(NOW - 2 * HISTORY, {NOW - WEEK: cost(9.0)})
    found = usual(hours, NOW, lambda one: one.cost)
    assert found is not None
    assert (found.middle, found.count) == (0.0, 8)
    assert usual(Hours(NOW - 5, {}), NOW, lambda one: one.cost) is None


@pytest.mark.parametrize(
    ("dollars", "changes", "told"),
    [
        (0.9, {}, False),  # below the floor
        (1.9, {}, False),  # below twice the usual
        (2.1, {}, True),
        (2.1, {"spend_factor": 3.0}, False),
        (2.1, {"spend_floor": 3 * DOLLAR}, False),
    ],
)
def test_floor_and_factor_hold_where_all_hours_are_alike(dollars: float, changes: dict[str, float], told: bool) -> None:
    flat = {hour: cost(1.0) for hour in range(NOW - 4 * WEEK, NOW)}
    assert bool(judge({**flat, NOW: cost(dollars)}, **changes)) is told


def test_tokens_are_looked_at_where_money_is_not_unusual() -> None:
    flat = {hour: cost(0.0, 1000) for hour in range(NOW - 4 * WEEK, NOW)}
    [found] = judge({**flat, NOW: cost(0.0, 5_000_000)})
    assert found.subject == "tokens"
    assert "5,000,000 tokens since" in found.text
    assert "most of it by route fast" in found.text
    assert found.value == 5_000_000.0
    [money] = judge({**flat, NOW: cost(50.0, 5_000_000)})
    assert money.subject == "spend"
