"""When a budget's day, week or month begins and ends, on the calendar of its time zone.

Days are the zone's own: 23 or 25 hours long where clocks change. A day begins at its first instant: where midnight does not
exist (clocks go forward at midnight) at the change, where it comes twice at the first one. Weeks begin on Monday (ISO 8601).

Refuses to know the clock, and where zones come from.
"""

from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from proxy.core.limits import Period


@lru_cache(maxsize=64)  # a reload asks for the same moment once for every budget there is
def find_period(wall: float, per: Period, zone: tzinfo) -> tuple[float, float]:
    """Unix times (start, end) of the period that `wall` falls into; start <= wall < end."""
    today = datetime.fromtimestamp(wall, zone).date()
    if per is Period.DAY:
        first, after = today, today + timedelta(days=1)
    elif per is Period.WEEK:
        first = today - timedelta(days=today.weekday())
        after = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    return _beginning(first, zone), _beginning(after, zone)


def _beginning(day: date, zone: tzinfo) -> float:
    # fold=0 is the first of two midnights; one that is skipped is read with the offset before the change, and is the change.
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
