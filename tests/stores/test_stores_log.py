import io
import json

import pytest
import structlog
from stores_records import USAGE, attempt, call

from proxy.core.limits import BudgetEvent, BudgetStanding, Level
from proxy.core.outcome import OutcomeKind
from proxy.core.records import ProbeRecord, StateChange
from proxy.stores.log import LogSink, compact, configure, describe


@pytest.fixture(autouse=True)
def _restored():
    yield
    structlog.reset_defaults()


def logged(write, form="json", **more):
    stream = io.StringIO()
    writer = configure(form, stream)
    write(LogSink(**more))
    writer.close()
    return stream.getvalue()


def lines(write, **more):
    return [json.loads(line) for line in logged(write, **more).splitlines()]


def test_a_finished_call_is_one_line():
    failed = attempt("openai/gpt-5", OutcomeKind.OVERLOADED, status=503, ended_at=10.12, usage=USAGE, cost=10)
    served = attempt("b/y", first_content_at=10.4, usage=USAGE, cost=2500)
    (line,) = lines(lambda sink: sink.call_finished(call(failed, served, served_by="b/y", waited=0.05)))
    assert list(line)[:3] == ["timestamp", "level", "event"]
    del line["timestamp"]
    assert line == {
        "level": "info",
        "event": "call",
        "id": "req_1",
        "route": "gpt",
        "endpoint": "chat",
        "stream": True,
        "status": 200,
        "outcome": "ok",
        "duration_ms": 1000.0,
        "ttft_ms": 400.0,
        "waited_ms": 50.0,
        "served_by": "b/y",
        "attempts": ["openai/gpt-5:overloaded(503) 120ms", "b/y:ok 500ms"],
        "tokens_in": 100,
        "tokens_out": 20,
        "tokens_source": "provider",
        "tokens_wasted": 120,
        "cost_usd": "0.00000251",
    }


def test_a_failed_call_is_a_warning():
    record = call(attempt(kind=OutcomeKind.CONNECT_FAILED), outcome=OutcomeKind.CONNECT_FAILED, status=502)
    (line,) = lines(lambda sink: sink.call_finished(record))
    assert (line["level"], line["outcome"], line["status"]) == ("warning", "connect_failed", 502)
    assert "cost_usd" not in line
    assert "ttft_ms" not in line


def test_calls_can_be_left_out():
    assert logged(lambda sink: sink.call_finished(call(attempt())), calls=False) == ""


def test_state_changes():
    def write(sink):
        sink.state_changed(StateChange(5.0, "a/x", "chat", "closed", "open", "5 of 5 failed", until=15.0))
        sink.state_changed(StateChange(15.0, "a/x", "chat", "half_open", "closed", "trial passed"))

    opened, closed = lines(write)
    assert (opened["level"], opened["subject"], opened["after"], opened["for_s"]) == ("warning", "a/x", "open", 10.0)
    assert opened["cause"] == "5 of 5 failed"
    assert (closed["level"], closed["for_s"]) == ("info", None)


def test_only_failed_probes_are_lines():
    def write(sink):
        sink.probed(ProbeRecord(1.0, "a/x", "free", True, 0.1))
        sink.probed(ProbeRecord(1.0, "a/x", "free", False, 0.1, detail="status 503"))

    (line,) = lines(write)
    assert (line["event"], line["target"], line["took_ms"], line["detail"]) == ("probe_failed", "a/x", 100.0, "status 503")


SECRET = "sk-proj-abcdefghijklmnop1234567890"


@pytest.mark.parametrize("form", ["json", "console"])
def test_prompts_answers_and_secrets_cannot_get_in(form):
    def write(sink):
        log = structlog.get_logger("undimmed")
        log.info("x", prompt="CANARY", messages=[{"content": "CANARY"}], body=b"CANARY", headers={"authorization": SECRET})
        log.info("x", error=f"upstream said {SECRET}", cause={"prompt": "CANARY"}, reason=["fine", SECRET])
        try:
            raise KeyError("CANARY")
        except KeyError as error:
            log.exception("x", where=describe(error))
        sink.state_changed(StateChange(1.0, "a/x", None, "ready", "held", f"Incorrect API key provided: {SECRET}"))

    text = logged(write, form)
    assert "CANARY" not in text
    assert SECRET not in text
    assert "KeyError at test_stores_log.py:" in text
    assert "dict" in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_text_breaks_out_of_its_line(form):
    hostile = "a\nb\r\x1b[31mc\u2028d\ud800"
    text = logged(lambda sink: sink.call_finished(call(attempt(hostile), route=hostile, served_by=hostile)), form)
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_endless_text_is_cut():
    assert len(logged(lambda sink: sink.call_finished(call(attempt(), route="x" * 100_000)))) < 1000


def test_console_lines_are_plain_without_a_terminal():
    text = logged(lambda sink: sink.call_finished(call(attempt("b/y"), served_by="b/y")), "console")
    assert "served_by=b/y" in text
    assert "\x1b" not in text


def test_levels_below_info_are_off():
    assert logged(lambda _: structlog.get_logger("undimmed").debug("x")) == ""


def test_compact_attempts():
    assert compact(attempt("a/x", OutcomeKind.CONNECT_TIMEOUT, ended_at=13.0)) == "a/x:connect_timeout 3000ms"


def test_errors_without_a_traceback():
    assert describe(ValueError("CANARY")) == "ValueError"


def test_budgets_that_reach_a_level():
    def write(sink):
        dollars = BudgetStanding("usd a day", "key ci", 20_500_000_000, 20_000_000_000, "usd", 0.0, 1.0)
        sink.budget_reached(BudgetEvent(5.0, Level.USED_UP, dollars))
        sink.budget_reached(BudgetEvent(5.0, Level.LOW, BudgetStanding("t", "tag x", 8, 10, "tokens", 0.0, 1.0)))

    first, second = lines(write)
    assert (first["level"], first["event"], first["subject"]) == ("warning", "budget_reached", "key ci, usd a day")
    assert (first["after"], first["cause"]) == ("used_up", "20.5 of 20 are spent")
    assert (second["after"], second["cause"]) == ("low", "8 of 10 are spent")
