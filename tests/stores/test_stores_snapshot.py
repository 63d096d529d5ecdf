import json

import msgspec
from stores_records import USAGE, attempt, call

from proxy.core.outcome import OutcomeKind
from proxy.core.records import ProbeRecord
from proxy.core.usage import Usage, UsageSource
from proxy.stores.snapshot import snapshot
from proxy.stores.tally import Tally


def snap(*records, probe=None):
    tally = Tally(since=1_700_000_000)
    for record in records:
        tally.call_finished(record)
    if probe is not None:
        tally.probed(probe)
    return json.loads(msgspec.json.encode(snapshot(tally)))


def test_nothing_yet():
    empty = snap()
    assert empty["object"] == "usage"
    assert empty["since"] == "2023-11-14T22:13:20+00:00"
    assert empty["totals"]["calls"] == 0
    assert empty["totals"]["cost_usd"] == "0"
    assert empty["routes"] == {}


def test_figures_by_route_and_target():
    lost = attempt("a/x", OutcomeKind.STALLED, usage=Usage(input=10, source=UsageSource.ESTIMATE), cost=1000)
    view = snap(
        call(lost, attempt("b/y", usage=USAGE, cost=2500)),
        call(attempt("a/x", OutcomeKind.BAD_REQUEST), outcome=OutcomeKind.BAD_REQUEST, status=400),
        call(attempt("b/y", usage=USAGE, cost=2500), route="other"),
    )
    route = view["routes"]["gpt"]
    assert (route["calls"], route["calls_by_outcome"]) == (2, {"ok": 1, "bad_request": 1})
    assert (route["attempts"], route["failovers"], route["cost_usd"]) == (3, 1, "0.0000035")
    assert route["duration_s"] == {"mean": 1.0, "p50_below": 1.0, "p99_below": 1.0}
    assert route["targets"]["a/x"]["outcomes"] == {"stalled": 1, "bad_request": 1}
    assert route["targets"]["a/x"]["wasted"] == {
        "tokens": 10,
        "cost_usd": "0.000001",
        "by_reason": {"stalled": {"attempts": 1, "input": 10, "output": 0}},
    }
    assert set(route["tokens_by_source"]) == {"provider", "estimate"}
    assert route["tokens"] == {"input": 110, "cached": 50, "cache_write": 0, "output": 20, "reasoning": 5, "total": 130}
    totals = view["totals"]
    assert (totals["calls"], totals["attempts"], totals["delivered"], totals["tokens"]["total"]) == (3, 4, 2, 250)
    assert totals["cost_usd"] == "0.000006"


def test_unknown_prices_are_unknown_not_zero():
    view = snap(call(attempt("a/x", usage=USAGE)), call(attempt("b/y", usage=USAGE, cost=1)))
    targets = view["routes"]["gpt"]["targets"]
    assert (targets["a/x"]["cost_usd"], targets["a/x"]["unpriced_attempts"]) == (None, 1)
    assert (targets["b/y"]["cost_usd"], targets["b/y"]["unpriced_attempts"]) == ("0.000000001", 0)
    assert (view["totals"]["cost_usd"], view["totals"]["unpriced_attempts"]) == ("0.000000001", 1)


def test_probes_stand_apart():
    view = snap(probe=ProbeRecord(1.0, "a/x", "completion", True, 0.1, usage=Usage(input=3, output=1), cost=40))
    assert view["probes"] == {"a/x": {"completion": {"passed": 1, "failed": 0, "tokens": 4, "cost_usd": "0.00000004"}}}
    assert view["totals"]["tokens"]["total"] == 0
