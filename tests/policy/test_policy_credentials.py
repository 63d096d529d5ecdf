"""Health and turns of credentials."""

import pytest
from policy_builders import Journal, Low, failed, make_ring

from proxy.core.outcome import OK, OutcomeKind
from proxy.core.settings import Credential
from proxy.policy.credentials import MAX_MODELS, CredentialRing

K = OutcomeKind


def picks(ring: CredentialRing, count: int, now: float, model: str = "m", exclude: tuple[str, ...] = ()) -> list[str]:
    states = [ring.pick(model, now, exclude) for _ in range(count)]
    return [state.credential.id[-1] if state else "-" for state in states]


def test_they_take_turns() -> None:
    assert picks(make_ring(3), 7, 0.0) == list("1231231")


def test_a_held_one_is_skipped_and_the_others_go_on() -> None:
    ring = make_ring(3)
    ring.credentials[1].note(failed(K.AUTH_FAILED), "m", 100.0)
    assert picks(ring, 4, 101.0) == list("1313")
    assert picks(ring, 3, 160.0) == list("123")


def test_a_rate_limit_holds_one_model_only() -> None:
    ring = make_ring(1)
    ring.credentials[0].note(failed(K.RATE_LIMITED, 30.0, "slow down"), "m", 100.0)
    assert ring.ready("m", 129.9) is False
    assert ring.ready("other", 101.0) is True
    assert ring.credentials[0].blocked("m", 101.0) == ("The provider's rate limit is reached: slow down", 130.0)
    assert ring.ready("m", 130.0) is True


def test_no_call_before_the_reset_whatever_else_is_heard() -> None:
    """Promise 9: the held credential is not picked before the reset that the provider named."""
    ring = make_ring(1)
    key = ring.credentials[0]
    key.note(failed(K.RATE_LIMITED, 42.0), "m", 100.0)
    for second in range(42):
        key.note(failed(K.RATE_LIMITED, 0.5), "m", 100.0 + second)
        key.note(OK, "m", 100.0 + second)
        assert picks(ring, 1, 100.0 + second) == ["-"]
    assert picks(ring, 1, 142.5) == ["1"]


def test_the_longer_of_two_holds_speaks() -> None:
    ring = make_ring(1)
    key = ring.credentials[0]
    key.note(failed(K.RATE_LIMITED, 100.0), "m", 0.0)
    key.note(failed(K.AUTH_FAILED), "m", 0.0)
    assert key.blocked("m", 1.0) == ("The provider's rate limit is reached", 100.0)
    assert key.blocked("other", 1.0) == ("The provider refused this proxy's credentials", 60.0)
    key.note(failed(K.QUOTA_EXHAUSTED), "m", 0.0)
    assert key.blocked("m", 1.0) == ("The provider's quota is used up", 900.0)


def test_success_clears_the_doubling() -> None:
    ring = make_ring(1)
    key = ring.credentials[0]
    key.note(OK, "m", 0.0)
    for now, until in ((100.0, 105.0), (110.0, 120.0)):
        key.note(failed(K.RATE_LIMITED), "m", now)
        assert key.blocked("m", now) == ("The provider's rate limit is reached", until)
    key.note(OK, "m", 130.0)
    key.note(OK, "other", 130.0)
    key.note(failed(K.RATE_LIMITED), "m", 140.0)
    assert key.blocked("m", 140.0) == ("The provider's rate limit is reached", 145.0)


@pytest.mark.parametrize(
    "kind", [K.SERVER_ERROR, K.BAD_REQUEST, K.CLIENT_GONE, K.OVERLOADED, K.MODEL_NOT_FOUND, K.UNSUPPORTED]
)
def test_other_outcomes_say_nothing_about_credentials(kind: K) -> None:
    journal = Journal()
    ring = make_ring(1, journal)
    ring.credentials[0].note(failed(kind, 10.0), "m", 0.0)
    assert ring.ready("m", 0.0)
    assert journal.changes == []


def test_excluded_ones_and_why_none_is_ready() -> None:
    ring = make_ring(3)
    assert picks(ring, 2, 0.0, exclude=("p#1", "p#3")) == list("22")
    assert ring.refusal("m", 0.0, {"p#1", "p#2", "p#3"}) == ("this call has tried every credential", None, None)
    ring.credentials[1].note(failed(K.RATE_LIMITED, 50.0), "m", 0.0)
    ring.credentials[2].note(failed(K.RATE_LIMITED, 20.0), "m", 0.0)
    assert ring.ready("m", 1.0, {"p#1"}) is False
    assert ring.refusal("m", 1.0, {"p#1"}) == ("The provider's rate limit is reached", 20.0, K.RATE_LIMITED)
    assert picks(ring, 2, 1.0, exclude=("p#1",)) == list("--")


@pytest.mark.parametrize(
    ("kinds", "shared"),
    [
        ((K.RATE_LIMITED, K.RATE_LIMITED), K.RATE_LIMITED),
        ((K.QUOTA_EXHAUSTED, K.RATE_LIMITED), K.RATE_LIMITED),
        ((K.QUOTA_EXHAUSTED, K.AUTH_FAILED), K.QUOTA_EXHAUSTED),
        ((K.AUTH_FAILED, K.RATE_LIMITED), K.RATE_LIMITED),
        ((K.AUTH_FAILED, K.MODEL_FORBIDDEN), K.AUTH_FAILED),
    ],
)
def test_a_ring_whose_usable_keys_are_at_a_limit_is_at_its_limit(kinds: tuple[K, K], shared: K) -> None:
    ring = make_ring(2)
    for key, kind in zip(ring.credentials, kinds, strict=True):
        key.note(failed(kind), "m", 0.0)
    refusal = ring.refusal("m", 1.0)
    assert refusal.kind is shared
    assert refusal.until == min(hold.until for key in ring.credentials if (hold := key.holding("m", 1.0)))


def test_a_model_that_is_not_allowed_costs_no_other_model() -> None:
    """A client that names the blocked models one after another takes none that was not blocked."""
    ring = make_ring(1)
    key = ring.credentials[0]
    key.note(failed(K.MODEL_FORBIDDEN, message="The model `x` is blocked at the project level."), "x", 100.0)
    blocked = key.blocked("x", 399.9)
    assert blocked is not None
    assert blocked[0].endswith("credential to use the model: The model `x` is blocked at the project level")
    assert blocked[1] == 400.0
    assert ring.ready("y", 100.0)
    assert ring.ready("x", 400.0)
    assert key.refused(100.0) is False
    assert ring.auth_outage(100.0) is False


def test_changes_are_announced_once_per_hold() -> None:
    journal = Journal()
    ring = make_ring(1, journal)
    for _ in range(5):
        ring.credentials[0].note(failed(K.RATE_LIMITED, 10.0), "m", 0.0)
    ring.credentials[0].note(failed(K.AUTH_FAILED), "m", 1.0)
    assert [(change.subject, change.before, change.after, change.until) for change in journal.changes] == [
        ("p#1", "usable", "held for m", 10.0),
        ("p#1", "usable", "held", 61.0),
    ]


def test_an_authentication_outage_takes_two_within_a_minute() -> None:
    ring = make_ring(3)
    ring.credentials[0].note(failed(K.AUTH_FAILED, 600.0), "m", 0.0)
    assert ring.auth_outage(1.0) is False
    ring.credentials[1].note(failed(K.AUTH_FAILED, 600.0), "m", 100.0)
    assert ring.auth_outage(101.0) is False
    ring.credentials[2].note(failed(K.AUTH_FAILED, 600.0), "m", 130.0)
    assert ring.auth_outage(131.0) is True
    assert ring.auth_outage(730.0) is False


def test_a_probe_takes_the_one_that_is_free_first_and_nobodys_turn() -> None:
    ring = make_ring(2)
    ring.credentials[0].note(failed(K.AUTH_FAILED), "m", 0.0)
    assert ring.any_credential("m", 1.0).id == "p#2"
    ring.credentials[1].note(failed(K.QUOTA_EXHAUSTED), "m", 0.0)
    assert ring.any_credential("m", 1.0).id == "p#1"
    assert picks(make_ring(2), 1, 1.0) == ["1"]


def test_a_provider_without_credentials_has_an_empty_one() -> None:
    ring = CredentialRing("laptop", (), Low(), Journal())
    state = ring.pick("m", 0.0)
    assert state is not None
    assert state.credential == Credential("laptop#0", None)


def test_models_named_by_clients_do_not_pile_up() -> None:
    ring = make_ring(1)
    key = ring.credentials[0]
    for number in range(MAX_MODELS * 3):
        key.note(failed(K.RATE_LIMITED, 1.0), f"m{number}", number * 10.0)
    assert int(repr(key).split(", ")[1].split()[0]) <= MAX_MODELS
