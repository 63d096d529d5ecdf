"""What follows a failed attempt: a table of situations, each played through the whole pipeline."""

import asyncio
from dataclasses import dataclass, field

import pytest
from pipeline_stage import Canned, Stage, act, by_pool, error_of, in_order, whole
from support.simulation import BREAKER, provider, replace, settings

from proxy.core.exchange import FailureKind, HeaderList, TransportError
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.settings import RetrySettings, Target
from proxy.pipeline.retry import retryable
from proxy.rehearse.client import Wish
from proxy.rehearse.vendor_errors import ERRORS

JSON = (b"content-type", b"application/json")
OK = whole()


def vendor(name: str, *headers: tuple[bytes, bytes]) -> Canned:
    """A real vendor's error; `headers` replace its own."""
    known = ERRORS[name]
    sent: HeaderList = (JSON, *headers) if headers else known.headers
    return Canned(known.status, sent, ((0.0, known.body),))


def after(seconds: str) -> tuple[bytes, bytes]:
    return b"retry-after", seconds.encode()


CLOSED = Canned(wait=None, error=TransportError(FailureKind.CLOSED, "closed by peer"))
REFUSED = Canned(wait=None, error=TransportError(FailureKind.CONNECT, "connection refused"))
SILENT = Canned(wait=None)
ERROR_500 = vendor("openai_server_error")
TWO = (("a/m",), ("b/m",))
THREE = (("a/m",), ("b/m",), ("c/m",))
ONE = (("a/m",),)


RETRY = RetrySettings()


@dataclass
class Case:
    """`asked`: providers and credentials in the order of the attempts; `status`: what the client is told."""

    answers: list[Canned]
    asked: list[str]
    status: int = 200
    tiers: tuple[tuple[str, ...], ...] = TWO
    keys: dict[str, int] = field(default_factory=dict)
    retry: RetrySettings = RETRY


CASES = {
    # Another target, without waiting.
    "a server error goes elsewhere": Case([ERROR_500, OK], ["a#1", "b#1"]),
    "a refused connection goes elsewhere": Case([REFUSED, OK], ["a#1", "b#1"]),
    "a closed connection goes elsewhere": Case([CLOSED, OK], ["a#1", "b#1"]),
    "silence goes elsewhere": Case([SILENT, OK], ["a#1", "b#1"]),
    "overload goes elsewhere": Case([vendor("anthropic_overloaded"), OK], ["a#1", "b#1"]),
    "a model that is not found goes elsewhere": Case([vendor("openai_model_not_found"), OK], ["a#1", "b#1"]),
    "inside a tier too": Case([ERROR_500, OK], ["a#1", "b#1"], tiers=(("a/m", "b/m"),)),
    "and on, tier by tier": Case([ERROR_500, ERROR_500, OK], ["a#1", "b#1", "c#1"], tiers=THREE),
    # The same target, where nothing else is left.
    "a server error may be repeated": Case([ERROR_500, OK], ["a#1", "a#1"], tiers=ONE),
    "a refused connection may be repeated": Case([REFUSED, OK], ["a#1", "a#1"], tiers=ONE),
    "two failures may be repeated": Case([ERROR_500, ERROR_500, OK], ["a#1", "a#1", "a#1"], tiers=ONE),
    "from tier to tier and back": Case([ERROR_500, ERROR_500, OK], ["a#1", "b#1", "b#1"]),
    "silence is not repeated": Case([SILENT, OK], ["a#1"], 504, tiers=ONE),
    "a model that is not found is not repeated": Case([vendor("openai_model_not_found")], ["a#1"], 404, tiers=ONE),
    # The number of attempts.
    "three attempts are the limit": Case([ERROR_500], ["a#1", "b#1", "b#1"], 502),
    "one attempt is one": Case([ERROR_500], ["a#1"], 502, retry=RetrySettings(attempts=1)),
    "two are two": Case([ERROR_500], ["a#1", "b#1"], 502, tiers=THREE, retry=RetrySettings(attempts=2)),
    "five where they were asked for": Case(
        [ERROR_500], ["a#1", "b#1", "c#1", "c#1", "c#1"], 502, tiers=THREE, retry=RetrySettings(attempts=5)
    ),
    # The request's own fault.
    "a bad request is final": Case([vendor("openai_bad_request")], ["a#1"], 400),
    "a filter is final": Case([vendor("openai_filter")], ["a#1"], 400),
    "a filter, opted in": Case([vendor("openai_filter"), OK], ["a#1", "b#1"], retry=RetrySettings(on_content_filter=True)),
    "a filter is never repeated": Case(
        [vendor("azure_filter")], ["a#1"], 400, tiers=ONE, retry=RetrySettings(on_content_filter=True)
    ),
    # Credentials first.
    "401 takes the next key": Case([vendor("openai_invalid_key"), OK], ["a#1", "a#2"], keys={"a": 2}),
    "403 takes the next key": Case([vendor("openai_region"), OK], ["a#1", "a#2"], keys={"a": 2}),
    "429 takes the next key": Case([vendor("openai_rate_limit"), OK], ["a#1", "a#2"], keys={"a": 2}),
    "no money takes the next key": Case([vendor("openai_quota"), OK], ["a#1", "a#2"], keys={"a": 2}),
    "402 takes the next key": Case([vendor("deepseek_balance"), OK], ["a#1", "a#2"], keys={"a": 2}),
    "then the next target": Case(
        [vendor("openai_invalid_key"), vendor("openai_invalid_key"), OK], ["a#1", "a#2", "b#1"], keys={"a": 2}
    ),
    "the last attempt is not spent on a third key": Case(
        [vendor("openai_invalid_key"), vendor("openai_invalid_key"), OK], ["a#1", "a#2", "b#1"], keys={"a": 3}
    ),
    "but on a key where there is no other target": Case(
        [vendor("openai_invalid_key"), vendor("openai_invalid_key"), OK], ["a#1", "a#2", "a#3"], tiers=ONE, keys={"a": 3}
    ),
    "a server error keeps to no key": Case([ERROR_500, OK], ["a#1", "b#1"], keys={"a": 2}),
    "a revoked key alone is final": Case([vendor("openai_invalid_key")], ["a#1"], 502, tiers=ONE),
    "an empty account alone is final": Case([vendor("openai_quota")], ["a#1"], 429, tiers=ONE),
    # Rate limits of the only target.
    "a short hint is waited for": Case([vendor("openai_rate_limit_bare", after("1")), OK], ["a#1", "a#1"], tiers=ONE),
    "a hint beyond the cap stops": Case([vendor("openai_rate_limit_bare", after("30"))], ["a#1"], 429, tiers=ONE),
    "no hint is a hold of seconds, which stops": Case([vendor("openai_rate_limit_bare")], ["a#1"], 429, tiers=ONE),
    "overload with a short hint is waited for": Case(
        [vendor("openai_overloaded", after("1")), OK], ["a#1", "a#1"], tiers=ONE
    ),
    "overload with a long hint stops": Case([vendor("openai_overloaded", after("60"))], ["a#1"], 503, tiers=ONE),
    "overload without a hint is repeated": Case([vendor("anthropic_overloaded"), OK], ["a#1", "a#1"], tiers=ONE),
}


@pytest.mark.parametrize("name", CASES)
def test_what_follows(name: str) -> None:
    case = CASES[name]
    names = dict.fromkeys(place.split("/")[0] for tier in case.tiers for place in tier)
    providers = {name: provider(name, keys=case.keys.get(name, 1)) for name in names}
    configured = settings(case.tiers, providers=providers, retry=case.retry)

    async def body(stage: Stage) -> None:
        client = await stage.ask()
        record = stage.records[0]
        assert [attempt.credential for attempt in record.attempts] == case.asked
        assert client.downstream.status == record.status == case.status
        assert client.downstream.header("x-undimmed-attempts") == str(len(case.asked))
        if case.status != 200:
            assert client.downstream.header("x-should-retry") == "false"
            told = error_of(client)["attempts"] if case.status != 400 else [None] * len(case.asked)
            assert isinstance(told, list)
            assert len(told) == len(case.asked)
        assert all(state.in_flight == 0 for state in stage.parts.gateway.routing.states())

    act(in_order(*case.answers), body, configured)


class TestLongContexts:
    """A request that was too long goes only where it is known to fit."""

    ERROR = vendor("openai_context")  # names 8192

    def _asked(self, *windows: int | None) -> tuple[list[str], int | None]:
        targets = [(Target(name, "m", context_window=window),) for name, window in zip("abc", windows, strict=False)]
        seen: list[tuple[list[str], int | None]] = []

        async def body(stage: Stage) -> None:
            client = await stage.ask()
            seen.append((stage.transport.models(), client.downstream.status))

        answers = {"a": self.ERROR, "b": OK, "c": OK}
        act(by_pool(answers), body, settings(targets))
        return seen[0]

    def test_to_a_larger_window(self) -> None:
        assert self._asked(8192, 32_000) == (["a/m", "b/m"], 200)

    def test_past_a_window_that_is_no_larger(self) -> None:
        assert self._asked(8192, 8192, 16_384) == (["a/m", "c/m"], 200)

    def test_past_an_unknown_window(self) -> None:
        assert self._asked(8192, None, 16_384) == (["a/m", "c/m"], 200)

    def test_the_limit_that_the_error_names_counts(self) -> None:
        assert self._asked(None, 8000, 9000) == (["a/m", "c/m"], 200)

    def test_nowhere_if_none_is_larger(self) -> None:
        assert self._asked(8192, 4096) == (["a/m"], 400)

    def test_nowhere_if_nothing_is_known(self) -> None:
        assert self._asked(None, None) == (["a/m"], 400)


def test_the_wait_is_the_hold_that_the_hint_asks_for() -> None:
    async def body(stage: Stage) -> None:
        client = await stage.ask()
        first, second = stage.records[0].attempts
        assert client.verdict == "ok"
        assert first.ended_at + 1.0 <= second.started_at <= first.ended_at + 1.2, "never before the reset"

    act(in_order(vendor("openai_rate_limit_bare", after("1")), OK), body, settings(ONE))


def test_a_wait_that_would_pass_the_deadline_is_not_begun() -> None:
    async def body(stage: Stage) -> None:
        client = await stage.ask(None, {"x-request-timeout-ms": "1000"})
        assert client.downstream.status == 429
        assert client.downstream.finished_at == pytest.approx(0.1), "at once, not at the deadline"

    act(in_order(vendor("openai_rate_limit_bare", after("1"))), body, settings(ONE))


def test_repeats_on_one_target_are_spread_by_jitter() -> None:
    waits: list[float] = []

    async def body(stage: Stage) -> None:
        for _ in range(5):
            await stage.ask()
            first, second = stage.records[-1].attempts
            waits.append(second.started_at - first.ended_at)
            await asyncio.sleep(20)

    answers = [ERROR_500, OK] * 5
    act(in_order(*answers), body, settings(ONE, retry=RetrySettings(base=0.4, attempts=2)))
    assert len(set(waits)) == 5
    assert all(0 <= wait <= 0.4 for wait in waits)


def test_a_client_may_leave_during_the_backoff() -> None:
    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("gone", stream=False, leaves=0.6))
        assert client.verdict == "left"
        record = stage.records[0]
        assert (record.status, record.outcome) == (499, OutcomeKind.CLIENT_GONE)
        assert len(stage.transport.sent) == 1
        await asyncio.sleep(10)
        assert len(stage.transport.sent) == 1

    act(in_order(vendor("openai_rate_limit_bare", after("1")), OK), body, settings(ONE))


class TestBudget:
    """Further attempts on a target that is in trouble are rationed; the first failover is not."""

    NEVER_OPEN = replace(BREAKER, recent=10**6, recent_failures=10**6, minimum=10**6, consecutive=10**6, stall=False)

    def test_a_refusal_stops(self) -> None:
        async def body(stage: Stage) -> None:
            for _ in range(12):
                await stage.ask()
            made = [len(record.attempts) for record in stage.records]
            assert made[0] == 3
            assert made[-1] == 1, "the budget is spent"
            assert sum(made) - len(made) <= 5
            await asyncio.sleep(30)
            stage.transport.script = in_order(OK)
            for _ in range(110):
                await stage.ask()
            stage.transport.script = in_order(ERROR_500, OK)
            await stage.ask()
            assert len(stage.records[-1].attempts) == 2, "successes win it back"

        act(in_order(ERROR_500), body, settings(ONE, breaker=self.NEVER_OPEN))

    def test_the_first_failover_is_exempt(self) -> None:
        async def body(stage: Stage) -> None:
            for _ in range(30):
                client = await stage.ask()
                assert client.verdict == "ok"

        act(by_pool({"a": ERROR_500, "b": OK}), body, settings(TWO, breaker=self.NEVER_OPEN))

    def test_it_is_the_budget_of_the_target_that_is_asked(self) -> None:
        """What is spent on one target's repeats does not keep calls from another target's budget."""

        async def body(stage: Stage) -> None:
            for _ in range(6):
                await stage.ask(Wish("x", model="only-a", stream=False))
            assert len(stage.records[-1].attempts) == 1
            await stage.ask()
            assert [attempt.target for attempt in stage.records[-1].attempts] == ["c/m", "a/m", "b/m"]

        configured = settings((("c/m",), ("a/m",), ("b/m",)), breaker=self.NEVER_OPEN)
        lamp = configured.routes[0]
        only = replace(lamp, name="only-a", models=("only-a",), tiers=((Target("a", "m"),),))
        answers = {"a": ERROR_500, "b": OK, "c": ERROR_500}
        act(by_pool(answers), body, replace(configured, routes=(lamp, only)))

    def test_a_second_failover_needs_the_budget_of_its_target(self) -> None:
        async def body(stage: Stage) -> None:
            for _ in range(6):
                await stage.ask(Wish("x", model="only-c", stream=False))
            assert len(stage.records[-1].attempts) == 1, "the budget of c is spent"
            client = await stage.ask()
            assert client.downstream.status == 502
            assert [attempt.target for attempt in stage.records[-1].attempts] == ["a/m", "b/m"]

        configured = settings(THREE, breaker=self.NEVER_OPEN)
        lamp = configured.routes[0]
        only = replace(lamp, name="only-c", models=("only-c",), tiers=((Target("c", "m"),),))
        act(in_order(ERROR_500), body, replace(configured, routes=(lamp, only)))


def test_an_all_keys_outage_costs_nobody_an_answer() -> None:
    """A whole account refused at once: every call fails over, and no key is asked again and again."""

    async def body(stage: Stage) -> None:
        for _ in range(20):
            assert (await stage.ask()).verdict == "ok"
        assert sum(request.pool == "a" for request in stage.transport.sent) <= 4
        assert [change for change in stage.notes.changes if change.after == "open"] == []

    providers = {"a": provider("a", keys=4), "b": provider("b")}
    act(by_pool({"a": vendor("openai_invalid_key"), "b": OK}), body, settings(TWO, providers=providers))


@pytest.mark.parametrize("kind", OutcomeKind)
def test_retryable_asks_the_table(kind: OutcomeKind) -> None:
    final = {
        OutcomeKind.OK,
        OutcomeKind.BAD_REQUEST,
        OutcomeKind.CONTENT_FILTERED,
        OutcomeKind.DEADLINE_EXCEEDED,
        OutcomeKind.UNCONVINCING,
        OutcomeKind.OUTPACED,
        OutcomeKind.SUPERSEDED,
        OutcomeKind.CLIENT_GONE,
        OutcomeKind.SHUTDOWN,
    }
    assert retryable(Outcome(kind), on_content_filter=False) is (kind not in final)
    assert retryable(Outcome(kind), on_content_filter=True) is (kind not in final - {OutcomeKind.CONTENT_FILTERED})
