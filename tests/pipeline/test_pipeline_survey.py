"""The view for people tells the same story as the traffic."""

import asyncio
import json

import pytest
from pipeline_stage import Canned, Stage, act, by_pool, whole
from support.simulation import BREAKER, World, play, provider, replace, settings

from proxy.core.call import Needs
from proxy.core.endpoints import Endpoint
from proxy.core.settings import Target, When
from proxy.pipeline.routing import RouteState
from proxy.pipeline.survey import Surveyor
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.issuer import IssuerBehaviour, IssuerMode, IssuerPlan, IssuerSpan
from proxy.server.application import Identity

DOWN = Behaviour(Mode.STATUS, latency=Latency(0.1))
ONE_STRIKE = replace(BREAKER, consecutive=1, jitter=0.0)
QUICK = Behaviour(chunks=2, gap=0.0)


def rows(world: "World | Stage") -> dict[str, dict[str, object]]:
    """The targets of the first route by id."""
    routes = world.parts.gateway.survey()["routes"]
    assert isinstance(routes, list)
    return {row["target"]: row for row in routes[0]["targets"]}


def status(world: "World | Stage") -> object:
    view = world.parts.gateway.survey()
    json.dumps(view)
    return view["status"]


def explain(world: "World | Stage", needs: Needs | None = None) -> dict[str, object]:
    gateway = world.parts.gateway
    state = gateway.routing.find("lamp")
    assert isinstance(state, RouteState)
    surveyor: Surveyor = gateway._surveyor
    return surveyor.explain(state, "lamp", needs or Needs(), Endpoint.CHAT)


def test_a_fresh_proxy_is_ok() -> None:
    async def body(world: World) -> None:
        assert status(world) == "ok"
        assert rows(world)["a/m"] == {
            "target": "a/m",
            "tier": 1,
            "state": "ready",
            "cause": None,
            "since_s": None,
            "next_trial_s": None,
            "in_flight": 0,
            "queued": 0,
            "ttft_ms": None,
            "estimates": {"factor": 1.0, "samples": 0},
        }
        assert rows(world)["b/m"]["tier"] == 2

    play(body, {"a": QUICK, "b": QUICK})


def test_an_open_target_says_why_since_when_and_until_when() -> None:
    async def body(world: World) -> None:
        await world.one(Wish("w"))
        await asyncio.sleep(2.0 - asyncio.get_running_loop().time() + 0.1)
        row = rows(world)["a/m"]
        assert row["state"] == "open"
        assert "in a row failed" in str(row["cause"])
        assert (row["since_s"], row["next_trial_s"]) == (2.0, 3.0)
        assert status(world) == "degraded"
        assert world.parts.gateway._surveyor.ready(world.parts.gateway.routing)
        await asyncio.sleep(3.0)
        assert rows(world)["a/m"]["state"] == "trial"
        assert status(world) == "ok", "it would be asked"
        world.providers["a"].become(QUICK)
        await world.one(Wish("trial"))
        assert rows(world)["a/m"]["state"] in ("ready", "ramping")
        assert rows(world)["a/m"]["ttft_ms"] == 200

    play(body, {"a": DOWN, "b": QUICK}, settings(breaker=ONE_STRIKE))


def test_everything_down() -> None:
    async def body(world: World) -> None:
        await world.one(Wish("w"))
        assert status(world) == "down"
        gateway = world.parts.gateway
        assert not gateway._surveyor.ready(gateway.routing)
        assert explain(world)["goes_to"] is None

    play(body, {"a": DOWN, "b": DOWN}, settings(breaker=ONE_STRIKE))


def test_a_full_target_serves_and_its_queue_is_counted() -> None:
    async def body(world: World) -> None:
        loop = asyncio.get_running_loop()
        clients = [SimulatedClient(Wish(f"w{n}")) for n in range(4)]
        tasks = [loop.create_task(client.ask(world.parts.gateway.serve)) for client in clients]
        await asyncio.sleep(0.1)
        row = rows(world)["a/m"]
        assert (row["state"], row["in_flight"], row["queued"]) == ("full", 1, 3)
        assert row["cause"] == "1 requests are in flight, the limit"
        assert status(world) == "ok"
        await asyncio.gather(*tasks)
        row = rows(world)["a/m"]
        assert (row["state"], row["in_flight"], row["queued"]) == ("ready", 0, 0)

    play(body, {"a": QUICK}, settings(((Target("a", "m", max_in_flight=1),),)))


def test_blocked_credentials_are_listed_without_their_secrets() -> None:
    providers = {"a": provider("a", keys=2), "b": provider("b")}
    answers = iter([whole({"error": {"message": "no", "code": "invalid_api_key"}}, 401), whole()])

    async def body(stage: Stage) -> None:
        await stage.ask()
        row = rows(stage)["a/m"]
        assert row["state"] == "ready", "the other key works"
        blocked = row["credentials"]
        assert isinstance(blocked, list)
        assert [entry["credential"] for entry in blocked] == ["a#1"]
        assert "refused" in blocked[0]["cause"]
        assert 59 < blocked[0]["next_trial_s"] <= 72
        assert "sk-a" not in json.dumps(stage.parts.gateway.survey())

    act(lambda _: next(answers), body, settings(providers=providers))


def test_a_held_target() -> None:
    limited = Canned(429, ((b"retry-after", b"30"),), ((0.0, b'{"error":{"message":"slow down"}}'),))

    async def body(stage: Stage) -> None:
        await stage.ask()
        row = rows(stage)["a/m"]
        assert row["state"] == "held"
        assert "rate limit" in str(row["cause"])
        assert status(stage) == "degraded"

    act(by_pool({"a": limited, "b": whole()}), body)


def test_the_worst_endpoint_speaks_and_all_are_listed() -> None:
    chat_down = replace(DOWN, endpoints=("completions",))

    async def body(world: World) -> None:
        await world.one(Wish("c"))
        await world.one(Wish("e", stream=False, endpoint=Endpoint.EMBEDDINGS))
        row = rows(world)["a/m"]
        assert row["state"] == "open"
        endpoints = row["endpoints"]
        assert isinstance(endpoints, dict)
        assert {name: entry["state"] for name, entry in endpoints.items()} == {"chat": "open", "embeddings": "ready"}
        assert status(world) == "ok", "it still takes embeddings"
        state = next(iter(world.parts.gateway.routing.states()))
        assert world.parts.gateway._surveyor.breakers(state) == {"chat": "open", "embeddings": "closed"}

    play(body, {"a": chat_down, "b": QUICK}, settings(breaker=ONE_STRIKE))


def test_without_routes_direct_addresses_keep_it_ready() -> None:
    async def body(world: World) -> None:
        gateway = world.parts.gateway
        assert gateway._surveyor.ready(gateway.routing)
        assert status(world) == "ok"
        assert gateway.survey()["routes"] == []

    direct = replace(settings(), routes=(), providers={"a": replace(provider("a"), direct=True)})
    play(body, {"a": QUICK}, direct)


class TestExplain:
    def test_where_it_goes_and_why_not_elsewhere(self) -> None:
        tiers = ((Target("a", "m", when=When(tools=True)),), ("b/m", "c/m"), (Target("d", "m", context_window=100),))

        async def body(world: World) -> None:
            story = explain(world)
            assert story["goes_to"] == "b/m"
            assert (story["model"], story["route"], story["strategy"]) == ("lamp", "lamp", "ordered")
            targets = story["targets"]
            assert isinstance(targets, list)
            assert [(row["target"], row["tier"], row["why"]) for row in targets] == [
                ("a/m", 1, "it is for requests with tools"),
                ("b/m", 2, "goes here"),
                ("c/m", 2, "ready"),
                ("d/m", 3, "ready"),
            ]
            assert explain(world, Needs(tools=True))["goes_to"] == "a/m"
            long = explain(world, Needs(tokens=5000))["targets"]
            assert isinstance(long, list)
            assert long[3]["why"] == "the request has about 5000 tokens, its context holds 100"

        play(body, {name: QUICK for name in "abcd"}, settings(tiers))

    def test_an_open_breaker_is_named(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            story = explain(world)
            assert story["goes_to"] == "b/m"
            targets = story["targets"]
            assert isinstance(targets, list)
            assert targets[0]["state"] == "open"
            assert str(targets[0]["why"]).startswith("open: ")

        play(body, {"a": DOWN, "b": QUICK}, settings(breaker=ONE_STRIKE))

    @pytest.mark.parametrize("times", [1, 50])
    def test_asking_changes_nothing(self, times: int) -> None:
        async def body(world: World) -> None:
            for _ in range(times):
                explain(world)
                status(world)
            assert world.network.contacts == []
            assert world.notes.changes == []
            await world.one(Wish("w"))
            assert world.network.contacts[0].provider == "a"

        play(body, {"a": QUICK, "b": QUICK})

    def test_the_story_is_what_the_next_call_does(self) -> None:
        """Through a whole outage and back, but for the ramp, where every call is a draw."""

        async def body(world: World) -> None:
            goals = []
            for second in range(120):
                world.providers["a"].become(DOWN if 20 <= second < 60 else QUICK)
                story = explain(world)
                label = f"w{second}"
                await world.one(Wish(label))
                last = world.notes.changes[-1] if world.notes.changes else None
                if last is None or last.after == "open":
                    first = next(contact for contact in world.network.contacts if contact.label == label)
                    assert first.target == story["goes_to"]
                    goals.append(story["goes_to"])
                await asyncio.sleep(1)
            assert set(goals) == {"a/m", "b/m"}

        play(body, {"a": QUICK, "b": QUICK})


def test_each_credential_of_each_provider_is_shown_and_never_its_value() -> None:
    down = IssuerPlan(life=100.0, spans=(IssuerSpan(50.0, 1e6, IssuerBehaviour(IssuerMode.INVALID_GRANT)),))
    providers = {"a": provider("a", tokens=True), "b": provider("b", keys=2), "c": provider("c", tokens=True)}
    made = settings((("a/m",), ("b/m",)), providers=providers)

    def shown(world: World) -> dict[str, list[dict[str, object]]]:
        view = world.parts.gateway.survey()
        metrics = world.parts.gateway.page("/metrics", "", Identity())
        assert metrics is not None
        text = json.dumps(view) + metrics.body.decode()
        for secret in ("token-a", "sk-b", "a secret"):
            assert secret not in text
        found = view["providers"]
        assert isinstance(found, dict)
        return {name: row["credentials"] for name, row in found.items()}

    async def body(world: World) -> None:
        waiting = {"id": "a#1", "state": "waiting", "expires_s": None, "last_error": None, "refreshes": {}}
        assert shown(world)["a"] == [waiting]
        await asyncio.sleep(10.0)
        fresh = {"id": "a#1", "state": "usable", "expires_s": 90.0, "last_error": None, "refreshes": {"renewed": 1}}
        assert shown(world)["a"] == [fresh]
        assert shown(world)["b"] == [{"id": "b#1", "state": "usable"}, {"id": "b#2", "state": "usable"}]
        assert shown(world)["c"][0]["last_error"] == "c.issuer.test cannot be reached: no such host"
        world.providers["b"].become(Behaviour(Mode.STATUS, failure="openai_invalid_key"))
        world.providers["a"].become(DOWN)
        await world.one(Wish("x", stream=False))
        assert [row["state"] for row in shown(world)["b"]] == ["held", "held"]
        await asyncio.sleep(95.0)
        row = shown(world)["a"][0]
        assert row["state"] == "expired"
        assert isinstance(row["expires_s"], float)
        assert row["expires_s"] < 0
        assert row["last_error"] == (
            "a.issuer.test refused with invalid_grant (the grant is revoked or expired, or this machine's clock is wrong)"
        )
        target = rows(world)["a/m"]
        assert target["state"] == "held"
        assert str(target["cause"]).startswith("its token has expired: a.issuer.test refused")
        assert explain(world)["goes_to"] == "b/m"

    play(body, {"a": QUICK, "b": QUICK}, made, issuers={"a": down})
