"""Month's end and budgets, from the ledger's hourly sums: which series a forecast is made of, and what is said where there
is none. The arithmetic is in `forecast`. Pure: `now` is Unix time. Money is nano-dollars of what has a price: where some of
it has none, what is forecast is a lower bound too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Literal

from proxy.stores.insight.forecast import ENOUGH, Outlook, fit, project, runs_out
from proxy.stores.insight.lines import share
from proxy.stores.insight.periods import MAX_DAYS, Period, bounds, midnight, read_days, sum_since
from proxy.stores.ledger.contract import Row, Span

DAY = 86400


@dataclass(frozen=True, slots=True)
class Purse:
    """A budget to look ahead for: `limit` of `unit` a `per`, for what a `dimension` (key, tag, route, provider) uses."""

    dimension: str
    name: str
    unit: Literal["usd", "tokens"]
    limit: int
    per: Period
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Ahead:
    """One series. `outlook` None: too few whole days, `days`, to say anything but what was spent. `unpriced`: attempts since
    the period began that used tokens of unknown price."""

    name: str
    spent: int
    days: int
    unpriced: int
    outlook: Outlook | None

    @property
    def why_not(self) -> str:
        """Why there is no forecast; "" if there is one."""
        if self.outlook is not None:
            return ""
        return f"{ENOUGH} whole days are needed, there {'is' if self.days == 1 else 'are'} {self.days}"


@dataclass(frozen=True, slots=True)
class PurseAhead:
    """A budget's period ends when `end` begins (Unix time, midnight in its zone); `runs_out`: when it will be used up, None:
    not in this period, or nobody knows (`ahead.outlook` None)."""

    purse: Purse
    ahead: Ahead
    end: float
    runs_out: float | None

    @property
    def used(self) -> float:
        """The share that is spent."""
        return share(self.ahead.spent, self.purse.limit)

    @property
    def name(self) -> str:
        """Whose it is."""
        return f"{self.purse.dimension} {self.purse.name}"


@dataclass(frozen=True, slots=True)
class Forecast:
    """Until the month ends: when `end` begins, in UTC."""

    end: date
    total: Ahead
    routes: Sequence[Ahead]
    purses: Sequence[PurseAhead]


@dataclass(slots=True)
class Hours:
    """Cost, tokens and unpriced attempts by Unix hour, of one name."""

    cost: dict[int, int]
    tokens: dict[int, int]
    unpriced: dict[int, int]


def span_for(now: float) -> Span:
    """What has to be read: eight weeks, and the present month and week in any time zone."""
    return Span(int(now - (MAX_DAYS + 2) * DAY) * 1000, int(now * 1000) + 1)


def split_hours(rows: Iterable[Row], dimension: str) -> dict[str, Hours]:
    """Rows by `dimension` and hour, by name."""
    found: dict[str, Hours] = {}
    for row in rows:
        hours = found.setdefault(str(row[dimension]), Hours({}, {}, {}))
        hour = int(row["hour"] or 0)
        hours.cost[hour] = int(row["cost"] or 0)
        hours.tokens[hour] = int(row["input"] or 0) + int(row["output"] or 0)
        hours.unpriced[hour] = int(row["unpriced"] or 0)
    return found


def _merge(parts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    whole: dict[int, int] = {}
    for part in parts:
        for hour, amount in part.items():
            whole[hour] = whole.get(hour, 0) + amount
    return whole


def look_ahead(name: str, hours: Mapping[int, int], unpriced: Mapping[int, int], now: float) -> Ahead:
    """One series of money until the month ends."""
    first, end = bounds("month", now, UTC)
    start = midnight(first, UTC)
    days = read_days(hours, now, UTC)
    model, spent = fit(days), sum_since(hours, start)
    outlook = None if model is None else project(model, days, spent, now, end)
    return Ahead(name, spent, len(days.amounts), sum_since(unpriced, start), outlook)


def look_into(purse: Purse, hours: Hours, now: float) -> PurseAhead:
    """One budget until its period ends, at midnight in its own zone."""
    first, end = bounds(purse.per, now, purse.zone)
    start = midnight(first, purse.zone)
    money = purse.unit == "usd"
    amounts = hours.cost if money else hours.tokens
    days = read_days(amounts, now, purse.zone)
    model, spent = fit(days), sum_since(amounts, start)
    outlook = None if model is None else project(model, days, spent, now, end)
    empty = now if spent >= purse.limit else None
    if model is not None:
        empty = runs_out(model, days, purse.limit - spent, now, end)
    unpriced = sum_since(hours.unpriced, start) if money else 0
    ahead = Ahead(purse.name, spent, len(days.amounts), unpriced, outlook)
    return PurseAhead(purse, ahead, midnight(end, purse.zone), empty)


def make_forecast(
    by_route: Iterable[Row], now: float, purses: Sequence[Purse] = (), rows_of: Mapping[str, Iterable[Row]] | None = None
) -> Forecast:
    """`by_route`: sums by route and hour, over `span_for(now)`; `rows_of`: the same by each dimension that a budget has."""
    routes = split_hours(by_route, "route")
    whole = _merge(hours.cost for hours in routes.values())
    total = look_ahead("", whole, _merge(hours.unpriced for hours in routes.values()), now)
    each = [look_ahead(name, hours.cost, hours.unpriced, now) for name, hours in routes.items() if name]
    known = {dimension: split_hours(rows, dimension) for dimension, rows in (rows_of or {}).items()}
    nothing = Hours({}, {}, {})
    return Forecast(
        end=bounds("month", now, UTC)[1],
        total=total,
        routes=sorted(each, key=lambda ahead: (-(ahead.outlook.expected if ahead.outlook else ahead.spent), ahead.name)),
        purses=[look_into(purse, known.get(purse.dimension, {}).get(purse.name, nothing), now) for purse in purses],
    )


def show_moment(at: float, zone: tzinfo) -> str:
    """`2026-11-25 14:30 CET`."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M %Z")
