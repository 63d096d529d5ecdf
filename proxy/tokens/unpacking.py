"""Decoding a request's JSON in steps that are short however large or hostile it is.

The decoder holds the interpreter from its first byte to its last, and everything else in the process waits meanwhile. So
what is larger than 64 KB is opened level by level: its members are only told apart (which is up to ten times faster than
decoding them), and each is decoded by itself. Before that, long base64 is cut short, down to what is ever looked at of a
file. What is nested so deeply that it cannot be opened like this, and a field that is too large even then, is not decoded at
all: `Unread` says how much there was.
"""

import re

import msgspec
from msgspec import Raw, Struct

from proxy.tokens.media import HEAD, PDF_LIMIT, clip_mark
from proxy.wire.lenient import UNREADABLE, decode_leniently

#: Bytes decoded in one go.
PIECE = 64 * 1024
#: Levels of large values that are opened: messages, message, content, part, result, content, part, source.
LEVELS = 8
#: A field with more text than this is larger than any model's context.
MAX_FIELD = 16 * 1024 * 1024

#: Lists and objects that are made of one field, brackets in its texts among them: more of them keep the garbage collector
#: busy for longer than all of the counting takes.
MAX_THINGS = 100_000
#: Commas in a value that is opened, those in its texts among them: the most members that it can have.
MAX_MEMBERS = 400_000

#: Without a quote in so many bytes it is one string.
WINDOW = 32 * 1024
#: Characters of base64 that are kept: what is decoded of an image, and of a document.
KEPT = HEAD // 3 * 4 + 4096
KEPT_PDF = PDF_LIMIT // 3 * 4
#: Bytes that are looked at to tell base64 from text.
SAMPLE = 256
_BASE64 = re.compile(rb"[A-Za-z0-9+/_=-]+")

_ITEMS = msgspec.json.Decoder(list[Raw]).decode
_MEMBERS = msgspec.json.Decoder(dict[str, Raw]).decode
_ANY = msgspec.json.Decoder().decode


class Unread(Struct, frozen=True, gc=False):
    """So many bytes of JSON that nobody has looked into."""

    size: int


def clip(raw: bytes) -> bytes:
    """The same JSON with long base64 cut short; the object itself where there is none."""
    kept: list[bytes] = []
    done, at, size = 0, 0, len(raw)
    while at + WINDOW <= size:
        if raw.find(b'"', at, at + WINDOW) >= 0:
            at += WINDOW
            continue
        begin = raw.rfind(b'"', max(0, at - WINDOW), at) + 1
        end = raw.find(b'"', at + WINDOW)
        end = size if end < 0 else end
        document = raw.find(b"JVBERi0", begin, begin + SAMPLE) >= 0
        cut = begin + (KEPT_PDF if document else KEPT)
        if (
            cut + SAMPLE < end
            and begin
            and _BASE64.fullmatch(raw, cut - SAMPLE, cut)
            and _BASE64.fullmatch(raw, end - SAMPLE, end)
        ):
            kept += (raw[done:cut], clip_mark(end - cut))
            done = end
        at = end
    return b"".join([*kept, raw[done:]]) if kept else raw


def unpack(raw: bytes) -> object:
    """The value, as `json.loads` gives it, but for `Unread` in some places. Raises one of `UNREADABLE`."""
    if len(raw) > PIECE:
        raw = clip(raw)
    return Unread(len(raw)) if len(raw) > MAX_FIELD else _Opener().open(raw, LEVELS)


class _Opener:
    """Opens one value. `_left`: how many more lists and objects may be made."""

    def __init__(self) -> None:
        self._left = MAX_THINGS

    def open(self, raw: bytes, levels: int) -> object:
        """Raises one of `UNREADABLE`."""
        if len(raw) <= PIECE:
            self._left -= raw.count(b"[") + raw.count(b"{")
            return decode_leniently(_ANY, raw) if self._left >= 0 else Unread(len(raw))
        kind = raw[:1]
        if kind == b'"':
            return _read_text(raw)
        if not levels or self._left < 0 or raw.count(b",") > MAX_MEMBERS:
            return Unread(len(raw))
        if kind == b"[":
            return [self.open(bytes(item), levels - 1) for item in _ITEMS(raw)]
        return {name: self.open(bytes(value), levels - 1) for name, value in _MEMBERS(raw).items()}


def _read_text(raw: bytes) -> object:
    """A long string. One that no strict decoder takes is counted as it is written: the difference is a few escapes."""
    try:
        return _ANY(raw)
    except UNREADABLE:
        return raw[1:-1].decode("utf-8", "replace")
