"""Judging a stream of OpenAI's family while it flows: content, finish, usage, error and garbage told apart.

Theory of operation. Bytes go through an `EventSplitter`, or past it when a read is whole events already. Every event with
data is decoded into a typed struct by the subclass, looked at, and handed on as the bytes that it was; what cannot be
read ends the stream. Three things are held back: `[DONE]`, which the relay writes itself when the stream has earned it; the
usage that we asked for and the client did not; and everything after a failure.

Invariants: any split of the bytes gives the same output and the same verdict; a stream whose last event is missing is
never judged whole; one read costs no more than its bytes. Refuses to know the provider, its errors (`failures.py`) and
what follows from a verdict.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.wire.failures import classify_inner, find_failure
from proxy.wire.lenient import UNREADABLE, repair
from proxy.wire.openai_refrain import Refrain, learn
from proxy.wire.openai_usage import find_tier, note_tier, read_usage
from proxy.wire.reading import StreamReader
from proxy.wire.sse import Block, EventSplitter, are_whole_blocks
from proxy.wire.trouble import read_trouble

TERMINATOR = b"data: [DONE]\n\n"

#: Events with content that are tried as a refrain.
LESSONS = 3

_LF = 0x0A
_NO_RAW = Raw(b"")
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_ENCODE = msgspec.json.Encoder().encode
_NULL_USAGE = (b',"usage":null', b', "usage": null')


@dataclass(frozen=True, slots=True)
class Asked:
    """What the client asked for and the vendor's dialect, as far as they change how a stream is read.

    `hide_usage`: we asked for usage and the client did not. `stops`: the request names stop sequences, so that an empty
    answer can be right. `choices`: the request's `n`. `lenient_finish`: `[DONE]` after content is an end even without a
    finish reason. `reasoning_outside`: see `openai_usage`.
    """

    hide_usage: bool = False
    stops: bool = False
    choices: int = 1
    lenient_finish: bool = False
    reasoning_outside: bool = False


class GroqPart(Struct, gc=False):
    """Groq's own corner of a chunk."""

    usage: Raw = _NO_RAW
    error: Raw = _NO_RAW


class Chunk(Protocol):
    """What every chunk of the family has. `choices` is the subclass's business."""

    @property
    def error(self) -> Raw: ...
    @property
    def usage(self) -> Raw: ...
    @property
    def model(self) -> str | None: ...
    @property
    def x_groq(self) -> GroqPart | None: ...
    @property
    def choices(self) -> Sequence[object] | None: ...


ChunkT = TypeVar("ChunkT", bound=Chunk)


class OpenAIStreamReader(StreamReader, Generic[ChunkT]):
    """The common part of the readers. A stored completion is the client's to find: no other request goes by its id."""

    __slots__ = (
        "_asked",
        "_decode",
        "_finishes",
        "_lessons",
        "_refrain",
        "_splitter",
    )

    def __init__(self, decode: Callable[[bytes], ChunkT], asked: Asked) -> None:
        super().__init__(TERMINATOR)
        self._decode = decode
        self._asked = asked
        self._splitter = EventSplitter()
        self._finishes: dict[int, str | None] = {}
        self._refrain: Refrain | None = None
        self._lessons = LESSONS

    @abstractmethod
    def _look(self, chunk: ChunkT) -> None:
        """Note what the choices carry: `_keep` for content, `_finishes` for ends."""

    def _find_text(self, chunk: ChunkT) -> str | None:
        """The text of the first choice, if the chunk holds nothing else that a reader looks at; None: it does, or this
        format's events are not worth comparing."""
        return None

    @property
    def finish(self) -> str | None:
        return self._finishes.get(0)

    def feed(self, data: bytes) -> bytes:
        if self._silent:
            return b""
        if not self._splitter.pending:
            refrain = self._refrain
            if refrain is not None and self._hear(refrain, data):
                return refrain.keep(data)
            # One whole event of one line: searching for one byte is several times cheaper than any other look at it.
            if data[:6] == b"data: " and data.find(b"\n") == len(data) - 2 and data[-1] == _LF and data.find(b"\r") < 0:
                return self._take(data[6:-2], data)
            if are_whole_blocks(data):
                return self._take_lines(data)
        return self._take_blocks(self._splitter.feed(data))

    def forgo(self) -> None:
        self._splitter = EventSplitter()

    def end(self) -> Outcome:
        if self.failure is not None:
            return self.failure
        rest = b"" if self.done else self._splitter.rest().strip()
        if not self._finishes:
            return self._judge_unopened(rest)
        if not self._is_finished():
            if self.done and self._asked.lenient_finish and self.content:
                return OK
            return Outcome(OutcomeKind.STREAM_BROKEN, message="the stream ended without a finish reason")
        if rest and not rest.startswith(b":") and not TERMINATOR.startswith(rest):
            return Outcome(OutcomeKind.STREAM_BROKEN, message="the stream ended inside an event")
        if self._is_empty():
            return Outcome(OutcomeKind.MALFORMED, message="the stream finished without any content")
        return OK

    def _take_lines(self, data: bytes) -> bytes:
        """Several events of one line each. Gives back the same object where all of them may go on."""
        kept: list[bytes] = []
        whole = True
        for line in data[:-2].split(b"\n\n"):
            raw = line + b"\n\n"
            out = self._take(line[6:], raw) if line.startswith(b"data: ") else self._take_block(Block(raw))
            whole = whole and out is raw
            kept.append(out)
            if self._silent:
                break
        return data if whole else b"".join(kept)

    def _take_blocks(self, blocks: Sequence[Block]) -> bytes:
        kept = b""
        if len(blocks) == 1:
            kept = self._take_block(blocks[0])
        elif blocks:
            kept = b"".join([self._take_block(block) for block in blocks])
        if self._splitter.overflow and not self._silent:
            self._fail(Outcome(OutcomeKind.MALFORMED, message="an event of the stream is too long"))
        return kept

    def _take_block(self, block: Block) -> bytes:
        if self._silent:
            return b""
        if block.data is not None:
            if block.event == b"error":
                return self._fail(classify_inner(read_trouble(block.data)))
            return self._take(block.data, block.raw)
        if not block.stray:
            return block.raw
        # A body that is no event stream: a bare JSON error (Ollama), or a page, of which nothing goes on.
        failure = find_failure(block.stray)
        return b"" if failure is None else self._fail(failure)

    def _take(self, payload: bytes, raw: bytes) -> bytes:
        """One event. Gives back what of it may go on: mostly `raw` itself."""
        refrain = self._refrain
        if refrain is not None and self._hear(refrain, raw):
            return refrain.keep(raw)
        kept = self._judge(payload, raw)
        if self._lessons and self.content and kept and not self._silent:
            self._lessons -= 1
            if raw.startswith(b"data: {"):
                self._refrain = learn(raw, kept, self._decode, self._find_text) or refrain
        return kept

    def _hear(self, refrain: Refrain, events: bytes) -> bool:
        """Are these bytes nothing but the refrain? Then what they carry is noted."""
        found = refrain.find_text(events)
        if found is None:
            return False
        count, text = found
        self.data_events += count
        self.model = refrain.model or self.model
        self._keep("content", text)
        return True

    def _judge(self, payload: bytes, raw: bytes) -> bytes:
        """An event that has to be decoded."""
        try:
            chunk = self._decode(payload)
            if not payload.isascii():
                payload.decode()
        except UNREADABLE:
            salvaged = self._salvage(payload)
            if salvaged is None:
                return b""
            chunk = salvaged
        self.data_events += 1
        if chunk.error and self._fails(chunk.error, payload):
            return b""
        if chunk.x_groq is not None and self._fails_groq(chunk.x_groq, payload):
            return b""
        if chunk.model:
            self.model = chunk.model
        if chunk.choices:
            self._look(chunk)
            if self._silent:
                return b""
        elif chunk.choices is None and self._fails_flat(payload):
            return b""
        return self._take_usage(chunk, payload, raw) if chunk.usage else raw

    def _salvage(self, payload: bytes) -> ChunkT | None:
        """What the strict decoder could not read: the terminator, an empty event, a lone surrogate, an error in an odd
        shape; everything else is garbage and ends the stream."""
        bare = payload.strip()
        if not bare:
            return None
        self.data_events += 1
        if bare == b"[DONE]":
            self.done = self._silent = True
            return None
        failure = find_failure(payload)
        if failure is not None:
            self._fail(failure)
            return None
        repaired = repair(payload)
        try:
            if repaired is not None:
                chunk = self._decode(repaired)
                self.data_events -= 1
                return chunk
        except UNREADABLE:
            pass
        self._fail(Outcome(OutcomeKind.MALFORMED, message="an event of the stream cannot be read"))
        return None

    def _fails(self, error: Raw, payload: bytes) -> bool:
        """Whether an `error` member is one: official clients raise for any truthy value."""
        if bytes(error) in (b"null", b"false", b'""', b"{}", b"[]", b"0"):
            return False
        self._fail(classify_inner(read_trouble(payload)))
        return True

    def _fails_groq(self, part: GroqPart, payload: bytes) -> bool:
        if part.error and bytes(part.error) not in (b"null", b'""'):
            self._fail(classify_inner(read_trouble(b'{"error":' + bytes(part.error) + b"}")))
            return True
        if part.usage:
            self.usage = read_usage(part.usage, self._asked.reasoning_outside) or self.usage
        return False

    def _fails_flat(self, payload: bytes) -> bool:
        """Mistral and older vLLM: {"object": "error", "message": …} without an `error` member."""
        failure = find_failure(payload)
        if failure is not None:
            self._fail(failure)
        return failure is not None

    def _take_usage(self, chunk: ChunkT, payload: bytes, raw: bytes) -> bytes:
        usage = chunk.usage
        if len(usage) == 4 and bytes(usage) == b"null":
            return _strip_usage(raw, payload) if self._asked.hide_usage else raw
        self.usage = read_usage(usage, self._asked.reasoning_outside) or self.usage
        note_tier(self.usage, find_tier(payload))
        return b"" if self._asked.hide_usage and not chunk.choices else raw

    def _is_finished(self) -> bool:
        if not all(self._finishes.values()):
            return False
        return self.done or len(self._finishes) >= self._asked.choices

    def _is_empty(self) -> bool:
        if self.content or self.extends or self._asked.stops or set(self._finishes.values()) != {"stop"}:
            return False
        return self.usage is None or self.usage.output == 0

    def _judge_unopened(self, rest: bytes) -> Outcome:
        """The verdict on a stream that never showed a choice."""
        failure = find_failure(rest) if rest.startswith((b"{", b"[")) else None
        if failure is not None:
            return failure
        if self.done:
            return Outcome(OutcomeKind.MALFORMED, message="the stream finished without any content")
        if self.data_events == 0 and rest and not rest.startswith((b":", b"data")):
            return Outcome(OutcomeKind.MALFORMED, message="the answer is not an event stream")
        return Outcome(OutcomeKind.STREAM_BROKEN, message="the stream ended before its first content")


def _strip_usage(raw: bytes, payload: bytes) -> bytes:
    """The event without the null usage that the client has not asked for."""
    if raw.count(b'"usage"') == 1:
        # The only one there is, so it is the one that the decoder saw: inside a string the quotes would be escaped.
        for spelling in _NULL_USAGE:
            at = raw.find(spelling)
            if at >= 0:
                return raw[:at] + raw[at + len(spelling) :]
    try:
        fields: Mapping[str, Raw] = _FIELDS.decode(payload)
    except UNREADABLE:
        return raw  # it was read after a repair: a null too many is better than other bytes
    return b"data: " + _ENCODE({key: value for key, value in fields.items() if key != "usage"}) + b"\n\n"
