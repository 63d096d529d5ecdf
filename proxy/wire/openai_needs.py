"""What a request needs of a target, and which conversation it belongs to.

Both cost a look into the messages, so they are asked for only where a route has conditions or sticks. Neither raises: what
cannot be read needs nothing and belongs nowhere; the provider will say what is wrong with it.
"""

from hashlib import blake2b

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Envelope, Needs
from proxy.wire.openai_envelope import read_value

_BYTES_PER_TOKEN = 4
_PROMPT_START = 512
#: After these come encoded files up to the next quote: data URLs, and the audio of `input_audio` parts.
_DATA_SIGNS = (b";base64,", b'"data":"', b'"data": "')
_IMAGE_SIGNS = (b"image_url", b"input_image")
_IMAGE_TYPES = frozenset(("image_url", "input_image"))
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Part(Struct, gc=False):
    type: str | None = None


class _Content(Struct, gc=False):
    content: str | list[_Part | str] | None = None


class _Speaker(Struct, gc=False):
    role: str | None = None


_RAW_LIST = msgspec.json.Decoder(list[Raw])
_CONTENT = msgspec.json.Decoder(_Content)
_SPEAKER = msgspec.json.Decoder(_Speaker)


def needs_of(envelope: Envelope) -> Needs:
    """`tokens` is bytes / 4 of everything the model reads, without encoded files."""
    messages = _get_bytes(envelope, "messages")
    read = sum(_measure(_get_bytes(envelope, key)) for key in ("tools", "functions", "prompt", "input"))
    return Needs(
        tools=bool(read_value(envelope, "tools") or read_value(envelope, "functions")),
        images=any(sign in messages for sign in _IMAGE_SIGNS) and _has_images(messages),
        stream=envelope.stream,
        tokens=(_measure(messages) + read) // _BYTES_PER_TOKEN,
    )


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
    except _UNREADABLE:
        return []


def _read_role(message: Raw) -> str | None:
    try:
        return _SPEAKER.decode(message).role
    except _UNREADABLE:
        return None


def _has_images(messages: bytes) -> bool:
    return any(_shows_image(message) for message in _split(messages))


def _shows_image(message: Raw) -> bool:
    try:
        content = _CONTENT.decode(message).content
    except _UNREADABLE:
        return False
    return isinstance(content, list) and any(isinstance(part, _Part) and part.type in _IMAGE_TYPES for part in content)


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
