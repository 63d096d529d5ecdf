"""What a request needs of a target, and which conversation it belongs to.

Both cost a look into the messages, so they are asked for only where a route has conditions or sticks, or its targets cannot
all do the same. Neither raises: what cannot be read needs nothing and belongs nowhere; the provider will say what is wrong
with it.

A look into the messages is a search for the bytes that a feature cannot do without; only where they are found, and may
as well be somebody's words, is anything decoded.
"""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Envelope, Needs
from proxy.core.features import Feature
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import read_value

_BYTES_PER_TOKEN = 4
_PROMPT_START = 512
#: After these come encoded files up to the next quote: data URLs, and the audio of `input_audio` parts.
_DATA_SIGNS = (b";base64,", b'"data":"', b'"data": "')
#: A part of this type, and the feature it is.
_PART_FEATURES: Mapping[str, Feature] = {
    "image_url": Feature.IMAGES,
    "input_image": Feature.IMAGES,
    "input_audio": Feature.AUDIO_INPUT,
    "file": Feature.DOCUMENTS,
}
_TYPE = b'"type"'
_PART_SIGNS = (b"image_url", b"input_image", b"input_audio", b'"file"')
_ANSWER_FORMATS: Mapping[str, Feature] = {"json_object": Feature.JSON_OBJECT, "json_schema": Feature.JSON_SCHEMA}


class _ImageUrl(Struct, gc=False):
    url: str | None = None


class _File(Struct, gc=False):
    file_id: str | None = None


class _Part(Struct, gc=False):
    type: str | None = None
    image_url: _ImageUrl | str | None = None
    file: _File | None = None


class _Content(Struct, gc=False):
    content: str | list[_Part | str] | None = None
    tool_calls: list[Raw] | None = None


class _Speaker(Struct, gc=False):
    role: str | None = None


_RAW_LIST = msgspec.json.Decoder(list[Raw])
_CONTENT = msgspec.json.Decoder(_Content)
_SPEAKER = msgspec.json.Decoder(_Speaker)


def needs_of(envelope: Envelope) -> Needs:
    """`tokens` is bytes / 4 of everything the model reads, without encoded files."""
    messages = _get_bytes(envelope, "messages")
    read = sum(_measure(_get_bytes(envelope, key)) for key in ("tools", "functions", "prompt", "input"))
    features = _list_features(envelope) | _list_tools(envelope, messages)
    # Content that is more than text comes in parts, and parts have types.
    parts = _TYPE in messages
    if parts and any(sign in messages for sign in _PART_SIGNS):
        for message in _split(messages):
            features |= _list_parts(message)
    return Needs(
        tools=Feature.TOOLS in features,
        images=Feature.IMAGES in features,
        stream=envelope.stream,
        tokens=((_measure(messages) if parts else len(messages)) + read) // _BYTES_PER_TOKEN,
        output=_read_limit(envelope),
        features=frozenset(features),
    )


def _list_features(envelope: Envelope) -> set[Feature]:
    """What the top level asks for."""
    fields = envelope.fields
    found: set[Feature] = set()
    if "response_format" in fields:
        wanted = read_value(envelope, "response_format")
        feature = _ANSWER_FORMATS.get(str(wanted.get("type"))) if isinstance(wanted, dict) else None
        found |= {feature} if feature is not None else set()
    if read_value(envelope, "reasoning_effort") not in (None, "none") or read_value(envelope, "reasoning"):
        found.add(Feature.REASONING)
    choices = read_value(envelope, "n")
    if isinstance(choices, int) and choices > 1:
        found.add(Feature.CHOICES)
    logprobs = read_value(envelope, "logprobs")
    if logprobs is not None and logprobs is not False:
        found.add(Feature.LOGPROBS)
    modalities = read_value(envelope, "modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        found.add(Feature.AUDIO_OUTPUT)
    if read_value(envelope, "suffix"):
        found.add(Feature.SUFFIX)
    if read_value(envelope, "echo") is True:
        found.add(Feature.ECHO)
    return found


def _list_tools(envelope: Envelope, messages: bytes) -> set[Feature]:
    tools = read_value(envelope, "tools") or read_value(envelope, "functions")
    if not tools:
        return set()
    found = {Feature.TOOLS}
    if isinstance(tools, list) and any(isinstance(tool, dict) and tool.get("type") == "custom" for tool in tools):
        found.add(Feature.CUSTOM_TOOLS)
    if messages.count(b'"tool_calls"') and any(_count_calls(message) > 1 for message in _split(messages)):
        found.add(Feature.PARALLEL_TOOLS)
    return found


def _read_limit(envelope: Envelope) -> int:
    limit = read_value(envelope, "max_completion_tokens") or read_value(envelope, "max_tokens")
    return limit if isinstance(limit, int) and limit > 0 else 0


def affinity_of(envelope: Envelope) -> str:
    """A hash of the conversation's start: the first system or developer message and the first user message, so that it
    stays the same while the conversation grows; for a text completion the start of the prompt. Empty: no conversation."""
    if "messages" in envelope.fields:
        start = _find_start(_get_bytes(envelope, "messages"))
    else:
        start = _get_bytes(envelope, "prompt")[:_PROMPT_START]
    return blake2b(start, digest_size=16).hexdigest() if start else ""


def _get_bytes(envelope: Envelope, key: str) -> bytes:
    raw = envelope.fields.get(key)
    return bytes(raw) if isinstance(raw, Raw) else b""


def _find_start(messages: bytes) -> bytes:
    instructions = question = b""
    for message in _split(messages):
        role = _read_role(message)
        if role == "user":
            question = bytes(message)
            break
        if role in ("system", "developer") and not instructions:
            instructions = bytes(message)
    return instructions + question


def _split(messages: bytes) -> list[Raw]:
    try:
        return _RAW_LIST.decode(messages)
    except UNREADABLE:
        return []


def _read_role(message: Raw) -> str | None:
    try:
        return _SPEAKER.decode(message).role
    except UNREADABLE:
        return None


def _read_content(message: Raw) -> _Content:
    try:
        return _CONTENT.decode(message)
    except UNREADABLE:
        return _Content()


def _count_calls(message: Raw) -> int:
    return len(_read_content(message).tool_calls or ())


def _list_parts(message: Raw) -> set[Feature]:
    content = _read_content(message).content
    parts = [part for part in content if isinstance(part, _Part)] if isinstance(content, list) else []
    found: set[Feature] = set()
    for part in parts:
        feature = _PART_FEATURES.get(part.type or "")
        if feature is not None:
            found.add(feature)
        place = part.image_url.url if isinstance(part.image_url, _ImageUrl) else part.image_url
        if feature is Feature.IMAGES and place is not None and not place.startswith("data:"):
            found.add(Feature.IMAGE_URLS)
        if feature is Feature.DOCUMENTS and part.file is not None and part.file.file_id:
            found.add(Feature.FILE_IDS)
    return found


def _measure(value: bytes) -> int:
    """Length without encoded files."""
    return len(value) - sum(_measure_data(value, sign) for sign in _DATA_SIGNS)


def _measure_data(value: bytes, sign: bytes) -> int:
    length = at = 0
    while (at := value.find(sign, at)) >= 0:
        start = at + len(sign)
        end = value.find(b'"', start)
        at = end if end >= 0 else len(value)
        length += at - start
    return length
