"""Prometheus text (exposition format 0.0.4), made from the tally and live gauges when somebody asks.

`METRICS` is the one table: name, type, help and the function that yields the samples. Labels come only from the
configuration and from our own enumerations, so their number is bounded; money is rendered as an exact decimal.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from proxy.server import alert_metrics, capacity_metrics
from proxy.server.gauges import Gauges
from proxy.server.limit_metrics import budgets, refusals
from proxy.stores.histogram import Histogram
from proxy.stores.tally import Tally
from proxy.tokens.prices import dollars

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

DOUBTS = {"trusted": 0, "on_trial": 1, "ejected": 2}
BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}


#: Suffix of the name, labels, value.
Sample = tuple[str, tuple[tuple[str, str], ...], int | float | str]
Samples = Iterator[Sample]


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table. `type` is `counter`, `gauge` or `histogram`."""

    name: str
    type: str
    help: str
    samples: Callable[[Tally, Gauges], Samples]


def _requests(tally: Tally, _: Gauges) -> Samples:
    for (route, endpoint, stream, outcome, status), count in tally.calls.items():
        labels = (
            ("route", route),
            ("endpoint", endpoint.value),
            ("stream", "true" if stream else "false"),
            ("outcome", outcome.value),
            ("status", str(status)),
        )
        yield "", labels, count


def _attempts(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        for outcome, count in line.attempts.items():
            yield "", (("route", route), ("target", target), ("outcome", outcome.value)), count


def _resumes(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        for outcome, count in line.resumes.items():
            yield "", (("route", route), ("target", target), ("outcome", outcome.value)), count


def _tokens(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        for source, tokens in line.tokens.items():
            for kind in ("input", "cached", "output", "reasoning"):
                labels = (("route", route), ("target", target), ("kind", kind), ("source", source.value))
                yield "", labels, getattr(tokens, kind)


def _wasted_tokens(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        for reason, waste in line.wasted.items():
            yield "", (("route", route), ("target", target), ("reason", reason.value)), waste.input + waste.output


def _wasted_cost(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        for reason, waste in line.wasted.items():
            yield "", (("route", route), ("target", target), ("reason", reason.value)), dollars(waste.cost)


def _cost(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        yield "", (("route", route), ("target", target)), dollars(line.cost)


def _unpriced(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        yield "", (("route", route), ("target", target)), line.unpriced


def _possibly_billed(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        yield "", (("route", route), ("target", target)), line.possibly_billed


def _contradictory(tally: Tally, _: Gauges) -> Samples:
    for (route, target), line in tally.lines.items():
        yield "", (("route", route), ("target", target)), line.contradictory


def _factors(_: Tally, gauges: Gauges) -> Samples:
    for target, gauge in gauges.targets.items():
        if gauge.factor is not None:
            yield "", (("target", target),), round(gauge.factor, 4)


def _failovers(tally: Tally, _: Gauges) -> Samples:
    for (route, before, after), count in tally.failovers.items():
        yield "", (("route", route), ("from", before), ("to", after)), count


def _probes(tally: Tally, _: Gauges) -> Samples:
    for (target, kind), line in tally.probes.items():
        yield "", (("target", target), ("kind", kind), ("ok", "true")), line.passed
        yield "", (("target", target), ("kind", kind), ("ok", "false")), line.failed


def _probe_tokens(tally: Tally, _: Gauges) -> Samples:
    for (target, kind), line in tally.probes.items():
        yield "", (("target", target), ("kind", kind)), line.tokens


def _probe_cost(tally: Tally, _: Gauges) -> Samples:
    for (target, kind), line in tally.probes.items():
        yield "", (("target", target), ("kind", kind)), dollars(line.cost)


def _changes(tally: Tally, _: Gauges) -> Samples:
    for (subject, after), count in tally.changes.items():
        yield "", (("subject", subject), ("state", after)), count


def histogram_samples(labels: tuple[tuple[str, str], ...], histogram: Histogram) -> Samples:
    """One series of a histogram."""
    seen = 0
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        seen += count
        yield "_bucket", (*labels, ("le", str(bound))), seen
    yield "_sum", labels, histogram.sum
    yield "_count", labels, seen


def _first_content(tally: Tally, _: Gauges) -> Samples:
    for target, line in tally.targets.items():
        yield from histogram_samples((("target", target),), line.first_content)


def _duration(tally: Tally, _: Gauges) -> Samples:
    for route, line in tally.routes.items():
        yield from histogram_samples((("route", route),), line.duration)


def _waited(tally: Tally, _: Gauges) -> Samples:
    for route, line in tally.routes.items():
        yield from histogram_samples((("route", route),), line.waited)


def _ejections(tally: Tally, _: Gauges) -> Samples:
    for (subject, after), count in tally.changes.items():
        if after == "ejected":
            yield "", (("subject", subject),), count


def _doubts(_: Tally, gauges: Gauges) -> Samples:
    for target, gauge in gauges.targets.items():
        for endpoint, doubt in gauge.doubts.items():
            yield "", (("target", target), ("endpoint", endpoint)), DOUBTS[doubt]


def _incidents(_: Tally, gauges: Gauges) -> Samples:
    yield "", (), gauges.incidents


def _breakers(_: Tally, gauges: Gauges) -> Samples:
    for target, gauge in gauges.targets.items():
        for endpoint, state in gauge.breakers.items():
            yield "", (("target", target), ("endpoint", endpoint)), BREAKER_STATES[state]


def _in_flight(_: Tally, gauges: Gauges) -> Samples:
    for target, gauge in gauges.targets.items():
        yield "", (("target", target),), gauge.in_flight


def _queue(_: Tally, gauges: Gauges) -> Samples:
    for target, gauge in gauges.targets.items():
        yield "", (("target", target),), gauge.queued


def _credentials(_: Tally, gauges: Gauges) -> Samples:
    for gauge in gauges.credentials:
        yield "", (("provider", gauge.provider), ("credential", gauge.credential)), int(gauge.usable)


def _expiry(_: Tally, gauges: Gauges) -> Samples:
    for gauge in gauges.credentials:
        if gauge.expires is not None:
            yield "", (("provider", gauge.provider), ("credential", gauge.credential)), round(gauge.expires, 1)


def _refreshes(_: Tally, gauges: Gauges) -> Samples:
    for gauge in gauges.credentials:
        for result, count in gauge.refreshes.items():
            yield "", (("provider", gauge.provider), ("credential", gauge.credential), ("result", result)), count


def _connections(_: Tally, gauges: Gauges) -> Samples:
    for (provider, state), count in gauges.upstream_connections.items():
        yield "", (("provider", provider), ("state", state)), count


def _build(_: Tally, gauges: Gauges) -> Samples:
    yield "", (("version", gauges.version),), 1


def _descriptors(_: Tally, gauges: Gauges) -> Samples:
    if gauges.process.descriptors is not None:
        yield "", (), gauges.process.descriptors


def _refused(_: Tally, gauges: Gauges) -> Samples:
    for reason, count in gauges.refused.items():
        yield "", (("reason", reason),), count


def _cut(_: Tally, gauges: Gauges) -> Samples:
    for reason, count in gauges.cut.items():
        yield "", (("reason", reason),), count


def _drills(_: Tally, gauges: Gauges) -> Samples:
    for provider, share in gauges.drills.items():
        yield "", (("provider", provider),), share


def _drill_faults(_: Tally, gauges: Gauges) -> Samples:
    for (provider, fault), count in gauges.drill_faults.items():
        yield "", (("provider", provider), ("fault", fault)), count


def _ledger_rows(_: Tally, gauges: Gauges) -> Samples:
    if gauges.ledger is not None:
        for result in ("written", "spilled", "replayed", "lost"):
            yield "", (("result", result),), getattr(gauges.ledger, result)


def _ledger_waiting(_: Tally, gauges: Gauges) -> Samples:
    if gauges.ledger is not None:
        yield "", (), gauges.ledger.waiting


def _ledger_ok(_: Tally, gauges: Gauges) -> Samples:
    if gauges.ledger is not None:
        yield "", (), int(gauges.ledger.state == "ok")


def _single(read: Callable[[Gauges], int | float]) -> Callable[[Tally, Gauges], Samples]:
    def samples(_: Tally, gauges: Gauges) -> Samples:
        yield "", (), read(gauges)

    return samples


METRICS: tuple[Metric, ...] = (
    Metric("undimmed_requests_total", "counter", "Calls of clients, by how they ended and the status told.", _requests),
    Metric("undimmed_attempts_total", "counter", "Attempts at targets, by outcome.", _attempts),
    Metric(
        "undimmed_tokens_total",
        "counter",
        "Tokens of all attempts; kind cached is part of input, reasoning of output; source says who counted.",
        _tokens,
    ),
    Metric("undimmed_wasted_tokens_total", "counter", "Tokens of attempts whose output nobody received.", _wasted_tokens),
    Metric(
        "undimmed_wasted_cost_usd_total", "counter", "Known cost of attempts whose output nobody received.", _wasted_cost
    ),
    Metric("undimmed_cost_usd_total", "counter", "Known cost of all attempts, in dollars.", _cost),
    Metric("undimmed_resumes_total", "counter", "Attempts to go on with a stream that was cut, by outcome.", _resumes),
    Metric("undimmed_unpriced_attempts_total", "counter", "Attempts that used tokens of unknown price.", _unpriced),
    Metric(
        "undimmed_possibly_billed_attempts_total",
        "counter",
        "Attempts cut off after they were sent, which may be billed beyond what was counted.",
        _possibly_billed,
    ),
    Metric(
        "undimmed_contradictory_usage_total",
        "counter",
        "Attempts whose provider reported a part as larger than its whole.",
        _contradictory,
    ),
    Metric(
        "undimmed_estimate_factor",
        "gauge",
        "What estimates of a target's input are multiplied by, as its own counts suggest.",
        _factors,
    ),
    Metric("undimmed_failovers_total", "counter", "Calls taken from one target to another.", _failovers),
    Metric("undimmed_probes_total", "counter", "Active probes.", _probes),
    Metric("undimmed_probe_tokens_total", "counter", "Tokens used by active probes.", _probe_tokens),
    Metric("undimmed_probe_cost_usd_total", "counter", "Known cost of active probes, in dollars.", _probe_cost),
    Metric("undimmed_state_changes_total", "counter", "Changes of breakers, holds and credentials into a state.", _changes),
    Metric(
        "undimmed_time_to_first_content_seconds",
        "histogram",
        "From sending an attempt to its first content.",
        _first_content,
    ),
    Metric("undimmed_request_duration_seconds", "histogram", "From the arrival of a call to its end.", _duration),
    Metric("undimmed_waited_seconds", "histogram", "How long calls waited here: queue and backoff.", _waited),
    Metric("undimmed_breaker_state", "gauge", "0 closed (traffic flows), 1 half-open (trial), 2 open (refused).", _breakers),
    Metric(
        "undimmed_ejections_total", "counter", "Targets and domains that detectors have taken out of favour.", _ejections
    ),
    Metric("undimmed_ejected", "gauge", "0 trusted, 1 on trial, 2 ejected: what detectors think of a target.", _doubts),
    Metric("undimmed_incidents_running", "gauge", "Incidents that have not ended.", _incidents),
    Metric("undimmed_in_flight", "gauge", "Attempts under way at a target.", _in_flight),
    Metric("undimmed_queue_length", "gauge", "Calls that wait for a target.", _queue),
    *(Metric(*row) for row in capacity_metrics.ROWS),
    Metric("undimmed_credential_usable", "gauge", "1 while a credential can be used for some model.", _credentials),
    Metric("undimmed_credential_expiry_seconds", "gauge", "Until a credential's token ends; negative: since.", _expiry),
    Metric(
        "undimmed_credential_refreshes_total",
        "counter",
        "Refreshes of credentials that do not last, by result.",
        _refreshes,
    ),
    Metric("undimmed_upstream_connections", "gauge", "Connections to providers, idle or busy.", _connections),
    Metric("undimmed_client_connections", "gauge", "Open connections of clients.", _single(lambda g: g.client_connections)),
    Metric("undimmed_calls_in_flight", "gauge", "Calls under way.", _single(lambda g: g.calls_in_flight)),
    Metric("undimmed_ready", "gauge", "1 while at least one route can serve.", _single(lambda g: int(g.ready))),
    Metric("undimmed_event_loop_lag_seconds", "gauge", "How late the event loop last was.", _single(lambda g: g.loop_lag)),
    Metric("undimmed_refused_requests_total", "counter", "Requests the listener did not let in.", _refused),
    Metric("undimmed_cut_connections_total", "counter", "Client connections cut for slowness.", _cut),
    Metric(
        "undimmed_handler_failures_total",
        "counter",
        "Calls that ended in a bug of the proxy.",
        _single(lambda g: g.handler_failures),
    ),
    Metric(
        "undimmed_log_lines_dropped_total",
        "counter",
        "Log lines lost because nobody took them.",
        _single(lambda g: g.log_lines_dropped),
    ),
    Metric(
        "undimmed_ledger_rows_total",
        "counter",
        "Calls for the ledger: written, spilled for want of a database, replayed into it later, lost.",
        _ledger_rows,
    ),
    Metric("undimmed_ledger_waiting", "gauge", "Calls that wait in the ledger's journal.", _ledger_waiting),
    Metric("undimmed_ledger_ok", "gauge", "1 while the ledger's database takes what it is given.", _ledger_ok),
    Metric("undimmed_limit_refusals_total", "counter", "Calls that a limit or budget kept out.", refusals),
    Metric("undimmed_budget_used_ratio", "gauge", "Used and reserved part of a budget in its period.", budgets),
    Metric("undimmed_alerts_firing", "gauge", "Alerts that are not over, by topic.", alert_metrics.firing),
    Metric("undimmed_alert_messages_total", "counter", "Messages to webhooks, by result.", alert_metrics.messages),
    Metric("undimmed_alert_messages_waiting", "gauge", "Messages that wait for a webhook.", alert_metrics.waiting),
    Metric("undimmed_webhook_ok", "gauge", "0 while a webhook's last try has failed.", alert_metrics.webhook_ok),
    Metric(
        "undimmed_status_page_level",
        "gauge",
        "What a provider says of itself: 0 well, 1 minor, 2 major, 3 critical, -1 unknown.",
        alert_metrics.status_page,
    ),
    Metric("undimmed_drill_active", "gauge", "The share of a provider's requests that a fire drill hits now.", _drills),
    Metric("undimmed_drill_faults_total", "counter", "Requests that a fire drill has hit.", _drill_faults),
    Metric("undimmed_build_info", "gauge", "Always 1; the version is a label.", _build),
    Metric("process_resident_memory_bytes", "gauge", "Resident memory.", _single(lambda g: g.process.resident)),
    Metric("process_cpu_seconds_total", "counter", "User and system CPU time.", _single(lambda g: g.process.cpu)),
    Metric("process_open_fds", "gauge", "Open file descriptors.", _descriptors),
    Metric("process_start_time_seconds", "gauge", "Unix time of the start.", _single(lambda g: g.started)),
)


def escape(value: str) -> str:
    """A label's value between its quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _line(name: str, labels: tuple[tuple[str, str], ...], value: int | float | str) -> str:
    if not labels:
        return f"{name} {value}"
    inner = ",".join([f'{key}="{escape(text)}"' for key, text in labels])
    return f"{name}{{{inner}}} {value}"


def render(tally: Tally, gauges: Gauges, aliases: Sequence[Metric] = ()) -> bytes:
    """All metrics as text; `aliases` are the same figures under names that others have given them."""
    lines = []
    for metric in (*METRICS, *aliases):
        lines.append(f"# HELP {metric.name} {metric.help}")
        lines.append(f"# TYPE {metric.name} {metric.type}")
        lines += [_line(metric.name + suffix, labels, value) for suffix, labels, value in metric.samples(tally, gauges)]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")
