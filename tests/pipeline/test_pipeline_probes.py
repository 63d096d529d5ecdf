"""Active probes, with the prober running in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random

import pytest
import structlog
from pipeline_stage import COMPLETION, JSON, Canned, Stage, act, by_pool, whole
from structlog.testing import capture_logs
from support.simulation import BREAKER, World, build, provider, replace, settings

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import FailureKind, TransportError
from proxy.core.settings import ProbeSettings, Settings, Target
from proxy.core.usage import Price
from proxy.pipeline.probes import ProbeReceiver
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import Wish
from proxy.rehearse.virtual_loop import run
from proxy.tokens.price_list import Row, Step, VendorPrices

LISTED = Row("m", ["=", "m"], [Step({"input": 1_000_000_000, "output": 2_000_000_000})])

#: Probes every 10 s without jitter, after 20 s of idleness.
PROBE = ProbeSettings(every=10.0, idle_after=20.0, jitter=0.0, timeout=2.0)
QUICK = Behaviour(chunks=2, gap=0.0)
DOWN = Behaviour(Mode.STATUS, latency=Latency(0.1))
#: Opens at the first failure, for long.
OPENS = replace(BREAKER, consecutive=1, open_for=1000.0, open_cap=1000.0, jitter=0.0)


def configured(probe: ProbeSettings = PROBE, preset: str = "vllm", **more: object) -> Settings:
    """One route: a, then b; only a is probed."""
    providers = {"a": provider("a", probe=probe, preset=preset), "b": provider("b")}
    return settings(providers=providers, breaker=OPENS, **more)  # type: ignore[arg-type]


def play_probing(body: Callable[[World], Awaitable[None]], a: Behaviour, made: Settings) -> None:
    async def main(rng: Random) -> None:
        world, probing = build({"a": a, "b": QUICK}, made, rng, prober=True)
        try:
            await body(world)
        finally:
            assert probing is not None
            probing.cancel()

    run(main, seed=1)


def kinds(world: World) -> list[str]:
    return [record.kind for record in world.notes.probes]


def paths(world: World) -> list[str]:
    return [contact.path for contact in world.network.contacts if contact.probe]


class TestIdleTargets:
    def test_get_a_free_probe(self) -> None:
        async def body(world: World) -> None:
            await asyncio.sleep(100)
            assert set(paths(world)) == {"/v1/models"} or set(paths(world)) == {"/health"}
            assert 6 <= len(world.notes.probes) <= 9
            assert all(record.ok and record.kind == "free" for record in world.notes.probes)
            assert all(record.took == pytest.approx(0.2) for record in world.notes.probes)
            assert {contact.provider for contact in world.network.contacts} == {"a"}

        play_probing(body, QUICK, configured())

    @pytest.mark.parametrize("preset", ["vllm", "openai"])
    def test_never_cost_money(self, preset: str) -> None:
        async def body(world: World) -> None:
            await asyncio.sleep(300)
            assert set(kinds(world)) == {"free"}

        play_probing(body, QUICK, configured(preset=preset))

    def test_traffic_makes_probes_superfluous(self) -> None:
        async def body(world: World) -> None:
            for n in range(30):
                await world.one(Wish(f"w{n}"))
                await asyncio.sleep(5)
            assert paths(world) == []

        play_probing(body, QUICK, configured())

    def test_three_failures_open_them_before_a_client_notices(self) -> None:
        async def body(world: World) -> None:
            await asyncio.sleep(100)
            assert [record.ok for record in world.notes.probes[:3]] == [False] * 3
            opened = next(change for change in world.notes.changes if change.after == "open")
            third = world.notes.probes[2]
            assert opened.at == pytest.approx(third.at + third.took)
            assert "3 probes in a row failed" in opened.cause
            client = await world.one(Wish("w"))
            assert client.verdict == "ok"
            assert [contact.provider for contact in world.network.contacts if not contact.probe] == ["b"]

        play_probing(body, DOWN, configured())

    def test_two_failures_do_not(self) -> None:
        async def body(world: World) -> None:
            while len(world.notes.probes) < 2:
                await asyncio.sleep(0.5)
            world.providers["a"].become(QUICK)
            await asyncio.sleep(15)
            world.providers["a"].become(DOWN)
            while sum(not record.ok for record in world.notes.probes) < 4:
                await asyncio.sleep(0.5)
            assert world.notes.changes == []

        play_probing(body, DOWN, configured())

    def test_silence_is_a_failure_after_the_timeout(self) -> None:
        async def body(world: World) -> None:
            await asyncio.sleep(60)
            first = world.notes.probes[0]
            assert not first.ok
            assert first.took == pytest.approx(2.0)
            assert first.detail == "no answer in 2 s"
            assert all(contact.ending == "aborted" for contact in world.network.contacts if contact.ended_at)

        play_probing(body, Behaviour(Mode.BLACK_HOLE), configured())


class TestOpenTargets:
    def test_two_successes_bring_the_trial_early(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            world.providers["a"].become(QUICK)
            await asyncio.sleep(40)
            healed = next(change for change in world.notes.changes if change.after == "half_open")
            assert healed.cause == "a probe found it healthy"
            second = world.notes.probes[1]
            assert healed.at == pytest.approx(second.at + second.took)
            await world.one(Wish("trial"))
            assert [c.provider for c in world.network.contacts if c.label == "trial"] == ["a"]
            assert world.notes.changes[-1].after == "closed"

        play_probing(body, DOWN, configured())

    def test_where_the_free_probe_lies_a_completion_follows(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            await asyncio.sleep(60)
            assert kinds(world)[:4] == ["free", "completion", "free", "completion"]
            assert [record.ok for record in world.notes.probes[:4]] == [True, False, True, False]
            assert [change.after for change in world.notes.changes] == ["open"], "a model list proves nothing"
            world.providers["a"].become(QUICK)
            await asyncio.sleep(40)
            assert world.notes.changes[-1].after == "half_open"

        play_probing(body, replace(DOWN, spare_models=True), configured(preset="openai"))

    def test_a_failed_free_probe_needs_no_second_opinion(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            await asyncio.sleep(60)
            assert set(kinds(world)) == {"free"}

        play_probing(body, DOWN, configured(preset="openai"))

    def test_free_means_free(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            await asyncio.sleep(100)
            assert set(kinds(world)) == {"free"}
            assert [change.after for change in world.notes.changes] == ["open"]

        play_probing(body, replace(DOWN, spare_models=True), configured(replace(PROBE, kind="free"), preset="openai"))

    def test_passive_never_asks(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            await asyncio.sleep(500)
            assert world.notes.probes == []

        play_probing(body, DOWN, configured(replace(PROBE, kind="passive")))

    def test_the_endpoint_that_is_open_is_probed(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("c"))
            await world.one(Wish("e", stream=False, endpoint=Endpoint.EMBEDDINGS))
            await asyncio.sleep(15)
            assert paths(world) == ["/v1/embeddings"]

        down = replace(DOWN, endpoints=("embeddings",))
        play_probing(body, down, configured(replace(PROBE, kind="completion")))

    def test_one_probe_at_a_time(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            await asyncio.sleep(60)
            spans = [(contact.started_at, contact.ended_at) for contact in world.network.contacts if contact.probe]
            assert len(spans) > 2
            assert all(end is not None and end <= later for (_, end), (later, _) in pairwise(spans))

        play_probing(body, Behaviour(Mode.BLACK_HOLE), configured(replace(PROBE, every=1.0, timeout=5.0)))

    def test_what_is_under_way_ends_with_the_prober(self) -> None:
        async def main(rng: Random) -> None:
            world, probing = build({"a": Behaviour(Mode.BLACK_HOLE), "b": QUICK}, configured(), rng, prober=True)
            while not world.network.contacts:
                await asyncio.sleep(0.5)
            assert probing is not None
            probing.cancel()
            await asyncio.sleep(0.01)
            assert world.network.open_contacts == []
            assert len(asyncio.all_tasks()) == 1

        run(main, seed=1)


class TestMoney:
    def test_paid_probes_keep_to_an_hourly_budget(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            await asyncio.sleep(3500)
            assert kinds(world).count("completion") == 7
            await asyncio.sleep(3600)
            assert kinds(world).count("completion") == 14

        probe = replace(PROBE, kind="completion", hourly_completions=7)
        slow = replace(OPENS, open_for=1e6, open_cap=1e6)
        play_probing(body, DOWN, replace(configured(probe), breaker=slow))

    def test_the_targets_of_a_provider_share_it(self) -> None:
        async def body(world: World) -> None:
            await asyncio.sleep(3000)
            assert kinds(world).count("completion") == 5
            assert {record.target for record in world.notes.probes} == {"a/1", "a/2"}

        probe = replace(PROBE, kind="completion", hourly_completions=5)
        made = settings((("a/1", "a/2"),), providers={"a": provider("a", probe=probe)}, breaker=OPENS)
        play_probing(body, QUICK, made)

    @pytest.mark.parametrize(
        "target",
        [
            Target("a", "m", price=Price(1_000_000_000, 2_000_000_000)),
            Target("a", "m", tariff=VendorPrices([LISTED]).tariff("m")),
        ],
        ids=["written", "bundled"],
    )
    def test_tokens_and_cost_are_counted_apart_from_calls(self, target: Target) -> None:

        async def body(stage: Stage) -> None:
            probing = stage.loop.create_task(stage.parts.prober.run())
            await asyncio.sleep(45)
            probing.cancel()
            probes = stage.notes.probes
            assert probes
            assert all(record.usage is not None and record.usage.total == 10 for record in probes)
            assert all(record.cost == 7 * 1000 + 3 * 2000 for record in probes)
            line = stage.parts.gateway.tally.probes["a/m", "completion"]
            assert (line.passed, line.tokens, line.cost) == (len(probes), 10 * len(probes), 13_000 * len(probes))
            assert stage.parts.gateway.tally.lines == {}
            assert stage.records == []

        probe = replace(PROBE, kind="completion")
        made = settings(((target,),), providers={"a": provider("a", probe=probe)})
        act(by_pool({"a": whole()}), body, made)


class TestRefusals:
    """A refusal says who is to blame, of a probe as of a call."""

    def _after_a_minute(self, answer: Canned, keys: int = 1, kind: str = "auto") -> Stage:
        stages: list[Stage] = []

        async def body(stage: Stage) -> None:
            probing = stage.loop.create_task(stage.parts.prober.run())
            await asyncio.sleep(65)
            probing.cancel()
            assert len(stage.notes.probes) >= 3
            assert not any(record.ok for record in stage.notes.probes)
            stages.append(stage)

        probe = replace(PROBE, kind=kind)
        providers = {"a": provider("a", keys=keys, probe=probe, preset="vllm")}
        act(by_pool({"a": answer}), body, settings((("a/m",),), providers=providers, breaker=OPENS))
        return stages[0]

    @pytest.mark.parametrize("status", [401, 403])
    @pytest.mark.parametrize("kind", ["free", "completion"])
    def test_a_revoked_key_is_held_and_the_breaker_left_alone(self, status: int, kind: str) -> None:
        error = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
        stage = self._after_a_minute(whole(error, status), kind=kind)
        changes = stage.notes.changes
        assert {change.subject for change in changes} == {"a#1"}
        assert changes[0].after == "held"
        state = next(iter(stage.parts.gateway.routing.states()))
        assert state.standing(Endpoint.CHAT, 65.0).state == "closed"

    def test_the_next_key_is_used_then(self) -> None:
        error = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
        stage = self._after_a_minute(whole(error, 401), keys=2)
        assert [change.subject for change in stage.notes.changes[:2]] == ["a#1", "a#2"]
        assert all(change.after == "held" for change in stage.notes.changes)

    @pytest.mark.parametrize("status", [400, 404, 405])
    def test_a_probe_that_is_refused_as_a_request_proves_nothing(self, status: int) -> None:
        stage = self._after_a_minute(whole({"error": {"message": "Not Found"}}, status))
        assert stage.notes.changes == []

    @pytest.mark.parametrize("status", [500, 502, 503, 529])
    def test_a_failing_server_is_the_targets_fault(self, status: int) -> None:
        stage = self._after_a_minute(whole({"error": {"message": "down"}}, status))
        assert [change.after for change in stage.notes.changes] == ["open"]
        assert stage.notes.changes[0].subject == "a/m"


def test_a_completion_that_is_no_answer_is_a_failure() -> None:
    async def body(stage: Stage) -> None:
        probing = stage.loop.create_task(stage.parts.prober.run())
        await asyncio.sleep(65)
        probing.cancel()
        assert not any(record.ok for record in stage.notes.probes)
        assert stage.notes.changes[0].after == "open"

    made = settings((("a/m",),), providers={"a": provider("a", probe=replace(PROBE, kind="completion"))}, breaker=OPENS)
    act(by_pool({"a": whole({**COMPLETION, "choices": []})}), body, made)


def test_a_bug_in_a_probe_is_logged_without_its_words_and_ends_nothing() -> None:
    structlog.reset_defaults()

    def broken(request: object) -> Canned:
        raise LookupError("sk-secret")

    async def body(stage: Stage) -> None:
        probing = stage.loop.create_task(stage.parts.prober.run())
        with capture_logs() as lines:
            await asyncio.sleep(60)
        assert len(lines) >= 3
        assert {line["event"] for line in lines} == {"probe_failed"}
        assert lines[0]["subject"] == "a/m"
        assert str(lines[0]["where"]).startswith("LookupError at test_pipeline_probes.py:")
        assert "sk-secret" not in repr(lines)
        stage.transport.script = by_pool({"a": whole()})
        await asyncio.sleep(20)
        assert stage.notes.probes[-1].ok, "the prober lives on"
        probing.cancel()

    act(broken, body, settings((("a/m",),), providers={"a": provider("a", probe=PROBE)}))


class TestReceiver:
    """Whatever comes after the first verdict changes nothing."""

    def _result(self, feed: Callable[[ProbeReceiver], None]) -> object:
        async def main(rng: Random) -> object:
            receiver = ProbeReceiver(asyncio.get_running_loop())
            feed(receiver)
            return await receiver.done

        return run(main, seed=1)

    def test_an_answer(self) -> None:
        def feed(receiver: ProbeReceiver) -> None:
            receiver.on_head(200, JSON)
            receiver.on_body(b"a")
            receiver.on_body(b"b")
            receiver.on_complete()
            receiver.expire(1)
            receiver.on_failed(TransportError(FailureKind.BROKEN, "late"))

        assert self._result(feed) == (200, JSON, b"ab")

    def test_a_failure(self) -> None:
        def feed(receiver: ProbeReceiver) -> None:
            receiver.on_failed(TransportError(FailureKind.CONNECT, "refused"))
            receiver.on_complete()

        assert getattr(self._result(feed), "kind", "") == "connect_failed"

    def test_a_flood_is_not_kept(self) -> None:
        def feed(receiver: ProbeReceiver) -> None:
            receiver.on_head(200, JSON)
            for _ in range(100):
                receiver.on_body(b"x" * 100_000)
            receiver.on_complete()

        result = self._result(feed)
        assert isinstance(result, tuple)
        assert len(result[2]) < 1_200_000
