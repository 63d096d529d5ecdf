"""Decodes a stream of generateContent: events of one line, CRLF, no names, no terminator.

The stream ends with the connection, after a chunk with a finish reason; whether it was whole is judged from the finishes.
An error comes as an event, or as a body of its own in place of the events (Google wraps it in a list of one there). A last
event whose blank line is missing counts, if it is whole JSON.

Invariants: any split of the bytes gives the same pieces and the same failure; nothing raises; after a failure nothing
follows.
"""

from collections.abc import Sequence

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.failures import find_failure
from proxy.wire.gemini.chunk import decode_chunk
from proxy.wire.gemini.reading import Reading
from proxy.wire.lenient import UNREADABLE, decode_leniently
from proxy.wire.pieces import Piece
from proxy.wire.sse import Block, EventSplitter
from proxy.wire.trouble import parse_json


class GeminiDecoder:
    """Implements `StreamDecoder`. `done` stays false: nothing in the stream says that it is over."""

    __slots__ = ("_reading", "_splitter", "done", "events", "failure")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._reading = Reading()
        self.failure: Outcome | None = None
        self.done = False
        self.events = 0

    def feed(self, data: bytes) -> list[Piece]:
        if self.failure is not None:
            return []
        # Nearly every read is one whole event; then nothing has to be cut or kept.
        if not self._splitter.pending and data[:6] == b"data: " and data[-4:] == b"\r\n\r\n" and data.count(b"\n") == 2:
            return self._take(data[6:-4])
        blocks = self._splitter.feed(data)
        pieces = self._take_blocks(blocks)
        if self._splitter.overflow and self.failure is None:
            self.failure = Outcome(OutcomeKind.MALFORMED, message="an event of the stream is too long")
        return pieces

    def finish(self) -> list[Piece]:
        if self.failure is not None:
            return []
        rest = self._splitter.rest().strip()
        pieces: list[Piece] = []
        if rest:
            block = Block(rest)
            if block.data is not None and parse_json(block.data) is None:
                self.failure = Outcome(OutcomeKind.STREAM_BROKEN, message="the stream ended inside an event")
                return []
            pieces = self._take_blocks([block])
        if self.failure is None:
            self.failure = self._reading.judge()
        return pieces

    def _take_blocks(self, blocks: Sequence[Block]) -> list[Piece]:
        pieces: list[Piece] = []
        for block in blocks:
            if self.failure is not None:
                break
            if block.data is not None:
                pieces += self._take(block.data)
            elif block.stray:
                self._fail(block.raw, "the answer is not an event stream")
        return pieces

    def _take(self, payload: bytes) -> list[Piece]:
        """One event."""
        if not payload.strip():
            return []
        self.events += 1
        try:
            chunk = decode_leniently(decode_chunk, payload)
            pieces = self._reading.take(chunk)
        except UNREADABLE:
            self._fail(payload, "an event of the stream cannot be read")
            return []
        if chunk.error:
            self.failure = find_failure(payload)
            if self.failure is not None:
                return []
        self.failure = self._reading.failure
        return pieces

    def _fail(self, payload: bytes, otherwise: str) -> None:
        self.failure = find_failure(payload) or Outcome(OutcomeKind.MALFORMED, message=otherwise)
