"""The events of Anthropic's streams: cut, decoded, and told apart from errors and garbage.

Theory of operation. An event is two lines, its name and its data, and a blank one. Most reads are exactly one or several
whole events; those are recognised without looking at their lines and cut by searching for line ends. Everything else goes
through the splitter. The name says nothing that the data does not, except for `error`, which others send with data in their
own shape. One typed struct decodes every event; what it does not know is not looked at.

Invariant: any split of the bytes gives the same events. Source: recorded streams and the SDK's types.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.failures import classify_inner, find_failure
from proxy.wire.lenient import UNREADABLE, repair
from proxy.wire.redaction import describe_page, is_page
from proxy.wire.sse import Block, EventSplitter
from proxy.wire.trouble import read_trouble

_NO_RAW = Raw(b"")
_NAME = b"event: "
_DATA = b"data: {"
_STARTS = (b":", b"data", b"event", b"id", b"retry")


class Delta(Struct, gc=False):
    """Of a block, or (with `stop_reason`) of the whole message."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None


class Content(Struct, gc=False):
    """A block: as it begins in a stream, or whole in an answer."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = _NO_RAW
    citations: list[Any] | None = None


class Head(Struct, gc=False):
    """The message as it begins."""

    id: str | None = None
    model: str | None = None
    usage: Raw = _NO_RAW


class Event(Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Content | None = None
    message: Head | None = None
    usage: Raw = _NO_RAW
    error: Raw = _NO_RAW


_DECODE = msgspec.json.Decoder(Event).decode


def read_event(payload: bytes) -> Event | Outcome:
    """One event's data; an outcome where it is an error or cannot be read."""
    try:
        event = _DECODE(payload)
        if not payload.isascii():
            payload.decode()
    except UNREADABLE:
        salvaged = _salvage(payload)
        if isinstance(salvaged, Outcome):
            return salvaged
        event = salvaged
    if event.error or event.type == "error":
        return classify_inner(read_trouble(payload))
    return event


def _salvage(payload: bytes) -> Event | Outcome:
    """What the strict decoder could not read: an error in an odd shape, a lone surrogate, or garbage."""
    failure = find_failure(payload)
    if failure is not None:
        return failure
    repaired = repair(payload)
    try:
        if repaired is not None:
            return _DECODE(repaired)
    except UNREADABLE:
        pass
    return Outcome(OutcomeKind.MALFORMED, message="an event of the stream cannot be read")


class EventCutter:
    """Cuts a stream into pairs of an event's data and its bytes; no data: a comment or the like. `failure`: something that
    is no event stream, or an event without an end. `whole`: the last read was whole events and nothing else."""

    __slots__ = ("_splitter", "_stray", "failure", "whole")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._stray = b""
        self.failure: Outcome | None = None
        self.whole = False

    def cut(self, data: bytes) -> Iterable[tuple[bytes, bytes]]:
        """Gives up at the first failure; what came before it is sound."""
        events = None if self._splitter.pending else _cut_whole(data)
        self.whole = events is not None
        return self._cut_blocks(data) if events is None else events

    def judge_rest(self) -> Outcome | None:
        """The stream is over and has shown no event: what there was instead."""
        rest = self._stray or self.rest
        if rest.startswith((b"{", b"[")):
            failure = find_failure(rest)
            if failure is not None:
                return failure
        if rest and not any(rest.startswith(start) or start.startswith(rest) for start in _STARTS):
            said = describe_page(rest) if is_page(rest) else "the answer is not an event stream"
            return Outcome(OutcomeKind.MALFORMED, message=said)
        return None

    @property
    def rest(self) -> bytes:
        """What is left of an unfinished event."""
        return self._splitter.rest().strip()

    def _cut_blocks(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        for block in self._splitter.feed(data):
            if block.data is not None and block.data.strip():
                if block.event == b"error":
                    self.failure = classify_inner(read_trouble(block.data))
                    return
                yield block.data, block.raw
            elif block.stray and self._judge_stray(block):
                return
            elif not block.stray:
                yield b"", block.raw
        if self._splitter.overflow:
            self.failure = Outcome(OutcomeKind.MALFORMED, message="an event of the stream is too long")

    def _judge_stray(self, block: Block) -> bool:
        """A body that is no event stream: a bare JSON error, or a page, of which nothing goes on."""
        self._stray = self._stray or block.stray
        failure = find_failure(block.stray)
        if failure is not None:
            self.failure = failure
        return failure is not None


def _cut_whole(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """The events of a read that is nothing but whole ones of two lines each; None: it is not."""
    if data[:7] != _NAME or data[-2:] != b"\n\n" or b"\r" in data:
        return None
    name_end = data.find(b"\n")
    if data.find(b"\n", name_end + 1) == len(data) - 2:  # a single one, as most are
        if data[name_end + 1 : name_end + 8] != _DATA or data[7:name_end].strip() == b"error":
            return None
        return [(data[name_end + 7 : -2], data)]
    found: list[tuple[bytes, bytes]] = []
    for part in data[:-2].split(b"\n\n"):
        name, _, rest = part.partition(b"\n")
        if name[:7] != _NAME or rest[:7] != _DATA or b"\n" in rest or name[7:].strip() == b"error":
            return None
        found.append((rest[6:], part + b"\n\n"))
    return found
