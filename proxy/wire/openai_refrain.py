"""Events of a stream that differ in nothing but their text.

A provider writes the same event again and again around another piece of text. JSON's grammar has no way for the inside of a
string to change the meaning of what stands around it, so once one such event has been decoded and judged, another with the
same bytes before and behind the text is judged too: it is content, and nothing else.

Invariants: only what is plain inside a JSON string is taken for such a text (no quote, no backslash, no control character,
whole UTF-8); where the text stands is proved by decoding the event once more with another one in its place. Any
other event is decoded.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from proxy.wire.lenient import UNREADABLE


class Modelled(Protocol):
    """A decoded event, as far as it matters here."""

    @property
    def model(self) -> str | None: ...


ChunkT = TypeVar("ChunkT", bound=Modelled)

_PROBE = "~probe~"


class Refrain:
    """`model`: what the event says answered."""

    __slots__ = ("_after", "_before", "_kept_after", "_kept_seam", "_seam", "model")

    def __init__(self, before: bytes, after: bytes, kept_after: bytes, model: str | None) -> None:
        self._before = before
        self._after = after
        self._seam = after + before
        self._kept_after = kept_after
        self._kept_seam = kept_after + before
        self.model = model

    def find_text(self, events: bytes) -> tuple[int, str] | None:
        """If these bytes are this event with another text, or several such one after the other: how many, and the text of
        all. An empty text is as good as any."""
        before, after = self._before, self._after
        if not (events.startswith(before) and events.endswith(after)):
            return None
        inside = events[len(before) : -len(after)]
        try:
            text = inside.decode()
            if _is_plain(text):
                return 1, text
            texts = inside.split(self._seam)
            # The space keeps halves of a character in two events from being taken for a whole one.
            if len(texts) > 1 and _is_plain(b" ".join(texts).decode()):
                return len(texts), b"".join(texts).decode()
        except UnicodeDecodeError:
            return None
        return None

    def keep(self, events: bytes) -> bytes:
        """What of such events goes on to the client: mostly all of it, the very object."""
        if self._kept_after == self._after:
            return events
        return events[: -len(self._after)].replace(self._seam, self._kept_seam) + self._kept_after


def learn(
    event: bytes, kept: bytes, decode: Callable[[bytes], ChunkT], find_text: Callable[[ChunkT], str | None]
) -> Refrain | None:
    """From an event of one line (`data: {…}` and a blank line) and what of it was passed on. `find_text` gives the text of a
    chunk that holds nothing else. None: it holds something else, or where its text stands is not certain."""
    try:
        chunk = decode(event[6:-2])
    except UNREADABLE:
        return None  # it took repairs to read it, or it has several lines
    text = find_text(chunk)
    if not text or not _is_plain(text):
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
    return text.isprintable() and '"' not in text and "\\" not in text
