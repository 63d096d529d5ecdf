"""Targets that take only so much: the limit is learned, kept, and follows what they can do."""

from collections.abc import Iterable

import pytest
from support.simulation import Outcome, rehearse, replace, settings, spans, steady

from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Settings, Target
from proxy.rehearse.behaviour import Behaviour
from proxy.rehearse.client import Wish

#: Each call takes 1.2 seconds.
SMALL = Behaviour(capacity=20)
LARGE = Behaviour(capacity=60)


def share_refused(run: Outcome, since: float, until: float, target: str = "a/m") -> float:
    attempts = [a for a in attempts_of(run, target) if since <= a.started_at - run.network.epoch < until]
    assert len(attempts) > 200
    return sum(a.kind is OutcomeKind.OVERLOADED for a in attempts) / len(attempts)


def attempts_of(run: Outcome, target: str) -> Iterable:
    return [a for record in run.notes.calls for a in record.attempts if a.target == target]


def limits_told(run: Outcome) -> list[str]:
    return [change.after for change in run.notes.changes if change.after in ("limited", "unlimited")]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_capacity_is_learned_and_followed_when_it_grows(seed: int) -> None:
    """40 requests a second, 48 at a time, where first 20 and later 60 fit. What does not fit goes to the next tier."""
    run = rehearse({"a": spans([(0.0, 120.0, SMALL), (120.0, 250.0, LARGE)]), "b": Behaviour()}, steady(40, 220), seed=seed)
    assert run.verdicts == {"ok": 8_800}
    assert share_refused(run, 40, 120) <= 0.03
    assert run.contacts("a", 40, 120) >= 0.85 * 80 * 20 / 1.2, "and it is not left idle"
    assert share_refused(run, 190, 220) == 0.0
    assert run.contacts("a", 190, 220) >= 0.99 * 40 * 30, "all of it, once all of it fits"
    assert limits_told(run)[0] == "limited"


def test_without_learning_it_is_refused_all_the_time() -> None:
    """What the test above would see of a target that is not to be learned about."""
    configured = settings()
    off = {name: replace(provider, adaptive=False) for name, provider in configured.providers.items()}
    run = rehearse({"a": SMALL, "b": Behaviour()}, steady(40, 60), replace(configured, providers=off))
    assert share_refused(run, 0, 60) >= 0.2
    assert limits_told(run) == []


def queueing(cap: int | None = None) -> Settings:
    return settings(((Target("a", "m", max_in_flight=cap, max_queue=500),),))


def test_alone_it_makes_calls_wait_instead_of_failing_them() -> None:
    """From 12 to 30 requests at a time where 20 fit: what the target would refuse waits here."""
    load = [*steady(10, 20), *((at, Wish(f"s{n}")) for n, (at, _) in enumerate(steady(25, 10, start=20.0)))]
    run = rehearse({"a": SMALL}, load, queueing())
    assert run.verdicts["ok"] >= 449, "one may have used up its attempts before anything was learned"
    refused = sum(a.kind is OutcomeKind.OVERLOADED for a in attempts_of(run, "a/m"))
    assert 2 <= refused <= 0.05 * 450
    assert max(record.waited for record in run.notes.calls) > 2.0


def test_a_written_ceiling_stays_the_ceiling() -> None:
    run = rehearse({"a": LARGE}, steady(30, 30), queueing(10))
    busiest = max(
        sum(other.started_at <= one.started_at < (other.ended_at or 0.0) for other in run.network.contacts)
        for one in run.network.contacts[::10]
    )
    assert busiest == 10
    assert limits_told(run) == []
