"""Limits in random worlds: whatever fails, breaks, leaves or is refused, what was set aside comes back, and budgets and
records say the same in the end. `UNDIMMED_SEEDS=1000` for the large run."""

import os
from collections.abc import Iterable
from random import Random

import pytest
from support.simulation import Outcome, rehearse, replace
from test_seeds import load, world

from proxy.core.continuity import Resume
from proxy.core.limits import Budget, Limits, Period, Rates, Scope, Unit, Unpriced
from proxy.core.records import AttemptRecord, CallRecord
from proxy.core.settings import ClientKey, Hedge, Route, Settings
from proxy.core.usage import Price
from proxy.policy.allowances import Allowance

SEEDS = int(os.environ.get("UNDIMMED_SEEDS", "12"))
KEYS = ("k1", "k2", "k3")
ASSUMED = Price(3_000_000, 7_000_000)


def some_limits(rng: Random) -> Limits:
    """From none to several, tight and loose, hard and soft."""
    policy = rng.choice(list(Unpriced))
    money = Budget(
        rng.choice([3_000, 50_000, 10**12]),
        per=Period.DAY,
        soft=rng.random() < 0.3,
        on_unpriced=policy,
        assumed=ASSUMED if policy is Unpriced.ASSUME else None,
    )
    tokens = Budget(rng.choice([5_000, 10**9]), Unit.TOKENS, Period.MONTH)
    return Limits(
        Rates(
            rpm=rng.choice([None, 30, 1000]),
            tpm=rng.choice([None, 20_000, 10**7]),
            concurrent=rng.choice([None, 2, 50]),
        ),
        tuple(budget for budget in (money, tokens) if rng.random() < 0.7),
    )


def limited(rng: Random, configured: Settings) -> Settings:
    price = Price(1_000_000, 4_000_000)

    def route(one: Route) -> Route:
        tiers = tuple(
            tuple(replace(target, price=price if rng.random() < 0.8 else None) for target in tier) for tier in one.tiers
        )
        hedge = rng.choice([None, Hedge(0.3, 1.0)])
        return replace(one, tiers=tiers, limits=some_limits(rng), hedge=hedge, resume=rng.choice(list(Resume)))

    return replace(
        configured,
        routes=tuple(map(route, configured.routes)),
        keys=tuple(ClientKey(name, name, limits=some_limits(rng)) for name in KEYS),
        providers={name: replace(one, limits=some_limits(rng)) for name, one in configured.providers.items()},
    )


def play(seed: int) -> Outcome:
    rng = Random(seed)
    configured, schedules = world(rng)
    wishes = [(at, replace(wish, key=rng.choice([None, *KEYS]))) for at, wish in load(rng)]
    return rehearse(schedules, wishes, limited(rng, configured), seed=seed)


def attempts_of(one: Allowance, records: Iterable[CallRecord]) -> Iterable[AttemptRecord]:
    scope, name = one.subject
    for record in records:
        for attempt in record.attempts:
            if name == {Scope.KEY: record.key, Scope.ROUTE: record.route, Scope.PROVIDER: attempt.provider}[scope]:
                yield attempt


def value(attempt: AttemptRecord, budget: Budget) -> int:
    """What an attempt uses of a budget, worked out anew from its record."""
    usage = attempt.usage
    if usage is None:
        return 0
    if budget.unit is Unit.TOKENS:
        return usage.total
    if attempt.cost is not None:
        return attempt.cost
    return 0 if budget.assumed is None else (usage.input * 3 + usage.output * 7)


@pytest.mark.parametrize("seed", range(SEEDS), ids=lambda seed: f"seed{seed}")
def test_everything_set_aside_comes_back(seed: int) -> None:
    run = play(seed)
    records = run.notes.calls
    gate = run.parts.gateway.gate
    assert len(list(gate.allowances)) >= len(KEYS)
    for one in gate.allowances:
        assert one.running == 0, one
        for spending in one.budgets:
            assert spending.reserved == 0, spending
            values = [value(attempt, spending.budget) for attempt in attempts_of(one, records)]
            assert spending.spent == sum(values), one
            assert spending.budget.soft or spending.spent <= spending.budget.amount + max(values, default=0), one


def test_the_worlds_are_worth_something() -> None:
    """Limits refuse some in these worlds, and not everybody."""
    statuses = [record.status for seed in range(6) for record in play(seed).notes.calls]
    assert statuses.count(429) > 20
    assert statuses.count(200) > 20
