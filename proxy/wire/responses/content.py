"""Content parts of a Responses request, read into the neutral form.

Messages and the results of tools hold the same parts. Images and files come as a data URL, as an address or as the id of
an upload; base64 stays the text that it is. What is used is noted in `features`. A part that no vendor could be given is a
400 in OpenAI's words; unknown keys of a known part are not looked at.
"""

from collections.abc import Callable, Mapping
from typing import Any

from proxy.core.features import Feature
from proxy.wire.dialogue import Audio, CacheMark, Document, Image, Part, Refusal, Text
from proxy.wire.openai_envelope import EnvelopeError

#: Durations as OpenAI spells them, to the nearest that Anthropic's spelling has.
_TTLS: Mapping[str, str] = {"30m": "1h", "12h": "1h"}

Fields = Mapping[str, Any]


def read_content(content: object, where: str, features: set[Feature]) -> list[Part]:
    """A string, or a list of parts. `where` is the path for errors (`input[0].content`)."""
    if isinstance(content, str):
        return [Text(content)] if content else []
    if content is None:
        return []
    if not isinstance(content, list):
        raise EnvelopeError(f"Invalid type for '{where}': expected a string or an array.", where, "invalid_type")
    return [read_part(part, f"{where}[{at}]", features) for at, part in enumerate(content)]


def read_part(part: object, where: str, features: set[Feature]) -> Part:
    if isinstance(part, str):
        return Text(part)
    if not isinstance(part, dict):
        raise EnvelopeError(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    kind = part.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        known = ", ".join(f"'{name}'" for name in _READERS)
        raise EnvelopeError(f"Invalid value: '{kind}'. Supported values are: {known}.", f"{where}.type", "invalid_value")
    return read(part, where, features)


def read_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _read_cache(part: Fields, features: set[Feature]) -> CacheMark | None:
    mark = part.get("prompt_cache_breakpoint")
    if not isinstance(mark, dict):
        return None
    features.add(Feature.CACHE_CONTROL)
    return CacheMark(_TTLS.get(read_text(mark.get("ttl"))))


def _read_text_part(part: Fields, where: str, features: set[Feature]) -> Text:
    text = part.get("text")
    if not isinstance(text, str):
        raise EnvelopeError(f"Missing required parameter: '{where}.text'.", f"{where}.text", "missing_required_parameter")
    return Text(text, _read_cache(part, features))


def _read_refusal(part: Fields, where: str, features: set[Feature]) -> Refusal:
    features.add(Feature.REFUSALS)
    return Refusal(read_text(part.get("refusal")))


def _read_image(part: Fields, where: str, features: set[Feature]) -> Image:
    features.add(Feature.IMAGES)
    image = Image(detail=read_text(part.get("detail")) or None, cache=_read_cache(part, features))
    if image.detail is not None and image.detail != "auto":
        features.add(Feature.IMAGE_DETAIL)
    source = part.get("image_url")
    if isinstance(source, dict):  # as chat spells it; servers that imitate the API take it
        source = source.get("url")
    if isinstance(source, str) and source:
        found = split_data_url(source)
        if found is None:
            features.add(Feature.IMAGE_URLS)
            image.url = source
        else:
            image.media_type, image.data = found
    elif isinstance(part.get("file_id"), str):
        features.add(Feature.FILE_IDS)
        image.file_id = part["file_id"]
    else:
        raise EnvelopeError(
            f"Missing required parameter: '{where}.image_url'.", f"{where}.image_url", "missing_required_parameter"
        )
    return image


def _read_file(part: Fields, where: str, features: set[Feature]) -> Document:
    features.add(Feature.DOCUMENTS)
    document = Document(name=read_text(part.get("filename")) or None, cache=_read_cache(part, features))
    data, url, file_id = (part.get(key) for key in ("file_data", "file_url", "file_id"))
    if isinstance(data, str) and data:
        document.media_type, document.data = split_data_url(data) or (_guess_type(document.name), data)
    elif isinstance(url, str) and url:
        document.url = url
    elif isinstance(file_id, str) and file_id:
        features.add(Feature.FILE_IDS)
        document.file_id = file_id
    else:
        raise EnvelopeError(
            f"Missing required parameter: '{where}.file_data'.", f"{where}.file_data", "missing_required_parameter"
        )
    return document


def _read_audio(part: Fields, where: str, features: set[Feature]) -> Audio:
    features.add(Feature.AUDIO_INPUT)
    audio = part.get("input_audio")
    if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
        place = f"{where}.input_audio"
        raise EnvelopeError(f"Missing required parameter: '{place}.data'.", place, "missing_required_parameter")
    return Audio(audio["data"], read_text(audio.get("format")))


def split_data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 of a data URL; None: it is none, or not base64."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url.partition(",")
    media_type, _, encoding = head[5:].partition(";")
    if not comma or not encoding.endswith("base64"):
        return None
    return media_type, data


def _guess_type(name: str | None) -> str:
    """Of base64 without a data URL around it; what it is says only the name."""
    ending = (name or "").rpartition(".")[2].lower()
    return {"txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "json": "application/json"}.get(
        ending, "application/pdf"
    )


_READERS: Mapping[str, Callable[[Fields, str, set[Feature]], Part]] = {
    "input_text": _read_text_part,
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
    "output_text": _read_text_part,
    "refusal": _read_refusal,
    "text": _read_text_part,
    "summary_text": _read_text_part,
    "reasoning_text": _read_text_part,
}
