"""Legacy text completions: the same frame as chat, with `text` for what chat calls a delta."""

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.openai_answer import read_answer
from proxy.wire.openai_stream import Asked, GroqPart, OpenAIStreamReader
from proxy.wire.reading import Answer

_NO_RAW = Raw(b"")


class TextChoice(Struct, gc=False):
    index: int | None = None
    text: str | None = None
    finish_reason: str | None = None


class TextChunk(Struct, gc=False):
    choices: list[TextChoice] | None = None
    usage: Raw = _NO_RAW
    model: str | None = None
    error: Raw = _NO_RAW
    x_groq: GroqPart | None = None


_DECODE_CHUNK = msgspec.json.Decoder(TextChunk).decode
_CHOICES = msgspec.json.Decoder(list[TextChoice])


class CompletionStreamReader(OpenAIStreamReader[TextChunk]):
    """Reads a stream of `text_completion`."""

    __slots__ = ()

    def __init__(self, asked: Asked = Asked()) -> None:  # noqa: B008 (frozen)
        super().__init__(_DECODE_CHUNK, asked)

    def _look(self, chunk: TextChunk) -> None:
        for choice in chunk.choices or ():
            index = choice.index or 0
            finish = choice.finish_reason
            if finish == "error":
                self._fail(Outcome(OutcomeKind.SERVER_ERROR, message="the provider ended the stream with an error"))
                return
            if finish:
                self._finishes[index] = finish
            else:
                self._finishes.setdefault(index, None)
            if choice.text:
                self._keep("content", choice.text, index)


def read_completion_answer(body: bytes, asked: Asked = Asked()) -> Answer:  # noqa: B008 (frozen)
    """Judge a whole `text_completion`. Its bytes are the client's answer, untouched."""
    return read_answer(body, asked, _read_choices)


def _read_choices(raw: Raw, wanted: bool) -> tuple[list[str], bool, list[str | None]]:
    choices = _CHOICES.decode(raw)
    texts = [choice.text for choice in choices if choice.text]
    return texts, bool(texts), [choice.finish_reason for choice in choices]
