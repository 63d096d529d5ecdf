"""Cohere's chat stream: server-sent events whose type stands in their data, into the pieces of an answer.

    message-start, content-start/-delta/-end, tool-plan-delta, tool-call-start/-delta/-end, citation-start/-end, message-end

No `[DONE]`: `message-end` is the end, and carries the finish and the usage. Members of the first event are lists where
those of later ones are objects. Invariants: any split of the bytes gives the same pieces and the same failure; nothing
raises; nothing follows a failure. Source: Cohere's SDK, recorded streams.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.cohere.shapes import (
    FINISHES,
    CohereCall,
    CohereContent,
    CohereUsage,
    judge_finish,
    read_source,
    read_usage,
)
from proxy.wire.failures import find_failure
from proxy.wire.lenient import UNREADABLE, decode_leniently
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Finish,
    Finished,
    Piece,
    Spent,
    TextPiece,
    ThinkingPiece,
)
from proxy.wire.sse import Block, EventSplitter
from proxy.wire.trouble import parse_json


class MessageDelta(Struct, gc=False):
    content: CohereContent | list[Any] | None = None
    tool_plan: str | None = None
    tool_calls: CohereCall | list[Any] | None = None
    citations: dict[str, Any] | list[Any] | None = None


class Delta(Struct, gc=False):
    message: MessageDelta | None = None
    finish_reason: str | None = None
    usage: CohereUsage | None = None
    error: str | None = None


class Event(Struct, gc=False):
    type: str | None = None
    id: str | None = None
    index: int | None = None
    delta: Delta | None = None


_DECODE = msgspec.json.Decoder(Event).decode
_NO_DELTA = Delta()
_NO_MESSAGE = MessageDelta()


class CohereDecoder:
    """Implements `StreamDecoder`."""

    __slots__ = ("_calls", "_splitter", "done", "events", "failure")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._calls: dict[int, int] = {}
        self.failure: Outcome | None = None
        self.done = False
        self.events = 0

    def feed(self, data: bytes) -> list[Piece]:
        pieces: list[Piece] = []
        self._take_blocks(self._splitter.feed(data), pieces)
        if self._splitter.overflow and self.failure is None and not self.done:
            self.failure = Outcome(OutcomeKind.MALFORMED, message="an event of the stream is too long")
        return pieces

    def finish(self) -> list[Piece]:
        pieces: list[Piece] = []
        rest = self._splitter.rest().strip()
        if rest and self.failure is None and not self.done:
            block = Block(rest)
            if block.data is not None and parse_json(block.data) is None:
                self.failure = Outcome(OutcomeKind.STREAM_BROKEN, message="the stream ended inside an event")
            else:
                self._take_blocks([block], pieces)
        return pieces

    def _take_blocks(self, blocks: Sequence[Block], pieces: list[Piece]) -> None:
        for block in blocks:
            if self.failure is not None or self.done:
                return
            if block.data is not None and block.data.strip() not in (b"", b"[DONE]"):
                self.events += 1
                self._take(block.data, pieces)
            elif block.stray:
                self._fail(block.raw, "the answer is not an event stream")

    def _take(self, payload: bytes, pieces: list[Piece]) -> None:
        try:
            event = decode_leniently(_DECODE, payload)
        except UNREADABLE:
            self._fail(payload, "an event of the stream cannot be read")
            return
        read = _EVENTS.get(event.type or "")
        if read is not None:
            read(self, event, event.delta or _NO_DELTA, pieces)
        elif event.type is None:
            self.failure = find_failure(payload)

    def _fail(self, payload: bytes, otherwise: str) -> None:
        self.failure = find_failure(payload) or Outcome(OutcomeKind.MALFORMED, message=otherwise)

    def _begin(self, event: Event, delta: Delta, pieces: list[Piece]) -> None:
        pieces.append(Began(event.id or ""))

    def _add_content(self, event: Event, delta: Delta, pieces: list[Piece]) -> None:
        content = (delta.message or _NO_MESSAGE).content
        if not isinstance(content, CohereContent):
            return
        if content.text:
            pieces.append(TextPiece(content.text))
        if content.thinking:
            pieces.append(ThinkingPiece(content.thinking))

    def _add_plan(self, event: Event, delta: Delta, pieces: list[Piece]) -> None:
        plan = (delta.message or _NO_MESSAGE).tool_plan
        if plan:
            pieces.append(TextPiece(plan))

    def _begin_call(self, event: Event, delta: Delta, pieces: list[Piece]) -> None:
        call = (delta.message or _NO_MESSAGE).tool_calls
        if not isinstance(call, CohereCall):
            return
        number = self._calls[event.index or 0] = len(self._calls)
        name = (call.function.name if call.function is not None else None) or ""
        pieces.append(CallBegan(number, call.id or f"call_{number}", name))
        self._add_arguments(event, delta, pieces)

    def _add_arguments(self, event: Event, delta: Delta, pieces: list[Piece]) -> None:
        call = (delta.message or _NO_MESSAGE).tool_calls
        number = self._calls.get(event.index or 0)
        if isinstance(call, CohereCall) and call.function is not None and call.function.arguments and number is not None:
            pieces.append(CallPiece(number, call.function.arguments))

    def _add_source(self, event: Event, delta: Delta, pieces: list[Piece]) -> None:
        citation = (delta.message or _NO_MESSAGE).citations
        if isinstance(citation, dict):
            pieces.append(read_source(citation))

    def _end(self, event: Event, delta: Delta, pieces: list[Piece]) -> None:
        usage = read_usage(delta.usage)
        if usage is not None:
            pieces.append(Spent(usage))
        self.failure = judge_finish(delta.finish_reason, delta.error)
        if self.failure is None and delta.finish_reason:
            pieces.append(Finished(FINISHES.get(delta.finish_reason, Finish.STOP)))
            self.done = True


_EVENTS: Mapping[str, Callable[[CohereDecoder, Event, Delta, list[Piece]], None]] = {
    "message-start": CohereDecoder._begin,
    "content-start": CohereDecoder._add_content,
    "content-delta": CohereDecoder._add_content,
    "tool-plan-delta": CohereDecoder._add_plan,
    "tool-call-start": CohereDecoder._begin_call,
    "tool-call-delta": CohereDecoder._add_arguments,
    "citation-start": CohereDecoder._add_source,
    "message-end": CohereDecoder._end,
}
