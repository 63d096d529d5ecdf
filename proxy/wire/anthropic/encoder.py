"""Pieces of an answer as the stream of events that clients of the Messages format read.

Theory of operation. Blocks are strictly sequential here, while other vendors let parallel tool calls run side by side. So
blocks stand in a queue in the order in which they began: what belongs to the first is written at once, what belongs to the
others waits. The first ends when another one follows it and it cannot go on: a text or a thought at once, a call when its
arguments are whole JSON. What is left when the choice is finished ends there.

Nothing is written before the first piece that says something, so that usage which comes early stands in `message_start`.
`message_delta` waits for `close`, because usage may come last, and `message_stop` stands nowhere else. Event names are
only those that exist: the official SDKs take an unknown one for a known one. Invariant: the same pieces in any grouping give
the same bytes.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from proxy.core.call import Call
from proxy.core.usage import Usage, UsageSource
from proxy.wire.anthropic.citations import write_citation
from proxy.wire.anthropic.needs import BYTES_PER_TOKEN, guess_tokens
from proxy.wire.anthropic.stops import write_stop
from proxy.wire.anthropic.thoughts import write_redacted, write_signature
from proxy.wire.anthropic.usage import write_usage
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from proxy.wire.seals import seal_id

STOP_EVENT = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder().decode

Kind = Literal["text", "thinking", "call", "redacted"]


@dataclass(slots=True)
class _Block:
    """A block that is not ended. `head` begins its usual delta, up to the text. `waiting`: what is to be written once it is
    its turn. `arguments` of a call so far; `sealed`: a thought that has its signature."""

    kind: Kind
    index: int
    head: bytes = b""
    call: int = -1
    waiting: list[bytes] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    sealed: bool = False


class MessageEncoder:
    """Implements `StreamEncoder`. There is one choice: pieces of others are left out."""

    __slots__ = ("_began", "_blocks", "_call", "_called", "_count", "_finish", "_out", "_started", "_usage", "_written")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._began = Began()
        self._started = False
        self._blocks: deque[_Block] = deque()
        self._count = 0
        self._called = False
        self._finish = Finished(Finish.STOP)
        self._usage: Usage | None = None
        self._written = 0
        self._out: list[bytes] = []

    def encode(self, pieces: Sequence[Piece]) -> bytes:
        self._out = []
        for piece in pieces:
            _WRITERS[type(piece)](self, piece)
        return b"".join(self._out)

    def close(self) -> bytes:
        self._out = []
        self._start()
        self._settle(last=True)
        usage = self._usage
        if usage is None:
            written = max(1, self._written // BYTES_PER_TOKEN)
            usage = Usage(guess_tokens(self._call), written, source=UsageSource.ESTIMATE)
        delta = write_stop(self._finish, self._called)
        self._out.append(
            b"event: message_delta\ndata: "
            + _ENCODE({"type": "message_delta", "delta": delta, "usage": write_usage(usage)})
            + b"\n\n"
        )
        self._out.append(STOP_EVENT)
        return b"".join(self._out)

    # Pieces.

    def _take_began(self, piece: Began) -> None:
        self._began = piece

    def _take_spent(self, piece: Spent) -> None:
        self._usage = piece.usage

    def _take_text(self, piece: TextPiece | RefusalPiece) -> None:
        if not piece.text or piece.choice:
            return
        blocks = self._blocks
        block = blocks[-1] if blocks and blocks[-1].kind == "text" else self._open_text()
        self._say(block, piece.text)

    def _take_thinking(self, piece: ThinkingPiece) -> None:
        if piece.text and not piece.choice:
            self._say(self._get_thought(), piece.text)

    def _take_sealed(self, piece: ThinkingSealed) -> None:
        if piece.choice:
            return
        if piece.redacted is not None:
            content = {"type": "redacted_thinking", "data": write_redacted(piece.vendor, piece.redacted)}
            self._open("redacted", _ENCODE(content))
        elif piece.signature or self._is_thinking():
            self._seal(self._get_thought(), write_signature(piece.vendor, piece.signature))

    def _take_call(self, piece: CallBegan) -> None:
        if piece.choice:
            return
        self._called = True
        call_id = seal_id(piece.id, piece.signature)
        start = b'{"type":"tool_use","id":%b,"name":%b,"input":{}}' % (_ENCODE(call_id), _ENCODE(piece.name))
        self._open("call", start, b'{"type":"input_json_delta","partial_json":', piece.call)

    def _take_arguments(self, piece: CallPiece) -> None:
        if piece.choice or not piece.fragment:
            return
        for block in reversed(self._blocks):
            if block.call == piece.call:
                block.arguments.append(piece.fragment)
                self._say(block, piece.fragment)
                if len(self._blocks) > 1 and piece.fragment.rstrip().endswith("}"):
                    self._settle()
                return

    def _take_citation(self, piece: Citation) -> None:
        citation = write_citation(piece)
        if citation is None or piece.choice or not self._blocks or self._blocks[-1].kind != "text":
            return
        block = self._blocks[-1]
        delta = b'{"type":"citations_delta","citation":%b}}\n\n' % _ENCODE(citation)
        self._write(block, _begin_delta(block.index) + delta)

    def _take_finished(self, piece: Finished) -> None:
        if not piece.choice:
            self._finish = piece
            self._settle(last=True)

    # Blocks.

    def _open_text(self) -> _Block:
        return self._open("text", b'{"type":"text","text":""}', b'{"type":"text_delta","text":')

    def _get_thought(self) -> _Block:
        """The thought that is being written, or a new one."""
        if self._is_thinking():
            return self._blocks[-1]
        start = b'{"type":"thinking","thinking":"","signature":""}'
        return self._open("thinking", start, b'{"type":"thinking_delta","thinking":')

    def _is_thinking(self) -> bool:
        return bool(self._blocks) and self._blocks[-1].kind == "thinking" and not self._blocks[-1].sealed

    def _open(self, kind: Kind, start: bytes, delta: bytes = b"", call: int = -1) -> _Block:
        self._start()
        index = self._count
        self._count += 1
        block = _Block(kind, index, _begin_delta(index) + delta, call)
        self._blocks.append(block)
        self._settle()
        event = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'
        self._write(block, event % (index, start))
        return block

    def _say(self, block: _Block, text: str) -> None:
        encoded = _ENCODE(text)
        self._written += len(encoded)
        self._write(block, block.head + encoded + b"}}\n\n")

    def _seal(self, block: _Block, signature: str) -> None:
        block.sealed = True
        delta = b'{"type":"signature_delta","signature":%b}}\n\n' % _ENCODE(signature)
        self._write(block, _begin_delta(block.index) + delta)

    def _write(self, block: _Block, event: bytes) -> None:
        (self._out if block is self._blocks[0] else block.waiting).append(event)

    def _settle(self, last: bool = False) -> None:
        """End the blocks that can be ended, and let the next one speak. `last`: no block follows."""
        blocks = self._blocks
        while blocks and (last or (len(blocks) > 1 and _is_over(blocks[0]))):
            block = blocks[0]
            if block.kind == "thinking" and not block.sealed:
                self._seal(block, write_signature("", None))
            self._out.append(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % block.index)
            blocks.popleft()
            if blocks:
                self._out += blocks[0].waiting
                blocks[0].waiting = []

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        usage = self._usage or Usage(guess_tokens(self._call), source=UsageSource.ESTIMATE)
        began = self._began
        message: dict[str, Any] = {
            "id": began.id or f"msg_{self._call.id}",
            "type": "message",
            "role": "assistant",
            "model": began.model or self._call.envelope.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": {**write_usage(usage), "output_tokens": 1, "output_tokens_details": None},
        }
        event = _ENCODE({"type": "message_start", "message": message})
        self._out.append(b"event: message_start\ndata: " + event + b"\n\n")


def _begin_delta(index: int) -> bytes:
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % index


def _is_over(block: _Block) -> bool:
    """Whether nothing more can belong to a block that another one follows."""
    if block.kind != "call":
        return True
    try:
        return isinstance(_DECODE("".join(block.arguments)), dict)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False


_WRITERS: Mapping[type, Callable[..., None]] = {
    Began: MessageEncoder._take_began,
    TextPiece: MessageEncoder._take_text,
    ThinkingPiece: MessageEncoder._take_thinking,
    ThinkingSealed: MessageEncoder._take_sealed,
    RefusalPiece: MessageEncoder._take_text,
    CallBegan: MessageEncoder._take_call,
    CallPiece: MessageEncoder._take_arguments,
    Citation: MessageEncoder._take_citation,
    Finished: MessageEncoder._take_finished,
    Spent: MessageEncoder._take_spent,
}
