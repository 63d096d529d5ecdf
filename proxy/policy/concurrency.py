"""How many requests a target takes at a time, learned from its own words and from its hesitation.

A limit is additive increase, multiplicative decrease, as congestion control has it. A target that refuses for want of
capacity (529, "overloaded", a 429 that names no time) shrinks it by a tenth, once per round trip: what was sent before the
last step says nothing about it. Each round trip of answers at the limit widens it by one, only every fourth near the level
that was too much the last time. There is no limit until a target
has pushed back twice within `TWICE` seconds, since a lone refusal is about the others' load more often than about ours; and
a limit that nobody has touched for a while is forgotten.

The other sign is queueing (`Crowding`): requests sent into a full house begin much later than those sent, at the same time,
into an empty one. If shrinking does not make them begin sooner, it was something else, and the limit goes.

Invariants: the limit is never below 1, so a target is never starved; everything is O(1), without a clock of its own; what
looks (`has_room`) changes nothing.
"""

from collections.abc import Callable
from math import exp, inf, log

from proxy.core.outcome import Outcome, OutcomeKind

SHRINK = 0.9
#: Round trips for one step towards the level that was refused last, and how near that is.
CAREFUL = 4
NEAR = 2.0
#: Seconds within which the second refusal must follow the first.
TWICE = 30.0
#: Seconds (or round trips, if those take longer) after which an untouched limit is forgotten.
CALM = 60.0
CALM_TRIPS = 4.0
#: Requests begin so many times later in a full house before it counts as queueing, and at least so many seconds.
CROWDED = log(3.0)
LEAST_DELAY = 0.25
#: Seconds, or round trips, since the last answer in which a target counts as serving.
SERVING = 1.0
SERVING_TRIPS = 2.0
#: Samples of either sort that are needed, and as many as the averages look back.
ENOUGH = 16
#: In flight at least, for a house to be full.
LEAST_PEAK = 8.0
#: Steps after which shrinking must have shown an effect, and which one.
PATIENCE = 4
RELIEF = log(1.1)
#: Seconds for which queueing is not looked for after it was something else.
BLIND = 600.0


def is_pushback(outcome: Outcome) -> bool:
    """Does this outcome say that the target has too much to do now? A 429 that names its reset is a budget, and held. What
    has neither a status nor a type was said by nobody but us: our own connections to it were used up."""
    kind = outcome.kind
    if outcome.status is None and outcome.type is None:
        return False
    return kind is OutcomeKind.OVERLOADED or (kind is OutcomeKind.RATE_LIMITED and outcome.retry_after is None)


class Level:
    """A geometric average of seconds over the last samples: times to first content have a long tail."""

    __slots__ = ("at", "count", "value")

    def __init__(self) -> None:
        self.count = 0
        self.value = 0.0  # of the logarithms
        self.at = 0.0

    def observe(self, seconds: float, now: float) -> None:
        self.count = count = min(self.count + 1, ENOUGH)
        self.value += (log(max(seconds, 1e-6)) - self.value) / count
        self.at = now

    def known(self, now: float) -> bool:
        return self.count >= ENOUGH and now - self.at <= CALM


class Crowding:
    """Does a target begin its answers later when it has more to do? Both averages move with everything else that may
    happen to it; only their distance is about the crowd."""

    __slots__ = ("busy", "peak", "quiet")

    def __init__(self) -> None:
        self.peak = 0.0
        self.quiet = Level()
        self.busy = Level()

    def observe(self, depth: int, seconds: float, now: float) -> str | None:
        """Take in a time to first content. `depth`: requests that were in flight when this one was sent, itself included.
        What to say of it, if it is queueing; then the full house is measured afresh."""
        peak = self.peak
        self.peak = peak = float(depth) if depth > peak else peak - (peak - depth) / 64
        if depth * 4 <= peak:
            self.quiet.observe(seconds, now)
            return None
        if peak < LEAST_PEAK or depth * 4 < peak * 3:
            return None
        self.busy.observe(seconds, now)
        return self._judge(depth, now)

    def _judge(self, depth: int, now: float) -> str | None:
        quiet, busy = self.quiet, self.busy
        if not (busy.known(now) and quiet.known(now)) or busy.value - quiet.value < CROWDED:
            return None
        late, usual = exp(busy.value), exp(quiet.value)
        if late - usual < LEAST_DELAY:
            return None
        busy.count = 0
        return f"with {depth} requests in flight it takes {late:.1f} s to begin, with few {usual:.1f} s"


class ConcurrencyLimit:
    """The limit of one target. `limit`: requests at a time, infinite while there is none; `cause`: why it is there. `tell`
    hears of the two states it can be in: before, after, why, and when."""

    __slots__ = (
        "_answered_at",
        "_blind_until",
        "_ceiling",
        "_crowding",
        "_late",
        "_pushed_at",
        "_shrunk_at",
        "_steps",
        "_tell",
        "_touched_at",
        "_trip",
        "cause",
        "limit",
    )

    def __init__(self, tell: Callable[[str, str, str, float], None]) -> None:
        self._tell = tell
        self.limit = inf
        self.cause = ""
        self._crowding = Crowding()
        self._answered_at = -inf
        self._pushed_at = -inf
        self._shrunk_at = -inf
        self._ceiling = inf  # what was too much
        self._touched_at = -inf
        self._trip = 0.0
        self._steps = 0  # taken because of queueing alone
        self._late = 0.0  # level of the full house when they began
        self._blind_until = -inf

    def __repr__(self) -> str:
        return f"<ConcurrencyLimit {self.limit:.1f}>"

    @property
    def known(self) -> int | None:
        """Requests at a time; None: no limit."""
        return None if self.limit == inf else int(self.limit)

    def excuses(self, outcome: Outcome, now: float) -> bool:
        """Is this a want of capacity at a target that serves others all the while? Then fewer requests are the remedy, and
        its breaker would only take away what it can do."""
        return is_pushback(outcome) and now - self._answered_at <= max(SERVING, SERVING_TRIPS * self._trip)

    def has_room(self, in_flight: int, now: float) -> bool:
        """May one more be sent?"""
        return in_flight + 1 <= self.limit or self._is_stale(now)

    def ended(self, outcome: Outcome, started: float, in_flight: int, now: float) -> None:
        """A request sent at `started` is over, one of `in_flight`."""
        if outcome.ok:
            self._answered(started, in_flight, now)
        elif is_pushback(outcome):
            self._refused(outcome, started, in_flight, now)

    def _refused(self, outcome: Outcome, started: float, in_flight: int, now: float) -> None:
        alone = now - self._pushed_at > TWICE
        self._pushed_at = self._touched_at = now
        self._steps = 0
        if self.limit == inf and alone:
            return
        said = f"status {outcome.status}" if outcome.status is not None else "overload"
        if outcome.message:
            said += f", {outcome.message[:80].rstrip('. ')}"
        self._shrink(started, in_flight, now, f"it refused some of {in_flight} requests in flight ({said})")

    def _answered(self, started: float, in_flight: int, now: float) -> None:
        self._answered_at = now
        trip = now - started
        self._trip += (trip - self._trip) / 16
        limit = self.limit
        if limit == inf:
            return
        if self._is_stale(now):
            self._forget("it has not pushed back for a while", now)
        elif in_flight + 1 > limit:
            self._touched_at = now
            trips = CAREFUL if abs(self._ceiling - limit) < NEAR else 1
            self.limit = limit + 1 / (limit * trips)

    def began(self, depth: int, started: float, in_flight: int, now: float) -> None:
        """A request sent at `started`, as one of `depth`, has its first content."""
        if started < self._shrunk_at or now < self._blind_until:
            return
        cause = self._crowding.observe(depth, now - started, now)
        if cause is None:
            return
        late = self._crowding.busy.value
        if self._steps == 0:
            self._late = late
        elif self._steps >= PATIENCE:
            if late > self._late - RELIEF:
                self._blind_until = now + BLIND
                self._forget("it begins no sooner with fewer requests", now)
                return
            self._steps, self._late = 0, late
        self._steps += 1
        self._touched_at = now
        self._shrink(started, in_flight, now, cause)

    def _shrink(self, started: float, in_flight: int, now: float, cause: str) -> None:
        if started < self._shrunk_at:
            return
        self._shrunk_at = now
        self.cause = cause
        self._ceiling = level = min(self.limit, in_flight)
        known = self.known
        self.limit = max(1.0, level * SHRINK)
        if known is None:
            self._tell("unlimited", "limited", cause, now)

    def _is_stale(self, now: float) -> bool:
        return now - self._touched_at > max(CALM, CALM_TRIPS * self._trip)

    def _forget(self, why: str, now: float) -> None:
        self._tell("limited", "unlimited", why, now)
        self.limit = inf
        self.cause = ""
        self._steps = 0
        self._ceiling = inf
        self._pushed_at = self._shrunk_at = -inf
