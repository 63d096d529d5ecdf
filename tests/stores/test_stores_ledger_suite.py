"""What every ledger must do, whatever it writes to."""

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores_ledgers import failover, ids, made, open_ledger, read, sound, spills, sums, until
from stores_records import USAGE, attempt

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import ProbeRecord, StateChange, Witness
from proxy.core.settings import LedgerSettings
from proxy.core.usage import Price, Usage
from proxy.stores.ledger.contract import FOREVER, Ledger, Span
from proxy.stores.ledger.entries import begin, decode, encode, entry_of, lost, pack
from proxy.stores.ledger.place import open_database
from proxy.stores.ledger.recovery import segment_path
from proxy.stores.ledger.segment import Segment
from proxy.stores.ledger.spending import read_spent
from proxy.stores.ledger.tariff import Tariff

#: Groups of strange rows; more of them where somebody says so.
STRANGE = int(os.environ.get("UNDIMMED_STRANGE_ROWS", "12"))
DEAR = Price(10_000_000_000, 20_000_000_000)


@pytest.fixture(params=["sqlite", "postgresql"])
def path(request, tmp_path):
    """Where the ledger is: every test of this file runs with each kind of database."""
    base = str(tmp_path / "undimmed.db")
    if request.param == "sqlite":
        return LedgerSettings(base)
    return LedgerSettings(base, url=request.getfixturevalue("postgres").url)


@pytest.fixture
def ledger(path):
    ledger: Ledger = open_ledger(path)
    yield ledger
    ledger.close(10)


def rows(path):
    with read(path) as reader:
        return [(dict(call), [dict(a) for a in attempts]) for call, attempts in reader.calls(Span())]


def test_a_call_and_its_attempts_are_written(ledger, path):
    ledger.call_finished(failover(7))
    assert ledger.close(10)
    [(call, attempts)] = rows(path)
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
    [(_, attempts)] = rows(path)
    assert [(a["cost"], a["input"], a["source"]) for a in attempts] == [(None, 100, "provider"), (None, None, None)]


def test_no_word_of_a_provider_is_kept(ledger, path):
    record = made(1, attempt(kind=OutcomeKind.BAD_REQUEST))
    record.attempts[0].outcome = Outcome(OutcomeKind.BAD_REQUEST, message="canary", code="canary", param="canary")
    record.attempts[0].dropped = ("canary",)
    ledger.attempt_started(record, record.attempts[0])
    ledger.call_finished(record)
    ledger.close(10)
    with read(path) as reader:
        assert "canary" not in str(list(reader.calls(Span())))
    for file in Path(path.path).parent.iterdir():
        assert b"canary" not in file.read_bytes()


def test_names_and_numbers_that_nobody_can_hold(ledger, path):
    strange = attempt("a/\ud800", usage=Usage(input=10**30, output=-5, cached=2**64), cost=2**70, served_model="m" * 5000)
    record = made(1, strange, route="r\udfff")
    ledger.attempt_started(record, record.attempts[0])
    ledger.call_finished(record)
    ledger.close(10)
    [(call, [only])] = rows(path)
    assert (call["route"], only["target"], len(only["model"])) == ("r?", "a/?", 200)
    assert only["input"] == 2**50 - 1
    assert only["output"] == 0


def test_what_failover_cost(ledger, path):
    ledger.use(Tariff({"a/x": Price(1_000_000, 1_000_000)}, {"gpt": ("a/x",), "other": ("a/x", "b/y")}))
    ledger.call_finished(failover(1))
    ledger.call_finished(made(2, attempt("b/y", usage=USAGE, cost=3000)))  # the first choice was not even asked
    ledger.call_finished(made(3, attempt("b/y", usage=USAGE, cost=3000), route="other"))  # it is one of the first
    ledger.close(10)
    assert [(call["first_choice"], call["failover_cost"]) for call, _ in sorted(rows(path), key=lambda r: r[0]["id"])] == [
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


def test_probes_that_used_tokens_are_rows_but_no_calls(ledger, path):
    ledger.probed(ProbeRecord(0.0, "a/x", "completion", True, 0.1, usage=Usage(10, 1), cost=70))
    ledger.probed(ProbeRecord(0.0, "a/x", "completion", False, 0.1, usage=Usage(10, 0)))
    ledger.call_finished(made(1))
    assert ledger.close(10)
    with read(path) as reader:
        assert [(row["provider"], row["input"], row["cost"], row["outcome"]) for row in reader.probes(Span())] == [
            ("a", 10, 70, "ok"),
            ("a", 10, None, "failed"),
        ]
        lines = {row["purpose"]: row for row in reader.sums(Span(), ("purpose",))}
    assert (lines["probe"]["calls"], lines["probe"]["attempts"], lines["probe"]["wasted"]) == (0, 2, 21)
    assert (lines["probe"]["cost"], lines["probe"]["unpriced"], lines["answer"]["calls"]) == (70, 1, 1)
    sound(path)


def test_the_hours_of_which_there_are_sums(ledger, path):
    ledger.call_finished(made(1))
    later = made(2)
    later.wall += 3 * 3600
    ledger.call_finished(later)
    ledger.close(10)
    first = int(1.7e9) // 3600
    with read(path) as reader:
        assert reader.hours(Span()) == (first, first + 3)
        assert reader.hours(Span(int((first + 1) * 3.6e6))) == (first + 3, first + 3)
        assert reader.hours(Span(until=5)) is None


def test_sums_by_tag_overlap_and_the_whole_does_not(ledger, path):
    ledger.call_finished(made(1, tags=("batch", "team:a")))
    ledger.call_finished(made(2, tags=("team:a",)))
    ledger.call_finished(made(3, tags=("t" * 100,)))
    ledger.call_finished(made(4))
    assert ledger.close(10)
    with read(path) as reader:
        by_tag = {row["tag"]: row["calls"] for row in reader.sums(Span(), ("tag",))}
        (whole,) = reader.sums(Span(), ())
        assert {(row["tag"], row["route"]): row["cost"] for row in reader.sums(Span(), ("tag", "route"))} == {
            ("batch", "gpt"): 1000,
            ("team:a", "gpt"): 2000,
            ("t" * 64, "gpt"): 1000,
            ("", "gpt"): 1000,
        }
    assert by_tag == {"batch": 1, "team:a": 2, "t" * 64: 1, "": 1}
    assert whole["calls"] == 4


def test_speed_is_summed_where_a_whole_answer_was_streamed_and_counted(ledger, path):
    whole = attempt(usage=USAGE, first_content_at=10.1)
    cut = attempt("a/y", OutcomeKind.STREAM_BROKEN, usage=USAGE, first_content_at=10.2, delivered=True)
    ledger.call_finished(made(1, whole))
    ledger.call_finished(made(2, cut))
    unstreamed = made(3, attempt("a/z", usage=USAGE, first_content_at=10.4))
    unstreamed.stream = False
    ledger.call_finished(unstreamed)
    assert ledger.close(10)
    with read(path) as reader:
        found = {
            row["target"]: [
                row[name] for name in ("first_contents", "first_content_ms", "generated", "generation_ms", "wasted")
            ]
            for row in reader.sums(Span(), ("target",))
        }
    assert found == {"a/x": [1, 99, 20, 401, 0], "a/y": [1, 199, 0, 0, 120], "a/z": [0, 0, 0, 0, 0]}


def test_what_calls_were_for_is_summed_by_the_day(ledger, path):
    for number, size in enumerate((10, 1000, 1001, 300_000)):
        used = attempt(usage=Usage(size, 5, reasoning=number))
        ledger.call_finished(made(number, used, features=("images", "tools")))
    ledger.call_finished(made(9, attempt(kind=OutcomeKind.SERVER_ERROR)))
    assert ledger.close(10)
    with read(path) as reader:
        found = {
            row["size"]: (row["features"], row["attempts"], row["input"], row["reasoned"]) for row in reader.uses(Span())
        }
    assert found == {
        1000: ("images,tools", 2, 1010, 1),
        4000: ("images,tools", 1, 1001, 1),
        1_024_000: ("images,tools", 1, 300_000, 1),
    }


START = 1_700_000_000_000  # not the beginning of an hour


def spend(ledger):
    for number, wall in enumerate((-1, 0, 1000, 3_600_000, 7_200_000)):
        record = made(number, attempt(usage=USAGE, cost=10**number), tags=("t", "u"))
        record.key = "ci" if number % 2 else None
        record.wall = (START + wall) / 1000
        ledger.call_finished(record)
    ledger.probed(ProbeRecord(0.0, "b/x", "completion", True, 0.1, usage=Usage(10, 1)))


def spent(path, since, until=FOREVER):
    return {
        (one.dimension, one.name): (one.calls, one.input, one.cost, one.unpriced_tokens)
        for one in read_spent(path, since, until)
    }


def test_what_was_spent_in_a_span_is_exact_within_an_hour(ledger, path):
    spend(ledger)
    assert ledger.close(10)
    assert spent(path, START) == {
        ("key", ""): (2, 210, 10_100, 11),
        ("key", "ci"): (2, 200, 1010, 0),
        ("route", "gpt"): (4, 400, 11_110, 0),
        ("route", ""): (0, 10, 0, 11),
        ("provider", "a"): (4, 400, 11_110, 0),
        ("provider", "b"): (0, 10, 0, 11),
        ("tag", "t"): (4, 400, 11_110, 0),
        ("tag", "u"): (4, 400, 11_110, 0),
    }
    assert spent(path, START, START + 1)["route", "gpt"] == (1, 100, 10, 0)
    assert spent(path, START - 1, START + 7_200_000)["route", "gpt"] == (4, 400, 1111, 0)
    assert spent(path, START + 86_400_000, START + 90_000_000) == {}


def test_what_journals_hold_was_spent_too_and_is_not_counted_twice(path, tmp_path):
    """Beside a ledger that has some of it already, and where there is none yet."""
    lonely = replace(path, path=str(tmp_path / "other"), url=None)
    assert spent(lonely, START) == {}
    for place in (path, lonely):
        ledger = open_ledger(place)
        if place is path:
            spend(ledger)
            until(lambda ledger=ledger: ledger.state().waiting == 0)
        segment = Segment(segment_path(Path(place.path), "1.dead", 1), 64 * 1024)
        for number in range(5):
            record = made(number, attempt(usage=USAGE, cost=10**number), tags=("t",))
            record.wall = START / 1000
            segment.append(pack(record))
        segment.append(pack(made(7, attempt(usage=USAGE, cost=10**7), tags=("v",))))
        assert ledger.close(10)
    assert spent(path, START)["route", "gpt"] == (5, 500, 10_011_110, 0)
    assert spent(path, START)["tag", "v"] == (1, 100, 10**7, 0)
    assert spent(lonely, START)["provider", "a"] == (6, 600, 10_011_111, 0)
    assert spent(lonely, START, START + 1)["provider", "a"] == (6, 600, 10_011_111, 0)
    assert spent(lonely, START + 1) == {}


def questions(path):
    with read(path) as reader:
        assert list(reader.verify()) == []
        wanted = [(), ("key",), ("tag",), ("tag", "key"), ("tag", "key", "route"), ("day", "outcome"), ("hour",)]
        spans = (Span(), Span(START + 3_600_000, START + 2 * 86_400_000), Span(START, START + 1))
        return [sorted(map(_line, reader.sums(span, by)), key=str) for by in wanted for span in spans]


def _line(row):
    return {name: value for name, value in row.items() if name != "hour"}


def test_days_that_are_summed_up_change_no_answer_and_late_rows_are_added(path):
    """Some rows before, some after, all within days of which only a part is over."""
    records = []
    for number in range(60):
        kind = OutcomeKind.SERVER_ERROR if number % 7 == 0 else OutcomeKind.OK
        only = attempt(f"a/{number % 3}", kind, usage=USAGE, cost=number)
        record = made(number, only, tags=("t", f"u{number % 2}") if number % 5 else ())
        record.key = f"k{number % 4}"
        record.wall = START / 1000 + number * 7000
        records.append(entry_of(record))
    database = open_database(path)
    database.write(records[:40], Tariff())
    database.close()
    first = questions(path)
    database = open_database(path)
    today = START // 86_400_000 + 3
    for left in (True, True, False, False):
        assert database.close_days(today) is left, "a day at a time"
    database.close()
    assert questions(path) == first
    database = open_database(path)
    database.write(records[40:], Tariff())
    late = questions(path)
    while database.forget(2**60):
        pass
    database.close()
    fresh = replace(path, path=f"{path.path}.fresh", url=None)
    database = open_database(fresh)
    database.write(records, Tariff())
    database.close()
    assert late == questions(fresh)
    with read(path) as reader:
        assert {row["key"] for row in reader.query("SELECT key FROM tag_days")} == {""}
        assert {row["route"] for row in reader.query("SELECT route FROM tag_key_days")} == {""}


def test_answers_of_our_own_cache_are_counted_with_what_they_saved(ledger, path):
    hit = made(1)
    hit.attempts, hit.saved, hit.served_by = [], 700, None
    ledger.call_finished(hit)
    huge = made(2)
    huge.saved = 2**70
    ledger.call_finished(huge)
    assert ledger.close(10)
    with read(path) as reader:
        [whole] = reader.sums(Span(), ())
        assert (whole["calls"], whole["hits"], whole["saved"]) == (2, 2, 700 + 2**50 - 1)
        assert [call["saved"] for call, _ in reader.calls(Span())] == [700, 2**50 - 1]


def test_what_failover_cost_stays_within_bounds(ledger, path):
    ledger.use(Tariff({"a/x": Price(10**12, 10**12)}, {"gpt": ("a/x",)}))
    ledger.call_finished(made(1, attempt("b/y", usage=Usage(2**49, 2**49), cost=0)))
    ledger.call_finished(made(2, attempt("b/y")))
    assert ledger.close(10)
    assert [call["failover_cost"] for call, _ in rows(path)] == [-(2**50 - 1), None]
    sound(path)


names = st.text(max_size=300) | st.sampled_from(["\0", "\ud800", "a" * 5000, "é" * 3000, "'; DROP TABLE calls; --"])
numbers = st.integers(-(2**70), 2**70) | st.integers(0, 1000)
usages = st.builds(
    Usage,
    numbers,
    numbers,
    numbers,
    numbers,
    numbers,
    audio_in=numbers,
    image_out=numbers,
    tier=names,
    lower_bound=st.booleans(),
)
attempts = st.builds(
    lambda target, usage, cost, model, kind: attempt(
        f"a/{target}", kind, usage=usage, cost=cost, served_model=model, cache_saved=cost, raw_input=cost
    ),
    names, st.none() | usages, st.none() | numbers, st.none() | names, st.sampled_from(OutcomeKind),
)  # fmt: skip
records = st.builds(
    lambda route, tags, words, found: made(0, *found, route=route, tags=tuple(tags), degraded=words, incident=words),
    names, st.lists(names, max_size=20), names, st.lists(attempts, max_size=3),
)  # fmt: skip


@settings(max_examples=STRANGE, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(records, max_size=4))
def test_no_row_is_so_strange_that_others_wait_behind_it(path, records):
    """Whatever clients and providers call things, and however large their numbers are."""
    entries = []
    for record in records:
        record.id = os.urandom(12).hex()
        entries.append(decode(pack(record)))
        with contextlib.suppress(UnicodeEncodeError):  # such a beginning is not written down; its end is
            entries.append(lost([decode(encode(begin(record, attempt("a/x"))))]))
            entries[-1].id = os.urandom(12).hex()
    database = open_database(path)
    try:
        assert database.write(entries, Tariff()) == len(entries)
    finally:
        database.close()
    sound(path)
