"""Brownouts in virtual time: seen, ridden through, and over again, each within the time that its test states."""

import statistics

import pytest
from support.simulation import BREAKER, TIMEOUTS, Outcome, rehearse, replace, settings, spans, steady

from proxy.core.outcome import OutcomeKind
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.invariants import check

#: As long as the usual 50 pieces of 20 ms, in two of the events: where only times and counts matter.
LIGHT = Behaviour(chunks=2, gap=0.5)
BASELINE = 0.2
#: No absolute limit is near: only the baseline can tell.
PATIENT = replace(BREAKER, slow=30.0)


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def opened(run: Outcome, subject: str = "a/m", states: tuple[str, ...] = ("ejected",)) -> list[float]:
    """Seconds of the run at which a target went out of favour."""
    return [c.at - run.network.epoch for c in run.notes.changes if c.subject == subject and c.after in states]


def waits(run: Outcome, since: float, until: float) -> list[float]:
    epoch = run.network.epoch
    return [c.waited for c in run.clients if c.waited is not None and since <= c.asked_at - epoch < until]


@pytest.mark.parametrize("stall", [True, False])
def test_3_slow(stall: bool) -> None:
    """A's first word comes after 1.8 s instead of 0.2 s, at 100 %. With the stall rule the silence before the first late
    word opens the breaker; what comes back slow is ejected. Without it the share of slow answers does."""
    fault = spans([(30, 90, replace(LIGHT, latency=Latency(1.8)))], LIGHT)
    run = rehearse({"a": fault, "b": LIGHT}, steady(200, 92), settings(breaker=replace(PATIENT, stall=stall)))
    assert check(run.evidence([30])) == []
    assert run.verdicts == {"ok": 200 * 92}
    assert 30 < opened(run, states=("ejected", "open"))[0] <= 40
    assert len(opened(run)) >= 1
    assert p99(waits(run, 42, 90)) <= BASELINE + 0.05


CUT = replace(LIGHT, mode=Mode.CUT, after=1, share=0.3)
#: Shape, and the seconds within which it is seen at 20 requests a second.
SHAPES = {
    "cut in the middle": (CUT, 30),
    "empty": (replace(LIGHT, mode=Mode.EMPTY_STREAM, share=0.3), 30),
    "no finish reason": (replace(LIGHT, mode=Mode.MISSING_FINISH, share=0.3), 30),
    "slower by half a second": (replace(LIGHT, latency=Latency(0.7)), 10),
    "slow tokens": (Behaviour(chunks=50, gap=0.08), 15),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    fault, seconds = SHAPES[name]
    healthy = Behaviour() if name == "slow tokens" else LIGHT
    run = rehearse({"a": spans([(60, 120, fault)], healthy), "b": healthy}, steady(20, 120), settings(breaker=PATIENT))
    print([c for c in run.notes.changes])
    assert 60 < opened(run)[0] <= 60 + seconds


def test_a_drip_is_a_cut() -> None:
    """A token every five seconds is below the least pace, though never silent for long."""
    configured = settings((("a/m",),), timeouts=replace(TIMEOUTS, idle=20.0, total=600.0))
    run = rehearse({"a": Behaviour(chunks=100, gap=5.0)}, steady(1, 1), configured)
    attempt = run.notes.calls[0].attempts[0]
    assert attempt.kind is OutcomeKind.IDLE_TIMEOUT
    assert "tokens a second" in attempt.outcome.message
    assert 30 <= attempt.ended_at - attempt.started_at <= 36


def test_a_slow_stream_is_none() -> None:
    configured = settings((("a/m",),), timeouts=replace(TIMEOUTS, idle=20.0, total=600.0))
    run = rehearse({"a": Behaviour(chunks=50, gap=1.5)}, steady(1, 1), configured)
    assert run.verdicts == {"ok": 1}
