"""A client's stream that goes on in another answer: what is common to all formats.

Theory of operation. A joint reads what the client was sent, event by event, and so knows the stream as the client does: its
id and model, its text, which block is open, whether something has begun that no other answer can end (`obstacle`). When the
stream is cut, `begin` is given a seam, and the events of the next answer, already in the client's format, go through `join`:
what only opens a stream is dropped, what the seam has seen before is dropped, ids and places become the first answer's, and
usage becomes that of the whole. Reasoning of a later answer is hidden: the client has seen another's, or text that another's
led to.

`read` and `join` do not share state while an answer goes on: `begin` takes over what `read` knows, and what `join` gives
back comes to `read` again once it has been sent. So a joint can be cut again, and an answer that was given up halfway leaves
no trace.

Invariants: nothing is given back before there is something beyond what was sent; nothing after a divergence. Refuses to
know vendors, time and what may be asked again (`fitness.py`).
"""

from abc import ABC, abstractmethod
from typing import Any

import msgspec
from msgspec import Struct

from proxy.wire.joints.seam import Exact, Seam
from proxy.wire.lenient import UNREADABLE, decode_leniently
from proxy.wire.sse import Block

#: Characters of an answer that are kept to go on from; a longer one ends with its first cut.
MAX_KEPT = 1024 * 1024
DONE = b"[DONE]"

ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode


class Bill(Struct):
    """How the usage of a whole answer follows from its last part's. `input`: tokens of the first part's prompt, if its
    provider said so. `before`: tokens of text that this part was given to go on from; they were its prompt, but the client's
    answer."""

    input: int | None = None
    before: int = 0

    def correct(self, read: int, written: int) -> tuple[int, int]:
        """Tokens in and out of the whole."""
        return (max(0, read - self.before) if self.input is None else self.input), written + self.before


class Joint(ABC):
    """See the module's text. `obstacle`: why this stream cannot go on in another answer, "": it can. `beyond`: the answer
    under way has something for the client. `input`: tokens of the prompt, where the first answer's provider has told
    them."""

    __slots__ = ("_seam", "_size", "_texts", "beyond", "bill", "input", "obstacle")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._size = 0
        self._seam: Seam = Exact("")
        self.bill = Bill()
        self.obstacle = ""
        self.beyond = False
        self.input: int | None = None

    @property
    def text(self) -> str:
        """What the client was sent of the answer."""
        return "".join(self._texts)

    @property
    def size(self) -> int:
        """Characters of it."""
        return self._size

    @property
    def complete(self) -> bool:
        """Nothing of what was sent is awaited any more."""
        return self._seam.complete

    @property
    def diverged(self) -> bool:
        return self._seam.diverged

    def read(self, data: bytes) -> None:
        """Whole events that the client was sent."""
        for block in _split(data):
            if self.obstacle:
                return
            if block.data is None or block.data == DONE:
                continue
            event = _load(block.data)
            if event is None:
                self.obstacle = "an event that cannot be read"
            else:
                self._note(event)

    def begin(self, seam: Seam, bill: Bill) -> None:
        """Another answer follows."""
        self._seam = seam
        self.bill = bill
        self.beyond = False
        self._take_over()

    def join(self, data: bytes) -> bytes:
        """What of these whole events the client gets; nothing once the answer has diverged."""
        kept: list[bytes] = []
        for block in _split(data):
            if block.data is None:
                continue
            if block.data == DONE:
                kept.append(block.raw)
                continue
            event = _load(block.data)
            if event is None:
                self._seam.diverged = True
            else:
                kept.append(self._rewrite(event))
            if self._seam.diverged:
                return b""
        return b"".join(kept)

    @abstractmethod
    def _note(self, event: dict[str, Any]) -> None:
        """Take in an event that the client was sent."""

    @abstractmethod
    def _take_over(self) -> None:
        """Make ready to rewrite, from what was noted."""

    @abstractmethod
    def _rewrite(self, event: dict[str, Any]) -> bytes:
        """An event of the next answer as the client gets it; empty: not at all."""

    def _add(self, text: str) -> None:
        """The client was sent this text."""
        self._size += len(text)
        if self._size > MAX_KEPT:
            self.obstacle = "an answer that is too long to be kept"
            self._texts.clear()
        else:
            self._texts.append(text)

    def _advance(self, text: str) -> str:
        """Text of the next answer: what of it is new."""
        new = self._seam.feed(text)
        self.beyond = self.beyond or bool(new)
        return new

    def _pass(self) -> str:
        """Something other than text comes: what of the text was held back. Diverged, where text was still awaited."""
        rest = self._seam.finish()
        self.beyond = self.beyond or not self._seam.diverged
        return rest


def _split(data: bytes) -> list[Block]:
    return [Block(raw + b"\n\n") for raw in data.split(b"\n\n") if raw]


def _load(payload: bytes) -> dict[str, Any] | None:
    try:
        return decode_leniently(_DECODE, payload)
    except UNREADABLE:
        return None


def read_count(usage: dict[str, Any], key: str) -> int:
    """A number of tokens, as lenient as its writers."""
    value = usage.get(key)
    return int(value) if isinstance(value, int | float) else 0
