"""Second copies of slow requests: promise 29, with its figures, and what must not happen while two providers answer."""

import asyncio

import pytest
from support.simulation import Outcome, World, play, rehearse, replace, settings, steady

from proxy.core.outcome import OutcomeKind
from proxy.core.records import Purpose
from proxy.core.settings import Hedge, Settings
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.invariants import check

QUICK = Behaviour(chunks=4, gap=0.02)
#: Four of a hundred take a second and a half; the others a fifth of a second.
TAIL = Behaviour(chunks=4, gap=0.02, latency=Latency(0.2, 0.05, heavy=True))
SLOW = Behaviour(chunks=4, gap=0.02, latency=Latency(1.5))


def hedged(hedge: Hedge | None = None, **more: object) -> Settings:
    configured = settings(**more)  # type: ignore[arg-type]
    return replace(configured, routes=tuple(replace(route, hedge=hedge or Hedge()) for route in configured.routes))


def hedges(run: Outcome) -> list[object]:
    return [a for call in run.notes.calls for a in call.attempts if a.purpose is Purpose.HEDGE]


class TestBounded:
    """29: extra calls at most 5 %, the loser is cancelled within 100 ms, its cost is in the ledger."""

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("stream", [True, False])
    def test_a_heavy_tail(self, seed: int, stream: bool) -> None:
        run = rehearse({"a": TAIL, "b": QUICK}, steady(20, 100, stream=stream), hedged(), seed=seed)
        assert run.verdicts == {"ok": 2000}
        assert check(run.evidence()) == []
        made = hedges(run)
        assert 0 < len(made) <= 0.05 * 2000
        assert len(run.network.contacts) == 2000 + len(made)
        for call in run.notes.calls:
            assert sum(attempt.delivered for attempt in call.attempts) == 1
            if len(call.attempts) > 1:
                winner = next(a for a in call.attempts if a.delivered)
                loser = next(a for a in call.attempts if not a.delivered)
                assert loser.kind is OutcomeKind.OUTPACED
                assert loser.usage is not None
                assert loser.possibly_billed
                moment = winner.first_content_at if stream else winner.ended_at
                assert moment is not None
                assert loser.ended_at - moment <= 0.1
        cut = [c for c in run.network.contacts if c.ending == "aborted"]
        assert len(cut) == len(made)

    def test_everything_slow_is_not_doubled(self) -> None:
        run = rehearse({"a": SLOW, "b": SLOW}, steady(20, 60), hedged(Hedge(after=0.3)))
        assert run.verdicts == {"ok": 1200}
        assert len(hedges(run)) <= 0.05 * 1200

    def test_nothing_is_sent_twice_before_the_usual_wait_is_known(self) -> None:
        run = rehearse({"a": SLOW, "b": QUICK}, steady(1, 10), hedged(Hedge(share=1.0)))
        assert hedges(run) == []


def share_of_all(after: float = 0.4) -> Hedge:
    return Hedge(after=after, share=1.0)


def warmed(script: object, a: Behaviour, b: Behaviour, configured: Settings) -> None:
    play(script, {"a": a, "b": b}, configured)  # type: ignore[arg-type]


def test_a_fast_second_copy_answers() -> None:
    run = rehearse({"a": SLOW, "b": QUICK}, steady(5, 4), hedged(share_of_all()))
    assert run.verdicts == {"ok": 20}
    assert max(client.waited or 0 for client in run.clients) <= 0.4 + 0.2 + 0.1
    assert {call.served_by for call in run.notes.calls} == {"b/m"}
    # With a share of 100 % every call may be sent twice, which is what I6 is against.
    assert [broken for broken in check(run.evidence()) if not broken.startswith("I6")] == []


def test_the_first_may_still_win() -> None:
    run = rehearse({"a": replace(SLOW, latency=Latency(0.5)), "b": SLOW}, steady(5, 4), hedged(share_of_all()))
    assert run.verdicts == {"ok": 20}
    assert {call.served_by for call in run.notes.calls} == {"a/m"}
    assert all(call.attempts[1].kind is OutcomeKind.OUTPACED for call in run.notes.calls)


def test_one_that_fails_leaves_the_race_to_the_other() -> None:
    broken = Behaviour(Mode.STATUS, latency=Latency(0.2))
    run = rehearse({"a": SLOW, "b": broken}, steady(2, 2), hedged(share_of_all()))
    assert run.verdicts == {"ok": 4}
    assert {call.served_by for call in run.notes.calls} == {"a/m"}
    late = Behaviour(Mode.STATUS, latency=Latency(0.8))
    run = rehearse({"a": late, "b": SLOW}, steady(2, 2), hedged(share_of_all()))
    assert run.verdicts == {"ok": 4}
    assert {call.served_by for call in run.notes.calls} == {"b/m"}


def test_both_fail_and_a_third_answers() -> None:
    late = Behaviour(Mode.STATUS, latency=Latency(0.8))
    configured = hedged(share_of_all(), tiers=(("a/m",), ("b/m",), ("c/m",)))
    run = rehearse({"a": late, "b": late, "c": QUICK}, steady(1, 3), configured)
    assert run.verdicts == {"ok": 3}
    assert [attempt.target for attempt in run.notes.calls[0].attempts] == ["a/m", "b/m", "c/m"]
    assert check(run.evidence()) == []


def test_a_client_that_leaves_cuts_both() -> None:
    async def leave(world: World) -> None:
        loop = asyncio.get_running_loop()
        client = SimulatedClient(Wish("gone", leaves=0.6))
        began = loop.time()
        await client.ask(world.parts.gateway.serve)
        await asyncio.sleep(0.1)
        assert [contact.ending for contact in world.network.contacts] == ["aborted", "aborted"]
        assert all(contact.ended_at is not None and contact.ended_at - began <= 0.65 for contact in world.network.contacts)
        await asyncio.sleep(2)
        (call,) = world.notes.calls
        assert [attempt.kind for attempt in call.attempts] == [OutcomeKind.CLIENT_GONE] * 2
        assert all(attempt.possibly_billed for attempt in call.attempts)
        assert all(state.in_flight == 0 for state in world.parts.gateway.routing.states())

    warmed(leave, SLOW, SLOW, hedged(share_of_all()))


def ask_with(**fields: object) -> bytes:
    import json

    return json.dumps({"model": "lamp", "messages": [{"role": "user", "content": "hi"}], "user": "x", **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "copies"),
    [
        ({}, 2),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, 2),
        ({"tools": [{"type": "web_search"}]}, 1),
        ({"tools": "many"}, 1),
        ({"background": True}, 1),
    ],
)
def test_only_what_may_be_made_twice(fields: dict[str, object], copies: int) -> None:
    async def ask(world: World) -> None:
        await SimulatedClient(Wish("x", stream=False), ask_with(**fields)).ask(world.parts.gateway.serve)
        assert len(world.network.contacts) == copies

    warmed(ask, SLOW, SLOW, hedged(share_of_all()))
