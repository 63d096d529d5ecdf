"""What is remembered of a brownout or an outage: one `Incident`, written while it lasts.

Times are Unix seconds, money nano-dollars. Nothing of any request's text is part of it. The timeline is what was observed of
each target it concerns, in buckets of ten seconds (more where it lasted long), from a minute before it began to a minute
after it ended: enough to play it again.
"""

from typing import Protocol

from msgspec import Struct, field


class Point(Struct):
    """One target in one bucket that began at `t`. `outcomes`: attempts by kind; `rate`: attempts a second; `ttft_p50` in
    seconds, None where nothing began."""

    t: float
    target: str
    outcomes: dict[str, int]
    rate: float
    ttft_p50: float | None = None


class Happening(Struct):
    """A step: what changed (`subject` is a target or a domain), to which state, and why."""

    at: float
    subject: str
    state: str
    cause: str


class Incident(Struct):
    """`trigger`: the first cause, a sentence without a full stop. `targets`: those that it concerns, `domains`: hosts,
    vendors and the like that were suspect as a whole. `ended` None: it lasts.

    Of the calls that it touched: `rerouted` were answered by a target that would not have been asked otherwise; `errors`:
    their clients saw one; `extra_latency`: seconds, of all of them together; `extra_cost`: what was paid because of it,
    wasted attempts and dearer targets, as far as prices are known; `wasted_tokens` of attempts that nobody received."""

    id: str
    started: float
    trigger: str
    targets: list[str]
    domains: list[str] = field(default_factory=list)
    ended: float | None = None
    calls: int = 0
    rerouted: int = 0
    errors: int = 0
    extra_latency: float = 0.0
    extra_cost: int = 0
    wasted_tokens: int = 0
    happenings: list[Happening] = field(default_factory=list)
    timeline: list[Point] = field(default_factory=list)


class IncidentListener(Protocol):
    """Whoever wants to hear when an incident begins and ends. Must not block and must not raise."""

    def __call__(self, incident: Incident) -> None: ...
