"""Metrics of limits and budgets: samples for the table in `metrics.py`.

Names come from the configuration, and of budgets only the fullest are shown, so the number of lines is bounded however many
keys there are.
"""

from collections.abc import Iterator

from proxy.server.gauges import Gauges
from proxy.stores.tally import Tally

#: Budgets that are shown.
MAX_BUDGETS = 500

Samples = Iterator[tuple[str, tuple[tuple[str, str], ...], int | float | str]]


def budgets(_: Tally, gauges: Gauges) -> Samples:
    """The used share of each budget, the fullest first."""
    shares = [((one.spent + one.reserved) / one.limit, one) for one in gauges.budgets]
    for share, one in sorted(shares, key=lambda pair: -pair[0])[:MAX_BUDGETS]:
        yield "", (("subject", one.scope), ("budget", one.name)), round(share, 6)


def refusals(_: Tally, gauges: Gauges) -> Samples:
    """Calls by the limit that kept them out."""
    for (scope, name, limit), count in gauges.limit_refusals.items():
        yield "", (("subject", f"{scope} {name}"), ("limit", limit)), count
