from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.tokens.count import ASCII_PIECE, MEMO_FROM, OTHER_PIECE, Counter, measure, pieces
from proxy.tokens.encoding import CL100K, O200K

WORDS = [
    "the",
    "quick",
    "(brown)",
    "fox,",
    "it's;",
    "12345",
    "lazy\ndogs",
    "[naïve]",
    "你好，世界",
    "\t",
    "x/y",
    '"q"',
    "'tis",
]


def prose(length, seed=7, words=WORDS):
    rng = Random(seed)
    return " ".join(rng.choice(words) for _ in range(length))


def test_pieces_put_together_are_the_text():
    for text in ("", "a", "x" * (ASCII_PIECE * 2 + 5), prose(40_000), " " * 200_000, "é" * 40_000):
        parts = list(pieces(text))
        assert "".join(parts) == text
        assert all(parts)
        assert all(len(part.encode()) <= 65_536 for part in parts)


@settings(deadline=None, max_examples=30)
@given(st.text(alphabet="ab é日 .,'\n\U0001f389", max_size=60))
def test_pieces_of_any_text_are_the_text(text):
    stretched = text * 2000
    assert "".join(pieces(stretched)) == stretched


@pytest.mark.parametrize("name", [O200K, CL100K])
@pytest.mark.parametrize("seed", [1, 2])
def test_cutting_does_not_change_the_count(encodings, name, seed):
    encoding = encodings[name]
    text = prose(40_000, seed)
    assert len(list(pieces(text))) > 2
    assert measure(encoding, text).tokens == len(encoding.encode_ordinary(text))


def test_cuts_never_split_a_word_from_its_apostrophe():
    text = ("it's" * (ASCII_PIECE // 4))[: ASCII_PIECE - 2] + " it's" + "'s" * 20
    assert next(pieces(text))[-3:] != " it"


def test_hostile_text_is_counted(encodings):
    encoding = encodings[O200K]
    assert measure(encoding, " " * 1_200_000).tokens > 0
    assert measure(encoding, "a" * 200_000).tokens > 0
    assert measure(encoding, "<|endoftext|>").tokens > 1
    assert measure(encoding, "\ud800").tokens > 0
    assert measure(encoding, "").tokens == 0


def test_counter_picks_the_vocabulary_of_the_model(counter, encodings):
    text = "internationalisation für 日本語 " * 3
    assert counter.measure(text, "gpt-5").tokens == len(encodings[O200K].encode_ordinary(text))
    assert counter.measure(text, "gpt-4").tokens == len(encodings[CL100K].encode_ordinary(text))
    assert counter.measure(text, "gpt-5").tokens != counter.measure(text, "gpt-4").tokens


def test_counter_without_a_vocabulary_uses_the_other(encodings):
    text = "internationalisation für 日本語"
    assert Counter({O200K: encodings[O200K]}).measure(text, "gpt-4").tokens == len(encodings[O200K].encode_ordinary(text))


class Counted:
    """An encoder that says how often it was asked."""

    def __init__(self):
        self.asked = 0

    def encode_ordinary(self, text):
        self.asked += 1
        return [0] * len(text)


def test_counter_counts_a_block_once():
    encoder = Counted()
    counter = Counter({O200K: encoder})
    block = "x" * MEMO_FROM
    assert [counter.measure(block, "gpt-5").tokens for _ in range(3)] == [MEMO_FROM] * 3
    assert encoder.asked == 1


def test_counter_does_not_mix_up_vocabularies():
    first, second = Counted(), Counted()
    counter = Counter({O200K: first, CL100K: second})
    counter.measure("x" * MEMO_FROM, "gpt-5")
    counter.measure("x" * MEMO_FROM, "gpt-4")
    assert (first.asked, second.asked) == (1, 1)


def test_counter_forgets_what_was_not_used_for_longest():
    encoder = Counted()
    counter = Counter({O200K: encoder}, capacity=2)
    a, b, c = (letter * MEMO_FROM for letter in "abc")
    for block in (a, b, a, c):
        counter.measure(block, "gpt-5")
    assert encoder.asked == 3
    counter.measure(a, "gpt-5")
    assert encoder.asked == 3
    counter.measure(b, "gpt-5")
    assert encoder.asked == 4
    assert repr(counter) == "<Counter o200k_base, 2 blocks remembered>"


def test_counter_takes_lone_surrogates(counter):
    assert counter.measure("\ud83d" * MEMO_FROM, "gpt-5").tokens > 0


def test_other_pieces_are_smaller():
    assert OTHER_PIECE * 4 <= 65_536
