"""The content of a message in whatever shape clients and vendors write it: text, images, audio, documents, nested results.

One table of part types for all formats, since their names do not contradict each other. Text is kept, media is measured
instead of tokenised, and what cannot be understood makes the result a lower bound. Media in a place that nobody here knows
is found by what it looks like, down to a bounded depth. Nothing here raises.
"""

from collections.abc import Callable, Mapping

import msgspec

from proxy.tokens.inline import LEAST
from proxy.tokens.parts import PromptParts
from proxy.tokens.unpacking import Unread, unpack
from proxy.wire.lenient import UNREADABLE

#: A file that is only named by its id: as much as one page.
UNSEEN_PAGES = 1
TOOL_CALL = 3
#: How deep unknown things are searched for media.
SEARCHED = 8


def read_field(parts: PromptParts, fields: Mapping[str, object], name: str) -> object:
    """The value of a top-level field; None if it is absent or cannot be read."""
    raw = fields.get(name)
    if not isinstance(raw, msgspec.Raw | bytes | bytearray | memoryview):
        return None
    try:
        value = unpack(bytes(raw))
    except UNREADABLE:
        parts.lower_bound = True
        return None
    if isinstance(value, Unread):
        parts.add_text(value)
    return value


def as_mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def as_items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(parts: PromptParts, part: dict[str, object]) -> None:
    parts.add_text(part.get("text"))


def _refusal(parts: PromptParts, part: dict[str, object]) -> None:
    parts.add_text(part.get("refusal"))


def _thinking(parts: PromptParts, part: dict[str, object]) -> None:
    thinking = part.get("thinking")
    read_content(parts, thinking)


def _image(parts: PromptParts, part: dict[str, object]) -> None:
    """`image_url` is an object in chat, a string elsewhere."""
    url = part.get("image_url")
    detail = as_mapping(url).get("detail") or part.get("detail")
    parts.add_url(as_mapping(url).get("url", url), detail if isinstance(detail, str) else "auto")


def _audio(parts: PromptParts, part: dict[str, object]) -> None:
    audio = as_mapping(part.get("input_audio"))
    data, form = audio.get("data"), audio.get("format")
    if isinstance(data, str):
        parts.add_media(f"audio/{form}", data)
    else:
        parts.lower_bound = True


def _file(parts: PromptParts, part: dict[str, object]) -> None:
    data = as_mapping(part.get("file")).get("file_data")
    parts.lower_bound = True
    if not isinstance(data, str):
        parts.pages += UNSEEN_PAGES
        return
    head, _, encoded = data.partition(";base64,")
    mime = head.removeprefix("data:").partition(";")[0] if encoded else "application/pdf"
    parts.add_media(mime, encoded or data)


def _source(parts: PromptParts, part: dict[str, object]) -> None:
    """`{"source": {"media_type", "data"}}` as Anthropic has it, `{"data", "mimeType"}` as tools of MCP write it."""
    source = as_mapping(part.get("source")) or part
    mime, data = source.get("media_type") or source.get("mimeType"), source.get("data")
    if source.get("type") == "text":
        parts.add_text(data)
    elif source.get("type") == "content":
        read_content(parts, source.get("content"))
    elif isinstance(mime, str) and isinstance(data, str):
        parts.add_media(mime, data)
    elif part.get("type") == "document":
        parts.pages += UNSEEN_PAGES
        parts.lower_bound = True
    else:
        parts.add_url(source.get("url"), "auto")


def _input_file(parts: PromptParts, part: dict[str, object]) -> None:
    """The Responses API's spelling of a file."""
    _file(parts, {"file": part})


def _tool_use(parts: PromptParts, part: dict[str, object]) -> None:
    parts.tokens += TOOL_CALL
    parts.add_text(part.get("name"))
    parts.add_text(msgspec.json.encode(part.get("input")).decode())


def _tool_result(parts: PromptParts, part: dict[str, object]) -> None:
    parts.add_text(part.get("title"))
    read_content(parts, part.get("content"))


def _unseen(parts: PromptParts, part: dict[str, object]) -> None:
    parts.lower_bound = True


_PARTS: dict[str, Callable[[PromptParts, dict[str, object]], None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _image,
    "input_image": _image,
    "image": _source,
    "document": _source,
    "computer_screenshot": _image,
    "audio": _source,
    "input_audio": _audio,
    "file": _file,
    "input_file": _input_file,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "redacted_thinking": _unseen,
    "search_result": _tool_result,
}


def read_content(parts: PromptParts, content: object) -> None:
    """A string, a list of parts, or one part."""
    parts.add_text(content)
    for item in as_items(content) if isinstance(content, list) else [content]:
        if item is not content:
            parts.add_text(item)
        part = as_mapping(item)
        kind = part.get("type")
        read = _PARTS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            read(parts, part)
        elif part:
            parts.add_text(part.get("text"))
            search_media(parts, {name: value for name, value in part.items() if name != "text"})
            parts.lower_bound = True
        elif item and not isinstance(item, str):
            search_media(parts, item)
            parts.lower_bound = True


def search_media(parts: PromptParts, value: object, depth: int = SEARCHED) -> None:
    """Measure the media in something unknown; its text stays uncounted."""
    if isinstance(value, str):
        if len(value) >= LEAST:
            seen = PromptParts()
            seen.add_text(value)
            parts.images += seen.images
            parts.audio_seconds += seen.audio_seconds
            parts.pages += seen.pages
    elif isinstance(value, Unread):
        parts.add_text(value)
    elif depth and isinstance(value, dict):
        for inner in value.values():
            search_media(parts, inner, depth - 1)
    elif depth:
        for inner in as_items(value):
            search_media(parts, inner, depth - 1)
