"""Brownouts in virtual time: seen, ridden through, and over again, each within the time that its test states."""

import asyncio
import os
import statistics
from itertools import pairwise
from random import Random

import pytest
from support.simulation import BREAKER, TIMEOUTS, Outcome, World, play, rehearse, replace, settings, spans, steady

from proxy.core.outcome import OutcomeKind
from proxy.core.records import StateChange
from proxy.policy.suspicion import doubt
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import crowd
from proxy.rehearse.invariants import check

SEEDS = int(os.environ.get("UNDIMMED_SEEDS", "0"))
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
    rate = 200 if SEEDS else 50
    fault = spans([(10, 50, replace(LIGHT, latency=Latency(1.8)))], LIGHT)
    run = rehearse({"a": fault, "b": LIGHT}, steady(rate, 52), settings(breaker=replace(PATIENT, stall=stall)))
    assert check(run.evidence([10])) == []
    assert run.verdicts == {"ok": rate * 52}
    assert 10 < opened(run, states=("ejected", "open"))[0] <= 20
    assert len(opened(run)) >= 1
    assert p99(waits(run, 22, 50)) <= BASELINE + 0.05


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


def test_4_partial_outage() -> None:
    """D8 compressed sixty times: 2 minutes at 5 %, 6 minutes at 25 %."""
    bad = replace(LIGHT, mode=Mode.STATUS, latency=Latency(0.05))
    fault = spans([(5, 125, replace(bad, share=0.05)), (125, 485, replace(bad, share=0.25))], LIGHT)
    rate = 200 if SEEDS else 20
    run = rehearse({"a": fault, "b": LIGHT}, steady(rate, 480))
    assert check(run.evidence([5, 125])) == []
    errors = sum(count for verdict, count in run.verdicts.items() if verdict != "ok")
    assert errors <= 0.0001 * rate * 480
    assert run.contacts("a") + run.contacts("b") <= 1.3 * rate * 480
    openings = opened(run, states=("open", "ejected"))
    assert [at for at in openings if at < 125] == []
    assert len(openings) <= 2


@pytest.mark.parametrize("seed", range(SEEDS or 3))
def test_18_no_herd_on_recovery(seed: int) -> None:
    """A recovers with room for 20 requests a second, growing by 20 each second; 529 above that."""
    down = Behaviour(Mode.STATUS, latency=Latency(0.01))
    weak = replace(LIGHT, rate=20.0, rate_growth=20.0)
    run = rehearse({"a": spans([(5, 30, down), (30, 120, weak)], LIGHT), "b": LIGHT}, steady(100, 80), seed=seed)
    assert check(run.evidence([5, 30])) == []
    assert run.verdicts == {"ok": 100 * 80}
    openings = [at for at in opened(run, states=("open",)) if at > 30]
    closed = [c.at - run.network.epoch for c in run.notes.changes if c.subject == "a/m" and c.after == "closed"]
    assert len([at for at in openings if at > closed[0]]) <= 1
    ramp = [run.contacts("a", closed[-1] + second, closed[-1] + second + 2) for second in range(0, 10, 2)]
    assert all(later >= earlier * 0.8 for earlier, later in pairwise(ramp))


def test_18_ten_proxies_do_not_come_back_as_one() -> None:
    """Equal breakers that open in the same instant spread their trials over a second or more, in 98 of 100 seeds."""
    spread = 0
    seeds = max(SEEDS, 200)
    for seed in range(seeds):
        trials = []
        for replica in range(10):
            changes: list[StateChange] = []
            breaker = doubt("a/m", None, BREAKER, Random(f"{seed} {replica}"), changes.append)
            breaker.trip(100.0, "down")
            assert changes[0].until is not None
            trials.append(changes[0].until)
        spread += max(trials) - min(trials) >= 1.0
    assert spread >= 0.98 * seeds


def test_19_flapping() -> None:
    """D18: down and up every 30 s for an hour."""
    down = Behaviour(Mode.STATUS, latency=Latency(0.01))
    fault = spans([(at, at + 30, down) for at in range(30, 3600, 60)], LIGHT)
    run = rehearse({"a": fault, "b": LIGHT}, steady(5, 3600))
    assert check(run.evidence(list(range(30, 3600, 60)))) == []
    assert run.verdicts == {"ok": 5 * 3600}
    pauses = [c.until - c.at for c in run.notes.changes if c.subject == "a/m" and c.after == "open" and c.until]
    assert max(pauses) >= 0.8 * BREAKER.open_cap
    while_down = sum(run.contacts("a", at, at + 30) for at in range(30, 3600, 60))
    # At 200 requests a second this is a tenth of a percent; what opens a breaker is a number of calls, not a share.
    assert while_down <= 8 * 60


def test_33_clock_steps() -> None:
    """The wall clock jumps by an hour and back by a day in mid-outage: nothing is decided otherwise."""
    fault = {"a": spans([(10, 40, replace(LIGHT, mode=Mode.STATUS))], LIGHT), "b": LIGHT}

    def decide(jump: float) -> list[tuple[float, str, str]]:
        async def outage(world: World) -> list[tuple[float, str, str]]:
            loop = asyncio.get_running_loop()
            world.parts.incidents._wall = lambda: 1.0e9 + loop.time() + (jump if 15 < loop.time() < 30 else 0.0)
            await crowd(world.parts.gateway.serve, steady(50, 60))
            return [(change.at, change.subject, change.after) for change in world.notes.changes]

        return play(outage, fault)  # type: ignore[return-value]

    calm = decide(0.0)
    assert calm
    assert decide(3600.0) == calm
    assert decide(-86400.0) == calm


def test_a_dead_host_takes_all_its_targets_with_it() -> None:
    """Two models behind one host: the second is passed over before a single one of its calls has opened its breaker."""
    dead = Behaviour(Mode.CONNECT_HANG)
    configured = settings((("a/m",), ("a/n",), ("b/m",)), breaker=PATIENT)
    run = rehearse({"a": spans([(30, 90, dead)], LIGHT), "b": LIGHT}, steady(20, 90), configured)
    assert run.verdicts == {"ok": 20 * 90}
    assert run.contacts("a", 34, 90) <= 12
    # Whoever could not reach the host does not ask its neighbour next.
    assert all(record.attempts[-1].target != "a/n" for record in run.notes.calls)


def test_two_targets_that_die_together_make_their_host_suspect() -> None:
    dead = Behaviour(Mode.STATUS, latency=Latency(0.01))
    configured = settings((("a/m", "a/n"), ("b/m",)), strategy="weighted")
    run = rehearse({"a": spans([(30, 90, dead)], LIGHT), "b": LIGHT}, steady(20, 90), configured)
    assert run.verdicts == {"ok": 20 * 90}
    suspect = opened(run, "host a.test")
    assert suspect
    assert suspect[0] <= 31
    assert run.contacts("a", 30, 31) <= 8


def test_when_all_look_bad_nobody_is_passed_over() -> None:
    """Both become slow: the detectors are not believed, and say so."""

    async def slow(world: World) -> None:
        await crowd(world.parts.gateway.serve, steady(40, 40))
        for name in ("a", "b"):
            world.providers[name].become(replace(LIGHT, latency=Latency(1.0)))
        await crowd(world.parts.gateway.serve, steady(40, 40))
        view = world.parts.gateway.survey()
        (route,) = view["routes"]
        verdicts = [target["detectors"]["chat"]["verdict"] for target in route["targets"]]
        assert route["detectors_distrusted"] == (verdicts.count("trusted") == 0)
        assert view["status"] == ("ok" if verdicts == ["trusted", "trusted"] else "degraded")

    configured = settings((("a/m", "b/m"),), strategy="weighted", breaker=replace(PATIENT, stall=False))
    play(slow, {"a": LIGHT, "b": LIGHT}, configured)


def test_an_incident_tells_what_happened() -> None:
    fault = spans([(60, 120, replace(LIGHT, mode=Mode.STATUS, latency=Latency(0.01)))], LIGHT)
    run = rehearse({"a": fault, "b": LIGHT}, steady(20, 260))
    (incident,) = run.parts.incidents.all()
    assert incident.targets == ["a/m"]
    assert "a/m: " in incident.trigger
    assert 59 <= incident.started - 1.0e9 - run.network.epoch <= 63
    assert incident.ended is not None
    assert 119 <= incident.ended - 1.0e9 - run.network.epoch <= 200
    assert incident.errors == 0
    assert incident.rerouted >= 0.9 * 20 * 60
    touched = [record for record in run.notes.calls if record.incident == incident.id]
    assert 0 < incident.calls - len(touched) < 20  # those by which it was noticed were over before it had a name
    times = sorted(point.t for point in incident.timeline)
    assert times[0] <= incident.started - 40
    assert any(point.outcomes.get("server_error") for point in incident.timeline)
