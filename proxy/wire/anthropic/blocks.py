"""Content blocks of a Messages request, read into the parts of a dialogue.

Theory of operation. One lenient struct decodes every block; a table by `type` says what becomes of it. Tool inputs stay
the bytes that they were. Blocks that only Anthropic can understand (calls of tools that it ran itself, and their results)
have no place elsewhere: they are left out by name, so that the conversation can still go on somewhere else.

Invariants: consecutive turns of one role become one, as the service merges them; the results of tool calls stand first in
their turn, in the order of the calls. Source: the official SDK's types.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.features import Feature
from proxy.wire.anthropic.thoughts import read_redacted, read_thinking
from proxy.wire.dialogue import CacheMark, Document, Image, Part, Role, Text, Thinking, ToolCall, ToolResult, Turn
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.seals import split_id

_NO_RAW = Raw(b"")


class Source(Struct, gc=False):
    """Where an image or a document comes from. `content` of a document: a string, or blocks."""

    type: str = ""
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    content: Raw = _NO_RAW


class Block(Struct):
    """Any block. `source` is a string in search results; `citations` is a list in text, an object elsewhere."""

    type: str = ""
    text: str | None = None
    cache_control: dict[str, Any] | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    citations: Any = None
    content: Raw = _NO_RAW
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = _NO_RAW
    tool_use_id: str | None = None
    is_error: bool | None = None


class Message(Struct, gc=False):
    role: str
    content: str | list[Block]


_CONTENT = msgspec.json.Decoder(str | list[Block])


def read_mark(control: Mapping[str, Any] | None) -> CacheMark | None:
    """A `cache_control` object."""
    if not isinstance(control, dict):
        return None
    ttl = control.get("ttl")
    return CacheMark(ttl if isinstance(ttl, str) else None)


class BlockReader:
    """Reads the turns of one request. `features` and `skipped` collect what it uses and what has no place; `turns` are the
    turns so far."""

    def __init__(self, features: set[Feature]) -> None:
        self.features = features
        self.skipped: dict[str, None] = {}
        self.turns: list[Turn] = []
        self._names: dict[str, str] = {}

    def read_system(self, system: str | Iterable[Block]) -> None:
        """The instructions at the top."""
        parts = self._read_content(system)
        if parts:
            self.turns.append(Turn("system", parts))

    def read_messages(self, messages: Sequence[Message]) -> None:
        """Raises EnvelopeError for roles that there are none of."""
        for place, message in enumerate(messages):
            role = _ROLES.get(message.role)
            if role is None:
                allowed = "'user', 'assistant' or 'system'"
                raise EnvelopeError(f"messages.{place}.role: Input should be {allowed}", f"messages.{place}.role")
            parts = self._read_content(message.content)
            if role == "system" and self.turns and any(turn.role != "system" for turn in self.turns):
                self.features.add(Feature.LATER_SYSTEM)
            last = self.turns[-1] if self.turns else None
            if last is not None and last.role == role != "system":
                last.parts += parts
            else:
                self.turns.append(Turn(role, parts))
        self._order_results()
        if messages and messages[-1].role == "assistant":
            self.features.add(Feature.PREFILL)

    def _order_results(self) -> None:
        """Results of tool calls to the front, in the order of the calls. A turn with nothing left in it goes."""
        order: dict[str, int] = {}
        for turn in self.turns:
            calls = [part.id for part in turn.parts if isinstance(part, ToolCall)]
            if calls:
                order = {call_id: place for place, call_id in enumerate(calls)}
                if len(calls) > 1:
                    self.features.add(Feature.PARALLEL_TOOLS)
            results = [part for part in turn.parts if isinstance(part, ToolResult)]
            if results:
                results.sort(key=lambda result: order.get(result.id, len(order)))
                turn.parts = [*results, *(part for part in turn.parts if not isinstance(part, ToolResult))]
        self.turns = [turn for turn in self.turns if turn.parts]

    def _read_content(self, content: str | Iterable[Block]) -> list[Part]:
        if isinstance(content, str):
            return [Text(content)] if content else []
        parts: list[Part] = []
        for block in content:
            read = _BLOCKS.get(block.type)
            if read is None:
                self.skipped[f"messages.{block.type or 'type'}"] = None
                continue
            mark = read_mark(block.cache_control)
            if mark is not None:
                self.features.add(Feature.CACHE_CONTROL)
            read(self, block, mark, parts)
        return parts

    def _decode_content(self, raw: Raw) -> list[Part]:
        """The content of a tool's result or of a document."""
        if not raw or bytes(raw) == b"null":
            return []
        try:
            return self._read_content(_CONTENT.decode(raw))
        except (msgspec.DecodeError, RecursionError):
            raise EnvelopeError("messages: the content of a block cannot be read", "messages") from None

    def _read_text(self, block: Block, mark: CacheMark | None, parts: list[Part]) -> None:
        if isinstance(block.citations, list) and block.citations:
            self.features.add(Feature.CITATIONS)
        if block.text:
            parts.append(Text(block.text, mark))

    def _read_image(self, block: Block, mark: CacheMark | None, parts: list[Part]) -> None:
        source = _need_source(block)
        self.features.add(Feature.IMAGES)
        if source.type == "url":
            self.features.add(Feature.IMAGE_URLS)
            parts.append(Image(url=source.url, cache=mark))
        elif source.type == "file":
            self.features.add(Feature.FILE_IDS)
            parts.append(Image(file_id=source.file_id, cache=mark))
        else:
            parts.append(Image(source.data, source.media_type, cache=mark))

    def _read_document(self, block: Block, mark: CacheMark | None, parts: list[Part]) -> None:
        source = _need_source(block)
        self.features.add(Feature.DOCUMENTS)
        document = Document(name=block.title, context=block.context, citations=self._wants_citations(block), cache=mark)
        parts.append(document)
        if source.type == "url":
            document.url = source.url
        elif source.type == "file":
            self.features.add(Feature.FILE_IDS)
            document.file_id = source.file_id
        elif source.type == "text":
            document.text, document.media_type = source.data, source.media_type or "text/plain"
        elif source.type == "content":
            inner = self._decode_content(source.content)
            document.text, document.media_type = _join(inner), "text/plain"
            parts += [part for part in inner if isinstance(part, Image)]
        else:
            document.data, document.media_type = source.data, source.media_type

    def _read_search_result(self, block: Block, mark: CacheMark | None, parts: list[Part]) -> None:
        self.features.add(Feature.DOCUMENTS)
        where = block.source if isinstance(block.source, str) else None
        text = _join(self._decode_content(block.content))
        parts.append(
            Document(
                text=text,
                media_type="text/plain",
                name=block.title,
                context=where,
                citations=self._wants_citations(block),
                cache=mark,
            )
        )

    def _wants_citations(self, block: Block) -> bool:
        wanted = isinstance(block.citations, dict) and block.citations.get("enabled") is True
        if wanted:
            self.features.add(Feature.CITATIONS)
        return wanted

    def _read_thinking(self, block: Block, mark: CacheMark | None, parts: list[Part]) -> None:
        self._keep_thinking(read_thinking(block.thinking or "", block.signature or ""), parts)

    def _read_redacted(self, block: Block, mark: CacheMark | None, parts: list[Part]) -> None:
        self._keep_thinking(read_redacted(block.data or ""), parts)

    def _keep_thinking(self, thinking: Thinking, parts: list[Part]) -> None:
        if thinking.text:
            self.features.add(Feature.THINKING_HISTORY)
        if thinking.signature or thinking.redacted:
            self.features.add(Feature.SIGNATURES)
        parts.append(thinking)

    def _read_call(self, block: Block, mark: CacheMark | None, parts: list[Part]) -> None:
        call_id, signature = split_id(block.id or "")
        if signature is not None:
            self.features.add(Feature.SIGNATURES)
        name = block.name or ""
        self._names[call_id] = name
        arguments = bytes(block.input).decode() if block.input else ""
        parts.append(ToolCall(call_id, name, arguments, signature=signature, cache=mark))

    def _read_result(self, block: Block, mark: CacheMark | None, parts: list[Part]) -> None:
        call_id, _ = split_id(block.tool_use_id or "")
        content: list[Text | Image | Document] = []
        for part in self._decode_content(block.content):
            if isinstance(part, Text | Image | Document):
                content.append(part)
        if any(not isinstance(part, Text) for part in content):
            self.features.add(Feature.TOOL_RESULT_MEDIA)
        error = block.is_error is True
        if error:
            self.features.add(Feature.TOOL_RESULT_ERROR)
        parts.append(ToolResult(call_id, self._names.get(call_id, ""), content, error, cache=mark))


def _need_source(block: Block) -> Source:
    if isinstance(block.source, Source):
        return block.source
    raise EnvelopeError(f"messages: a block of type '{block.type}' needs a source", "messages")


def _join(parts: Iterable[Part]) -> str:
    return "\n\n".join(part.text for part in parts if isinstance(part, Text))


_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_BLOCKS: Mapping[str, Callable[[BlockReader, Block, CacheMark | None, list[Part]], None]] = {
    "text": BlockReader._read_text,
    "image": BlockReader._read_image,
    "document": BlockReader._read_document,
    "search_result": BlockReader._read_search_result,
    "thinking": BlockReader._read_thinking,
    "redacted_thinking": BlockReader._read_redacted,
    "tool_use": BlockReader._read_call,
    "tool_result": BlockReader._read_result,
}
