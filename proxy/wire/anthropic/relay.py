"""Judging a stream of Anthropic's on its way to a client that speaks the same format.

Every event goes on as the bytes that it was, once it has been looked at. Content is the first text, thought, signature,
tool input or redacted block; `message_start`, pings and the beginnings of other blocks are not, so a stream that breaks
after them can still go elsewhere. `message_stop` is held back: the relay writes it when the stream has earned it, after its
own last comment. Pings count for nothing, as comments do: a model that has stopped may well go on being pinged for.

Invariants: any split of the bytes gives the same output and the same verdict; a stream without a stop reason is never whole,
and one with it is, even if only `message_stop` is missing. A message is stored nowhere.
"""

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.wire.anthropic.encoder import STOP_EVENT
from proxy.wire.anthropic.events import Content, Delta, Event, EventCutter, read_event
from proxy.wire.anthropic.usage import Tally
from proxy.wire.reading import StreamReader

#: Blocks that say something only by what comes after their beginning.
_BLANK = frozenset(("text", "thinking"))


class MessagesReader(StreamReader):
    """See the module's text."""

    __slots__ = (
        "_called",
        "_cutter",
        "_stop_reason",
        "_tally",
    )

    def __init__(self) -> None:
        super().__init__(STOP_EVENT)
        self._cutter = EventCutter()
        self._tally = Tally()
        self._called = False
        self._stop_reason = ""

    @property
    def finish(self) -> str | None:
        return self._stop_reason or None

    def feed(self, data: bytes) -> bytes:
        return b"" if self._silent else self._relay(data)

    def forgo(self) -> None:
        self._cutter = EventCutter()

    def end(self) -> Outcome:
        if self.failure is None and not self.data_events:
            self.failure = self._cutter.judge_rest()
        if self.failure is not None:
            return self.failure
        if not self._stop_reason:
            where = "without a stop reason" if self.content else "before its first content"
            return Outcome(OutcomeKind.STREAM_BROKEN, message=f"the stream ended {where}")
        rest = b"" if self.done else self._cutter.rest
        if rest and not rest.startswith(b":") and not STOP_EVENT.startswith(rest):
            return Outcome(OutcomeKind.STREAM_BROKEN, message="the stream ended inside an event")
        silent = not self.content and not self._called and not self.extends and self._stop_reason == "end_turn"
        if silent and (self.usage is None or self.usage.output == 0):
            return Outcome(OutcomeKind.MALFORMED, message="the stream finished without any content")
        return OK

    def _relay(self, data: bytes) -> bytes:
        cutter = self._cutter
        kept: list[bytes] = []
        for payload, raw in cutter.cut(data):
            if not payload or self._take(payload, raw):
                kept.append(raw)
            else:
                return b"".join(kept)
        if cutter.failure is not None:
            self._fail(cutter.failure)
        return data if cutter.whole else b"".join(kept)

    def _take(self, payload: bytes, raw: bytes) -> bool:
        """Look at one event. Whether it may go on."""
        event = read_event(payload)
        if isinstance(event, Outcome):
            self.data_events += 1
            self._fail(event)
            return False
        kind = event.type
        if kind == "ping":
            return True
        self.data_events += 1
        if kind == "content_block_delta":
            if event.delta is not None:
                self._note_delta(event.index, event.delta)
        elif kind == "content_block_start":
            self._note_block(event.index, event.content_block or Content())
        elif kind == "message_start":
            self._note_start(event)
        elif kind == "message_delta":
            self._note_end(event)
        elif kind == "message_stop":
            self.done = self._silent = True
            self.terminator = raw
            return False
        return True

    def _note_delta(self, index: int, delta: Delta) -> None:
        text = delta.text
        if text:
            self._keep("content", text)
        elif delta.partial_json:
            self._keep("tool", delta.partial_json, index)
        elif delta.thinking:
            self._keep("reasoning", delta.thinking)
        elif delta.signature:
            self.content = True

    def _note_block(self, index: int, block: Content) -> None:
        if block.type not in _BLANK:
            self._called = True
        if block.data:
            self.content = True
        self._keep("tool", block.name or "", index, content=False)
        self._note_delta(index, Delta(text=block.text, thinking=block.thinking, signature=block.signature))

    def _note_start(self, event: Event) -> None:
        if event.message is not None:
            self.model = event.message.model or self.model
            self._tally.take(event.message.usage)
            self.given = self._tally.usage()

    def _note_end(self, event: Event) -> None:
        """The usage is whole only here: that of `message_start` counts no output."""
        if event.delta is not None and event.delta.stop_reason:
            self._stop_reason = event.delta.stop_reason
        self._tally.take(event.usage)
        self.usage = self._tally.usage()
