"""The promises of an LLM failover proxy, each with its figure, in virtual time (test profile; see `support.simulation`)."""

import asyncio
import json
import statistics
from itertools import pairwise
from typing import ClassVar

import pytest
from support.simulation import BREAKER, Outcome, World, play, provider, rehearse, replace, settings, spans, steady

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Target
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.invariants import check
from proxy.rehearse.vendor_errors import ERRORS

NEVER_OPEN = replace(BREAKER, recent=10**6, recent_failures=10**6, minimum=10**6, consecutive=10**6, stall=False)
#: As long as the usual 50 pieces of 20 ms, in two of the events: where only times and counts matter.
LIGHT = Behaviour(chunks=2, gap=0.5)
BASELINE = 0.2  # seconds to first content of a healthy provider


def lawful(run: Outcome, *faults: float) -> None:
    """The invariants hold whatever else is tested."""
    assert check(run.evidence(faults)) == []


def waits(run: Outcome) -> list[float]:
    return [client.waited for client in run.clients if client.waited is not None]


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


class TestBlackHole:
    """1: the provider accepts and never answers, from second 10 to 70, at 200 requests a second."""

    FAULT: ClassVar = {"a": spans([(10, 70, Behaviour(Mode.BLACK_HOLE))], LIGHT), "b": LIGHT}

    def test_with_the_stall_rule(self) -> None:
        run = rehearse(self.FAULT, steady(200, 72))
        lawful(run)
        assert run.verdicts == {"ok": 200 * 72}
        slow = [wait - BASELINE for wait in waits(run) if wait > BASELINE + 0.02]
        trials = [extra for extra in slow if extra > 0.85]
        assert len(slow) - len(trials) <= 160
        assert len(trials) <= 6
        assert max(trials, default=0) <= 2.05
        opened = next(change.at for change in run.notes.changes if change.after == "open") - run.network.epoch
        assert 10 <= opened <= 10.85
        assert run.contacts("a", opened + 0.01, 70) <= 0.01 * 200 * 60

    def test_without_the_stall_rule(self) -> None:
        configured = settings(breaker=replace(BREAKER, stall=False))
        run = rehearse(self.FAULT, steady(200, 72), configured)
        assert run.verdicts == {"ok": 200 * 72}
        slow = [wait for wait in waits(run) if wait > BASELINE + 0.02]
        assert len(slow) <= 420
        assert max(slow) <= BASELINE + 2.05


def test_2_hard_errors() -> None:
    fault = spans([(5, 65, Behaviour(Mode.STATUS, latency=Latency(0.0)))], LIGHT)
    run = rehearse({"a": fault, "b": LIGHT}, steady(200, 66))
    lawful(run)
    assert run.verdicts == {"ok": 200 * 66}
    opened = next(change.at for change in run.notes.changes if change.after == "open") - run.network.epoch
    in_flight = 200 * (BASELINE + 50 * 0.02)
    assert run.contacts("a", 5, opened + 0.001) <= 16 + in_flight
    assert p99(waits(run)) <= BASELINE + 0.02


def test_5_periodic_failure_opens_within_twenty_calls() -> None:
    run = rehearse({"a": Behaviour(Mode.STATUS, succeed_every=5, latency=Latency(0.01)), "b": Behaviour()}, steady(2, 20))
    lawful(run)
    opened = next(change.at for change in run.notes.changes if change.after == "open")
    assert run.contacts("a", until=opened - run.network.epoch + 0.001) <= 20
    assert run.verdicts == {"ok": 40}


QUOTA = [name for name, failure in sorted(ERRORS.items()) if failure.kind is OutcomeKind.QUOTA_EXHAUSTED]
RATE = [name for name, failure in sorted(ERRORS.items()) if failure.kind is OutcomeKind.RATE_LIMITED]


@pytest.mark.parametrize("failure", QUOTA)
def test_8_no_money_left_is_never_asked_twice(failure: str) -> None:
    run = rehearse({"a": Behaviour(Mode.STATUS, failure=failure), "b": Behaviour()}, steady(5, 20))
    assert run.verdicts == {"ok": 100}
    used_up = min(c.at for c in run.notes.changes) - run.network.epoch
    assert run.contacts("a", since=used_up + 0.001) == 0


@pytest.mark.parametrize("failure", RATE)
def test_9_a_reset_time_is_obeyed(failure: str) -> None:
    fault = spans([(0, 1000, Behaviour(Mode.STATUS, failure=failure, retry_after="7", latency=Latency(0.05)))])
    run = rehearse({"a": fault, "b": Behaviour()}, steady(10, 30))
    assert run.verdicts == {"ok": 300}
    starts = [c.started_at for c in run.network.contacts if c.provider == "a"]
    groups = [later - earlier for earlier, later in pairwise(starts) if later - earlier > 0.5]
    assert groups, "the provider was asked again after its reset"
    assert all(7.0 <= gap <= 7.0 * 1.2 + 0.2 for gap in groups)


GATE = {
    "error event": Behaviour(Mode.ERROR_EVENT),
    "error event after the role": Behaviour(Mode.ERROR_EVENT, role_first=True),
    "empty choices": Behaviour(Mode.EMPTY_CHOICES),
    "empty stream": Behaviour(Mode.EMPTY_STREAM),
    "garbage": Behaviour(Mode.GARBAGE),
    "garbage after the role": Behaviour(Mode.GARBAGE, role_first=True),
    "html": Behaviour(Mode.HTML),
    "close": Behaviour(Mode.CLOSE),
    "cut after the role": Behaviour(Mode.CUT, role_first=True),
    "reset": Behaviour(Mode.CUT, reset=True, role_first=True),
}


@pytest.mark.parametrize("name", GATE)
def test_10_nothing_before_the_first_content_is_seen(name: str) -> None:
    run = rehearse({"a": GATE[name], "b": Behaviour(chunks=3)}, steady(100, 10))
    lawful(run)
    assert run.verdicts == {"ok": 1000}
    for client in run.clients:
        assert len(client.providers_seen) == 1
        assert b"a-" not in b"".join(p.encode() for p in client.providers_seen)


def test_11_a_cut_stream_is_never_made_to_look_whole() -> None:
    """Cut after each byte of a 50-piece stream."""
    whole = rehearse({"a": Behaviour(gap=0.001), "b": Behaviour()}, steady(1, 1)).clients[0]
    size = len(whole.downstream.body)

    async def cut_everywhere(world: World) -> None:
        for offset in range(1, size, 7):
            world.providers["a"].become(Behaviour(Mode.CUT, cut_bytes=offset, gap=0.0, latency=Latency(0.01)))
            client = await world.one(Wish(f"cut{offset}"))
            await asyncio.sleep(0.01)  # the record of a cut stream waits for its estimate
            body = bytes(client.downstream.body)
            record = world.notes.calls[-1]
            if client.verdict == "ok":
                # Nothing had been shown, so the other provider answered; or the cut took only the terminator.
                assert record.served_by == "b/m" or record.attempts[0].kind is OutcomeKind.OK
                continue
            assert client.verdict == "failed"
            assert b"[DONE]" not in body
            assert b'"finish_reason":"stop"' not in body
            assert client.downstream.aborted_at is not None
            assert record.attempts[-1].kind is OutcomeKind.STREAM_BROKEN
            error = json.loads(body.rsplit(b"data: ", 1)[1])["error"]
            assert set(error) >= {"message", "type", "param", "code"}

    play(cut_everywhere, {"a": Behaviour(), "b": Behaviour()}, settings(breaker=NEVER_OPEN))


def test_13_nothing_is_sent_again_after_the_commit() -> None:
    from proxy.rehearse.behaviour import Style

    fault = Behaviour(Mode.CUT, after=3, style=Style.TOOL, role_first=True)
    run = rehearse({"a": fault, "b": Behaviour()}, steady(1, 4))
    assert all(len(record.attempts) == 1 for record in run.notes.calls if record.committed)
    assert run.verdicts == {"failed": 4}
    assert run.contacts("b") == 0


TIMES = {
    "connect": (Behaviour(Mode.CONNECT_HANG), 1.0, OutcomeKind.CONNECT_TIMEOUT),
    "first content": (Behaviour(Mode.BLACK_HOLE), 2.0, OutcomeKind.FIRST_CONTENT_TIMEOUT),
    "first content after the role": (Behaviour(Mode.STALL, role_first=True), 2.0, OutcomeKind.FIRST_CONTENT_TIMEOUT),
    "idle": (Behaviour(Mode.STALL, after=5, gap=0.1), 0.2 + 0.4 + 1.0, OutcomeKind.IDLE_TIMEOUT),
    "drip": (Behaviour(chunks=100, gap=0.9), 30.0, OutcomeKind.DEADLINE_EXCEEDED),
}


@pytest.mark.parametrize("name", TIMES)
def test_14_each_limit_falls_exactly(name: str) -> None:
    fault, seconds, kind = TIMES[name]
    run = rehearse({"a": fault}, steady(1, 1), settings((("a/m",),), retry=replace(settings().retry, attempts=1)))
    attempt = run.notes.calls[0].attempts[0]
    assert attempt.kind is kind
    assert attempt.ended_at - attempt.started_at == pytest.approx(seconds, abs=1e-6)
    contact = run.network.contacts[0]
    assert contact.ended_at == pytest.approx(attempt.ended_at)


@pytest.mark.parametrize("stream", [True, False])
def test_16_cancellation_at_every_moment_leaves_nothing_behind(stream: bool) -> None:
    """The client leaves after each multiple of 25 ms: in the queue, before the first byte, in back-off, in mid-stream."""
    capped = Target("a", "m", max_in_flight=2)

    async def leave_everywhere(world: World) -> None:
        loop = asyncio.get_running_loop()
        for step in range(80):
            mode = (Behaviour(), Behaviour(Mode.STATUS), Behaviour(Mode.BLACK_HOLE), Behaviour(Mode.CUT, after=3))[step % 4]
            world.providers["a"].become(mode)
            clients = [SimulatedClient(Wish(f"{step}.{n}", stream=stream, leaves=0.025 * step + 0.001)) for n in range(4)]
            tasks = [loop.create_task(client.ask(world.parts.gateway.serve)) for client in clients]
            await asyncio.gather(*tasks)
            await asyncio.sleep(0)
        await asyncio.sleep(5)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        for state in world.parts.gateway.routing.states():
            assert state.in_flight == 0
        assert world.network.open_contacts == []
        left = [record for record in world.notes.calls if record.outcome is OutcomeKind.CLIENT_GONE]
        assert left
        assert all(record.status == 499 for record in left)

    play(leave_everywhere, {"a": Behaviour()}, settings(((capped,),), breaker=NEVER_OPEN))


def test_16_leaving_clients_are_no_failures_of_the_provider() -> None:
    run = rehearse({"a": Behaviour(Mode.OK, latency=Latency(1.0)), "b": Behaviour()}, steady(50, 10, leaves=0.3))
    assert run.verdicts == {"left": 500}
    assert run.notes.changes == []
    assert run.contacts("b") == 0
    assert all(c.ending == "aborted" and c.ended_at - c.started_at <= 0.3 + 1e-6 for c in run.network.contacts)


def test_17_one_trial_among_a_thousand() -> None:
    async def storm(world: World) -> None:
        world.providers["a"].become(Behaviour(Mode.STATUS, latency=Latency(0.01)))
        for n in range(6):
            await world.one(Wish(f"warm{n}"))
        world.providers["a"].become(Behaviour(latency=Latency(0.5)))
        opened = [c for c in world.notes.changes if c.after == "open"]
        assert opened
        until = opened[-1].until
        assert until is not None
        await asyncio.sleep(until - asyncio.get_running_loop().time() + 0.001)
        before = sum(c.provider == "a" for c in world.network.contacts)
        clients = [SimulatedClient(Wish(f"s{n}")) for n in range(1000)]
        await asyncio.gather(*(client.ask(world.parts.gateway.serve) for client in clients))
        assert sum(c.provider == "a" for c in world.network.contacts) - before == 1
        assert {client.verdict for client in clients} == {"ok"}

    play(storm, {"a": Behaviour(), "b": Behaviour(latency=Latency(0.01))})


def test_20_everything_down() -> None:
    down = Behaviour(Mode.STATUS, latency=Latency(0.01))
    run = rehearse({"a": down, "b": down}, steady(200, 60))
    lawful(run)
    assert run.verdicts == {"error": 200 * 60}
    epoch = run.network.epoch
    late = [client for client in run.clients if client.asked_at - epoch > 1.0]
    assert p99([client.downstream.ended_at - client.asked_at for client in late if client.downstream.ended_at]) <= 0.05
    attempts = run.contacts("a", since=1.0) + run.contacts("b", since=1.0)
    assert attempts <= 0.01 * len(late) + 4
    refused = [client for client in late if client.downstream.status == 503]
    assert len(refused) >= 0.98 * len(late)
    for client in refused:
        assert client.downstream.header("retry-after")
        assert client.downstream.header("x-should-retry") == "false"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("failure", [name for name in sorted(ERRORS) if name.startswith("edge_")])
def test_27_no_web_page_reaches_a_client(failure: str, stream: bool) -> None:
    fault = Behaviour(Mode.STATUS, failure=failure)
    run = rehearse({"a": fault, "b": Behaviour()}, steady(20, 5, stream=stream))
    assert run.verdicts == {"ok": 100}
    alone = rehearse({"a": fault}, steady(20, 5, stream=stream), settings((("a/m",),)))
    for client in alone.clients:
        body = bytes(client.downstream.body)
        assert b"<" not in body.replace(b"\\u003c", b"")
        assert set(json.loads(body)["error"]) >= {"message", "type", "param", "code"}


def test_a_model_that_is_down_leaves_its_sisters_alone() -> None:
    """Breakers belong to provider, endpoint and model: embeddings stay up while chat is down."""
    fault = Behaviour(Mode.STATUS, endpoints=("completions",))

    async def both(world: World) -> None:
        for n in range(40):
            await world.one(Wish(f"c{n}"))
        assert (await world.one(Wish("e", stream=False, endpoint=Endpoint.EMBEDDINGS))).verdict == "ok"
        assert world.network.contacts[-1].provider == "a"

    play(both, {"a": fault, "b": Behaviour()})


def test_a_revoked_key_is_rotated_out_and_the_target_stays() -> None:
    """23, this part: one of three keys answers 401."""
    configured = settings(providers={"a": provider("a", keys=3), "b": provider("b")})
    run = rehearse(
        {"a": Behaviour(Mode.STATUS, failure="openai_invalid_key", keys=("sk-a-2",)), "b": Behaviour()},
        steady(20, 20),
        configured,
    )
    assert run.verdicts == {"ok": 400}
    assert run.contacts("b") == 0
    assert sum(c.key == "sk-a-2" for c in run.network.contacts) <= 2
    others = [sum(c.key == key for c in run.network.contacts) for key in ("sk-a-1", "sk-a-3")]
    assert abs(others[0] - others[1]) <= 20
