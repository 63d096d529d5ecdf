"""The outside of a Responses request, and what routing wants to know of its inside.

The frame is that of every OpenAI request. Two things are refused at once, since no target could serve them: continuing a
response that was translated, by its id or by references to its items. Nothing stores those; the words say what to send
instead.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Envelope, Needs
from proxy.core.endpoints import Endpoint
from proxy.core.features import HARD, Feature
from proxy.wire import openai_envelope, openai_needs
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import EnvelopeError, read_value
from proxy.wire.responses.marks import is_own_item, is_own_response
from proxy.wire.responses.request import read_request

_SIGN = b"undimmed_"
_START = 512


class _Speaker(Struct, gc=False):
    type: str | None = None
    role: str | None = None


_ITEMS = msgspec.json.Decoder(list[Raw])
_SPEAKER = msgspec.json.Decoder(_Speaker)


def read_envelope(body: bytes, endpoint: Endpoint) -> Envelope:
    """Raises EnvelopeError as for every OpenAI request, and for what only a stored response could continue."""
    envelope = openai_envelope.read_envelope(body, endpoint)
    envelope.wants_usage = False  # the terminal event always has it
    if _SIGN in body:
        _refuse_unstored(envelope)
    return envelope


def _refuse_unstored(envelope: Envelope) -> None:
    previous = read_value(envelope, "previous_response_id")
    if is_own_response(previous):
        raise EnvelopeError(
            f"Previous response with id '{previous}' not found: it was answered by a provider that stores no responses. "
            "Send the conversation so far in 'input' instead.",
            "previous_response_id",
            "previous_response_not_found",
        )
    items = read_value(envelope, "input")
    for at, item in enumerate(items if isinstance(items, list) else ()):
        if _is_reference(item) and is_own_item(item.get("id")):
            raise EnvelopeError(
                f"Item with id '{item['id']}' not found: it was written by a provider that stores no responses. Send the "
                "whole item in 'input' instead of a reference to it (with 'store': false clients do).",
                f"input[{at}].id",
                "item_not_found",
            )


def _is_reference(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    return item.get("type") == "item_reference" or ("type" not in item and "role" not in item)


def needs_of(envelope: Envelope) -> Needs:
    """Does not raise: what cannot be read needs nothing, and will be refused by whoever is asked."""
    needs = openai_needs.needs_of(envelope)
    needs.tokens += len(_get_bytes(envelope, "instructions")) // 4
    try:
        dialogue = read_request(envelope)
    except EnvelopeError:
        return needs
    needs.output = dialogue.sampling.max_tokens or 0
    needs.images = Feature.IMAGES in dialogue.features
    needs.features = frozenset(dialogue.features & HARD)
    return needs


def affinity_of(envelope: Envelope) -> str:
    """A hash of the conversation's start: the instructions and what the user said first. Empty: neither is there."""
    start = _get_bytes(envelope, "instructions") + _find_question(_get_bytes(envelope, "input"))
    return blake2b(start, digest_size=16).hexdigest() if start else ""


def _get_bytes(envelope: Envelope, key: str) -> bytes:
    fields: Mapping[str, object] = envelope.fields
    raw = fields.get(key)
    return bytes(raw) if isinstance(raw, Raw) and bytes(raw) != b"null" else b""


def _find_question(items: bytes) -> bytes:
    if not items.startswith(b"["):
        return items[:_START]
    try:
        for item in _ITEMS.decode(items):
            speaker = _SPEAKER.decode(item)
            if speaker.role == "user":
                return bytes(item)
    except UNREADABLE:
        pass  # belongs nowhere; whoever is asked will say what is wrong
    return b""
