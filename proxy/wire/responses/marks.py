"""Ids that this proxy gives to what it writes itself, and how they are known again.

A response that was translated is stored nowhere: its id cannot be continued, fetched or cancelled, and saying so in clear
words needs the id to be recognisable. Its items' ids come back in the next request's history; a vendor that has the
Responses API would look for them in vain, so they are taken out before a native target sees them (`history.py`).
"""

_MARK = "undimmed_"
RESPONSE_PREFIX = "resp_" + _MARK


def make_response_id(call_id: str) -> str:
    return RESPONSE_PREFIX + call_id


def make_item_id(kind: str, call_id: str, index: int) -> str:
    """`kind` is OpenAI's prefix without the underscore: msg, fc, ctc, rs. `index` is the item's place in the output."""
    return f"{kind}_{_MARK}{call_id}_{index}"


def is_own_item(item_id: object) -> bool:
    return isinstance(item_id, str) and item_id.partition("_")[2].startswith(_MARK)


def is_own_response(response_id: object) -> bool:
    return isinstance(response_id, str) and response_id.startswith(RESPONSE_PREFIX)
