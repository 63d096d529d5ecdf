"""From single verdicts to incidents: when one begins, what belongs to it, when it is over.

Decides that a breaker that opens, a target that detectors eject and a domain that becomes suspect are an incident, and that
those which have a domain in common while it lasts are the same one. It is over when nothing of it has been out of favour for
`CALM` seconds, and then it ended when the last of it came back. An incident that flaps is one incident.

Beside it, a short memory of every target (`Sketch`): what was observed in buckets of ten seconds. When an incident begins,
the last minute is what it began with.

Invariants: memory is bounded, whatever happens; a bucket is written once, when it is over. Refuses to know calls, prices
and files (`stores/incidents.py`); times are Unix seconds.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime

from proxy.core.incidents import Happening, Incident, Point
from proxy.core.records import StateChange

BUCKET = 10.0
#: Buckets of a target from before an incident that become part of it.
BEFORE = 6
CALM = 60.0
#: Points of one timeline: beyond that, two neighbours become one. Steps of one incident; incidents that are remembered.
MAX_POINTS = 600
MAX_HAPPENINGS = 200
MAX_INCIDENTS = 200
MAX_TARGETS = 500
#: Times to first content that are kept of one bucket.
_SAMPLES = 32

BAD = frozenset({"open", "ejected"})
GOOD = frozenset({"closed", "trusted"})
#: How the names of domains begin.
DOMAINS = frozenset({"host", "region", "vendor", "account"})
_WATCHED = BAD | GOOD | {"half_open", "on_trial"}

Relations = Callable[[str], Collection[str]]


class Sketch:
    """The bucket of one target that is being filled, and those before it."""

    __slots__ = ("_count", "_number", "_outcomes", "_samples", "past")

    def __init__(self) -> None:
        self.past: deque[tuple[int, dict[str, int], float | None]] = deque(maxlen=BEFORE)
        self._number = 0
        self._outcomes: dict[str, int] = {}
        self._samples: list[float] = []

    def observe(self, kind: str, ttft: float | None, now: float) -> bool:
        """An attempt is over. True: a new bucket began, so that the last of `past` is new."""
        number = int(now / BUCKET)
        turned = number != self._number and self.turn(number)
        outcomes = self._outcomes
        outcomes[kind] = outcomes.get(kind, 0) + 1
        if ttft is not None and len(self._samples) < _SAMPLES:
            self._samples.append(ttft)
        return turned

    def turn(self, number: int) -> bool:
        """Close the bucket, if there is anything in it."""
        closed = bool(self._outcomes)
        if closed:
            middle = sorted(self._samples)[len(self._samples) // 2] if self._samples else None
            self.past.append((self._number, self._outcomes, middle))
            self._outcomes, self._samples = {}, []
        self._number = number
        return closed

    def usual(self) -> float | None:
        """The median time to first content of the buckets before, None: nothing began."""
        known = sorted(middle for _, _, middle in self.past if middle is not None)
        return known[len(known) // 2] if known else None

    def points(self, target: str) -> Iterator[Point]:
        for number, outcomes, middle in self.past:
            rate = sum(outcomes.values()) / BUCKET
            yield Point(number * BUCKET, target, dict(outcomes), round(rate, 3), middle and round(middle, 4))


class IncidentBook:
    """The incidents of one proxy, oldest first. `relations` gives what a target or a domain has in common with others: names
    that two of one incident share. `on_change` hears when one begins and when it is over."""

    def __init__(self, relations: Relations, on_change: Callable[[Incident], None]) -> None:
        self.incidents: deque[Incident] = deque(maxlen=MAX_INCIDENTS)
        self.sketches: dict[str, Sketch] = {}
        #: Target to the incident that concerns it, and what was usual before it.
        self.concerned: dict[str, Incident] = {}
        self.usual: dict[str, float] = {}
        self._relations = relations
        self._on_change = on_change
        self._shared: dict[str, set[str]] = {}  # incident id -> domains in common
        self._ill: dict[str, set[tuple[str, str | None]]] = {}  # incident id -> who is out of favour
        self._last: dict[str, float] = {}  # incident id -> when the last one came back

    def running(self) -> list[Incident]:
        return [incident for incident in self.incidents if incident.ended is None]

    def changed(self, change: StateChange, now: float) -> Incident | None:
        """A state changed; gives the incident that began with it."""
        if change.after not in _WATCHED:
            return None
        self.settle(now)
        incident = self._find(change.subject)
        began = incident is None and change.after in BAD
        if incident is None:
            if not began:
                return None
            incident = self._begin(change, now)
        self._note(incident, change, now)
        if began:
            self._on_change(incident)
        return incident if began else None

    def observe(self, target: str, kind: str, ttft: float | None, now: float) -> None:
        """An attempt is over."""
        sketch = self.sketches.get(target)
        if sketch is None:
            if len(self.sketches) >= MAX_TARGETS:
                return
            sketch = self.sketches[target] = Sketch()
        if sketch.observe(kind, ttft, now) and target in self.concerned:
            incident = self.concerned[target]
            incident.timeline.extend(list(sketch.points(target))[-1:])
            _thin(incident)

    def settle(self, now: float) -> None:
        """End what has been calm for long enough."""
        for incident in self.running():
            if not self._ill[incident.id] and now - self._last[incident.id] >= CALM:
                self._end(incident)

    def _find(self, subject: str) -> Incident | None:
        related = {subject, *self._relations(subject)}
        return next((one for one in self.running() if not related.isdisjoint(self._shared[one.id])), None)

    def _begin(self, change: StateChange, now: float) -> Incident:
        identity = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
        taken = sum(incident.id.startswith(identity) for incident in self.incidents)
        if taken:
            identity += f"-{taken + 1}"
        incident = Incident(identity, now, f"{change.subject}: {change.cause}", [])
        if len(self.incidents) == MAX_INCIDENTS and self.incidents[0].ended is None:
            self._end(self.incidents[0])
        self.incidents.append(incident)
        self._shared[identity], self._ill[identity], self._last[identity] = set(), set(), now
        return incident

    def _note(self, incident: Incident, change: StateChange, now: float) -> None:
        subject, who = change.subject, (change.subject, change.endpoint)
        if len(incident.happenings) < MAX_HAPPENINGS:
            incident.happenings.append(Happening(now, subject, change.after, change.cause))
        if change.after in BAD:
            self._ill[incident.id].add(who)
            self._shared[incident.id] |= {subject, *self._relations(subject)}
            self._concern(incident, subject, now)
        elif change.after in GOOD:
            self._ill[incident.id].discard(who)
            self._last[incident.id] = now

    def _concern(self, incident: Incident, subject: str, now: float) -> None:
        if subject.partition(" ")[0] in DOMAINS:
            if subject not in incident.domains:
                incident.domains.append(subject)
            return
        if subject in incident.targets:
            return
        incident.targets.append(subject)
        self.concerned[subject] = incident
        sketch = self.sketches.get(subject)
        if sketch is None:
            return
        usual = sketch.usual()
        if usual is not None:
            self.usual[subject] = usual
        sketch.turn(int(now / BUCKET))
        incident.timeline.extend(sketch.points(subject))

    def _end(self, incident: Incident) -> None:
        incident.ended = self._last.pop(incident.id)
        self._shared.pop(incident.id)
        self._ill.pop(incident.id)
        for target in incident.targets:
            sketch = self.sketches.get(target)
            if sketch is not None and sketch.turn(0):
                incident.timeline.extend(list(sketch.points(target))[-1:])
            self.concerned.pop(target, None)
            self.usual.pop(target, None)
        self._on_change(incident)


def _thin(incident: Incident) -> None:
    """Where a timeline has become too long, join the points of a target two by two."""
    points = incident.timeline
    if len(points) <= MAX_POINTS:
        return
    joined: list[Point] = []
    waiting: dict[str, Point] = {}
    for point in points:
        before = waiting.pop(point.target, None)
        if before is None:
            waiting[point.target] = point
        else:
            joined.append(_join(before, point))
    incident.timeline = sorted([*joined, *waiting.values()], key=lambda point: point.t)


def _join(one: Point, other: Point) -> Point:
    outcomes = {kind: one.outcomes.get(kind, 0) + other.outcomes.get(kind, 0) for kind in {**one.outcomes, **other.outcomes}}
    known = [(point.ttft_p50, point.rate) for point in (one, other) if point.ttft_p50 is not None]
    weight = sum(rate for _, rate in known)
    middle = round(sum(value * rate for value, rate in known) / weight, 4) if weight else None
    return Point(one.t, one.target, outcomes, round((one.rate + other.rate) / 2, 3), middle)
