"""Judging a stream of a vendor that has the Responses API, for clients of the same: events pass as the bytes they are.

Theory of operation. Every event names its type twice, on its own line and in its data; the data's counts. What opens
something (`response.created`, items and parts that are added) is not content; the first delta with something in it is,
and so is whatever tells that a hosted tool is at work. Errors come in four shapes, all of which are failures: the
documented flat `error` event, the nested one that the service sends, `response.failed`, and a bare `{"error": …}`. The
terminal event is withheld as `terminator`: only a stream that has it is whole, and the relay writes it when nothing else can
follow.

Invariants: any split of the bytes gives the same output and the same verdict; after a failure nothing goes on. Unknown
events go on and decide nothing, as the API keeps growing. Refuses to know the provider and what follows from a verdict.

Source: the OpenAPI document 2.3.0 and recorded streams.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.failures import classify_inner, find_failure
from proxy.wire.lenient import UNREADABLE, repair
from proxy.wire.reading import StreamReader
from proxy.wire.responses.whole import Whole, judge_output, read_failure, read_whole
from proxy.wire.sse import Block, EventSplitter
from proxy.wire.trouble import read_trouble

_LF = 0x0A
_NO_RAW = Raw(b"")
_NOTHING = (b"", b"null", b"false", b'""', b"{}", b"[]", b"0")

#: Kinds of generated text by the event that brings it, for `texts`.
_DELTAS: Mapping[str, str] = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.function_call_arguments.delta": "tool",
    "response.custom_tool_call_input.delta": "tool",
    "response.mcp_call_arguments.delta": "tool",
    "response.code_interpreter_call_code.delta": "tool",
    "response.shell_call_command.delta": "tool",
    "response.audio.transcript.delta": "audio",
}
_STARTS = frozenset(("response.created", "response.in_progress", "response.queued"))
_ENDS = frozenset(("response.completed", "response.incomplete"))
#: Whatever else is told of these is a hosted tool at work.
_AT_WORK = ("response.mcp_", "response.image_", "response.audio.")


class Event(Struct, gc=False):
    """Any event. `delta` is text wherever it counts."""

    type: str | None = None
    delta: Any = None
    response: Raw = _NO_RAW
    error: Raw = _NO_RAW


class _Done(Struct, gc=False):
    """The end of a part or of a call, with its text."""

    text: str = ""
    refusal: str = ""
    arguments: str = ""
    input: str = ""


_DECODE = msgspec.json.Decoder(Event).decode
_DECODE_DONE = msgspec.json.Decoder(_Done).decode


class ResponsesStreamReader(StreamReader):
    """`resource_id`: the response's id, by which its account can be asked for it later."""

    __slots__ = (
        "_end",
        "_splitter",
    )

    def __init__(self) -> None:
        super().__init__()
        self._splitter = EventSplitter()
        self._end: Whole | None = None

    @property
    def finish(self) -> str | None:
        return None if self._end is None else self._end.status

    def feed(self, data: bytes) -> bytes:
        if self._silent:
            return b""
        if not self._splitter.pending and data[:7] == b"event: " and data[-1] == _LF and data.find(b"\r") < 0:
            # Mostly one whole event of two lines.
            at = data.find(b"\n") + 1
            if data[at : at + 6] == b"data: " and data.find(b"\n", at) == len(data) - 2:
                return self._take(data[at + 6 : -2], data)
        blocks = self._splitter.feed(data)
        kept = self._take_block(blocks[0]) if len(blocks) == 1 else b"".join([self._take_block(block) for block in blocks])
        if self._splitter.overflow and not self._silent:
            self._fail(Outcome(OutcomeKind.MALFORMED, message="an event of the stream is too long"))
        return kept

    def end(self) -> Outcome:
        if self.failure is not None:
            return self.failure
        if self._end is not None:
            return judge_output(self._end, self.content)
        rest = self._splitter.rest().strip()
        failure = find_failure(rest) if rest.startswith((b"{", b"[")) else None
        if failure is not None:
            return failure
        if self.data_events == 0 and rest and not rest.startswith((b":", b"data", b"event")):
            return Outcome(OutcomeKind.MALFORMED, message="the answer is not an event stream")
        where = "without its terminal event" if self.content else "before its first content"
        return Outcome(OutcomeKind.STREAM_BROKEN, message=f"the stream ended {where}")

    def _take_block(self, block: Block) -> bytes:
        if self._silent:
            return b""
        if block.data is not None:
            return self._take(block.data, block.raw)
        if not block.stray:
            return block.raw
        # A body that is no event stream: a bare JSON error, or a page, of which nothing goes on.
        failure = find_failure(block.stray)
        return b"" if failure is None else self._fail(failure)

    def _take(self, payload: bytes, raw: bytes) -> bytes:
        """One event. Gives back what of it may go on: mostly `raw` itself."""
        try:
            event = _DECODE(payload)
            if not payload.isascii():
                payload.decode()
        except UNREADABLE:
            salvaged = self._salvage(payload)
            if salvaged is None:
                return b""
            event = salvaged
        self.data_events += 1
        kind = event.type or ""
        text_kind = _DELTAS.get(kind)
        if text_kind is not None:
            if type(event.delta) is str:
                self._keep(text_kind, event.delta)
            return raw
        return self._take_end(event.response, raw) if kind in _ENDS else self._take_other(kind, event, payload, raw)

    def _take_other(self, kind: str, event: Event, payload: bytes, raw: bytes) -> bytes:
        """What is neither text nor the end."""
        if kind in _STARTS:
            self._take_start(event.response)
        elif kind == "response.failed":
            return self._fail(read_failure(event.response))
        elif kind == "error" or bytes(event.error) not in _NOTHING:
            return self._fail(classify_inner(read_trouble(payload)))
        elif "_call." in kind or kind.startswith(_AT_WORK):
            self.content = True
        elif not self.content and kind.endswith(".done"):
            self._take_done(payload)
        elif kind == "":
            failure = find_failure(payload)
            if failure is not None:
                return self._fail(failure)
        return raw

    def _take_start(self, response: Raw) -> None:
        whole = read_whole(response)
        if whole is not None:
            self.model = whole.model or self.model
            self.resource_id = whole.id or self.resource_id

    def _take_end(self, response: Raw, raw: bytes) -> bytes:
        """The terminal event: kept for the relay to write. One that cannot be read ends nothing."""
        whole = read_whole(response)
        if whole is None:
            return self._fail(Outcome(OutcomeKind.MALFORMED, message="the terminal event of the stream cannot be read"))
        self.model = whole.model or self.model
        self.resource_id = whole.id or self.resource_id
        self.usage = whole.usage or self.usage
        if not self._texts:
            for text in whole.texts():
                self._keep("content", text)
        self._end = whole
        self.terminator = raw
        self.done = self._silent = True
        return b""

    def _take_done(self, payload: bytes) -> None:
        """Some servers tell the whole text at its end and never a delta."""
        try:
            done = _DECODE_DONE(payload)
        except UNREADABLE:
            return  # another kind of end, whose members of these names are no texts
        self._keep("content", done.text or done.refusal)
        self._keep("tool", done.arguments or done.input)

    def _salvage(self, payload: bytes) -> Event | None:
        """What the strict decoder could not read: an empty event, `[DONE]` of a server that knows chat only, a lone
        surrogate, an error in an odd shape; everything else is garbage and ends the stream."""
        bare = payload.strip()
        if not bare:
            return None
        if bare == b"[DONE]":
            self.data_events += 1
            return None
        repaired = repair(payload)
        try:
            if repaired is not None:
                return _DECODE(repaired)
        except UNREADABLE:
            pass
        self.data_events += 1
        unreadable = Outcome(OutcomeKind.MALFORMED, message="an event of the stream cannot be read")
        self._fail(find_failure(payload) or unreadable)
        return None
