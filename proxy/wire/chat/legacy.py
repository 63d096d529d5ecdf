"""Legacy text completions as a client's format: a prompt becomes one user turn, an answer becomes text.

A prompt of tokens or a batch of prompts cannot be asked of a chat model and is refused. Reasoning and tools have no place in
the answer; reasoning is left out, a refusal is text like any other. Source: OpenAI's OpenAPI document 2.3.0.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.core.call import Call, Envelope
from proxy.core.features import Feature
from proxy.core.usage import Usage
from proxy.wire.chat.encoding import spell_usage
from proxy.wire.chat.reading import fill_account, list_unknown, list_used, read_count, read_sampling
from proxy.wire.chat.shapes import CompletionRequest
from proxy.wire.chat.spelling import FINISH_WORDS
from proxy.wire.complaints import make_fault, make_missing, read_shape
from proxy.wire.dialogue import Dialogue, Refusal, Text, Turn
from proxy.wire.openai_stream import TERMINATOR
from proxy.wire.pieces import Began, Completion, CompletionChoice, Finished, Piece, RefusalPiece, Spent, TextPiece

_REQUEST = msgspec.json.Decoder(CompletionRequest)
_KNOWN = frozenset(CompletionRequest.__struct_fields__) | {"model", "stream", "stream_options"}
_ENCODE = msgspec.json.Encoder().encode


def read_completion(envelope: Envelope) -> Dialogue:
    """The request in the neutral form. Raises EnvelopeError."""
    request = read_shape(_REQUEST, envelope.body)
    sampling = read_sampling(request)
    sampling.max_tokens = read_count(request.max_tokens, "max_tokens")
    sampling.logprobs = request.logprobs is not None
    sampling.top_logprobs = read_count(request.logprobs, "logprobs")
    dialogue = Dialogue(
        turns=[Turn("user", [Text(_read_prompt(request.prompt))])],
        stream=envelope.stream,
        sampling=sampling,
        suffix=request.suffix or None,
        unknown=list_unknown(envelope, _KNOWN),
    )
    fill_account(dialogue, request)
    dialogue.features |= list_used(dialogue)
    if request.echo:
        dialogue.features.add(Feature.ECHO)
    return dialogue


def _read_prompt(prompt: str | list[Any] | None) -> str:
    if prompt is None:
        raise make_missing("prompt")
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and isinstance(prompt[0], str):
        return prompt[0]
    if prompt and all(isinstance(item, str) for item in prompt):
        raise make_fault("prompt", "this model takes one prompt per request")
    raise make_fault("prompt", "this model takes a prompt of text, not of tokens")


class CompletionEncoder:
    """Implements `StreamEncoder` for clients of legacy completions."""

    __slots__ = ("_began", "_call", "_head", "_usage")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._began = Began()
        self._head = b""
        self._usage: Usage | None = None

    def encode(self, pieces: Sequence[Piece]) -> bytes:
        out: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, TextPiece | RefusalPiece):
                out.append(self._write(_ENCODE(piece.text), piece.choice, b"null"))
            elif isinstance(piece, Finished):
                text = piece.explanation
                out.append(self._write(_ENCODE(text), piece.choice, _ENCODE(_spell_finish(piece))))
            elif isinstance(piece, Began):
                self._began = piece
            elif isinstance(piece, Spent):
                self._usage = piece.usage
        return b"".join(out)

    def close(self) -> bytes:
        if not self._call.envelope.wants_usage or self._usage is None:
            return TERMINATOR
        return b'%b"choices":[],"usage":%b}\n\n%b' % (self._get_head(), _ENCODE(spell_usage(self._usage)), TERMINATOR)

    def _write(self, text: bytes, choice: int, finish: bytes) -> bytes:
        end = b',"usage":null}\n\n' if self._call.envelope.wants_usage else b"}\n\n"
        shape = b'%b"choices":[{"text":%b,"index":%d,"logprobs":null,"finish_reason":%b}]%b'
        return shape % (self._get_head(), text, choice, finish, end)

    def _get_head(self) -> bytes:
        if not self._head:
            self._head = b"data: " + _ENCODE(_spell_outside(self._call, self._began))[:-1] + b","
        return self._head


def write_completion_answer(call: Call, completion: Completion) -> bytes:
    """A whole `text_completion`. The completion's outcome is OK."""
    answer = _spell_outside(call, Began(completion.id, completion.model, completion.created))
    answer["choices"] = [
        {"text": _join(choice), "index": index, "logprobs": None, "finish_reason": _spell_finish(choice.finish)}
        for index, choice in enumerate(completion.choices)
    ]
    if completion.usage is not None:
        answer["usage"] = spell_usage(completion.usage)
    return _ENCODE(answer)


def _join(choice: CompletionChoice) -> str:
    return "".join(part.text for part in choice.parts if isinstance(part, Text | Refusal)) + choice.finish.explanation


def _spell_finish(finish: Finished) -> str:
    word = FINISH_WORDS[finish.reason]
    return "stop" if word == "tool_calls" else word


def _spell_outside(call: Call, began: Began) -> dict[str, Any]:
    return {
        "id": began.id or f"cmpl-{call.id}",
        "object": "text_completion",
        "created": began.created or int(call.wall),
        "model": began.model or call.envelope.model,
    }
