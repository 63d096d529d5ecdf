"""The gateway in virtual time: keys, pages, the health view, and what a reload replaces."""

import asyncio
import json
from hashlib import sha256

import pytest
from anthropic.types import ModelInfo
from pydantic import TypeAdapter
from support.simulation import BREAKER, World, play, provider, replace, settings

from proxy import __version__
from proxy.core.settings import ClientKey
from proxy.gateway import Gateway
from proxy.policy.strain import EVERY, WINDOW
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.server.application import Identity, Page
from proxy.server.keyring import ANYBODY
from proxy.server.refusals import NO_LEDGER

QUICK = Behaviour(chunks=2, gap=0.0)
DOWN = Behaviour(Mode.STATUS, latency=Latency(0.1))
BOTH = {"a": QUICK, "b": QUICK}


def key(name: str, secret: str, routes: frozenset[str] | None = None) -> ClientKey:
    return ClientKey(name, sha256(secret.encode()).hexdigest(), routes)


def read(page: Page | None) -> dict[str, object]:
    assert page is not None
    value: dict[str, object] = json.loads(page.body)
    return value


def get(gateway: Gateway, path: str, routes: frozenset[str] | None = None) -> Page:
    page = gateway.page(path, "", Identity(None, routes))
    assert page is not None
    return page


class TestPages:
    MADE = replace(
        settings(),
        routes=(
            replace(settings().routes[0], models=("lamp", "light", "lamp-*")),
            replace(settings().routes[0], name="torch", models=("torch",)),
        ),
    )

    def test_models(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            listed = read(get(gateway, "/v1/models"))["data"]
            assert isinstance(listed, list)
            assert [model["id"] for model in listed] == ["lamp", "light", "torch"]
            assert listed[0] == {"id": "lamp", "object": "model", "created": 1_000_000_000, "owned_by": "undimmed"}
            narrowed = read(get(gateway, "/v1/models", frozenset({"torch"})))["data"]
            assert isinstance(narrowed, list)
            assert [model["id"] for model in narrowed] == ["torch"]

        play(body, BOTH, self.MADE)

    def test_one_model(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            for name in ("lamp", "light", "lamp-7", "lamp%2D7"):
                assert get(gateway, f"/v1/models/{name}").status == 200
            assert read(get(gateway, "/v1/models/lamp-7"))["id"] == "lamp-7"
            for path, routes in (("nope", None), ("torch", frozenset({"lamp"})), ("", None), ("a/m", None)):
                page = get(gateway, f"/v1/models/{path}", routes)
                assert page.status == 404
                error = read(page)["error"]
                assert isinstance(error, dict)
                assert error["code"] == "model_not_found"
            assert b"`torch`" not in get(gateway, "/v1/models/torc", frozenset({"lamp"})).body

        play(body, BOTH, self.MADE)

    def test_models_for_clients_of_anthropic(self) -> None:
        async def body(world: World) -> None:
            def ask(path: str, routes: frozenset[str] | None = None) -> Page:
                page = world.parts.gateway.page(path, "", Identity(None, routes), anthropic=True)
                assert page is not None
                return page

            listed = read(ask("/v1/models"))
            assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("lamp", "torch", False)
            made = TypeAdapter(list[ModelInfo]).validate_python(listed["data"])
            assert [model.id for model in made] == ["lamp", "light", "torch"]
            assert ModelInfo.model_validate_json(ask("/v1/models/lamp-7").body).created_at.timestamp() == 1_000_000_000
            assert read(ask("/v1/models", frozenset()))["first_id"] is None
            assert (ask("/v1/models/nope").status, read(ask("/v1/models/nope"))["type"]) == (404, "error")
            assert ask("/health/live").status == 200

        play(body, BOTH, self.MADE)

    def test_unknown_paths_are_not_ours(self) -> None:
        async def body(world: World) -> None:
            for path in ("/", "/v1/model", "/health/", "/metrics/x", "/v1/chat/completions"):
                assert world.parts.gateway.page(path, "", ANYBODY) is None

        play(body, BOTH)

    def test_metrics_show_live_state(self) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            client = SimulatedClient(Wish("x"))
            task = asyncio.get_running_loop().create_task(client.ask(world.parts.gateway.serve))
            await asyncio.sleep(0.05)
            page = get(world.parts.gateway, "/metrics")
            assert page.content_type.startswith("text/plain")
            text = page.body.decode()
            flights = [line for line in text.splitlines() if "in_flight" in line and 'target="a/m"' in line]
            assert flights
            assert flights[0].endswith(" 1")
            await task

        play(body, BOTH)

    @pytest.mark.parametrize("aliases", ["none", "litellm"])
    def test_metrics_go_by_other_names_where_that_is_wanted(self, aliases: str) -> None:
        async def body(world: World) -> None:
            await world.one(Wish("w"))
            text = get(world.parts.gateway, "/metrics").body.decode()
            asked = 'litellm_requests_metric_total{model="m",requested_model="lamp",api_provider="a",model_id="a/m",'
            assert (asked in text) is (aliases == "litellm")
            assert "undimmed_requests_total" in text

        play(body, BOTH, replace(settings(), server=replace(settings().server, metrics_aliases=aliases)))

    def test_reports_need_a_ledger(self) -> None:
        async def body(world: World) -> None:
            assert await world.parts.gateway.report({}) is NO_LEDGER

        play(body, BOTH)

    def test_usage_counts_what_was_served(self) -> None:
        async def body(world: World) -> None:
            before = get(world.parts.gateway, "/usage").body
            await world.one(Wish("w"))
            after = get(world.parts.gateway, "/usage").body
            assert before != after
            assert b"a/m" in after

        play(body, BOTH)

    def test_loop_lag_is_measured(self) -> None:
        async def body(world: World) -> None:
            task = asyncio.get_running_loop().create_task(world.parts.gateway.protection.watch())
            await asyncio.sleep(EVERY * 2.5)
            task.cancel()
            assert world.parts.gateway._gauges().loop_lag == 0.0
            assert 0 < (world.parts.gateway.protection.strain.used or 0.5) < 1

        play(body, BOTH)

    def test_overload_is_shown_and_ends(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            assert not gateway.strained
            for _ in range(WINDOW + 6):
                gateway.protection.observe(0.06, 0)
            assert gateway.strained
            turned = [gateway.turn_away(Identity(), {"x-undimmed-priority": "batch"}) for _ in range(100)]
            assert 60 <= sum(each is not None for each in turned) <= 90
            assert gateway.turn_away(Identity(priority="critical"), {"x-undimmed-priority": "nonsense"}) is None
            view = read(get(gateway, "/health"))["overload"]
            assert (view["state"], view["reason"], view["lag_ms"]) == ("shedding", "lag", 60.0)
            assert set(view["shed"]) == {"batch"}
            assert b'undimmed_shed_total{priority="batch",reason="lag"}' in get(gateway, "/metrics").body
            before = gateway.protection.strain
            gateway.use(gateway.routing)
            assert gateway.protection.strain is before, "a reload that changes nothing forgets nothing"
            changed = replace(
                gateway.routing.settings, server=replace(gateway.routing.settings.server, memory_limit=1 << 40)
            )
            gateway.use(world.parts.routing(changed))
            assert gateway.protection.strain.memory == 1 << 40
            assert gateway.protection.strain.shed == before.shed
            gateway.protection.observe(0.0, 0)
            assert not gateway.strained
            assert read(get(gateway, "/health"))["overload"]["state"] == "ok"

        play(body, BOTH)


class TestReadiness:
    def test_ready_until_nothing_can_serve(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            assert (get(gateway, "/health/ready").status, get(gateway, "/health/live").status) == (200, 200)
            await world.one(Wish("w"))
            page = get(gateway, "/health/ready")
            assert page.status == 503
            assert read(page)["reasons"] == ["no route has a target that can serve"]
            assert get(gateway, "/health/live").status == 200, "restarting us would not help"
            await asyncio.sleep(10)
            assert get(gateway, "/health/ready").status == 200, "a trial is due"

        made = settings((("a/m",),), breaker=replace(BREAKER, consecutive=1))
        play(body, {"a": DOWN}, made)

    def test_draining(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            gateway.draining = True
            page = get(gateway, "/health/ready")
            assert (page.status, read(page)["status"]) == (503, "draining")
            assert gateway.survey()["status"] == "draining"
            client = await world.one(Wish("w"))
            assert client.verdict == "ok", "who is in gets served"

        play(body, BOTH)


class TestHealth:
    def test_the_frame(self) -> None:
        async def body(world: World) -> None:
            await asyncio.sleep(12.34)
            view = read(get(world.parts.gateway, "/health"))
            assert view["status"] == "ok"
            assert view["version"] == __version__
            assert view["uptime_s"] == 12.3
            assert view["config"] == {"state": "ok", "source": "test", "loaded_s_ago": 12.3, "error": None}
            routes = view["routes"]
            assert isinstance(routes, list)
            assert [(route["name"], route["ready"]) for route in routes] == [("lamp", True)]

        play(body, BOTH)

    def test_a_rejected_configuration_is_shown_until_a_good_one_comes(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            await asyncio.sleep(5)
            gateway.config_rejected("undimmed.yaml:3: routes: wrong")
            config = gateway.survey()["config"]
            assert config == {
                "state": "rejected",
                "source": "test",
                "loaded_s_ago": 5.0,
                "error": "undimmed.yaml:3: routes: wrong",
            }
            assert gateway.survey()["status"] == "ok", "the old one serves"
            gateway.use(world.parts.routing(replace(settings(), source="newer")))
            assert gateway.survey()["config"] == {"state": "ok", "source": "newer", "loaded_s_ago": 0.0, "error": None}

        play(body, BOTH)


class TestExplain:
    def test_a_known_and_an_unknown_model(self) -> None:
        async def body(world: World) -> None:
            page = world.parts.gateway.explain("lamp", tools=False, images=False, tokens=0)
            assert (page.status, read(page)["goes_to"]) == (200, "a/m")
            page = world.parts.gateway.explain("lump", tools=False, images=False, tokens=0)
            assert page.status == 404
            assert b"`lamp`" in page.body

        play(body, BOTH)


class TestUse:
    """A new routing counts for the next call; calls under way keep theirs."""

    def test_calls_under_way_finish_on_the_old_one(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            client = SimulatedClient(Wish("old", stream=False))
            task = asyncio.get_running_loop().create_task(client.ask(gateway.serve))
            await asyncio.sleep(0.05)
            newer = settings((("b/m",),))
            gateway.use(world.parts.routing(newer))
            new = await world.one(Wish("new", stream=False))
            await task
            assert (client.verdict, new.verdict) == ("ok", "ok")
            assert [contact.provider for contact in world.network.contacts] == ["a", "b"]

        play(body, BOTH, settings((("a/m",),)))

    def test_a_call_under_way_fails_over_by_the_old_one(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            client = SimulatedClient(Wish("old", stream=False))
            task = asyncio.get_running_loop().create_task(client.ask(gateway.serve))
            await asyncio.sleep(0.05)
            gateway.use(world.parts.routing(settings((("a/m",),))))
            await task
            assert client.verdict == "ok"
            assert [contact.provider for contact in world.network.contacts] == ["a", "b"]

        play(body, {"a": DOWN, "b": QUICK})

    def test_keys_change_with_it(self) -> None:
        async def body(world: World) -> None:
            gateway = world.parts.gateway
            assert gateway.identify({}) is ANYBODY
            gateway.use(world.parts.routing(replace(settings(), keys=(key("ci", "sk-ci"),))))
            assert gateway.identify({}) is None
            assert gateway.identify({"x-api-key": "sk-ci"}) == Identity("ci")

        play(body, BOTH)

    def test_direct_addresses_follow_their_provider(self) -> None:
        direct = settings(providers={"a": replace(provider("a"), direct=True), "b": provider("b")})

        async def body(world: World) -> None:
            assert (await world.one(Wish("1", model="a/x"))).verdict == "ok"
            world.parts.gateway.use(world.parts.routing(settings()))
            assert (await world.one(Wish("2", model="a/x"))).downstream.status == 404

        play(body, BOTH, direct)
