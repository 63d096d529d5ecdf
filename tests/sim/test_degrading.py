"""What a route falls to when none of its targets can answer: last resorts, shorter answers, and answers given before."""

import asyncio
import json
from collections.abc import Callable

import pytest
from support.simulation import World, always, play, replace, settings

from proxy.core.exchange import Exchange, Receiver, UpstreamRequest
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Settings, Target
from proxy.core.staleness import Kept
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish

WELL = Behaviour(chunks=4, gap=0.02)
DOWN = Behaviour(Mode.STATUS, latency=Latency(0.05))


class Memory:
    """A shelf that keeps in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[bytes, Kept] = {}

    def keep(self, key: bytes, kept: Kept) -> None:
        self.kept[key] = kept

    async def find(self, key: bytes, since: float) -> Kept | None:
        found = self.kept.get(key)
        return found if found is not None and found.wall >= since else None

    def close(self) -> None: ...


def last_resort(most: int | None = None) -> Settings:
    return settings((("a/m",), (Target("b", "small", last_resort=True, max_answer=most),)))


def body(**fields: object) -> bytes:
    return json.dumps({"model": "lamp", "messages": [{"role": "user", "content": "hi"}], "user": "x", **fields}).encode()


def header(client: SimulatedClient, name: str) -> str | None:
    return client.downstream.header(name)


@pytest.mark.parametrize("stream", [True, False])
def test_a_last_resort_answers_and_says_so(stream: bool) -> None:
    async def script(world: World) -> None:
        client = await world.one(Wish("x", stream=stream))
        assert client.verdict == "ok"
        assert header(client, "x-undimmed-degraded") == "last-resort"
        (call,) = world.notes.calls
        assert call.degraded == "last-resort"

    play(script, {"a": DOWN, "b": WELL}, last_resort())


def test_while_others_answer_nothing_is_degraded() -> None:
    async def script(world: World) -> None:
        client = await world.one(Wish("x", stream=False))
        assert header(client, "x-undimmed-degraded") is None
        assert world.notes.calls[0].degraded == ""
        assert [contact.provider for contact in world.network.contacts] == ["a"]

    play(script, {"a": WELL, "b": WELL}, last_resort())


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"max_tokens": 100}),
        ({"max_tokens": 5000}, {"max_tokens": 100}),
        ({"max_completion_tokens": 5000}, {"max_completion_tokens": 100}),
        ({"max_tokens": 50}, {"max_tokens": 50}),
    ],
)
def test_its_answers_are_shorter(asked: dict[str, int], sent: dict[str, int]) -> None:
    async def script(world: World) -> None:
        bodies: list[dict[str, object]] = []
        send: Callable[[UpstreamRequest, Receiver], Exchange] = world.network.send

        def note(request: UpstreamRequest, receiver: Receiver) -> Exchange:
            bodies.append(json.loads(request.body))
            return send(request, receiver)

        world.network.send = note  # type: ignore[method-assign]
        client = await SimulatedClient(Wish("x", stream=False), body(**asked)).ask(world.parts.gateway.serve)
        assert client.verdict == "ok"
        names = ("max_tokens", "max_completion_tokens")
        first, second = ({name: sent[name] for name in names if name in sent} for sent in bodies)
        assert first == asked
        assert second == sent

    play(script, {"a": DOWN, "b": WELL}, last_resort(100))


def stale(seconds: float = 3600.0) -> Settings:
    configured = settings((("a/m",),))
    return replace(configured, routes=tuple(replace(route, stale=seconds) for route in configured.routes))


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_given_before_is_given_again(stream: bool) -> None:
    async def script(world: World) -> None:
        world.parts.services.shelf = Memory()
        wish = Wish("x", stream=stream)
        first = await world.one(wish)
        down(world)
        again = await world.one(wish)
        assert again.verdict == "ok"
        assert again.downstream.status == 200
        assert header(again, "x-undimmed-degraded") == "stale"
        assert header(again, "x-undimmed-age") is not None
        assert header(again, "x-undimmed-attempts") == str(len(world.notes.calls[1].attempts))
        assert data_of(again) == data_of(first)
        call = world.notes.calls[1]
        assert (call.degraded, call.status, call.outcome) == ("stale", 200, OutcomeKind.OK)
        assert call.saved is not None
        assert call.served_by is None
        assert all(attempt.cost is None and not attempt.delivered for attempt in call.attempts)

    play(script, {"a": WELL}, stale())


def down(world: World) -> None:
    world.providers["a"].schedule = always(DOWN)


def data_of(client: SimulatedClient) -> list[bytes]:
    """What was said, without our comments."""
    return [line for line in bytes(client.downstream.body).split(b"\n") if line and not line.startswith(b":")]


def test_only_the_very_same_request_of_the_same_client_finds_it() -> None:
    async def script(world: World) -> None:
        world.parts.services.shelf = Memory()
        await world.one(Wish("x", stream=False, key="alice"))
        down(world)
        assert (await world.one(Wish("x", stream=False, key="alice"))).downstream.status == 200
        assert (await world.one(Wish("x", stream=False, key="bob"))).downstream.status == 502
        assert (await world.one(Wish("y", stream=False, key="alice"))).downstream.status != 200
        assert (await world.one(Wish("x", stream=True, key="alice"))).downstream.status != 200

    play(script, {"a": WELL}, stale())


def test_too_old_is_not_given_again() -> None:
    async def script(world: World) -> None:
        world.parts.services.shelf = Memory()
        await world.one(Wish("x", stream=False))
        down(world)
        await asyncio.sleep(61)
        assert (await world.one(Wish("x", stream=False))).downstream.status == 502

    play(script, {"a": WELL}, stale(60.0))


def test_a_mistake_of_the_client_stays_one() -> None:
    async def script(world: World) -> None:
        world.parts.services.shelf = Memory()
        await world.one(Wish("x", stream=False))
        world.providers["a"].schedule = always(Behaviour(Mode.STATUS, failure="openai_bad_request"))
        assert (await world.one(Wish("x", stream=False))).downstream.status == 400

    play(script, {"a": WELL}, stale())


def test_routes_that_do_not_ask_for_it_keep_nothing() -> None:
    async def script(world: World) -> None:
        world.parts.services.shelf = shelf = Memory()
        await world.one(Wish("x"))
        assert shelf.kept == {}

    play(script, {"a": WELL}, settings((("a/m",),)))
