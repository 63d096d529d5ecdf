"""A stream of `chat.completion.chunk`, written from pieces.

Theory of operation. What all chunks share (id, time, model) is written once, when the first piece shows it; per piece only
its own text is encoded between prepared bytes. Every choice opens with its role, as OpenAI's do. Reasoning goes as
`reasoning_content`; when its seal comes, the whole block follows once more in `reasoning_details`, since that is what a
client must send back. The terminator, and the usage chunk for a client that asked, are written by `close` alone.

Invariants: one piece is one chunk at most; what a call's arguments are is never looked at; nothing is written that the
client's own request did not open the door for (`usage` only if asked, `function_call` only for `functions`).
Source of the shapes: recorded streams of OpenAI; OpenRouter's for reasoning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from proxy.core.call import Call
from proxy.core.usage import Usage
from proxy.wire.chat.spelling import FINISH_WORDS, spell_detail, spell_signature
from proxy.wire.dialogue import Thinking
from proxy.wire.openai_stream import TERMINATOR
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

_ENCODE = msgspec.json.Encoder().encode
_ROLE = b'{"role":"assistant","content":"","refusal":null}'


def uses_functions(call: Call) -> bool:
    """The client speaks the deprecated form, in which an answer has room for one call."""
    fields = call.envelope.fields
    return "functions" in fields and "tools" not in fields


def spell_usage(usage: Usage) -> dict[str, Any]:
    """The `usage` object; both kinds of details are always there."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def spell_citation(citation: Citation, start: int, end: int) -> dict[str, Any]:
    """An annotation of the text between two places."""
    place = {"start_index": start, "end_index": end, "url": citation.url, "title": citation.title}
    return {"type": "url_citation", "url_citation": place}


@dataclass(slots=True)
class _Voice:
    """One choice. `head` is all of a chunk before its delta. `thought`: reasoning since the last seal. `details`, `notes`:
    how many reasoning details and annotations so far; OpenAI's SDK puts lists together by index and raises without one.
    `written`: characters of content; citations are about those from `cited` to `cited_to`. `custom`: numbers of calls of
    custom tools."""

    head: bytes
    thought: list[str] = field(default_factory=list)
    details: int = 0
    notes: int = 0
    written: int = 0
    cited: int = 0
    cited_to: int = 0
    custom: set[int] = field(default_factory=set)


class ChatEncoder:
    """Implements `StreamEncoder` for clients of chat completions."""

    __slots__ = ("_call", "_functions", "_head", "_out", "_tail", "_usage", "_voices", "_wants_usage")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._functions = uses_functions(call)
        self._wants_usage = call.envelope.wants_usage
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._end()
        self._head = b""
        self._voices: dict[int, _Voice] = {}
        self._usage: Usage | None = None
        self._out: list[bytes] = []

    def encode(self, pieces: Sequence[Piece]) -> bytes:
        for piece in pieces:
            _WRITERS[type(piece)](self, piece)
        out = b"".join(self._out)
        self._out.clear()
        return out

    def close(self) -> bytes:
        if not self._wants_usage or self._usage is None:
            return TERMINATOR
        return b'%b"choices":[],"usage":%b}\n\n%b' % (self._get_head(), _ENCODE(spell_usage(self._usage)), TERMINATOR)

    def _end(self) -> bytes:
        return b',"usage":null}\n\n' if self._wants_usage else b"}\n\n"

    def _get_head(self) -> bytes:
        if not self._head:
            self._write_head(Began())
        return self._head

    def _begin(self, piece: Began) -> None:
        if not self._head:
            self._write_head(piece)
        self._get_voice(0)

    def _write_head(self, piece: Began) -> None:
        call = self._call
        outside = {
            "id": piece.id or f"chatcmpl-{call.id}",
            "object": "chat.completion.chunk",
            "created": piece.created or int(call.wall),
            "model": piece.model or call.envelope.model,
        }
        self._head = b"data: " + _ENCODE(outside)[:-1] + b","

    def _get_voice(self, choice: int) -> _Voice:
        """The choice, opened with its role chunk where it has not been."""
        voice = self._voices.get(choice)
        if voice is None:
            voice = self._voices[choice] = _Voice(self._get_head() + b'"choices":[{"index":%d,"delta":' % choice)
            self._write(voice, _ROLE)
        return voice

    def _write(self, voice: _Voice, delta: bytes) -> None:
        self._out += (voice.head, delta, self._tail)

    def _write_text(self, piece: TextPiece) -> None:
        voice = self._get_voice(piece.choice)
        voice.written += len(piece.text)
        self._write(voice, b'{"content":%b}' % _ENCODE(piece.text))

    def _write_thinking(self, piece: ThinkingPiece) -> None:
        voice = self._get_voice(piece.choice)
        voice.thought.append(piece.text)
        self._write(voice, b'{"reasoning_content":%b}' % _ENCODE(piece.text))

    def _write_seal(self, piece: ThinkingSealed) -> None:
        voice = self._get_voice(piece.choice)
        thought = Thinking("".join(voice.thought), piece.signature, piece.redacted, piece.vendor)
        voice.thought.clear()
        self._write(voice, _ENCODE({"reasoning_details": [spell_detail(thought, voice.details)]}))
        voice.details += 1

    def _write_refusal(self, piece: RefusalPiece) -> None:
        self._write(self._get_voice(piece.choice), b'{"refusal":%b}' % _ENCODE(piece.text))

    def _write_call(self, piece: CallBegan) -> None:
        voice = self._get_voice(piece.choice)
        if self._functions:
            if piece.call == 0:
                self._write(voice, _ENCODE({"function_call": {"name": piece.name, "arguments": ""}}))
            return
        began: dict[str, Any] = {"index": piece.call, "id": piece.id}
        if piece.custom:
            voice.custom.add(piece.call)
            began |= {"type": "custom", "custom": {"name": piece.name, "input": ""}}
        else:
            began |= {"type": "function", "function": {"name": piece.name, "arguments": ""}}
        if piece.signature:
            began["extra_content"] = spell_signature(piece.signature)
        self._write(voice, _ENCODE({"tool_calls": [began]}))

    def _write_arguments(self, piece: CallPiece) -> None:
        voice = self._get_voice(piece.choice)
        text = _ENCODE(piece.fragment)
        if self._functions:
            if piece.call == 0:
                self._write(voice, b'{"function_call":{"arguments":%b}}' % text)
        elif piece.call in voice.custom:
            self._write(voice, b'{"tool_calls":[{"index":%d,"custom":{"input":%b}}]}' % (piece.call, text))
        else:
            self._write(voice, b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (piece.call, text))

    def _write_citation(self, piece: Citation) -> None:
        if not piece.url:
            return  # OpenAI has annotations for addresses only
        voice = self._get_voice(piece.choice)
        if voice.written > voice.cited_to:
            voice.cited, voice.cited_to = voice.cited_to, voice.written
        note = {"index": voice.notes, **spell_citation(piece, voice.cited, voice.cited_to)}
        voice.notes += 1
        self._write(voice, _ENCODE({"annotations": [note]}))

    def _finish(self, piece: Finished) -> None:
        voice = self._get_voice(piece.choice)
        if piece.reason is Finish.REFUSAL and piece.explanation:
            self._write(voice, b'{"refusal":%b}' % _ENCODE(piece.explanation))
        word = FINISH_WORDS[piece.reason]
        if self._functions and piece.reason is Finish.TOOL_CALLS:
            word = "function_call"
        self._out.append(b'%b{},"logprobs":null,"finish_reason":"%b"}]%b' % (voice.head, word.encode(), self._end()))

    def _spend(self, piece: Spent) -> None:
        self._usage = piece.usage


_WRITERS: Mapping[type, Callable[..., None]] = {
    Began: ChatEncoder._begin,
    TextPiece: ChatEncoder._write_text,
    ThinkingPiece: ChatEncoder._write_thinking,
    ThinkingSealed: ChatEncoder._write_seal,
    RefusalPiece: ChatEncoder._write_refusal,
    CallBegan: ChatEncoder._write_call,
    CallPiece: ChatEncoder._write_arguments,
    Citation: ChatEncoder._write_citation,
    Finished: ChatEncoder._finish,
    Spent: ChatEncoder._spend,
}
