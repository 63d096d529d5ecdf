"""What a credential has that does not last: a token with an end, the last refresh, and how far the token is trusted.

Decides exactly when a token can no longer be used (the instant it ends, without a timer: whoever looks compares two numbers)
and whether a refusal is worth fetching another one. A live token is used to its end however long its token endpoint has been
down: a failed refresh is a fact to be shown, not a reason to stop.

A provider that refuses a token may know something that we don't (it was revoked, or the clocks differ), so one refusal asks
for another token. If that is refused as well, tokens are not the trouble: from then on the credential is held like any
other, and no refusal asks again before a token has been accepted.

Invariants: counts only grow; looking changes nothing. Refuses to know how tokens are fetched and when.
"""

import enum
import math
from collections.abc import Callable

from proxy.core.outcome import OutcomeKind
from proxy.policy.holds import Holding


class Standing(enum.StrEnum):
    """`FAILING`: the last refresh brought no token; the one before, if there was one, still lives."""

    WAITING = "waiting"
    USABLE = "usable"
    FAILING = "refresh_failing"
    EXPIRED = "expired"


class Renewal(enum.StrEnum):
    """How a refresh ended. `REFUSED`: the token endpoint has spoken, and asking again soon will not help."""

    RENEWED = "renewed"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    REFUSED = "refused"


class _Trust(enum.Enum):
    GOOD = enum.auto()  # nothing speaks against it
    ASKED = enum.auto()  # refused; another token was asked for, and may still be on its way
    DOUBTED = enum.auto()  # the issuer has given one, which was not accepted yet


class Lease:
    """One credential's token. `ends` is loop time: -inf while there never was a token, inf if it lasts as long as it is
    accepted. `hold` is what speaks for the credential while it has none. `error` is the last refresh's, None: it brought
    a token. `shown` is the standing that was reported last. `on_refused` asks for another token; set by who fetches."""

    __slots__ = ("_trust", "ends", "error", "hold", "on_refused", "results", "shown")

    def __init__(self) -> None:
        self.ends = -math.inf
        self.error: str | None = None
        self.hold = Holding()
        self.hold.kind = OutcomeKind.AUTH_FAILED
        self.hold.cause = "its first token has not arrived yet"
        self.shown = Standing.WAITING
        self.results: dict[Renewal, int] = {}
        self.on_refused: Callable[[], None] | None = None
        self._trust = _Trust.GOOD

    def __repr__(self) -> str:
        return f"<Lease until {self.ends:.1f}, {self._trust.name.lower()}, last error {self.error!r}>"

    def standing(self, now: float) -> Standing:
        if not self.waiting and self.ends <= now:
            return Standing.EXPIRED
        if self.error is not None:
            return Standing.FAILING
        return Standing.WAITING if self.waiting else Standing.USABLE

    @property
    def waiting(self) -> bool:
        """It never had a token."""
        return self.ends == -math.inf

    def extend(self, ends: float | None, new: bool) -> bool:
        """A refresh brought a token, a `new` one or the same. True: a refusal had asked for it."""
        self._count(Renewal.RENEWED if new else Renewal.UNCHANGED)
        self.ends = math.inf if ends is None else ends
        self.error = None
        self.hold.cause = "its token has expired"
        self.hold.since = self.hold.until = self.ends
        if self._trust is not _Trust.ASKED:
            return False
        self._trust = _Trust.DOUBTED
        return new

    def keep(self, error: str, refused: bool, next_at: float) -> None:
        """A refresh brought no token; the next one is tried at `next_at`. `error` is a sentence without a full stop."""
        self._count(Renewal.REFUSED if refused else Renewal.FAILED)
        self.error = error
        what = "it has no token yet" if self.waiting else "its token has expired"
        self.hold.cause = f"{what}: {error}"
        self.hold.until = max(next_at, self.ends)

    def accepted(self) -> None:
        """The provider took the token; perhaps, after a refusal, in a call that began before it."""
        if self._trust is _Trust.DOUBTED:
            self._trust = _Trust.GOOD

    def refused(self) -> None:
        """The provider refused the token."""
        if self._trust is _Trust.GOOD and self.on_refused is not None:
            self._trust = _Trust.ASKED
            self.on_refused()

    def _count(self, result: Renewal) -> None:
        self.results[result] = self.results.get(result, 0) + 1
