"""The parts of a message's content, read into the neutral form.

Files come as data URLs, addresses or ids; media types are the client's word. What has no neutral counterpart (a video) is
refused by name rather than left out: without it another question would be answered.
"""

from collections.abc import Callable, Mapping
from typing import Any

from proxy.core.features import Feature
from proxy.wire.chat.shapes import ContentPart
from proxy.wire.complaints import make_fault, make_missing, make_unsupported
from proxy.wire.dialogue import Audio, CacheMark, Document, Image, Part, Refusal, Text, Thinking

_TTLS = frozenset(("5m", "1h"))
_DEFAULT_MEDIA = "application/pdf"


def read_content(content: str | list[ContentPart | str] | None, where: str, features: set[Feature]) -> list[Part]:
    """The parts of a `content` at the path `where`; empty text is no part. Raises EnvelopeError."""
    if content is None or isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for number, part in enumerate(content):
        if isinstance(part, str):
            parts += [Text(part)] if part else []
            continue
        read = _READERS.get(part.type)
        place = f"{where}.content[{number}]"
        if read is None:
            raise make_unsupported(f"{place}.type", part.type, _READERS)
        parts += read(part, place, features)
    return parts


def read_mark(marks: tuple[Any, ...], features: set[Feature]) -> CacheMark | None:
    """The first of these that marks a place for the cache: `cache_control` or `prompt_cache_breakpoint`."""
    for mark in marks:
        if isinstance(mark, dict) and mark:
            features.add(Feature.CACHE_CONTROL)
            ttl = mark.get("ttl")
            return CacheMark(ttl if ttl in _TTLS else None)
    return None


def _read_text(part: ContentPart, place: str, features: set[Feature]) -> list[Part]:
    if part.text is None:
        raise make_missing(f"{place}.text")
    return [Text(part.text, _mark(part, features))] if part.text else []


def _read_image(part: ContentPart, place: str, features: set[Feature]) -> list[Part]:
    if part.image_url is None:
        raise make_missing(f"{place}.image_url")
    asked = part.image_url
    url, detail = (asked, None) if isinstance(asked, str) else (asked.url, asked.detail)
    image = Image(detail=detail, cache=_mark(part, features))
    features.add(Feature.IMAGES)
    if detail not in (None, "auto"):
        features.add(Feature.IMAGE_DETAIL)
    if url[:5].lower() == "data:":
        image.media_type, image.data = _split_data_url(url, f"{place}.image_url")
    elif "://" in url:
        image.url = url
        features.add(Feature.IMAGE_URLS)
    else:
        raise make_fault(f"{place}.image_url", "expected an address or a base64-encoded data URL")
    return [image]


def _read_audio(part: ContentPart, place: str, features: set[Feature]) -> list[Part]:
    if part.input_audio is None:
        raise make_missing(f"{place}.input_audio")
    features.add(Feature.AUDIO_INPUT)
    return [Audio(part.input_audio.data, part.input_audio.format)]


def _read_file(part: ContentPart, place: str, features: set[Feature]) -> list[Part]:
    file = part.file
    if file is None:
        raise make_missing(f"{place}.file")
    document = Document(name=file.filename, cache=_mark(part, features))
    features.add(Feature.DOCUMENTS)
    if file.file_data:
        if file.file_data[:5].lower() == "data:":
            document.media_type, document.data = _split_data_url(file.file_data, f"{place}.file.file_data")
        elif "://" in file.file_data[:32]:
            document.url = file.file_data
        else:
            document.media_type, document.data = _DEFAULT_MEDIA, file.file_data
    elif file.file_id:
        document.file_id = file.file_id
        features.add(Feature.FILE_IDS)
    else:
        raise make_missing(f"{place}.file.file_data")
    return [document]


def _read_refusal(part: ContentPart, place: str, features: set[Feature]) -> list[Part]:
    if not part.refusal:
        return []
    features.add(Feature.REFUSALS)
    return [Refusal(part.refusal)]


def _read_thinking(part: ContentPart, place: str, features: set[Feature]) -> list[Part]:
    """Mistral's: a list of text parts, or just text."""
    inner = part.thinking if isinstance(part.thinking, list) else [part.thinking]
    texts = [piece.get("text") if isinstance(piece, dict) else piece for piece in inner]
    text = "".join(piece for piece in texts if isinstance(piece, str))
    return [Thinking(text)] if text else []


def _mark(part: ContentPart, features: set[Feature]) -> CacheMark | None:
    if part.cache_control is None and part.prompt_cache_breakpoint is None:
        return None
    return read_mark((part.cache_control, part.prompt_cache_breakpoint), features)


def _split_data_url(url: str, place: str) -> tuple[str, str]:
    """Media type and base64 of `data:image/png;base64,…`."""
    head, comma, data = url[5:].partition(",")
    media, *parameters = head.split(";")
    if not comma or "base64" not in [parameter.strip().lower() for parameter in parameters]:
        raise make_fault(place, "expected a base64-encoded data URL")
    return media.strip().lower(), data


_READERS: Mapping[str, Callable[[ContentPart, str, set[Feature]], list[Part]]] = {
    "text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
    "refusal": _read_refusal,
    "thinking": _read_thinking,
}
