"""What is kept over a reload, what is made anew, and that the parts fit."""

import asyncio
import gc

import msgspec
import pytest
from support.simulation import BREAKER, Notes, World, play, provider, replace, settings

from proxy.assemble import Encodings, Parts, assemble, bind_kinds, thread_estimator
from proxy.core.endpoints import Endpoint
from proxy.core.errors import ConfigError
from proxy.core.settings import Credential, ProbeSettings, Settings, Target
from proxy.core.usage import Usage, UsageSource
from proxy.pipeline.estimation import EstimateJob
from proxy.policy.targets import TargetState
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.stores.vocabulary import VocabularyError

QUICK = Behaviour(chunks=2, gap=0.0)
DOWN = Behaviour(Mode.STATUS, latency=Latency(0.1))
BOTH = {"a": QUICK, "b": QUICK}
BASE = settings()


def states(world: World) -> dict[str, TargetState]:
    return {state.id: state for state in world.parts.gateway.routing.states()}


def reload(world: World, made: Settings) -> dict[str, TargetState]:
    world.parts.gateway.use(world.parts.routing(made))
    return states(world)


class TestWhatAReloadKeeps:
    @pytest.mark.parametrize(
        "made",
        [
            BASE,
            replace(BASE, routes=(replace(BASE.routes[0], name="renamed", models=("renamed", "lamp")),)),
            settings((("b/m", "a/m"),), strategy="weighted"),
            settings(((Target("a", "m", weight=5, max_in_flight=9, context_window=100),), ("b/m",))),
            settings(timeouts=replace(BASE.timeouts, total=5.0)),
            settings(providers={"a": replace(provider("a"), max_connections=5), "b": provider("b")}),
            replace(BASE, server=replace(BASE.server, drain=1.0)),
        ],
        ids=["nothing", "a route's name", "tiers and strategy", "caps", "timeouts", "a pool", "the server"],
    )
    def test_live_states(self, made: Settings) -> None:
        async def body(world: World) -> None:
            before = states(world)
            after = reload(world, made)
            assert all(after[name] is state for name, state in before.items())

        play(body, BOTH, BASE)

    def test_an_open_breaker_stays_open(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            assert world.notes.changes[-1].after == "open"
            route = replace(world.parts.gateway.routing.settings.routes[0], name="x", models=("x",))
            reload(world, replace(world.parts.gateway.routing.settings, routes=(route,)))
            await world.one(Wish("w2", model="x"))
            assert [contact.provider for contact in world.network.contacts] == ["a", "b", "b"]

        play(body, {"a": DOWN, "b": QUICK}, settings(breaker=replace(BREAKER, consecutive=1)))

    def test_a_held_credential_stays_held(self) -> None:
        fault = Behaviour(Mode.STATUS, failure="openai_quota", latency=Latency(0.1))

        async def body(world: World) -> None:
            await world.one(Wish("w"))
            reload(world, settings((("a/other",), ("b/m",))))
            await world.one(Wish("w2"))
            assert [contact.provider for contact in world.network.contacts] == ["a", "b", "b"], "another model, the same key"

        play(body, {"a": fault, "b": QUICK})

    def test_a_target_that_comes_back_with_a_later_one_begins_anew(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            reload(world, settings((("b/m",),)))
            gc.collect()
            assert reload(world, settings(breaker=replace(BREAKER, consecutive=1)))["a/m"].in_flight == 0
            await world.one(Wish("again"))
            assert [contact.provider for contact in world.network.contacts] == ["a", "b", "a", "b"]

        play(body, {"a": DOWN, "b": QUICK}, settings(breaker=replace(BREAKER, consecutive=1)))


class TestWhatAReloadReplaces:
    @pytest.mark.parametrize(
        "made",
        [
            settings(breaker=replace(BREAKER, consecutive=2)),
            settings(retry=replace(BASE.retry, budget_floor=9)),
            settings(providers={"a": replace(provider("a"), credentials=(Credential("a#1", "new"),)), "b": provider("b")}),
        ],
        ids=["breaker", "retry", "credentials"],
    )
    def test_states_made_from_what_changed(self, made: Settings) -> None:
        async def body(world: World) -> None:
            before = states(world)["a/m"]
            after = reload(world, made)["a/m"]
            assert after is not before
            assert (await world.one(Wish("w"))).verdict == "ok"

        play(body, BOTH, BASE)

    def test_only_the_provider_whose_credentials_changed(self) -> None:
        changed = replace(provider("a"), credentials=(Credential("a#1", "new"),))

        async def body(world: World) -> None:
            before = states(world)
            after = reload(world, settings(providers={"a": changed, "b": provider("b")}))
            assert after["b/m"] is before["b/m"]
            await world.one(Wish("w"))
            assert world.network.contacts[0].key == "new"

        play(body, BOTH, BASE)

    def test_permits_of_a_replaced_state_are_settled_with_it(self) -> None:
        async def body(world: World) -> None:
            old = states(world)["a/m"]
            client = SimulatedClient(Wish("w"))
            task = asyncio.get_running_loop().create_task(client.ask(world.parts.gateway.serve))
            await asyncio.sleep(0.05)
            new = reload(world, settings(breaker=replace(BREAKER, consecutive=2)))["a/m"]
            assert (old.in_flight, new.in_flight) == (1, 0)
            await task
            assert (old.in_flight, new.in_flight) == (0, 0)
            assert client.verdict == "ok"

        play(body, BOTH, BASE)

    def test_caps_take_effect_at_once(self) -> None:
        async def body(world: World) -> None:
            reload(world, settings(((Target("a", "m", max_in_flight=1),), ("b/m",))))
            clients = [SimulatedClient(Wish(f"{n}")) for n in range(2)]
            await asyncio.gather(*(client.ask(world.parts.gateway.serve) for client in clients))
            assert [contact.provider for contact in world.network.contacts] == ["a", "b"]

        play(body, BOTH, BASE)

    def test_probe_settings(self) -> None:
        probe = ProbeSettings(kind="free", unhealthy=9)

        async def body(world: World) -> None:
            assert states(world)["a/m"].free_probe_lies
            local = provider("a", probe=probe, preset="vllm")
            state = reload(world, settings(providers={"a": local, "b": provider("b")}))["a/m"]
            assert state.probe is probe
            assert not state.free_probe_lies

        play(body, BOTH, BASE)

    def test_states_that_nobody_names_any_more_are_let_go(self) -> None:
        direct = settings(providers={"a": replace(provider("a"), direct=True), "b": provider("b")})

        async def body(world: World) -> None:
            for number in range(600):
                await world.one(Wish(f"{number}", model=f"a/invented-{number}", stream=False))
            await asyncio.sleep(60)
            gc.collect()
            assert len(list(world.parts.registry._states)) <= 300

        play(body, BOTH, direct)


def test_a_configuration_that_cannot_be_used_changes_nothing() -> None:
    async def body(world: World) -> None:
        before = world.parts.gateway.routing
        bad = replace(provider("a"), headers={"host": "evil"}, probe=ProbeSettings(kind="free"))
        with pytest.raises(ConfigError, match="cannot be set"):
            world.parts.routing(settings(((Target("a", "m", max_in_flight=1),),), providers={"a": bad}))
        assert world.parts.gateway.routing is before
        state = states(world)["a/m"]
        assert (state.target.max_in_flight, state.probe.kind) == (None, "passive")

    play(body, BOTH, BASE)


def test_servers_that_queue_silently_have_no_stall_rule() -> None:
    async def body(world: World) -> None:
        for preset, has in (("custom", True), ("ollama", False)):
            made = settings(providers={"a": provider("a", preset=preset), "b": provider("b")})
            reload(world, made)
            for n in range(30):
                await world.one(Wish(f"{preset}{n}"))
            assert (states(world)["a/m"].stall_after(Endpoint.CHAT) is not None) is has

    play(body, BOTH, BASE)


def test_every_provider_gets_its_own_kind() -> None:
    kinds = bind_kinds({"a": provider("a", preset="vllm"), "b": provider("b", preset="openai")})
    assert (kinds["a"].free_probe_lies, kinds["b"].free_probe_lies) == (False, True)
    assert kinds["a"].request is not kinds["b"].request


def test_the_tally_and_every_sink_hear_of_everything() -> None:
    async def body(world: World) -> None:
        await world.one(Wish("w"))
        assert len(world.notes.calls) == 1
        assert world.parts.gateway.tally.lines["lamp", "b/m"].delivered == 1
        assert len(world.notes.changes) == sum(world.parts.gateway.tally.changes.values()) == 1

    play(body, {"a": DOWN, "b": QUICK}, settings(breaker=replace(BREAKER, consecutive=1)))


def test_two_proxies_share_nothing() -> None:
    async def body(world: World) -> None:
        notes = Notes()
        other: Parts = assemble(BASE, world.network, NoEstimator(), [notes])
        await world.one(Wish("w"))
        assert notes.calls == []
        assert {state.id for state in other.gateway.routing.states()} == {"a/m", "b/m"}
        assert next(iter(other.gateway.routing.states())) is not next(iter(world.parts.gateway.routing.states()))
        assert other.gateway.tally.lines == {}

    play(body, BOTH, BASE)


class NoEstimator:
    def submit(self, job: EstimateJob, done: object) -> None:
        raise AssertionError("nothing to estimate")


class TestEstimates:
    def test_of_any_model_whatever_was_configured(self) -> None:
        """A reload may bring a model whose vocabulary was not loaded at the start."""
        encodings = Encodings(["o200k_base"])
        fields = {"messages": msgspec.Raw(b'[{"role":"user","content":"Keep the light on."}]')}
        for model in ("gpt-4o", "gpt-4", "claude-sonnet-5", "nobody/knows"):
            usage = encodings.estimate(EstimateJob(Endpoint.CHAT, model, fields, ["lit and lit"]))
            assert usage.source is UsageSource.ESTIMATE
            assert 8 <= usage.input <= 20
            assert 3 <= usage.output <= 6

    def test_building_is_done_once_before_or_with_the_first(self) -> None:
        encodings = Encodings(["o200k_base"])
        counter = encodings.build()
        assert encodings.build() is counter
        assert encodings.estimate(EstimateJob(Endpoint.CHAT, "m", {}, ["lit"])).output == 1
        assert encodings.build() is counter

    def test_a_damaged_vocabulary_shows_at_once(self) -> None:
        with pytest.raises(VocabularyError):
            Encodings(["no_such_base"])

    def test_in_a_thread(self) -> None:
        async def main() -> Usage:
            loop = asyncio.get_running_loop()
            got: asyncio.Future[Usage] = loop.create_future()
            thread_estimator(loop, BASE).submit(EstimateJob(Endpoint.CHAT, "m", {}, ["lit"]), got.set_result)
            return await got

        assert asyncio.run(main()).output == 1
