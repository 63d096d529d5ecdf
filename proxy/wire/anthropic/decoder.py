"""Anthropic's stream as pieces of an answer.

Blocks are numbered together, calls by themselves; a map leads from one to the other. Blocks of tools that Anthropic runs
itself are passed over: what they found stands in the text and its citations. The input of the reserved tool that stands for
an answer in JSON is text. Usage is given once it is whole, in `message_delta`: that of `message_start` counts no output.
Implements `StreamDecoder`.
"""

from collections.abc import Callable, Mapping

from proxy.core.outcome import Outcome
from proxy.wire.anthropic.citations import read_citation
from proxy.wire.anthropic.events import Content, Delta, Event, EventCutter, read_event
from proxy.wire.anthropic.stops import read_stop
from proxy.wire.anthropic.tools import ANSWER_TOOL
from proxy.wire.anthropic.usage import Tally
from proxy.wire.dialogue import ANTHROPIC
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Finish,
    Piece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)

_NO_INPUT = b"{}"


class MessagesDecoder:
    """See the module's text."""

    __slots__ = ("_answers", "_calls", "_cutter", "_finished", "_inputs", "_number", "_tally", "done", "events", "failure")

    def __init__(self) -> None:
        self._cutter = EventCutter()
        self._tally = Tally()
        self._calls: dict[int, int] = {}  # block -> call
        self._answers: set[int] = set()  # blocks of the reserved tool
        self._inputs: dict[int, str] = {}  # block -> input that came whole at its beginning, until a fragment comes
        self._number = 0
        self._finished = False
        self.failure: Outcome | None = None
        self.done = False
        self.events = 0

    def feed(self, data: bytes) -> list[Piece]:
        return [] if self.failure is not None or self.done else self._read(data)

    def finish(self) -> list[Piece]:
        if self.failure is None and not self.events:
            self.failure = self._cutter.judge_rest()
        return []

    def _read(self, data: bytes) -> list[Piece]:
        pieces: list[Piece] = []
        for payload, _ in self._cutter.cut(data):
            if not payload:
                continue
            event = read_event(payload)
            if isinstance(event, Outcome):
                self.events += 1
                self.failure = event
                return pieces
            if event.type == "ping":
                continue  # no more life than a comment is
            self.events += 1
            read = _EVENTS.get(event.type)
            if read is not None:
                read(self, event, pieces)
            if self.done:
                return pieces
        self.failure = self._cutter.failure
        return pieces

    def _read_start(self, event: Event, pieces: list[Piece]) -> None:
        head = event.message
        if head is not None:
            self._tally.take(head.usage)
            pieces.append(Began(head.id or "", head.model or "", given=self._tally.usage()))

    def _read_block(self, event: Event, pieces: list[Piece]) -> None:
        block = event.content_block or Content()
        if block.type == "tool_use":
            self._read_call(event.index, block, pieces)
        elif block.type == "redacted_thinking":
            pieces.append(ThinkingSealed(redacted=block.data or "", vendor=ANTHROPIC))
        elif block.text or block.thinking or block.signature:
            self._read_delta_of(event.index, Delta(None, block.text, block.thinking, block.signature), pieces)

    def _read_call(self, index: int, block: Content, pieces: list[Piece]) -> None:
        given = bytes(block.input)
        if given not in (b"", b"null", _NO_INPUT):
            self._inputs[index] = given.decode("utf-8", "replace")
        if block.name == ANSWER_TOOL:
            self._answers.add(index)
            return
        call = self._number
        self._number += 1
        self._calls[index] = call
        pieces.append(CallBegan(call, block.id or f"toolu_{index}", block.name or ""))

    def _read_delta(self, event: Event, pieces: list[Piece]) -> None:
        if event.delta is not None:
            self._read_delta_of(event.index, event.delta, pieces)

    def _read_delta_of(self, index: int, delta: Delta, pieces: list[Piece]) -> None:
        if delta.text:
            pieces.append(TextPiece(delta.text))
        elif delta.partial_json:
            self._inputs.pop(index, None)
            self._read_input(index, delta.partial_json, pieces)
        elif delta.thinking:
            pieces.append(ThinkingPiece(delta.thinking))
        if delta.signature:
            pieces.append(ThinkingSealed(delta.signature, vendor=ANTHROPIC))
        if delta.citation is not None:
            citation = read_citation(delta.citation)
            if citation is not None:
                pieces.append(citation)

    def _read_input(self, index: int, fragment: str, pieces: list[Piece]) -> None:
        call = self._calls.get(index)
        if call is not None:
            pieces.append(CallPiece(call, fragment))
        elif index in self._answers:
            pieces.append(TextPiece(fragment))

    def _read_block_end(self, event: Event, pieces: list[Piece]) -> None:
        given = self._inputs.pop(event.index, None)
        if given is not None:
            self._read_input(event.index, given, pieces)

    def _read_end(self, event: Event, pieces: list[Piece]) -> None:
        self._tally.take(event.usage)
        delta = event.delta
        if delta is not None and delta.stop_reason and not self._finished:
            self._finished = True
            finished = read_stop(delta.stop_reason, delta.stop_sequence, delta.stop_details)
            if finished.reason is Finish.TOOL_CALLS and self._answers and not self._calls:
                finished.reason = Finish.STOP
            pieces.append(finished)
        usage = self._tally.usage()
        if usage is not None:
            pieces.append(Spent(usage))

    def _read_stop(self, event: Event, pieces: list[Piece]) -> None:
        self.done = True


_EVENTS: Mapping[str, Callable[[MessagesDecoder, Event, list[Piece]], None]] = {
    "message_start": MessagesDecoder._read_start,
    "content_block_start": MessagesDecoder._read_block,
    "content_block_delta": MessagesDecoder._read_delta,
    "content_block_stop": MessagesDecoder._read_block_end,
    "message_delta": MessagesDecoder._read_end,
    "message_stop": MessagesDecoder._read_stop,
}
