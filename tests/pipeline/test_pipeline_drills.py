"""Fire drills under virtual time: what they spoil, what they leave alone, and that they leave nothing behind."""

import asyncio
from collections import Counter

import pytest
from support.simulation import World, play, provider, replace, settings

from proxy.core.drill import DrillOrder, Fault, FaultKind
from proxy.core.outcome import OutcomeKind
from proxy.pipeline.drills import DrillRefused
from proxy.rehearse.behaviour import Behaviour, Latency
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.stores.log import compact

QUICK = Behaviour(chunks=60, gap=0.01, latency=Latency(0.1))
TWO = {"a": QUICK, "b": QUICK}


def order(kind: FaultKind, amount: float = 0.0, share: float = 1.0, seconds: float = 60.0) -> DrillOrder:
    return DrillOrder("a", Fault(kind, amount), seconds, share, "ci")


async def ask(world: World, label: str, stream: bool = True) -> SimulatedClient:
    return await world.one(Wish(label, stream=stream))


#: What the attempt at the drilled provider comes to, and whether anything went out.
FAULTS = {
    "down": (order(FaultKind.DOWN), OutcomeKind.CONNECT_FAILED, 0),
    "auth": (order(FaultKind.AUTH), OutcomeKind.AUTH_FAILED, 0),
    "429": (order(FaultKind.RATE), OutcomeKind.RATE_LIMITED, 0),
    "slow": (order(FaultKind.SLOW, 8.0), OutcomeKind.FIRST_CONTENT_TIMEOUT, 1),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_looks_real_and_the_call_is_served_elsewhere(name: str, stream: bool) -> None:
    drilled, kind, sent = FAULTS[name]

    async def body(world: World) -> None:
        world.parts.drills.start(drilled)
        client = await ask(world, "one", stream)
        assert client.verdict == "ok"
        first, second = world.notes.calls[0].attempts
        assert (first.target, first.kind, first.drill) == ("a/m", kind, str(drilled.fault))
        assert (second.target, second.kind, second.drill) == ("b/m", OutcomeKind.OK, "")
        assert world.notes.calls[0].tags == ("drill",)
        assert compact(first).endswith(f" drill {drilled.fault}")
        assert sum(contact.provider == "a" for contact in world.network.contacts) == sent
        assert world.network.open_contacts == []

    limits = settings().timeouts
    play(body, TWO, settings(timeouts=replace(limits, answer=4.0)))


def test_a_slow_answer_that_is_still_in_time_arrives_whole_and_late() -> None:
    async def body(world: World) -> None:
        world.parts.drills.start(order(FaultKind.SLOW, 1.5))
        client = await ask(world, "late")
        assert client.verdict == "ok"
        assert client.waited == pytest.approx(1.5, abs=0.001)
        assert client.downstream.body.count(b"\n\n") > 60
        assert world.notes.calls[0].attempts[0].drill == "slow:1.5s"

    play(body, TWO)


def test_a_client_that_leaves_ends_a_delayed_answer() -> None:
    async def body(world: World) -> None:
        world.parts.drills.start(order(FaultKind.SLOW, 1.5))
        client = await world.one(Wish("gone", leaves=0.7))
        assert client.verdict == "left"
        assert world.network.open_contacts == []
        await asyncio.sleep(5)

    play(body, TWO)


def test_a_stream_is_cut_after_so_many_events() -> None:
    async def body(world: World) -> None:
        world.parts.drills.start(order(FaultKind.CUT, 40))
        client = await ask(world, "cut")
        assert client.verdict == "failed"
        assert client.downstream.body.count(b'"content":') == pytest.approx(40, abs=2)
        assert world.notes.calls[0].attempts[0].kind is OutcomeKind.STREAM_BROKEN
        whole = await ask(world, "whole", stream=False)
        assert whole.verdict == "ok"
        assert [attempt.target for attempt in world.notes.calls[1].attempts] == ["a/m", "b/m"]
        assert [contact.ending for contact in world.network.contacts][:2] == ["aborted", "aborted"]

    play(body, TWO)


def test_only_the_share_is_hit_and_only_that_provider() -> None:
    async def body(world: World) -> None:
        drill = world.parts.drills.start(order(FaultKind.SLOW, 0.2, share=0.1, seconds=3000))
        for number in range(400):
            await ask(world, f"r{number}", stream=False)
        hit = sum(bool(attempt.drill) for record in world.notes.calls for attempt in record.attempts)
        assert hit == drill.hit == world.parts.drills.faults["a", "slow"]
        assert 20 <= hit <= 65
        assert {record.served_by for record in world.notes.calls} == {"a/m"}

    play(body, TWO)


def test_a_drill_ends_by_itself_and_nothing_stays() -> None:
    async def body(world: World) -> None:
        services = world.parts.prober._services
        real = services.transport
        world.parts.drills.start(order(FaultKind.AUTH, seconds=30))
        assert services.transport is world.parts.drills
        assert (await ask(world, "hit")).verdict == "ok"
        await asyncio.sleep(30.001)
        assert services.transport is real
        assert world.parts.drills.active == {}
        await ask(world, "after")
        # The hold of the refused credential was told to end with the drill.
        await asyncio.sleep(8)
        await ask(world, "back")
        assert [record.served_by for record in world.notes.calls][-1] == "a/m"
        told = [change for change in world.notes.changes if change.subject == "drill:a"]
        assert [(change.before, change.after) for change in told] == [("off", "auth"), ("auth", "off")]
        assert "started by ci" in told[0].cause
        assert told[1].cause == "drill ended after 1 requests: its time is over"

    play(body, TWO)


def test_one_drill_a_provider_and_one_order_ends_all() -> None:
    async def body(world: World) -> None:
        drills = world.parts.drills
        drills.start(order(FaultKind.DOWN))
        with pytest.raises(DrillRefused, match="a has a drill already"):
            drills.start(order(FaultKind.AUTH))
        drills.start(replace(order(FaultKind.RATE), provider="b"))
        assert drills.stop("c", "no such") is None
        assert {drill.order.provider for drill in drills.stop_all("enough")} == {"a", "b"}
        assert drills.active == {}
        assert (await ask(world, "well")).verdict == "ok"
        assert world.notes.calls[0].served_by == "a/m"
        assert world.notes.calls[0].tags == ()

    play(body, TWO)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "azure", "gemini", "cohere", "bedrock"])
def test_every_format_reads_the_statuses_of_a_drill(kind: str) -> None:
    account = replace(provider("a"), kind=kind)

    async def body(world: World) -> None:
        for fault in (FaultKind.AUTH, FaultKind.RATE):
            world.parts.drills.start(order(fault, seconds=1))
            await ask(world, fault.value)
            await asyncio.sleep(200)
        kinds = Counter(attempt.kind for record in world.notes.calls for attempt in record.attempts if attempt.drill)
        assert kinds == {OutcomeKind.AUTH_FAILED: 1, OutcomeKind.RATE_LIMITED: 1}

    play(body, TWO, settings(providers={"a": account, "b": provider("b")}))
