"""A client leaves: its provider is cut off, or read on to the end for its own count."""

import asyncio

import pytest
from pipeline_stage import COMPLETION, DONE, USAGE, Canned, Stage, act, by_pool, chunk, stream, whole
from support.simulation import replace, settings

from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord
from proxy.core.settings import Settings, Target
from proxy.core.usage import Price, Usage, UsageSource
from proxy.pipeline import leaving
from proxy.pipeline.leaving import LONGEST, MOST_TOKENS
from proxy.rehearse.client import Wish

PRICE = Price(input=2_000_000_000, output=8_000_000_000)
LIT = chunk({"content": "lit and lit"})
FINISH = chunk(finish="stop")
GOOD = stream(*[(0.1, LIT)] * 20, (0.1, FINISH + USAGE + DONE))


def draining() -> Settings:
    limits = replace(settings().timeouts, total=600.0)
    plain = settings(((Target("a", "m", price=PRICE),),), timeouts=limits)
    return replace(plain, routes=(replace(plain.routes[0], on_leave="drain"),))


def left(canned: Canned, wish: Wish, seconds: float = 40.0) -> tuple[AttemptRecord, Stage]:
    """The one attempt of a client that left, after so long, and everything else."""
    seen: list[Stage] = []

    async def body(stage: Stage) -> None:
        client = await stage.ask(wish)
        assert client.verdict == "left"
        await asyncio.sleep(seconds)
        seen.append(stage)
        (record,) = stage.records
        assert (record.status, record.outcome) == (499, OutcomeKind.CLIENT_GONE)
        assert all(state.in_flight == 0 for state in stage.parts.gateway.routing.states())

    act(by_pool({"a": canned}), body, draining())
    (attempt,) = seen[0].records[0].attempts
    assert attempt.kind is OutcomeKind.CLIENT_GONE
    return attempt, seen[0]


def test_the_providers_own_count() -> None:
    """Case 10: what goes on being billed is read to its end."""
    attempt, stage = left(GOOD, Wish("s", leaves=0.55))
    assert attempt.usage == Usage(7, 3)
    assert attempt.usage.source is UsageSource.PROVIDER
    assert attempt.cost == 7 * 2000 + 3 * 8000
    assert (attempt.possibly_billed, attempt.delivered) == (False, True)
    assert stage.transport.exchanges[0].ended == "detached"


def test_a_client_that_had_nothing_yet() -> None:
    late = stream((1.0, LIT), (0.1, FINISH + USAGE + DONE), wait=0.5)
    attempt, stage = left(late, Wish("s", leaves=0.7))
    assert attempt.usage == Usage(7, 3)
    assert not attempt.delivered
    assert not stage.records[0].committed


@pytest.mark.parametrize("wait", [0.2, 1.0], ids=["inside the answer", "before its head"])
def test_a_whole_answer(wait: float) -> None:
    attempt, _ = left(
        Canned(pieces=((0.5, whole(COMPLETION).pieces[0][1]),), wait=wait), Wish("w", stream=False, leaves=0.4)
    )
    assert attempt.usage == Usage(7, 3)
    assert not attempt.delivered


def test_it_is_bounded_by_time() -> None:
    attempt, stage = left(stream(*[(0.5, LIT)] * 200, hang=True), Wish("s", leaves=1.2))
    assert attempt.usage is not None
    assert attempt.usage.source is UsageSource.ESTIMATE
    assert attempt.possibly_billed
    assert attempt.ended_at <= stage.records[0].ended_at + LONGEST + 0.1
    assert attempt.ended_at > stage.records[0].ended_at + LONGEST - 1


def test_it_is_bounded_by_tokens() -> None:
    much = chunk({"content": "word " * 1000})
    attempt, stage = left(stream(*[(0.1, much)] * 200), Wish("s", leaves=0.55))
    assert attempt.usage is not None
    assert MOST_TOKENS <= attempt.usage.output < 3 * MOST_TOKENS
    assert attempt.ended_at < stage.records[0].ended_at + 3
    assert stage.transport.exchanges[0].ended == "aborted"


def test_it_is_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "MOST_AT_ONCE", 0)
    attempt, stage = left(GOOD, Wish("s", leaves=0.55))
    assert attempt.possibly_billed
    assert stage.transport.exchanges[0].ended == "aborted"


def test_a_provider_that_breaks_meanwhile_is_estimated() -> None:
    attempt, _ = left(stream(*[(0.1, LIT)] * 10), Wish("s", leaves=0.55))
    assert attempt.usage is not None
    assert (attempt.usage.source, attempt.possibly_billed) == (UsageSource.ESTIMATE, True)


def test_a_slow_client_that_leaves_holds_nothing_back() -> None:
    much = chunk({"content": "word " * 400})
    attempt, stage = left(stream(*[(0.01, much)] * 60, (0.1, FINISH + USAGE + DONE)), Wish("s", reads=1000.0, leaves=1.0))
    assert stage.transport.exchanges[0].pauses
    assert attempt.usage == Usage(7, 3)


def test_a_proxy_that_stops_lets_go() -> None:
    async def body(stage: Stage) -> None:
        await stage.ask(Wish("s", leaves=0.55))
        assert stage.records == []
        assert stage.parts.accounting.open == 1
        await stage.parts.accounting.drained()
        (attempt,) = stage.records[0].attempts
        assert attempt.usage is not None
        assert attempt.usage.source is UsageSource.ESTIMATE

    act(by_pool({"a": GOOD}), body, draining())


def test_a_silent_provider_gets_no_more_time_than_it_had() -> None:
    attempt, stage = left(Canned(wait=None), Wish("s", leaves=0.5))
    assert attempt.possibly_billed
    assert stage.transport.exchanges[0].ended == "aborted"
