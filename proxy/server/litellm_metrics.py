"""Our figures under the names that LiteLLM gives them, so that dashboards drawn for it go on showing something true.

Names, labels and the names of errors are those that LiteLLM 1.8x exposes (`litellm/types/integrations/prometheus.py` and
`litellm/exceptions.py` in its repository; its Prometheus client appends `_total` to counters). Of its labels there are those
whose values this proxy knows; a query that groups by another one (`team`, `user`, `end_user`, `api_base`) finds it empty, as
Prometheus has it. Off unless `server.metrics_aliases` says `litellm`.
"""

from collections.abc import Callable, Mapping

from proxy.core.outcome import OutcomeKind
from proxy.server.gauges import Gauges
from proxy.server.metrics import BREAKER_STATES, Metric, Samples, histogram_samples
from proxy.stores.histogram import Histogram
from proxy.stores.litellm import DeploymentLine, FallbackKey, LatencyLine, LitellmTally
from proxy.stores.tally import Tally
from proxy.tokens.prices import dollars

Labels = tuple[tuple[str, str], ...]

#: What LiteLLM calls what we call an outcome.
EXCEPTIONS: Mapping[OutcomeKind, str] = {
    OutcomeKind.RATE_LIMITED: "RateLimitError",
    OutcomeKind.QUOTA_EXHAUSTED: "RateLimitError",
    OutcomeKind.OVERLOADED: "ServiceUnavailableError",
    OutcomeKind.SERVER_ERROR: "InternalServerError",
    OutcomeKind.CONNECT_FAILED: "APIConnectionError",
    OutcomeKind.CONNECT_TIMEOUT: "Timeout",
    OutcomeKind.FIRST_CONTENT_TIMEOUT: "Timeout",
    OutcomeKind.STALLED: "Timeout",
    OutcomeKind.IDLE_TIMEOUT: "Timeout",
    OutcomeKind.DEADLINE_EXCEEDED: "Timeout",
    OutcomeKind.AUTH_FAILED: "AuthenticationError",
    OutcomeKind.MODEL_FORBIDDEN: "PermissionDeniedError",
    OutcomeKind.MODEL_NOT_FOUND: "NotFoundError",
    OutcomeKind.CONTEXT_TOO_LONG: "ContextWindowExceededError",
    OutcomeKind.CONTENT_FILTERED: "ContentPolicyViolationError",
    OutcomeKind.UNSUPPORTED: "BadRequestError",
    OutcomeKind.BAD_REQUEST: "BadRequestError",
    OutcomeKind.REJECTION_SUSPECTED: "BadRequestError",
    OutcomeKind.REJECTION_STORM: "BadRequestError",
    OutcomeKind.MALFORMED: "APIResponseValidationError",
    OutcomeKind.STREAM_BROKEN: "APIConnectionError",
    OutcomeKind.SHUTDOWN: "ServiceUnavailableError",
}
_OTHERWISE = "APIError"


def _model(target: str) -> str:
    """The upstream's name: what stands after the provider's."""
    return target.partition("/")[2] or target


def _deployment(target: str) -> Labels:
    return (("litellm_model_name", _model(target)), ("model_id", target), ("api_provider", target.partition("/")[0]))


def _error(status: int, kind: OutcomeKind) -> Labels:
    return (("exception_status", str(status or "None")), ("exception_class", EXCEPTIONS.get(kind, _OTHERWISE)))


Maker = Callable[[LitellmTally], Samples]


def _sums(read: Callable[[DeploymentLine], int | str]) -> Maker:
    """A figure by model, model asked for, provider and key."""

    def samples(counts: LitellmTally) -> Samples:
        for (route, target, key), line in counts.lines.items():
            provider = target.partition("/")[0]
            labels = (("model", _model(target)), ("requested_model", route), ("api_provider", provider))
            yield "", (*labels, ("model_id", target), ("api_key_alias", key)), read(line)

    return samples


def _attempts(read: Callable[[DeploymentLine], int]) -> Maker:
    def samples(counts: LitellmTally) -> Samples:
        for (route, target, key), line in counts.lines.items():
            yield "", (("requested_model", route), *_deployment(target), ("api_key_alias", key)), read(line)

    return samples


def _failed_attempts(counts: LitellmTally) -> Samples:
    for (route, target, key), line in counts.lines.items():
        for (status, kind), count in _by_error(line.failures).items():
            labels = (("requested_model", route), *_deployment(target), ("api_key_alias", key))
            yield "", (*labels, ("exception_status", status), ("exception_class", kind)), count


def _by_error(failures: Mapping[tuple[int, OutcomeKind], int]) -> dict[tuple[str, str], int]:
    """Several of our outcomes may have one name there."""
    found: dict[tuple[str, str], int] = {}
    for (status, kind), count in failures.items():
        (_, shown), (_, name) = _error(status, kind)
        found[shown, name] = found.get((shown, name), 0) + count
    return found


def _requests(counts: LitellmTally) -> Samples:
    for (route, key, status), count in counts.calls.items():
        yield "", (("requested_model", route), ("api_key_alias", key), ("status_code", str(status))), count


def _failed_requests(counts: LitellmTally) -> Samples:
    summed: dict[Labels, int] = {}
    for ((route, key, status), kind), count in counts.failures.items():
        labels = (("requested_model", route), ("api_key_alias", key), *_error(status, kind))
        summed[labels] = summed.get(labels, 0) + count
    for labels, count in summed.items():
        yield "", labels, count


def _fallbacks(read: Callable[[LitellmTally], Mapping[FallbackKey, int]]) -> Maker:
    def samples(counts: LitellmTally) -> Samples:
        summed: dict[Labels, int] = {}
        for (route, target, status, kind), count in read(counts).items():
            labels = (("requested_model", route), ("fallback_model", _model(target)), *_error(status, kind))
            summed[labels] = summed.get(labels, 0) + count
        for labels, count in summed.items():
            yield "", labels, count

    return samples


def _latency(read: Callable[[LatencyLine], Histogram]) -> Maker:
    def samples(counts: LitellmTally) -> Samples:
        for (route, target), line in counts.latencies.items():
            labels = (("model", _model(target)), ("model_id", target), ("requested_model", route))
            yield from histogram_samples(labels, read(line))

    return samples


def _states(_: Tally, gauges: Gauges) -> Samples:
    for target, gauge in gauges.targets.items():
        yield "", _deployment(target), max((BREAKER_STATES[state] for state in gauge.breakers.values()), default=0)


def _cooled_down(tally: Tally, _: Gauges) -> Samples:
    for (subject, after), count in tally.changes.items():
        if after == "open" and "/" in subject:
            yield "", _deployment(subject), count


COUNTERS: tuple[tuple[str, str, Maker], ...] = (
    ("litellm_spend_metric_total", "Known cost of all attempts, in dollars.", _sums(lambda line: dollars(line.cost))),
    ("litellm_input_tokens_metric_total", "Input tokens of all attempts.", _sums(lambda line: line.input)),
    ("litellm_output_tokens_metric_total", "Output tokens of all attempts.", _sums(lambda line: line.output)),
    ("litellm_total_tokens_metric_total", "Both.", _sums(lambda line: line.input + line.output)),
    ("litellm_requests_metric_total", "Attempts that succeeded.", _sums(lambda line: line.successes)),
    ("litellm_proxy_total_requests_metric_total", "Calls of clients, by the status told.", _requests),
    ("litellm_proxy_failed_requests_metric_total", "Calls of clients that failed.", _failed_requests),
    (
        "litellm_deployment_total_requests_total",
        "Attempts, without those that ended because of the client or of us.",
        _attempts(lambda line: line.successes + sum(line.failures.values())),
    ),
    ("litellm_deployment_success_responses_total", "Attempts that succeeded.", _attempts(lambda line: line.successes)),
    ("litellm_deployment_failure_responses_total", "Attempts that failed, by what went wrong.", _failed_attempts),
    (
        "litellm_deployment_successful_fallbacks_total",
        "Calls answered elsewhere after their first target failed.",
        _fallbacks(lambda counts: counts.fallbacks),
    ),
    (
        "litellm_deployment_failed_fallbacks_total",
        "Calls that failed elsewhere too.",
        _fallbacks(lambda counts: counts.failed_fallbacks),
    ),
)
HISTOGRAMS: tuple[tuple[str, str, Maker], ...] = (
    ("litellm_request_total_latency_metric", "Seconds of whole calls.", _latency(lambda line: line.call)),
    ("litellm_llm_api_latency_metric", "Seconds of attempts that succeeded.", _latency(lambda line: line.attempt)),
    (
        "litellm_llm_api_time_to_first_token_metric",
        "Seconds to the first content of streams.",
        _latency(lambda line: line.first),
    ),
)
OTHERS: tuple[Metric, ...] = (
    Metric("litellm_deployment_state", "gauge", "0 healthy, 1 on trial, 2 out of traffic.", _states),
    Metric("litellm_deployment_cooled_down_total", "counter", "Times a target was taken out of traffic.", _cooled_down),
)


def litellm_metrics(counts: LitellmTally) -> tuple[Metric, ...]:
    """The table of aliases, reading these counts."""

    def bind(maker: Maker) -> Callable[[Tally, Gauges], Samples]:
        return lambda _tally, _gauges: maker(counts)

    return (
        *(Metric(name, "counter", text, bind(maker)) for name, text, maker in COUNTERS),
        *(Metric(name, "histogram", text, bind(maker)) for name, text, maker in HISTOGRAMS),
        *OTHERS,
    )
