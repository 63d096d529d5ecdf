"""Metrics of what targets take and of what the proxy turns away: rows for the table in `metrics.py`."""

from collections.abc import Callable, Iterator

from proxy.server.gauges import Gauges
from proxy.stores.tally import Tally

Samples = Iterator[tuple[str, tuple[tuple[str, str], ...], int | float | str]]


def limits(_: Tally, gauges: Gauges) -> Samples:
    """The learned limit of each target that has one."""
    for target, gauge in gauges.targets.items():
        if gauge.limit is not None:
            yield "", (("target", target),), gauge.limit


def shed(_: Tally, gauges: Gauges) -> Samples:
    """Calls that were turned away at the door."""
    for (priority, reason), count in gauges.shed.items():
        yield "", (("priority", priority), ("reason", reason)), count


def pressure(_: Tally, gauges: Gauges) -> Samples:
    """How much is turned away."""
    yield "", (), round(gauges.pressure, 2)


#: Name, type, help, samples.
ROWS: tuple[tuple[str, str, str, Callable[[Tally, Gauges], Samples]], ...] = (
    (
        "undimmed_concurrency_limit",
        "gauge",
        "Requests at a time that a target was found to take; no line while none is learned.",
        limits,
    ),
    (
        "undimmed_shed_total",
        "counter",
        "Calls turned away because the proxy itself was overloaded, by priority and reason.",
        shed,
    ),
    (
        "undimmed_overload_pressure",
        "gauge",
        "0 nobody is turned away, 1 all batch calls, 2 all normal ones too, 3 everybody.",
        pressure,
    ),
)
