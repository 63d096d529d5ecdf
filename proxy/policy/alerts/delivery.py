"""What an answer of a webhook means, and how long to wait before the next try.

Any 2xx is a delivery. What may pass (no answer, 408, 425, 429, 5xx) is tried again, later each time, for `PATIENCE` from the
first try on. Everything else is an answer for good: a redirect is not followed, since the address is the operator's own, and
a webhook that does not exist will not exist in a minute.
"""

import enum
from random import Random

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
#: Seconds for which one message is tried.
PATIENCE = 6 * 3600.0
#: A webhook that asks for more than this is asked earlier.
LONGEST_HINT = 900.0
_PASSING = frozenset({408, 425, 429})


class Delivery(enum.Enum):
    """`DONE`: taken; `LATER`: try again; `REFUSED`: it will not be taken."""

    DONE = enum.auto()
    LATER = enum.auto()
    REFUSED = enum.auto()


def judge(status: int) -> Delivery:
    """What a status means for the message."""
    if 200 <= status < 300:
        return Delivery.DONE
    return Delivery.LATER if status >= 500 or status in _PASSING else Delivery.REFUSED


def describe(status: int) -> str:
    """In words of ours; bodies are never quoted."""
    if 300 <= status < 400:
        return f"redirects elsewhere ({status}), which is never followed"
    return f"answered {status}"


def wait_after(tries: int, hint: float | None, rng: Random) -> float:
    """Seconds after `tries` tries that failed, at least one. `hint`: what the webhook asked for, in seconds. Half of the
    wait is random, so that the proxies of one team don't come back together."""
    planned = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 30))
    return max(planned * (0.5 + rng.random() / 2), min(hint or 0.0, LONGEST_HINT))


def read_hint(value: str) -> float | None:
    """Seconds of a `retry-after` header; the form with a date is left alone."""
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
