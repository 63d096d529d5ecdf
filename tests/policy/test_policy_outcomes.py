"""The failure table, row by row, and what clients are told."""

import pytest

from proxy.core.exchange import FailureKind, TransportError
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.policy.outcomes import (
    RULES,
    Blame,
    Hold,
    describe,
    final_problem,
    outcome_of,
    unavailable_problem,
    unfit_problem,
)

K = OutcomeKind


def test_every_kind_has_a_row_and_a_sentence() -> None:
    assert set(RULES) == set(K)
    assert all(describe(Outcome(kind)) for kind in K)


@pytest.mark.parametrize(
    ("kind", "blame", "elsewhere", "here", "breaker", "hold"),
    [
        (K.RATE_LIMITED, Blame.CREDENTIAL, True, True, False, Hold.CREDENTIAL_MODEL),
        (K.QUOTA_EXHAUSTED, Blame.CREDENTIAL, True, False, False, Hold.CREDENTIAL),
        (K.AUTH_FAILED, Blame.CREDENTIAL, True, False, False, Hold.CREDENTIAL),
        (K.OVERLOADED, Blame.TARGET, True, True, True, Hold.TARGET),
        (K.SERVER_ERROR, Blame.TARGET, True, True, True, Hold.NONE),
        (K.FIRST_CONTENT_TIMEOUT, Blame.TARGET, True, False, True, Hold.NONE),
        (K.STALLED, Blame.TARGET, True, False, False, Hold.NONE),
        (K.STREAM_BROKEN, Blame.TARGET, True, True, True, Hold.NONE),
        (K.MALFORMED, Blame.TARGET, True, False, True, Hold.NONE),
        (K.MODEL_FORBIDDEN, Blame.CREDENTIAL, True, False, False, Hold.CREDENTIAL_MODEL),
        (K.MODEL_NOT_FOUND, Blame.MODEL, True, False, False, Hold.PROVIDER_MODEL),
        (K.UNSUPPORTED, Blame.MODEL, True, False, False, Hold.NONE),
        (K.CONTEXT_TOO_LONG, Blame.CLIENT, True, False, False, Hold.NONE),
        (K.CONTENT_FILTERED, Blame.CLIENT, False, False, False, Hold.NONE),
        (K.BAD_REQUEST, Blame.CLIENT, False, False, False, Hold.NONE),
        (K.CLIENT_GONE, Blame.NOBODY, False, False, False, Hold.NONE),
        (K.SHUTDOWN, Blame.NOBODY, False, False, False, Hold.NONE),
        (K.DEADLINE_EXCEEDED, Blame.NOBODY, False, False, False, Hold.NONE),
    ],
)
def test_rows(kind: K, blame: Blame, elsewhere: bool, here: bool, breaker: bool, hold: Hold) -> None:
    rule = RULES[kind]
    assert (rule.blame, rule.elsewhere, rule.here, rule.breaker, rule.hold) == (blame, elsewhere, here, breaker, hold)


def test_only_a_targets_own_failures_count_against_its_breaker() -> None:
    assert all(rule.blame is Blame.TARGET for rule in RULES.values() if rule.breaker)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (FailureKind.CONNECT, K.CONNECT_FAILED),
        (FailureKind.CONNECT_TIMEOUT, K.CONNECT_TIMEOUT),
        (FailureKind.CLOSED, K.SERVER_ERROR),
        (FailureKind.BROKEN, K.STREAM_BROKEN),
        (FailureKind.GARBAGE, K.MALFORMED),
        (FailureKind.POOL_FULL, K.OVERLOADED),
    ],
)
def test_transport_failures(failure: FailureKind, kind: K) -> None:
    assert outcome_of(TransportError(failure, "why")) == Outcome(kind, message="why")


def test_every_transport_failure_is_known() -> None:
    assert all(outcome_of(TransportError(failure, "")) for failure in FailureKind)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (K.RATE_LIMITED, 429, "rate_limit_exceeded"),
        (K.QUOTA_EXHAUSTED, 429, "insufficient_quota"),
        (K.AUTH_FAILED, 502, "provider_auth_failed"),
        (K.OVERLOADED, 503, "server_is_overloaded"),
        (K.CONNECT_TIMEOUT, 504, "provider_timeout"),
        (K.FIRST_CONTENT_TIMEOUT, 504, "provider_timeout"),
        (K.STALLED, 504, "provider_timeout"),
        (K.IDLE_TIMEOUT, 504, "provider_timeout"),
        (K.DEADLINE_EXCEEDED, 504, "deadline_exceeded"),
        (K.SERVER_ERROR, 502, "provider_error"),
        (K.CONNECT_FAILED, 502, "provider_unreachable"),
        (K.STREAM_BROKEN, 502, "provider_stream_broken"),
        (K.MALFORMED, 502, "provider_malformed"),
        (K.MODEL_FORBIDDEN, 502, "provider_auth_failed"),
        (K.MODEL_NOT_FOUND, 404, "model_not_found"),
        (K.UNSUPPORTED, 400, "unsupported"),
        (K.CONTEXT_TOO_LONG, 400, "context_length_exceeded"),
        (K.CONTENT_FILTERED, 400, "content_policy_violation"),
        (K.BAD_REQUEST, 400, None),
        (K.SHUTDOWN, 503, "shutting_down"),
    ],
)
def test_status_and_code_when_all_failed_alike(kind: K, status: int, code: str | None) -> None:
    problem = final_problem([Outcome(kind), Outcome(kind)], retry_after=None)
    assert (problem.status, problem.code) == (status, code)
    assert problem.message
    assert problem.type
    assert problem.should_retry is False


def test_the_last_failure_speaks_unless_another_is_actionable() -> None:
    server, slow = Outcome(K.SERVER_ERROR), Outcome(K.FIRST_CONTENT_TIMEOUT)
    assert final_problem([server, slow], retry_after=None).status == 504
    assert final_problem([slow, server], retry_after=None).status == 502
    too_long = Outcome(K.CONTEXT_TOO_LONG, 400, "too long")
    assert final_problem([too_long, server], retry_after=None).code == "context_length_exceeded"


def test_a_wrong_mapping_does_not_hide_a_passing_outage() -> None:
    outcomes = [Outcome(K.OVERLOADED), Outcome(K.MODEL_NOT_FOUND, 404)]
    assert final_problem(outcomes, retry_after=None).status == 503


def test_a_feature_that_one_target_lacks_does_not_hide_it_either() -> None:
    lacking = Outcome(K.UNSUPPORTED, 404, "No endpoints found that support tool use.")
    assert final_problem([Outcome(K.OVERLOADED), lacking], retry_after=None).status == 503
    assert final_problem([Outcome(K.MODEL_NOT_FOUND, 404), lacking], retry_after=None).message == lacking.message


@pytest.mark.parametrize("kind", [K.BAD_REQUEST, K.CONTEXT_TOO_LONG, K.CONTENT_FILTERED, K.MODEL_NOT_FOUND, K.UNSUPPORTED])
def test_the_providers_own_words_come_through(kind: K) -> None:
    outcome = Outcome(kind, None, "Say what", code="c", type="t", param="p")
    problem = final_problem([outcome], retry_after=3.0)
    assert (problem.message, problem.code, problem.type, problem.param) == ("Say what", "c", "t", "p")
    assert problem.retry_after is None


@pytest.mark.parametrize(
    ("theirs", "ours"), [(400, 400), (404, 404), (413, 413), (422, 422), (401, 400), (429, 400), (200, 400), (None, 400)]
)
@pytest.mark.parametrize("kind", [K.BAD_REQUEST, K.UNSUPPORTED])
def test_a_rejected_request_keeps_a_status_that_is_the_clients(kind: K, theirs: int | None, ours: int) -> None:
    assert final_problem([Outcome(kind, theirs)], retry_after=None).status == ours


def test_a_code_that_speaks_of_our_account_goes_with_its_status() -> None:
    problem = final_problem([Outcome(K.UNSUPPORTED, 402, "fewer max_tokens", code="402")], retry_after=None)
    assert (problem.status, problem.code, problem.message) == (400, "unsupported", "fewer max_tokens")


def test_retry_after_is_the_soonest_known() -> None:
    outcomes = [Outcome(K.RATE_LIMITED, retry_after=9.0), Outcome(K.OVERLOADED, retry_after=4.0), Outcome(K.SERVER_ERROR)]
    assert final_problem(outcomes, retry_after=2.0).retry_after == 2.0
    assert final_problem(outcomes, retry_after=None).retry_after == 4.0
    assert final_problem([Outcome(K.SERVER_ERROR)], retry_after=None).retry_after is None


def test_refused_credentials_are_not_quoted_and_long_words_are_cut() -> None:
    assert "sk-" not in final_problem([Outcome(K.AUTH_FAILED, 401, "bad key sk-123")], retry_after=None).message
    message = final_problem([Outcome(K.SERVER_ERROR, 500, "x" * 5000)], retry_after=None).message
    assert len(message) < 500
    assert "…" in message


def test_nothing_admitted() -> None:
    problem = unavailable_problem(["a/m: 16 of the last 20 calls failed", "b/m: held"], 4.5)
    assert (problem.status, problem.code, problem.retry_after, problem.should_retry) == (
        503,
        "no_target_available",
        4.5,
        False,
    )
    assert "16 of the last 20" in problem.message
    assert final_problem([], retry_after=4.5) == unavailable_problem((), 4.5)


def test_sentences_end_once() -> None:
    """`…support tool use..` stood in error bodies and in /health."""
    outcome = Outcome(K.SERVER_ERROR, 500, "No endpoints found that support tool use.")
    assert describe(outcome) == "The provider failed: No endpoints found that support tool use"
    assert describe(Outcome(K.SERVER_ERROR, 500, "Wait ... ")) == "The provider failed: Wait"
    told = unavailable_problem(["a/m: It said no.", f"b/m: {describe(outcome)}"], None).message
    assert told.endswith("support tool use.")
    assert ".;" not in told
    assert ".." not in told


NOW, BUSY = (503, "no_target_available", "service_unavailable_error"), K.OVERLOADED
PACE, SPENT = (429, "rate_limit_exceeded", "rate_limit_error"), (429, "insufficient_quota", "insufficient_quota")
UNKNOWN = (404, "model_not_found", "invalid_request_error")


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ((), NOW),
        ((None,), NOW),
        ((K.RATE_LIMITED,), PACE),
        ((K.RATE_LIMITED, K.RATE_LIMITED), PACE),
        ((K.QUOTA_EXHAUSTED, K.QUOTA_EXHAUSTED), SPENT),
        ((K.QUOTA_EXHAUSTED, K.RATE_LIMITED), PACE),
        ((K.RATE_LIMITED, None), NOW),
        ((K.RATE_LIMITED, BUSY), NOW),
        ((K.RATE_LIMITED, K.AUTH_FAILED), NOW),
        ((K.QUOTA_EXHAUSTED, K.MODEL_FORBIDDEN), NOW),
        ((K.MODEL_NOT_FOUND, K.MODEL_NOT_FOUND), UNKNOWN),
        ((K.MODEL_NOT_FOUND, K.RATE_LIMITED), PACE),
        ((K.MODEL_NOT_FOUND, None), NOW),
        ((K.MODEL_NOT_FOUND, K.AUTH_FAILED), NOW),
    ],
)
def test_what_all_refusals_have_in_common_is_told(kinds: tuple[K | None, ...], told: tuple[int, str, str]) -> None:
    problem = unavailable_problem(["a/m: why"], 4.5, kinds)
    assert (problem.status, problem.code, problem.type) == told
    assert problem.retry_after == (None if told is UNKNOWN else 4.5)
    assert problem.param == ("model" if told is UNKNOWN else None)
    assert problem.message.endswith(": a/m: why.")
    assert problem.should_retry is False


def test_what_nobody_can_be_asked_is_the_clients_to_change() -> None:
    problem = unfit_problem(["a/m: its wire format cannot carry images.url", "b/m: the same"], False, None)
    assert (problem.status, problem.code, problem.retry_after) == (400, "unsupported", None)
    assert problem.message.endswith("a/m: its wire format cannot carry images.url; b/m: the same.")
    named = unfit_problem(["a/m: x"], False, "previous_response_id")
    assert named.param == "previous_response_id"
    assert named.message == "No target can carry what `previous_response_id` says: a/m: x."
    long = unfit_problem(["a/m: x"], True, None)
    assert (long.status, long.code) == (400, "context_length_exceeded")
