"""When a simulated provider behaves how: spans of seconds over a healthy ground."""

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.rehearse.behaviour import Behaviour

HEALTHY = Behaviour()


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` (included) to `end` (excluded), in seconds of the rehearsal."""

    start: float
    end: float
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Schedule:
    """`otherwise` outside of every span; where spans overlap, the later in the list counts. With `period` the whole
    starts anew every so many seconds."""

    spans: tuple[Span, ...] = ()
    otherwise: Behaviour = HEALTHY
    period: float | None = None

    def at(self, seconds: float) -> tuple[Behaviour, float]:
        """The behaviour at this second and how long it has lasted."""
        if self.period is not None:
            seconds %= self.period
        for span in reversed(self.spans):
            if span.start <= seconds < span.end:
                return span.behaviour, seconds - span.start
        return self.otherwise, seconds - max((span.end for span in self.spans if span.end <= seconds), default=0.0)

    def changes(self) -> list[float]:
        """Every second at which a span begins or ends, in order, each once."""
        return sorted({edge for span in self.spans for edge in (span.start, span.end)})

    def next_change(self, seconds: float) -> float | None:
        """How long from this second until a span begins or ends; None: never again."""
        changes = self.changes()
        if not changes:
            return None
        if self.period is None:
            return next((edge - seconds for edge in changes if edge > seconds), None)
        within = seconds % self.period
        return next((edge for edge in changes if edge > within), changes[0] + self.period) - within


def always(behaviour: Behaviour) -> Schedule:
    return Schedule(otherwise=behaviour)


def spans(entries: Sequence[tuple[float, float, Behaviour]], otherwise: Behaviour | None = None) -> Schedule:
    """A schedule from (start, end, behaviour) in seconds."""
    return Schedule(tuple(Span(*entry) for entry in entries), otherwise or HEALTHY)
