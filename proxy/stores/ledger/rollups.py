"""Sums of a group of rows: by the hour, by the hour and tag, and by the day and what a call used. Pure.

`schema` says what each sum means. A line's numbers stand in the order of `SUMS` (or `USE_SUMS`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import add

from proxy.core.usage import Usage
from proxy.stores.ledger.entries import MAX_INT, AttemptEntry, CallEntry, ProbeEntry
from proxy.stores.ledger.tariff import Tariff
from proxy.stores.ledger.waste import PROBE, judge_waste
from proxy.tokens.prices import cost

HOUR = 3_600_000
HOURS_A_DAY = 24
#: What the sums by the hour are told apart by.
HOURLY = ("hour", "route", "target", "provider", "key", "outcome", "purpose", "waste", "incident")
#: The same with tags: a call counts under each of its tags, and is `first` under one of them.
TAGGED = ("hour", "tag", "first", *HOURLY[1:])
#: Columns of it that are left out of sums of whole days, so that few lines are left of many.
WITHOUT_KEY = frozenset(("key",))
WITHOUT_PLACE = frozenset(("route", "target", "provider"))
#: What the sums by the day are told apart by.
USES = ("day", "route", "target", "provider", "features", "size", "outcome")
#: Columns that are summed, in the order of a line's numbers.
SUMS = (
    "calls", "attempts", "delivered", "input", "output", "cached", "cache_write", "reasoning", "audio", "image",
    "estimated", "cost", "unpriced", "unpriced_tokens", "wasted", "wasted_cost", "wasted_unpriced", "possibly_billed",
    "cache_saved", "first_contents", "first_content_ms", "generated", "generation_ms", "failovers", "failover_cost",
    "failover_unpriced", "hits", "saved",
)  # fmt: skip
USE_SUMS = (
    "attempts", "delivered", "input", "output", "cached", "cache_write", "reasoning", "reasoned", "audio", "image", "cost",
    "unpriced", "took_ms",
)  # fmt: skip
_CALLS, _FAILOVERS, _HITS = SUMS.index("calls"), SUMS.index("failovers"), SUMS.index("hits")
#: Input tokens up to which a call is of a size; beyond the last one it is of size `MAX_SIZE`. 0: unknown.
SIZES = (1_000, 4_000, 16_000, 64_000, 256_000)
MAX_SIZE = 1_024_000
#: First choice and what going elsewhere cost more (negative: less), None: unknown.
Detour = tuple[str, int | None]
Lines = dict[tuple[int | str, ...], list[int]]


@dataclass(slots=True)
class Sums:
    """The lines of one group for each of the tables. `late…`: those of days that are summed up already."""

    hourly: Lines = field(default_factory=dict)
    tagged: Lines = field(default_factory=dict)
    uses: Lines = field(default_factory=dict)
    late: Lines = field(default_factory=dict)
    late_tagged: Lines = field(default_factory=dict)
    late_keyed: Lines = field(default_factory=dict)


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
    return first, None if there is None else max(min(served.cost - there, MAX_INT), -MAX_INT)


def measure_size(tokens: int | None) -> int:
    """The class of a request by its input tokens: the next of `SIZES`."""
    if tokens is None:
        return 0
    return next((size for size in SIZES if tokens <= size), MAX_SIZE)


def _sum_attempt(attempt: AttemptEntry, stream: bool, waste: str) -> list[int]:
    used = attempt.input is not None
    tokens = (attempt.input or 0) + (attempt.output or 0)
    unpriced = used and attempt.cost is None
    wasted = used and waste != ""
    first, took = attempt.first_content, attempt.took
    timed = stream and first is not None and took is not None
    told = timed and waste == "" and attempt.output is not None and attempt.source == "provider"
    return [
        0,
        1,
        int(attempt.delivered),
        attempt.input or 0,
        attempt.output or 0,
        attempt.cached,
        attempt.cache_write,
        attempt.reasoning,
        attempt.audio_in + attempt.audio_out,
        attempt.image_in + attempt.image_out,
        tokens if attempt.source != "provider" else 0,
        attempt.cost or 0,
        int(unpriced),
        tokens if unpriced else 0,
        tokens if wasted else 0,
        (attempt.cost or 0) if wasted else 0,
        int(wasted and unpriced),
        int(attempt.possibly_billed),
        attempt.cache_saved or 0,
        int(timed),
        (first or 0) if timed else 0,
        (attempt.output or 0) if told else 0,
        max((took or 0) - (first or 0), 0) if told else 0,
        0,
        0,
        0,
        0,
        0,
    ]


def _count_call(numbers: list[int], call: CallEntry, aside: Detour | None) -> None:
    """Into the line of its last attempt, what counts once per call."""
    numbers[_CALLS] = 1
    if aside is not None:
        numbers[_FAILOVERS : _FAILOVERS + 3] = 1, aside[1] or 0, int(aside[1] is None)
    if call.saved is not None:
        numbers[_HITS : _HITS + 2] = 1, call.saved


def _sum_use(attempt: AttemptEntry) -> list[int]:
    return [
        1,
        int(attempt.delivered),
        attempt.input or 0,
        attempt.output or 0,
        attempt.cached,
        attempt.cache_write,
        attempt.reasoning,
        int(attempt.reasoning > 0),
        attempt.audio_in + attempt.audio_out,
        attempt.image_in + attempt.image_out,
        attempt.cost or 0,
        int(attempt.cost is None),
        attempt.took or 0,
    ]


def _add(lines: Lines, key: tuple[int | str, ...], numbers: list[int]) -> None:
    line = lines.get(key)
    lines[key] = numbers if line is None else list(map(add, line, numbers))


def _sum_one(sums: Sums, call: CallEntry, aside: Detour | None) -> None:
    hour = call.wall // HOUR
    found: list[tuple[tuple[str, ...], list[int]]] = []
    for number, attempt in enumerate(call.attempts):
        waste = judge_waste(call.attempts, number)
        rest = (
            call.route, attempt.target, attempt.provider, call.key, attempt.outcome, attempt.purpose, waste, call.incident,
        )  # fmt: skip
        found.append((rest, _sum_attempt(attempt, call.stream, waste)))
        if attempt.input is not None:
            features = ",".join(call.features)
            size = measure_size(attempt.input)
            use = (hour // HOURS_A_DAY, call.route, attempt.target, attempt.provider, features, size, attempt.outcome)
            _add(sums.uses, use, _sum_use(attempt))
    if not found:
        found.append(((call.route, "", "", call.key, call.outcome, "", "", call.incident), [0] * len(SUMS)))
    _count_call(found[-1][1], call, aside)
    for key, numbers in found:
        _add(sums.hourly, (hour, *key), numbers)
        for place, tag in enumerate(call.tags):
            _add(sums.tagged, (hour, tag, int(not place), *key), numbers)


def _sum_probe(sums: Sums, probe: ProbeEntry) -> None:
    """Its cost is somebody's money, but it is no call."""
    attempt = AttemptEntry(
        probe.target, probe.provider, "", 0, None, None, probe.outcome, input=probe.input, output=probe.output,
        cached=probe.cached, reasoning=probe.reasoning, source=probe.source, cost=probe.cost,
    )  # fmt: skip
    key = (probe.wall // HOUR, "", probe.target, probe.provider, "", probe.outcome, PROBE, PROBE, "")
    _add(sums.hourly, key, _sum_attempt(attempt, False, PROBE))


def roll_up(calls: Mapping[str, tuple[CallEntry, Detour | None]], probes: Iterable[ProbeEntry], closed: int = 0) -> Sums:
    """The sums of these calls (by id, each with its detour) and probes. Days before `closed` are summed up already."""
    sums = Sums()
    for call, aside in calls.values():
        _sum_one(sums, call, aside)
    for probe in probes:
        _sum_probe(sums, probe)
    _add_late(sums.late, sums.hourly, closed)
    _add_late(sums.late_tagged, sums.tagged, closed, WITHOUT_KEY)
    _add_late(sums.late_keyed, sums.tagged, closed, WITHOUT_PLACE)
    return sums


def _add_late(days: Lines, hours: Lines, closed: int, without: frozenset[str] = frozenset()) -> None:
    """To the sums of days what belongs to closed ones, `without` some columns of `TAGGED`."""
    for key, numbers in hours.items():
        day = int(key[0]) // HOURS_A_DAY
        if day < closed:
            rest = key[1:]
            if without:
                rest = tuple("" if name in without else part for name, part in zip(TAGGED[1:], rest, strict=True))
            _add(days, (day * HOURS_A_DAY, *rest), numbers)
