"""A second try at JSON that the strict decoder refuses but a client of the provider would have read.

msgspec rejects lone surrogates (`"\\ud83d"`), which tokenizers that cut an emoji in two do emit and which both Python and
JavaScript accept. Only the reading is repaired; what is forwarded stays the bytes that came.
"""

import json

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
