"""A conversation whose vendor dies in its middle, between a call and its result, and whose second vendor dies after that:
the SDK sees an answer to every request, and the next vendor all that was said."""

from typing import Any

import pytest
from e2e.matrix.asking import WORDS, Ask, Got
from e2e.matrix.stage import SOUND, Scene, Stage, hold_stage
from e2e.matrix.table import CLIENTS
from e2e.matrix.vendors import ORDERS, VENDORS
from support.simulation import replace

from proxy.rehearse.behaviour import Mode, Style

pytestmark = pytest.mark.live


def turn_of(got: Got) -> tuple[Any, dict[str, str]]:
    return got.turn, {call.id: f"{call.name} is done" for call in got.calls}


async def move(stage: Stage, client: str, order: tuple[str, ...], streamed: bool) -> None:
    scenes = [stage.scene(client, name) for name in order]
    turns: list[tuple[Any, dict[str, str]]] = []
    calls: list[str] = []
    for scene, style in zip(scenes, (Style.PARALLEL, Style.TOOL, Style.TEXT), strict=True):
        await scene.play(replace(SOUND, style=style))
        before = scene.provider.provider.served
        wish = Ask(tools=True, turns=tuple(turns))
        ask = scene.client.streamed if streamed else scene.client.whole
        got = await ask("+".join(order), wish)
        assert scene.provider.provider.served == before + 1
        check_turn(scene, calls)
        if got.calls:
            turns.append(turn_of(got))
            calls += [call.name for call in got.calls]
            await scene.play(replace(SOUND, mode=Mode.REFUSE))  # as a process that dies, with its connections
    assert got.text
    assert got.finish == "stop"
    for scene in scenes:
        await scene.play(SOUND)
    back = await scenes[0].client.whole("+".join(order), Ask(tools=True, turns=tuple(turns)))
    assert back.served_by == VENDORS[order[0]].target
    check_turn(scenes[0], calls)


def check_turn(scene: Scene, calls: list[str]) -> None:
    """The last request to this vendor holds the whole conversation."""
    reader, body = scene.sent()
    assert WORDS in reader.texts(body)
    assert [call.name for call in reader.calls(body)] == calls
    results = reader.results(body)
    assert [place for place, _ in results] == [call.id for call in reader.calls(body)]
    assert all(f"{name} is done" in text for name, (_, text) in zip(calls, results, strict=True))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_conversation_outlives_its_vendors(client: str, order: tuple[str, ...], streamed: bool) -> None:
    # A stage for each: who has failed in one conversation gets no third attempts of the next.
    with hold_stage() as play:
        play(lambda stage: move(stage, client, order, streamed))
