"""Exact token counts of text of any size and kind, in bounded steps.

A text is counted in pieces of at most 64 KB: tiktoken then never holds the interpreter lock for long (it builds one list
of ids per call), and no run of characters gets long enough for its pattern engine to panic (a million spaces do). Cuts
are made where both vocabularies split anyway, so the sum is the count of the whole. Where a text offers no such place in
4,096 characters it is cut hard, which costs a few tokens at most.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import tiktoken
from msgspec import Struct

from proxy.tokens.encoding import O200K, encoding_name
from proxy.tokens.scripts import Script, digit_extra, find_script

#: Characters; a piece of other text than ASCII may have four bytes for each.
ASCII_PIECE = 65_536
OTHER_PIECE = 16_384
SEARCH = 4_096
#: Between a letter and one of these a cut is exact: 57,680 random mixed-script checks without a difference. Never an
#: apostrophe (`'s` sticks to its word) and never a combining mark.
CUTS = frozenset(' \t\r\n.,;:!?()[]{}"<>=/\\-，。、；：？！（）「」《》“”')

#: Shorter texts are counted faster than they are looked up.
MEMO_FROM = 256


def _cut(text: str, start: int, limit: int) -> int:
    """The last exact place in `text[start:limit]`'s final stretch, else `limit`."""
    for index in range(limit, max(start, limit - SEARCH), -1):
        if text[index] in CUTS and text[index - 1].isalpha():
            return index
    return limit


def pieces(text: str) -> Iterator[str]:
    """The text in order, in pieces of at most 64 KB of UTF-8."""
    size = ASCII_PIECE if text.isascii() else OTHER_PIECE
    start = 0
    while len(text) - start > size:
        end = _cut(text, start, start + size)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


class Measure(Struct, frozen=True, gc=False):
    """A text: `tokens` in its model's vocabulary, what to add where every digit is a token, and what it is written in."""

    tokens: int
    digits: int
    script: Script


def measure(encoding: tiktoken.Encoding, text: str) -> Measure:
    """Special tokens that a user typed count as the text they are."""
    tokens = digits = 0
    for piece in pieces(text):
        tokens += len(encoding.encode_ordinary(piece))
        digits += digit_extra(piece)
    return Measure(tokens, digits, find_script(text))


class Counter:
    """Counts by model, and remembers blocks it has seen: agents send their whole history again with every call.

    `encodings` maps encoding names to encoders; a model whose encoding is not among them counts with o200k_base. The
    memory is least-recently-used, keyed by a hash (no text is kept), and belongs to one thread at a time.
    """

    def __init__(self, encodings: Mapping[str, tiktoken.Encoding], capacity: int = 50_000) -> None:
        self._encodings = encodings
        self._capacity = capacity
        self._memo: dict[tuple[str, bytes], Measure] = {}

    def __repr__(self) -> str:
        return f"<Counter {', '.join(sorted(self._encodings))}, {len(self._memo)} blocks remembered>"

    def measure(self, text: str, model: str) -> Measure:
        """A text in the vocabulary of `model`."""
        name = encoding_name(model)
        if name not in self._encodings:
            name = O200K
        encoding = self._encodings[name]
        if len(text) < MEMO_FROM:
            return measure(encoding, text)
        key = (name, blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
        known = self._memo.pop(key, None)
        if known is None:
            known = measure(encoding, text)
            if len(self._memo) >= self._capacity:
                del self._memo[next(iter(self._memo))]
        self._memo[key] = known
        return known
