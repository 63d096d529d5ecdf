"""Budgets: steps reached, and paces in two windows. A day begins at 0, so that times read as hours."""

from bisect import bisect_right
from collections.abc import Sequence
from random import Random

import pytest

from proxy.core.alarming import Severity, Thresholds
from proxy.core.limits import BudgetStanding
from proxy.policy.alerts.budgets import burning, reached, subject_of
from proxy.policy.alerts.figures import SPANS, BudgetPace, Figures, Finding
from proxy.policy.alerts.trails import Trail
from proxy.policy.alerts.words import every, money, span

DAY, WEEK, MONTH = 86400.0, 7 * 86400.0, 30 * 86400.0
HOUR = 3600.0
DOLLAR = 1_000_000_000


def standing(
    spent: float, limit: float = 24.0, period: float = DAY, soft: bool = False, unit: str = "usd"
) -> BudgetStanding:
    scale = DOLLAR if unit == "usd" else 1
    return BudgetStanding("", "key ci", int(spent * scale), int(limit * scale), unit, 0.0, period, soft)


def look(now: float, *standings: BudgetStanding) -> list[Finding]:
    paces = dict.fromkeys(SPANS, 0.0)
    return list(reached(Figures(now, [BudgetPace(one, paces) for one in standings]), Thresholds()))


def test_nothing_is_said_below_the_first_step() -> None:
    assert look(HOUR, standing(11.99)) == []


@pytest.mark.parametrize(
    ("spent", "soft", "step", "severity", "words"),
    [
        (12.0, False, 1, Severity.INFO, "at 100 % requests are refused"),
        (19.2, False, 2, Severity.WARNING, "at 100 % requests are refused"),
        (24.0, False, 3, Severity.CRITICAL, "requests are refused until it begins anew"),
        (30.0, True, 3, Severity.WARNING, "it is soft, so nobody is refused"),
    ],
)
def test_steps_get_worse(spent: float, soft: bool, step: int, severity: Severity, words: str) -> None:
    [found] = look(20 * HOUR, standing(spent, soft=soft))
    assert (found.step, found.severity, found.anchor) == (step, severity, 0.0)
    assert words in found.text
    assert "with 4 h of the period to go" in found.text


def test_the_sentence_says_how_much_since_when_and_from_where_on() -> None:
    [found] = look(20 * HOUR, standing(20.0))
    assert found.text == (
        "key ci has used 83 % of its budget of $24.00 a day ($20.00) since 1970-01-01 00:00 UTC, with 4 h of the period to "
        "go; at 100 % requests are refused; told from 80 % on"
    )


def test_tokens_and_a_budget_of_nothing() -> None:
    [found] = look(HOUR, standing(600, 1000, unit="tokens"))
    assert "of 1,000 tokens a day (600 tokens)" in found.text
    [nothing] = look(HOUR, standing(0, 0))
    assert nothing.step == 3


def play(period: float, limit: float, script: Sequence[tuple[float, float]], until: float) -> list[tuple[float, Finding]]:
    """Findings at each minute. `script`: from that time on so many dollars an hour."""
    trail, spent, found = Trail(6 * HOUR, 60.0), 0.0, []
    now = 0.0
    while now <= until:
        at = bisect_right(script, (now, float("inf")))
        rate = script[at - 1][1] if at else 0.0
        trail.note(now, int(spent * DOLLAR))
        budget = BudgetPace(standing(spent, limit, period), {seconds: trail.pace(now, seconds) for seconds in SPANS})
        found += [(now, finding) for finding in burning(Figures(now, [budget]), Thresholds())]
        spent += rate / 60
        now += 60.0
    return found


def test_the_even_pace_is_never_told() -> None:
    assert play(DAY, 24.0, [(0.0, 1.0)], 23 * HOUR) == []


def test_a_day_that_burns_four_times_too_fast_is_told_within_the_hour_it_takes_to_know() -> None:
    found = play(DAY, 24.0, [(0.0, 0.5), (6 * HOUR, 4.5)], 8 * HOUR)
    first, finding = found[0]
    assert 6.5 * HOUR < first < 7 * HOUR
    assert finding.severity is Severity.CRITICAL
    assert finding.step == 2
    assert "over the last 1 h and still over the last 5 min" in finding.text
    assert "too early" in finding.text


def test_the_short_window_ends_it_soon_after_the_spending_ends() -> None:
    found = play(DAY, 24.0, [(0.0, 0.5), (6 * HOUR, 5.0), (8 * HOUR, 0.1)], 12 * HOUR)
    fast = [at for at, finding in found if finding.severity is Severity.CRITICAL]
    assert max(fast) < 8 * HOUR + 5 * 60 + 60
    slow = [at for at, finding in found if finding.severity is Severity.WARNING]
    assert max(slow, default=0.0) < 8 * HOUR + 30 * 60 + 60


def test_a_slow_burn_is_told_by_the_long_windows() -> None:
    found = play(DAY, 24.0, [(0.0, 0.8), (3 * HOUR, 2.0)], 13 * HOUR)
    assert found
    assert {finding.severity for _, finding in found} == {Severity.WARNING}
    assert "over the last 6 h and still over the last 30 min" in found[0][1].text


def test_fast_but_early_enough_to_last_is_not_told() -> None:
    """Three times the even pace with an hour left takes an eighth of the budget, and half of it is there."""
    assert play(DAY, 24.0, [(22 * HOUR, 4.0)], 24 * HOUR - 60) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("period", [WEEK, MONTH])
def test_office_hours_that_keep_within_the_budget_are_quiet(period: float, seed: int) -> None:
    """70 % of the budget is used, nearly all of it in ten hours of the five working days, one hour more than another."""
    rng = Random(seed)
    hours = int(period / HOUR)
    weights = [rng.uniform(0.7, 1.3) if h % 24 in range(8, 18) and h % 168 < 120 else 0.05 for h in range(hours)]
    limit = 1000.0
    script = [(h * HOUR, limit * 0.7 * weight / sum(weights)) for h, weight in enumerate(weights)]
    assert play(period, limit, script, period - 60) == []


@pytest.mark.parametrize(("period", "factor"), [(DAY, 3.0), (WEEK, 8.0), (MONTH, 14.4)])
def test_each_length_of_period_has_its_own_pace(period: float, factor: float) -> None:
    limit = period / HOUR  # the even pace is a dollar an hour
    assert [f for _, f in play(period, limit, [(0.0, factor * 0.97)], 2 * HOUR) if f.step == 2] == []
    assert [f for _, f in play(period, limit, [(0.0, factor * 1.05)], 2 * HOUR) if f.step == 2] != []


def test_thresholds_make_it_quieter_and_a_used_up_budget_or_no_period_says_nothing() -> None:
    fast = {seconds: 10 * DOLLAR / HOUR for seconds in SPANS}
    half, empty = BudgetPace(standing(12.0), fast), BudgetPace(standing(24.0), fast)
    timeless = BudgetPace(standing(1.0, period=0.0), fast)
    figures = Figures(6 * HOUR, [half, empty, timeless])
    assert len(list(burning(figures, Thresholds()))) == 1
    assert list(burning(figures, Thresholds(budget_pace=10.0))) == []
    idle = Figures(
        6 * HOUR, [BudgetPace(standing(0.0, limit=0.0), fast), BudgetPace(standing(1.0), dict.fromkeys(SPANS, 0.0))]
    )
    assert list(burning(idle, Thresholds(budget_pace=0.1))) == []


def test_a_name_of_its_own_stands_behind_the_scope() -> None:
    assert subject_of(BudgetStanding("tokens a day", "key ci", 0, 1, "tokens", 0, 1)) == "key ci, tokens a day"


def test_trails_measure_what_they_remember() -> None:
    trail = Trail(HOUR, 60.0)
    assert trail.rise(0.0, 60.0) == 0
    for minute in range(120):
        trail.note(minute * 60.0, minute * 10)
    now = 119 * 60.0
    assert trail.rise(now, 600.0) == 100
    assert trail.pace(now, 600.0) == pytest.approx(10 / 60)
    trail.note(now + 30.0, 1195)  # between two samples
    assert trail.rise(now + 30.0, 600.0) == 105  # over 630 s
    trail.note(now + 60.0, 5)  # a new period: goes on from where it was
    assert trail.rise(now + 60.0, 60.0) == 10


def test_what_is_not_remembered_counts_as_nothing() -> None:
    trail = Trail(HOUR, 60.0)
    trail.note(0.0, 1_000_000)
    trail.note(60.0, 1_000_060)
    assert trail.pace(60.0, HOUR) == pytest.approx(60 / HOUR)


def test_words() -> None:
    assert [span(s) for s in (-1, 5, 60, 3661, 90061, 86400)] == ["0 s", "5 s", "1 min", "1 h 1 min", "1 d 1 h", "1 d"]
    assert [money(n) for n in (0, 5_000_000, 12_340_000_000)] == ["$0.00", "$0.0050", "$12.34"]
    assert [every(s) for s in (DAY, WEEK, MONTH, 31 * DAY, 3 * HOUR)] == ["day", "week", "month", "month", "3 h"]
