"""ConverseStream: frames with events into the pieces of an answer.

    messageStart, per block (contentBlockStart, contentBlockDelta …, contentBlockStop), messageStop, metadata, end

Only blocks of calls are started; text and reasoning begin with their first delta. Usage comes after the reason to stop, so
the finish is held until the metadata, or until the end if there are none. Every payload carries a key `p` of random length,
which hides how long it is, and is passed over. An exception frame is a failure, whatever was said before it.
Source: the service model of botocore, recorded streams.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.converse.answer import (
    ServiceTier,
    TokenUsage,
    judge_exception,
    judge_stop,
    map_stop,
    read_source,
    read_usage,
)
from proxy.wire.converse.tools import ANSWER_TOOL
from proxy.wire.dialogue import BEDROCK
from proxy.wire.eventstream import Frame, FrameSplitter
from proxy.wire.lenient import UNREADABLE, decode_leniently
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Finished,
    Piece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)


class ToolStart(Struct, gc=False, rename="camel"):
    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None


class Start(Struct, gc=False, rename="camel"):
    tool_use: ToolStart | None = None


class ToolDelta(Struct, gc=False, rename="camel"):
    input: str | None = None


class ReasoningDelta(Struct, gc=False, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class Delta(Struct, gc=False, rename="camel"):
    text: str | None = None
    tool_use: ToolDelta | None = None
    reasoning_content: ReasoningDelta | None = None
    citation: dict[str, Any] | None = None


class Event(Struct, gc=False, rename="camel"):
    """The members of all events; no two of them mean different things."""

    content_block_index: int | None = None
    delta: Delta | None = None
    start: Start | None = None
    stop_reason: str | None = None
    usage: TokenUsage | None = None
    service_tier: ServiceTier | None = None


_DECODE = msgspec.json.Decoder(Event).decode
#: In place of a call's number: its input is the answer's text, or nobody's business.
_AS_TEXT, _IGNORED = -1, -2


class ConverseDecoder:
    """Implements `StreamDecoder`. `sealer`: whose signatures the model writes."""

    __slots__ = ("_blocks", "_calls", "_sealer", "_splitter", "_stop", "_stopped", "done", "events", "failure")

    def __init__(self, sealer: str = BEDROCK) -> None:
        self._sealer = sealer
        self._splitter = FrameSplitter()
        self._blocks: dict[int, int] = {}
        self._calls = 0
        self._stop: str | None = None
        self._stopped = False
        self.failure: Outcome | None = None
        self.done = False
        self.events = 0

    def feed(self, data: bytes) -> list[Piece]:
        pieces: list[Piece] = []
        for frame in self._splitter.feed(data):
            if self.failure is not None or self.done:
                return pieces
            self._take(frame, pieces)
        if self._splitter.failure and self.failure is None and not self.done:
            self.failure = Outcome(OutcomeKind.MALFORMED, message=self._splitter.failure)
        return pieces

    def finish(self) -> list[Piece]:
        if self._splitter.pending and self.failure is None:
            self.failure = Outcome(OutcomeKind.STREAM_BROKEN, message="the stream ended inside a frame")
        if self.failure is not None or self.done or not self._stopped:
            return []
        self.done = True
        return [Finished(map_stop(self._stop, self._calls > 0))]

    def _take(self, frame: Frame, pieces: list[Piece]) -> None:
        self.events += 1
        headers = frame.headers
        kind = headers.get(":message-type")
        if kind == "exception":
            self.failure = judge_exception(str(headers.get(":exception-type", "")), frame.payload)
            return
        if kind == "error":
            message = msgspec.json.encode({"message": str(headers.get(":error-message", ""))})
            self.failure = judge_exception(str(headers.get(":error-code", "")), message)
            return
        read = _EVENTS.get(headers.get(":event-type"))  # type: ignore[arg-type]
        if read is None:
            return
        try:
            event = decode_leniently(_DECODE, frame.payload)
        except UNREADABLE:
            self.failure = Outcome(OutcomeKind.MALFORMED, message="an event of the stream cannot be read")
        else:
            read(self, event, pieces)

    def _begin(self, event: Event, pieces: list[Piece]) -> None:
        pieces.append(Began())

    def _start_block(self, event: Event, pieces: list[Piece]) -> None:
        call = event.start.tool_use if event.start is not None else None
        if call is None:
            return
        place = event.content_block_index or 0
        if call.type is not None or call.name == ANSWER_TOOL:
            self._blocks[place] = _IGNORED if call.type is not None else _AS_TEXT
            return
        number = self._blocks[place] = self._calls
        self._calls += 1
        pieces.append(CallBegan(number, call.tool_use_id or f"call_{number}", call.name or ""))

    def _add(self, event: Event, pieces: list[Piece]) -> None:
        delta = event.delta
        if delta is None:
            return
        if delta.text:
            pieces.append(TextPiece(delta.text))
            return
        if delta.tool_use is not None:
            self._add_input(self._blocks.get(event.content_block_index or 0, _IGNORED), delta.tool_use.input, pieces)
        elif delta.reasoning_content is not None:
            self._add_reasoning(delta.reasoning_content, pieces)
        elif delta.citation is not None:
            pieces.append(read_source(delta.citation))

    def _add_input(self, number: int, fragment: str | None, pieces: list[Piece]) -> None:
        if fragment and number != _IGNORED:
            pieces.append(TextPiece(fragment) if number == _AS_TEXT else CallPiece(number, fragment))

    def _add_reasoning(self, delta: ReasoningDelta, pieces: list[Piece]) -> None:
        if delta.text:
            pieces.append(ThinkingPiece(delta.text))
        if delta.redacted_content:
            pieces.append(ThinkingSealed(redacted=delta.redacted_content, vendor=BEDROCK))
        elif delta.signature:
            pieces.append(ThinkingSealed(delta.signature, vendor=self._sealer))

    def _stop_message(self, event: Event, pieces: list[Piece]) -> None:
        self.failure = judge_stop(event.stop_reason)
        self._stop = event.stop_reason
        self._stopped = True

    def _close(self, event: Event, pieces: list[Piece]) -> None:
        usage = read_usage(event.usage, None if event.service_tier is None else event.service_tier.type)
        if usage is not None:
            pieces.append(Spent(usage))
        if self._stopped:
            self.done = True
            pieces.append(Finished(map_stop(self._stop, self._calls > 0)))


_EVENTS: Mapping[str, Callable[[ConverseDecoder, Event, list[Piece]], None]] = {
    "messageStart": ConverseDecoder._begin,
    "contentBlockStart": ConverseDecoder._start_block,
    "contentBlockDelta": ConverseDecoder._add,
    "messageStop": ConverseDecoder._stop_message,
    "metadata": ConverseDecoder._close,
}
