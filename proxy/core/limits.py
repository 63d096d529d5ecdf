"""What may be limited, by how much, and what is told when a budget moves.

Limits belong to *subjects*: a client key, a tag, a route, a provider. Rates (requests and tokens a minute, calls at a time)
are judged on the loop's clock, budgets (money or tokens a day, week or month) on the calendar of their time zone. Money is
nano-dollars. What follows from a limit is decided in `policy/allowances.py`; here are only the values.
"""

import enum
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Protocol, runtime_checkable

from proxy.core.usage import Price


class Scope(enum.StrEnum):
    """What kind of thing is limited."""

    KEY = "key"
    TAG = "tag"
    ROUTE = "route"
    PROVIDER = "provider"


#: A limited thing: `(Scope.KEY, "ci")`.
Subject = tuple[Scope, str]


class Unit(enum.StrEnum):
    """What a budget counts."""

    USD = "usd"  # in nano-dollars
    TOKENS = "tokens"


class Period(enum.StrEnum):
    """After which a budget is whole again: at local midnight, on Monday, on the first."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Unpriced(enum.StrEnum):
    """What a budget of money makes of a target whose price is not known: do not ask it, ask it for nothing, or take a price
    that the operator has named."""

    BLOCK = "block"
    ALLOW = "allow"
    ASSUME = "assume"


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute, tokens (in and out) a minute, calls at a time. None: no limit."""

    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """`amount` of `unit` may be used per period. `soft`: nobody is refused, it is only told. `low`: the used share from
    which on a route prefers its cheaper targets, the tier that `to` (a target id) stands in and those behind it. `assumed`:
    the price for `Unpriced.ASSUME`."""

    amount: int
    unit: Unit = Unit.USD
    per: Period = Period.MONTH
    zone: tzinfo = UTC
    soft: bool = False
    on_unpriced: Unpriced = Unpriced.BLOCK
    assumed: Price | None = None
    low: float = 1.0
    to: str | None = None

    @property
    def name(self) -> str:
        """What tells it from the other budgets of its subject: `usd a day`, `usd a day in Europe/Berlin`."""
        zone = str(self.zone)
        return f"{self.unit} a {self.per}" if zone == "UTC" else f"{self.unit} a {self.per} in {zone}"

    @property
    def kind(self) -> tuple[Unit, Period, str]:
        """Two budgets of one kind count the same."""
        return self.unit, self.per, str(self.zone)


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that limits one subject."""

    rates: Rates = Rates()
    budgets: tuple[Budget, ...] = ()

    @property
    def metered(self) -> bool:
        """Tokens or money are limited."""
        return bool(self.budgets) or self.rates.tpm is not None

    def __bool__(self) -> bool:
        return bool(self.budgets) or self.rates != Rates()


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """A budget now. `scope` is what it belongs to (`key ci`), `name` which of its budgets it is (`usd a day`). `spent` and
    `limit` are nano-dollars where `unit` is `usd`, else tokens; `reserved` is held for calls under way. Unix times."""

    name: str
    scope: str
    spent: int
    limit: int
    unit: str
    period_start: float
    period_end: float
    soft: bool = False
    reserved: int = 0

    @property
    def subject(self) -> str:
        """`key ci, usd a day`."""
        return f"{self.scope}, {self.name}"


class Level(enum.StrEnum):
    """How far a budget is used: above its `low` mark, or up."""

    LOW = "low"
    USED_UP = "used_up"


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """A budget has reached a level, told once per level and period. `at` in Unix time."""

    at: float
    level: Level
    standing: BudgetStanding


@runtime_checkable
class BudgetListener(Protocol):
    """A sink that also wants to hear of budgets. Must not block and must not raise."""

    def budget_reached(self, event: BudgetEvent) -> None: ...
