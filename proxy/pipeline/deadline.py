"""How long a client will wait, from what it says itself.

The official SDKs announce their own limits. Answering with an honest error shortly before they give up is worth more
than an answer that nobody reads, so a margin is kept. `x-request-timeout-ms` bounds the whole call; the SDKs' headers
(`x-stainless-read-timeout`, seconds between bytes, Python; `x-stainless-timeout`, seconds until the reply begins, Node)
bound only the wait for the first byte, since after it bytes keep coming.
"""

import math
from collections.abc import Mapping

from proxy.core.settings import Timeouts

MARGIN = 0.05
MARGIN_CAP = 0.5
_ANNOUNCED = ("x-request-timeout-ms", "x-stainless-read-timeout", "x-stainless-timeout")


def _seconds(value: str | None, scale: float = 1.0) -> float:
    """A positive finite number of seconds, or infinity for anything else a client may send."""
    if not value:
        return math.inf
    try:
        seconds = float(value) * scale
    except ValueError:
        return math.inf
    if not 0 < seconds < math.inf:
        return math.inf
    return seconds - min(seconds * MARGIN, MARGIN_CAP)


def limits(headers: Mapping[str, str], timeouts: Timeouts, arrived: float) -> tuple[float, float]:
    """(deadline of the call, latest moment for the first byte), both in loop time."""
    total, between, until = map(headers.get, _ANNOUNCED)
    deadline = arrived + timeouts.total
    if total:
        deadline = min(deadline, arrived + _seconds(total, 0.001))
    if not between and not until:
        return deadline, deadline
    return deadline, min(deadline, arrived + min(_seconds(between), _seconds(until)))
