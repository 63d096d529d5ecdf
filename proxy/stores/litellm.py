"""Counters in the words of LiteLLM, for dashboards that were drawn for it: a sink that is only there if somebody wants it.

LiteLLM counts what succeeded, by the client's key, the model asked for and the deployment that answered. Here tokens and
money are those of every attempt, as everywhere in this proxy: what a failed attempt cost was paid for.

Clients may bring names along (targets that they address themselves), so their number is bounded as the tally's is: past
`MAX_LINES` new ones are booked under `other`.
"""

from typing import TypeVar

from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, StateChange
from proxy.stores.histogram import DURATION, FIRST_CONTENT, Histogram
from proxy.stores.tally import MAX_LINES, NOT_FAILURES, OTHER

#: How a call may end without having failed.
BLAMELESS = NOT_FAILURES - {OutcomeKind.SHUTDOWN}

#: Route, target, key.
LineKey = tuple[str, str, str]
#: Route, key, status told.
CallKey = tuple[str, str, int]
#: Route, last target asked, status and outcome of the first attempt.
FallbackKey = tuple[str, str, int, OutcomeKind]
MANY: LineKey = (OTHER, OTHER, OTHER)
Counted = TypeVar("Counted")


class DeploymentLine:
    """One target for one route and key. `failures` by status (0: none came) and outcome; money in nano-dollars."""

    __slots__ = ("cost", "failures", "input", "output", "successes")

    def __init__(self) -> None:
        self.successes = 0
        self.failures: dict[tuple[int, OutcomeKind], int] = {}
        self.input = 0
        self.output = 0
        self.cost = 0

    def add(self, attempt: AttemptRecord) -> None:
        kind = attempt.outcome.kind
        if kind is OutcomeKind.OK:
            self.successes += 1
        elif kind not in NOT_FAILURES:
            failure = (attempt.status or 0, kind)
            self.failures[failure] = self.failures.get(failure, 0) + 1
        if attempt.usage is not None:
            self.input += attempt.usage.input
            self.output += attempt.usage.output
        self.cost += attempt.cost or 0


class LatencyLine:
    """One route and target: whole calls, single attempts, time to the first token of streams."""

    __slots__ = ("attempt", "call", "first")

    def __init__(self) -> None:
        self.call = Histogram(DURATION)
        self.attempt = Histogram(DURATION)
        self.first = Histogram(FIRST_CONTENT)


class LitellmTally:
    """A sink that counts as LiteLLM does."""

    def __init__(self) -> None:
        self.calls: dict[CallKey, int] = {}
        self.failures: dict[tuple[CallKey, OutcomeKind], int] = {}
        self.lines: dict[LineKey, DeploymentLine] = {}
        self.latencies: dict[tuple[str, str], LatencyLine] = {}
        self.fallbacks: dict[FallbackKey, int] = {}
        self.failed_fallbacks: dict[FallbackKey, int] = {}

    def __repr__(self) -> str:
        return f"<LitellmTally {sum(self.calls.values())} calls, {len(self.lines)} lines>"

    def call_finished(self, record: CallRecord) -> None:
        key = record.key or ""
        asked: CallKey = (record.route, key, record.status)
        _count(self.calls, asked, (OTHER, OTHER, record.status))
        if record.outcome not in BLAMELESS:
            _count(self.failures, (asked, record.outcome), ((OTHER, OTHER, record.status), record.outcome))
        for attempt in record.attempts:
            self._attempt(record, key, attempt)
        if record.attempts:
            last = record.served_by or record.attempts[-1].target
            self._latency(record.route, last).call.add(record.ended_at - record.started_at)
            first = record.attempts[0]
            if first.target != last and first.outcome.kind not in NOT_FAILURES:
                hops = self.fallbacks if record.outcome is OutcomeKind.OK else self.failed_fallbacks
                status, kind = first.status or 0, first.outcome.kind
                _count(hops, (record.route, last, status, kind), (OTHER, OTHER, status, kind))

    def _attempt(self, record: CallRecord, key: str, attempt: AttemptRecord) -> None:
        line = self.lines.get((record.route, attempt.target, key))
        if line is None:
            place = (record.route, attempt.target, key) if len(self.lines) < MAX_LINES else MANY
            line = self.lines.setdefault(place, DeploymentLine())
        line.add(attempt)
        if attempt.outcome.kind is OutcomeKind.OK:
            latency = self._latency(record.route, attempt.target)
            latency.attempt.add(attempt.ended_at - attempt.started_at)
            if record.stream and attempt.first_content_at is not None:
                latency.first.add(attempt.first_content_at - attempt.started_at)

    def _latency(self, route: str, target: str) -> LatencyLine:
        line = self.latencies.get((route, target))
        if line is None:
            place = (route, target) if len(self.latencies) < MAX_LINES else (OTHER, OTHER)
            line = self.latencies.setdefault(place, LatencyLine())
        return line

    def state_changed(self, change: StateChange) -> None:
        """The tally counts these already."""

    def probed(self, record: ProbeRecord) -> None:
        """LiteLLM's figures have no probes."""


def _count(counts: dict[Counted, int], key: Counted, otherwise: Counted) -> None:
    if key not in counts and len(counts) >= MAX_LINES:
        key = otherwise
    counts[key] = counts.get(key, 0) + 1
