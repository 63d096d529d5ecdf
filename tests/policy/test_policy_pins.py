"""Stored things and the accounts that made them."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.pins import MAX_ID, Pin, Pins, Resource

R = Resource.RESPONSE


def test_what_was_noted_is_found_and_nothing_else() -> None:
    pins = Pins()
    pins.note(R, "resp_1", "a/m", "a#1")
    assert pins.find(R, "resp_1") == Pin("a/m", "a#1")
    assert pins.find(R, "resp_2") is None
    assert pins.find(Resource.CONVERSATION, "resp_1") is None


def test_the_last_word_counts() -> None:
    pins = Pins()
    pins.note(R, "x", "a/m", "a#1")
    pins.note(R, "x", "b/m", "b#2")
    assert pins.find(R, "x") == Pin("b/m", "b#2")
    assert pins.count(R) == 1


def test_what_was_not_asked_for_longest_goes_first() -> None:
    pins = Pins(limit=2)
    pins.note(R, "old", "a/m", "a#1")
    pins.note(R, "young", "a/m", "a#1")
    assert pins.find(R, "old") is not None
    pins.note(R, "new", "a/m", "a#1")
    assert pins.find(R, "young") is None
    assert pins.find(R, "old") is not None
    assert pins.find(R, "new") is not None


def test_noting_again_makes_young_again() -> None:
    pins = Pins(limit=2)
    for name in ("a", "b", "a", "c"):
        pins.note(R, name, "t", "c")
    assert [pins.find(R, name) is not None for name in ("a", "b", "c")] == [True, False, True]


def test_each_kind_has_its_own_room() -> None:
    pins = Pins(limit=1)
    pins.note(Resource.FILE, "file-1", "a/m", "a#1")
    for number in range(10):
        pins.note(R, f"resp_{number}", "a/m", "a#1")
    assert pins.find(Resource.FILE, "file-1") is not None


def test_other_keys_things_are_unknown() -> None:
    pins = Pins()
    pins.note(R, "x", "a/m", "a#1", owner="alice")
    assert pins.find(R, "x", owner="bob") is None
    assert pins.find(R, "x") is None
    assert pins.find(R, "x", owner="alice") == Pin("a/m", "a#1", "alice")


def test_what_was_deleted_is_forgotten() -> None:
    pins = Pins()
    pins.note(R, "x", "a/m", "a#1")
    pins.forget(R, "x")
    pins.forget(R, "never")
    assert pins.find(R, "x") is None


def test_odd_ids_are_not_kept() -> None:
    pins = Pins()
    pins.note(R, "", "a/m", "a#1")
    pins.note(R, "x" * (MAX_ID + 1), "a/m", "a#1")
    assert pins.count(R) == 0


def test_its_state_line() -> None:
    pins = Pins()
    assert repr(pins) == "<Pins empty>"
    pins.note(R, "x", "a/m", "a#1")
    assert repr(pins) == "<Pins 1 response>"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=40), st.integers(1, 4))
def test_it_is_bounded_and_keeps_the_last_used(steps: list[tuple[str, bool]], limit: int) -> None:
    pins, model = Pins(limit), list[str]()
    for name, noted in steps:
        if noted:
            pins.note(R, name, name, "c")
        elif pins.find(R, name) is None:
            assert name not in model
            continue
        model = [*(other for other in model if other != name), name][-limit:]
    assert pins.count(R) == len(model)
    assert all(pins.find(R, name) == Pin(name, "c") for name in model)
