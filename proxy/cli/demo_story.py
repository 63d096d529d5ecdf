"""What the demo's audience is told: the figures of the clients, the state of the targets, and what happened when.

Client figures (errors, waiting times, who answered) are measured by the demo's own clients on their side of the socket;
states, failures, tokens and cost are the proxy's own, read from its health view and its counters.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.stores.tally import Tally

EVENTS_KEPT = 200
#: Seconds over which shares of traffic and failures are shown.
RECENT = 3.0
FAILURES_OVER = 10
#: While a target ramps up, only some of the looks find it refusing; it has its full share after this long without.
RAMP_SEEN = 0.8
#: Seconds between two tellings of a stream that went on elsewhere.
RESUMED_EVERY = 0.75
HALF_OPEN = "the open time has passed"


@dataclass(slots=True)
class Seen:
    """One request as its client saw it. Seconds; `first` is None where no word ever came. `error` is empty for a whole
    answer. `authors`: the targets that wrote it, where it was cut and several did."""

    route: str
    at: float
    stream: bool
    target: str = ""
    attempts: int = 1
    first: float | None = None
    took: float = 0.0
    error: str = ""
    authors: tuple[str, ...] = ()


@dataclass(slots=True)
class Row:
    """A target as the table shows it."""

    route: str
    target: str
    state: str
    cause: str
    next_trial: float | None
    in_flight: int
    ttft_ms: int | None
    failures: int
    share: float


@dataclass(slots=True)
class RouteSum:
    """Tokens of one route; `cost` and in dollars."""

    input: int = 0
    output: int = 0
    wasted: int = 0
    cost: float = 0.0


@dataclass(slots=True)
class Event:
    at: float
    text: str
    style: str


class Story:
    """Collects; the screens read. Times are seconds since the play began."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.now = 0.0
        self.scene = ""
        self.asked = 0
        self.waiting = 0
        self.seen: list[Seen] = []
        self.errors: list[Seen] = []
        self.resumed = 0
        self._told_resumed = -RESUMED_EVERY
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.rows: list[Row] = []
        self._last: dict[tuple[str, str], tuple[str, str]] = {}
        self._ramping: dict[tuple[str, str], float] = {}
        self._recent: deque[Seen] = deque()

    def add(self, seen: Seen) -> None:
        """A client's request has ended."""
        self.seen.append(seen)
        self._recent.append(seen)
        if seen.error:
            self.errors.append(seen)
            self.tell(f"a client saw an error on {seen.route}: {seen.error}", "red")
        elif seen.authors:
            self._tell_resumed(seen)

    def _tell_resumed(self, seen: Seen) -> None:
        """The first few of a second are enough."""
        self.resumed += 1
        if self.now >= self._told_resumed + RESUMED_EVERY:
            self._told_resumed = self.now
            cut, *others = seen.authors
            self.tell(f"{cut} was cut in mid-answer → {others[-1]} wrote the rest, and nobody noticed", "green")

    def tell(self, text: str, style: str = "") -> None:
        self.events.append(Event(self.now, text, style))

    def begin_scene(self, title: str) -> None:
        self.scene = title
        self.tell(title, "bold")

    def look(self, survey: Mapping[str, Any], loop_now: float) -> None:
        """Take in the proxy's health view; what changed since the last look becomes events."""
        while self._recent and self._recent[0].at + self._recent[0].took < self.now - RECENT:
            self._recent.popleft()
        shares = self._shares()
        self.rows = [
            self._row(route["name"], target, shares, loop_now) for route in survey["routes"] for target in route["targets"]
        ]
        for row in self.rows:
            self._notice(row)

    def _shares(self) -> dict[tuple[str, str], float]:
        served = Counter((seen.route, seen.target) for seen in self._recent if seen.target)
        totals: Counter[str] = Counter()
        for (route, _), count in served.items():
            totals[route] += count
        return {key: count / totals[key[0]] for key, count in served.items()}

    def _row(self, route: str, target: Mapping[str, Any], shares: Mapping[tuple[str, str], float], loop_now: float) -> Row:
        name = target["target"]
        recent = self._tally.recent(name, loop_now)[-FAILURES_OVER:]
        state, cause = self._steady((route, name), target["state"]), target["cause"] or ""
        if state == "open" and cause == HALF_OPEN:
            state = "trial"
        return Row(
            route=route,
            target=name,
            state=state,
            cause=cause,
            next_trial=target["next_trial_s"],
            in_flight=target["in_flight"],
            ttft_ms=target["ttft_ms"],
            failures=sum(failed for _, failed in recent),
            share=shares.get((route, name), 0.0),
        )

    def _steady(self, key: tuple[str, str], state: str) -> str:
        """A ramp admits by lot, so that a look may find the target ready or not: call it ramping until it is over."""
        before = self._last.get(key, ("ready", ""))[0]
        if state == "ramping" or (state == "ready" and before in ("open", "trial", "ejected")):
            self._ramping[key] = self.now + RAMP_SEEN
        return "ramping" if state == "ready" and self.now < self._ramping.get(key, 0.0) else state

    def _notice(self, row: Row) -> None:
        key = (row.route, row.target)
        before, _ = self._last.get(key, ("ready", ""))
        self._last[key] = (row.state, row.cause)
        if row.state == before:
            return
        if row.state == "open":
            word = "stays open" if before == "trial" else "opened"
            self.tell(f"{row.target} {word}: {row.cause}{self._instead(row)}", "red")
        elif row.state == "ramping":
            self.tell(f"{row.target} answered its trial: traffic comes back bit by bit", "yellow")
        elif row.state == "ready" and before in ("ramping", "held"):
            self.tell(f"{row.target} has its full share again", "green")
        elif row.state == "ejected":
            self.tell(f"{row.target} is passed over: {row.cause}{self._instead(row)}", "red")
        elif row.state == "held":
            self.tell(f"{row.target} is left alone for a while: {row.cause}{self._instead(row)}", "yellow")

    def _instead(self, gone: Row) -> str:
        for row in self.rows:
            if row.route == gone.route and row.target != gone.target and row.state == "ready":
                return f" → {row.target.partition('/')[0]} serves"
        return ""

    @property
    def failovers(self) -> int:
        return sum(self._tally.failovers.values())

    def sums(self) -> dict[str, RouteSum]:
        """Tokens and money by route, every attempt counted; wasted: attempts whose output nobody received."""
        sums: dict[str, RouteSum] = {}
        for (route, _), line in sorted(self._tally.lines.items()):
            total = sums.setdefault(route, RouteSum())
            total.input += sum(count.input for count in line.tokens.values())
            total.output += sum(count.output for count in line.tokens.values())
            total.wasted += sum(waste.input + waste.output for waste in line.wasted.values())
            total.cost += line.cost / 1e9
        return sums

    def summary(self) -> "Summary":
        usual = sorted(seen.first for seen in self.seen if seen.first is not None and seen.attempts == 1 and seen.stream)
        rerouted = [seen for seen in self.seen if seen.attempts > 1]
        typical = quantile(usual, 0.5) or 0.0
        plain = sorted(seen.first for seen in self.seen if seen.first is not None and seen.attempts == 1 and not seen.stream)
        typical_whole = quantile(plain, 0.5) or 0.0
        added = sorted(
            max(0.0, seen.first - (typical if seen.stream else typical_whole)) for seen in rerouted if seen.first is not None
        )
        return Summary(
            requests=len(self.seen),
            streams=sum(seen.stream for seen in self.seen),
            errors=len(self.errors),
            rerouted=len(rerouted),
            resumed=self.resumed,
            failovers=self.failovers,
            typical=typical,
            added=added,
            sums=self.sums(),
        )


@dataclass(slots=True)
class Summary:
    """`typical`: the median time to the first word of streams answered at the first attempt; `added`: what the others
    waited beyond the typical request of their kind, sorted, in seconds."""

    requests: int
    streams: int
    errors: int
    rerouted: int
    failovers: int
    typical: float
    resumed: int = 0
    added: list[float] = field(default_factory=list)
    sums: dict[str, RouteSum] = field(default_factory=dict)

    def lines(self) -> list[str]:
        wasted = sum(total.wasted for total in self.sums.values())
        cost = sum(total.cost for total in self.sums.values())
        tokens = sum(total.input + total.output for total in self.sums.values())
        made = [
            f"requests          {self.requests:,} ({self.streams:,} streamed)",
            f"client errors     {self.errors}",
            f"rerouted          {self.rerouted:,} requests, {self.failovers:,} hops to another target",
            f"first word        {self.typical * 1000:.0f} ms, median of streams answered at the first attempt",
        ]
        if self.resumed:
            made.append(
                f"resumed           {self.resumed:,} streams were cut in mid-answer and went on elsewhere, word for word"
            )
        if self.added:
            p50, p99 = quantile(self.added, 0.5) or 0.0, quantile(self.added, 0.99) or 0.0
            made.append(f"added by reroute  {p50 * 1000:.0f} ms p50, {p99 * 1000:.0f} ms p99, measured by the clients")
        made.append(f"tokens            {tokens:,} for ${cost:.4f}, {wasted:,} of them wasted on attempts nobody received")
        return made


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest rank of a sorted list; None of an empty one."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]
