"""Tokens that end: playbooks of (time, event, what follows)."""

import math

import pytest
from policy_builders import Journal, Low, failed

from proxy.core.outcome import OK, OutcomeKind
from proxy.core.settings import Credential
from proxy.core.sources import AwsAssumeRoleSource, AwsKeys, CommandSource, FileSource, OAuthSource
from proxy.policy.credentials import CredentialRing, CredentialState, same_token
from proxy.policy.leases import Lease, Renewal, Standing

K = OutcomeKind
SOURCE = OAuthSource("https://id.test/token", "me", "secret")
NEW = Credential("p#1", "token-1", expires_at=100.0, source=SOURCE)


def make(journal: Journal | None = None) -> tuple[CredentialRing, CredentialState, list[float]]:
    """A ring with one credential that waits for its token, and a list of how often another token was asked for."""
    ring = CredentialRing("p", (Credential("p#1", source=SOURCE),), Low(), journal or Journal())
    asked: list[float] = []
    state = ring.credentials[0]
    assert state.lease is not None
    state.lease.on_refused = lambda: asked.append(1.0)
    return ring, state, asked


def test_without_a_token_it_is_not_ready_and_says_why() -> None:
    ring, state, _ = make()
    assert not ring.ready("m", 0.0)
    assert ring.pick("m", 0.0) is None
    assert ring.any_credential("m", 0.0) is None
    assert ring.refusal("m", 0.0) == ("its first token has not arrived yet", None, K.AUTH_FAILED)
    state.not_renewed("id.test answered 500", refused=False, next_at=8.0, now=2.0)
    assert ring.refusal("m", 3.0) == ("it has no token yet: id.test answered 500", 8.0, K.AUTH_FAILED)
    assert ring.refusal("m", 9.0).until is None
    assert state.standing(3.0) == "waiting"


def test_a_token_is_used_to_its_last_instant() -> None:
    ring, state, _ = make()
    state.renew(NEW, 0.0)
    assert state.credential is NEW
    assert ring.ready("m", 99.999999)
    assert not ring.ready("m", 100.0)
    assert ring.any_credential("m", 99.0) is NEW
    assert ring.any_credential("m", 100.0) is None
    assert ring.refusal("m", 101.0) == ("its token has expired", None, K.AUTH_FAILED)


def test_failed_refreshes_change_nothing_while_the_token_lives() -> None:
    ring, state, _ = make()
    state.renew(NEW, 0.0)
    for now in range(10, 100, 10):
        state.not_renewed("id.test did not answer within 10 s", refused=False, next_at=now + 30.0, now=float(now))
        assert ring.ready("m", float(now))
        assert state.standing(float(now)) == "usable"
    assert ring.refusal("m", 101.0) == ("its token has expired: id.test did not answer within 10 s", 120.0, K.AUTH_FAILED)
    assert state.standing(101.0) == "expired"


def test_a_token_of_unknown_life_lasts_until_it_is_refused() -> None:
    ring, state, asked = make()
    state.renew(Credential("p#1", "t", source=SOURCE), 0.0)
    assert ring.ready("m", 1e9)
    state.note(failed(K.AUTH_FAILED), "m", 5.0)
    assert not ring.ready("m", 6.0)
    assert state.standing(6.0) == "held"
    assert asked


def test_one_refusal_asks_for_a_token_and_a_new_one_ends_the_hold() -> None:
    ring, state, asked = make()
    state.renew(NEW, 0.0)
    for _ in range(1000):
        state.note(failed(K.AUTH_FAILED), "m", 10.0, NEW)
    assert len(asked) == 1
    assert not ring.ready("m", 11.0)
    fresh = Credential("p#1", "token-2", expires_at=110.0, source=SOURCE)
    state.renew(fresh, 11.0)
    assert ring.ready("m", 11.0)
    # What comes in late about the old token says nothing about the new one.
    state.note(failed(K.AUTH_FAILED), "m", 12.0, NEW)
    assert ring.ready("m", 12.0)


def test_a_second_refusal_is_a_hold_like_any_other() -> None:
    ring, state, asked = make()
    state.renew(NEW, 0.0)
    state.note(failed(K.AUTH_FAILED), "m", 10.0, NEW)
    fresh = Credential("p#1", "token-2", expires_at=1000.0, source=SOURCE)
    state.renew(fresh, 11.0)
    state.note(failed(K.AUTH_FAILED), "m", 12.0, fresh)
    assert len(asked) == 1
    assert state.blocked("m", 13.0) == ("The provider refused this proxy's credentials", 72.0)
    third = Credential("p#1", "token-3", expires_at=1000.0, source=SOURCE)
    state.renew(third, 14.0)
    assert not ring.ready("m", 15.0), "nobody asked for this one: the hold goes on"
    state.note(OK, "m", 80.0, fresh)  # of the token before: proves nothing about this one
    state.note(failed(K.AUTH_FAILED), "m", 81.0, third)
    assert len(asked) == 1
    state.note(OK, "m", 300.0, third)
    state.note(failed(K.AUTH_FAILED), "m", 301.0, third)
    assert len(asked) == 2, "once a token was accepted, a refusal is news again"


def test_the_same_token_again_ends_no_hold() -> None:
    ring, state, _ = make()
    state.renew(NEW, 0.0)
    state.note(failed(K.AUTH_FAILED), "m", 10.0, NEW)
    state.renew(Credential("p#1", "token-1", expires_at=100.0, source=SOURCE), 11.0)
    assert not ring.ready("m", 12.0)
    assert state.lease is not None
    assert state.lease.results == {Renewal.RENEWED: 1, Renewal.UNCHANGED: 1}


def test_success_while_the_new_token_is_on_its_way_takes_nothing_back() -> None:
    ring, state, asked = make()
    state.renew(NEW, 0.0)
    state.note(failed(K.AUTH_FAILED), "m", 10.0, NEW)
    state.note(OK, "m", 10.1, NEW)  # began before
    state.renew(Credential("p#1", "token-2", expires_at=110.0, source=SOURCE), 11.0)
    assert ring.ready("m", 11.0)
    assert len(asked) == 1


def test_a_new_token_ends_no_hold_that_is_about_money() -> None:
    ring, state, _ = make()
    state.renew(NEW, 0.0)
    state.note(failed(K.AUTH_FAILED), "m", 10.0, NEW)
    state.note(failed(K.QUOTA_EXHAUSTED), "m", 10.0, NEW)
    state.renew(Credential("p#1", "token-2", expires_at=110.0, source=SOURCE), 11.0)
    assert not ring.ready("m", 12.0)


def test_changes_are_reported_once() -> None:
    journal = Journal()
    _, state, _ = make(journal)
    state.not_renewed("no", refused=False, next_at=1.0, now=0.0)
    state.renew(NEW, 1.0)
    state.not_renewed("down", refused=True, next_at=90.0, now=80.0)
    state.not_renewed("down", refused=True, next_at=95.0, now=90.0)
    state.announce(100.0)
    state.announce(101.0)
    state.renew(Credential("p#1", "token-2", source=SOURCE), 120.0)
    assert [(c.at, c.before, c.after, c.cause, c.until) for c in journal.changes] == [
        (0.0, "waiting", "refresh_failing", "no", None),
        (1.0, "refresh_failing", "usable", "a token has arrived", 100.0),
        (80.0, "usable", "refresh_failing", "down", 100.0),
        (100.0, "refresh_failing", "expired", "down", 100.0),
        (120.0, "expired", "usable", "a token has arrived", None),
    ]
    assert state.lease is not None
    assert state.lease.results == {Renewal.FAILED: 1, Renewal.RENEWED: 2, Renewal.REFUSED: 2}


def test_a_key_that_lasts_has_nothing_to_report() -> None:
    journal = Journal()
    state = CredentialRing("p", (Credential("p#1", "k"),), Low(), journal).credentials[0]
    state.announce(1e9)
    assert state.lease is None
    assert journal.changes == []
    assert state.standing(0.0) == "usable"


def test_a_reload_takes_the_token_over() -> None:
    _, old, _ = make()
    old.renew(NEW, 0.0)
    ring = CredentialRing("p", (Credential("p#1", "k"), Credential("p#2", source=SOURCE)), Low(), Journal())
    ring.credentials[1].adopt(old)
    assert ring.credentials[1].credential == Credential("p#2", "token-1", expires_at=100.0, source=SOURCE)
    assert ring.credentials[1].lease is old.lease
    assert ring.pick("m", 99.0, ("p#1",)) is ring.credentials[1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (NEW, NEW, True),
        (NEW, Credential("x", "token-1"), True),
        (NEW, Credential("p#1", "token-2"), False),
        (Credential("a", aws=AwsKeys("1", "2", "3")), Credential("a", aws=AwsKeys("1", "2", "3")), True),
        (Credential("a", aws=AwsKeys("1", "2", "3")), Credential("a", aws=AwsKeys("1", "2", "4")), False),
    ],
)
def test_what_the_same_token_is(one: Credential, other: Credential, same: bool) -> None:
    assert same_token(one, other) is same


def test_standings_by_time() -> None:
    lease = Lease()
    assert lease.standing(1e12) is Standing.WAITING
    lease.extend(50.0, new=True)
    assert [lease.standing(now) for now in (49.9, 50.0)] == [Standing.USABLE, Standing.EXPIRED]
    lease.keep("down", refused=False, next_at=60.0)
    assert lease.standing(49.9) is Standing.FAILING
    lease.refused()  # nobody fetches, nobody is asked
    assert lease.ends == 50.0
    assert "good" in repr(lease)
    lease.extend(None, new=True)
    assert lease.ends == math.inf


def test_secrets_stand_in_no_repr() -> None:
    aws = AwsKeys("AKIA", "canary-1", "canary-2")
    sources = [OAuthSource("u", "i", "canary-4"), CommandSource(("curl", "canary-5")), AwsAssumeRoleSource("r", aws)]
    shown = repr([Credential("a", "canary-3", aws, source=SOURCE), aws, sources, make()])
    assert "canary" not in shown
    assert "secret'" not in shown


def test_access_tokens_are_told_from_keys() -> None:
    assert Credential("a", "t", source=SOURCE).bearer
    assert not Credential("a", "t", source=FileSource("/x")).bearer
    assert not Credential("a", "t").bearer
    assert Credential("a", "t").secrets == ("t",)
    assert Credential("a", aws=AwsKeys("1", "2", "3")).secrets == ("1", "3")
    assert Credential("a").secrets == ()
