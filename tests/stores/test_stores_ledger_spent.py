"""What a ledger knows of the past: hours from its sums, pieces of an hour from its rows, and what was never booked."""

import pytest
from stores_ledgers import SMALL, made, open_ledger
from stores_records import USAGE, attempt

from proxy.core.limits import Scope, Unit
from proxy.stores.ledger.entries import pack
from proxy.stores.ledger.recovery import segment_path
from proxy.stores.ledger.segment import Segment
from proxy.stores.ledger.spent import Question, read_spent

HOUR = 3_600_000
#: A full hour of Unix time, in ms.
NOON = 472_000 * HOUR
COST, TOKENS = 1000, USAGE.total


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


def ask(path, since, until, scope=Scope.KEY, names=("odd",), unit=Unit.USD):
    return read_spent(path, [Question(scope, frozenset(names), unit, since, until)])[0]


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
    assert ask(path, since, until) == calls * COST
    assert ask(path, since, until, unit=Unit.TOKENS) == calls * TOKENS


def test_routes_providers_and_the_keys_of_a_tag(path):
    span = (NOON - 2 * HOUR, NOON + 4 * HOUR)
    assert ask(path, *span, Scope.ROUTE, ("gpt",)) == 10 * COST
    assert ask(path, *span, Scope.ROUTE, ("other",)) == 0
    assert ask(path, *span, Scope.PROVIDER, ("b",), Unit.TOKENS) == 5 * TOKENS
    assert ask(path, *span, Scope.PROVIDER, ("b",)) == 0, "of unknown price"
    assert ask(path, *span, Scope.KEY, ("odd", "even")) == 10 * COST
    assert ask(path, *span, Scope.KEY, ()) == 0


def test_several_questions_at_a_time(path):
    day, hour = (NOON - 2 * HOUR, NOON + 4 * HOUR), (NOON, NOON + HOUR)
    questions = [
        Question(Scope.KEY, {"odd"}, Unit.USD, *day),
        Question(Scope.KEY, {"odd"}, Unit.USD, *hour),
        Question(Scope.ROUTE, {"gpt"}, Unit.TOKENS, *hour),
    ]
    assert read_spent(path, questions) == [5 * COST, COST, 3 * TOKENS]


def leave(path, *records):
    """What a process leaves that is killed before its calls were booked."""
    segment = Segment(segment_path(path, "4242.dead", 1), SMALL)
    for record in records:
        segment.append(pack(record))
    segment.close(remove=False)


def test_what_a_killed_process_has_not_booked(path):
    leave(path, at(1, NOON, key="odd"), at(100, NOON + 60_000, key="odd"), at(101, NOON - 30 * HOUR, key="odd"))
    assert ask(path, NOON, NOON + HOUR) == 2 * COST, "call 1 is there already, call 101 too old"


def test_a_process_that_was_killed_before_it_had_a_database(tmp_path):
    path = tmp_path / "undimmed.db"
    leave(path, at(1, NOON, key="odd"))
    assert ask(path, NOON, NOON + HOUR) == COST


def test_what_a_living_process_has_not_booked_is_its_own(path):
    ledger = open_ledger(path)
    ledger.call_finished(at(50, NOON, key="odd"))
    assert ask(path, NOON, NOON + HOUR) in (COST, 2 * COST), "booked or not, never more"
    assert ledger.close(10)
    assert ask(path, NOON, NOON + HOUR) == 2 * COST


def test_no_ledger_yet(tmp_path):
    assert ask(tmp_path / "undimmed.db", NOON, NOON + HOUR) == 0
