"""A client that asks anew: its older call ends at once wherever it stands, and says why."""

import asyncio
import json

import pytest
from support.simulation import World, play, replace, settings

from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Target
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish

HEADER = {"x-undimmed-supersede": "editor-1"}
STAGES = {
    "before the first byte": Behaviour(latency=Latency(1.5)),
    "mid-stream": Behaviour(chunks=200, gap=0.02),
    "in back-off": Behaviour(Mode.STATUS, latency=Latency(0.01), share=1.0),
}


async def older_and_newer(world: World, headers: dict[str, str] = HEADER, stream: bool = True) -> SimulatedClient:
    """An older call for which a newer one comes in half a second later."""
    loop = asyncio.get_running_loop()
    older = SimulatedClient(Wish("older", stream=stream))
    task = loop.create_task(older.ask(world.parts.gateway.serve, dict(HEADER)))
    await asyncio.sleep(0.5)
    newer = loop.create_task(SimulatedClient(Wish("newer", leaves=0.05)).ask(world.parts.gateway.serve, headers))
    began = loop.time()
    await newer
    if headers == HEADER:
        await task
        assert loop.time() - began <= 0.1
    else:
        task.cancel()
    return older


@pytest.mark.parametrize("stage", STAGES)
def test_the_older_call_ends_at_once(stage: str) -> None:
    async def script(world: World) -> None:
        older = await older_and_newer(world)
        body = older.downstream.body.decode()
        assert "superseded" in body
        assert older.downstream.status == (200 if stage == "mid-stream" else 409)
        await asyncio.sleep(1)
        record = next(call for call in world.notes.calls if call.outcome is OutcomeKind.SUPERSEDED)
        first = world.network.contacts[0]
        assert first.label == "older"
        assert first.ended_at is not None
        assert record.ended_at - record.started_at <= 0.6
        assert [c.ended_at for c in world.network.contacts if c.label == "older"][-1] is not None

    configured = settings((("a/m",),))
    patient = replace(configured.routes[0].retry, base=10.0, cap=10.0)
    play(script, {"a": STAGES[stage]}, replace(configured, routes=(replace(configured.routes[0], retry=patient),)))


def test_in_the_queue() -> None:
    async def script(world: World) -> None:
        loop = asyncio.get_running_loop()
        busy = loop.create_task(SimulatedClient(Wish("busy", leaves=5)).ask(world.parts.gateway.serve))
        await asyncio.sleep(0.1)
        older = await older_and_newer(world, stream=False)
        assert older.downstream.status == 409
        error = json.loads(bytes(older.downstream.body))["error"]
        assert error["code"] == "superseded"
        assert [c.label for c in world.network.contacts] == ["busy"]
        await busy

    configured = settings(((Target("a", "m", max_in_flight=1),),))
    play(script, {"a": Behaviour(Mode.BLACK_HOLE)}, configured)


def test_another_name_leaves_it_alone() -> None:
    async def script(world: World) -> None:
        await older_and_newer(world, {"x-undimmed-supersede": "editor-2"})
        await asyncio.sleep(0.1)
        assert not any(call.outcome is OutcomeKind.SUPERSEDED for call in world.notes.calls)

    play(script, {"a": Behaviour(latency=Latency(1.5)), "b": Behaviour()})
