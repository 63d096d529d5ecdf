"""The breaker as playbooks, the traps of pybreaker one by one, and a random walk that must stay legal."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from policy_builders import T_PROFILE, Journal, make_breaker

from proxy.policy.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, Result, Ticket

OK, FAILED, NEUTRAL = Result.OK, Result.FAILED, Result.NEUTRAL


def call(breaker: Breaker, result: Result, now: float, slow: bool = False) -> None:
    ticket = breaker.acquire(now)
    assert ticket is not None
    assert ticket.settle(result, slow, now)


def opened(now: float = 100.0, journal: Journal | None = None) -> Breaker:
    """Opened at `now` by five failures in a row; the next trial is due 5 s later."""
    breaker = make_breaker(journal=journal)
    for _ in range(5):
        call(breaker, FAILED, now)
    assert breaker.look(now).state == OPEN
    return breaker


#: (now, event, state after it, next trial)
PLAYBOOKS: dict[str, list[tuple[float, str, str, float | None]]] = {
    "open, trial fails twice, heals": [
        (100.0, "fail*5", OPEN, 105.0),
        (104.9, "refused", OPEN, 105.0),
        (105.0, "fail", OPEN, 115.0),
        (114.9, "refused", OPEN, 115.0),
        (115.0, "fail", OPEN, 135.0),
        (135.0, "ok", CLOSED, None),
    ],
    "a slow trial is no recovery": [
        (100.0, "fail*5", OPEN, 105.0),
        (105.0, "slow", OPEN, 115.0),
    ],
    "a neutral trial gives its place back": [
        (100.0, "fail*5", OPEN, 105.0),
        (105.0, "neutral", HALF_OPEN, None),
        (106.0, "neutral", HALF_OPEN, None),
        (107.0, "ok", CLOSED, None),
    ],
    "growth is forgotten after a full ramp and as long as it would be open": [
        (100.0, "fail*5", OPEN, 105.0),
        (105.0, "fail", OPEN, 115.0),
        (115.0, "ok", CLOSED, None),
        (145.0, "fail*5", OPEN, 150.0),
    ],
    "growth outlasts a ramp of a target that flaps": [
        (100.0, "fail*5", OPEN, 105.0),
        (105.0, "fail", OPEN, 115.0),
        (115.0, "ok", CLOSED, None),
        (144.0, "fail*5", OPEN, 164.0),
    ],
    "growth goes on inside a ramp": [
        (100.0, "fail*5", OPEN, 105.0),
        (105.0, "ok", CLOSED, None),
        (114.9, "fail*5", OPEN, 124.9),
    ],
    "a probe brings the trial forward": [
        (100.0, "fail*5", OPEN, 105.0),
        (101.0, "early", HALF_OPEN, None),
        (101.0, "ok", CLOSED, None),
        (101.0, "early", CLOSED, None),
    ],
    "tripped by hand, from closed and half-open": [
        (100.0, "trip", OPEN, 105.0),
        (103.0, "trip", OPEN, 105.0),
        (103.0, "early", HALF_OPEN, None),
        (104.0, "trip", OPEN, 114.0),
    ],
}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_playbook(name: str) -> None:
    breaker = make_breaker()
    for now, event, state, until in PLAYBOOKS[name]:
        word, _, times = event.partition("*")
        for _ in range(int(times or 1)):
            match word:
                case "fail":
                    call(breaker, FAILED, now)
                case "ok":
                    call(breaker, OK, now)
                case "slow":
                    call(breaker, OK, now, slow=True)
                case "neutral":
                    call(breaker, NEUTRAL, now)
                case "refused":
                    assert breaker.acquire(now) is None
                case "early":
                    breaker.early_trial(now)
                case "trip":
                    breaker.trip(now, "by hand")
        standing = breaker.look(now)
        assert (standing.state, standing.until) == (state, pytest.approx(until) if until else None), (now, event)


def test_transitions_are_announced_with_cause_and_until() -> None:
    journal = Journal()
    breaker = opened(journal=journal)
    call(breaker, FAILED, 105.0)
    call(breaker, OK, 120.0)
    assert journal.moves == [
        (CLOSED, OPEN, "5 calls in a row failed", 100.0, 105.0),
        (OPEN, HALF_OPEN, "the open time has passed", 105.0, None),
        (HALF_OPEN, OPEN, "the trial failed", 105.0, 115.0),
        (OPEN, HALF_OPEN, "the open time has passed", 120.0, None),
        (HALF_OPEN, CLOSED, "the trial succeeded", 120.0, None),
    ]


def test_stragglers_of_both_kinds_are_ignored_while_open() -> None:
    breaker = make_breaker()
    late = [breaker.acquire(99.0) for _ in range(50)]
    for _ in range(5):
        call(breaker, FAILED, 100.0)
    before = breaker.look(101.0)
    for number, ticket in enumerate(late):
        assert ticket is not None
        ticket.first_content(number % 3 == 0, 102.0)
        ticket.settle(OK if number % 2 else FAILED, None, 102.0)
    assert breaker.look(101.0) == before


def test_late_results_of_an_old_trial_change_nothing() -> None:
    breaker = opened()
    old = breaker.acquire(105.0)
    assert old is not None
    breaker.trip(106.0, "a probe said so")
    before = breaker.look(107.0)
    old.settle(OK, False, 107.0)
    assert breaker.look(107.0) == before
    assert before.state == OPEN


def test_late_results_after_recovery_do_not_count() -> None:
    breaker = make_breaker()
    late = [breaker.acquire(99.0) for _ in range(50)]
    breaker.trip(100.0, "by hand")
    call(breaker, OK, 105.0)
    for ticket in late:
        assert ticket is not None
        ticket.settle(FAILED, None, 106.0)
    assert breaker.look(106.0).state == CLOSED


def test_half_open_admits_one_of_a_thousand() -> None:
    breaker = opened()
    tickets = [breaker.acquire(105.0) for _ in range(1000)]
    given = [ticket for ticket in tickets if ticket is not None]
    assert len(given) == 1
    assert given[0].trial
    assert breaker.look(105.0).trial_out


def test_cancellation_is_neutral_everywhere() -> None:
    breaker = make_breaker()
    for _ in range(1000):
        call(breaker, NEUTRAL, 100.0)
    assert breaker.look(100.0).state == CLOSED
    assert breaker.look(100.0).since is None


def test_a_neutral_result_does_not_end_a_run_of_failures() -> None:
    breaker = make_breaker()
    for _ in range(4):
        call(breaker, FAILED, 100.0)
        call(breaker, NEUTRAL, 100.0)
    call(breaker, FAILED, 100.0)
    assert breaker.look(100.0).state == OPEN


def test_eighty_percent_failing_opens_within_twenty_calls() -> None:
    breaker = make_breaker()
    for number in range(1, 21):
        call(breaker, OK if number % 5 == 0 else FAILED, 100.0 + number * 0.01)
        if breaker.look(101.0).state == OPEN:
            assert number <= 20
            return
    pytest.fail("still closed after 20 calls")


def test_slow_answers_open_when_their_content_begins() -> None:
    breaker = make_breaker()
    tickets = [breaker.acquire(100.0) for _ in range(20)]
    for number, ticket in enumerate(tickets):
        assert breaker.look(101.8).state == CLOSED, number
        assert ticket is not None
        ticket.first_content(True, 101.8)
    assert breaker.look(101.8).cause == "20 of 20 answers in 10 s took over 1 s to begin"


def test_a_call_is_timed_once() -> None:
    breaker = make_breaker()
    for number in range(19):
        ticket = breaker.acquire(100.0)
        assert ticket is not None
        ticket.first_content(True, 101.5)
        ticket.settle(OK, True, 101.5)
        assert breaker.look(101.5).state == CLOSED, number


def test_a_ticket_settles_once() -> None:
    breaker = make_breaker()
    ticket = breaker.acquire(100.0)
    assert ticket is not None
    assert ticket.settle(FAILED, None, 100.0) is True
    assert all(ticket.settle(FAILED, None, 100.0) is False for _ in range(10))
    assert breaker.look(100.0).state == CLOSED


def test_the_ramp_rises_from_a_tenth_to_all() -> None:
    breaker = opened()
    assert breaker.look(102.0).fraction == 0.0
    call(breaker, OK, 105.0)
    fractions = [breaker.look(105.0 + step / 10).fraction for step in range(120)]
    assert fractions[0] == pytest.approx(0.1)
    assert fractions[50] == pytest.approx(0.55)
    assert fractions == sorted(fractions)
    assert set(fractions[100:]) == {1.0}
    assert not breaker.flows(114.9)
    assert breaker.flows(115.0)


def test_without_a_ramp_all_traffic_is_back_at_once() -> None:
    breaker = make_breaker(replace(T_PROFILE, ramp=0.0))
    breaker.trip(100.0, "by hand")
    call(breaker, OK, 105.0)
    assert breaker.flows(105.0)
    assert breaker.look(105.0).fraction == 1.0


def test_open_time_grows_to_the_cap_with_jitter_both_ways() -> None:
    lengths: list[list[float]] = []
    for seed in range(200):
        breaker, now, seen = make_breaker(rng=Random(seed)), 100.0, []
        breaker.trip(now, "by hand")
        for _ in range(7):
            until = breaker.look(now).until
            assert until is not None
            seen.append(until - now)
            now = until
            call(breaker, FAILED, now)
        lengths.append(seen)
    for place, base in enumerate([5, 10, 20, 40, 60, 60, 60]):
        column = [seen[place] for seen in lengths]
        assert base * 0.8 <= min(column) < base * 0.85
        assert base * 1.15 < max(column) <= base * 1.2


def test_ten_proxies_do_not_try_at_once() -> None:
    spread = 0
    for seed in range(200):
        untils = []
        for proxy in range(10):
            breaker = make_breaker(rng=Random(seed * 1000 + proxy))
            breaker.trip(100.0, "by hand")
            untils.append(breaker.look(100.0).until or 0.0)
        spread += max(untils) - min(untils) >= 1.0
    assert spread >= 196


def test_flapping_touches_the_target_rarely_while_it_is_down() -> None:
    """Down and up every 30 s for an hour at 20 calls a second."""
    breaker = make_breaker(rng=Random(3))
    sent_down = calls_down = 0
    for step in range(72_000):
        now = 100.0 + step * 0.05
        down = int((now - 100.0) // 30) % 2 == 0
        calls_down += down
        ticket = breaker.acquire(now)
        if ticket is not None:
            sent_down += down
            ticket.settle(FAILED if down else OK, False, now)
    # 16 failures of the window rule plus trials, of 600 calls in each bad half minute
    assert sent_down / calls_down < 0.04


def test_the_repr_is_a_state_line() -> None:
    assert repr(opened()) == "<Breaker p/m chat open '5 calls in a row failed'>"


class LegalWalk(RuleBasedStateMachine):
    """I8: whatever happens in whatever order, transitions follow the legal path and one trial is out at most."""

    legal = frozenset({(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, OPEN), (HALF_OPEN, CLOSED)})

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.journal = Journal()
        self.breaker = make_breaker(rng=Random(seed), journal=self.journal)
        self.now = 1000.0
        self.tickets: list[Ticket] = []

    @rule(seconds=st.sampled_from([0.001, 0.1, 1.0, 6.0, 30.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(1, 8))
    def acquire(self, count: int) -> None:
        standing = self.breaker.look(self.now)
        for _ in range(count):
            ticket = self.breaker.acquire(self.now)
            if ticket is not None:
                self.tickets.append(ticket)
                assert standing.state != OPEN or (standing.until is not None and self.now >= standing.until)

    @precondition(lambda self: self.tickets)
    @rule(data=st.data(), result=st.sampled_from([OK, FAILED, FAILED, NEUTRAL]), slow=st.sampled_from([True, False, None]))
    def settle(self, data: st.DataObject, result: Result, slow: bool | None) -> None:
        ticket = self.tickets.pop(data.draw(st.integers(0, len(self.tickets) - 1)))
        before = self.breaker.look(self.now)
        ticket.settle(result, slow, self.now)
        after = self.breaker.look(self.now)
        if before.state == OPEN:
            assert (after.state, after.until, after.since) == (before.state, before.until, before.since)
        if before.state == HALF_OPEN and not ticket.trial:
            assert after == before

    @rule()
    def fail_a_lot(self) -> None:
        for _ in range(20):
            ticket = self.breaker.acquire(self.now)
            if ticket is not None:
                ticket.settle(FAILED, None, self.now)

    @rule()
    def trip(self) -> None:
        self.breaker.trip(self.now, "by hand")
        assert self.breaker.look(self.now).state == OPEN

    @rule()
    def probe(self) -> None:
        self.breaker.early_trial(self.now)

    @invariant()
    def transitions_are_legal(self) -> None:
        path = [(before, after) for before, after, *_ in self.journal.moves]
        assert set(path) <= self.legal
        assert all(first[1] == second[0] for first, second in pairwise(path))
        assert all((until is None) == (after != OPEN) for _, after, _, _, until in self.journal.moves)

    @invariant()
    def closed_means_that_traffic_flows(self) -> None:
        standing = self.breaker.look(self.now)
        assert (standing.state == CLOSED) == (standing.fraction > 0)
        assert not standing.trial_out or standing.state == HALF_OPEN


LegalWalk.TestCase.settings = hypothesis_settings(max_examples=40, stateful_step_count=40, deadline=None)
TestLegalWalk = LegalWalk.TestCase
