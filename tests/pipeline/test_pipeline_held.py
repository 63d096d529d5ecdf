"""Streams that are held back beyond their first content."""

from dataclasses import replace
from typing import Any

import pytest
from pipeline_stage import DONE, USAGE, Canned, Stage, act, chunk, in_order, stream, whole
from support.simulation import settings

from proxy.core.continuity import FIRST_CONTENT, WHOLE
from proxy.core.exchange import FailureKind, TransportError
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Settings, Timeouts
from proxy.rehearse.client import SimulatedClient, Wish

CUT = TransportError(FailureKind.BROKEN, "reset")
WORDS = ("When ", "one ", "lamp ", "goes ", "dark")
PATIENT = Timeouts(connect=1.0, first_content=2.0, idle=1.0, total=30.0)


def holding(hold: int, **more: Any) -> Settings:
    made = settings((("a/m",), ("b/m",)), **more)
    return replace(made, routes=tuple(replace(route, hold=hold) for route in made.routes))


def said(words: tuple[str, ...], cut: bool = False, gap: float = 0.5) -> Canned:
    pieces = [(gap, chunk({"content": word})) for word in words]
    if cut:
        return stream(*pieces, error=CUT)
    return stream(*pieces, (gap, chunk({}, "stop")), (0.0, USAGE), (0.0, DONE))


def play(*answers: Canned, configured: Settings, headers: dict[str, str] | None = None) -> tuple[SimulatedClient, Stage]:
    seen: list[tuple[SimulatedClient, Stage]] = []

    async def body(stage: Stage) -> None:
        seen.append((await stage.ask(Wish("c"), headers), stage))

    act(in_order(*answers), body, configured)
    return seen[0]


@pytest.mark.parametrize(("hold", "begins"), [(FIRST_CONTENT, 0.6), (2, 1.1), (3, 1.6), (50, 3.1), (WHOLE, 3.1)])
def test_a_stream_begins_when_enough_of_it_has_come(hold: int, begins: float) -> None:
    client, stage = play(said(WORDS), configured=holding(hold))
    assert client.verdict == "ok"
    assert client.downstream.first_write_at == pytest.approx(begins)
    assert client.downstream.finished_at == pytest.approx(3.1)
    attempt = stage.records[0].attempts[0]
    assert attempt.first_content_at == pytest.approx(0.6)  # the target's own time, whatever is held
    assert attempt.delivered


@pytest.mark.parametrize("hold", [50, WHOLE])
def test_what_breaks_while_it_is_held_is_answered_by_another(hold: int) -> None:
    client, stage = play(said(WORDS[:4], cut=True), said(WORDS), configured=holding(hold))
    assert client.verdict == "ok"
    assert bytes(client.downstream.body).count(b"When ") == 1
    first, second = stage.records[0].attempts
    assert (first.kind, first.delivered, second.delivered) == (OutcomeKind.STREAM_BROKEN, False, True)
    assert client.downstream.header("x-undimmed-target") == "b/m"


def test_what_breaks_after_it_was_let_go_is_told() -> None:
    client, stage = play(said(WORDS[:4], cut=True), said(WORDS), configured=holding(2))
    assert client.verdict == "failed"
    assert len(stage.transport.sent) == 1


def test_a_target_that_falls_silent_while_it_is_held_is_given_up() -> None:
    silent = stream((0.1, chunk({"content": "When"})), hang=True)
    client, stage = play(silent, said(WORDS), configured=holding(WHOLE))
    assert client.verdict == "ok"
    assert stage.records[0].attempts[0].kind is OutcomeKind.IDLE_TIMEOUT


def test_a_hold_may_take_longer_than_the_first_content() -> None:
    client, _ = play(said(WORDS, gap=0.9), configured=holding(WHOLE, timeouts=PATIENT))
    assert client.verdict == "ok"
    assert client.downstream.finished_at == pytest.approx(5.5)


def test_who_waits_is_told_so() -> None:
    client, _ = play(said(WORDS, gap=0.9), configured=holding(WHOLE, heartbeat=1.0))
    assert client.verdict == "ok"
    assert client.downstream.first_write_at == pytest.approx(1.0)
    assert bytes(client.downstream.body).count(b": undimmed waiting") >= 4


def test_a_hold_never_costs_an_answer() -> None:
    """The client would give up at two seconds, and nothing may be said meanwhile: it gets what there is by then."""
    headers = {"x-stainless-read-timeout": "2"}
    client, _ = play(said(WORDS, gap=0.5), configured=holding(WHOLE, heartbeat=0.0), headers=headers)
    assert client.verdict == "ok"
    assert client.downstream.first_write_at == pytest.approx(1.9)
    assert client.downstream.finished_at == pytest.approx(3.1)


def test_what_is_held_is_bounded() -> None:
    """What is larger than `server.max_answer` is let go."""
    long = said(("x" * 40_000, *WORDS[1:]))

    async def body(stage: Stage) -> None:
        stage.parts.gateway._forwarder._services.max_answer = 10_000
        client = await stage.ask(Wish("c"))
        assert client.verdict == "ok"
        assert client.downstream.first_write_at == pytest.approx(0.6)

    act(in_order(long), body, holding(WHOLE))


def test_whole_answers_are_what_they_were() -> None:
    async def body(stage: Stage) -> None:
        client = await stage.ask()
        assert client.verdict == "ok"

    act(in_order(whole()), body, holding(WHOLE))
