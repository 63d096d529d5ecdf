"""One budget in its present period: what was spent, what is reserved, and whether something more fits.

Reserve, then settle: before a request goes out, what it may cost is set aside; afterwards what it did cost takes its place.
Something fits if it fits beside everything spent *and* reserved, so requests at the same time cannot all see the same last
dollar. What is given for nothing always fits.

Invariants: a reservation is settled once; one made in an earlier period touches the present one no more, since it belongs
to the period in which its call began; periods only follow one another, whatever the clock does.
"""

from proxy.core.limits import Budget, BudgetStanding, Level
from proxy.policy.periods import find_period


class Spending:
    """`start` and `end` of the period in Unix time."""

    __slots__ = ("_told", "budget", "end", "reserved", "spent", "start")

    def __init__(self, budget: Budget, wall: float) -> None:
        self.budget = budget
        self.start, self.end = find_period(wall, budget.per, budget.zone)
        self.spent = 0
        self.reserved = 0
        self._told: frozenset[Level] = frozenset()

    def __repr__(self) -> str:
        return f"<Spending {self.spent}+{self.reserved} of {self.budget.amount} {self.budget.name}>"

    def roll(self, wall: float) -> None:
        """Begin a new period if the present one is over."""
        if wall >= self.end:
            self.start, self.end = find_period(wall, self.budget.per, self.budget.zone)
            self.spent = self.reserved = 0
            self._told = frozenset()

    @property
    def left(self) -> int:
        """Not spent and not reserved; below 0 where more was spent than was reserved for it."""
        return self.budget.amount - self.spent - self.reserved

    def fits(self, amount: int, wall: float) -> bool:
        """May so much be set aside now?"""
        self.roll(wall)
        return self.budget.soft or amount == 0 or amount <= self.left

    def frees(self, amount: int) -> bool:
        """Would it fit, were it not for what is reserved and may come back?"""
        return amount <= self.budget.amount - self.spent

    def is_low(self, wall: float) -> bool:
        """Is so much used, or reserved, that cheaper targets should be preferred?"""
        self.roll(wall)
        return self.spent + self.reserved >= self.budget.low * self.budget.amount

    def reserve(self, amount: int, wall: float) -> float:
        """Set aside; the period's start, which `settle` wants back."""
        self.roll(wall)
        self.reserved += amount
        return self.start

    def settle(self, start: float, reserved: int, spent: int) -> None:
        """What was set aside in the period of this `start` has come to `spent`."""
        if start == self.start:
            self.reserved -= reserved
            self.spent += spent

    def restore(self, start: float, spent: int) -> None:
        """Add what was spent in the period of this `start` before this process could count."""
        if start == self.start:
            self.spent += spent

    def reached(self) -> Level | None:
        """The highest level that what was spent has reached, once per level and period."""
        budget = self.budget
        if self.spent < budget.low * budget.amount:
            return None
        level = Level.USED_UP if self.spent >= budget.amount else Level.LOW
        if level in self._told:
            return None
        self._told |= {level}
        return level

    def standing(self, scope: str) -> BudgetStanding:
        """As it is shown."""
        budget = self.budget
        return BudgetStanding(
            name=budget.name,
            scope=scope,
            spent=self.spent,
            limit=budget.amount,
            unit=budget.unit.value,
            period_start=self.start,
            period_end=self.end,
            soft=budget.soft,
            reserved=self.reserved,
        )
