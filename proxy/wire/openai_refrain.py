"""Events of a stream that differ in nothing but their text.

A provider writes the same event again and again around another piece of text. JSON's grammar has no way for the inside of a
string to change the meaning of what stands around it, so once one such event has been decoded and judged, another with the
same bytes before and behind the text is judged too: it is content, and nothing else.

Invariants: only what is plain inside a JSON string is taken for such a text (no quote, no backslash, no control character,
whole UTF-8, not empty); where the text stands is proved by decoding the event once more with another one in its place. Any
other event is decoded.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec


class Modelled(Protocol):
    """A decoded event, as far as it matters here."""

    @property
    def model(self) -> str | None: ...


ChunkT = TypeVar("ChunkT", bound=Modelled)

_PROBE = "~probe~"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Refrain:
    """`model`: what the event says answered."""

    __slots__ = ("_after", "_before", "_kept_after", "_same", "model")

    def __init__(self, before: bytes, after: bytes, kept_after: bytes, model: str | None) -> None:
        self._before = before
        self._after = after
        self._kept_after = kept_after
        self._same = kept_after == after
        self.model = model

    def find_text(self, event: bytes) -> str | None:
        """The text, if `event` is this one with another text."""
        before, after = self._before, self._after
        if not (event.startswith(before) and event.endswith(after)):
            return None
        try:
            text = event[len(before) : -len(after)].decode()
        except UnicodeDecodeError:
            return None
        return text if _is_plain(text) else None

    def keep(self, event: bytes) -> bytes:
        """What of such an event goes on to the client: mostly all of it, the very object."""
        return event if self._same else event[: -len(self._after)] + self._kept_after


def learn(
    event: bytes, kept: bytes, decode: Callable[[bytes], ChunkT], find_text: Callable[[ChunkT], str | None]
) -> Refrain | None:
    """From an event of one line (`data: {…}` and a blank line) and what of it was passed on. `find_text` gives the text of a
    chunk that holds nothing else. None: it holds something else, or where its text stands is not certain."""
    try:
        chunk = decode(event[6:-2])
    except _UNREADABLE:
        return None  # it took repairs to read it, or it has several lines
    text = find_text(chunk)
    if text is None or not _is_plain(text):
        return None
    quoted = b'"%b"' % text.encode()
    at = event.find(quoted) + 1
    if event.count(quoted) != 1:
        return None
    before, after = event[:at], event[at + len(quoted) - 2 :]
    changed = decode(before[6:] + _PROBE.encode() + after[:-2])
    if find_text(changed) != _PROBE or not kept.startswith(before + quoted[1:-1]):
        return None
    return Refrain(before, after, kept[at + len(quoted) - 2 :], chunk.model)


def _is_plain(text: str) -> bool:
    return text != "" and text.isprintable() and '"' not in text and "\\" not in text
