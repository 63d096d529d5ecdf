"""The live limits of one subject (a key, a tag, a route, a provider), and whether a request fits into all of them.

Two moments are gated. A call is *let in* once: requests a minute and calls at a time. Each attempt is *charged* by itself,
since every target has a price of its own: tokens a minute and budgets, set aside first and settled when it is known what was
used (`Charge`). A provider is let in and charged with each attempt.

A refusal is a `Shortage`: an admission that says which limit it was and when it makes sense to ask again. Exact where the
window or the calendar says it; a second where it depends on others (a free place, a reservation that may come back).

Refuses to know who asks which allowances (`pipeline/gate.py`), clocks, and how tokens become money.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from proxy.core.limits import Budget, BudgetStanding, Level, Limits, Subject, Unit, Unpriced
from proxy.core.outcome import OutcomeKind
from proxy.core.usage import Price
from proxy.policy.rates import RateWindow, Step
from proxy.policy.spending import Spending
from proxy.policy.targets import Admission, Verdict

#: Seconds after which something that others hold may be free again.
SOON = 1.0


@dataclass(slots=True)
class Quantity:
    """What an attempt uses, or may use. `cost` in nano-dollars, None: its price is not known; then `cost_at` says what
    a price would make of it."""

    tokens: int
    cost: int | None
    cost_at: Callable[[Price], int]


@dataclass(slots=True)
class Moment:
    """Now, on the loop's clock and on the calendar (Unix time)."""

    loop: float
    wall: float


@dataclass(slots=True)
class Shortage(Admission):
    """Which limit refuses: whose it is, its name (`rpm`, `tpm`, `concurrent`, `usd a day`) and how much it allows
    (nano-dollars for money). `until` is loop time; None: asking again will not help."""

    subject: Subject | None = None
    limit: str = ""
    amount: int = 0


@dataclass(slots=True)
class Charge:
    """What one attempt has set aside at one allowance: tokens in a `step` of the window, and of each budget an amount, in
    the period that began at that time."""

    allowance: "Allowance"
    step: Step | None
    tokens: int
    held: list[tuple[Spending, float, int]]


def later(one: Shortage | None, other: Shortage | None) -> Shortage | None:
    """Of two limits that both have to have room, the one that keeps the caller out longer."""
    if one is None or other is None:
        return one or other
    if one.until is None or (other.until is not None and one.until >= other.until):
        return one
    return other


def amount_of(budget: Budget, quantity: Quantity) -> int | None:
    """A quantity in a budget's unit; None: it has no price, and the budget wants one."""
    if budget.unit is Unit.TOKENS:
        return quantity.tokens
    if quantity.cost is not None:
        return quantity.cost
    if budget.assumed is not None:
        return quantity.cost_at(budget.assumed)
    return 0 if budget.soft or budget.on_unpriced is Unpriced.ALLOW else None


class Allowance:
    """One subject's limits and what has been used of them. `running`: calls, of a provider attempts, under way. `metered`:
    it limits tokens or money, so that attempts are charged."""

    __slots__ = ("_requests", "_tokens", "budgets", "limits", "metered", "running", "subject")

    def __init__(self, subject: Subject, limits: Limits, wall: float) -> None:
        self.subject = subject
        self.limits = limits
        self.metered = limits.metered
        self.running = 0
        self._requests = RateWindow()
        self._tokens = RateWindow()
        self.budgets = tuple(Spending(budget, wall) for budget in limits.budgets)

    def __repr__(self) -> str:
        return f"<Allowance {self.name}, {self.running} running, {list(self.budgets)}>"

    @property
    def name(self) -> str:
        return f"{self.subject[0]} {self.subject[1]}"

    def renew(self, limits: Limits, wall: float) -> None:
        """Other limits for what was used: budgets of a kind that was there go on counting, new ones begin at 0."""
        known = {spending.budget.kind: spending for spending in self.budgets}
        fresh = []
        for budget in limits.budgets:
            spending = known.get(budget.kind)
            if spending is None:
                spending = Spending(budget, wall)
            spending.budget = budget
            fresh.append(spending)
        self.limits = limits
        self.metered = limits.metered
        self.budgets = tuple(fresh)

    # Calls.

    def lacks_room(self, now: float) -> Shortage | None:
        """Why no further call may be let in now; changes nothing."""
        rates = self.limits.rates
        short = None
        if rates.concurrent is not None and self.running >= rates.concurrent:
            cause = f"{self.name} has {self.running} requests under way, its limit"
            short = self._short(cause, now + SOON, "concurrent", rates.concurrent)
        if rates.rpm is not None:
            wait = self._requests.wait(1, rates.rpm, now)
            if wait > 0:
                cause = f"{self.name} is at its limit of {rates.rpm} requests a minute"
                short = later(short, self._short(cause, now + wait, "rpm", rates.rpm))
        return short

    def enter(self, now: float) -> None:
        """A call is let in; it has to `leave` once."""
        self.running += 1
        if self.limits.rates.rpm is not None:
            self._requests.add(1, now)

    def leave(self) -> None:
        self.running -= 1

    # Attempts.

    def lacks_means(self, quantity: Quantity, at: Moment) -> Shortage | None:
        """Why so much may not be used now; changes nothing."""
        tpm = self.limits.rates.tpm
        short = None
        if tpm is not None:
            wait = self._tokens.wait(quantity.tokens, tpm, at.loop)
            if wait > 0:
                cause = f"{self.name} is at its limit of {tpm} tokens a minute"
                short = self._short(cause, at.loop + wait, "tpm", tpm)
        for spending in self.budgets:
            short = later(short, self._lacks_money(spending, amount_of(spending.budget, quantity), at))
        return short

    def _lacks_money(self, spending: Spending, amount: int | None, at: Moment) -> Shortage | None:
        budget = spending.budget
        if amount is None:
            cause = f"{self.name} has a budget in money, and the price of this target is not known"
            return self._spent(cause, None, budget)
        if spending.fits(amount, at.wall):
            return None
        if spending.frees(amount):
            cause = f"what is left of the budget of {self.name} is reserved for requests under way"
            return self._short(cause, at.loop + SOON, budget.name, budget.amount)
        left = max(budget.amount - spending.spent, 0)
        cause = (
            f"the budget of {self.name} ({show(budget, budget.amount)} a {budget.per}) has {show(budget, left)} left, "
            f"and this request may use {show(budget, amount)}"
        )
        # More than the whole budget fits into no period.
        until = None if amount > budget.amount else at.loop + spending.end - at.wall
        return self._spent(cause, until, budget)

    def charge(self, quantity: Quantity, at: Moment) -> Charge:
        """Set aside what `lacks_means` has found to fit."""
        step = None if self.limits.rates.tpm is None else self._tokens.add(quantity.tokens, at.loop)
        held = []
        for spending in self.budgets:
            amount = amount_of(spending.budget, quantity) or 0
            held.append((spending, spending.reserve(amount, at.wall), amount))
        return Charge(self, step, quantity.tokens, held)

    def settle(self, charge: Charge, used: Quantity | None, now: float) -> list[tuple[Level, BudgetStanding]]:
        """What was set aside has come to this (None: to nothing); gives the levels that budgets have reached by it."""
        told = []
        tokens = used.tokens if used is not None else 0
        if charge.step is not None:
            spare = charge.tokens - tokens
            if spare >= 0:
                self._tokens.give_back(charge.step, spare)
            else:
                self._tokens.add(-spare, now)
        for spending, start, reserved in charge.held:
            spending.settle(start, reserved, 0 if used is None else amount_of(spending.budget, used) or 0)
            level = spending.reached()
            if level is not None:
                told.append((level, spending.standing(self.name)))
        return told

    # Views.

    def rate_view(self, now: float) -> Mapping[str, tuple[int, int, float]]:
        """`requests` and `tokens`, as far as they are limited: (limit, left, seconds until all of it is free again)."""
        view = {}
        rates = self.limits.rates
        for name, limit, window in (("requests", rates.rpm, self._requests), ("tokens", rates.tpm, self._tokens)):
            if limit is not None:
                view[name] = (limit, max(limit - window.used(now), 0), window.reset_after(now))
        return view

    def standings(self, wall: float, used: bool = False) -> Iterator[BudgetStanding]:
        """Its budgets as they stand; `used`: only those of which something is used."""
        for spending in self.budgets:
            spending.roll(wall)
            if spending.spent or spending.reserved or not used:
                yield spending.standing(self.name)

    def _short(self, cause: str, until: float, limit: str, amount: int) -> Shortage:
        return Shortage(Verdict.HELD, cause, None, until, OutcomeKind.RATE_LIMITED, self.subject, limit, amount)

    def _spent(self, cause: str, until: float | None, budget: Budget) -> Shortage:
        kind = OutcomeKind.QUOTA_EXHAUSTED
        return Shortage(Verdict.HELD, cause, None, until, kind, self.subject, budget.name, budget.amount)


def show(budget: Budget, amount: int) -> str:
    """An amount for people: `$12.5`, `1,200 tokens`."""
    return f"{amount:,} tokens" if budget.unit is Unit.TOKENS else f"${amount / 1e9:.6g}"
