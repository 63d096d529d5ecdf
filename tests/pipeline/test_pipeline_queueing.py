"""Caps and queues: whoever waits gets the next free place, in order, and every ending of the wait is clean."""

import asyncio
import json
from itertools import pairwise

import pytest
from pipeline_stage import Stage, act, by_pool, error_of, whole
from support.simulation import BREAKER, World, play, rehearse, replace, settings, steady

from proxy.assemble import Parts, TargetRegistry, make_routing
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Target
from proxy.policy.targets import TargetState
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish

#: A whole answer takes exactly a second.
SECOND = Behaviour(latency=Latency(1.0), chunks=1)


def capped(cap: int = 1, queue: int = 100, name: str = "a") -> Target:
    return Target(name, "m", max_in_flight=cap, max_queue=queue)


def start(world: World, label: str, **wish: object) -> "tuple[SimulatedClient, asyncio.Task[SimulatedClient]]":
    client = SimulatedClient(Wish(label, stream=False, **wish))  # type: ignore[arg-type]
    return client, asyncio.get_running_loop().create_task(client.ask(world.parts.gateway.serve))


def queued(parts: Parts, target: str = "a/m") -> int:
    view = parts.gateway.survey()["routes"]
    assert isinstance(view, list)
    return next(row["queued"] for route in view for row in route["targets"] if row["target"] == target)


def state_of(world: World, target: str = "a/m") -> TargetState:
    return next(state for state in world.parts.gateway.routing.states() if state.id == target)


def test_requests_wait_in_line_and_never_exceed_the_cap() -> None:
    run = rehearse({"a": SECOND}, steady(100, 0.08, stream=False), settings(((capped(2),),)))
    assert run.verdicts == {"ok": 8}
    served = [contact.label for contact in run.network.contacts]
    assert served == [f"r{n}" for n in range(8)], "first come, first served"
    for contact in run.network.contacts:
        at = contact.started_at
        assert sum(c.started_at <= at < (c.ended_at or 0) for c in run.network.contacts) <= 2
    waited = [record.waited for record in sorted(run.notes.calls, key=lambda record: record.started_at)]
    assert waited[:2] == [0, 0]
    assert all(later > earlier for earlier, later in pairwise(waited[1::2]))
    assert waited[7] == pytest.approx(3.0 - 0.07 + 0.01, abs=0.001)
    assert all(len(record.attempts) == 1 for record in run.notes.calls), "waiting is no attempt"


def test_a_free_place_goes_to_the_longest_waiter_not_to_a_newcomer() -> None:
    """The newcomer asks in the very moment in which the place becomes free."""

    async def body(world: World) -> None:
        _, first = start(world, "first")
        await asyncio.sleep(0.1)
        _, waiting = start(world, "waiting")
        await asyncio.sleep(0.9)
        _, newcomer = start(world, "newcomer")
        await asyncio.gather(first, waiting, newcomer)
        assert [contact.label for contact in world.network.contacts] == ["first", "waiting", "newcomer"]

    play(body, {"a": SECOND}, settings(((capped(),),)))


def test_the_queue_is_bounded() -> None:
    async def body(world: World) -> None:
        tasks = [start(world, f"w{n}")[1] for n in range(3)]
        await asyncio.sleep(0.1)
        assert queued(world.parts) == 2
        late = await world.one(Wish("late", stream=False))
        assert late.downstream.status == 503
        error = json.loads(late.downstream.body)["error"]
        assert error["code"] == "no_target_available"
        assert "1 requests are in flight" in error["message"]
        assert late.downstream.finished_at == late.asked_at, "at once"
        assert "attempts" not in error
        await asyncio.gather(*tasks)
        assert queued(world.parts) == 0
        assert world.notes.calls[0].outcome is OutcomeKind.OVERLOADED

    play(body, {"a": SECOND}, settings(((capped(queue=2),),)))


def test_without_a_queue_a_full_target_refuses() -> None:
    run = rehearse({"a": SECOND}, steady(10, 0.3, stream=False), settings(((capped(queue=0),),)))
    assert run.verdicts == {"ok": 1, "error": 2}


def test_the_next_tier_is_taken_before_anybody_queues() -> None:
    async def body(world: World) -> None:
        tasks = [start(world, f"w{n}")[1] for n in range(3)]
        await asyncio.sleep(0.1)
        assert [contact.provider for contact in world.network.contacts] == ["a", "b"]
        assert (queued(world.parts, "a/m"), queued(world.parts, "b/m")) == (1, 1), "the third waits for both"
        clients = await asyncio.gather(*tasks)
        assert [client.verdict for client in clients] == ["ok"] * 3
        assert [contact.provider for contact in world.network.contacts] == ["a", "b", "b"], "b was free first"
        assert (queued(world.parts, "a/m"), queued(world.parts, "b/m")) == (0, 0)

    slow = replace(SECOND, latency=Latency(1.5))
    play(body, {"a": slow, "b": SECOND}, settings(((capped(),), (capped(name="b"),))))


@pytest.mark.parametrize("streamed", [True, False])
def test_the_deadline_ends_the_wait(streamed: bool) -> None:
    async def body(stage: Stage) -> None:
        first = asyncio.get_running_loop().create_task(stage.ask())
        await asyncio.sleep(0.1)
        late = await stage.ask(Wish("late", stream=streamed), {"x-request-timeout-ms": "2000"})
        assert late.downstream.finished_at == pytest.approx(late.asked_at + 1.9)
        assert late.downstream.status == 503
        assert error_of(late)["code"] == "no_target_available"
        record = next(record for record in stage.records if record.status == 503)
        assert record.waited == pytest.approx(1.9)
        assert record.attempts == []
        assert (await first).verdict == "ok"
        assert len(stage.transport.sent) == 1
        assert queued(stage.parts) == 0

    act(by_pool({"a": whole(wait=5.0)}), body, settings(((capped(),),)))


def test_a_read_timeout_ends_the_wait_too() -> None:
    async def body(stage: Stage) -> None:
        first = asyncio.get_running_loop().create_task(stage.ask())
        await asyncio.sleep(0.1)
        late = await stage.ask(Wish("late"), {"x-stainless-read-timeout": "1"})
        assert late.downstream.finished_at == pytest.approx(late.asked_at + 0.95)
        await first

    act(by_pool({"a": whole(wait=5.0)}), body, settings(((capped(),),)))


def test_a_client_that_leaves_the_queue_leaves_its_place() -> None:
    async def body(world: World) -> None:
        _, first = start(world, "first")
        gone, leaving = start(world, "gone", leaves=0.3)
        _, patient = start(world, "patient")
        await asyncio.sleep(0.5)
        assert gone.verdict == "left"
        assert queued(world.parts) == 1
        await asyncio.gather(first, leaving, patient)
        assert [contact.label for contact in world.network.contacts] == ["first", "patient"]
        left = next(record for record in world.notes.calls if record.outcome is OutcomeKind.CLIENT_GONE)
        assert (left.status, left.attempts) == (499, [])
        assert state_of(world).in_flight == 0

    play(body, {"a": SECOND}, settings(((capped(),),)))


def test_a_client_that_leaves_in_the_moment_of_its_grant_gives_the_place_on() -> None:
    """Permit handed over and task cancelled in the same turn of the loop: the next in line gets it, nothing leaks."""

    async def body(world: World) -> None:
        _, first = start(world, "first")
        await asyncio.sleep(0)
        gone, leaving = start(world, "gone")
        _, patient = start(world, "patient")
        state = state_of(world)
        await asyncio.sleep(0.5)
        released = state.on_release

        def release_and_leave() -> None:
            assert released is not None
            released()
            assert state.in_flight == 1, "granted already"
            state.on_release = released
            gone.leave()

        state.on_release = release_and_leave
        await asyncio.gather(first, leaving, patient)
        assert gone.verdict == "left"
        assert [contact.label for contact in world.network.contacts] == ["first", "patient"]
        assert state.in_flight == 0
        assert world.notes.changes == []
        assert queued(world.parts) == 0

    play(body, {"a": SECOND}, settings(((capped(),),)))


#: The first failure opens the breaker, and there is no second attempt.
HASTY = {"breaker": replace(BREAKER, consecutive=1), "retry": replace(settings().retry, attempts=1)}


def test_an_opening_breaker_sends_the_waiting_elsewhere() -> None:
    failing = Behaviour(Mode.STATUS, latency=Latency(0.5))

    async def body(world: World) -> None:
        _, doomed = start(world, "doomed")
        await asyncio.sleep(0)
        _, blocking = start(world, "blocking")
        await asyncio.sleep(0.1)
        waiting = [start(world, f"w{n}") for n in range(3)]
        await asyncio.sleep(0.1)
        assert (queued(world.parts, "a/m"), queued(world.parts, "b/m")) == (3, 3)
        await doomed
        await asyncio.sleep(0.01)
        assert world.notes.changes[-1].after == "open"
        assert (queued(world.parts, "a/m"), queued(world.parts, "b/m")) == (0, 3), "they wait for the other one only"
        await asyncio.gather(blocking, *(task for _, task in waiting))
        assert [client.verdict for client, _ in waiting] == ["ok"] * 3
        assert [c.label for c in world.network.contacts if c.provider == "b"] == ["blocking", "w0", "w1", "w2"]

    play(body, {"a": failing, "b": SECOND}, settings(((capped(),), (capped(name="b"),)), **HASTY))  # type: ignore[arg-type]


def test_an_opening_breaker_without_another_target_answers_the_waiting_at_once() -> None:
    async def body(world: World) -> None:
        _, doomed = start(world, "doomed")
        await asyncio.sleep(0.1)
        client, waiting = start(world, "w")
        await asyncio.gather(doomed, waiting)
        assert client.downstream.status == 503
        assert client.downstream.finished_at == pytest.approx(0.5)
        assert client.downstream.header("retry-after")
        assert len(world.network.contacts) == 1

    failing = Behaviour(Mode.STATUS, latency=Latency(0.5))
    play(body, {"a": failing}, settings(((capped(),),), **HASTY))  # type: ignore[arg-type]


def test_a_failed_attempt_may_queue_for_the_next_target() -> None:
    async def body(stage: Stage) -> None:
        loop = asyncio.get_running_loop()
        other = loop.create_task(stage.ask(Wish("direct", model="only-b", stream=False)))
        await asyncio.sleep(0.05)
        client = await stage.ask()
        await other
        assert client.verdict == "ok"
        record = next(record for record in stage.records if record.route == "lamp")
        assert [attempt.target for attempt in record.attempts] == ["a/m", "b/m"]
        assert record.waited == pytest.approx(1.0 - 0.05 - 0.1)

    configured = settings((("a/m",), (capped(name="b"),)))
    lamp = configured.routes[0]
    only = replace(lamp, name="only-b", models=("only-b",), tiers=((capped(name="b"),),))
    configured = replace(configured, routes=(lamp, only))
    act(by_pool({"a": whole(status=500), "b": whole(wait=1.0)}), body, configured)


def test_who_waits_over_a_reload_is_served_by_the_state_it_waits_for() -> None:
    """New breaker settings make a new state for the target; old waiters have nothing to do with its permits."""
    configured = settings(((capped(),),))
    changed = replace(configured, breaker=replace(BREAKER, consecutive=9))

    async def body(world: World) -> None:
        parts = world.parts
        _, first = start(world, "first")
        await asyncio.sleep(0)
        old, waiting = start(world, "old")
        await asyncio.sleep(0.2)
        parts.gateway.use(parts.routing(changed))
        world.providers["a"].become(replace(SECOND, latency=Latency(0.3)))
        new = await world.one(Wish("new", stream=False))
        assert new.verdict == "ok"
        assert old.verdict == "pending", "its own target is still busy"
        assert queued(parts) == 1
        await asyncio.gather(first, waiting)
        assert old.verdict == "ok"
        assert [contact.label for contact in world.network.contacts] == ["first", "new", "old"]
        assert queued(parts) == 0

    play(body, {"a": SECOND}, configured)


def test_a_queue_is_forgotten_with_its_last_waiter() -> None:
    async def body(world: World) -> None:
        queues = world.parts.registry._queues
        tasks = [start(world, f"w{n}", leaves=0.3 if n % 2 else None)[1] for n in range(6)]
        await asyncio.sleep(0.1)
        assert queues._queues
        await asyncio.gather(*tasks)
        assert queues._queues == {}

    play(body, {"a": SECOND}, settings(((capped(),),)))


def test_registries_share_a_target_between_routes() -> None:
    """The cap belongs to the target, wherever routes name it."""

    async def body(world: World) -> None:
        registry: TargetRegistry = world.parts.registry
        configured = world.parts.gateway.routing.settings
        lamp = configured.routes[0]
        twice = replace(configured, routes=(lamp, replace(lamp, name="other", models=("other",))))
        world.parts.gateway.use(make_routing(twice, registry))
        _, first = start(world, "first")
        await asyncio.sleep(0.1)
        _, second = start(world, "second", model="other")
        await asyncio.sleep(0.1)
        assert len(world.network.contacts) == 1
        await asyncio.gather(first, second)
        assert len(world.network.contacts) == 2

    play(body, {"a": SECOND}, settings(((capped(),),)))


def test_a_streaming_client_hears_something_while_it_queues_and_keeps_its_place() -> None:
    async def body(world: World) -> None:
        loop = asyncio.get_running_loop()
        first = loop.create_task(world.one(Wish("first")))
        await asyncio.sleep(0.1)
        waiting = SimulatedClient(Wish("waiting"))
        second = loop.create_task(waiting.ask(world.parts.gateway.serve))
        await asyncio.sleep(0.1)
        third = loop.create_task(world.one(Wish("third")))
        await asyncio.sleep(4.5)
        assert bytes(waiting.downstream.body) == b": undimmed waiting\n\n" * 2
        await asyncio.gather(first, second, third)
        assert waiting.verdict == "ok"
        assert [contact.label for contact in world.network.contacts] == ["first", "waiting", "third"]

    slow = Behaviour(latency=Latency(0.1), chunks=10, gap=0.7)
    patient = replace(settings().timeouts, first_content=20.0)
    play(body, {"a": slow}, settings(((capped(),),), heartbeat=2.0, timeouts=patient))
