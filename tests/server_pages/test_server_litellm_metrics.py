"""Figures under LiteLLM's names: each is compared with what dashboards for it would ask."""

import pytest
from prometheus_reader import parse

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, StateChange
from proxy.core.usage import Usage
from proxy.server.gauges import Gauges, TargetGauge
from proxy.server.litellm_metrics import EXCEPTIONS, litellm_metrics
from proxy.server.metrics import METRICS, render
from proxy.stores.litellm import LitellmTally
from proxy.stores.process import ProcessFigures
from proxy.stores.tally import MAX_LINES, NOT_FAILURES, OTHER, Tally

USAGE = Usage(input=100, output=20)
GAUGES = Gauges(
    "1", 0.0, ProcessFigures(1, 0.0, None), targets={"a/x": TargetGauge(breakers={"chat": "open", "x": "closed"})}
)


def tried(target: str, kind: OutcomeKind = OutcomeKind.OK, status: int | None = 200, **more) -> AttemptRecord:
    outcome = OK if kind is OutcomeKind.OK else Outcome(kind, status)
    values = {"first_content_at": 1.25, "ended_at": 3.0, "usage": USAGE, "cost": 1_500_000_000, "status": status, **more}
    return AttemptRecord(target, target.split("/")[0], "k#1", 1.0, outcome, **values)


def called(*attempts: AttemptRecord, outcome: OutcomeKind = OutcomeKind.OK, status: int = 200, **more) -> CallRecord:
    served = next((a.target for a in attempts if a.outcome.ok), None)
    values = {"route": "gpt", "key": "ci", "stream": True, "ended_at": 4.0, "served_by": served, **more}
    return CallRecord(
        "r", endpoint=Endpoint.CHAT, wall=0.0, started_at=0.0, outcome=outcome, status=status, attempts=list(attempts),
        **values,
    )  # fmt: skip


LIMITED = OutcomeKind.RATE_LIMITED
CALLS = [
    called(tried("a/x")),
    called(tried("c/e", first_content_at=None, usage=None, cost=None), route="embed"),
    called(tried("a/x", LIMITED, 429, usage=None, cost=None), tried("b/y/z")),
    called(tried("a/x", LIMITED, 429), tried("b/y/z", OutcomeKind.SERVER_ERROR, 500), outcome=LIMITED, status=429, key=None),
    called(tried("a/x", OutcomeKind.CLIENT_GONE, None, cost=None), outcome=OutcomeKind.CLIENT_GONE, status=499),
    called(tried("a/x", OutcomeKind.STALLED, None), tried("a/x", OutcomeKind.IDLE_TIMEOUT, None), stream=False,
           outcome=OutcomeKind.STALLED, status=504),
    called(outcome=OutcomeKind.BAD_REQUEST, status=400),
]  # fmt: skip


@pytest.fixture(scope="module")
def families():
    tally, counts = Tally(0.0), LitellmTally()
    for call in CALLS:
        counts.call_finished(call)
    for sink in (tally, counts):
        sink.state_changed(StateChange(1.0, "a/x", "chat", "closed", "open", "why"))
        sink.state_changed(StateChange(1.0, "k#1", None, "usable", "open", "no target"))
        sink.probed(ProbeRecord(1.0, "a/x", "free", True, 0.1))
    assert repr(counts) == "<LitellmTally 7 calls, 5 lines>"
    return parse(render(tally, GAUGES, litellm_metrics(counts)).decode())


def total(families, name: str, **wanted: str):
    """What `sum(name{wanted})` gives."""
    family = next(name.removesuffix(end) for end in ("", "_bucket", "_sum", "_count") if name.removesuffix(end) in families)
    return sum(
        value for (sample, pairs), value in families[family][1].items()
        if sample == name and wanted.items() <= dict(pairs).items()
    )  # fmt: skip


def test_the_usual_figures_are_still_there_and_the_aliases_after_them(families) -> None:
    names = list(families)
    assert names[: len(METRICS)] == [metric.name for metric in METRICS]
    assert all(name.startswith("litellm_") for name in names[len(METRICS) :])
    assert all(families[name][1] for name in names[len(METRICS) :]), "each has samples"


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("litellm_spend_metric_total", {}, 9),
        ("litellm_spend_metric_total", {"model": "x", "api_key_alias": "ci"}, 4.5),
        ("litellm_spend_metric_total", {"api_key_alias": ""}, 3),
        ("litellm_input_tokens_metric_total", {"model": "y/z", "api_provider": "b"}, 200),
        ("litellm_output_tokens_metric_total", {"requested_model": "gpt"}, 140),
        ("litellm_total_tokens_metric_total", {}, 840),
        ("litellm_requests_metric_total", {}, 3),
        ("litellm_proxy_total_requests_metric_total", {}, 7),
        ("litellm_proxy_total_requests_metric_total", {"status_code": "499"}, 1),
        ("litellm_proxy_failed_requests_metric_total", {}, 3),
        ("litellm_proxy_failed_requests_metric_total", {"exception_status": "429", "exception_class": "RateLimitError"}, 1),
        ("litellm_deployment_total_requests_total", {"litellm_model_name": "x"}, 5),
        ("litellm_deployment_success_responses_total", {"model_id": "b/y/z"}, 1),
        ("litellm_deployment_failure_responses_total", {"api_provider": "a", "exception_status": "429"}, 2),
        ("litellm_deployment_failure_responses_total", {"exception_class": "Timeout", "exception_status": "None"}, 2),
        ("litellm_deployment_successful_fallbacks_total", {"fallback_model": "y/z", "exception_status": "429"}, 1),
        ("litellm_deployment_failed_fallbacks_total", {"requested_model": "gpt"}, 1),
        ("litellm_request_total_latency_metric_count", {}, 6),
        ("litellm_request_total_latency_metric_sum", {"model": "y/z"}, 8),
        ("litellm_llm_api_latency_metric_sum", {}, 6),
        ("litellm_llm_api_time_to_first_token_metric_bucket", {"le": "0.3"}, 2),
        ("litellm_deployment_state", {"litellm_model_name": "x"}, 2),
        ("litellm_deployment_cooled_down_total", {}, 1),
    ],
)
def test_figures(families, name: str, labels: dict[str, str], expected: float) -> None:
    assert total(families, name, **labels) == expected


def test_one_series_for_several_outcomes_of_one_name(families) -> None:
    """STALLED and IDLE_TIMEOUT are both a Timeout without a status; two equal series would spoil the whole page."""
    series = families["litellm_deployment_failure_responses_total"][1]
    assert [value for (_, pairs), value in series.items() if dict(pairs)["exception_class"] == "Timeout"] == [2]


def test_every_failure_has_a_name() -> None:
    assert set(EXCEPTIONS) == set(OutcomeKind) - NOT_FAILURES | {OutcomeKind.SHUTDOWN}


def test_names_that_clients_bring_are_bounded() -> None:
    counts = LitellmTally()
    for n in range(MAX_LINES + 5):
        attempts = (tried(f"d/{n}", LIMITED, 429), tried(f"e/{n}"))
        counts.call_finished(called(*attempts, route=f"r{n}"))
        counts.call_finished(called(*attempts[:1], route=f"r{n}", outcome=LIMITED, status=429))
    for held in (counts.calls, counts.failures, counts.lines, counts.latencies, counts.fallbacks):
        assert len(held) <= MAX_LINES + 2
    assert sum(counts.calls.values()) == 2 * (MAX_LINES + 5)
    assert sum(line.successes for line in counts.lines.values()) == MAX_LINES + 5
    assert counts.lines[OTHER, OTHER, OTHER].successes > 0


def test_the_readme_lists_each() -> None:
    from pathlib import Path

    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for metric in litellm_metrics(LitellmTally()):
        assert f"`{metric.name}`" in readme
