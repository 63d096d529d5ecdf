"""Gathers from live state what the alert rules look at.

Everything is read where it stands anyway, every few seconds: breakers, credentials, counters, the ledger's state. So the
path of a request knows nothing of alerts, and pays nothing for them. The hours of the past come from the ledger, off the
loop, and seldom.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from proxy.core.alarming import Budgets, Incidents
from proxy.core.limits import BudgetStanding
from proxy.core.outcome import OutcomeKind
from proxy.core.usage import UsageSource
from proxy.pipeline.routing import Routing
from proxy.policy.alerts.budgets import share_used, subject_of
from proxy.policy.alerts.figures import (
    HOUR,
    SIX_HOURS,
    SPANS,
    BudgetPace,
    Figures,
    Hours,
    LedgerStanding,
    Outage,
    Rejection,
    Traffic,
)
from proxy.policy.alerts.trails import Trail
from proxy.policy.breaker import CLOSED
from proxy.policy.credentials import CredentialState
from proxy.stores.ledger.contract import LedgerState
from proxy.stores.tally import Line, Tally
from proxy.wire.redaction import clean

#: Seconds between samples of sums.
STEP = 60.0
#: Seconds between two looks at budgets, and how many of them are looked at, the most used ones.
BUDGETS_EVERY = 30.0
MAX_BUDGETS = 300
MAX_ERROR = 300
#: What makes a credential useless until people do something.
_LASTING = frozenset({OutcomeKind.AUTH_FAILED, OutcomeKind.QUOTA_EXHAUSTED})


@dataclass(slots=True)
class Sources:
    """Where it is read. `ledger`, `rejected` give None where there is nothing; `hours` reads the ledger's sums from that
    hour (Unix time / 3600) on, None where there is no ledger; `budgets`, `incidents`: None where nobody keeps any."""

    routing: Callable[[], Routing]
    tally: Tally
    wall: Callable[[], float]
    ledger: Callable[[], LedgerState | None] = lambda: None
    rejected: Callable[[], str | None] = lambda: None
    hours: Callable[[int], Awaitable[Hours | None]] | None = None
    budgets: Budgets | None = None
    incidents: Incidents | None = None


class _Since:
    """When something became what it is, as far as we have seen."""

    __slots__ = ("at", "what")

    def __init__(self) -> None:
        self.what: object = None
        self.at = 0.0

    def note(self, what: object, now: float) -> float:
        if what != self.what:
            self.what, self.at = what, now
        return self.at


_FIELDS = ("tokens", "estimated", "attempts", "unpriced")


class Sightings:
    """Makes `Figures` at every look. `hours` of them are those read last, by `refresh`."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.hours: Hours | None = None
        self._loop = asyncio.get_running_loop()
        self._traffic: dict[str, tuple[Trail, ...]] = {}
        self._looked = False
        self._budgets: dict[str, Trail] = {}
        self._budgets_due = 0.0
        self._paces: Sequence[BudgetPace] = ()
        self._ledger_since = _Since()
        self._rejected_since = _Since()

    def look(self) -> Figures:
        """Everything as it stands now."""
        now = self.sources.wall()
        return Figures(
            now=now,
            budgets=self._look_at_budgets(now),
            hours=self.hours,
            targets=list(self._outages(now)),
            credentials=list(self._refusals(now)),
            traffic=self._look_at_traffic(now),
            ledger=self._look_at_ledger(now),
            rejection=self._look_at_config(now),
            incidents=self.sources.incidents.open_incidents() if self.sources.incidents is not None else (),
        )

    async def refresh(self, since: int) -> None:
        """Read the hours of the past again; where that fails they stay unknown."""
        if self.sources.hours is not None:
            self.hours = await self.sources.hours(since)

    def _look_at_budgets(self, now: float) -> Sequence[BudgetPace]:
        """Seldom: there may be one for each of very many keys, and what is told of them can wait for half a minute."""
        if self.sources.budgets is not None and self._loop.time() >= self._budgets_due:
            self._budgets_due = self._loop.time() + BUDGETS_EVERY
            standings = self.sources.budgets.standings(now)
            if len(standings) > MAX_BUDGETS:
                standings = heapq.nlargest(MAX_BUDGETS, standings, key=share_used)
            self._paces = self._pace(standings, now)
        return self._paces

    def _pace(self, standings: Sequence[BudgetStanding], now: float) -> Sequence[BudgetPace]:
        subjects = [subject_of(standing) for standing in standings]
        self._budgets = {subject: self._budgets.get(subject) or Trail(SIX_HOURS, STEP) for subject in subjects}
        found = []
        for subject, standing in zip(subjects, standings, strict=True):
            trail = self._budgets[subject]
            trail.note(now, standing.spent)
            found.append(BudgetPace(standing, {seconds: trail.pace(now, seconds) for seconds in SPANS}))
        return found

    def _outages(self, now: float) -> Iterator[Outage]:
        loop_now = self._loop.time()
        routing = self.sources.routing()
        out = {
            (state.id, endpoint): (state.provider, standing)
            for state in routing.states()
            for endpoint in state.endpoints
            if (standing := state.standing(endpoint, loop_now)).state != CLOSED
        }
        for (target, endpoint), (provider, standing) in out.items():
            stranded = [
                route.route.name
                for route in routing.routes
                if target in (ids := [candidate.target.id for candidate in route.candidates])
                and all((one, endpoint) in out for one in ids)
            ]
            since = now if standing.since is None else now - (loop_now - standing.since)
            yield Outage(f"{target} ({endpoint.value})", provider, since, standing.cause, stranded)

    def _refusals(self, now: float) -> Iterator[Outage]:
        loop_now = self._loop.time()
        for name, ring in self.sources.routing().rings.items():
            for state in ring.credentials:
                outage = _refusal(state, name, now, loop_now)
                if outage is not None:
                    yield outage

    def _look_at_traffic(self, now: float) -> Sequence[Traffic]:
        sums: dict[str, list[int]] = {}
        for (_, target), line in self.sources.tally.lines.items():
            figures = _figures(line)
            before = sums.get(target)
            sums[target] = figures if before is None else [a + b for a, b in zip(before, figures, strict=True)]
        found = []
        for target, values in sums.items():
            trails = self._traffic.get(target)
            if trails is None:
                trails = self._traffic[target] = tuple(Trail(HOUR, STEP) for _ in _FIELDS)
                if self._looked:  # it was not there before, so it has risen from nothing
                    for trail in trails:
                        trail.note(now - STEP, 0)
            for trail, value in zip(trails, values, strict=True):
                trail.note(now, value)
            found.append(Traffic(target, *(trail.rise(now, HOUR) for trail in trails)))
        self._looked = True
        return found

    def _look_at_ledger(self, now: float) -> LedgerStanding | None:
        state = self.sources.ledger()
        if state is None:
            return None
        since = self._ledger_since.note(state.state, now)
        return LedgerStanding(state.state, since, state.waiting, state.lost, state.error)

    def _look_at_config(self, now: float) -> Rejection | None:
        error = self.sources.rejected()
        since = self._rejected_since.note(error, now)
        return None if error is None else Rejection(since, clean(error, MAX_ERROR))


def _figures(line: Line) -> list[int]:
    tokens = {source: count.input + count.output for source, count in line.tokens.items()}
    estimated = sum(count for source, count in tokens.items() if source is not UsageSource.PROVIDER)
    return [sum(tokens.values()), estimated, line.priced + line.unpriced, line.unpriced]


def _refusal(state: CredentialState, provider: str, now: float, loop_now: float) -> Outage | None:
    hold = state.holding("", loop_now)
    lease = state.lease
    first = lease is not None and lease.waiting and lease.error is None  # its first token is still on its way
    if hold is None or hold.kind not in _LASTING or first:
        return None
    since = now - (loop_now - hold.since) if hold.since else now
    cause = lease.error if lease is not None and lease.error and loop_now >= lease.ends else hold.cause
    return Outage(state.credential.id, provider, since, cause)
