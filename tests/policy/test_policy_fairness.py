"""Whose turn it is, and who has to go."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.priorities import PRIORITIES, lower_priority
from proxy.policy.fairness import FairLine

CRITICAL, NORMAL, BATCH = range(3)


@dataclass(eq=False)
class One:
    name: str
    key: str | None = None
    rank: int = NORMAL


def line(*waiting: One) -> FairLine[One]:
    found: FairLine[One] = FairLine()
    for one in waiting:
        found.append(one)
    return found


def serve_all(found: FairLine[One]) -> str:
    served = ""
    while (one := found.peek()) is not None:
        found.serve(one)
        served += one.name
    return served


def test_one_key_is_served_in_order() -> None:
    assert serve_all(line(*(One(name) for name in "abcd"))) == "abcd"


def test_keys_take_turns() -> None:
    assert (
        serve_all(line(One("a", "x"), One("b", "x"), One("c", "x"), One("d", "y"), One("e", "y"), One("f", "z"))) == "adfbec"
    )


def test_a_thousand_of_one_key_delay_anothers_by_one() -> None:
    found = line(*(One("x", "many") for _ in range(1000)))
    found.serve(found.peek() or One(""))
    found.append(One("o", "few"))
    assert serve_all(found)[:2] == "xo"


def test_a_key_that_comes_back_has_no_turn_before_the_others() -> None:
    found = line(One("a", "x"), One("b", "y"), One("c", "y"))
    found.serve(found.peek() or One(""))
    found.append(One("d", "x"))
    assert serve_all(found) == "bdc"


def test_the_urgent_go_first_whoever_they_are() -> None:
    waiting = (One("a", "x", BATCH), One("b", "x"), One("c", "y", BATCH), One("d", "x", CRITICAL), One("e", "y"))
    assert serve_all(line(*waiting)) == "dbeac"


def test_who_leaves_is_gone() -> None:
    one, other = One("a", "x"), One("b", "y")
    found = line(one, other)
    assert found.remove(one)
    assert not found.remove(one)
    assert not found.remove(One("c", "y"))
    assert (len(found), [each.name for each in found]) == (1, ["b"])


def test_the_newest_of_the_lowest_priority_goes_for_a_higher_one() -> None:
    found = line(One("a", "x", BATCH), One("b", "y", BATCH), One("c", "x", BATCH), One("d", "y"))
    assert named(found.displace(CRITICAL, "z")) == "c", "of the key that has the most there"
    assert named(found.displace(NORMAL, "z")) == "c"
    assert found.displace(BATCH, "x") is None
    assert len(found) == 4, "looking changes nothing"


def test_among_equals_the_key_with_more_waiting_makes_room() -> None:
    found = line(One("a", "x"), One("b", "x"), One("c", "x"), One("d", "y"))
    assert named(found.displace(NORMAL, "z")) == "c"
    assert named(found.displace(NORMAL, "y")) == "c"
    assert found.displace(NORMAL, "x") is None
    found.serve(found.peek() or One(""))
    assert found.displace(NORMAL, "y") is None, "two and one: the other way round it would be the same"
    assert line(One("a", "x", CRITICAL)).displace(NORMAL, "y") is None


def named(one: One | None) -> str:
    assert one is not None
    return one.name


MOVES = st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 2), st.sampled_from(["join", "serve", "leave", "yield"])))


@settings(max_examples=200)
@given(MOVES)
def test_nobody_is_lost_and_no_key_is_passed_over_twice(moves: list[tuple[str, int, str]]) -> None:
    found: FairLine[One] = FairLine()
    there: list[One] = []
    passed: Counter[tuple[str | None, int]] = Counter()
    for key, rank, move in moves:
        gone: One | None = None
        if move == "join":
            one = One("", key, rank)
            found.append(one)
            there.append(one)
        elif move == "serve" and (gone := found.peek()) is not None:
            assert gone.rank == min(each.rank for each in there)
            assert gone is next(each for each in there if (each.key, each.rank) == (gone.key, gone.rank)), "in order"
            found.serve(gone)
            for other in {(each.key, each.rank) for each in there if each.rank == gone.rank and each.key != gone.key}:
                passed[other] += 1
                assert passed[other] <= 2, "at most once by each of the two other keys"
            passed[gone.key, gone.rank] = 0
        elif move == "leave" and there:
            gone = there[len(there) // 2]
            found.remove(gone)
        elif move == "yield":
            gone = found.displace(rank, key)
            if gone is not None:
                assert gone.rank >= rank
                found.remove(gone)
        if gone is not None:
            there.remove(gone)
            if not any((each.key, each.rank) == (gone.key, gone.rank) for each in there):
                passed[gone.key, gone.rank] = 0
        assert len(found) == len(there)
        assert set(map(id, found)) == set(map(id, there))


def test_a_request_can_only_lower_its_priority() -> None:
    for own in PRIORITIES:
        for wanted in PRIORITIES:
            lowest = max(own, wanted, key=PRIORITIES.index)
            assert lower_priority(own, f" {wanted.upper()} ") == lowest
    assert lower_priority("normal", "urgent") is None
