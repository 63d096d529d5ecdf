from decimal import Decimal

import pytest
from prometheus_reader import parse

from proxy.core.alarming import AlarmFigures, WebhookState
from proxy.core.endpoints import Endpoint
from proxy.core.limits import BudgetStanding
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, Purpose, StateChange
from proxy.core.usage import Usage
from proxy.server.gauges import CredentialGauge, Gauges, TargetGauge
from proxy.server.limit_metrics import MAX_BUDGETS
from proxy.server.metrics import METRICS, escape, render
from proxy.stores.ledger.contract import LedgerState
from proxy.stores.process import ProcessFigures
from proxy.stores.tally import Tally

PROCESS = ProcessFigures(resident=50_000_000, cpu=1.25, descriptors=12)
GAUGES = Gauges(
    version="1.2.3",
    started=1.7e9,
    process=PROCESS,
    targets={
        "a/x": TargetGauge(3, 1, {"chat": "open", "embeddings": "closed"}, {"chat": "ejected"}, factor=1.23456, limit=18),
        "b/y": TargetGauge(),
    },
    credentials=[CredentialGauge("a", "a#1", False, -3.0, {"renewed": 2, "failed": 1}), CredentialGauge("b", "b#1", True)],
    upstream_connections={("a", "idle"): 2, ("a", "busy"): 3},
    client_connections=7,
    calls_in_flight=4,
    loop_lag=0.002,
    log_lines_dropped=9,
    refused={"bad_host": 2},
    cut={"slow_reader": 1},
    ledger=LedgerState("spilling", 5, 4, 3, 2, 1, True, "disk full"),
    budgets=[
        BudgetStanding(f"usd a {per}", "key ci", spent, 200, "usd", 0.0, 1.0, reserved=10)
        for per, spent in (("day", 40), ("month", 90))
    ],
    limit_refusals={("key", "ci", "rpm"): 3},
    alarms=AlarmFigures({"budget": 1}, (WebhookState("1", "slack", "failing", 3, 2, 1, 4),), {"openai": 2, "x": None}),
    drills={"a": 0.1},
    drill_faults={("a", "slow"): 4},
    pressure=1.25,
    shed={("batch", "lag"): 4, ("normal", "memory"): 1},
)


def filled():
    tally = Tally(since=1.7e9)
    usage = Usage(input=100, output=20, cached=50, reasoning=5)
    failed = AttemptRecord(
        "a/x", "a", "a#1", 0.0, Outcome(OutcomeKind.STALLED), usage=usage, cost=1500, possibly_billed=True
    )
    served = AttemptRecord("b/y", "b", "b#1", 1.0, OK, first_content_at=1.25, ended_at=2.0, usage=usage, delivered=True)
    record = CallRecord("r", "gpt", Endpoint.CHAT, True, None, 0.0, 0.0, ended_at=2.0, status=200, waited=0.5)
    record.attempts = [failed, served]
    tally.call_finished(record)
    tally.state_changed(StateChange(1.0, "a/x", "chat", "closed", "open", "why"))
    tally.state_changed(StateChange(1.0, "a/x", "chat", "trusted", "ejected", "why"))
    tally.probed(ProbeRecord(1.0, "a/x", "completion", True, 0.1, usage=Usage(input=3, output=1), cost=40))
    return tally


@pytest.fixture(scope="module")
def families():
    return parse(render(filled(), GAUGES).decode())


def value(families, name, **wanted):
    found = [
        number for (sample, pairs), number in families[name.removesuffix("_bucket").removesuffix("_count")][1].items()
        if sample == name and wanted.items() <= dict(pairs).items()
    ]  # fmt: skip
    assert len(found) == 1
    return found[0]


def test_credentials_show_whether_and_how_long_they_can_be_used(families):
    assert value(families, "undimmed_credential_usable", credential="a#1") == 0
    assert value(families, "undimmed_credential_usable", credential="b#1") == 1
    assert value(families, "undimmed_credential_expiry_seconds", credential="a#1") == -3
    assert len(families["undimmed_credential_expiry_seconds"][1]) == 1
    assert value(families, "undimmed_credential_refreshes_total", result="failed") == 1


def test_every_metric_of_the_table_is_there_with_samples():
    tally = filled()
    cut = AttemptRecord("a/x", "a", "a#1", 0.0, Outcome(OutcomeKind.STREAM_BROKEN), delivered=True)
    resumed = AttemptRecord("b/y", "b", "b#1", 1.0, OK, delivered=True, purpose=Purpose.RESUME)
    tally.call_finished(CallRecord("s", "gpt", Endpoint.CHAT, True, None, 0.0, 0.0, attempts=[cut, resumed]))
    families = parse(render(tally, GAUGES).decode())
    assert list(families) == [metric.name for metric in METRICS]
    assert all(samples for _, samples in families.values())
    assert {kind for kind, _ in families.values()} == {"counter", "gauge", "histogram"}


def test_names_follow_the_conventions():
    for metric in METRICS:
        assert metric.name.startswith(("undimmed_", "process_"))
        assert (metric.type == "counter") == metric.name.endswith("_total")
        assert metric.help.endswith(".")
        assert "\n" not in metric.help


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [
        ("undimmed_requests_total", {"route": "gpt", "stream": "true", "outcome": "ok", "status": "200"}, "1"),
        ("undimmed_requests_total", {"endpoint": "chat"}, "1"),
        ("undimmed_attempts_total", {"route": "gpt", "target": "a/x", "outcome": "stalled"}, "1"),
        ("undimmed_tokens_total", {"target": "b/y", "kind": "input", "source": "provider"}, "100"),
        ("undimmed_tokens_total", {"target": "b/y", "kind": "cached"}, "50"),
        ("undimmed_tokens_total", {"target": "b/y", "kind": "reasoning"}, "5"),
        ("undimmed_wasted_tokens_total", {"target": "a/x", "reason": "stalled"}, "120"),
        ("undimmed_wasted_cost_usd_total", {"target": "a/x", "reason": "stalled"}, "0.0000015"),
        ("undimmed_cost_usd_total", {"target": "a/x"}, "0.0000015"),
        ("undimmed_unpriced_attempts_total", {"target": "b/y"}, "1"),
        ("undimmed_possibly_billed_attempts_total", {"target": "a/x"}, "1"),
        ("undimmed_contradictory_usage_total", {"target": "a/x"}, "0"),
        ("undimmed_estimate_factor", {"target": "a/x"}, "1.2346"),
        ("undimmed_failovers_total", {"route": "gpt", "from": "a/x", "to": "b/y"}, "1"),
        ("undimmed_probes_total", {"target": "a/x", "kind": "completion", "ok": "true"}, "1"),
        ("undimmed_probe_tokens_total", {"target": "a/x"}, "4"),
        ("undimmed_probe_cost_usd_total", {"target": "a/x"}, "0.00000004"),
        ("undimmed_state_changes_total", {"subject": "a/x", "state": "open"}, "1"),
        ("undimmed_time_to_first_content_seconds_bucket", {"target": "b/y", "le": "0.2"}, "0"),
        ("undimmed_time_to_first_content_seconds_bucket", {"target": "b/y", "le": "0.3"}, "1"),
        ("undimmed_time_to_first_content_seconds_count", {"target": "a/x"}, "0"),
        ("undimmed_request_duration_seconds_bucket", {"route": "gpt", "le": "+Inf"}, "1"),
        ("undimmed_waited_seconds_bucket", {"route": "gpt", "le": "0.5"}, "1"),
        ("undimmed_breaker_state", {"target": "a/x", "endpoint": "chat"}, "2"),
        ("undimmed_breaker_state", {"target": "a/x", "endpoint": "embeddings"}, "0"),
        ("undimmed_concurrency_limit", {"target": "a/x"}, 18),
        ("undimmed_shed_total", {"priority": "batch", "reason": "lag"}, 4),
        ("undimmed_overload_pressure", {}, 1.25),
        ("undimmed_in_flight", {"target": "a/x"}, "3"),
        ("undimmed_queue_length", {"target": "a/x"}, "1"),
        ("undimmed_upstream_connections", {"provider": "a", "state": "busy"}, "3"),
        ("undimmed_client_connections", {}, "7"),
        ("undimmed_calls_in_flight", {}, "4"),
        ("undimmed_ready", {}, "1"),
        ("undimmed_event_loop_lag_seconds", {}, "0.002"),
        ("undimmed_log_lines_dropped_total", {}, "9"),
        ("undimmed_limit_refusals_total", {"subject": "key ci", "limit": "rpm"}, "3"),
        ("undimmed_budget_used_ratio", {"subject": "key ci", "budget": "usd a month"}, "0.5"),
        ("undimmed_build_info", {"version": "1.2.3"}, "1"),
        ("process_resident_memory_bytes", {}, "50000000"),
        ("process_cpu_seconds_total", {}, "1.25"),
        ("process_open_fds", {}, "12"),
        ("process_start_time_seconds", {}, "1700000000.0"),
    ],
)
def test_values(families, name, wanted, expected):
    assert value(families, name, **wanted) == Decimal(expected)


def test_histograms_are_cumulative(families):
    for name, (kind, samples) in families.items():
        if kind != "histogram":
            continue
        series = {}
        for (sample, pairs), number in samples.items():
            rest = tuple(pair for pair in pairs if pair[0] != "le")
            series.setdefault(rest, {}).setdefault(sample, []).append((dict(pairs).get("le"), number))
        for parts in series.values():
            bounds = [bound for bound, _ in parts[name + "_bucket"]]
            numbers = [number for _, number in parts[name + "_bucket"]]
            assert bounds[-1] == "+Inf"
            assert [float(bound) for bound in bounds] == sorted(float(bound) for bound in bounds)
            assert numbers == sorted(numbers)
            assert numbers[-1] == parts[name + "_count"][0][1]


def test_of_many_budgets_the_fullest_are_shown():
    budgets = [BudgetStanding("usd a day", f"key k{n}", n, 1000, "usd", 0.0, 1.0) for n in range(MAX_BUDGETS + 100)]
    families = parse(render(Tally(0.0), Gauges("v", 0.0, PROCESS, budgets=budgets)).decode())
    shown = families["undimmed_budget_used_ratio"][1]
    assert len(shown) == MAX_BUDGETS
    assert min(shown.values()) == Decimal("0.1")


def test_labels_are_escaped():
    name = 'a/"quoted"\\ \n new {x} =,'
    families = parse(render(Tally(0.0), Gauges("v", 0.0, PROCESS, targets={name: TargetGauge(5)})).decode())
    assert value(families, "undimmed_in_flight", target=name) == 5
    assert escape('"\\\n') == '\\"\\\\\\n'


def test_an_empty_tally_is_a_valid_page():
    families = parse(render(Tally(0.0), Gauges("v", 0.0, ProcessFigures(1, 0.0, None), ready=False)).decode())
    assert families["process_open_fds"][1] == {}
    assert value(families, "undimmed_ready") == 0


def test_odd_text_does_not_break_the_page():
    page = render(Tally(0.0), Gauges("v", 0.0, PROCESS, targets={"a/\ud800": TargetGauge(1)}))
    assert value(parse(page.decode()), "undimmed_in_flight", target="a/?") == 1
