"""Where a period will end: what was spent, and what the rest of it will cost, with a band that holds four times out of five.

Fewer than three whole days give no forecast. From three on, each day to come is expected to cost what the days so far did on
average. From two weeks on weekdays are told apart by classical multiplicative decomposition (ratios to a centred moving
average of seven days; their medians, so that one odd Sunday is no season), and what grows or falls goes on doing so: the
slope is Theil and Sen's median of all slopes between two days, drawn towards none as far as the noise would make one by
chance (ridge; growth of about 1 % a day is nothing unusual). A day further than three robust standard deviations (MAD) off
counts as if it stood there.

The band is Student's t interval of a sum of days to come: their own noise, the error of the level (and of the slope) that
they share, and more of both where days resemble the day before (lag-1 correlation). Hyndman and Athanasopoulos,
"Forecasting: Principles and Practice" (3rd ed.), 3.4 on decomposition, 5.5 on intervals; Sen, JASA 63 (1968), on the slope.

Amounts are integers of any unit. Nothing is known here of prices, holidays or why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations, pairwise
from statistics import fmean, median

from proxy.stores.insight.periods import HOUR, Series, midnight

ENOUGH = 3
WEEKS = 14
#: 90 % quantiles of Student's t by degrees of freedom, from 1; beyond, the normal one. Abramowitz and Stegun, table 26.10.
T90 = (
    3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.350, 1.345, 1.341,
    1.337, 1.333, 1.330, 1.328, 1.325, 1.323, 1.321, 1.319, 1.318, 1.316, 1.315, 1.314, 1.313, 1.311, 1.310,
)  # fmt: skip
NORMAL90 = 1.282
#: A standard deviation in median absolute deviations, of normal noise.
MAD = 1.4826
OUTLIER = 3.0
#: Growth or decline a day that surprises nobody, as a part of the level.
USUAL_GROWTH = 0.01
#: What a slope has to be in its own standard errors to be spoken of.
NOTABLE = 2.0
#: Weekdays with less than this part of the usual say nothing about the level.
QUIET = 0.1
#: With less than two weeks nobody knows what a weekend does: the noise is taken for at least this part of the level.
UNSURE = 0.1
MOST_ALIKE = 0.7


@dataclass(frozen=True, slots=True)
class Model:
    """How days go: a level, its change a day, a factor for each weekday (0: Monday), noise. Day 0 is the first one known.
    `alike`: correlation of a day's noise with the day's before; `doubt`: standard error of the slope."""

    days: int
    weekday: int
    level: float
    slope: float
    seasons: tuple[float, ...]
    noise: float
    freedom: int
    alike: float = 0.0
    doubt: float = 0.0

    def season(self, day: int) -> float:
        return self.seasons[(self.weekday + day) % 7]

    def expect(self, day: int) -> float:
        """The amount of a day by its number. Never negative."""
        return self.season(day) * max(self.level + self.slope * day, 0.0)

    def half_band(self, parts: Sequence[tuple[int, float]]) -> float:
        """Half of the 80 % interval of the sum of these days, each (number, part of it: 0 to 1)."""
        weights = [self.season(day) * part for day, part in parts]
        middle = (self.days - 1) / 2
        own = sum(self.season(day) ** 2 * part for day, part in parts)
        shared = sum(weights) ** 2 / self.days
        lever = sum(weight * (day - middle) for weight, (day, _) in zip(weights, parts, strict=True))
        variance = self.noise**2 * (own + shared) * inflation(self.alike) + (self.doubt * lever) ** 2
        quantile = T90[self.freedom - 1] if self.freedom <= len(T90) else NORMAL90
        return quantile * math.sqrt(variance)

    @property
    def method(self) -> str:
        """In words, for whoever looks at a forecast."""
        if self.days < WEEKS:
            return f"average of {self.days} days; weekdays are told apart from {WEEKS} days on"
        trend = "level" if abs(self.slope) <= NOTABLE * self.doubt else "rising" if self.slope > 0 else "falling"
        return f"weekdays of {self.days} days, {trend}"


def inflation(alike: float) -> float:
    """How much more a sum varies whose parts resemble each other (first-order autoregression)."""
    return (1 + alike) / (1 - alike)


def _squares(days: int) -> float:
    """Sum of squared distances of 0…days-1 from their middle."""
    return days * (days**2 - 1) / 12


def find_seasons(amounts: Sequence[int], weekday: int) -> tuple[float, ...]:
    """A factor for each weekday, 1 on average. `weekday`: of the first amount. At least two weeks of them."""
    ratios: list[list[float]] = [[] for _ in range(7)]
    for day in range(3, len(amounts) - 3):
        around = fmean(amounts[day - 3 : day + 4])
        if around:
            ratios[(weekday + day) % 7].append(amounts[day] / around)
    factors = [median(found) if found else 1.0 for found in ratios]
    mean = fmean(factors)
    return tuple(factor / mean for factor in factors) if mean else (1.0,) * 7


def _tame(values: list[float]) -> list[float]:
    """Outliers brought in to three robust standard deviations. Where most values are equal there is no measure for it."""
    middle = median(values)
    reach = OUTLIER * MAD * median(abs(value - middle) for value in values)
    return [min(max(value, middle - reach), middle + reach) for value in values] if reach else values


def _resemblance(residuals: Sequence[float]) -> float:
    total = sum(r * r for r in residuals)
    if not total:
        return 0.0
    found = sum(a * b for a, b in pairwise(residuals)) / total
    return min(max(found, 0.0), MOST_ALIKE)


def fit(series: Series) -> Model | None:
    """How these days go; None: there are too few of them."""
    amounts, days = series.amounts, len(series.amounts)
    if days < ENOUGH:
        return None
    weekday = series.first.weekday()
    if days < WEEKS:
        values = _tame([float(amount) for amount in amounts])
        level = fmean(values)
        noise = math.sqrt(sum((value - level) ** 2 for value in values) / (days - 1))
        return Model(days, weekday, level, 0.0, (1.0,) * 7, max(noise, UNSURE * level), days - 1)
    seasons = find_seasons(amounts, weekday)
    factors = [seasons[(weekday + day) % 7] for day in range(days)]
    points = [(day, amounts[day] / factors[day]) for day in range(days) if factors[day] > QUIET]
    steep = median((b - a) / (t - s) for (s, a), (t, b) in combinations(points, 2))
    rough = _level(points, steep)
    chance = rough[1] ** 2 * inflation(rough[2]) / _squares(days)
    usual = (USUAL_GROWTH * fmean(amounts)) ** 2
    trust = usual / (usual + chance) if chance else 1.0
    slope = trust * steep
    level, noise, alike = _level(points, slope)
    return Model(days, weekday, level, slope, seasons, noise, _freedom(len(points)), alike, math.sqrt(trust * chance))


def _freedom(points: int) -> int:
    """Values less what was estimated from them: level, slope, six weekdays."""
    return max(points - 8, 1)


def _level(points: Sequence[tuple[int, float]], slope: float) -> tuple[float, float, float]:
    """Level at day 0, noise, resemblance of one day to the next."""
    values = _tame([value - slope * day for day, value in points])
    level = fmean(values)
    residuals = [value - level for value in values]
    return level, math.sqrt(sum(r * r for r in residuals) / _freedom(len(points))), _resemblance(residuals)


@dataclass(frozen=True, slots=True)
class Outlook:
    """`spent` so far, and what it will be at the end: expected, and the band that holds four times out of five."""

    spent: int
    expected: int
    low: int
    high: int
    method: str


def day_left(series: Series, now: float) -> float:
    """The part of today that is still to come, by the hours in which money is usually spent."""
    at = datetime.fromtimestamp(now, series.zone)
    return sum(series.shares[at.hour + 1 :]) + series.shares[at.hour] * (1 - (at.minute * 60 + at.second) / HOUR)


def _rest(series: Series, now: float, end: date) -> list[tuple[int, float]]:
    """The days to come, today's rest first, by number and part."""
    today = datetime.fromtimestamp(now, series.zone).date()
    number = (today - series.first).days
    return [(number, day_left(series, now)), *((number + n, 1.0) for n in range(1, (end - today).days))]


def project(model: Model, series: Series, spent: int, now: float, end: date) -> Outlook:
    """The amount of a period that ends when `end` begins."""
    parts = _rest(series, now, end)
    rest = sum(model.expect(day) * part for day, part in parts)
    half = model.half_band(parts)
    return Outlook(spent, spent + round(rest), spent + round(max(rest - half, 0)), spent + round(rest + half), model.method)


def runs_out(model: Model, series: Series, left: int, now: float, end: date) -> float | None:
    """When `left` will have been spent, hour by hour (Unix time); None: not before `end` begins."""
    if left <= 0:
        return now
    at, limit, rest = now, midnight(end, series.zone), float(left)
    while at < limit:
        local = datetime.fromtimestamp(at, series.zone)
        hour_ends = min((at // HOUR + 1) * HOUR, limit)
        day = (local.date() - series.first).days
        amount = model.expect(day) * series.shares[local.hour] * (hour_ends - at) / HOUR
        if amount >= rest:
            return at + (hour_ends - at) * rest / amount
        rest -= amount
        at = hour_ends
    return None
