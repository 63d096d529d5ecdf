"""Admission, permits under it, the stall rule and probes, on one live target."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_builders import CHAT, Journal, fail, failed, make_state, make_target, must_acquire, open_breaker, succeed

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.settings import ProbeSettings
from proxy.policy.probes import ProbeKind
from proxy.policy.targets import TargetState, Verdict

K = OutcomeKind
STALLED = Outcome(K.STALLED)
FREE, COMPLETION = ProbeKind.FREE, ProbeKind.COMPLETION


def verdict(state: TargetState, now: float, endpoint: Endpoint = CHAT) -> Verdict:
    return state.admission(endpoint, now).verdict


def test_ready_at_first_and_looking_changes_nothing() -> None:
    state = make_state()
    assert {verdict(state, 1.0) for _ in range(100)} == {Verdict.READY}
    assert (state.in_flight, state.endpoints) == (0, (CHAT,))


def test_full_at_the_cap() -> None:
    state = make_state(make_target(cap=2))
    permits = [must_acquire(state, 1.0), must_acquire(state, 1.0)]
    admission = state.admission(CHAT, 1.0)
    assert (admission.verdict, admission.cause) == (Verdict.FULL, "2 requests are in flight, the limit")
    assert state.acquire(CHAT, 1.0) is None
    permits[0].settle(OK, 2.0)
    assert verdict(state, 2.0) is Verdict.READY


def test_open_then_one_trial_then_the_ramp() -> None:
    state = make_state(rng=Random(5))
    open_breaker(state, 100.0)
    admission = state.admission(CHAT, 101.0)
    assert (admission.verdict, admission.cause, admission.since) == (Verdict.OPEN, "5 calls in a row failed", 100.0)
    assert admission.until is not None
    assert state.acquire(CHAT, admission.until - 0.01) is None
    due = admission.until
    assert verdict(state, due) is Verdict.TRIAL
    trial = must_acquire(state, due)
    assert trial.trial
    assert verdict(state, due) is Verdict.OPEN
    assert state.acquire(CHAT, due) is None
    trial.settle(OK, due + 1)
    shares = []
    for second in (0, 5, 9):
        seen = [state.admission(CHAT, due + 1 + second) for _ in range(1000)]
        assert {admission.verdict for admission in seen} == {Verdict.READY, Verdict.RAMPING}
        shares.append(sum(admission.verdict is Verdict.READY for admission in seen) / 1000)
    assert shares == pytest.approx([0.1, 0.55, 0.91], abs=0.05)
    assert {verdict(state, due + 11) for _ in range(100)} == {Verdict.READY}


def test_ramping_is_soft() -> None:
    state = make_state()
    open_breaker(state, 100.0)
    must_acquire(state, 105.0).settle(OK, 105.0)
    admission = state.admission(CHAT, 105.0)
    assert (admission.verdict, admission.cause) == (Verdict.RAMPING, "it is coming back, 10% of its share")
    assert not must_acquire(state, 105.0).trial


def test_holds_belong_to_one_endpoint() -> None:
    state = make_state()
    fail(state, 100.0, failed(K.MODEL_NOT_FOUND, message="no such model"))
    admission = state.admission(CHAT, 399.0)
    assert (admission.verdict, admission.since) == (Verdict.HELD, 100.0)
    assert admission.cause == "The provider does not know the model: no such model"
    assert state.acquire(CHAT, 399.0) is None
    assert verdict(state, 399.0, Endpoint.COMPLETIONS) is Verdict.READY
    assert verdict(state, 461.0) is Verdict.READY


def test_what_one_request_needs_is_held_against_nobody() -> None:
    journal = Journal()
    state = make_state(journal=journal)
    for second in range(50):
        fail(state, 100.0 + second, failed(K.UNSUPPORTED, 60.0, "No endpoints found that support tool use."))
    assert verdict(state, 150.0) is Verdict.READY
    assert journal.changes == []


def test_an_overloaded_target_is_left_alone_as_long_as_it_asked() -> None:
    state = make_state()
    fail(state, 100.0, failed(K.OVERLOADED))
    assert verdict(state, 100.0) is Verdict.READY
    fail(state, 100.0, failed(K.OVERLOADED, 20.0))
    assert verdict(state, 119.9) is Verdict.HELD
    assert verdict(state, 124.1) is Verdict.READY


def test_credentials_held_or_used_up() -> None:
    state = make_state(credentials=2)
    fail(state, 100.0, failed(K.RATE_LIMITED, 10.0))
    assert verdict(state, 101.0) is Verdict.READY
    assert state.admission(CHAT, 101.0, {"p#2"}).cause == "The provider's rate limit is reached"
    used = state.admission(CHAT, 101.0, {"p#1", "p#2"})
    assert (used.verdict, used.cause, used.until) == (Verdict.HELD, "this call has tried every credential", None)
    fail(state, 101.0, failed(K.RATE_LIMITED, 10.0))
    held = state.admission(CHAT, 102.0)
    assert (held.verdict, held.until, held.kind) == (Verdict.HELD, 110.0, K.RATE_LIMITED)
    assert state.acquire(CHAT, 102.0) is None


def test_no_trial_slot_is_taken_without_a_credential() -> None:
    state = make_state()
    fail(state, 100.0, failed(K.RATE_LIMITED, 30.0))
    state.probe_result(CHAT, False, COMPLETION, 100.0)
    for _ in range(2):
        state.probe_result(CHAT, False, COMPLETION, 101.0)
    assert verdict(state, 102.0) is Verdict.OPEN
    assert verdict(state, 106.5) is Verdict.HELD
    assert state.acquire(CHAT, 106.5) is None
    assert verdict(state, 131.0) is Verdict.TRIAL
    assert must_acquire(state, 131.0).trial


def test_one_revoked_key_of_three_leaves_the_breaker_closed() -> None:
    """Promise 23: the other keys go on, the revoked one is asked once a minute at most."""
    state = make_state(credentials=3)
    refused = 0
    for step in range(600):
        now = 100.0 + step * 0.1
        permit = must_acquire(state, now)
        bad = permit.credential.id == "p#2"
        refused += bad
        permit.settle(failed(K.AUTH_FAILED) if bad else OK, now)
    assert refused == 1
    assert state.standing(CHAT, 160.0).state == "closed"


def test_one_endpoint_dies_alone() -> None:
    journal = Journal()
    state = make_state(journal=journal)
    open_breaker(state, 100.0)
    assert verdict(state, 100.0, Endpoint.EMBEDDINGS) is Verdict.READY
    assert state.endpoints == (CHAT, Endpoint.EMBEDDINGS)
    assert [(change.subject, change.endpoint, change.after) for change in journal.changes] == [("p/m", CHAT, "open")]
    assert repr(state).startswith("<TargetState p/m 0 in flight, [<Breaker p/m chat open")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["ok", "fail", "limited", "overloaded", "gone", "wait", "hold on"]), max_size=80),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_acquire_gives_a_permit_exactly_when_admission_says_so(events: list[str], keys: int, cap: int, seed: int) -> None:
    state = make_state(make_target(cap=cap), credentials=keys, rng=Random(seed))
    kinds = {"fail": K.SERVER_ERROR, "limited": K.RATE_LIMITED, "overloaded": K.OVERLOADED, "gone": K.CLIENT_GONE}
    now, out = 1000.0, []
    for event in events:
        now += 3.0 if event == "wait" else 0.05
        takes = verdict(state, now) in (Verdict.READY, Verdict.TRIAL, Verdict.RAMPING)
        permit = state.acquire(CHAT, now)
        assert (permit is not None) == takes
        out += [permit] if permit else []
        if out and event not in ("wait", "hold on"):
            kind = kinds.get(event, K.OK)
            out.pop(0).settle(OK if kind is K.OK else failed(kind, 1.0 if kind is K.OVERLOADED else None), now)
        assert state.in_flight == len(out) <= cap
    for permit in out:
        permit.settle(failed(K.SHUTDOWN), now)
    assert state.in_flight == 0


# The stall rule.


def warmed(stream: bool = True) -> TargetState:
    """Known to answer within 0.2 s."""
    state = make_state()
    for number in range(20):
        permit = must_acquire(state, number * 0.1, stream)
        permit.first_byte(number * 0.1 + 0.2)
        permit.settle(OK, number * 0.1 + 0.2)
    return state


def test_a_black_hole_is_noticed_by_ten_that_wait() -> None:
    state = warmed()
    assert state.stall_after(CHAT) == 0.75
    permits = [must_acquire(state, 10.0 + number * 0.005) for number in range(160)]
    assert state.check_stall(CHAT, 10.0 + 0.75) == []
    taken = state.check_stall(CHAT, 10.045 + 0.75)
    assert taken == permits
    standing = state.standing(CHAT, 11.0)
    assert (standing.state, standing.cause) == ("open", "10 calls have waited over 0.75 s each and nothing arrived")
    assert state.check_stall(CHAT, 10.9) == []
    for permit in taken:
        assert permit.settle(STALLED, 10.8)
    assert state.standing(CHAT, 11.0) == standing
    assert state.in_flight == 0


def test_a_trial_that_hangs_is_left_to_its_own_time_limit() -> None:
    state = warmed()
    for number in range(10):
        must_acquire(state, 10.0 + number * 0.01)
    for permit in state.check_stall(CHAT, 11.0):
        permit.settle(STALLED, 11.0)
    trial = must_acquire(state, 16.0)
    assert state.check_stall(CHAT, 17.0) == []
    trial.settle(failed(K.FIRST_CONTENT_TIMEOUT), 18.0)
    assert state.standing(CHAT, 18.0).until == pytest.approx(28.0)


def test_those_still_waiting_when_another_rule_opened_are_taken_back_when_overdue() -> None:
    state = warmed()
    stuck = must_acquire(state, 10.0)
    for _ in range(16):
        fail(state, 10.1)
    assert state.standing(CHAT, 10.1).state == "open"
    assert state.check_stall(CHAT, 10.5) == []
    assert state.check_stall(CHAT, 10.75) == [stuck]
    assert state.check_stall(CHAT, 10.8) == []
    assert stuck.settle(STALLED, 10.8)


def test_whole_answers_are_watched_apart() -> None:
    state = warmed()
    wholes = [must_acquire(state, 10.0, stream=False) for _ in range(20)]
    assert state.stall_after(CHAT, stream=False) is None
    assert state.check_stall(CHAT, 15.0) == []
    assert state.check_stall(CHAT, 15.0, stream=False) == []
    streams = [must_acquire(state, 15.0) for _ in range(10)]
    assert state.check_stall(CHAT, 15.75) == streams + wholes


def test_a_target_that_only_answers_whole_has_the_rule_too() -> None:
    state = warmed(stream=False)
    waiting = [must_acquire(state, 10.0, stream=False) for _ in range(10)]
    assert state.stall_after(CHAT, stream=False) == 0.75
    assert state.check_stall(CHAT, 10.75, stream=False) == waiting


def test_nothing_is_known_of_a_new_target() -> None:
    state = make_state()
    assert state.stall_after(CHAT) is None
    for _ in range(30):
        must_acquire(state, 10.0)
    assert state.stall_after(CHAT) is None
    assert state.check_stall(CHAT, 100.0) == []


# Probes.


def test_unhealthy_probes_open_and_healthy_ones_bring_the_trial_forward() -> None:
    state = make_state()
    for number, expected in enumerate(["closed", "closed", "open"]):
        state.probe_result(CHAT, False, FREE, 100.0 + number, "HTTP 502")
        assert state.standing(CHAT, 103.0).state == expected
    assert state.standing(CHAT, 103.0).cause == "3 probes in a row failed: HTTP 502"
    state.probe_result(CHAT, True, COMPLETION, 104.0)
    assert verdict(state, 104.0) is Verdict.OPEN
    state.probe_result(CHAT, True, COMPLETION, 105.0)
    assert verdict(state, 105.0) is Verdict.TRIAL


def test_a_lying_probe_never_heals() -> None:
    """Promise 24: the model list stays up while the models are down."""
    state = make_state()
    open_breaker(state, 100.0)
    for _ in range(50):
        state.probe_result(CHAT, True, FREE, 101.0)
    assert verdict(state, 101.0) is Verdict.OPEN
    state.free_probe_lies = False
    state.probe = ProbeSettings(healthy=1)
    state.probe_result(CHAT, True, FREE, 102.0)
    assert verdict(state, 102.0) is Verdict.TRIAL


def test_a_failed_probe_breaks_the_row_of_healthy_ones() -> None:
    state = make_state()
    open_breaker(state, 100.0)
    for now, ok in ((101.0, True), (102.0, False), (103.0, True)):
        state.probe_result(CHAT, ok, COMPLETION, now)
    assert verdict(state, 103.0) is Verdict.OPEN


def test_real_calls_between_probes_start_the_row_anew() -> None:
    state = make_state()
    for number in range(10):
        state.probe_result(CHAT, False, COMPLETION, 100.0 + number * 100)
        state.probe_result(CHAT, False, COMPLETION, 110.0 + number * 100)
        succeed(state, 150.0 + number * 100)
    assert state.standing(CHAT, 2000.0).state == "closed"


def test_probes_of_a_closed_target_that_succeed_change_nothing() -> None:
    state = make_state()
    for number in range(10):
        state.probe_result(CHAT, True, COMPLETION, 100.0 + number)
    open_breaker(state, 200.0)
    state.probe_result(CHAT, True, COMPLETION, 201.0)
    assert verdict(state, 201.0) is Verdict.OPEN
