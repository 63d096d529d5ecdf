"""The text on both sides of a cut: nothing is lost, nothing is said twice."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.wire.joints.seam import MAX_OVERLAP, MIN_OVERLAP, Exact, Overlap, Seam

SENTENCE = "When one lamp goes dark another is already lit and the page stays bright."


def feed(seam: Seam, pieces: Sequence[str]) -> str:
    return "".join([seam.feed(piece) for piece in pieces]) + seam.finish()


def split(text: str, places: Sequence[int]) -> list[str]:
    cuts = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(cuts)]


PLACES = st.lists(st.integers(0, 10_000), max_size=6)


@given(text=st.text(), at=st.integers(0, 10_000), places=PLACES)
def test_what_was_sent_is_taken_off_exactly(text: str, at: int, places: list[int]) -> None:
    sent = text[: at % (len(text) + 1)]
    seam = Exact(sent)
    assert sent + feed(seam, split(text, places)) == text
    assert seam.complete
    assert not seam.diverged


@given(sent=st.text(min_size=1), text=st.text(), places=PLACES)
def test_any_other_beginning_is_a_divergence(sent: str, text: str, places: list[int]) -> None:
    assume(not text.startswith(sent))
    seam = Exact(sent)
    assert feed(seam, split(text, places)) == ""
    assert seam.diverged
    assert seam.feed("more") == ""


@given(sent=st.text(max_size=60), more=st.text(max_size=60), places=PLACES)
def test_a_continuation_is_joined_whatever_becomes_of_white_space(sent: str, more: str, places: list[int]) -> None:
    """What the target was given ends with no white space; what it writes begins with what was taken away."""
    given = sent.rstrip()
    whole = sent + more
    assume(len(more) < MIN_OVERLAP or more[:MIN_OVERLAP] not in sent)
    seam = Overlap(sent, given)
    out = feed(seam, split(whole[len(given) :], places))
    assert sent + out == whole
    assert not seam.diverged


@given(at=st.integers(MIN_OVERLAP, len(SENTENCE) - 1), again=st.integers(MIN_OVERLAP, 60), places=PLACES)
def test_words_that_are_repeated_are_taken_off(at: int, again: int, places: list[int]) -> None:
    sent = SENTENCE[:at]
    again = min(again, at)
    seam = Overlap(sent, sent.rstrip())
    assert sent + feed(seam, split(SENTENCE[at - again :], places)) == SENTENCE


@pytest.mark.parametrize(
    ("sent", "more", "joined"),
    [
        ("one lamp ", "goes", "one lamp goes"),  # the target did not repeat the blank
        ("one lamp ", " goes", "one lamp goes"),
        ("one lamp", " goes", "one lamp goes"),
        ("one lamp\n", "\n\n- goes", "one lamp\n\n- goes"),
        ("one lamp\n\n", "\ngoes", "one lamp\n\ngoes"),  # the client has more of it already
        ("one lamp\n", "  goes", "one lamp\ngoes"),  # where they differ, the client's counts
        ("one lamp", "  ", "one lamp  "),
        ("one lamp ", "", "one lamp "),
        ("10", "000 lamps", "10000 lamps"),  # too short to be a repetition
        ("-" * 30, "-" * 20 + "|", "-" * 50 + "|"),  # not varied enough
        (
            "on and off again, on and off again, ",
            "on and off again, lit",
            "on and off again, on and off again, on and off again, lit",
        ),
        ("a lamp goes dark, ", "lamp goes dark, and lit", "a lamp goes dark, and lit"),
        ("a lamp goes dark \n", "lamp goes dark and lit", "a lamp goes dark \nand lit"),  # repeats what it was given
    ],
)
def test_the_seam_is_where_it_should_be(sent: str, more: str, joined: str) -> None:
    for pieces in ([more], list(more)):
        seam = Overlap(sent, sent.rstrip())
        assert sent + feed(seam, pieces) == joined
        assert seam.complete
        assert seam.feed("!") == "!"
        assert seam.finish() == ""


@pytest.mark.parametrize("end", ["xxx and then some", ""])
def test_an_answer_that_begins_anew_and_turns_off_is_another_one(end: str) -> None:
    seam = Overlap(SENTENCE, SENTENCE)
    assert feed(seam, list(SENTENCE[:40] + end)) == ""
    assert seam.diverged
    assert seam.feed("!") == seam.finish() == ""


def test_one_that_begins_anew_and_goes_on_has_only_repeated_itself() -> None:
    seam = Overlap(SENTENCE, SENTENCE)
    assert feed(seam, list(SENTENCE + " Good night.")) == " Good night."


def test_a_repetition_is_looked_for_only_so_far() -> None:
    sent = "".join(f"{number:06d}" for number in range(MAX_OVERLAP // 3))
    seam = Overlap(sent, sent)
    text = sent[-MAX_OVERLAP - 600 :]
    assert feed(seam, split(text, range(0, len(text), 97))) != ""
