"""A history that holds what this proxy wrote itself, made ready for a vendor that has this API.

Answers of other vendors come back in the next request's input with ids of ours, with other vendors' seals in our envelopes,
and with seals on call ids. A native vendor would look up the ids, fail to open the envelopes, and refuse ids of that
length, so a conversation that began elsewhere could never come here. Items without any mark of ours stay the bytes they are.
"""

from typing import Any

import msgspec
from msgspec import Raw

from proxy.core.call import Envelope
from proxy.core.features import Feature
from proxy.wire import seals
from proxy.wire.lenient import UNREADABLE
from proxy.wire.responses.marks import is_own_item

_SIGNS = (b"undimmed", seals.ID_MARK.encode())
_ITEMS = msgspec.json.Decoder(list[Raw])
_ITEM = msgspec.json.Decoder(dict[str, Any])
_ENCODE = msgspec.json.Encoder().encode


def clean_history(envelope: Envelope) -> tuple[bytes | None, tuple[str, ...]]:
    """The value of `input` without our marks, and the names of what was lost; None: nothing of ours is in it."""
    raw = envelope.fields.get("input")
    if not isinstance(raw, Raw) or not _has_sign(envelope.body):
        return None, ()
    try:
        items = _ITEMS.decode(raw)
    except UNREADABLE:
        return None, ()
    cleaned = [_clean_item(item) if _has_sign(bytes(item)) else item for item in items]
    if all(new is old for new, old in zip(cleaned, items, strict=True)):
        return None, ()
    kept = [item for item in cleaned if item is not None]
    dropped = (Feature.THINKING_HISTORY.value,) if len(kept) < len(items) else ()
    return _ENCODE(kept), dropped


def _has_sign(data: bytes) -> bool:
    return any(sign in data for sign in _SIGNS)


def _clean_item(raw: Raw) -> Raw | dict[str, Any] | None:
    """None: leave it out. The item itself where the marks are only words in a text."""
    try:
        item = _ITEM.decode(raw)
    except UNREADABLE:
        return raw
    own = is_own_item(item.get("id"))
    if item.get("type") == "reasoning":
        sealed = item.get("encrypted_content")
        foreign = isinstance(sealed, str) and seals.unwrap(sealed) is not None
        return None if own or foreign else raw
    changed = own
    if own:
        del item["id"]
    call_id = item.get("call_id")
    if isinstance(call_id, str) and (bare := seals.split_id(call_id)[0]) != call_id:
        item["call_id"], changed = bare, True
    return item if changed else raw
