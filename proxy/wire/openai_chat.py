"""Chat completions: chunks and whole answers as typed structs, as lenient as their many writers.

Content is the first text, reasoning, refusal, tool call, function call or audio that is not empty; role-only chunks, empty
strings and Azure's filter chunk are not. Reasoning goes by `reasoning_content` (DeepSeek, vLLM, llama.cpp, SGLang, xAI), by
`reasoning` (OpenRouter, Groq, Ollama), or as a list inside `content` (Mistral).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.wire.openai_answer import read_answer
from proxy.wire.openai_stream import Asked, GroqPart, OpenAIStreamReader
from proxy.wire.openai_usage import UsualUsage, make_usual, note_tier
from proxy.wire.reading import Answer

_NO_RAW = Raw(b"")
_NOTHING = (b"", b"null")


class Function(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None  # of a custom tool


class ToolCall(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Function | None = None


class Delta(Struct, gc=False):
    """A `delta`, and just as well a whole `message`: they have the same members."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    audio: dict[str, Any] | None = None


class ChatChoice(Struct, gc=False):
    index: int | None = None
    delta: Delta | None = None
    finish_reason: str | None = None


class ChatChunk(Struct, gc=False):
    choices: list[ChatChoice] | None = None
    usage: Raw = _NO_RAW
    model: str | None = None
    error: Raw = _NO_RAW
    x_groq: GroqPart | None = None


class MessageChoice(Struct, gc=False):
    index: int | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class UsualAnswer(Struct, gc=False):
    """A whole answer as OpenAI itself sends it."""

    choices: list[MessageChoice]
    usage: UsualUsage
    model: str | None = None
    error: Raw = _NO_RAW
    service_tier: Any = None


_USUAL = msgspec.json.Decoder(UsualAnswer).decode
_DECODE_CHUNK = msgspec.json.Decoder(ChatChunk).decode
_CHOICES = msgspec.json.Decoder(list[MessageChoice])


class ChatStreamReader(OpenAIStreamReader[ChatChunk]):
    """Reads a stream of `chat.completion.chunk`."""

    __slots__ = ()

    def __init__(self, asked: Asked = Asked()) -> None:  # noqa: B008 (frozen)
        super().__init__(_DECODE_CHUNK, asked)

    def _look(self, chunk: ChatChunk) -> None:
        for choice in chunk.choices or ():
            index = choice.index or 0
            finish = choice.finish_reason
            if finish:
                if finish == "error":
                    self._fail(Outcome(OutcomeKind.SERVER_ERROR, message="the provider ended the stream with an error"))
                    return
                self._finishes[index] = finish
            elif index not in self._finishes:
                self._finishes[index] = None
            delta = choice.delta
            if delta is None:
                continue
            content = delta.content
            if isinstance(content, str):
                if content:
                    self._keep("content", content, index)
                    if delta.tool_calls is None:  # nobody sends two kinds of text at once
                        continue
            elif content:
                self._keep_all(index, list_parts(content))
            self._look_beside(index, delta)

    def _find_text(self, chunk: ChatChunk) -> str | None:
        choices = chunk.choices or ()
        if len(choices) != 1 or choices[0].delta is None:
            return None
        text = choices[0].delta.content
        plain = ChatChunk([ChatChoice(choices[0].index, Delta(text), None)], chunk.usage, chunk.model, chunk.error)
        if not isinstance(text, str) or choices[0].index or chunk != plain:
            return None
        return text if bytes(chunk.usage) in _NOTHING and bytes(chunk.error) in _NOTHING else None

    def _look_beside(self, index: int, delta: Delta) -> None:
        if delta.reasoning_content:
            self._keep("reasoning", delta.reasoning_content, index)
        elif delta.reasoning:
            self._keep("reasoning", delta.reasoning, index)
        elif delta.reasoning_details:
            self.content = True
        if delta.refusal:
            self._keep("refusal", delta.refusal, index)
        if delta.tool_calls or delta.function_call:
            self.content = True
            self._keep_all(index, _list_calls(delta))
        if delta.audio:
            self.content = True
            self._keep_all(index, _list_audio(delta.audio))

    def _keep_all(self, index: int, texts: Iterator[tuple[str, str]]) -> None:
        for kind, text in texts:
            self._keep(kind, text, index)


def read_chat_answer(body: bytes, asked: Asked = Asked()) -> Answer:  # noqa: B008 (frozen)
    """Judge a whole `chat.completion`. Its bytes are the client's answer, untouched."""
    return _read_usual(body, asked) or read_answer(body, asked, _read_choices)


def _read_usual(body: bytes, asked: Asked) -> Answer | None:
    """The answer that nearly all are: finished text with usage. One decode instead of three; None: look closer."""
    if asked.reasoning_outside or not body.isascii():
        return None
    try:
        answer = _USUAL(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    usage = make_usual(answer.usage)
    if usage is None or answer.error or not answer.choices:
        return None
    for choice in answer.choices:
        if choice.message is None or not choice.message.content or choice.finish_reason in (None, "error"):
            return None
    if answer.service_tier not in (None, "default"):
        note_tier(usage, answer.service_tier)
    return Answer(OK, body, usage, answer.model, finish=answer.choices[0].finish_reason)


def _read_choices(raw: Raw, wanted: bool) -> tuple[list[str], bool, list[str | None]]:
    """Texts (if wanted), whether there is any content, and the finish reasons. Raises msgspec's errors."""
    texts: list[str] = []
    content = False
    choices = _CHOICES.decode(raw)
    for choice in choices:
        message = choice.message or Delta()
        if not wanted and message.content:
            content = True
            continue
        pieces = [text for _, text in _list_texts(message)]
        texts += pieces
        content = content or bool(
            pieces or message.tool_calls or message.function_call or message.audio or message.reasoning_details
        )
    return texts, content, [choice.finish_reason for choice in choices]


def _list_texts(message: Delta) -> Iterator[tuple[str, str]]:
    if isinstance(message.content, list):
        yield from list_parts(message.content)
    elif message.content:
        yield "content", message.content
    reasoning = message.reasoning_content or message.reasoning
    if reasoning:
        yield "reasoning", reasoning
    if message.refusal:
        yield "refusal", message.refusal
    yield from _list_calls(message)
    yield from _list_audio(message.audio or {})


def list_parts(parts: list[Any]) -> Iterator[tuple[str, str]]:
    """Mistral: {"type": "thinking", "thinking": [{"type": "text", "text": …}]} and {"type": "text", "text": …}."""
    for part in parts:
        if isinstance(part, str) and part:
            yield "content", part
        if not isinstance(part, dict):
            continue
        text, thinking = part.get("text") or part.get("refusal"), part.get("thinking")
        if isinstance(text, str) and text:
            yield "content", text
        if isinstance(thinking, str) and thinking:
            yield "reasoning", thinking
        elif isinstance(thinking, list):
            yield from (("reasoning", inner) for _, inner in list_parts(thinking))


def _list_calls(delta: Delta) -> Iterator[tuple[str, str]]:
    for call in delta.tool_calls or ():
        for function in (call.function, call.custom):
            if function is not None:
                yield from _list_function(function)
    if delta.function_call is not None:
        yield from _list_function(delta.function_call)


def _list_function(function: Function) -> Iterator[tuple[str, str]]:
    arguments = function.arguments
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    for text in (function.name, arguments, function.input):
        if text:
            yield "tool", text


def _list_audio(audio: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    transcript = audio.get("transcript")
    if isinstance(transcript, str) and transcript:
        yield "audio", transcript
