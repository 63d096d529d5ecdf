"""Alerts end to end: the real pipeline in virtual time, with webhooks and status pages that the test plays."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.live import SERVER, running
from support.simulation import World, play, replace, settings, spans

from proxy.core.alarming import AlertSettings, IncidentNotice, Severity, Thresholds, Topic
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.limits import Budget, BudgetStanding, Limits, Period, Unit
from proxy.core.settings import LedgerSettings, Settings
from proxy.pipeline.sightings import MAX_BUDGETS, Sightings
from proxy.policy.alerts.figures import Hours, HourSum
from proxy.rehearse.behaviour import Behaviour, Mode, constant
from proxy.rehearse.client import Wish
from proxy.rehearse.schedule import HEALTHY, always
from proxy.server.metrics import render
from proxy.stores.ledger.contract import LedgerState
from proxy.transport.credentials.surroundings import TokenRequest, TokenResponse
from proxy.watchtower import Keepers, Watchtower, watch_over

PAGE = "https://status.a.test/api/v2/summary.json"
NOBODY = Keepers()
TROUBLE = {"status": {"indicator": "major", "description": "Outage"}, "incidents": []}


class Http:
    """Answers everything with one status and body."""

    def __init__(self, status: int = 200, body: object = None) -> None:
        self.status = status
        self.body = json.dumps(body).encode()
        self.sent: list[dict[str, Any]] = []

    async def ask(self, request: TokenRequest) -> TokenResponse:
        if request.body:
            self.sent.append({"at": asyncio.get_running_loop().time(), **json.loads(request.body)["data"]})
        return TokenResponse(self.status, (), self.body)

    async def aclose(self) -> None:
        pass

    def told(self, condition: str) -> list[tuple[str, str]]:
        return [(data["state"], data["subject"]) for data in self.sent if data["condition"] == condition]


def alert(name: str = "ops", *topics: Topic, **thresholds: Any) -> AlertSettings:
    return AlertSettings(name, frozenset(topics or Topic), f"http://{name}.test/", thresholds=Thresholds(**thresholds))


class FakeLedger:
    def __init__(self) -> None:
        self.now = LedgerState("ok", 0, 0, 0, 0, 0, True, None)

    def state(self) -> LedgerState:
        return self.now


def watch(
    script: Callable[[World, Watchtower, Http], Awaitable[None]],
    configured: Settings,
    a: Any = HEALTHY,
    *,
    keepers: Keepers = NOBODY,
    status: int = 200,
) -> None:
    hooks, pages = Http(status), Http(200, TROUBLE)

    async def body(world: World) -> None:
        loop = asyncio.get_running_loop()
        gateway = world.parts.gateway
        tower = watch_over(gateway, keepers, lambda: 1.0e9 + loop.time(), hooks, pages)
        tower.use(configured)
        await script(world, tower, hooks)
        await tower.aclose()

    play(body, {"a": a, "b": HEALTHY}, configured)


async def traffic(world: World, seconds: float, pause: float = 1.0) -> None:
    loop = asyncio.get_running_loop()
    end, number = loop.time() + seconds, 0
    while loop.time() < end:
        number += 1
        await world.one(Wish(f"{loop.time():.0f}-{number}"))
        await asyncio.sleep(pause)


def test_an_outage_is_one_alert_with_what_the_status_page_says_and_its_end_another() -> None:
    down = spans([(20.0, 120.0, Behaviour(mode=Mode.REFUSE))])
    base = settings()
    configured = replace(
        base,
        alerts=(alert("ops", Topic.TARGET),),
        providers={**base.providers, "a": replace(base.providers["a"], status_feed=PAGE)},
    )

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        await traffic(world, 100.0)
        assert hooks.told("target.open") == [("firing", "a/m (chat)")]
        [sent] = hooks.sent
        assert 50.0 <= sent["at"] <= 70.0
        assert sent["status_page"] == "status page: major, Outage"
        assert (sent["provider"], sent["severity"]) == ("a", "warning")
        explained = json.loads(world.parts.gateway.explain("lamp", False, False, 0).body)
        rows = {row["target"]: row.get("status_page") for row in explained["targets"]}
        assert rows == {"a/m": "status page: major, Outage", "b/m": None}
        view = json.loads(world.parts.gateway.alerts().body)
        assert (view["firing"], [one["subject"] for one in view["active"]]) == (1, ["a/m (chat)"])
        await traffic(world, 600.0)
        assert hooks.told("target.open") == [("firing", "a/m (chat)"), ("resolved", "a/m (chat)")]
        view = json.loads(world.parts.gateway.alerts().body)
        assert (view["firing"], view["active"]) == (0, [])
        assert [one["state"] for one in view["recent"]] == ["resolved", "firing"]
        assert view["spend_is_held_against"] == "silent until the ledger has 7 days (0 so far)"

    watch(script, configured, down)


def test_a_route_without_any_target_left_is_worse() -> None:
    configured = replace(settings((("a/m",),)), alerts=(alert("ops", Topic.TARGET),))

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        await traffic(world, 100.0)
        [sent] = hooks.sent
        assert (sent["severity"], sent["step"]) == ("critical", 2)
        assert "nothing else is left for route lamp" in sent["text"]

    watch(script, configured, always(Behaviour(mode=Mode.REFUSE)))


def test_a_target_that_flaps_for_an_hour_is_one_alert() -> None:
    flaps = spans([(start, start + 40.0, Behaviour(mode=Mode.REFUSE)) for start in range(20, 3600, 100)])
    configured = replace(settings(), alerts=(alert("ops", Topic.TARGET),))

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        await traffic(world, 3600.0, 2.0)
        assert hooks.told("target.open") == [("firing", "a/m (chat)")]
        await traffic(world, 600.0, 2.0)
        assert [state for state, _ in hooks.told("target.open")] == ["firing", "resolved"]

    watch(script, configured, flaps)


def test_keys_that_are_refused_and_traffic_without_price_or_usage() -> None:
    refusing = Behaviour(mode=Mode.STATUS, failure="openai_invalid_key")
    configured = replace(settings(), alerts=(alert("ops", Topic.CREDENTIAL, Topic.UNPRICED),))

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        await traffic(world, 60.0)
        assert hooks.told("credential.refused") == [("firing", "a#1")]
        assert hooks.told("unpriced.traffic") == [("firing", "b/m")]

    watch(script, configured, refusing)


def test_a_ledger_that_spills_and_then_loses() -> None:
    ledger = FakeLedger()
    configured = replace(settings(), alerts=(alert(),))

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        await asyncio.sleep(30.0)
        ledger.now = LedgerState("spilling", 5, 3, 0, 0, 3, True, "database is locked")
        await asyncio.sleep(8.0)
        assert hooks.sent == []
        await asyncio.sleep(60.0)
        ledger.now = LedgerState("losing", 5, 3, 0, 2, 3, True, "disk full")
        await asyncio.sleep(60.0)
        ledger.now = LedgerState("ok", 8, 3, 3, 2, 0, True, None)
        await asyncio.sleep(200.0)
        assert [(sent["state"], sent["step"]) for sent in hooks.sent] == [("firing", 1), ("firing", 2), ("resolved", 2)]

    watch(script, configured, keepers=Keepers(ledger))  # type: ignore[arg-type]


def test_a_rejected_configuration_until_one_is_taken() -> None:
    configured = replace(settings(), alerts=(alert(),))

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        gateway = world.parts.gateway
        gateway.config_rejected("line 3: key\nsk-1234567890abcdef" + "x" * 900)
        await asyncio.sleep(10.0)
        assert hooks.told("config.rejected") == [("firing", "configuration")]
        assert "sk-1234567890" not in hooks.sent[0]["text"]
        assert len(hooks.sent[0]["text"]) < 450
        gateway.use(world.parts.routing(configured))
        await asyncio.sleep(10.0)
        assert [state for state, _ in hooks.told("config.rejected")] == ["firing", "resolved"]

    watch(script, configured)


def test_budgets_incidents_and_hours_come_from_whoever_keeps_them() -> None:
    configured = replace(settings(), alerts=(alert(),))

    class Keeper:
        def standings(self, now: float) -> list[BudgetStanding]:
            spent = int((now - 1.0e9) * 5e6)
            return [BudgetStanding("", "key ci", spent, 24_000_000_000, "usd", 1.0e9, 1.0e9 + 86400.0)]

        def open_incidents(self) -> list[IncidentNotice]:
            return [IncidentNotice("inc-1", "a is slow", 1.0e9, "a", Severity.CRITICAL)]

    async def hours(since: int) -> Hours:
        now = int(1.0e9 // 3600)
        assert since < now - 8 * 168
        usual = {hour: HourSum(10**9, 10, "lamp", "lamp") for hour in range(now - 600, now)}
        return Hours(now - 600, {**usual, now: HourSum(10**11, 10, "lamp", "lamp")})

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        sources = tower.lookout.sightings.sources
        sources.hours = hours
        await asyncio.sleep(8000.0)
        assert {sent["condition"] for sent in hooks.sent} == {
            "budget.reached",
            "budget.burning",
            "incident.open",
            "spend.unusual",
        }
        steps = [sent["step"] for sent in hooks.sent if sent["condition"] == "budget.reached"]
        assert steps == [1, 2, 3]

    watch(script, configured, keepers=Keepers(None, Keeper(), Keeper()))


def test_a_real_budget_is_told_step_by_step() -> None:
    base = settings()
    budget = Budget(amount=300, unit=Unit.TOKENS, per=Period.DAY, soft=True)
    limited = replace(base.providers["a"], limits=Limits(budgets=(budget,)))
    configured = replace(base, providers={**base.providers, "a": limited}, alerts=(alert("ops", Topic.BUDGET),))

    async def body(world: World) -> None:
        loop = asyncio.get_running_loop()
        hooks = Http()
        keepers = Keepers(budgets=world.parts.gateway.gate)
        tower = watch_over(world.parts.gateway, keepers, lambda: 1.0e9 + loop.time(), hooks, Http())
        tower.use(configured)
        await traffic(world, 600.0, 20.0)
        told = [(sent["step"], sent["severity"]) for sent in hooks.sent if sent["condition"] == "budget.reached"]
        assert told[-1] == (3, "warning")
        assert [step for step, _ in told] == sorted({step for step, _ in told})
        assert "it is soft, so nobody is refused" in hooks.sent[-1]["text"]
        assert hooks.sent[0]["subject"] == "provider a, tokens a day"
        await tower.aclose()

    play(body, {"a": HEALTHY, "b": HEALTHY}, configured)


def test_very_many_budgets_are_looked_at_seldom_and_the_most_used_first() -> None:
    asked: list[float] = []

    class Many:
        def standings(self, now: float) -> list[BudgetStanding]:
            asked.append(now)
            return [BudgetStanding("", f"key {n}", n, 10_000, "tokens", 0.0, 86400.0) for n in range(MAX_BUDGETS + 500)]

    async def body(world: World) -> None:
        sightings = watch_over(world.parts.gateway, Keepers(budgets=Many())).lookout.sightings
        seen = {one.standing.scope for one in sightings.look().budgets}
        assert len(seen) == MAX_BUDGETS
        assert "key 499" not in seen
        assert len(sightings.look().budgets) == MAX_BUDGETS
        assert len(asked) == 1
        await asyncio.sleep(31.0)
        sightings.look()
        assert len(asked) == 2

    play(body, {"a": HEALTHY, "b": HEALTHY}, settings())


def test_each_webhook_has_its_own_topics_thresholds_and_troubles() -> None:
    configured = replace(
        settings(),
        alerts=(alert("quiet", Topic.TARGET, target_after=3600.0), alert("ops", Topic.TARGET), alert("money", Topic.SPEND)),
    )

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        await traffic(world, 120.0)
        view = tower.view()
        assert [one["webhook"] for one in view["active"]] == ["ops"]  # type: ignore[union-attr,index]
        health = world.parts.gateway.survey()["alerts"]
        assert health["firing"] == 1  # type: ignore[index]
        states = {one["name"]: (one["state"], one["last_error"]) for one in health["webhooks"]}  # type: ignore[index]
        assert states == {"quiet": ("idle", None), "ops": ("failing", "answered 503"), "money": ("idle", None)}
        text = render(world.parts.gateway.tally, world.parts.gateway._gauges()).decode()
        assert 'undimmed_alerts_firing{topic="target"} 1' in text
        assert 'undimmed_webhook_ok{webhook="ops"} 0' in text
        assert 'undimmed_alert_messages_waiting{webhook="ops"} 1' in text
        assert 'undimmed_alert_messages_total{webhook="ops",result="sent"} 0' in text
        assert "ops.test" not in text

    watch(script, configured, always(Behaviour(mode=Mode.REFUSE)), status=503)


def test_without_alerts_and_pages_nothing_runs() -> None:
    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not names & {"lookout", "status pages"}
        survey = world.parts.gateway.survey()
        assert survey["alerts"] is None
        assert "status_page" not in survey["providers"]["a"]  # type: ignore[index]
        tower.use(replace(settings(), alerts=(alert(),)))
        assert "lookout" in {task.get_name() for task in asyncio.all_tasks()}
        tower.use(settings())
        await asyncio.sleep(1.0)
        assert "lookout" not in {task.get_name() for task in asyncio.all_tasks()}

    watch(script, settings())


def test_a_look_that_fails_is_not_the_last() -> None:
    configured = replace(settings(), alerts=(alert(),))

    async def script(world: World, tower: Watchtower, hooks: Http) -> None:
        sources = tower.lookout.sightings.sources
        good = sources.rejected

        def broken() -> str:
            raise RuntimeError("a bug")

        async def no_hours(since: int) -> Hours:
            raise OSError("no ledger")

        sources.rejected, sources.hours = broken, no_hours
        await asyncio.sleep(600.0)
        sources.rejected = good
        world.parts.gateway.config_rejected("wrong")
        await asyncio.sleep(10.0)
        assert hooks.told("config.rejected") == [("firing", "configuration")]

    watch(script, configured)


def test_sums_from_before_the_first_look_are_not_of_the_last_hour() -> None:
    async def body(world: World) -> None:
        assert json.loads(world.parts.gateway.alerts().body) == {"object": "alerts"}
        await traffic(world, 20.0)
        sources = watch_over(world.parts.gateway, Keepers()).lookout.sightings.sources
        sightings = Sightings(sources)
        assert [(one.target, one.attempts) for one in sightings.look().traffic] == [("a/m", 0)]

    play(body, {"a": HEALTHY, "b": HEALTHY}, settings())


@pytest.mark.live
def test_a_real_proxy_tells_and_a_dead_webhook_is_seen(tmp_path: Path) -> None:
    async def scenario() -> None:
        configured = replace(
            settings((("a/m",),)),
            alerts=(replace(alert(), url="http://127.0.0.1:9/token-9a"),),
            ledger=LedgerSettings(str(tmp_path / "u.db")),
        )
        async with running({"a": Behaviour(latency=constant(0.0), chunks=2, gap=0.0)}, configured, SERVER) as stack:

            def broken() -> Settings:
                raise ConfigError([ConfigProblem("wrong", "f.yaml", 3)])

            stack.proxy.reload(broken)
            stack.proxy.watchtower.lookout.tick()
            async with asyncio.timeout(10):
                while (view := stack.proxy.watchtower.view())["webhooks"][0]["state"] == "idle":  # type: ignore[index]
                    await asyncio.sleep(0.01)
            shown = json.dumps([view, stack.proxy.gateway.survey()])
            assert "cannot be reached: connection refused" in shown
            assert "token-9a" not in shown
            assert "127.0.0.1:9" not in shown

    asyncio.run(scenario())
