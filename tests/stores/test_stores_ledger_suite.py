"""What every ledger must do, whatever it writes to."""

import time

import pytest
from stores_ledgers import failover, ids, made, open_ledger, sound, spills, sums, until
from stores_records import USAGE, attempt

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import ProbeRecord, StateChange, Witness
from proxy.core.usage import Price, Usage
from proxy.stores.ledger.contract import Ledger
from proxy.stores.ledger.reading import Reader, Span
from proxy.stores.ledger.tariff import Tariff

DEAR = Price(10_000_000_000, 20_000_000_000)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "undimmed.db"


@pytest.fixture
def ledger(path):
    ledger: Ledger = open_ledger(path)
    yield ledger
    ledger.close(10)


def read(path):
    with Reader(path) as reader:
        return [(dict(call), [dict(a) for a in attempts]) for call, attempts in reader.calls(Span())]


def test_a_call_and_its_attempts_are_written(ledger, path):
    ledger.call_finished(failover(7))
    assert ledger.close(10)
    [(call, attempts)] = read(path)
    assert call["id"] == f"{7:024x}"
    assert (call["route"], call["endpoint"], call["stream"], call["key"]) == ("gpt", "chat", 1, "")
    assert (call["wall"], call["took_ms"], call["status"], call["outcome"]) == (1_700_000_000_000, 1000, 200, "ok")
    assert (call["served_by"], call["attempts"], call["first_choice"]) == ("b/y", 2, "a/x")
    assert [(a["target"], a["outcome"], a["delivered"], a["possibly_billed"]) for a in attempts] == [
        ("a/x", "stalled", 0, 1),
        ("b/y", "ok", 1, 0),
    ]
    assert (attempts[1]["input"], attempts[1]["output"], attempts[1]["cached"], attempts[1]["reasoning"]) == (100, 20, 50, 5)
    assert (attempts[1]["source"], attempts[1]["cost"]) == ("provider", 3000)
    sound(path)


def test_the_state_tells_what_was_done(ledger, path):
    for number in range(10):
        ledger.call_finished(made(number))
    until(lambda: ledger.state().written == 10)
    state = ledger.state()
    assert (state.state, state.waiting, state.lost, state.spilled, state.durable, state.error) == ("ok", 0, 0, 0, True, None)
    assert isinstance(ledger, Witness)


def test_nothing_is_written_twice(ledger, path):
    for _ in range(3):
        ledger.call_finished(made(1))
        until(lambda: ledger.state().waiting == 0)
    ledger.close(10)
    assert ids(path) == [f"{1:024x}"]
    assert sums(path)["calls"] == 1


def test_an_unknown_price_is_null_and_no_usage_is_unknown(ledger, path):
    ledger.call_finished(made(1, attempt(usage=USAGE), attempt("b/y", OutcomeKind.SERVER_ERROR)))
    ledger.close(10)
    [(_, attempts)] = read(path)
    assert [(a["cost"], a["input"], a["source"]) for a in attempts] == [(None, 100, "provider"), (None, None, None)]


def test_no_word_of_a_provider_is_kept(ledger, path):
    record = made(1, attempt(kind=OutcomeKind.BAD_REQUEST))
    record.attempts[0].outcome = Outcome(OutcomeKind.BAD_REQUEST, message="canary", code="canary", param="canary")
    record.attempts[0].dropped = ("canary",)
    ledger.attempt_started(record, record.attempts[0])
    ledger.call_finished(record)
    ledger.close(10)
    for file in path.parent.iterdir():
        assert b"canary" not in file.read_bytes()


def test_names_and_numbers_that_nobody_can_hold(ledger, path):
    strange = attempt("a/\ud800", usage=Usage(input=10**30, output=-5, cached=2**64), cost=2**70, served_model="m" * 5000)
    record = made(1, strange, route="r\udfff")
    ledger.attempt_started(record, record.attempts[0])
    ledger.call_finished(record)
    ledger.close(10)
    [(call, [only])] = read(path)
    assert (call["route"], only["target"], len(only["model"])) == ("r?", "a/?", 200)
    assert only["input"] == 2**50 - 1
    assert only["output"] == 0


def test_what_failover_cost(ledger, path):
    ledger.use(Tariff({"a/x": Price(1_000_000, 1_000_000)}, {"gpt": ("a/x",), "other": ("a/x", "b/y")}))
    ledger.call_finished(failover(1))
    ledger.call_finished(made(2, attempt("b/y", usage=USAGE, cost=3000)))  # the first choice was not even asked
    ledger.call_finished(made(3, attempt("b/y", usage=USAGE, cost=3000), route="other"))  # it is one of the first
    ledger.close(10)
    assert [(call["first_choice"], call["failover_cost"]) for call, _ in sorted(read(path), key=lambda r: r[0]["id"])] == [
        ("a/x", 2880),
        ("a/x", 2880),
        (None, None),
    ]
    assert sums(path) == {
        "calls": 3, "attempts": 4, "input": 400, "output": 80, "cost": 10_000, "wasted": 120, "failovers": 2,
        "failover_cost": 5760,
    }  # fmt: skip
    sound(path)


def test_old_rows_go_and_their_sums_stay(path):
    ledger = open_ledger(path)
    for number in range(5):
        ledger.call_finished(made(number))
    new = made(9)
    new.wall = time.time()
    ledger.call_finished(new)
    assert ledger.close(10)
    ledger = open_ledger(path, retention=3600.0)
    until(lambda: ids(path) == [f"{9:024x}"])
    ledger.close(10)
    assert sums(path)["calls"] == 6
    sound(path)


def test_it_may_be_closed_often_and_used_afterwards(ledger, path):
    assert ledger.close(10)
    assert ledger.close(10)
    ledger.call_finished(made(1))
    assert ledger.state().lost == 1
    assert not spills(path)


def test_other_events_are_not_its_business(ledger, path):
    ledger.state_changed(StateChange(0.0, "a/x", None, "closed", "open", "c"))
    ledger.probed(ProbeRecord(0.0, "a/x", "free", True, 0.1))
    assert ledger.close(10)
    assert ids(path) == []
