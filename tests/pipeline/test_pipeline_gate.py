"""Limits and budgets in front of the attempt loop: who is let in, what is set aside, and that all of it comes back."""

import asyncio
import json
from collections.abc import Callable, Mapping

import pytest
from pipeline_stage import COMPLETION, DONE, USAGE, Canned, Stage, act, by_pool, chunk, in_order, stream, whole
from support.simulation import InlineEstimator, replace, settings

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, FailureKind, TransportError
from proxy.core.limits import UNLIMITED, Budget, BudgetEvent, Level, Limits, Period, Rates, Scope, Unit, Unpriced
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import ClientKey, Hedge, Settings, Target
from proxy.core.usage import Price, Usage
from proxy.pipeline.estimation import EstimateJob
from proxy.pipeline.gate import MANY, show_wait
from proxy.pipeline.routing import prefer
from proxy.policy.allowances import Allowance
from proxy.rehearse.client import ScriptedDownstream

#: A nano-dollar a token: a usual answer (7 in, 3 out) costs 10.
CHEAP, DEAR = Price(1_000_000, 1_000_000), Price(100_000_000, 100_000_000)
DAY = 86400.0


def priced(name: str, price: Price | None = CHEAP, **more: object) -> Target:
    return Target(name, "m", price=price, **more)  # type: ignore[arg-type]


def limited(key: Limits, *targets: Target, route: Limits = UNLIMITED, **more: object) -> Settings:
    made = settings(tuple((target,) for target in targets or (priced("a"),)))
    made = replace(made, routes=(replace(made.routes[0], limits=route),), keys=(ClientKey("team", "00", limits=key),))
    return replace(made, **more)


def budget(amount: int, **more: object) -> Limits:
    return Limits(budgets=(Budget(amount, **more),))  # type: ignore[arg-type]


def rates(**limits: int) -> Limits:
    return Limits(Rates(**limits))


def body(output: int = 10, **more: object) -> bytes:
    asked = {"model": "lamp", "messages": [{"role": "user", "content": "go"}], "max_tokens": output, **more}
    return json.dumps(asked).encode()


async def ask(stage: Stage, data: bytes | None = None, key: str | None = "team", **more: object) -> ScriptedDownstream:
    downstream = ScriptedDownstream(stage.loop)
    request = ClientRequest(Endpoint.CHAT, {}, data or body(), key, None, stage.loop.time(), **more)  # type: ignore[arg-type]
    await stage.parts.gateway.serve(request, downstream)
    return downstream


def allowance(stage: Stage, scope: Scope = Scope.KEY) -> Allowance:
    return next(one for one in stage.parts.gateway.gate.allowances if one.subject[0] is scope)


def spent(stage: Stage, scope: Scope = Scope.KEY) -> tuple[int, int]:
    """Spent and reserved of the first budget."""
    spending = allowance(stage, scope).budgets[0]
    return spending.spent, spending.reserved


def error(downstream: ScriptedDownstream) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads(downstream.body)["error"]
    return found


class SlowEstimator(InlineEstimator):
    """Takes half a second."""

    def submit(self, job: EstimateJob, done: Callable[[Usage], None]) -> None:
        self._loop.call_later(0.5, super().submit, job, done)


class TestRates:
    def test_requests_a_minute(self) -> None:
        async def script(stage: Stage) -> None:
            for left in (1, 0):
                answer = await ask(stage)
                assert answer.status == 200
                assert answer.header("x-ratelimit-limit-requests") == "2"
                assert answer.header("x-ratelimit-remaining-requests") == str(left)
            refused = await ask(stage)
            assert refused.status == 429
            assert error(refused)["code"] == "rate_limit_exceeded"
            assert refused.header("x-should-retry") == "true"
            assert 59 < float(refused.header("retry-after-ms") or 0) / 1000 < 60
            wait = float(refused.header("retry-after-ms") or 0) / 1000
            assert stage.records[-1].outcome is OutcomeKind.RATE_LIMITED
            await asyncio.sleep(wait - 0.2)
            assert (await ask(stage)).status == 429
            await asyncio.sleep(0.2)
            assert (await ask(stage)).status == 200, "when it was told to"

        act(by_pool({"a": whole()}), script, limited(rates(rpm=2)))

    def test_another_key_is_another_matter(self) -> None:
        async def script(stage: Stage) -> None:
            await ask(stage)
            assert (await ask(stage)).status == 429
            assert (await ask(stage, key="other")).status == 200
            assert (await ask(stage, key=None)).status == 200

        act(by_pool({"a": whole()}), script, limited(rates(rpm=1)))

    def test_requests_at_a_time(self) -> None:
        async def script(stage: Stage) -> None:
            answers = await asyncio.gather(*(ask(stage) for _ in range(5)))
            assert sorted(answer.status or 0 for answer in answers) == [200, 200, 429, 429, 429]
            refused = next(answer for answer in answers if answer.status == 429)
            assert "2 requests under way" in str(error(refused)["message"])
            assert refused.header("retry-after") == "1"
            assert allowance(stage).running == 0
            assert (await ask(stage)).status == 200

        act(by_pool({"a": whole()}), script, limited(rates(concurrent=2)))

    def test_tokens_a_minute_are_set_aside_then_settled(self) -> None:
        async def script(stage: Stage) -> None:
            first = await ask(stage)
            assert first.header("x-ratelimit-limit-tokens") == "100"
            reserved = len(body()) // 3 + 1 + 10
            assert first.header("x-ratelimit-remaining-tokens") == str(100 - reserved), "headers are sent before the end"
            assert allowance(stage).rate_view(stage.loop.time())["tokens"][1] == 90, "10 were used"
            for _ in range(6):
                assert (await ask(stage)).status == 200
            refused = await ask(stage)
            assert (refused.status, error(refused)["code"]) == (429, "rate_limit_exceeded")
            assert refused.header("x-ratelimit-reset-tokens") is not None

        act(by_pool({"a": whole()}), script, limited(rates(tpm=100)))

    def test_a_request_above_the_limit_waits_for_an_empty_window(self) -> None:
        async def script(stage: Stage) -> None:
            assert (await ask(stage, body(5000))).status == 200
            refused = await ask(stage, body(5000))
            assert refused.status == 429
            await asyncio.sleep(float(refused.header("retry-after-ms") or 0) / 1000)
            assert (await ask(stage, body(5000))).status == 200

        act(by_pool({"a": whole()}), script, limited(rates(tpm=100)))


class TestBudgets:
    def test_fifty_at_a_time_overshoot_by_one_request_at_most(self) -> None:
        """Each may cost 10 and does; 95 are there."""

        async def script(stage: Stage) -> None:
            data = body(10)
            answers = await asyncio.gather(*(ask(stage, data) for _ in range(50)))
            served = sum(answer.status == 200 for answer in answers)
            assert spent(stage) == (10 * served, 0)
            assert served == 95 // (len(data) // 3 + 1 + 10) > 0
            while (await ask(stage, data)).status == 200:
                assert sum(spent(stage)) <= 95
            final = await ask(stage, data)
            assert (final.status, error(final)["code"]) == (429, "insufficient_quota")
            assert final.header("x-should-retry") == "false"
            wall = 1.0e9 + stage.loop.time()
            assert float(final.header("retry-after-ms") or 0) == pytest.approx((DAY - wall % DAY) * 1000, abs=2)
            assert stage.records[-1].outcome is OutcomeKind.QUOTA_EXHAUSTED

        act(by_pool({"a": whole()}), script, limited(budget(95, per=Period.DAY)))

    def test_a_new_day_is_a_new_budget(self) -> None:
        async def script(stage: Stage) -> None:
            assert (await ask(stage)).status == 200
            refused = await ask(stage)
            assert refused.status == 429
            await asyncio.sleep(float(refused.header("retry-after-ms") or 0) / 1000)
            assert (await ask(stage)).status == 200

        act(by_pool({"a": whole()}), script, limited(budget(45, per=Period.DAY)))

    def test_what_only_is_reserved_may_come_back_soon(self) -> None:
        async def script(stage: Stage) -> None:
            first, second = await asyncio.gather(ask(stage), ask(stage))
            assert (first.status, second.status) == (200, 429)
            assert error(second)["code"] == "rate_limit_exceeded"
            assert second.header("retry-after") == "1"

        act(by_pool({"a": whole()}), script, limited(budget(60)))

    def test_a_fallback_is_gated_at_its_own_price(self) -> None:
        """The first target fails; the dear one does not fit, the cheap one behind it does."""

        async def script(stage: Stage) -> None:
            answer = await ask(stage)
            assert answer.status == 200
            assert stage.transport.models() == ["a/m", "c/m"]
            assert spent(stage) == (10, 0)

        answers = by_pool({"a": whole(status=503), "b": whole(), "c": whole()})
        act(answers, script, limited(budget(200), priced("a"), priced("b", DEAR), priced("c")))

    def test_where_no_fallback_fits_the_failure_is_told(self) -> None:
        async def script(stage: Stage) -> None:
            answer = await ask(stage)
            assert (answer.status, error(answer)["code"]) == (503, "server_is_overloaded")
            assert set(stage.transport.models()) == {"a/m"}, "which may be asked again"
            assert spent(stage) == (0, 0)

        answers = by_pool({"a": whole(status=529), "b": whole()})
        act(answers, script, limited(budget(200), priced("a"), priced("b", DEAR)))

    @pytest.mark.parametrize(
        ("more", "asked", "left"),
        [
            ({}, ["b/m"], 10),
            ({"on_unpriced": Unpriced.ALLOW}, ["a/m"], 0),
            ({"on_unpriced": Unpriced.ASSUME, "assumed": Price(2_000_000, 2_000_000)}, ["a/m"], 20),
            ({"soft": True}, ["a/m"], 0),
            ({"unit": Unit.TOKENS}, ["a/m"], 10),
        ],
    )
    def test_targets_without_a_price(self, more: dict[str, object], asked: list[str], left: int) -> None:
        async def script(stage: Stage) -> None:
            assert (await ask(stage)).status == 200
            assert stage.transport.models() == asked
            assert spent(stage) == (left, 0)

        answers = by_pool({"a": whole(), "b": whole()})
        act(answers, script, limited(budget(1000, **more), priced("a", None), priced("b")))

    def test_only_targets_without_a_price(self) -> None:
        async def script(stage: Stage) -> None:
            answer = await ask(stage)
            assert (answer.status, error(answer)["code"]) == (429, "insufficient_quota")
            assert "price of this target is not known" in str(error(answer)["message"])
            assert answer.header("retry-after") is None

        act(by_pool({"a": whole()}), script, limited(budget(1000), priced("a", None)))

    def test_what_is_free_is_served_when_nothing_is_left(self) -> None:
        async def script(stage: Stage) -> None:
            for _ in range(3):
                assert (await ask(stage)).status == 200
            assert stage.transport.models() == ["a/m", "b/m", "b/m"]

        answers = by_pool({"a": whole(), "b": whole()})
        act(answers, script, limited(budget(45), priced("a"), priced("b", Price(0, 0))))

    def test_a_route_prefers_its_cheaper_tier_when_its_budget_runs_low(self) -> None:
        async def script(stage: Stage) -> None:
            assert (await ask(stage)).header("x-undimmed-degraded") is None
            thrifty = await ask(stage)
            assert thrifty.header("x-undimmed-degraded") == "budget"
            assert stage.transport.models() == ["a/m", "b/m"]
            assert [record.degraded for record in stage.records] == ["", "budget"]
            assert spent(stage, Scope.ROUTE) == (1010, 0)

        answers = by_pool({"a": whole(), "b": whole()})
        route = budget(10_000, low=0.1, to="b/m")
        act(answers, script, limited(UNLIMITED, priced("a", DEAR), priced("b"), route=route))

    def test_a_cheaper_tier_goes_before_the_last_resorts(self) -> None:
        async def script(stage: Stage) -> None:
            state = stage.parts.gateway.routing.find("lamp")
            assert state is not None
            thrifty = prefer(state, "b/m")
            assert thrifty is not None
            assert [tier[0].target.id for tier in thrifty.tiers] == ["b/m", "a/m", "c/m"]
            assert prefer(state, "c/m") is None

        targets = (priced("a"), priced("b"), priced("c", last_resort=True))
        act(by_pool({"a": whole()}), script, limited(UNLIMITED, *targets))

    @pytest.mark.parametrize(("amount", "asked"), [(10_000, ["a/m", "b/m"]), (60, ["a/m"])])
    def test_a_second_copy_has_to_be_affordable_too(self, amount: int, asked: list[str]) -> None:
        """The first target is slow; a hedge is sent if its money fits beside the first one's, and both are settled."""

        async def script(stage: Stage) -> None:
            task = stage.loop.create_task(ask(stage))
            await asyncio.sleep(0.3)
            assert stage.transport.models() == asked
            assert spent(stage)[1] == len(asked) * (len(body()) // 3 + 1 + 10)
            assert (await task).status == 200
            await asyncio.sleep(1)
            assert spent(stage)[1] == 0
            assert spent(stage)[0] == sum(a.cost or 0 for a in stage.records[0].attempts)
            assert allowance(stage).running == 0

        made = limited(budget(amount), priced("a"), priced("b"))
        hedged = replace(made, routes=(replace(made.routes[0], hedge=Hedge(0.1, 1.0)),))
        act(by_pool({"a": whole(wait=0.8), "b": whole(wait=0.5)}), script, hedged)

    def test_a_cheaper_tier_that_is_down_leaves_the_dear_one(self) -> None:
        async def script(stage: Stage) -> None:
            await ask(stage)
            assert (await ask(stage)).status == 200
            assert stage.transport.models() == ["a/m", "b/m", "a/m"]

        answers = by_pool({"a": whole(), "b": whole(status=503)})
        route = budget(20_000, low=0.01, to="b/m")
        act(answers, script, limited(UNLIMITED, priced("a", DEAR), priced("b"), route=route))


class TestReleases:
    """Whatever becomes of a call, what it has set aside is settled, and it has left."""

    def settled(self, stage: Stage, used: int) -> None:
        for one in stage.parts.gateway.gate.allowances:
            assert one.running == 0
        assert spent(stage) == (used, 0)
        left = allowance(stage).rate_view(stage.loop.time())["tokens"][1]
        assert left == 10_000 - used

    LIMITS = Limits(Rates(concurrent=100, tpm=10_000), (Budget(10_000),))

    def configured(self, *targets: Target) -> Settings:
        made = limited(self.LIMITS, *targets, route=rates(concurrent=100))
        named = {name: replace(one, limits=rates(concurrent=100)) for name, one in made.providers.items()}
        return replace(made, providers=named)

    @pytest.mark.parametrize(
        ("canned", "used"),
        [
            (whole(), 10),
            (whole(status=400), 0),
            (whole(status=401), 0),
            (whole(b"<html>"), 10),  # said 200: its model was at work, as far as anybody knows
            (whole(COMPLETION, wait=None), 10),
            (whole({"choices": []}), 10),
            (Canned(error=TransportError(FailureKind.CONNECT, "refused"), wait=None), 0),
        ],
    )
    def test_every_end_of_a_whole_answer(self, canned: Canned, used: int) -> None:
        async def script(stage: Stage) -> None:
            await ask(stage)
            await asyncio.sleep(1)
            tried = len(stage.records[0].attempts)
            self.settled(stage, used * tried)

        act(by_pool({"a": canned}), script, self.configured())

    @pytest.mark.parametrize(
        ("pieces", "used"),
        [
            (((0.0, chunk({"content": "lit"})), (0.1, chunk(finish="stop")), (0.1, USAGE), (0.1, DONE)), 10),
            (((0.0, chunk({"content": "lit"})),), 10),
            (((0.0, b"data: {\n\n"),), 10),
        ],
    )
    def test_every_end_of_a_stream(self, pieces: list[tuple[float, bytes]], used: int) -> None:
        async def script(stage: Stage) -> None:
            await ask(stage, body(stream=True))
            await asyncio.sleep(1)
            self.settled(stage, sum(a.usage.total for a in stage.records[0].attempts if a.usage is not None))
            assert spent(stage)[0] >= used

        act(by_pool({"a": stream(*pieces)}), script, self.configured())

    @pytest.mark.parametrize("after", [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65])
    @pytest.mark.parametrize("streamed", [False, True])
    def test_a_client_that_leaves_at_any_stage(self, after: float, streamed: bool) -> None:
        """Before the head, between heads and failures, inside the stream, while the estimate is made."""

        async def script(stage: Stage) -> None:
            task = stage.loop.create_task(ask(stage, body(stream=streamed)))
            await asyncio.sleep(after)
            assert allowance(stage).running == 1
            assert spent(stage)[1] > 0
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert allowance(stage).running == 0, "at once"
            await asyncio.sleep(1)
            used = sum(a.usage.total for a in stage.records[0].attempts if a.usage is not None)
            self.settled(stage, used)

        parts = (
            (0.2, chunk({"content": "lit"})),
            (0.2, chunk({"content": "lit"})),
            (0.2, chunk(finish="stop")),
            (0.0, DONE),
        )
        second = stream(*parts) if streamed else whole(wait=0.6)
        act(in_order(whole(status=503), second), script, self.configured(priced("a"), priced("b")))

    def test_a_client_that_leaves_the_queue(self) -> None:
        async def script(stage: Stage) -> None:
            first = stage.loop.create_task(ask(stage))
            waiting = stage.loop.create_task(ask(stage))
            await asyncio.sleep(0.05)
            assert allowance(stage).running == 2
            reserved = spent(stage)[1]
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert (allowance(stage).running, spent(stage)[1]) == (1, reserved), "who waits has set nothing aside"
            await first
            self.settled(stage, 10)

        act(by_pool({"a": whole()}), script, self.configured(priced("a", max_in_flight=1)))

    def test_money_that_went_while_a_call_was_queued(self) -> None:
        async def script(stage: Stage) -> None:
            answers = await asyncio.gather(*(ask(stage) for _ in range(3)))
            assert [answer.status for answer in answers] == [200, 429, 429]
            assert spent(stage) == (10, 0)

        act(by_pool({"a": whole()}), script, limited(budget(45), priced("a", max_in_flight=1)))

    def test_a_client_that_leaves_while_its_tokens_are_counted(self) -> None:
        async def script(stage: Stage) -> None:
            task = stage.loop.create_task(ask(stage))
            await asyncio.sleep(0.3)
            assert spent(stage)[1] > 0
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert stage.records == []
            assert allowance(stage).running == 0
            await asyncio.sleep(1)
            [attempt] = stage.records[0].attempts
            assert attempt.usage is not None
            self.settled(stage, attempt.usage.total)

        silent = {key: value for key, value in COMPLETION.items() if key != "usage"}
        act(by_pool({"a": whole(silent)}), script, self.configured(), SlowEstimator)

    def test_a_bug_in_the_middle_of_an_attempt(self) -> None:
        async def script(stage: Stage) -> None:
            def explode(request: object) -> Canned:
                raise ZeroDivisionError

            stage.transport.script = explode
            with pytest.raises(ZeroDivisionError):
                await ask(stage)
            self.settled(stage, 0)

        act(by_pool({"a": whole()}), script, self.configured())

    def test_a_stopping_proxy(self) -> None:
        async def script(stage: Stage) -> None:
            task = stage.loop.create_task(ask(stage))
            await asyncio.sleep(0.05)
            task.cancel("shutdown")
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(1)
            assert allowance(stage).running == 0
            assert spent(stage)[1] == 0

        act(by_pool({"a": whole()}), script, self.configured())


class TestSubjects:
    def test_tags_routes_and_providers_have_limits_of_their_own(self) -> None:
        async def script(stage: Stage) -> None:
            assert (await ask(stage, key=None)).status == 200
            refused = await ask(stage, key=None)
            assert error(refused)["limit"] == {"scope": "provider", "name": "a", "limit": "rpm", "amount": 1}
            tagged = replace_settings(tags={"t": rates(rpm=1)}, providers={})
            stage.parts.gateway.use(stage.parts.routing(tagged))
            assert (await ask(stage, tags=("t", "u"))).status == 200
            refused = await ask(stage, tags=("t",))
            assert error(refused)["limit"] == {"scope": "tag", "name": "t", "limit": "rpm", "amount": 1}
            assert (await ask(stage, tags=("u",))).status == 200
            assert stage.records[0].tags == ()
            assert stage.records[2].tags == ("t", "u")

        made = limited(UNLIMITED)
        named = {"a": replace(made.providers["a"], limits=rates(rpm=1))}

        def replace_settings(**changes: object) -> Settings:
            return replace(made, **{**changes, "providers": made.providers})

        act(by_pool({"a": whole()}), script, replace(made, providers=named))

    def test_a_provider_at_its_limit_is_passed_over(self) -> None:
        async def script(stage: Stage) -> None:
            for _ in range(3):
                assert (await ask(stage)).status == 200
            assert stage.transport.models() == ["a/m", "b/m", "b/m"]

        made = limited(UNLIMITED, priced("a"), priced("b"))
        named = {**made.providers, "a": replace(made.providers["a"], limits=rates(rpm=1))}
        act(by_pool({"a": whole(), "b": whole()}), script, replace(made, providers=named))

    def test_a_reload_keeps_what_was_used(self) -> None:
        async def script(stage: Stage) -> None:
            await ask(stage)
            gateway = stage.parts.gateway
            gateway.use(stage.parts.routing(limited(Limits(Rates(rpm=1), (Budget(500),)))))
            assert spent(stage) == (10, 0)
            assert (await ask(stage)).status == 200
            assert (await ask(stage)).status == 429
            gateway.use(stage.parts.routing(limited(UNLIMITED)))
            assert gateway.gate.idle
            assert (await ask(stage)).status == 200

        act(by_pool({"a": whole()}), script, limited(budget(1000)))

    def test_a_call_under_way_settles_what_a_reload_took_away(self) -> None:
        async def script(stage: Stage) -> None:
            before = allowance(stage)
            task = stage.loop.create_task(ask(stage))
            await asyncio.sleep(0.05)
            stage.parts.gateway.use(stage.parts.routing(limited(UNLIMITED)))
            assert (await task).status == 200
            assert (before.running, before.budgets[0].spent, before.budgets[0].reserved) == (0, 10, 0)

        act(by_pool({"a": whole()}), script, limited(budget(1000)))

    def test_budgets_tell_whoever_listens(self) -> None:
        events: list[BudgetEvent] = []

        async def script(stage: Stage) -> None:
            stage.parts.gateway.gate._tell = events.append
            for _ in range(3):
                await ask(stage)
            assert [(event.level, event.standing.scope, event.standing.spent) for event in events] == [
                (Level.LOW, "key team", 10),
                (Level.USED_UP, "key team", 20),
            ]
            assert events[0].at < events[1].at < 1.0e9 + stage.loop.time()
            view = stage.parts.gateway.gate.standings(1.0e9)
            assert [(one.scope, one.spent, one.limit, one.soft) for one in view] == [("key team", 30, 15, True)]

        act(by_pool({"a": whole()}), script, limited(budget(15, soft=True, low=0.5)))

    def test_a_cheaper_tier_that_a_bound_call_cannot_use_is_no_matter(self) -> None:
        """A call that continues something of one account has that account's targets only."""

        async def script(stage: Stage) -> None:
            gateway = stage.parts.gateway
            state = gateway.routing.find("lamp")
            assert state is not None
            assert prefer(state, "a/m") is None
            assert prefer(state, "c/m") is None
            thrifty = prefer(state, "b/m")
            assert thrifty is not None
            assert [tier[0].target.id for tier in thrifty.tiers] == ["b/m", "a/m"]
            assert thrifty.first is thrifty.tiers[0][0]

        act(by_pool({"a": whole(), "b": whole()}), script, limited(UNLIMITED, priced("a"), priced("b")))

    def test_of_very_many_budgets_the_used_ones_are_shown(self) -> None:
        async def script(stage: Stage) -> None:
            await ask(stage)
            gate = stage.parts.gateway.gate
            assert len(list(gate.allowances)) > MANY
            assert [one.scope for one in gate.standings(1.0e9)] == ["key team"]

        keys = tuple(ClientKey(f"k{n}", f"{n:064x}", limits=budget(100)) for n in range(MANY))
        made = limited(budget(1000))
        act(by_pool({"a": whole()}), script, replace(made, keys=(*made.keys, *keys)))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, b"0ms"),
        (0, b"0ms"),
        (0.0121, b"13ms"),
        (0.9999, b"1s"),
        (1, b"1s"),
        (59.01, b"1m0s"),
        (360, b"6m0s"),
        (61.5, b"1m2s"),
    ],
)
def test_durations_in_gos_notation(seconds: float, shown: bytes) -> None:
    assert show_wait(seconds) == shown
