"""Sums of a group of calls, by hour, route, target, key and outcome of the attempt."""

from collections.abc import Iterable

from proxy.core.usage import Usage
from proxy.stores.ledger.entries import AttemptEntry, CallEntry
from proxy.stores.ledger.tariff import Tariff
from proxy.tokens.prices import cost

HOUR = 3_600_000
#: Hour (Unix time / 3600), route, target, provider, key, outcome.
Key = tuple[int, str, str, str, str, str]
#: Columns that are summed, in the order of a line's numbers.
SUMS = (
    "calls", "attempts", "delivered", "input", "output", "cached", "cache_write", "reasoning", "estimated", "cost",
    "unpriced", "wasted", "wasted_cost", "wasted_unpriced", "possibly_billed", "failovers", "failover_cost",
    "failover_unpriced",
)  # fmt: skip
#: First choice and what going elsewhere cost more (negative: less), None: unknown.
Detour = tuple[str, int | None]


def detour(call: CallEntry, tariff: Tariff) -> Detour | None:
    """Where a served call should have gone, if elsewhere, and the difference in price of the same tokens."""
    if call.served_by is None or not call.attempts:
        return None
    first = tariff.first_choice(call.route, call.attempts[0].target, call.served_by)
    if first is None:
        return None
    served = next((attempt for attempt in call.attempts if attempt.delivered), None)
    if served is None or served.cost is None or served.input is None:
        return first, None
    usage = Usage(served.input, served.output or 0, served.cached, served.cache_write, served.reasoning)
    there = cost(usage, tariff.prices.get(first))
    return first, None if there is None else served.cost - there


def _numbers(attempt: AttemptEntry) -> list[int]:
    used = attempt.input is not None
    tokens = (attempt.input or 0) + (attempt.output or 0)
    unpriced = used and attempt.cost is None
    wasted = used and not attempt.delivered
    return [
        0,
        1,
        int(attempt.delivered),
        attempt.input or 0,
        attempt.output or 0,
        attempt.cached,
        attempt.cache_write,
        attempt.reasoning,
        tokens if attempt.source != "provider" else 0,
        attempt.cost or 0,
        int(unpriced),
        tokens if wasted else 0,
        (attempt.cost or 0) if wasted else 0,
        int(wasted and unpriced),
        int(attempt.possibly_billed),
        0,
        0,
        0,
    ]


def _add(sums: dict[Key, list[int]], key: Key, numbers: list[int]) -> None:
    line = sums.get(key)
    sums[key] = numbers if line is None else [a + b for a, b in zip(line, numbers, strict=True)]


def roll_up(calls: Iterable[tuple[CallEntry, Detour | None]]) -> dict[Key, list[int]]:
    """The sums of these calls, each with its detour."""
    sums: dict[Key, list[int]] = {}
    for call, aside in calls:
        hour = call.wall // HOUR
        key: Key = (hour, call.route, "", "", call.key, call.outcome)
        for attempt in call.attempts:
            key = (hour, call.route, attempt.target, attempt.provider, call.key, attempt.outcome)
            _add(sums, key, _numbers(attempt))
        ending = [0] * len(SUMS)
        ending[0] = 1
        if aside is not None:
            ending[-3:] = 1, aside[1] or 0, int(aside[1] is None)
        _add(sums, key, ending)
    return sums
