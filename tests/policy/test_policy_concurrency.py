"""How a limit is learned, kept and forgotten: each play is (now, what happened), and what the limit is then."""

from math import inf
from random import Random

import pytest
from policy_builders import CHAT, Journal, failed, make_state, make_target

from proxy.core.exchange import FailureKind, TransportError
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.policy.concurrency import BLIND, CALM, TWICE, ConcurrencyLimit, Level, is_pushback
from proxy.policy.outcomes import outcome_of
from proxy.policy.targets import Verdict

BUSY = Outcome(OutcomeKind.OVERLOADED, 529, "Overloaded.")
NO_TIME = Outcome(OutcomeKind.RATE_LIMITED, 429)


def unheard(before: str, after: str, cause: str, now: float) -> None:
    """Nobody listens."""


def learned(in_flight: int = 20, now: float = 100.0) -> ConcurrencyLimit:
    limit = ConcurrencyLimit(unheard)
    limit.ended(BUSY, now - 2, in_flight, now - 1)
    limit.ended(BUSY, now - 1, in_flight, now)
    return limit


@pytest.mark.parametrize(
    ("outcome", "pushes"),
    [
        (BUSY, True),
        (Outcome(OutcomeKind.OVERLOADED, 503, retry_after=3.0), True),
        (NO_TIME, True),
        (Outcome(OutcomeKind.RATE_LIMITED, 429, retry_after=3.0), False),
        (Outcome(OutcomeKind.QUOTA_EXHAUSTED, 429), False),
        (Outcome(OutcomeKind.SERVER_ERROR, 500), False),
        (OK, False),
    ],
)
def test_only_a_want_of_capacity_pushes_back(outcome: Outcome, pushes: bool) -> None:
    assert is_pushback(outcome) is pushes


def test_there_is_no_limit_until_it_pushes_back_twice() -> None:
    limit = ConcurrencyLimit(unheard)
    assert limit.known is None
    assert limit.has_room(1_000_000, 0.0)
    assert repr(limit) == "<ConcurrencyLimit inf>"
    limit.ended(BUSY, 9.0, 20, 10.0)
    assert limit.known is None, "once is no reason"
    limit.ended(BUSY, 9.5, 20, 10.0 + TWICE + 0.1)
    assert limit.known is None, "nor is a second time much later"
    limit.ended(BUSY, 41.0, 20, 42.0)
    assert limit.known == 18
    assert limit.cause == "it refused some of 20 requests in flight (status 529, Overloaded)"


def test_one_step_down_per_round_trip() -> None:
    limit = learned(100, now=100.0)
    assert limit.known == 90
    for _ in range(50):
        limit.ended(BUSY, 99.9, 100, 100.1)
    assert limit.known == 90, "what was sent before the step says nothing about it"
    limit.ended(BUSY, 100.05, 90, 100.2)
    assert limit.known == 81
    assert not limit.has_room(81, 100.2)
    assert limit.has_room(80, 100.2)


def test_the_limit_is_what_was_in_flight_not_what_was_allowed() -> None:
    limit = learned(100)
    limit.ended(BUSY, 101.0, 10, 102.0)
    assert limit.known == 9


def test_never_below_one() -> None:
    limit = learned(1)
    for n in range(20):
        limit.ended(NO_TIME, 101.0 + n, 1, 101.5 + n)
    assert limit.known == 1
    assert limit.has_room(0, 120.0)
    assert not limit.has_room(1, 120.0)
    assert "status 429)" in limit.cause


def test_words_without_a_status_are_quoted_all_the_same() -> None:
    limit = ConcurrencyLimit(unheard)
    for _ in range(2):
        limit.ended(Outcome(OutcomeKind.OVERLOADED, message="Overloaded.", type="overloaded_error"), 1.0, 10, 2.0)
    assert limit.cause == "it refused some of 10 requests in flight (overload, Overloaded)"


def test_our_own_full_pool_says_nothing_of_the_target() -> None:
    limit = ConcurrencyLimit(unheard)
    for _ in range(5):
        limit.ended(outcome_of(TransportError(FailureKind.POOL_FULL, "the pool is full")), 1.0, 10, 2.0)
    assert limit.limit == inf


def test_one_step_up_per_round_trip_at_the_limit_slower_near_what_was_too_much() -> None:
    limit = learned(100)
    now = 100.0
    limit.ended(BUSY, 100.5, 50, 101.0)
    assert limit.known == 45
    for _ in range(45):
        limit.ended(OK, now, 45, now + 1.5)
    assert limit.limit == pytest.approx(46, abs=0.05)
    before = limit.limit
    for _ in range(10):
        limit.ended(OK, now, 20, now + 1.5)
    assert limit.limit == before, "who does not need more gets no more"
    while limit.limit < 48.1:
        limit.ended(OK, now, limit.known or 0, now + 1.5)
    before = limit.limit
    for _ in range(48):
        limit.ended(OK, now, 48, now + 1.5)
    assert limit.limit == pytest.approx(before + 0.25, abs=0.02)


def test_an_untouched_limit_is_forgotten() -> None:
    limit = learned()
    limit.ended(OK, 100.5, 5, 100.0 + CALM)
    assert limit.known == 18
    assert not limit.has_room(18, 100.0 + CALM)
    assert limit.has_room(18, 100.1 + CALM), "looking is enough"
    limit.ended(OK, 160.0, 5, 100.1 + CALM)
    assert limit.known is None
    assert limit.cause == ""
    limit.ended(BUSY, 160.5, 5, 161.0)
    assert limit.known is None, "it begins anew"


def test_a_limit_outlasts_its_longest_round_trips() -> None:
    """Twenty calls of five minutes: nothing is heard of a target for minutes, and its limit still holds."""
    limit = ConcurrencyLimit(unheard)
    for _ in range(100):
        limit.ended(OK, 0.0, 20, 300.0)
    limit.ended(BUSY, 301.0, 20, 302.0)
    limit.ended(BUSY, 302.0, 20, 303.0)
    assert not limit.has_room(18, 303.0 + 10 * CALM)
    assert limit.has_room(18, 303.0 + 25 * CALM)


def settle(
    model: "Queueing", limit: ConcurrencyLimit, rounds: int, cap: int = 40, now: float = 0.0, gap: float = 0.1
) -> float:
    """Alternate quiet and busy minutes' worth of requests, as much as the limit lets through."""
    for _ in range(rounds):
        for depth in (1, 2, 3):
            now += gap
            limit.began(depth, now - model.seconds(depth), depth, now)
        for _ in range(8):
            depth = min(cap, limit.known or cap)
            now += gap
            limit.began(depth, now - model.seconds(depth), depth, now)
    return now


class Queueing:
    """Takes `slots` at a time: what comes on top waits for its turn. `noise`: sigma of a lognormal factor."""

    def __init__(self, slots: int, noise: float = 0.0, seed: int = 1) -> None:
        self.slots = slots
        self.noise = noise
        self.rng = Random(seed)

    def seconds(self, depth: int) -> float:
        return 0.2 * max(1.0, depth / self.slots) * self.rng.lognormvariate(0, self.noise)


def test_queueing_is_found_and_stops_where_it_ends() -> None:
    limit = ConcurrencyLimit(unheard)
    settle(Queueing(4), limit, 60)
    assert limit.known is not None
    assert 8 <= limit.known <= 16, "three times the quiet wait is where it is no longer said to queue"
    assert "it takes" in limit.cause
    assert "with few 0.2 s" in limit.cause


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_no_queueing(seed: int) -> None:
    """A long tail (p99 about ten times the median) at a target that has room for all."""
    limit = ConcurrencyLimit(unheard)
    settle(Queueing(1000, noise=1.0, seed=seed), limit, 300)
    assert limit.known is None


def test_a_brownout_is_no_queueing() -> None:
    """Everything becomes ten times as slow: few in flight wait as long as many."""
    limit = ConcurrencyLimit(unheard)
    now = settle(Queueing(1000), limit, 40)
    slow = Queueing(1000)
    slow.seconds = lambda depth: 2.0  # type: ignore[method-assign]
    settle(slow, limit, 40, now=now)
    assert limit.known is None


def test_a_target_that_batches_quickly_is_let_alone() -> None:
    """Twice as long with forty as with one, and a tenth of a second in all: not worth a queue."""
    limit = ConcurrencyLimit(unheard)
    fast = Queueing(10)
    fast.seconds = lambda depth: 0.01 + depth / 1000  # type: ignore[method-assign]
    settle(fast, limit, 60)
    assert limit.known is None


def test_what_shrinking_does_not_cure_was_something_else() -> None:
    """Long prompts come in crowds: they begin late however few are sent at a time."""
    limit = ConcurrencyLimit(unheard)
    now = 0.0
    limits = set()
    for _ in range(200):
        for depth, seconds in ((1, 0.2), (2, 0.2), *[(limit.known or 40, 2.0)] * 8):
            now += 0.1
            limit.began(depth, now - seconds, depth, now)
        limits.add(limit.known)
    assert min(known for known in limits if known is not None) >= 23, "some steps were tried"
    assert limit.known is None
    assert now < BLIND, "and it is not looked for again for a while"


def test_relief_keeps_the_steps_going() -> None:
    limit = ConcurrencyLimit(unheard)
    settle(Queueing(1), limit, 100, cap=64, gap=2.0)
    assert limit.known is not None
    assert limit.known < 20, "more steps than patience allows without relief"


def test_a_level_is_known_while_it_is_fresh() -> None:
    level = Level()
    for _ in range(15):
        level.observe(1.0, 10.0)
    assert not level.known(10.0)
    level.observe(1.0, 10.0)
    assert level.known(10.0 + CALM)
    assert not level.known(10.1 + CALM)


# In its target.


def test_a_target_is_full_at_its_learned_limit_and_says_so() -> None:
    journal = Journal()
    state = make_state(make_target(cap=50), journal=journal)
    permits = [state.acquire(CHAT, 1.0) for _ in range(4)]
    assert [permit.depth for permit in permits if permit] == [1, 2, 3, 4]
    for permit in permits[:2]:
        assert permit is not None
        permit.settle(BUSY, 2.0)
    assert state.learned is not None
    assert state.learned.known == 2
    [change] = [change for change in journal.changes if change.after == "limited"]
    assert (change.subject, change.endpoint, change.before) == ("p/m", None, "unlimited")
    admission = state.admission(CHAT, 2.0)
    assert admission.verdict is Verdict.FULL
    assert admission.cause.startswith("2 requests are in flight, and it takes 2 at a time: it refused some of 3")
    assert state.acquire(CHAT, 2.0) is None
    assert state.acquire_flowing(CHAT, 2.0, True) is None
    for permit in permits[2:]:
        assert permit is not None
        permit.settle(failed(), 2.5)
    assert state.learned.known == 2, "other failures are the breaker's"
    permit = state.acquire_flowing(CHAT, 2.0 + 2 * CALM, True)
    assert permit is not None
    permit.first_content(2.1 + 2 * CALM)
    permit.settle(OK, 2.2 + 2 * CALM)
    assert state.learned.known is None
    last = journal.changes[-1]
    assert (last.before, last.after, last.cause) == ("limited", "unlimited", "it has not pushed back for a while")


def test_refusals_beside_answers_are_no_reason_for_the_breaker() -> None:
    """Nine of ten are refused for want of capacity while the tenth is answered: that takes fewer requests, not none."""
    state = make_state()
    for n in range(300):
        now = n / 10
        permit = state.acquire(CHAT, now)
        assert permit is not None
        permit.settle(OK if n % 10 == 0 else BUSY, now + 0.05)
    assert state.standing(CHAT, 30.0).state == "closed"
    for n in range(25):
        permit = state.acquire(CHAT, 40.0 + n)
        if permit is not None:
            permit.settle(BUSY, 40.5 + n)
    assert state.standing(CHAT, 65.0).state == "open", "nobody is answered any more"


def test_without_learning_refusals_break() -> None:
    state = make_state()
    state.adapt(False)
    for n in range(30):
        permit = state.acquire(CHAT, n / 10)
        if permit is not None:
            permit.settle(OK if n % 10 == 0 else BUSY, n / 10 + 0.05)
    assert state.standing(CHAT, 3.0).state == "open"


def test_learning_can_be_turned_off_and_on() -> None:
    state = make_state()
    kept = state.learned
    state.adapt(True)
    assert state.learned is kept
    state.adapt(False)
    for _ in range(5):
        permit = state.acquire(CHAT, 1.0)
        assert permit is not None
        permit.first_content(1.5)
        permit.settle(BUSY, 2.0)
    assert state.learned is None
    assert state.admission(CHAT, 2.0).verdict is not Verdict.FULL
    state.adapt(True)
    assert state.learned is not None
