"""What a rehearsal of one outage found: figures to compare, and what happened over time. Plain values, for tables, pages and
programs alike; made by `measure`.

Seconds are seconds of the rehearsal; money is nano-dollars, None: unknown.
"""

from msgspec import Struct, field


class Figures(Struct, frozen=True):
    """How the clients fared. Times to the first token are those of streams (of whole answers, where nothing was streamed)
    that were answered; None: nothing was. `wrong`: well-formed answers in a script that nobody asked for."""

    requests: int
    answered: int
    p50: float | None
    p99: float | None
    slowest: float | None
    wrong: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def availability(self) -> float:
        return self.answered / self.requests if self.requests else 1.0


class Stretch(Struct, frozen=True):
    """A target or a credential was in a state. `cause` of its beginning, in the proxy's words."""

    start: float
    end: float
    state: str
    cause: str = ""


class Slice(Struct, frozen=True):
    """One piece of the time: requests that came in it, how many of them failed directly and through the proxy, and which
    target answered how many."""

    start: float
    requests: int
    direct_failed: int
    proxied_failed: int
    served: dict[str, int]


class Load(Struct, frozen=True):
    """What one target had to carry: attempts in all, and at the same time at most."""

    peak: int
    attempts: int


class Silence(Struct, frozen=True):
    """Streams of a route whose first word took unusually long (or never came): how many, and the longest, in seconds."""

    count: int
    longest: float


class Findings(Struct, frozen=True):
    """One outage against one configuration.

    `hit`: providers; `as_if`: none of them is the vendor that it happened to. `begins`, `ends`: of the outage, within
    `seconds`. `squeeze`: how many times faster than in reality it passed. `covered`: of the proxied requests, those whose
    route has a provider that was not hit; `promise` is the availability they are held to. `detected`: seconds from an onset
    to the change of state that took a target out, of the longest; None: nothing was taken out. `wasted`: tokens that nobody
    received. `extra_cost`: what all of it cost beyond what first choices would have cost for the same answers, as far as
    there are prices; `unpriced`: attempts without. `queued`: calls that waited for a place. `failures`: by route, reasons
    and their numbers."""

    name: str
    title: str
    date: str
    source: str
    evidence: str
    note: str
    published: float
    hit: list[str]
    as_if: bool
    seconds: float
    begins: float
    ends: float
    squeeze: float
    rps: float
    direct: Figures
    proxied: Figures
    covered: Figures
    rerouted: int
    attempts: int
    wasted: int
    extra_cost: int
    unpriced: int
    cost: int
    detected: float | None
    queued: int
    longest_queue: float
    slices: list[Slice]
    states: dict[str, list[Stretch]]
    loads: dict[str, Load]
    silences: dict[str, Silence]
    failures: dict[str, dict[str, int]]
    uncovered_routes: list[str]
    promise: float

    @property
    def kept(self) -> bool:
        """Were the clients served wherever another provider was healthy?"""
        return self.covered.availability >= self.promise
