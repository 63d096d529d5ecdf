"""A second try at JSON that the strict decoder refuses but a client of the provider would have read.

msgspec rejects lone surrogates (`"\\ud83d"`), which tokenizers that cut an emoji in two do emit and which both Python and
JavaScript accept. Only the reading is repaired; what is forwarded stays the bytes that came.
"""

import json
from collections.abc import Callable
from typing import TypeVar

import msgspec

#: What the strict decoder raises for what is no JSON, is no UTF-8, has another shape or is nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: Longer payloads are not worth a slow second try.
MAX_REPAIRED = 8 * 1024 * 1024


def repair(payload: bytes) -> bytes | None:
    """The same JSON with lone surrogates as question marks; None: it is no JSON at all."""
    if b"\\u" not in payload or len(payload) > MAX_REPAIRED:
        return None
    try:
        value = json.loads(payload)
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None


ValueT = TypeVar("ValueT")


def decode_leniently(decode: Callable[[bytes], ValueT], payload: bytes) -> ValueT:
    """Decoded at the second try, if not at the first. Raises one of `UNREADABLE`."""
    try:
        return decode(payload)
    except UNREADABLE:
        repaired = repair(payload)
        if repaired is None:
            raise
    return decode(repaired)


def decode_outside(decode: Callable[[bytes], ValueT], body: bytes) -> ValueT:
    """The same for a shape that leaves parts undecoded: those are looked at as text, at least."""
    outside = decode_leniently(decode, body)
    if not body.isascii():
        body.decode()
    return outside
