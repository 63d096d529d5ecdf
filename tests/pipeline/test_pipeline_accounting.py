"""Where the tokens went: the provider's numbers first, estimates where there are none, each said to be what it is."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from pipeline_stage import COMPLETION, DONE, STREAM, USAGE, Canned, Stage, act, by_pool, chunk, make_call, stream, whole
from support.simulation import Notes, provider, rehearse, replace, settings, spans, steady

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import FailureKind, TransportError
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord
from proxy.core.settings import Target
from proxy.core.usage import Price, Usage, UsageSource
from proxy.pipeline.accounting import SPENT, Accounting, Booking, apply_usage
from proxy.pipeline.estimation import EstimateJob
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import Wish
from proxy.rehearse.virtual_loop import run
from proxy.tokens.price_list import Row, Step, VendorPrices

PRICE = Price(input=2_000_000_000, output=8_000_000_000)
PRICED = settings(((Target("a", "m", price=PRICE),), (Target("b", "m"),)))
LIT = chunk({"content": "lit and lit"})
FINISH = chunk(finish="stop")
NO_USAGE = {key: value for key, value in COMPLETION.items() if key != "usage"}


class TestWhoseNumbers:
    def test_the_providers_own(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask()
            attempt = stage.records[0].attempts[0]
            assert attempt.usage == Usage(7, 3)
            assert attempt.usage.source is UsageSource.PROVIDER
            assert attempt.cost == 7 * 2000 + 3 * 8000
            assert client.downstream.header("x-undimmed-tokens-source") == "provider"
            assert client.downstream.header("x-undimmed-tokens-input") == "7"
            assert client.downstream.header("x-undimmed-cost-usd") == "0.000038"

        act(by_pool({"a": whole()}), body, PRICED)

    def test_of_a_stream(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert stage.records[0].attempts[0].usage == Usage(7, 3)
            assert b'"input":7' in client.downstream.body
            assert b'"source":"provider"' in client.downstream.body
            assert b'"choices":[],"usage"' not in client.downstream.body, "it had not been asked for"

        act(by_pool({"a": stream((0.0, LIT), (0.0, FINISH + USAGE + DONE))}), body, PRICED)

    def test_a_client_that_asked_gets_the_usage_event(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s", wants_usage=True))
            assert b'"choices":[],"usage"' in client.downstream.body

        act(by_pool({"a": stream((0.0, LIT), (0.0, FINISH + USAGE + DONE))}), body, PRICED)

    @pytest.mark.parametrize("streamed", [True, False])
    def test_an_estimate_says_so(self, streamed: bool) -> None:
        answer = stream((0.0, LIT), (0.0, FINISH + DONE)) if streamed else whole(NO_USAGE)

        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("w", stream=streamed))
            attempt = stage.records[0].attempts[0]
            assert attempt.usage is not None
            assert attempt.usage.source is UsageSource.ESTIMATE
            assert attempt.usage.output == (2 if streamed else 0)
            assert attempt.cost == 10 * 2000 + attempt.usage.output * 8000
            assert not attempt.possibly_billed
            shown = bytes(client.downstream.body) if streamed else client.downstream.header("x-undimmed-tokens-source")
            assert shown is not None
            assert b'"source":"estimate"' in shown if isinstance(shown, bytes) else shown == "estimate"

        act(by_pool({"a": answer}), body, PRICED)

    @pytest.mark.parametrize("given", ["", None, "always the same"])
    def test_ids_are_ours(self, given: str | None) -> None:
        """What a provider calls its answer is no key: some call all of them the same, or nothing."""

        async def body(stage: Stage) -> None:
            for _ in range(3):
                assert (await stage.ask()).verdict == "ok"
            assert len({record.id for record in stage.records}) == 3

        act(by_pool({"a": whole({**COMPLETION, "id": given})}), body, PRICED)

    def test_an_input_that_was_not_counted_is_estimated(self) -> None:
        """Some servers leave out what they had in their cache."""

        async def body(stage: Stage) -> None:
            client = await stage.ask()
            usage = stage.records[0].attempts[0].usage
            assert usage is not None
            assert (usage.input, usage.output, usage.source) == (10, 3, UsageSource.MIXED)
            assert client.downstream.header("x-undimmed-tokens-source") == "mixed"

        act(by_pool({"a": whole({**COMPLETION, "usage": {"prompt_tokens": 0, "completion_tokens": 3}})}), body, PRICED)

    def test_an_unknown_price_is_unknown(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask()
            assert stage.records[0].attempts[0].cost is None
            assert client.downstream.header("x-undimmed-cost-usd") is None

        act(by_pool({"a": whole()}), body)


class TestWaste:
    """Attempts whose output nobody received."""

    def _attempts(self, broken: Canned, streamed: bool = False) -> list[AttemptRecord]:
        good = stream((0.0, LIT), (0.0, FINISH + USAGE + DONE)) if streamed else whole()
        seen: list[AttemptRecord] = []

        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("w", stream=streamed))
            assert client.verdict == "ok"
            assert len(stage.records) == 1
            seen.extend(stage.records[0].attempts)

        act(by_pool({"a": broken, "b": good}), body, PRICED)
        return seen

    def test_a_refusal_costs_nothing(self) -> None:
        first, second = self._attempts(whole(b"{}", 500))
        assert (first.usage, first.cost, first.possibly_billed, first.delivered) == (None, None, False, False)
        assert second.delivered

    def test_a_refused_connection_costs_nothing(self) -> None:
        error = TransportError(FailureKind.CONNECT, "refused")
        first, _ = self._attempts(Canned(wait=None, error=error))
        assert (first.usage, first.possibly_billed) == (None, False)

    def test_silence_may_be_billed(self) -> None:
        first, _ = self._attempts(Canned(wait=None), streamed=True)
        assert first.kind is OutcomeKind.FIRST_CONTENT_TIMEOUT
        assert first.possibly_billed
        assert first.usage is not None
        assert (first.usage.source, first.usage.input, first.usage.output) == (UsageSource.ESTIMATE, 10, 0)
        assert first.cost == 10 * 2000
        assert not first.delivered

    def test_an_answer_that_could_not_be_read_may_be_billed(self) -> None:
        first, _ = self._attempts(whole(b'{"id": "chatcmpl-1", "choi'))
        assert first.kind is OutcomeKind.MALFORMED
        assert first.possibly_billed
        assert not first.delivered
        assert first.usage is not None
        assert first.usage.source is UsageSource.ESTIMATE

    def test_a_stream_that_broke_before_its_first_content(self) -> None:
        opening = chunk({"role": "assistant", "content": ""})
        first, _ = self._attempts(Canned(headers=STREAM, pieces=((0.0, opening),)), streamed=True)
        assert first.kind is OutcomeKind.STREAM_BROKEN
        assert first.possibly_billed
        assert first.usage is not None
        assert first.usage.source is UsageSource.ESTIMATE

    def test_the_tally_books_it_under_the_failed_target(self) -> None:
        opening = chunk({"role": "assistant", "content": ""})

        async def body(stage: Stage) -> None:
            await stage.ask(Wish("s"))
            lines = stage.parts.gateway.tally.lines
            wasted = lines["lamp", "a/m"].wasted[OutcomeKind.STREAM_BROKEN]
            assert (wasted.attempts, wasted.input, wasted.output, wasted.cost) == (1, 10, 0, 10 * 2000)
            assert lines["lamp", "a/m"].possibly_billed == 1
            assert lines["lamp", "b/m"].wasted == {}

        good = stream((0.0, LIT), (0.0, FINISH + USAGE + DONE))
        act(by_pool({"a": Canned(headers=STREAM, pieces=((0.0, opening),)), "b": good}), body, PRICED)


class TestCutAnswers:
    def test_what_a_broken_stream_had_said_is_estimated(self) -> None:
        async def body(stage: Stage) -> None:
            await stage.ask(Wish("s"))
            attempt = stage.records[0].attempts[0]
            assert attempt.kind is OutcomeKind.STREAM_BROKEN
            assert attempt.possibly_billed
            assert attempt.usage is not None
            assert attempt.usage.output == len("lit and lit" * 4) // 4
            assert attempt.usage.source is UsageSource.ESTIMATE

        act(by_pool({"a": stream(*[(0.0, LIT)] * 4)}), body, PRICED)

    def test_what_a_client_left_behind_is_estimated(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s", leaves=0.55))
            assert client.verdict == "left"
            attempt = stage.records[0].attempts[0]
            assert attempt.kind is OutcomeKind.CLIENT_GONE
            assert attempt.possibly_billed
            assert attempt.usage is not None
            assert attempt.usage.output == len("lit and lit" * 4) // 4
            assert stage.records[0].status == 499

        act(by_pool({"a": stream(*[(0.1, LIT)] * 40)}), body, PRICED)

    def test_a_number_that_the_provider_had_given_already_wins(self) -> None:
        """Usage in every event (as some servers send it), then the cut."""
        counted = chunk({"content": "lit"}, usage={"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8})

        async def body(stage: Stage) -> None:
            await stage.ask(Wish("s"))
            attempt = stage.records[0].attempts[0]
            assert attempt.usage == Usage(7, 1)
            assert attempt.possibly_billed, "nobody knows what came after the last event"

        act(by_pool({"a": stream((0.0, counted))}), body, PRICED)

    @pytest.mark.parametrize("native", [True, False])
    def test_an_input_that_was_told_before_the_cut_stands(self, native: bool) -> None:
        """Anthropic counts the input at the start and the output at the end: here only the output is an estimate."""
        start = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 25, "output_tokens": 1}}}
        start["message"]["usage"]["cache_read_input_tokens"] = 40  # type: ignore[index]
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lit and lit"}}
        events = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in (start, delta))
        known = replace(provider("a"), kind="anthropic", preset="anthropic")
        configured = settings(((Target("a", "m", price=PRICE),),), providers={"a": known})

        async def body(stage: Stage) -> None:
            endpoint = Endpoint.MESSAGES if native else Endpoint.CHAT
            wish = Wish("s", endpoint=endpoint)
            raw = {"model": "lamp", "stream": True, "max_tokens": 50, "messages": [{"role": "user", "content": "on"}]}
            await stage.ask(wish, body=json.dumps(raw).encode())
            (attempt,) = stage.records[0].attempts
            assert attempt.kind is OutcomeKind.STREAM_BROKEN
            assert attempt.usage == Usage(65, 2, cached=40, source=UsageSource.MIXED)
            assert attempt.possibly_billed
            assert attempt.cost == 65 * 2000 + 2 * 8000

        act(by_pool({"a": stream((0.0, events))}), body, configured)


class HeldEstimator:
    """Estimates when told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[EstimateJob, Callable[[Usage], None]]] = []

    def submit(self, job: EstimateJob, done: Callable[[Usage], None]) -> None:
        self.waiting.append((job, done))

    def go(self) -> None:
        _, done = self.waiting.pop(0)
        done(Usage(1, 2, source=UsageSource.ESTIMATE))


class TestComparing:
    """Now and then a counted answer is counted here, too."""

    def played(self, usages: list[dict[str, int]], estimated: Usage) -> tuple[HeldEstimator, Stage]:
        estimator, seen, told = HeldEstimator(), [], iter(usages)

        async def body(stage: Stage) -> None:
            for _ in usages:
                await stage.ask()
                if estimator.waiting:
                    estimator.waiting.pop(0)[1](estimated)
                await asyncio.sleep(2)
            seen.append(stage)

        act(lambda _: whole({**COMPLETION, "usage": next(told)}), body, PRICED, lambda _: estimator)
        return estimator, seen[0]

    def test_a_factor_is_learned_and_laid_over_estimates(self) -> None:
        told = {"prompt_tokens": 1300, "completion_tokens": 3}
        _, stage = self.played([told] * 3, Usage(1000, source=UsageSource.ESTIMATE, raw_input=1000))
        known = stage.parts.accounting.calibration
        assert known.samples("a/m") == 3
        assert known.factor("a/m") == pytest.approx(1.3)

    @pytest.mark.parametrize("more", [{"image_in": 5}, {"audio_in": 5}, {"lower_bound": True}])
    def test_nothing_is_learned_from_what_was_not_text_alone(self, more: dict[str, int]) -> None:
        told = {"prompt_tokens": 1300, "completion_tokens": 3}
        _, stage = self.played([told] * 3, Usage(1000, source=UsageSource.ESTIMATE, raw_input=1000, **more))
        assert stage.parts.accounting.calibration.samples("a/m") == 0

    def test_short_prompts_are_not_compared(self) -> None:
        estimator = HeldEstimator()

        async def body(stage: Stage) -> None:
            await stage.ask()
            assert estimator.waiting == []

        act(by_pool({"a": whole()}), body, PRICED, lambda _: estimator)

    def test_one_at_a_time_and_never_in_the_way(self) -> None:
        estimator = HeldEstimator()
        told = {"prompt_tokens": 1300, "completion_tokens": 3}

        async def body(stage: Stage) -> None:
            for _ in range(5):
                assert (await stage.ask()).verdict == "ok"
                await asyncio.sleep(2)
            assert len(estimator.waiting) == 1
            assert estimator.waiting[0][0].texts is None
            assert len(stage.records) == 5, "no record waits for it"

        act(by_pool({"a": whole({**COMPLETION, "usage": told})}), body, PRICED, lambda _: estimator)

    def test_estimates_carry_the_factor(self) -> None:
        estimator = HeldEstimator()

        async def body(stage: Stage) -> None:
            known = stage.parts.accounting.calibration
            known.due("a/m", 0.0)
            for _ in range(3):
                known.learn("a/m", 1300, 1000)
            asking = stage.loop.create_task(stage.ask())
            await asyncio.sleep(1)
            assert estimator.waiting[0][0].factor == pytest.approx(1.3)
            estimator.go()
            await asking
            stage.parts.gateway.use(stage.parts.routing(PRICED))
            assert known.factor("a/m") == pytest.approx(1.3), "a reload forgets nothing"

        act(by_pool({"a": whole(NO_USAGE)}), body, PRICED, lambda _: estimator)


def make_record(name: str) -> tuple[CallRecord, AttemptRecord]:
    record = CallRecord(name, "lamp", make_call().endpoint, True, None, 0.0, 0.0)
    attempt = AttemptRecord("a/m", "a", "a#1", 0.0, OK)
    record.attempts.append(attempt)
    return record, attempt


class TestWaitingForEstimates:
    """The record waits, nobody else does."""

    def test_a_failover_is_not_delayed(self) -> None:
        estimator = HeldEstimator()

        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert client.verdict == "ok"
            assert stage.records == [], "the record waits for its estimate"
            assert stage.parts.accounting.open == 1
            drained = stage.loop.create_task(stage.parts.accounting.drained())
            await asyncio.sleep(1)
            assert not drained.done()
            estimator.go()
            await drained
            assert stage.records[0].attempts[0].usage == Usage(1, 2, source=UsageSource.ESTIMATE)
            assert stage.parts.accounting.open == 0

        good = stream((0.0, LIT), (0.0, FINISH + USAGE + DONE))
        act(by_pool({"a": Canned(wait=None), "b": good}), body, PRICED, lambda _: estimator)

    @pytest.mark.parametrize("before", [0, 1])
    def test_all_estimates_of_a_call(self, before: int) -> None:
        """Whether some of them come before its end or none."""

        async def body(rng: object) -> None:
            notes, estimator = Notes(), HeldEstimator()
            accounting = Accounting(notes, estimator)
            record, attempt = make_record("1")
            booking = Booking(record)
            call, target = make_call(), Target("a", "m", price=PRICE)
            accounting.estimate(call, booking, attempt, target, ["x"])
            accounting.estimate(call, booking, attempt, target, [])
            for _ in range(before):
                estimator.go()
            accounting.close(booking)
            for _ in range(before, 2):
                assert notes.calls == []
                assert accounting.open == 1
                estimator.go()
            assert notes.calls == [record]
            assert attempt.cost == 1 * 2000 + 2 * 8000
            await accounting.drained()

        run(body, seed=1)

    def test_an_estimate_that_comes_before_the_end_delays_nothing(self) -> None:
        async def body(rng: object) -> None:
            notes, estimator = Notes(), HeldEstimator()
            accounting = Accounting(notes, estimator)
            record, attempt = make_record("1")
            booking = Booking(record)
            accounting.estimate(make_call(), booking, attempt, Target("a", "m"), [])
            estimator.go()
            assert notes.calls == [], "the call is not over"
            accounting.close(booking)
            assert notes.calls == [record]
            await accounting.drained()

        run(body, seed=1)

    def test_drained_waits_for_all_calls(self) -> None:
        async def body(rng: object) -> None:
            notes, estimator = Notes(), HeldEstimator()
            accounting = Accounting(notes, estimator)
            for name in "12":
                record, attempt = make_record(name)
                booking = Booking(record)
                accounting.estimate(make_call(), booking, attempt, Target("a", "m"), [])
                accounting.close(booking)
            drained = asyncio.get_running_loop().create_task(accounting.drained())
            estimator.go()
            await asyncio.sleep(0)
            assert not drained.done()
            estimator.go()
            await drained
            assert [record.id for record in notes.calls] == ["1", "2"]

        run(body, seed=1)

    def test_a_client_may_leave_while_its_answer_is_counted(self) -> None:
        estimator = HeldEstimator()

        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("w", stream=False, leaves=0.5))
            assert client.verdict == "left"
            assert len(estimator.waiting) == 1
            estimator.go()
            await asyncio.sleep(0)
            assert len(stage.records) == 1
            assert stage.records[0].status == 499

        act(by_pool({"a": whole(NO_USAGE)}), body, PRICED, lambda _: estimator)


def test_cost_goes_with_usage() -> None:
    _, attempt = make_record("1")
    apply_usage(attempt, Target("a", "m", price=PRICE), Usage(1_000_000, 0), 0.0)
    assert attempt.cost == 2_000_000_000
    assert attempt.cache_saved == 0
    apply_usage(attempt, Target("a", "m", price=Price(2_000_000, 0, cached=500_000)), Usage(1000, cached=400), 0.0)
    assert (attempt.cost, attempt.cache_saved) == (1400, 600)
    apply_usage(attempt, Target("a", "m"), Usage(5, 5), 0.0)
    assert (attempt.usage, attempt.cost, attempt.cache_saved) == (Usage(5, 5), None, None)


def test_cost_is_that_of_the_model_that_answered_when_the_call_began() -> None:
    """Case 15, and prices that change."""
    old, new = ({"input": dollars * 10**9, "output": 0} for dollars in (4, 3))
    steps = [Step(old), Step(new, since=date(2026, 5, 1))]
    rows = [Row("m", ["=", "m"], steps, {"flex": [Step({"input": 10**9})]}), Row("s", ["=", "s"], [Step(new)])]
    target = Target("a", "m", price=PRICE, tariff=VendorPrices(rows).tariff("m"))
    _, attempt = make_record("1")

    def charged(usage: Usage, wall: float, served: str | None = None) -> int | None:
        attempt.served_model = served
        apply_usage(attempt, target, usage, wall)
        return attempt.cost

    change = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    assert charged(Usage(1000), change - 1) == 4_000_000
    assert charged(Usage(1000), change) == 3_000_000
    assert charged(Usage(1000), change - 1, "s") == 3_000_000
    assert charged(Usage(1000), change - 1, "m") == 4_000_000
    assert charged(Usage(1000, tier="flex"), change) == 1_000_000
    assert charged(Usage(1000, tier="priority"), change) is None


@pytest.mark.parametrize("kind", OutcomeKind)
def test_refusals_are_free(kind: OutcomeKind) -> None:
    """What a vendor refuses it does not charge; whatever may have run, may be."""
    refusals = {
        OutcomeKind.RATE_LIMITED,
        OutcomeKind.QUOTA_EXHAUSTED,
        OutcomeKind.OVERLOADED,
        OutcomeKind.SERVER_ERROR,
        OutcomeKind.CONNECT_FAILED,
        OutcomeKind.CONNECT_TIMEOUT,
        OutcomeKind.AUTH_FAILED,
        OutcomeKind.MODEL_FORBIDDEN,
        OutcomeKind.MODEL_NOT_FOUND,
        OutcomeKind.UNSUPPORTED,
        OutcomeKind.CONTEXT_TOO_LONG,
        OutcomeKind.CONTENT_FILTERED,
        OutcomeKind.BAD_REQUEST,
        OutcomeKind.REJECTION_SUSPECTED,
        OutcomeKind.REJECTION_STORM,
    }
    assert (Outcome(kind).kind in SPENT) is (kind not in refusals)


def test_our_tokens_are_the_providers_bill() -> None:
    """Over an outage of streams cut in the middle, and of silence."""
    configured = settings(((Target("a", "m", price=PRICE),), (Target("b", "m", price=PRICE),)))
    faults = spans([(5, 10, Behaviour(Mode.CUT, after=4)), (15, 20, Behaviour(Mode.BLACK_HOLE))], Behaviour(chunks=10))
    outcome = rehearse({"a": faults, "b": Behaviour(chunks=10, latency=Latency(0.1))}, steady(10, 30), configured)
    whole_answers = [a for record in outcome.notes.calls for a in record.attempts if a.kind is OutcomeKind.OK]
    billed = [e for p in outcome.network.providers.values() for e in p.bill.entries if e.complete]
    assert sum(a.usage.output for a in whole_answers if a.usage) == sum(e.output for e in billed)
    assert all(a.usage is not None and a.usage.source is UsageSource.PROVIDER for a in whole_answers)
    cut = [a for record in outcome.notes.calls for a in record.attempts if a.kind is OutcomeKind.STREAM_BROKEN]
    assert cut
    assert all(a.possibly_billed and a.cost for a in cut)
