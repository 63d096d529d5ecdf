"""From histories to findings: counting, and nothing but counting."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.core.records import CallRecord, StateChange
from proxy.core.settings import Route, Settings
from proxy.rehearse.casting import Cast
from proxy.rehearse.findings import Figures, Findings, Load, Silence, Slice, Stretch
from proxy.rehearse.outage import Outage
from proxy.rehearse.stage import History
from proxy.rehearse.visit import Visit
from proxy.tokens.prices import cost

SLICES = 72
#: Seconds without a word after which a person at a screen wonders.
SILENT = 8.0
#: States in which a target takes all the traffic there is.
CALM = frozenset({"closed", "free", "usable", "ready", "available"})
#: States that take it out.
OUT = frozenset({"open", "held", "expired"})


@dataclass(frozen=True, slots=True)
class Takes:
    """Both takes of one outage: with the proxy and without."""

    settings: Settings
    outage: Outage
    cast: Cast
    rps: float
    proxied: History
    direct: Sequence[Visit]


def measure(takes: Takes) -> Findings:
    """Everything that is told of one outage."""
    outage, cast, history = takes.outage, takes.cast, takes.proxied
    clock, visits = cast.clock, history.visits
    bare = uncovered(takes.settings, cast.hit)
    records = history.notes.calls
    preferred = _Preferences(takes.settings)
    spent = [attempt for record in records for attempt in record.attempts if attempt.usage is not None]
    return Findings(
        name=outage.name,
        title=outage.title,
        date=outage.date,
        source=outage.source,
        evidence=outage.evidence,
        note=outage.note,
        published=outage.length,
        hit=list(cast.hit),
        as_if=cast.as_if,
        seconds=clock.seconds,
        begins=clock.lead,
        ends=clock.lead + clock.length,
        squeeze=clock.squeeze,
        rps=takes.rps,
        direct=count(takes.direct),
        proxied=count(visits),
        covered=count([visit for visit in visits if visit.route not in bare]),
        rerouted=sum(preferred.passed_over(record) for record in records),
        attempts=sum(len(record.attempts) for record in records),
        wasted=sum(a.usage.total for a in spent if a.usage is not None and not a.delivered),
        extra_cost=sum(preferred.extra(record) for record in records),
        unpriced=sum(attempt.cost is None for attempt in spent),
        cost=sum(attempt.cost or 0 for attempt in spent),
        detected=detect(takes),
        queued=sum(record.waited > 0 for record in records),
        longest_queue=max((record.waited for record in records), default=0.0),
        slices=cut(takes),
        states=trace(history, clock.seconds),
        loads=weigh(records),
        silences=hear_silence(visits),
        failures=blame(visits),
        uncovered_routes=sorted(bare),
        promise=outage.promise,
    )


def count(visits: Sequence[Visit]) -> Figures:
    """The figures of these visits."""
    answered = [visit for visit in visits if visit.answered]
    timed = [v for v in answered if v.stream] or answered
    waits = sorted(visit.waited for visit in timed if visit.waited is not None)
    return Figures(
        requests=len(visits),
        answered=len(answered),
        p50=_quantile(waits, 0.5),
        p99=_quantile(waits, 0.99),
        slowest=waits[-1] if waits else None,
        wrong=sum(visit.wrong for visit in visits),
        errors=dict(Counter(visit.reason for visit in visits if not visit.answered)),
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def uncovered(settings: Settings, hit: Sequence[str]) -> set[str]:
    """Routes whose targets are all at providers that are hit."""
    names = set(hit)
    return {
        route.name
        for route in settings.routes
        if route.targets and all(target.provider in names for target in route.targets)
    }


class _Preferences:
    """Whom each route asks first, and what that costs."""

    def __init__(self, settings: Settings) -> None:
        self._routes: Mapping[str, Route] = {route.name: route for route in settings.routes if route.tiers}

    def passed_over(self, record: CallRecord) -> bool:
        """Was the call answered by another than who was to answer it?"""
        route = self._routes.get(record.route)
        if route is None or record.served_by is None:
            return False
        return record.served_by not in {target.id for target in route.tiers[0]} or (
            record.attempts[0].target != record.served_by
        )

    def extra(self, record: CallRecord) -> int:
        """What this call cost beyond what its first choice would have cost for the answer it got. What has no price, or has
        nothing to be compared with, counts nothing."""
        route = self._routes.get(record.route)
        total = 0
        for attempt in record.attempts:
            if attempt.usage is None or attempt.cost is None:
                continue
            total += attempt.cost
            if attempt.delivered:
                first = route.tiers[0] if route is not None else ()
                usual = attempt.cost
                if first and attempt.target not in {target.id for target in first}:
                    compared = cost(attempt.usage, first[0].price)
                    usual = attempt.cost if compared is None else compared
                total -= usual
        return total


def detect(takes: Takes) -> float | None:
    """Seconds from an onset until a target or a credential of whom it hit was taken out; of the longest. An onset that
    nothing was sent into, or that is over before anything happens, says nothing."""
    clock, epoch = takes.cast.clock, takes.proxied.epoch
    onsets = [clock.place(at) for at in takes.outage.onsets()]
    changes = [c.at - epoch for c in takes.proxied.notes.changes if _word(c) in OUT and _belongs(c, takes.cast.hit)]
    longest: float | None = None
    for number, onset in enumerate(onsets):
        until = onsets[number + 1] if number + 1 < len(onsets) else clock.lead + clock.length
        noticed = next((at for at in changes if onset <= at <= until), None)
        if noticed is not None and (longest is None or noticed - onset > longest):
            longest = noticed - onset
    return longest


def _word(change: StateChange) -> str:
    """The new state without what it is confined to: a key may be `held for` one model."""
    return change.after.partition(" ")[0]


def _belongs(change: StateChange, hit: Sequence[str]) -> bool:
    return any(change.subject.startswith((f"{name}/", f"{name}#")) for name in hit)


def cut(takes: Takes) -> list[Slice]:
    """The whole time in equal slices."""
    seconds = takes.cast.clock.seconds
    width = seconds / SLICES
    edges = [width * number for number in range(SLICES)]
    requests, direct, proxied = Counter[int](), Counter[int](), Counter[int]()
    served: dict[int, Counter[str]] = defaultdict(Counter)
    by_call = {record.id: record.served_by for record in takes.proxied.notes.calls}
    for visit in takes.proxied.visits:
        place = bisect_right(edges, visit.at) - 1
        requests[place] += 1
        proxied[place] += not visit.answered
        target = by_call.get(visit.call)
        if visit.answered and target is not None:
            served[place][target] += 1
    for visit in takes.direct:
        direct[bisect_right(edges, visit.at) - 1] += not visit.answered
    return [Slice(edges[n], requests[n], direct[n], proxied[n], dict(served[n])) for n in range(SLICES)]


def trace(history: History, seconds: float) -> dict[str, list[Stretch]]:
    """For each target and credential that ever was in another state than a calm one: its states in order. Endpoints of one
    target are told together, by what happened last."""
    changes: dict[str, list[StateChange]] = defaultdict(list)
    for change in history.notes.changes:
        changes[change.subject].append(change)
    traced = {}
    for subject, own in changes.items():
        stretches = _stretches(own, history.epoch, seconds)
        if stretches:
            traced[subject] = stretches
    return dict(sorted(traced.items()))


def _stretches(changes: Sequence[StateChange], epoch: float, seconds: float) -> list[Stretch]:
    made: list[Stretch] = []
    for number, change in enumerate(changes):
        start = max(0.0, change.at - epoch)
        end = changes[number + 1].at - epoch if number + 1 < len(changes) else seconds
        # A hold ends by itself; nobody reports that.
        state = _word(change)
        if state == "held" and change.until is not None:
            end = min(end, change.until - epoch)
        if state not in CALM and end > start:
            made.append(Stretch(start, min(end, seconds), state, change.cause))
    return made


def weigh(records: Sequence[CallRecord]) -> dict[str, Load]:
    """What each target had to carry."""
    edges: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for record in records:
        for attempt in record.attempts:
            edges[attempt.target] += [(attempt.started_at, 1), (attempt.ended_at, -1)]
    loads = {}
    for target, moments in sorted(edges.items()):
        level = peak = 0
        for _, step in sorted(moments):
            level += step
            peak = max(peak, level)
        loads[target] = Load(peak, len(moments) // 2)
    return loads


def hear_silence(visits: Sequence[Visit]) -> dict[str, Silence]:
    """By route: streams that were silent for longer than anybody likes, whatever became of them."""
    waits: dict[str, list[float]] = defaultdict(list)
    for visit in visits:
        wait = visit.waited if visit.waited is not None else visit.ended - visit.at
        if visit.stream and wait > SILENT:
            waits[visit.route].append(wait)
    return {route: Silence(len(found), max(found)) for route, found in sorted(waits.items())}


def blame(visits: Sequence[Visit]) -> dict[str, dict[str, int]]:
    """By route: why requests were not answered."""
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for visit in visits:
        if not visit.answered:
            reasons[visit.route][visit.reason] += 1
    return {route: dict(found) for route, found in sorted(reasons.items())}
