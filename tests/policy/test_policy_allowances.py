"""All limits of one subject together: what is refused first, by which words, and what is left in the end."""

from datetime import timedelta, timezone

import pytest

from proxy.core.limits import Budget, Level, Limits, Period, Rates, Scope, Unit, Unpriced
from proxy.core.outcome import OutcomeKind
from proxy.core.usage import Price
from proxy.policy.allowances import SOON, Allowance, Moment, Quantity, Shortage, amount_of, later, show
from proxy.policy.targets import Verdict

DAY = 86400.0
WALL = 20000 * DAY
UTC2 = timezone(timedelta(hours=2))
NOW = Moment(50.0, WALL + DAY / 4)


def make(*budgets: Budget, **rates: int) -> Allowance:
    return Allowance((Scope.KEY, "ci"), Limits(Rates(**rates), budgets), NOW.wall)


def usd(amount: int, **more: object) -> Budget:
    return Budget(amount, per=Period.DAY, **more)  # type: ignore[arg-type]


def some(tokens: int, cost: int | None = None) -> Quantity:
    return Quantity(tokens, cost, lambda price: tokens * price.input)


def refused(shortage: Shortage | None) -> Shortage:
    assert shortage is not None
    return shortage


def spend(allowance: Allowance, quantity: Quantity) -> list[Level]:
    return [level for level, _ in allowance.settle(allowance.charge(quantity, NOW), quantity, NOW.loop)]


@pytest.mark.parametrize(
    ("budget", "quantity", "amount"),
    [
        (usd(1), some(10, 7), 7),
        (usd(1), some(10), None),
        (usd(1, soft=True), some(10), 0),
        (usd(1, on_unpriced=Unpriced.ALLOW), some(10), 0),
        (usd(1, on_unpriced=Unpriced.ASSUME, assumed=Price(3, 3)), some(10), 30),
        (usd(1, on_unpriced=Unpriced.ASSUME, assumed=Price(3, 3)), some(10, 7), 7),
        (Budget(1, Unit.TOKENS), some(10), 10),
    ],
)
def test_a_quantity_in_the_units_of_a_budget(budget: Budget, quantity: Quantity, amount: int | None) -> None:
    assert amount_of(budget, quantity) == amount


def test_calls_at_a_time() -> None:
    allowance = make(concurrent=1)
    assert allowance.lacks_room(NOW.loop) is None
    allowance.enter(NOW.loop)
    shortage = refused(allowance.lacks_room(NOW.loop))
    assert (shortage.limit, shortage.amount, shortage.until, shortage.kind) == (
        "concurrent", 1, NOW.loop + SOON, OutcomeKind.RATE_LIMITED,
    )  # fmt: skip
    assert "key ci has 1 requests under way" in shortage.cause
    allowance.leave()
    assert allowance.lacks_room(NOW.loop) is None
    assert allowance.rate_view(NOW.loop) == {}


def test_requests_a_minute() -> None:
    allowance = make(rpm=1, tpm=1000)
    assert allowance.lacks_room(NOW.loop) is None
    allowance.enter(NOW.loop)
    shortage = refused(allowance.lacks_room(NOW.loop))
    assert shortage.limit == "rpm"
    assert shortage.until == pytest.approx(NOW.loop + 60.1)
    assert allowance.rate_view(NOW.loop)["requests"][:2] == (1, 0)
    assert allowance.rate_view(NOW.loop)["tokens"] == (1000, 1000, 0.0)


def test_tokens_a_minute() -> None:
    allowance = make(tpm=100)
    assert allowance.lacks_means(some(90), NOW) is None
    charge = allowance.charge(some(90), NOW)
    shortage = refused(allowance.lacks_means(some(20), NOW))
    assert (shortage.limit, shortage.kind) == ("tpm", OutcomeKind.RATE_LIMITED)
    assert list(allowance.settle(charge, some(30), NOW.loop)) == []
    assert allowance.rate_view(NOW.loop)["tokens"][1] == 70
    spend_more = allowance.charge(some(10), NOW)
    list(allowance.settle(spend_more, some(40), NOW.loop + 30))
    assert allowance.rate_view(NOW.loop + 30)["tokens"][1] == 30, "what came on top counts from when it was known"
    list(allowance.settle(allowance.charge(some(5), NOW), None, NOW.loop))
    assert allowance.rate_view(NOW.loop + 30)["tokens"][1] == 30


def test_money_that_is_gone_and_money_that_may_come_back() -> None:
    allowance = make(usd(100))
    charge = allowance.charge(some(1, 80), NOW)
    shortage = refused(allowance.lacks_means(some(1, 30), NOW))
    assert (shortage.kind, shortage.until) == (OutcomeKind.RATE_LIMITED, NOW.loop + SOON)
    assert "reserved for requests under way" in shortage.cause
    assert list(allowance.settle(charge, some(1, 80), NOW.loop)) == []
    shortage = refused(allowance.lacks_means(some(1, 30), NOW))
    assert (shortage.kind, shortage.limit, shortage.amount) == (OutcomeKind.QUOTA_EXHAUSTED, "usd a day", 100)
    assert shortage.until == NOW.loop + DAY * 3 / 4
    assert allowance.lacks_means(some(1, 20), NOW) is None


def test_the_words_of_a_budget_that_is_used_up() -> None:
    allowance = make(usd(2_500_000_000), Budget(1000, Unit.TOKENS, Period.WEEK))
    spend(allowance, some(10, 2_400_000_000))
    assert refused(allowance.lacks_means(some(1, 200_000_000), NOW)).cause == (
        "the budget of key ci ($2.5 a day) has $0.1 left, and this request may use $0.2"
    )
    assert "(1,000 tokens a week) has 990 tokens left" in refused(allowance.lacks_means(some(991, 0), NOW)).cause
    assert show(usd(1), 12_345_678) == "$0.0123457"


def test_a_target_without_a_price() -> None:
    shortage = refused(make(usd(100)).lacks_means(some(1), NOW))
    assert (shortage.kind, shortage.until) == (OutcomeKind.QUOTA_EXHAUSTED, None)


def test_levels_come_with_the_standing() -> None:
    allowance = make(usd(100, low=0.5), Budget(10, Unit.TOKENS))
    charge = allowance.charge(some(10, 60), NOW)
    told = list(allowance.settle(charge, some(10, 60), NOW.loop))
    assert [(level, standing.name, standing.spent) for level, standing in told] == [
        (Level.LOW, "usd a day", 60),
        (Level.USED_UP, "tokens a month", 10),
    ]
    assert [standing.scope for standing in allowance.standings(NOW.wall + DAY)] == ["key ci", "key ci"]
    assert [standing.spent for standing in allowance.standings(NOW.wall + DAY)] == [0, 10]


def test_other_limits_for_what_was_used() -> None:
    allowance = make(usd(100), rpm=10)
    spend(allowance, some(1, 90))
    allowance.enter(NOW.loop)
    allowance.renew(Limits(Rates(rpm=1), (usd(95), usd(500, zone=UTC2))), NOW.wall)
    assert refused(allowance.lacks_room(NOW.loop)).limit == "rpm"
    assert [spending.spent for spending in allowance.budgets] == [90, 0]
    assert refused(allowance.lacks_means(some(1, 6), NOW)).amount == 95
    assert allowance.running == 1
    assert "key ci, 1 running" in repr(allowance)


def test_the_limit_that_lasts_longest_is_told() -> None:
    """All of them have to have room: asking again when only the first one has would be refused again."""
    both = make(usd(100), Budget(10, Unit.TOKENS, Period.MONTH), rpm=1, concurrent=1, tpm=10)
    both.enter(NOW.loop)
    assert refused(both.lacks_room(NOW.loop)).limit == "rpm"
    spend(both, some(10, 100))
    assert refused(both.lacks_means(some(10, 100), NOW)).limit == "tokens a month"
    assert refused(both.lacks_means(some(10, 0), NOW)).limit == "tokens a month"
    assert refused(both.lacks_means(some(10), NOW)).limit == "usd a day", "no price: never"
    soon, late, never = (Shortage(Verdict.HELD, until=until) for until in (1.0, 2.0, None))
    for one, other, expected in ((soon, late, late), (late, soon, late), (never, late, never), (late, never, never)):
        assert later(one, other) is expected
    assert later(None, soon) is soon
    assert later(soon, None) is soon
    assert later(None, None) is None


def test_more_than_a_whole_budget_never_fits() -> None:
    assert refused(make(usd(100)).lacks_means(some(1, 101), NOW)).until is None


def test_limits_that_say_nothing_are_none() -> None:
    assert not Limits()
    assert Limits(Rates(rpm=1))
    assert Limits(budgets=(usd(1),))
