"""The health of a provider's keys, and whose turn it is.

A credential fails by itself: it is revoked, its account is out of money, its rate limit for one model is reached, one model
is not allowed to it. So it is held by itself (altogether, or for one model) and the next one of the ring is used, while the
target's breaker stays closed. Credentials that can be used take turns.

Some credentials do not last: they have a lease (`policy/leases.py`), and while their token has ended, or never came, they
are not ready. A fresh token replaces `credential`; permits given before keep the old one to their end.

Invariants: a held credential is not picked before its hold ends, nor one whose token has ended; looking (`blocked`, `ready`,
`refusal`) changes nothing; a refusal of an old token says nothing about a new one. Refuses to know secrets' shape and how
they are refreshed.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import NamedTuple

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import StateChange
from proxy.core.settings import Credential
from proxy.policy.holds import Holding
from proxy.policy.leases import Lease
from proxy.policy.outcomes import RULES, Hold

#: Two credentials that are refused within this many seconds point at the provider's own authentication.
OUTAGE_WITHIN = 60.0
MAX_MODELS = 256

OnChange = Callable[[StateChange], None]

#: A ring with a credential at a limit is at its limit, even if another one is revoked; a pace passes before a quota does.
_LIMITS = (OutcomeKind.RATE_LIMITED, OutcomeKind.QUOTA_EXHAUSTED)


class Refusal(NamedTuple):
    """Why no credential of a ring is ready: `cause` and `until` are those of the one that is free first (`until` None: a
    token may come any moment); `kind` is what the holds go back to. None for both: only credentials that this call has
    tried already are left."""

    cause: str
    until: float | None
    kind: OutcomeKind | None


class CredentialState:
    """One credential's holds: the whole, and per model. `lease` None: it lasts."""

    __slots__ = ("_models", "_on_change", "_rng", "_whole", "auth_failed_at", "credential", "lease")

    def __init__(self, credential: Credential, rng: Random, on_change: OnChange) -> None:
        self.credential = credential
        self.lease = None if credential.source is None else Lease()
        self.auth_failed_at: float | None = None
        self._rng = rng
        self._on_change = on_change
        self._whole = Holding()
        self._models: dict[str, Holding] = {}

    def __repr__(self) -> str:
        return f"<CredentialState {self.credential.id} whole until {self._whole.until:.1f}, {len(self._models)} models>"

    def blocked(self, model: str, now: float) -> tuple[str, float] | None:
        """Why it cannot be used for this model now and until when (loop time); None: it can."""
        hold = self.holding(model, now)
        return None if hold is None else (hold.cause, hold.until)

    def holding(self, model: str, now: float) -> Holding | None:
        """What keeps it from being used for this model now: no token, else of two holds the longer one."""
        lease = self.lease
        if lease is not None and now >= lease.ends:
            return lease.hold
        whole = self._whole
        part = self._models.get(model) if self._models else None
        if part is not None and now < part.until and part.until > whole.until:
            return part
        return whole if now < whole.until else None

    def note(self, outcome: Outcome, model: str, now: float, used: Credential | None = None) -> None:
        """Learn from an attempt made with it, or with what it was then (`used`). Outcomes that say nothing about credentials
        change nothing."""
        stale = used is not None and not same_token(used, self.credential)
        if outcome.ok:
            self._ease(model)
            if self.lease is not None and not stale:
                self.lease.accepted()
            return
        rule = RULES[outcome.kind]
        if rule.hold is Hold.CREDENTIAL:
            holding = self._whole
        elif rule.hold is Hold.CREDENTIAL_MODEL:
            holding = self._part(model, now)
        else:
            return
        if outcome.kind is OutcomeKind.AUTH_FAILED:
            if stale:
                return
            self.auth_failed_at = now
            if self.lease is not None:
                self.lease.refused()
        if holding.extend(outcome, rule, now, self._rng):
            place = "held" if holding is self._whole else f"held for {model}"
            self._on_change(StateChange(now, self.credential.id, None, "usable", place, holding.cause, holding.until))

    def refused(self, now: float) -> bool:
        """Is it held because the provider does not accept it?"""
        return now < self._whole.until and self._whole.kind is OutcomeKind.AUTH_FAILED

    def standing(self, now: float) -> str:
        """`usable`, `held`, `expired`, or `waiting` for its first token."""
        if self.lease is not None and now >= self.lease.ends:
            return "waiting" if self.lease.waiting else "expired"
        return "held" if now < self._whole.until else "usable"

    # What the refresher reports.

    def renew(self, fresh: Credential, now: float) -> None:
        """A refresh brought a token. If a refusal had asked for it, the provider may judge it anew."""
        assert self.lease is not None  # only what does not last is renewed
        new = not same_token(fresh, self.credential)
        self.credential = fresh
        if self.lease.extend(fresh.expires_at, new) and self._whole.kind is OutcomeKind.AUTH_FAILED:
            self._whole.release()
        self.announce(now)

    def not_renewed(self, error: str, refused: bool, next_at: float, now: float) -> None:
        """A refresh brought no token (see `Lease.keep`)."""
        assert self.lease is not None
        self.lease.keep(error, refused, next_at)
        self.announce(now)

    def adopt(self, other: "CredentialState") -> None:
        """Take over the token of another state of the same source, which a reload has replaced by this one."""
        self.lease = other.lease
        self.credential = replace(other.credential, id=self.credential.id)

    def announce(self, now: float) -> None:
        """Report how the token stands, if that has changed since the last report."""
        lease = self.lease
        if lease is None or (standing := lease.standing(now)) is lease.shown:
            return
        before, lease.shown = lease.shown, standing
        until = lease.ends if math.isfinite(lease.ends) else None
        cause = lease.error or "a token has arrived"
        self._on_change(StateChange(now, self.credential.id, None, before.value, standing.value, cause, until))

    def _part(self, model: str, now: float) -> Holding:
        """The hold for one model. Models can be named by clients, so those whose hold is over are forgotten in time."""
        if len(self._models) >= MAX_MODELS and model not in self._models:
            self._models = {name: part for name, part in self._models.items() if now < part.until}
        return self._models.setdefault(model, Holding())

    def _ease(self, model: str) -> None:
        self._whole.ease()
        part = self._models.get(model) if self._models else None
        if part is not None:
            part.ease()


class CredentialRing:
    """The credentials of one provider, in the order of the configuration. A provider without any gets one that is empty, so
    that every attempt has a credential."""

    __slots__ = ("_next", "credentials", "provider")

    def __init__(self, provider: str, credentials: Sequence[Credential], rng: Random, on_change: OnChange) -> None:
        self.provider = provider
        known = credentials or (Credential(f"{provider}#0"),)
        self.credentials = tuple(CredentialState(credential, rng, on_change) for credential in known)
        self._next = 0

    def ready(self, model: str, now: float, exclude: Collection[str] = ()) -> bool:
        """Can any credential be used? Changes nothing."""
        for state in self.credentials:  # noqa: SIM110 (a generator costs twice as much on the path of every request)
            if state.credential.id not in exclude and state.holding(model, now) is None:
                return True
        return False

    def pick(self, model: str, now: float, exclude: Collection[str] = ()) -> CredentialState | None:
        """The next one in turn that can be used; None exactly when `ready` is False."""
        state, turn = pick(self.credentials, model, now, exclude, self._next)
        self._next = turn
        return state

    def any_credential(self, model: str, now: float) -> Credential | None:
        """One for a probe: usable if possible, else the first to be free again; None: none of them has a token. Takes
        nobody's turn."""

        def free_at(state: CredentialState) -> float:
            blocked = state.blocked(model, now)
            return now if blocked is None else blocked[1]

        live = (state for state in self.credentials if state.lease is None or now < state.lease.ends)
        first = min(live, key=free_at, default=None)
        return None if first is None else first.credential

    def refusal(self, model: str, now: float, exclude: Collection[str] = ()) -> Refusal:
        """Why none is ready, and until when."""
        holds = [
            hold
            for state in self.credentials
            if state.credential.id not in exclude and (hold := state.holding(model, now)) is not None
        ]
        if not holds:
            return Refusal("this call has tried every credential", None, None)
        first = min(holds, key=_until)
        kinds = {hold.kind for hold in holds}
        until = first.until if now < first.until else None
        return Refusal(first.cause, until, next((kind for kind in _LIMITS if kind in kinds), first.kind))

    def refused(self, now: float) -> int:
        """How many are held because they are not accepted?"""
        return sum(state.refused(now) for state in self.credentials)

    def auth_outage(self, now: float) -> bool:
        """Are two or more credentials held because they were refused within a minute of each other?"""
        moments = sorted(
            state.auth_failed_at for state in self.credentials if state.auth_failed_at is not None and state.refused(now)
        )
        return any(later - earlier <= OUTAGE_WITHIN for earlier, later in pairwise(moments))


def _until(hold: Holding) -> float:
    return hold.until


def same_token(one: Credential, other: Credential) -> bool:
    """Would both look the same to a provider?"""
    return one is other or (one.secret == other.secret and one.aws == other.aws)


def pick(
    credentials: Sequence[CredentialState], model: str, now: float, exclude: Collection[str], turn: int
) -> tuple[CredentialState | None, int]:
    """Round robin from `turn` on over those that can be used; also whose turn is next."""
    count = len(credentials)
    for step in range(count):
        place = (turn + step) % count
        state = credentials[place]
        if state.credential.id not in exclude and state.holding(model, now) is None:
            return state, (place + 1) % count
    return None, turn
