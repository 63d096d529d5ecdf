"""Days, weeks and months as people count them: in a time zone, from midnight, from Monday, from the first.

Times are Unix seconds. Amounts come by the hours that the ledger sums by, whole hours of UTC; each is counted into the local
day that it began in, so in zones that are half an hour off a day's edge is half an hour off too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

from proxy.core import limits
from proxy.policy.periods import find_period

Period = Literal["day", "week", "month"]
HOUR = 3600
FORMS = "a date, a time (UTC unless it says otherwise), or 30m, 24h, 7d, 4w (ago)"
_AGO = re.compile(r"([0-9]{1,6})([mhdw])")
_SECONDS = {"m": 60, "h": HOUR, "d": 24 * HOUR, "w": 7 * 24 * HOUR}
#: Older days say little about the next ones.
MAX_DAYS = 56


def read_moment(text: str, now: float) -> int:
    """Unix time in ms of `2026-11-25`, `2026-11-25T14:00`, `2026-11-25T14:00+01:00` (UTC where nothing is said) or `7d`
    (that long before `now`). ValueError."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return int((now - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def midnight(day: date, zone: tzinfo) -> float:
    return datetime.combine(day, time(), zone).timestamp()


def bounds(period: Period, now: float, zone: tzinfo) -> tuple[date, date]:
    """The period's first day, and the first day after it."""
    start, end = find_period(now, limits.Period(period), zone)
    return datetime.fromtimestamp(start, zone).date(), datetime.fromtimestamp(end, zone).date()


@dataclass(frozen=True, slots=True)
class Series:
    """Amounts (nano-dollars or tokens) of whole days, the oldest first, up to yesterday. `first`: the first one's date;
    `shares`: how a day is spread over its 24 local hours, together 1."""

    first: date
    amounts: tuple[int, ...]
    shares: tuple[float, ...]
    zone: tzinfo


def read_days(hours: Mapping[int, int], now: float, zone: tzinfo) -> Series:
    """Daily amounts of hourly ones (Unix hour to amount). The day in which the first amount fell is left out unless it began
    with it, since nobody knows what of it is missing; later days without any are days of 0."""
    today = datetime.fromtimestamp(now, zone).date()
    days: dict[date, int] = {}
    by_hour = [0] * 24
    first = today
    if hours:
        start = datetime.fromtimestamp(min(hours) * HOUR, zone)
        first = max(start.date() + timedelta(days=start.hour > 0), today - timedelta(days=MAX_DAYS))
    for hour, amount in hours.items():
        at = datetime.fromtimestamp(hour * HOUR, zone)
        day = at.date()
        if first <= day < today:
            days[day] = days.get(day, 0) + amount
            by_hour[at.hour] += amount
    total = sum(by_hour)
    shares = tuple(amount / total for amount in by_hour) if total else (1 / 24,) * 24
    length = max((today - first).days, 0)
    return Series(first, tuple(days.get(first + timedelta(days=n), 0) for n in range(length)), shares, zone)


def sum_since(hours: Mapping[int, int], start: float) -> int:
    """Amounts of the hours that began then or later."""
    return sum(amount for hour, amount in hours.items() if hour * HOUR >= start)
