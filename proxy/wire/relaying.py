"""Judging answers that are relayed: files as they flow, typed events, and whole answers.

Also of these a 200 is not yet a success. A file that turns out to be an error in JSON or a page, an event that says
`error`, a stream that stops before its last event, an answer without what it is there for are failures, so that another
target can be asked. Beyond that nothing is read but usage: what was judged goes on as the bytes that came.

Source of the event types and usage: OpenAI's API document.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Call
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.failures import classify_inner, find_failure, judge_unreadable
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_answer import malformed
from proxy.wire.openai_envelope import read_value
from proxy.wire.openai_stream import TERMINATOR
from proxy.wire.openai_usage import make_usage
from proxy.wire.reading import Answer, StreamReader
from proxy.wire.redaction import describe_page, is_page
from proxy.wire.relays import RELAYS
from proxy.wire.resources import read_resource_answer
from proxy.wire.sse import Block, EventSplitter
from proxy.wire.trouble import find_error, parse_json, read_trouble

#: Bytes of a file that begins like JSON or a page which are looked at before it is believed to be a file.
MAX_SUSPECT = 64 * 1024
#: Bytes of one event: pictures come whole, in base64.
MAX_EVENT = 64 * 1024 * 1024
#: How an error begins; no audio format begins like this.
_SUSPECTS = (b'{"', b"{\n", b"{\r", b"{ ", b"<!", b"<h", b"<H", b"data:", b"event:")
#: What stands before the data of an event.
_EVENT_DATA = re.compile(rb"(?:event:[^\n]*\n)?data:")
#: Formats of a transcription that are text.
_TEXTS = frozenset({"text", "srt", "vtt"})
_NO_RAW = Raw(b"")


class BytesReader(StreamReader):
    """The bytes of a file: the first of them is content. `strict`: an empty file, or one that reads like an error, is a
    failure; without it anything is right."""

    __slots__ = (
        "_held",
        "_trusted",
    )

    def __init__(self, strict: bool = True) -> None:
        super().__init__()
        self._trusted = not strict
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        self.data_events += 1
        if self._trusted:
            self.content = True
            return data
        held = self._held
        held += data
        if len(held) <= MAX_SUSPECT and (held.startswith(_SUSPECTS) or any(sign.startswith(held) for sign in _SUSPECTS)):
            return b""
        self._trusted = self.content = True
        return bytes(held)

    def end(self) -> Outcome:
        if self._trusted:
            return OK
        held = bytes(self._held)
        if not held:
            return Outcome(OutcomeKind.MALFORMED, message="the answer is empty")
        value = parse_json(_EVENT_DATA.sub(b"", held, count=1))
        trouble = find_error(value)
        if trouble is not None:
            return classify_inner(trouble)
        if isinstance(value, dict) or is_page(held):
            what = describe_page(held) if is_page(held) else "a document came instead of a file"
            return Outcome(OutcomeKind.MALFORMED, message=what)
        self.terminator = held  # it only looked like something else
        return OK


class _Delta(Struct, gc=False):
    content: str | None = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Event(Struct, gc=False):
    """An event of any relayed stream. `choices`: vLLM writes transcripts as if they were a chat."""

    type: str = ""
    usage: Raw = _NO_RAW
    error: Raw = _NO_RAW
    choices: list[_Choice] | None = None


_EVENT = msgspec.json.Decoder(_Event)


class EventReader(StreamReader):
    """A stream of typed events. Any event that is no error is content: `…partial_image`, `…delta`, `…segment`. `ends`: the
    types of which `count` end the stream."""

    __slots__ = (
        "_ends",
        "_left",
        "_splitter",
    )

    def __init__(self, ends: frozenset[str], count: int = 1) -> None:
        super().__init__()
        self._ends = ends
        self._left = max(count, 1)
        self._splitter = EventSplitter(MAX_EVENT)

    def feed(self, data: bytes) -> bytes:
        if self._silent:
            return b""
        kept = [self._take(block) for block in self._splitter.feed(data)]
        if self._splitter.overflow and not self._silent:
            self._fail(Outcome(OutcomeKind.MALFORMED, message="an event of the stream is too long"))
        return b"".join(kept)

    def end(self) -> Outcome:
        if self.failure is not None:
            return self.failure
        if self.done:
            return OK if self.content else Outcome(OutcomeKind.MALFORMED, message="the stream finished without any content")
        where = "before its last event" if self.content else "before its first content"
        return Outcome(OutcomeKind.STREAM_BROKEN, message=f"the stream ended {where}")

    def _take(self, block: Block) -> bytes:
        if self._silent:
            return b""
        if block.data is None:
            if not block.stray:
                return block.raw
            failure = find_failure(block.stray)
            return b"" if failure is None else self._fail(failure)
        self.data_events += 1
        if block.event == b"error":
            return self._fail(classify_inner(read_trouble(block.data)))
        if block.data.strip() == b"[DONE]":
            # Only what closes its streams with it gets it passed on.
            self.terminator = TERMINATOR
            self.done = self._silent = True
            return b""
        try:
            event = _EVENT.decode(block.data)
        except UNREADABLE:
            unreadable = Outcome(OutcomeKind.MALFORMED, message="an event of the stream cannot be read")
            return self._fail(find_failure(block.data) or unreadable)
        return self._look(event, block)

    def _look(self, event: _Event, block: Block) -> bytes:
        failure = find_failure(block.data or b"") if event.error or event.type in ("", "error") else None
        if failure is not None:
            return self._fail(failure)
        if event.choices is None or any(choice.delta and choice.delta.content for choice in event.choices):
            self.content = True
        if event.usage:
            self.usage = _read_usage(event.usage) or self.usage
        if event.type in self._ends:
            self._left -= 1
            self.done = self._silent = self._left == 0
        return block.raw


class _Tokens(Struct, gc=False):
    input_tokens: float | None = None


class _Meta(Struct, gc=False):
    """Cohere's corner of an answer."""

    tokens: _Tokens | None = None


class _Outside(Struct, gc=False):
    data: Raw = _NO_RAW
    results: Raw = _NO_RAW
    text: Raw = _NO_RAW
    segments: Raw = _NO_RAW
    input_tokens: Raw = _NO_RAW
    output: Raw = _NO_RAW
    usage: Raw = _NO_RAW
    error: Raw = _NO_RAW
    model: str | None = None
    meta: _Meta | None = None


_OUTSIDE = msgspec.json.Decoder(_Outside)
_ANY = msgspec.json.Decoder()
#: Values of a member that is there and holds nothing.
_VOID = (b"", b"null", b"[]", b"{}")


def open_relay_reader(call: Call) -> BytesReader | EventReader:
    """A reader for a streamed answer."""
    relay = RELAYS.get(call.endpoint)
    if relay is None or call.envelope.opaque:
        return BytesReader(strict=relay is not None)
    count = read_value(call.envelope, "n")
    return EventReader(relay.ends, count if type(count) is int else 1)


def read_relay_answer(call: Call, body: bytes) -> Answer:
    """Judge a whole answer; its bytes are the client's, untouched."""
    relay = RELAYS.get(call.endpoint)
    if relay is None:
        return read_resource_answer(body)
    if _is_text(call):
        return _read_text(body)
    try:
        outside = _OUTSIDE.decode(body)
    except UNREADABLE:
        return Answer(judge_unreadable(body, "the answer cannot be read"), body)
    held = bytes(getattr(outside, relay.member)) if relay.member else b""
    if outside.error or held in _VOID:
        failure = find_failure(body)
        if failure is not None:
            return Answer(failure, body)
    usage = _usage_of(outside)
    if held in _VOID and not (relay.member == "text" and bytes(outside.segments) not in _VOID):
        return malformed(body, f"the answer has no {relay.member or 'sound'}", usage)
    return Answer(OK, body, usage, outside.model)


def _is_text(call: Call) -> bool:
    return RELAYS[call.endpoint].member == "text" and read_value(call.envelope, "response_format") in _TEXTS


def _read_text(body: bytes) -> Answer:
    """A transcript as text; silence is an empty line, so that nothing at all is no transcript."""
    if not body:
        return malformed(body, "the answer is empty")
    if is_page(body):
        return malformed(body, describe_page(body))
    failure = find_failure(body) if body.lstrip().startswith(b"{") else None
    return Answer(failure or OK, body)


def _usage_of(outside: _Outside) -> Usage | None:
    usage = _read_usage(outside.usage) if outside.usage else None
    tokens = outside.meta.tokens if outside.meta is not None else None
    if usage is None and tokens is not None and tokens.input_tokens is not None:
        usage = make_usage({"input_tokens": tokens.input_tokens})
    return usage


def _read_usage(raw: Raw) -> Usage | None:
    """Transcripts say `input_token_details`, Jina only a total; what is charged by the second has no tokens at all."""
    try:
        value = _ANY.decode(raw)
    except UNREADABLE:
        return None
    if not isinstance(value, Mapping):
        return None
    usage = make_usage(value)
    return make_usage({"input_tokens": value.get("total_tokens")}) if usage is None else usage
