"""What an attempt's reports do to its target."""

import pytest
from policy_builders import CHAT, Journal, fail, failed, make_state, must_acquire, open_breaker, succeed

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK, OutcomeKind
from proxy.policy.outcomes import RULES

K = OutcomeKind


def test_settled_once_whatever_comes_after() -> None:
    state = make_state()
    released: list[int] = []
    state.on_release = lambda: released.append(state.in_flight)
    permit = must_acquire(state, 10.0)
    assert state.in_flight == 1
    assert permit.settle(OK, 11.0) is True
    assert permit.settle(failed(), 12.0) is False
    assert (state.in_flight, released, state.last_traffic) == (0, [0], 11.0)


def test_first_content_is_the_measure_and_counts_once() -> None:
    state = make_state()
    permit = must_acquire(state, 10.0)
    permit.first_byte(10.1)
    permit.first_content(10.4)
    permit.first_content(99.0)
    permit.first_byte(99.0)
    permit.settle(OK, 200.0)
    assert state.latency.typical(0.0) == pytest.approx(0.4)
    assert state.streams


def test_a_whole_answer_measures_only_where_nothing_streams() -> None:
    state = make_state()
    whole = must_acquire(state, 10.0, stream=False)
    whole.first_byte(13.0)
    whole.settle(OK, 13.0)
    assert state.latency.typical(0.0) == 3.0
    succeed(state, 20.0, ttft=4.0)
    must_acquire(state, 30.0, stream=False).settle(OK, 90.0)
    assert state.latency.typical(0.0) == 4.0


def test_whole_answers_are_never_slow_but_embeddings_can_be() -> None:
    state = make_state()
    for number in range(40):
        must_acquire(state, 10.0 + number, stream=False).settle(OK, 40.0 + number)
    assert state.standing(CHAT, 80.0).state == "closed"
    for _ in range(20):
        permit = state.acquire(Endpoint.EMBEDDINGS, 100.0)
        assert permit is not None
        permit.settle(OK, 102.0)
    assert "20 of 20 answers" in state.standing(Endpoint.EMBEDDINGS, 102.0).cause
    assert state.standing(CHAT, 102.0).state == "closed"


def test_a_slow_trial_does_not_close_the_breaker() -> None:
    state = make_state()
    open_breaker(state, 100.0)
    trial = must_acquire(state, 105.0)
    assert trial.trial
    trial.first_content(106.5)
    trial.settle(OK, 107.0)
    assert state.standing(CHAT, 107.0).cause == "the trial was slow"


@pytest.mark.parametrize("kind", [kind for kind in K if kind is not K.OK and not RULES[kind].breaker])
def test_outcomes_that_are_not_the_targets_neither_break_nor_heal(kind: K) -> None:
    state = make_state(credentials=300)
    for _ in range(4):
        fail(state, 100.0)
    for number in range(100):
        permit = state.acquire(CHAT, 100.0 + number * 400)
        assert permit is not None
        permit.settle(failed(kind), 100.0 + number * 400)
    assert state.standing(CHAT, 1e6).state == "closed"
    now = 1e6
    fail(state, now)
    assert state.standing(CHAT, now).state == "open"
    trial = must_acquire(state, now + 5.0)
    trial.settle(failed(kind), now + 5.0)
    assert state.standing(CHAT, now + 5.0).state == "half_open"
    assert not state.standing(CHAT, now + 5.0).trial_out


@pytest.mark.parametrize("kind", [kind for kind in K if RULES[kind].breaker])
def test_the_targets_own_failures_open_it(kind: K) -> None:
    state = make_state()
    for _ in range(5):
        fail(state, 100.0, failed(kind))
    assert state.standing(CHAT, 100.0).state == "open"


def test_failures_drain_the_budget_and_successes_fill_it() -> None:
    state = make_state()
    fail(state, 100.0)
    fail(state, 100.0, failed(K.RATE_LIMITED, 0.001))
    assert state.budget.tokens == 8.0
    for kind in (K.BAD_REQUEST, K.CLIENT_GONE, K.DEADLINE_EXCEEDED):
        fail(state, 110.0, failed(kind))
    assert state.budget.tokens == 8.0
    succeed(state, 120.0)
    assert state.budget.tokens == pytest.approx(8.1)


def test_a_wait_without_an_answer_shows_in_the_average() -> None:
    state = make_state()
    succeed(state, 10.0)
    must_acquire(state, 20.0).settle(failed(K.FIRST_CONTENT_TIMEOUT), 35.0)
    assert state.latency.ewma(35.0) == 15.0


def test_the_credential_learns() -> None:
    state = make_state(credentials=2)
    fail(state, 100.0, failed(K.AUTH_FAILED))
    assert state.ring.credentials[0].blocked("m", 101.0) is not None
    assert must_acquire(state, 101.0).credential.id == "p#2"


def test_target_holds_are_announced_and_kept() -> None:
    journal = Journal()
    state = make_state(journal=journal)
    fail(state, 100.0, failed(K.OVERLOADED, 30.0, "busy"))
    (change,) = journal.changes
    assert (change.subject, change.endpoint, change.before, change.after) == ("p/m", CHAT, "free", "held")
    assert change.until == pytest.approx(133.0)


def test_the_repr_is_a_state_line() -> None:
    permit = must_acquire(make_state(), 1.0)
    seen = [repr(permit)]
    permit.first_byte(1.1)
    seen.append(repr(permit))
    permit.first_content(1.2)
    seen.append(repr(permit))
    permit.settle(OK, 1.3)
    seen.append(repr(permit))
    assert [line.removeprefix("<Permit p/m chat p#1 ") for line in seen] == [
        "waiting>",
        "first byte>",
        "content>",
        "settled>",
    ]
