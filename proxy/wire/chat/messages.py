"""Turns, written as the messages of a chat request.

Theory of operation. A turn becomes one message, but for results of tools, which are a message each and hold text only:
their pictures and files go into the message of the user that follows. Content that is all text is written as one string,
since servers exist that refuse a list (DeepSeek, older templates); instructions and the user's paragraphs are joined by a
blank line, what the assistant wrote in several blocks is one text. Reasoning is left out unless the server wants it back.

Invariants: ids, names and arguments of calls are what they were, but for no arguments, which are an empty object; nothing
that the model has to see is left out without a word. Raises EnvelopeError for what has no form here.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.chat.quirks import Quirks
from proxy.wire.complaints import make_fault
from proxy.wire.dialogue import Audio, Document, Image, Part, Refusal, Text, Thinking, ToolCall, ToolResult, Turn

_Media = Text | Image | Audio | Document

_BETWEEN = "\n\n"
_TEXT_TYPES = frozenset(("application/json", "application/xml", "application/yaml"))


def write_messages(
    turns: Sequence[Turn], quirks: Quirks, facts: ModelFacts, fates: dict[Feature, Fate]
) -> list[dict[str, Any]]:
    """The messages; what turned out differently from the table goes into `fates`."""
    writer = _MessageWriter(quirks, facts, fates)
    for turn in turns:
        writer.write(turn)
    return writer.messages


class _MessageWriter:
    def __init__(self, quirks: Quirks, facts: ModelFacts, fates: dict[Feature, Fate]) -> None:
        self.messages: list[dict[str, Any]] = []
        self._quirks = quirks
        self._facts = facts
        self._fates = fates

    def write(self, turn: Turn) -> None:
        if turn.role == "system":
            self._write_system(turn)
        elif turn.role == "assistant":
            self._write_assistant(turn)
        else:
            self._write_user(turn)

    def _add(self, role: str, content: object, name: str | None = None, **rest: object) -> None:
        message = {"role": role, "content": content, **rest}
        if name:
            message["name"] = name
        self.messages.append(message)

    def _write_system(self, turn: Turn) -> None:
        text = _BETWEEN.join(part.text for part in turn.parts if isinstance(part, Text))
        if not text:
            return
        if self._facts.later_system is False and any(message["role"] != "system" for message in self.messages):
            self._fates[Feature.LATER_SYSTEM] = Fate.APPROXIMATED
            self._add("user", f"<system>\n{text}\n</system>")
        else:
            self._add("system", text, turn.name)

    def _write_user(self, turn: Turn) -> None:
        media: list[_Media] = []
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        for result in results:
            media += self._write_result(result)
        own = [part for part in turn.parts if isinstance(part, Text | Image | Audio | Document)]
        if media or own or not results:
            self._add("user", self._write_content([*media, *own]), turn.name)

    def _write_result(self, result: ToolResult) -> list[_Media]:
        """Writes the result's text; gives back what has to go elsewhere."""
        texts: list[str] = []
        rest: list[_Media] = []
        for part in result.content:
            text = part.text if isinstance(part, Text) else self._read_text(part) if isinstance(part, Document) else None
            if text is not None:
                texts.append(text)
            else:
                rest.append(part)
        text = _BETWEEN.join(texts)
        self._add("tool", f"Error: {text}" if result.error else text, tool_call_id=result.id)
        return [Text(f"From the result of {result.name or 'the tool'} ({result.id}):"), *rest] if rest else []

    def _write_content(self, parts: Sequence[_Media]) -> object:
        if all(isinstance(part, Text) for part in parts):
            return _BETWEEN.join(part.text for part in parts if isinstance(part, Text))
        return [self._write_part(part) for part in parts]

    def _write_part(self, part: _Media) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        if isinstance(part, Image):
            return _write_image(part)
        if isinstance(part, Audio):
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
        text = self._read_text(part)
        return _write_file(part) if text is None else {"type": "text", "text": text}

    def _read_text(self, document: Document) -> str | None:
        """The text of a document that is text, with what is said about it; None: it is a file."""
        text = document.text
        if text is None and document.data is not None and _is_text(document.media_type):
            text = _decode(document.data)
        if text is None:
            return None
        self._fates[Feature.DOCUMENTS] = Fate.APPROXIMATED
        title = f"Document: {document.name}" if document.name else "Document:"
        return _BETWEEN.join(line for line in (title, document.context, text) if line)

    def _write_assistant(self, turn: Turn) -> None:
        texts = [part.text for part in turn.parts if isinstance(part, Text | Refusal)]
        calls = [_write_call(part) for part in turn.parts if isinstance(part, ToolCall)]
        rest: dict[str, object] = {"tool_calls": calls} if calls else {}
        if reasoning := self._pick_thinking(turn.parts):
            rest["reasoning_content"] = reasoning
        if texts or rest:  # several servers refuse a message of the assistant with nothing in it
            self._add("assistant", "".join(texts) if texts or not calls else None, turn.name, **rest)

    def _pick_thinking(self, parts: Sequence[Part]) -> str:
        kept: list[str] = []
        for part in parts:
            if isinstance(part, Thinking) and part.text:
                if part.vendor in self._quirks.thinking_of:
                    kept.append(part.text)
                    self._fates.setdefault(Feature.THINKING_HISTORY, Fate.CARRIED)
                else:
                    self._fates[Feature.THINKING_HISTORY] = Fate.DROPPED
        return _BETWEEN.join(kept)


def _write_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def _write_image(image: Image) -> dict[str, Any]:
    if image.data is not None:
        url = f"data:{image.media_type or 'image/png'};base64,{image.data}"
    elif image.url is not None:
        url = image.url
    else:
        raise make_fault("messages", "an image that was uploaded elsewhere cannot be used here")
    spelled = {"url": url} if image.detail is None else {"url": url, "detail": image.detail}
    return {"type": "image_url", "image_url": spelled}


def _write_file(document: Document) -> dict[str, Any]:
    if document.data is None:
        raise make_fault("messages", "a document can be used here only with its content, not by an address or an id")
    media = document.media_type or "application/pdf"
    name = document.name or f"document.{media.rpartition('/')[2]}"
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{media};base64,{document.data}"}}


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in _TEXT_TYPES


def _decode(data: str) -> str:
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, ValueError):
        raise make_fault("messages", "a document of text is not base64-encoded UTF-8") from None
