"""Parts of a dialogue as content blocks that Anthropic takes.

Raises EnvelopeError for what this format cannot say: audio, files of another account, images and documents of other types,
tool arguments that are no JSON object. Text that is empty or blank has no block, since the service refuses it.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw

from proxy.wire.dialogue import (
    ANTHROPIC,
    Audio,
    CacheMark,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from proxy.wire.openai_envelope import EnvelopeError

#: A content block; the encoder takes it as it is.
BlockOut = dict[str, Any]

_DECODE = msgspec.json.Decoder().decode
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_IMAGES: Mapping[str, str] = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_PDF = "application/pdf"


def write_mark(block: BlockOut, cache: CacheMark | None) -> BlockOut:
    """The block, marked for the cache if it should be."""
    if cache is not None:
        ttl = {"ttl": cache.ttl} if cache.ttl is not None else {}
        block["cache_control"] = {"type": "ephemeral", **ttl}
    return block


def write_parts(parts: Iterable[Part]) -> list[BlockOut]:
    """The blocks of one turn, in order. Raises EnvelopeError."""
    return [block for part in parts if (block := write_part(part)) is not None]


def write_part(part: Part) -> BlockOut | None:
    """None: there is nothing to say of it."""
    if isinstance(part, Text):
        return write_mark({"type": "text", "text": part.text}, part.cache) if part.text.strip() else None
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    if isinstance(part, ToolCall):
        block = {"type": "tool_use", "id": write_id(part.id), "name": part.name, "input": write_input(part)}
        return write_mark(block, part.cache)
    if isinstance(part, ToolResult):
        return _write_result(part)
    if isinstance(part, Image):
        return write_mark({"type": "image", "source": _write_image(part)}, part.cache)
    if isinstance(part, Document):
        return _write_document(part)
    if isinstance(part, Audio):
        raise EnvelopeError("Audio input is not supported by this model.", "messages", "unsupported_value")
    return _write_thinking(part)


def is_ours(thinking: Thinking) -> bool:
    """Whether Anthropic sealed it: it takes no other reasoning back."""
    return thinking.vendor == ANTHROPIC and bool(thinking.signature or thinking.redacted)


def write_id(call_id: str) -> str:
    """The id itself where Anthropic takes it; otherwise one that is always the same for it and for no other."""
    if _ID.fullmatch(call_id):
        return call_id
    return "call_" + blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def write_input(call: ToolCall) -> Raw | dict[str, str]:
    """A call's arguments as an object, the bytes as they are."""
    if call.custom:
        return {"input": call.arguments}
    if not call.arguments.strip():
        return Raw(b"{}")
    try:
        if isinstance(_DECODE(call.arguments), dict):
            return Raw(call.arguments.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    raise EnvelopeError(f"The arguments of the tool call '{call.id}' are not a JSON object.", "messages", "invalid_value")


def _write_result(result: ToolResult) -> BlockOut:
    block: BlockOut = {"type": "tool_result", "tool_use_id": write_id(result.id)}
    content = write_parts(result.content)
    if content:
        block["content"] = content
    if result.error:
        block["is_error"] = True
    return write_mark(block, result.cache)


def _write_image(image: Image) -> dict[str, str]:
    if image.url is not None:
        return {"type": "url", "url": image.url}
    if image.data is None:
        raise EnvelopeError("Files of another account cannot be read by this model.", "messages", "unsupported_file")
    media_type = _IMAGES.get(image.media_type.lower())
    if media_type is None:
        named = image.media_type or "without a type"
        message = f"Images must be JPEG, PNG, GIF or WebP, not '{named}'."
        raise EnvelopeError(message, "messages", "unsupported_image_media_type")
    return {"type": "base64", "media_type": media_type, "data": image.data}


def _write_document(document: Document) -> BlockOut:
    block: BlockOut = {"type": "document", "source": _write_source(document)}
    if document.name:
        block["title"] = document.name
    if document.context:
        block["context"] = document.context
    if document.citations:
        block["citations"] = {"enabled": True}
    return write_mark(block, document.cache)


def _write_source(document: Document) -> dict[str, str]:
    if document.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": document.text}
    if document.url is not None:
        return {"type": "url", "url": document.url}
    if document.data is None:
        raise EnvelopeError("Files of another account cannot be read by this model.", "messages", "unsupported_file")
    kind = document.media_type.lower().partition(";")[0].strip()
    if kind == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": document.data}
    try:
        if kind.startswith("text/") or kind == "application/json":
            return {"type": "text", "media_type": "text/plain", "data": b64decode(document.data, validate=True).decode()}
    except ValueError:
        pass
    message = f"Documents must be PDF or plain text, not '{document.media_type or 'without a type'}'."
    raise EnvelopeError(message, "messages", "unsupported_file")


def _write_thinking(thinking: Thinking) -> BlockOut | None:
    if not is_ours(thinking):
        return None
    if thinking.redacted:
        return {"type": "redacted_thinking", "data": thinking.redacted}
    return {"type": "thinking", "thinking": thinking.text, "signature": thinking.signature}
