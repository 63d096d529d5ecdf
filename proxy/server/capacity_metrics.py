"""Metrics of what targets take and of what the proxy turns away: samples for the table in `metrics.py`."""

from collections.abc import Iterator

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
