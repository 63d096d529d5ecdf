from stores_records import USAGE, attempt, call

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind
from proxy.core.records import ProbeRecord, Sink, StateChange
from proxy.core.usage import Usage, UsageSource
from proxy.stores.tally import MAX_LINES, OTHER, Tally


def tally(*records):
    counted: Sink = Tally(since=1.7e9)
    for record in records:
        counted.call_finished(record)
    return counted


def test_a_call_is_counted_once_and_its_attempts_each():
    counted = tally(call(attempt("a/x", OutcomeKind.OVERLOADED, status=503), attempt("b/y")))
    assert counted.calls == {("gpt", Endpoint.CHAT, True, OutcomeKind.OK, 200): 1}
    assert counted.lines["gpt", "a/x"].attempts == {OutcomeKind.OVERLOADED: 1}
    assert counted.lines["gpt", "b/y"].attempts == {OutcomeKind.OK: 1}
    assert counted.failovers == {("gpt", "a/x", "b/y"): 1}
    assert repr(counted) == "<Tally 1 calls, 2 lines>"


def test_a_retry_on_the_same_target_is_no_failover():
    assert tally(call(attempt("a/x", OutcomeKind.SERVER_ERROR), attempt("a/x"))).failovers == {}


def test_a_call_without_attempts():
    counted = tally(call(outcome=OutcomeKind.OVERLOADED, status=503))
    assert counted.calls == {("gpt", Endpoint.CHAT, True, OutcomeKind.OVERLOADED, 503): 1}
    assert counted.lines == {}


def test_tokens_stand_apart_by_source():
    guess = Usage(input=7, output=3, cache_write=2, source=UsageSource.ESTIMATE)
    counted = tally(call(attempt(usage=USAGE, cost=5)), call(attempt(usage=USAGE, cost=6)), call(attempt(usage=guess)))
    line = counted.lines["gpt", "a/x"]
    reported, estimated = line.tokens[UsageSource.PROVIDER], line.tokens[UsageSource.ESTIMATE]
    assert (reported.input, reported.cached, reported.output, reported.reasoning) == (200, 100, 40, 10)
    assert (estimated.input, estimated.output, estimated.cache_write) == (7, 3, 2)
    assert (line.cost, line.priced, line.unpriced, line.delivered) == (11, 2, 1, 3)
    assert line.wasted == {}


def test_what_nobody_received_is_waste():
    lost = attempt(kind=OutcomeKind.IDLE_TIMEOUT, usage=USAGE, cost=9, possibly_billed=True)
    unpriced = attempt(kind=OutcomeKind.IDLE_TIMEOUT, usage=USAGE)
    refused = attempt(kind=OutcomeKind.CONNECT_FAILED)
    line = tally(call(lost, unpriced, refused)).lines["gpt", "a/x"]
    waste = line.wasted[OutcomeKind.IDLE_TIMEOUT]
    assert (waste.attempts, waste.input, waste.output, waste.cost) == (2, 200, 40, 9)
    assert line.possibly_billed == 1
    assert set(line.wasted) == {OutcomeKind.IDLE_TIMEOUT}
    assert (line.cost, line.unpriced, line.delivered) == (9, 1, 0)


def test_times():
    counted = tally(call(attempt(first_content_at=10.2), attempt(kind=OutcomeKind.STALLED), waited=0.25, ended_at=12.0))
    assert counted.targets["a/x"].first_content.count == 1
    assert round(counted.targets["a/x"].first_content.sum, 6) == 0.2
    assert counted.routes["gpt"].duration.sum == 2.0
    assert counted.routes["gpt"].waited.sum == 0.25


def test_recent_attempts_and_failures():
    counted = tally(
        call(attempt(kind=OutcomeKind.STALLED), attempt(kind=OutcomeKind.CLIENT_GONE), attempt(kind=OutcomeKind.SHUTDOWN)),
        call(attempt(ended_at=11.0)),
    )
    assert counted.recent("a/x", 11.9)[-2:] == [(3, 1), (1, 0)]
    assert counted.recent("nobody", 11.9) == [(0, 0)] * 60


def test_state_changes():
    counted = tally()
    for after in ("open", "half_open", "open"):
        counted.state_changed(StateChange(1.0, "a/x", "chat", "closed", after, "why"))
    assert counted.changes == {("a/x", "open"): 2, ("a/x", "half_open"): 1}


def test_probes():
    counted = tally()
    counted.probed(ProbeRecord(1.0, "a/x", "free", True, 0.1))
    counted.probed(ProbeRecord(1.0, "a/x", "completion", False, 0.1, usage=Usage(input=3, output=1), cost=40))
    free, paid = counted.probes["a/x", "free"], counted.probes["a/x", "completion"]
    assert (free.passed, free.failed, free.tokens, free.cost) == (1, 0, 0, 0)
    assert (paid.passed, paid.failed, paid.tokens, paid.cost) == (0, 1, 4, 40)
    assert counted.calls == {}


def test_clients_cannot_invent_lines_without_end():
    counted = tally(*(call(attempt(f"a/{n}"), route=f"r{n}") for n in range(MAX_LINES + 5)))
    for n in range(MAX_LINES + 5):
        counted.state_changed(StateChange(1.0, f"a/{n}", "chat", "closed", "open", "why"))
        counted.probed(ProbeRecord(1.0, f"a/{n}", "free", True, 0.1))
    for lines in (counted.routes, counted.targets, counted.lines, counted.changes, counted.probes, counted.calls):
        assert len(lines) == MAX_LINES + 1
    assert counted.lines[OTHER, OTHER].delivered == 5
    assert counted.changes[OTHER, "open"] == 5
    assert counted.probes[OTHER, "free"].passed == 5
