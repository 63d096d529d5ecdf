"""Forecasts of series whose future is known, and the band's promise."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from proxy.stores.insight.forecast import ENOUGH, T90, Model, fit, project, runs_out
from proxy.stores.insight.periods import HOUR, Series, bounds, midnight, read_days, sum_since

MONDAY = date(2026, 6, 1)
EVEN = (1 / 24,) * 24
BERLIN = ZoneInfo("Europe/Berlin")


def series(*amounts: int, first: date = MONDAY) -> Series:
    return Series(first, amounts, EVEN, UTC)


def after(days: Series, hour: int = 0) -> float:
    """So late in the day after the last known one."""
    return midnight(days.first + timedelta(days=len(days.amounts)), UTC) + hour * HOUR


def hours_of(*amounts: int, first: date = MONDAY, at: tuple[int, ...] = (12,), zone=UTC) -> dict[int, int]:
    """Each day's amount, in equal parts at these hours."""
    found = {}
    for n, amount in enumerate(amounts):
        for hour in at:
            found[int(midnight(first + timedelta(days=n), zone)) // HOUR + hour] = amount // len(at)
    return found


class TestPeriods:
    @pytest.mark.parametrize(
        ("period", "first", "end"),
        [
            ("day", date(2026, 12, 31), date(2027, 1, 1)),
            ("week", date(2026, 12, 28), date(2027, 1, 4)),
            ("month", date(2026, 12, 1), date(2027, 1, 1)),
        ],
    )
    def test_bounds(self, period, first, end) -> None:
        assert bounds(period, datetime(2026, 12, 31, 15, tzinfo=UTC).timestamp(), UTC) == (first, end)

    def test_a_budgets_day_ends_at_midnight_of_its_own_zone(self) -> None:
        late = datetime(2026, 6, 1, 22, 30, tzinfo=UTC).timestamp()  # half past midnight in Berlin
        assert bounds("day", late, BERLIN) == (date(2026, 6, 2), date(2026, 6, 3))
        assert midnight(date(2026, 6, 3), BERLIN) == datetime(2026, 6, 2, 22, tzinfo=UTC).timestamp()

    def test_a_day_that_began_with_nothing_known_is_no_whole_day(self) -> None:
        now = midnight(date(2026, 6, 5), UTC) + 1
        assert read_days(hours_of(7, 8, 9, at=(0,)), now, UTC).amounts == (7, 8, 9, 0)
        assert read_days(hours_of(7, 8, 9, at=(1,)), now, UTC).amounts == (8, 9, 0)
        assert read_days({}, now, UTC).amounts == ()

    def test_today_is_not_whole_and_hours_have_shares(self) -> None:
        hours = hours_of(100, 100, 100, at=(0, 9, 10, 11))
        days = read_days(hours, midnight(MONDAY + timedelta(days=2), UTC) + 10 * HOUR, UTC)
        assert days.amounts == (100, 100)
        assert days.shares[9] == 0.25
        assert days.shares[12] == 0
        assert sum_since(hours, midnight(MONDAY + timedelta(days=2), UTC)) == 100

    def test_only_the_last_eight_weeks_count(self) -> None:
        days = read_days(hours_of(*range(100), at=(0,)), midnight(MONDAY + timedelta(days=100), UTC), UTC)
        assert days.amounts == tuple(range(44, 100))


class TestFit:
    @pytest.mark.parametrize("days", range(ENOUGH))
    def test_too_few_days_give_nothing(self, days: int) -> None:
        assert fit(series(*[5] * days)) is None

    def test_flat(self) -> None:
        model = fit(series(*[700] * 28))
        assert model is not None
        assert (round(model.level), model.slope, model.noise, set(model.seasons)) == (700, 0.0, 0.0, {1.0})
        assert model.method == "weekdays of 28 days, level"

    def test_weekdays_are_learned_exactly_even_where_weekends_are_silent(self) -> None:
        week = (100, 110, 120, 130, 140, 10, 0)
        model = fit(series(*week * 4, first=MONDAY + timedelta(days=2)))
        assert model is not None
        assert [round(model.expect(day), 6) for day in range(28, 35)] == list(week)
        assert model.noise == pytest.approx(0, abs=1e-9)

    def test_growth_goes_on(self) -> None:
        model = fit(series(*[1000 + 50 * n for n in range(28)]))
        assert model is not None
        assert model.method.endswith("rising")
        assert model.expect(35) == pytest.approx(1000 + 50 * 35, rel=0.02)

    def test_decline_ends_at_nothing(self) -> None:
        model = fit(series(*[2800 - 100 * n for n in range(28)]))
        assert model is not None
        assert model.method.endswith("falling")
        assert model.expect(60) == 0

    def test_one_wild_day_moves_little(self) -> None:
        rng = Random(4)
        calm = [round(rng.gauss(1000, 50)) for _ in range(28)]
        wild = [*calm[:20], 60_000, *calm[21:]]
        one, other = fit(series(*calm)), fit(series(*wild))
        assert one is not None
        assert other is not None
        assert other.expect(28) == pytest.approx(one.expect(28), rel=0.1)

    def test_noise_without_a_trend_is_called_level(self) -> None:
        rng = Random(5)
        models = [fit(series(*[round(rng.gauss(1000, 200)) for _ in range(28)])) for _ in range(100)]
        assert sum(1 for model in models if model is not None and model.method.endswith("level")) > 85

    def test_nothing_at_all_stays_nothing(self) -> None:
        model = fit(series(*[0] * 20))
        assert model is not None
        assert (model.expect(25), model.half_band([(20, 1.0)])) == (0, 0)

    def test_few_days_promise_no_precision(self) -> None:
        model = fit(series(500, 500, 500))
        assert model is not None
        assert model.method == "average of 3 days; weekdays are told apart from 14 days on"
        assert model.half_band([(3, 1.0)]) == pytest.approx(T90[1] * 50 * (1 + 1 / 3) ** 0.5)

    def test_many_days_use_the_normal_quantile(self) -> None:
        assert Model(50, 0, 1.0, 0.0, (1.0,) * 7, 1.0, 42).half_band([(50, 1.0)]) == pytest.approx(1.282 * 1.02**0.5)


class TestProject:
    def test_month_end_of_a_flat_series(self) -> None:
        days = series(*[1000] * 15)
        model = fit(days)
        assert model is not None
        found = project(model, days, 15_000 + 500, after(days, 12), date(2026, 7, 1))
        assert (found.spent, found.expected, found.low, found.high) == (15_500, 30_000, 30_000, 30_000)

    def test_on_the_last_day_only_its_rest_is_to_come(self) -> None:
        days = series(*[2400] * 29)
        model = fit(days)
        assert model is not None
        assert project(model, days, 69_600, after(days, 18), date(2026, 7, 1)).expected == 69_600 + 600

    @pytest.mark.parametrize("weekend", [1.0, 0.2])
    @pytest.mark.parametrize("known", [10, 21, 42])
    @pytest.mark.parametrize("growth", [0.0, 0.01])
    def test_the_band_holds_about_four_times_out_of_five(self, weekend: float, known: int, growth: float) -> None:
        """With less than two weeks weekdays and growth cannot be told: there only the flat series keeps the promise."""
        if known < 14 and (growth or weekend != 1.0):
            weekend, growth = 1.0, 0.0
        rng, held, rounds = Random(known), 0, 300
        for _ in range(rounds):
            truth = [
                round(1e6 * (1 + growth * n) * (weekend if n % 7 > 4 else 1.0) * max(rng.gauss(1, 0.2), 0))
                for n in range(known + 15)
            ]
            days = series(*truth[:known])
            model = fit(days)
            assert model is not None
            found = project(model, days, 0, after(days), days.first + timedelta(days=known + 15))
            held += found.low <= sum(truth[known:]) <= found.high
        assert 0.7 <= held / rounds <= 0.93, held / rounds

    def test_the_band_holds_where_days_resemble_each_other(self) -> None:
        rng, held, rounds = Random(9), 0, 300
        for _ in range(rounds):
            drift, truth = 0.0, []
            for _ in range(57):
                drift = 0.5 * drift + rng.gauss(0, 0.15)
                truth.append(round(1e6 * max(1 + drift, 0)))
            days = series(*truth[:42])
            model = fit(days)
            assert model is not None
            found = project(model, days, 0, after(days), days.first + timedelta(days=57))
            held += found.low <= sum(truth[42:]) <= found.high
        assert 0.65 <= held / rounds <= 0.93, held / rounds


class TestBudgetsEnd:
    def test_a_daily_budget_runs_out_at_an_hour_or_lasts_until_midnight(self) -> None:
        days = series(*[2400] * 14)
        model = fit(days)
        assert model is not None
        now, end = after(days, 10), days.first + timedelta(days=15)
        assert runs_out(model, days, 250, now, end) == pytest.approx(now + 2.5 * HOUR)
        assert runs_out(model, days, 1500, now, end) is None
        assert runs_out(model, days, 0, now, end) == now

    def test_midnight_is_that_of_the_budgets_zone(self) -> None:
        """litellm #31934: a daily budget must be projected to its own midnight, not to the month's end."""
        zone = ZoneInfo("America/New_York")
        hours = hours_of(*[2400] * 14, at=tuple(range(24)), zone=zone)
        now = midnight(MONDAY + timedelta(days=14), zone) + 20 * HOUR
        days = read_days(hours, now, zone)
        model = fit(days)
        assert model is not None
        first, end = bounds("day", now, zone)
        assert (first, end) == (MONDAY + timedelta(days=14), MONDAY + timedelta(days=15))
        found = project(model, days, 2000, now, end)
        assert found.expected == 2400, "four hours at 100"
        assert runs_out(model, days, 399, now, end) == pytest.approx(midnight(end, zone) - 36)

    def test_a_month_runs_out_on_the_day(self) -> None:
        days = series(*[1000] * 14)
        model = fit(days)
        assert model is not None
        at = runs_out(model, days, 5500, after(days), date(2026, 7, 1))
        assert at is not None
        assert datetime.fromtimestamp(at, UTC) == datetime(2026, 6, 20, 12, tzinfo=UTC)
