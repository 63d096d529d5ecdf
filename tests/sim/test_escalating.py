"""A cheap target first, a dearer one only where its answer does not do."""

import asyncio

import pytest
from support.simulation import World, play, rehearse, replace, settings, steady

from proxy.core.escalation import Escalation, Examined
from proxy.core.outcome import OutcomeKind
from proxy.core.records import Purpose
from proxy.core.settings import Settings, Target
from proxy.core.usage import Price
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import Wish
from proxy.rehearse.invariants import check

WELL = Behaviour(chunks=4, gap=0.02)
DOWN = Behaviour(Mode.STATUS, latency=Latency(0.05))
CHEAP = Target("a", "m", price=Price(input=1_000_000, output=1_000_000))
DEAR = Target("b", "m", price=Price(input=10_000_000, output=10_000_000))
#: What no simulated answer meets, and what each does.
NEVER, ALWAYS = Escalation(matches="never said"), Escalation(min_length=1)


def escalating(escalation: Escalation, tiers: tuple[tuple[Target, ...], ...] = ((CHEAP,), (DEAR,))) -> Settings:
    configured = settings(tiers)
    return replace(configured, routes=tuple(replace(route, escalate=escalation) for route in configured.routes))


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_does_is_the_clients(stream: bool) -> None:
    run = rehearse({"a": WELL, "b": WELL}, steady(5, 2, stream=stream), escalating(ALWAYS))
    assert run.verdicts == {"ok": 10}
    assert check(run.evidence()) == []
    assert run.contacts("b") == 0
    for call in run.notes.calls:
        (attempt,) = call.attempts
        assert attempt.delivered
        assert attempt.usage is not None
        assert call.saved == attempt.usage.total * 9, "what the dearer target would have cost more"


@pytest.mark.parametrize("stream", [True, False])
def test_one_that_does_not_is_asked_for_again(stream: bool) -> None:
    run = rehearse({"a": WELL, "b": WELL}, steady(5, 2, stream=stream), escalating(NEVER))
    assert run.verdicts == {"ok": 10}
    assert [broken for broken in check(run.evidence()) if not broken.startswith("I6")] == []
    for call, client in zip(run.notes.calls, run.clients, strict=True):
        cheap, dear = call.attempts
        assert (cheap.kind, cheap.delivered, cheap.purpose) == (OutcomeKind.UNCONVINCING, False, Purpose.ANSWER)
        assert (dear.kind, dear.delivered, dear.purpose) == (OutcomeKind.OK, True, Purpose.ESCALATION)
        assert call.served_by == "b/m"
        assert cheap.cost is not None
        assert call.saved == -cheap.cost
        assert client.downstream.header("x-undimmed-escalated") == "it does not match what answers must match"
        assert call.degraded == ""


@pytest.mark.parametrize("stream", [True, False])
def test_where_the_dearer_one_is_down_the_cheap_answer_is_better_than_none(stream: bool) -> None:
    run = rehearse({"a": WELL, "b": DOWN}, steady(1, 3, stream=stream), escalating(NEVER))
    assert run.verdicts == {"ok": 3}
    for call, client in zip(run.notes.calls, run.clients, strict=True):
        assert call.served_by == "a/m"
        assert call.degraded == "unconvincing"
        assert client.downstream.header("x-undimmed-degraded") == "unconvincing"
        assert sum(attempt.delivered for attempt in call.attempts) == 1
        assert call.saved is None, "what the client received was not in vain, and nobody dearer could be had"
        assert len([attempt for attempt in call.attempts if attempt.target == "a/m"]) == 1


def test_the_last_tier_is_not_checked() -> None:
    run = rehearse({"a": DOWN, "b": WELL}, steady(1, 3), escalating(NEVER))
    assert run.verdicts == {"ok": 3}
    assert {call.served_by for call in run.notes.calls} == {"b/m"}
    assert all(call.degraded == "" for call in run.notes.calls)


def test_a_judge_from_outside_has_the_last_word() -> None:
    class Strict:
        def __init__(self) -> None:
            self.seen: list[Examined] = []

        async def judge(self, escalation: Escalation, answer: Examined) -> str | None:
            self.seen.append(answer)
            await asyncio.sleep(0.1)
            return "too plain"

    async def script(world: World) -> None:
        world.parts.services.judge = judge = Strict()
        client = await world.one(Wish("x", stream=False))
        assert client.downstream.header("x-undimmed-escalated") == "too plain"
        (seen,) = judge.seen
        assert (seen.route, seen.target, seen.finish) == ("lamp", "a/m", "stop")
        assert seen.text
        left = await world.one(Wish("y", stream=False, leaves=0.35))
        assert left.verdict == "left"
        await asyncio.sleep(1)
        assert world.notes.calls[1].attempts[0].usage is not None, "what it had used is booked"

    play(script, {"a": WELL, "b": WELL}, escalating(Escalation(command=("judge",))))
