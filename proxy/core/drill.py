"""A fire drill on a live proxy: which provider is to seem to fail, how, for how long, for which part of its requests.

Only the order and how people write it. What comes of it is `pipeline/drills.py`.
"""

import enum
import re
from dataclasses import dataclass

#: Seconds: a drill that nobody ends ends by itself, at the latest after an hour.
LONGEST = 3600.0
USUAL = 300.0
USUAL_SHARE = 0.1
#: Seconds by which a drill may delay an answer.
SLOWEST = 300.0
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")
_UNITS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class FaultKind(enum.StrEnum):
    """`down`, `auth` and `429` send nothing out; `slow` and `cut` do, and so cost what the request costs."""

    DOWN = "down"  # connections are refused
    SLOW = "slow"  # answers come so many seconds late
    CUT = "cut"  # a stream ends after so many events, a whole answer in its middle
    AUTH = "auth"  # 401
    RATE = "429"  # 429


@dataclass(frozen=True, slots=True)
class Fault:
    """`amount`: seconds of `slow`, events of `cut`, else nothing."""

    kind: FaultKind
    amount: float = 0.0

    def __str__(self) -> str:
        if self.kind is FaultKind.SLOW:
            return f"slow:{self.amount:g}s"
        return f"cut:{self.amount:g}" if self.kind is FaultKind.CUT else self.kind.value


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """`seconds` it lasts, `share` of the provider's requests that it hits, `by` whom it was given."""

    provider: str
    fault: Fault
    seconds: float = USUAL
    share: float = USUAL_SHARE
    by: str = ""


def parse_seconds(text: str) -> float:
    """`250ms`, `8s`, `10m`, `1h`, `30`. ValueError says what is expected."""
    found = _SECONDS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 8s, 10m or 1h")
    return float(found[1]) * _UNITS[found[2]]


def parse_share(text: str) -> float:
    """`10%` or `0.1`. ValueError says what is expected."""
    number, percent = (text.strip()[:-1], True) if text.strip().endswith("%") else (text.strip(), False)
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ValueError(f"{text!r} is not a share such as 10% or 0.1")
    return share


def parse_fault(text: str) -> Fault:
    """`down`, `slow:8s`, `cut:40`, `auth`, `429`. ValueError says what is expected."""
    word, _, amount = text.strip().partition(":")
    try:
        kind = FaultKind(word)
    except ValueError:
        raise ValueError(f"{text!r} is no fault; there are down, slow:8s, cut:40, auth and 429") from None
    if kind is FaultKind.SLOW:
        seconds = parse_seconds(amount)
        if not 0 < seconds <= SLOWEST:
            raise ValueError(f"slow takes up to {SLOWEST:g}s")
        return Fault(kind, seconds)
    if kind is FaultKind.CUT:
        if not (amount.isascii() and amount.isdigit() and 0 < int(amount) <= 100_000):
            raise ValueError("cut takes a number of events, as in cut:40")
        return Fault(kind, float(amount))
    if amount:
        raise ValueError(f"{kind} takes no amount")
    return Fault(kind)


def parse_order(provider: str, fault: str, seconds: str | None, share: str | None) -> DrillOrder:
    """An order in the words people use. ValueError says which of them is wrong."""
    lasts = USUAL if seconds is None else parse_seconds(seconds)
    if not 1 <= lasts <= LONGEST:
        raise ValueError(f"a drill lasts from 1 s to {LONGEST:g} s")
    return DrillOrder(provider, parse_fault(fault), lasts, USUAL_SHARE if share is None else parse_share(share))
