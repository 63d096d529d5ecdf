"""Counters of everything since the start, in memory: what `/metrics`, `/usage` and the demo show.

A call is counted once, when it has ended, with plain integer additions; nothing is rendered before somebody asks. An attempt
is counted under its own target: for money and tokens all attempts count, for requests only the call. Tokens and cost of
attempts whose output nobody received are counted a second time as waste, by what went wrong.

The number of lines is bounded. Routes and targets come from the configuration, but where clients may name targets
themselves they could invent any number: past `MAX_LINES` new ones are booked under `other`.
"""

from collections.abc import Mapping

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, Purpose, StateChange
from proxy.core.usage import Usage, UsageSource
from proxy.stores.histogram import DURATION, FIRST_CONTENT, WAITED, Histogram
from proxy.stores.recent import SECONDS, Recent

OTHER = "other"
MAX_LINES = 1000

#: Attempts that ended because of us or the client say nothing about a target.
NOT_FAILURES = frozenset(
    {
        OutcomeKind.OK,
        OutcomeKind.UNCONVINCING,
        OutcomeKind.OUTPACED,
        OutcomeKind.SUPERSEDED,
        OutcomeKind.DIVERGED,
        OutcomeKind.CLIENT_GONE,
        OutcomeKind.SHUTDOWN,
    }
)
#: Looked up once: members of an enum take a while to be found, and every attempt asks.
_RESUME = Purpose.RESUME

#: Route, endpoint, streamed, outcome, the status that the client was told.
CallKey = tuple[str, Endpoint, bool, OutcomeKind, int]


class TokenCount:
    """Tokens from one kind of source. `cached` and `cache_write` are part of `input`, `reasoning` of `output`."""

    __slots__ = ("cache_write", "cached", "input", "output", "reasoning")

    def __init__(self) -> None:
        self.input = 0
        self.cached = 0
        self.cache_write = 0
        self.output = 0
        self.reasoning = 0

    def add(self, usage: Usage) -> None:
        self.input += usage.input
        self.output += usage.output
        # Most attempts have none of these.
        if usage.cached:
            self.cached += usage.cached
        if usage.cache_write:
            self.cache_write += usage.cache_write
        if usage.reasoning:
            self.reasoning += usage.reasoning


class Waste:
    """What attempts used that nobody received."""

    __slots__ = ("attempts", "cost", "input", "output")

    def __init__(self) -> None:
        self.attempts = 0
        self.input = 0
        self.output = 0
        self.cost = 0


class Line:
    """One target within one route. `cost` in nano-dollars; `priced` and `unpriced`: attempts that used tokens, with and
    without a price; `possibly_billed`: attempts that were cut off and may be billed beyond what was counted; `resumes`:
    attempts to go on with a stream that was cut, by outcome."""

    __slots__ = (
        "attempts",
        "contradictory",
        "cost",
        "delivered",
        "possibly_billed",
        "priced",
        "resumes",
        "tokens",
        "unpriced",
        "wasted",
    )

    def __init__(self) -> None:
        self.resumes: dict[OutcomeKind, int] = {}
        self.attempts: dict[OutcomeKind, int] = {}
        self.tokens: dict[UsageSource, TokenCount] = {}
        self.wasted: dict[OutcomeKind, Waste] = {}
        self.delivered = 0
        self.cost = 0
        self.priced = 0
        self.unpriced = 0
        self.possibly_billed = 0
        self.contradictory = 0

    def add(self, attempt: AttemptRecord) -> None:
        kind = attempt.outcome.kind
        self.attempts[kind] = self.attempts.get(kind, 0) + 1
        if attempt.purpose is _RESUME:
            self.resumes[kind] = self.resumes.get(kind, 0) + 1
        if attempt.delivered:
            self.delivered += 1
        if attempt.possibly_billed:
            self.possibly_billed += 1
        usage = attempt.usage
        if usage is None:
            return
        tokens = self.tokens.get(usage.source)
        if tokens is None:
            tokens = self.tokens[usage.source] = TokenCount()
        tokens.add(usage)
        if usage.contradicts:
            self.contradictory += 1
        cost = attempt.cost
        if cost is None:
            self.unpriced += 1
        else:
            self.priced += 1
            self.cost += cost
        if not attempt.delivered:
            self._waste(kind, usage, cost or 0)

    def _waste(self, kind: OutcomeKind, usage: Usage, cost: int) -> None:
        waste = self.wasted.get(kind)
        if waste is None:
            waste = self.wasted[kind] = Waste()
        waste.attempts += 1
        waste.input += usage.input
        waste.output += usage.output
        waste.cost += cost


class RouteLine:
    """One route: how long its calls took, and how much of that they waited here (queue and backoff)."""

    __slots__ = ("duration", "waited")

    def __init__(self) -> None:
        self.duration = Histogram(DURATION)
        self.waited = Histogram(WAITED)


class TargetLine:
    """One target over all routes."""

    __slots__ = ("first_content", "recent")

    def __init__(self) -> None:
        self.first_content = Histogram(FIRST_CONTENT)
        self.recent = Recent()


class ProbeLine:
    """Active probes of one target and kind."""

    __slots__ = ("cost", "failed", "passed", "tokens")

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.tokens = 0
        self.cost = 0


class Tally:
    """A sink that counts. `since` is the Unix time of the start; the dicts are read by `usage` and `server/metrics`."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.calls: dict[CallKey, int] = {}
        self.lines: dict[tuple[str, str], Line] = {}
        self.routes: dict[str, RouteLine] = {}
        self.targets: dict[str, TargetLine] = {}
        self.failovers: dict[tuple[str, str, str], int] = {}
        self.probes: dict[tuple[str, str], ProbeLine] = {}
        self.changes: dict[tuple[str, str], int] = {}

    def __repr__(self) -> str:
        return f"<Tally {sum(self.calls.values())} calls, {len(self.lines)} lines>"

    def call_finished(self, record: CallRecord) -> None:
        route = record.route
        line = self.routes.get(route)
        if line is None:
            route = _bounded(self.routes, route)
            line = self.routes.setdefault(route, RouteLine())
        line.duration.add(record.ended_at - record.started_at)
        line.waited.add(record.waited)
        key = (route, record.endpoint, record.stream, record.outcome, record.status)
        self.calls[key] = self.calls.get(key, 0) + 1
        before = None
        for attempt in record.attempts:
            target = self._attempt(route, attempt)
            if before is not None and before != target:
                hop = (route, before, target)
                self.failovers[hop] = self.failovers.get(hop, 0) + 1
            before = target

    def _attempt(self, route: str, attempt: AttemptRecord) -> str:
        """Count one attempt; gives the name it was counted under."""
        target = attempt.target
        seen = self.targets.get(target)
        if seen is None:
            target = _bounded(self.targets, target)
            seen = self.targets.setdefault(target, TargetLine())
        began = attempt.first_content_at
        if began is not None:
            seen.first_content.add(began - attempt.started_at)
        seen.recent.add(attempt.ended_at, attempt.outcome.kind not in NOT_FAILURES)
        line = self.lines.get((route, target))
        if line is None:
            line = self.lines[route, target] = Line()
        line.add(attempt)
        return target

    def state_changed(self, change: StateChange) -> None:
        key = (change.subject, change.after)
        if key not in self.changes and len(self.changes) >= MAX_LINES:
            key = (OTHER, change.after)
        self.changes[key] = self.changes.get(key, 0) + 1

    def probed(self, record: ProbeRecord) -> None:
        key = (record.target, record.kind)
        line = self.probes.get(key)
        if line is None:
            key = (record.target if len(self.probes) < MAX_LINES else OTHER, record.kind)
            line = self.probes.setdefault(key, ProbeLine())
        if record.ok:
            line.passed += 1
        else:
            line.failed += 1
        if record.usage is not None:
            line.tokens += record.usage.total
        line.cost += record.cost or 0

    def recent(self, target: str, now: float) -> list[tuple[int, int]]:
        """(attempts, failures) of each of the last 60 seconds, the oldest first; `now` in loop time."""
        line = self.targets.get(target)
        return list(line.recent.seconds(now)) if line is not None else [(0, 0)] * SECONDS


def _bounded(known: Mapping[str, object], name: str) -> str:
    return name if len(known) < MAX_LINES else OTHER
