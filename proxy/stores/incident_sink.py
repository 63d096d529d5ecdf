"""Incidents from what flows through: a sink that tells `policy/incidents.py` what happened, and each call which incident it
fell into.

It stands before the other sinks, so that a call's record names its incident wherever it is written down. A call is touched
by an incident if an attempt at one of its targets failed, if it was answered elsewhere because of it, or if it was answered
by one of its targets more slowly than that used to be. What it cost is counted from there: attempts that nobody received,
and the difference in price where both are known.

Must not block and does not raise; where incidents are kept on disk is `incident_file.py`.
"""

from collections import deque
from collections.abc import Callable, Sequence

from proxy.core.alarming import IncidentNotice, Severity
from proxy.core.incidents import Incident, IncidentListener
from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, StateChange
from proxy.core.settings import Settings, Target
from proxy.policy.domains import host_of, wider_domains
from proxy.policy.incidents import IncidentBook
from proxy.tokens.prices import cost

#: Ends of a call or an attempt that are no fault of a provider.
_THEIRS = frozenset(
    {
        OutcomeKind.OK,
        OutcomeKind.CLIENT_GONE,
        OutcomeKind.OUTPACED,
        OutcomeKind.SUPERSEDED,
        OutcomeKind.DIVERGED,
        OutcomeKind.SHUTDOWN,
        OutcomeKind.BAD_REQUEST,
        OutcomeKind.CONTEXT_TOO_LONG,
        OutcomeKind.CONTENT_FILTERED,
        OutcomeKind.UNSUPPORTED,
        OutcomeKind.MODEL_NOT_FOUND,
    }
)
#: Attempts that failed by themselves say nothing about a target.
_NEUTRAL = _THEIRS - {OutcomeKind.OK}
#: Calls with a failed attempt that are remembered until an incident explains them, and for how many seconds.
_UNEXPLAINED, _WITHIN = 200, 60.0
#: An answer of a concerned target counts as slow beyond so many times what was usual.
_SLOW = 2.0


class IncidentSink:
    """See the module's text. `wall` is Unix time, `loop_time` the clock of the records. `listeners` hear of each incident
    when it begins and when it is over."""

    def __init__(self, wall: Callable[[], float], loop_time: Callable[[], float]) -> None:
        self._wall = wall
        self._loop_time = loop_time
        self.book = IncidentBook(self._relations, self._changed)
        self.listeners: list[IncidentListener] = []
        self._targets: dict[str, Target] = {}
        self._order: dict[str, Sequence[Sequence[str]]] = {}
        self._ordered: frozenset[str] = frozenset()
        self._domains: dict[str, frozenset[str]] = {}
        self._unexplained: deque[CallRecord] = deque(maxlen=_UNEXPLAINED)

    def use(self, settings: Settings) -> None:
        """Whom routes prefer to whom, what targets share and what they cost."""
        self._targets = {target.id: target for route in settings.routes for target in route.targets}
        self._order = {route.name: [[target.id for target in tier] for tier in route.tiers] for route in settings.routes}
        self._ordered = frozenset(route.name for route in settings.routes if route.strategy == "ordered")
        self._domains = {
            name: frozenset({name, host_of(provider), *wider_domains(provider), f"account {name}"})
            for name, provider in settings.providers.items()
        }

    # Views.

    def running(self) -> list[Incident]:
        """Those that have not ended."""
        self.book.settle(self._wall())
        return self.book.running()

    def open_incidents(self) -> list[IncidentNotice]:
        """The same, for alerts. One that clients have seen errors of is critical."""
        return [
            IncidentNotice(
                id=incident.id,
                text=incident.trigger,
                since=incident.started,
                provider=incident.targets[0].partition("/")[0] if incident.targets else "",
                severity=Severity.CRITICAL if incident.errors else Severity.WARNING,
            )
            for incident in self.running()
        ]

    def all(self) -> list[Incident]:
        """All that are remembered, the newest first."""
        self.book.settle(self._wall())
        return list(reversed(self.book.incidents))

    def find(self, identity: str) -> Incident | None:
        return next((incident for incident in self.all() if incident.id == identity), None)

    # Sink.

    def call_finished(self, record: CallRecord) -> None:
        book = self.book
        now = self._wall()
        failed = False
        for attempt in record.attempts:
            began = attempt.first_content_at
            ttft = None if began is None else began - attempt.started_at
            book.observe(attempt.target, attempt.outcome.kind.value, ttft, now)
            failed = failed or attempt.outcome.kind not in _THEIRS
        if book.concerned:
            incident = self._touched(record)
            if incident is not None:
                record.incident = incident.id
                self._count(incident, record)
                return
            book.settle(now)
        if failed:
            self._unexplained.append(record)

    def state_changed(self, change: StateChange) -> None:
        began = self.book.changed(change, self._wall())
        if began is None:
            return
        # The calls by which it was noticed were over before it had a name.
        since = self._loop_time() - _WITHIN
        for record in self._unexplained:
            if record.ended_at >= since and self._touched(record) is began:
                self._count(began, record)
        self._unexplained.clear()

    def probed(self, record: ProbeRecord) -> None:
        """Probes are nobody's calls."""

    # Counting.

    def _touched(self, record: CallRecord) -> Incident | None:
        concerned = self.book.concerned
        for attempt in record.attempts:
            incident = concerned.get(attempt.target)
            if incident is not None and (self._is_bad(attempt) or self._is_slow(attempt)):
                return incident
        for target in self._preferred(record):
            if target in concerned:
                return concerned[target]
        return None

    def _preferred(self, record: CallRecord) -> list[str]:
        """The targets that would have been asked before the one that answered; all, where none did. Of a tier that shares
        its load nobody can tell who would have been asked."""
        before: list[str] = []
        tiers = self._order.get(record.route, ())
        if record.served_by is None:
            return [] if record.outcome in _THEIRS else [target for tier in tiers for target in tier]
        for tier in tiers:
            if record.served_by in tier:
                return before + (list(tier[: tier.index(record.served_by)]) if record.route in self._ordered else [])
            before += tier
        return []

    def _count(self, incident: Incident, record: CallRecord) -> None:
        concerned = set(incident.targets)
        incident.calls += 1
        if record.outcome not in _THEIRS:
            incident.errors += 1
        served = next((attempt for attempt in record.attempts if attempt.delivered and attempt.outcome.ok), None)
        if served is not None and served.target not in concerned:
            incident.rerouted += 1
            incident.extra_cost += self._dearer(record, served)
        if served is not None:
            incident.extra_latency += served.started_at - record.attempts[0].started_at
            usual, began = self.book.usual.get(served.target), served.first_content_at
            if usual is not None and began is not None:
                incident.extra_latency += max(0.0, began - served.started_at - usual)
        for attempt in record.attempts:
            if attempt.target in concerned and not attempt.delivered:
                incident.wasted_tokens += 0 if attempt.usage is None else attempt.usage.total
                incident.extra_cost += attempt.cost or 0

    def _dearer(self, record: CallRecord, served: AttemptRecord) -> int:
        """What it cost beyond what the target would have charged that it was kept from; 0 where that is not known."""
        concerned = self.book.concerned
        tried = [attempt.target for attempt in record.attempts] + self._preferred(record)
        meant = self._targets.get(next((target for target in tried if target in concerned), ""))
        if meant is None or served.usage is None or served.cost is None:
            return 0
        price = meant.price if meant.tariff is None else meant.tariff.price(record.wall, None, served.usage.tier)
        would = cost(served.usage, price)
        return 0 if would is None else served.cost - would

    def _is_bad(self, attempt: AttemptRecord) -> bool:
        return not attempt.outcome.ok and attempt.outcome.kind not in _NEUTRAL

    def _is_slow(self, attempt: AttemptRecord) -> bool:
        usual, began = self.book.usual.get(attempt.target), attempt.first_content_at
        return usual is not None and began is not None and began - attempt.started_at > _SLOW * usual

    def _relations(self, subject: str) -> frozenset[str]:
        """What a target shares with others: the domains of its provider. Vendor and region are left out: two hosts of a
        vendor are two incidents until the vendor itself is suspect."""
        found = self._domains.get(subject.partition("/")[0], frozenset())
        return frozenset(name for name in found if not name.startswith(("vendor ", "region ")))

    def _changed(self, incident: Incident) -> None:
        for listener in self.listeners:
            listener(incident)
