"""The tally as one JSON-ready value: tokens and money by route and target, for `/usage`.

Every figure says what it is: tokens stand apart by source (the provider's own count, our estimate), waste stands apart by
reason, and money is an exact decimal string of dollars, or null where no price is known. Parts (`cached` of `input`,
`reasoning` of `output`) are never added to their whole.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from proxy.core.usage import UsageSource
from proxy.stores.histogram import Histogram
from proxy.stores.tally import Line, ProbeLine, Tally, TokenCount
from proxy.tokens.prices import dollars

FIELDS = ("input", "cached", "cache_write", "output", "reasoning")


def _tokens(counts: Iterable[TokenCount]) -> dict[str, int]:
    counts = list(counts)
    sums = {name: sum(getattr(count, name) for count in counts) for name in FIELDS}
    return {**sums, "total": sums["input"] + sums["output"]}


def _lines(lines: list[Line]) -> dict[str, object]:
    """Figures of several lines as one."""
    outcomes: dict[str, int] = {}
    for line in lines:
        for kind, count in line.attempts.items():
            outcomes[kind.value] = outcomes.get(kind.value, 0) + count
    sources = [source for source in UsageSource if any(source in line.tokens for line in lines)]
    by_source = {source: [line.tokens[source] for line in lines if source in line.tokens] for source in sources}
    priced, unpriced = sum(line.priced for line in lines), sum(line.unpriced for line in lines)
    return {
        "attempts": sum(outcomes.values()),
        "delivered": sum(line.delivered for line in lines),
        "outcomes": outcomes,
        "tokens": _tokens(count for counts in by_source.values() for count in counts),
        "tokens_by_source": {source.value: _tokens(counts) for source, counts in by_source.items()},
        "cost_usd": _money(sum(line.cost for line in lines), priced, unpriced),
        "unpriced_attempts": unpriced,
        "possibly_billed_attempts": sum(line.possibly_billed for line in lines),
        "wasted": _wasted(lines, priced, unpriced),
    }


def _wasted(lines: list[Line], priced: int, unpriced: int) -> dict[str, object]:
    reasons: dict[str, dict[str, int]] = {}
    cost = 0
    for line in lines:
        for kind, waste in line.wasted.items():
            row = reasons.setdefault(kind.value, {"attempts": 0, "input": 0, "output": 0})
            row["attempts"] += waste.attempts
            row["input"] += waste.input
            row["output"] += waste.output
            cost += waste.cost
    return {
        "tokens": sum(row["input"] + row["output"] for row in reasons.values()),
        "cost_usd": _money(cost, priced, unpriced),
        "by_reason": reasons,
    }


def _money(nano: int, priced: int, unpriced: int) -> str | None:
    """None: tokens were used, and the price of none of them is known."""
    return None if unpriced and not priced else dollars(nano)


def _seconds(histogram: Histogram) -> dict[str, float | None]:
    count = histogram.count
    mean = round(histogram.sum / count, 4) if count else None
    return {"mean": mean, "p50_below": histogram.quantile(0.5), "p99_below": histogram.quantile(0.99)}


def _route(tally: Tally, name: str) -> dict[str, object]:
    calls: dict[str, int] = {}
    for (route, _endpoint, _stream, outcome, _status), count in tally.calls.items():
        if route == name:
            calls[outcome.value] = calls.get(outcome.value, 0) + count
    lines = {target: line for (route, target), line in tally.lines.items() if route == name}
    return {
        "calls": sum(calls.values()),
        "calls_by_outcome": calls,
        "failovers": sum(count for (route, _, _), count in tally.failovers.items() if route == name),
        "duration_s": _seconds(tally.routes[name].duration),
        **_lines(list(lines.values())),
        "targets": {target: _lines([line]) for target, line in lines.items()},
    }


def _probe(line: ProbeLine) -> dict[str, object]:
    return {"passed": line.passed, "failed": line.failed, "tokens": line.tokens, "cost_usd": dollars(line.cost)}


def snapshot(tally: Tally) -> dict[str, object]:
    """Everything counted since the start."""
    probes: dict[str, dict[str, object]] = {}
    for (target, kind), line in tally.probes.items():
        probes.setdefault(target, {})[kind] = _probe(line)
    return {
        "object": "usage",
        "since": datetime.fromtimestamp(tally.since, UTC).isoformat(timespec="seconds"),
        "totals": {
            "calls": sum(tally.calls.values()),
            "failovers": sum(tally.failovers.values()),
            **_lines(list(tally.lines.values())),
        },
        "routes": {name: _route(tally, name) for name in tally.routes},
        "probes": probes,
    }
