"""One budget: reserved, settled, whole again with each period; and that nothing is lost or counted twice."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.core.limits import Budget, BudgetStanding, Level, Period, Unit
from proxy.policy.spending import Spending

DAY = 86400.0
NOON = 20000 * DAY + DAY / 2


def make(amount: int = 100, **more: object) -> Spending:
    return Spending(Budget(amount, per=Period.DAY, **more), NOON)  # type: ignore[arg-type]


def test_reserve_then_settle() -> None:
    spending = make()
    start = spending.reserve(60, NOON)
    assert (spending.left, spending.fits(40, NOON), spending.fits(41, NOON)) == (40, True, False)
    assert spending.frees(41), "which may come back"
    spending.settle(start, 60, 25)
    assert (spending.spent, spending.reserved, spending.left) == (25, 0, 75)
    assert not spending.frees(76)
    assert repr(spending) == "<Spending 25+0 of 100 usd a day>"


def test_what_costs_nothing_always_fits() -> None:
    spending = make()
    spending.settle(spending.reserve(0, NOON), 0, 500)
    assert spending.left == -400
    assert spending.fits(0, NOON)
    assert not spending.fits(1, NOON)


def test_a_soft_budget_refuses_nobody() -> None:
    spending = make(soft=True)
    spending.restore(spending.start, 500)
    assert spending.fits(10**9, NOON)


def test_a_reservation_of_yesterday_is_yesterdays() -> None:
    spending = make()
    start = spending.reserve(60, NOON)
    assert spending.fits(100, NOON + DAY)
    spending.reserve(30, NOON + DAY)
    spending.settle(start, 60, 55)
    spending.restore(start, 55)
    assert (spending.spent, spending.reserved) == (0, 30)


def test_a_clock_that_goes_back_does_not_bring_money_back() -> None:
    spending = make()
    spending.roll(NOON + DAY)
    spending.restore(spending.start, 90)
    spending.roll(NOON)
    assert spending.spent == 90


def test_levels_are_told_once_a_period() -> None:
    spending = make(low=0.8)

    def spend(amount: int) -> Level | None:
        spending.settle(spending.reserve(amount, NOON), amount, amount)
        return spending.reached()

    assert [spend(79), spend(1), spend(1), spend(19), spend(5)] == [None, Level.LOW, None, Level.USED_UP, None]
    spending.roll(NOON + DAY)
    assert spending.reached() is None
    assert not spending.is_low(NOON + DAY)
    spending.reserve(80, NOON + DAY)
    assert spending.is_low(NOON + DAY), "what is reserved is as good as gone"


def test_without_a_low_mark_only_the_end_is_told() -> None:
    spending = make()
    spending.restore(spending.start, 99)
    assert spending.reached() is None
    assert not spending.is_low(NOON)


def test_how_it_is_shown() -> None:
    spending = make(unit=Unit.TOKENS)
    spending.reserve(10, NOON)
    spending.restore(spending.start, 20)
    assert spending.standing("key ci") == BudgetStanding(
        "tokens a day", "key ci", 20, 100, "tokens", NOON - DAY / 2, NOON + DAY / 2, False, 10
    )


@dataclass
class Reserved:
    start: float
    amount: int
    day: int


@dataclass
class Model:
    day: int = 0
    spent: int = 0
    open: list[Reserved] = field(default_factory=list)


class Conservation(RuleBasedStateMachine):
    """Against a model that keeps every reservation: whatever the order of things, a budget is what was spent in its period,
    and what is set aside is what is open in it."""

    @initialize(amount=st.integers(1, 1000))
    def begin(self, amount: int) -> None:
        self.spending = make(amount)
        self.model = Model()

    @property
    def wall(self) -> float:
        return NOON + self.model.day * DAY

    @rule(amount=st.integers(0, 400))
    def ask(self, amount: int) -> None:
        today = [one for one in self.model.open if one.day == self.model.day]
        fits = amount == 0 or self.model.spent + sum(one.amount for one in today) + amount <= self.spending.budget.amount
        assert self.spending.fits(amount, self.wall) == fits
        if fits:
            start = self.spending.reserve(amount, self.wall)
            self.model.open.append(Reserved(start, amount, self.model.day))

    @precondition(lambda self: self.model.open)
    @rule(data=st.data(), share=st.floats(0, 1))
    def end(self, data: st.DataObject, share: float) -> None:
        one = self.model.open.pop(data.draw(st.integers(0, len(self.model.open) - 1)))
        used = int(one.amount * share)
        self.spending.settle(one.start, one.amount, used)
        if one.day == self.model.day:
            self.model.spent += used

    @rule()
    def sleep(self) -> None:
        self.model.day += 1
        self.model.spent = 0
        self.spending.roll(self.wall)

    @invariant()
    def agrees(self) -> None:
        today = [one for one in self.model.open if one.day == self.model.day]
        assert self.spending.spent == self.model.spent
        assert self.spending.reserved == sum(one.amount for one in today)
        assert self.spending.spent + self.spending.reserved <= self.spending.budget.amount


TestConservation = Conservation.TestCase


@given(st.integers(1, 10**6), st.lists(st.integers(1, 10**5), max_size=80), st.integers(0, 300))
def test_a_crowd_overshoots_by_what_its_estimates_were_wrong_at_most(amount: int, estimates: list[int], excess: int) -> None:
    """All ask before any has ended. Where estimates are ceilings nothing is overshot at all."""
    spending = make(amount)
    held = []
    for estimate in estimates:
        if spending.fits(estimate, NOON):
            held.append((spending.reserve(estimate, NOON), estimate))
    assert spending.reserved <= amount
    for start, estimate in held:
        spending.settle(start, estimate, estimate + excess)
    assert spending.spent <= amount + excess * len(held)
    assert spending.reserved == 0


@pytest.mark.parametrize("per", list(Period))
def test_every_period_has_an_end(per: Period) -> None:
    spending = Spending(Budget(1, per=per), NOON)
    assert spending.start <= NOON < spending.end
