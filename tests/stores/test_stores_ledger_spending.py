"""What a ledger knows of the past: hours from its sums, pieces of an hour from its rows, and what was never booked."""

import pytest
from stores_ledgers import SMALL, made, open_ledger, place_of
from stores_records import USAGE, attempt

from proxy.stores.ledger.contract import Spent
from proxy.stores.ledger.entries import pack
from proxy.stores.ledger.recovery import segment_path
from proxy.stores.ledger.segment import Segment
from proxy.stores.ledger.spending import read_spent

HOUR = 3_600_000
#: A full hour of Unix time, in ms.
NOON = 472_000 * HOUR
COST, TOKENS = 1000, USAGE.total
NOTHING = Spent("", "", 0, 0, 0, 0, 0)


def at(number, wall, *attempts, key):
    record = made(number, *attempts)
    record.wall, record.key = wall / 1000, key
    return record


@pytest.fixture
def path(tmp_path):
    """Calls of two keys around noon: every half hour from 10:15 to 14:45, the odd ones by `b`."""
    path = tmp_path / "undimmed.db"
    ledger = open_ledger(path)
    for number in range(10):
        wall = NOON - 105 * 60_000 + number * 30 * 60_000
        tried = (attempt("b/y", usage=USAGE, cost=None), attempt("a/x", usage=USAGE, cost=COST))
        ledger.call_finished(at(number, wall, *tried[number % 2 :], key="odd" if number % 2 else "even"))
    assert ledger.close(10)
    return path


def ask(path, since, until, dimension="key", name="odd"):
    found = {(one.dimension, one.name): one for one in read_spent(place_of(path), since, until)}
    return found.get((dimension, name), NOTHING)


@pytest.mark.parametrize(
    ("since", "until", "calls"),
    [
        (NOON - 2 * HOUR, NOON + 4 * HOUR, 5),
        (NOON, NOON + HOUR, 1),
        (NOON - HOUR // 2, NOON + HOUR, 2),
        (NOON - HOUR // 2, NOON + HOUR // 2, 1),
        (NOON + 10 * 60_000, NOON + 20 * 60_000, 0),
        (NOON + 40 * 60_000, NOON + 50 * 60_000, 1),
        (NOON + HOUR // 4, NOON + 2 * HOUR + HOUR // 4, 2),
        (NOON + 9 * HOUR, NOON + 10 * HOUR, 0),
    ],
)
def test_a_span_is_exact_at_both_ends(path, since, until, calls):
    spent = ask(path, since, until)
    assert (spent.calls, spent.cost, spent.input + spent.output) == (calls, calls * COST, calls * TOKENS)


def test_routes_and_providers(path):
    span = (NOON - 2 * HOUR, NOON + 4 * HOUR)
    assert ask(path, *span, "route", "gpt").cost == 10 * COST
    assert ask(path, *span, "route", "other") is NOTHING
    unpriced = ask(path, *span, "provider", "b")
    assert (unpriced.input + unpriced.output, unpriced.cost, unpriced.unpriced_tokens) == (5 * TOKENS, 0, 5 * TOKENS)


def leave(path, *records):
    """What a process leaves that is killed before its calls were booked."""
    segment = Segment(segment_path(path, "4242.dead", 1), SMALL)
    for record in records:
        segment.append(pack(record))
    segment.close(remove=False)


def test_what_a_killed_process_has_not_booked(path):
    leave(path, at(1, NOON, key="odd"), at(100, NOON + 60_000, key="odd"), at(101, NOON - 30 * HOUR, key="odd"))
    assert ask(path, NOON, NOON + HOUR).cost == 2 * COST, "call 1 is there already, call 101 too old"


def test_a_process_that_was_killed_before_it_had_a_database(tmp_path):
    path = tmp_path / "undimmed.db"
    leave(path, at(1, NOON, key="odd"))
    assert ask(path, NOON, NOON + HOUR).cost == COST


def test_what_a_living_process_has_not_booked_counts_as_well_and_once(path):
    ledger = open_ledger(path)
    ledger.call_finished(at(50, NOON, key="odd"))
    assert ask(path, NOON, NOON + HOUR).cost == 2 * COST, "booked or not"
    assert ledger.close(10)
    assert ask(path, NOON, NOON + HOUR).cost == 2 * COST


def test_no_ledger_yet(tmp_path):
    assert read_spent(place_of(tmp_path / "undimmed.db"), NOON, NOON + HOUR) == []
