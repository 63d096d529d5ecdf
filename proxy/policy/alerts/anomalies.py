"""A rule over hours: does this one cost far more than its like?

Traffic has a week: what is usual on Monday at ten is a lot on Sunday at four. So an hour is held against the same hour of
earlier weeks, once there are three of them; until then against the same hour of earlier days, once there are seven; and
until then nothing is said. The usual is the median and its spread the median absolute deviation, which a few odd hours do
not move. Both the hour that has just ended and the one under way are looked at: it need not end to have cost too much.
Tokens are looked at where money is not unusual, since prices may be unknown. Hours are UTC.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from proxy.core.alarming import Severity, Thresholds
from proxy.policy.alerts.figures import Figures, Finding, Hours, HourSum
from proxy.policy.alerts.words import amount, clock

#: Makes the median absolute deviation of a normal distribution its standard deviation.
SCALE = 1.4826
WEEK = 168
WEEKS, DAYS = 3, 7
#: How far back anything is looked at.
HISTORY = 8 * WEEK


@dataclass(frozen=True, slots=True)
class Usual:
    """The median and scaled deviation of `count` hours like this one; `like` says how they are alike."""

    middle: float
    spread: float
    count: int
    like: str


def usual(hours: Hours, hour: int, read: Callable[[HourSum], int]) -> Usual | None:
    """What hours like this one are like; None: too little is known."""
    nothing = HourSum()
    for step, least, like in ((WEEK, WEEKS, "this hour of the week"), (24, DAYS, "this hour of the day")):
        known = [
            read(hours.sums.get(past, nothing))
            for past in range(hour - step, max(hours.first, hour - HISTORY - 1), -step)  # the first hour may not be whole
        ]
        if len(known) >= least:
            middle = median(known)
            return Usual(middle, SCALE * median(abs(value - middle) for value in known), len(known), like)
    return None


def describe_baseline(hours: Hours | None, now: float) -> str:
    """What spending is held against at `now` (Unix time)."""
    known = None if hours is None else usual(hours, int(now // 3600), lambda one: one.cost)
    if hours is None or known is None:
        days = 0 if hours is None else max(0, int(now // 3600) - hours.first) // 24
        return f"silent until the ledger has {DAYS} days ({days} so far)"
    return f"{known.like}, {known.count} of them" + ("" if "week" in known.like else f"; by the week from {WEEKS} weeks on")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is summed up by the hour: its name, its unit, how it is read, whose most of it is, from where on it counts."""

    subject: str
    unit: str
    read: Callable[[HourSum], int]
    route: Callable[[HourSum], str]
    floor: Callable[[Thresholds], int]


_KINDS = (
    _Kind("spend", "usd", lambda one: one.cost, lambda one: one.costliest, lambda thresholds: thresholds.spend_floor),
    _Kind("tokens", "tokens", lambda one: one.tokens, lambda one: one.busiest, lambda thresholds: thresholds.token_floor),
)


def unusual(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """An hour costs, or holds tokens, far beyond the usual."""
    if figures.hours is None:
        return
    latest = int(figures.now // 3600)
    for kind in _KINDS:
        for hour in (latest, latest - 1):
            finding = _judge(figures.hours, hour, kind, figures.now, thresholds)
            if finding is not None:
                yield finding
                return


def _judge(hours: Hours, hour: int, kind: _Kind, now: float, thresholds: Thresholds) -> Finding | None:
    known, here = usual(hours, hour, kind.read), hours.sums.get(hour)
    if known is None or here is None:
        return None
    limit = max(
        known.middle + thresholds.spend_deviations * known.spread,
        known.middle * thresholds.spend_factor,
        kind.floor(thresholds),
    )
    value = kind.read(here)
    if value <= limit:
        return None
    begins = hour * 3600.0
    part = "in one hour" if begins + 3600.0 <= now else "and the hour is not over"
    scale = 1e9 if kind.unit == "usd" else 1.0
    return Finding(
        subject=kind.subject,
        severity=Severity.WARNING,
        text=f"{amount(value, kind.unit)} since {clock(begins, now)}, {part}, most of it by route {kind.route(here)}; "
        f"{known.like} usually has {amount(known.middle, kind.unit)} (median of {known.count}); "
        f"told from {amount(limit, kind.unit)} on",
        since=begins,
        value=value / scale,
        threshold=limit / scale,
    )
