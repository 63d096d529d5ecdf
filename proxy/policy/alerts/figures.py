"""What the rules look at, and what they say: one value of each, made anew at every look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.core.alarming import IncidentNotice, Severity
from proxy.core.limits import BudgetStanding

#: Spans over which a budget's pace is measured, in seconds.
FIVE_MINUTES, HALF_HOUR, HOUR, SIX_HOURS = 300.0, 1800.0, 3600.0, 21600.0
SPANS = (FIVE_MINUTES, HALF_HOUR, HOUR, SIX_HOURS)


@dataclass(frozen=True, slots=True)
class BudgetPace:
    """A budget, and how much of it went a second over each of `SPANS`."""

    standing: BudgetStanding
    paces: Mapping[float, float]


@dataclass(frozen=True, slots=True)
class HourSum:
    """What one hour cost (nano-dollars), its tokens, and which route took most of each."""

    cost: int = 0
    tokens: int = 0
    costliest: str = ""
    busiest: str = ""


@dataclass(frozen=True, slots=True)
class Hours:
    """Sums by hour (Unix time / 3600), the first one being the oldest there is. Hours without traffic are missing."""

    first: int
    sums: Mapping[int, HourSum]


@dataclass(frozen=True, slots=True)
class Outage:
    """A target or a credential that cannot be used: since when (Unix time) and why. `stranded`: routes that have no other
    target left."""

    subject: str
    provider: str
    since: float
    cause: str
    stranded: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """The last hour of a target: tokens, how many of them we had to estimate, attempts that used tokens, and those of them
    whose price is unknown."""

    target: str
    tokens: int = 0
    estimated: int = 0
    attempts: int = 0
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class LedgerStanding:
    """`state`: `ok`, `spilling` or `losing`. `since`: of that state."""

    state: str
    since: float
    waiting: int = 0
    lost: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A configuration that was not taken, and why."""

    since: float
    error: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything at one moment (`now`, Unix time)."""

    now: float
    budgets: Sequence[BudgetPace] = ()
    hours: Hours | None = None
    targets: Sequence[Outage] = ()
    credentials: Sequence[Outage] = ()
    traffic: Sequence[Traffic] = ()
    ledger: LedgerStanding | None = None
    rejection: Rejection | None = None
    incidents: Sequence[IncidentNotice] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule saw about one subject. `text` is a sentence without its full stop: what, since when, from where on it
    counts. `step` rises when it gets worse, which is worth another message. `anchor`: what tells this occurrence from later
    ones, wherever and however often it is found (a budget's period); None: when it was first seen."""

    subject: str
    severity: Severity
    text: str
    since: float
    step: int = 1
    provider: str = ""
    value: float | None = None
    threshold: float | None = None
    anchor: float | None = None
