"""Reasoning in what servers of the chat format answer: plain text under three names, and OpenRouter's sealed details."""

from collections.abc import Iterator
from typing import Any

from proxy.wire.chat.spelling import SEAL_VENDORS
from proxy.wire.dialogue import Thinking
from proxy.wire.openai_chat import Delta


def read_thoughts(delta: Delta) -> Iterator[Thinking]:
    """The reasoning in a delta or a whole message, in order. Text that stands both plain and in the details comes once;
    a seal is a `Thinking` with nothing but that, since its text came before."""
    text = delta.reasoning_content or delta.reasoning
    if text:
        yield Thinking(text)
    for detail in delta.reasoning_details or ():
        if isinstance(detail, dict):
            yield from _read_detail(detail, not text)


def _read_detail(detail: dict[str, Any], wants_text: bool) -> Iterator[Thinking]:
    vendor = SEAL_VENDORS.get(str(detail.get("format")), "")
    written = detail.get("text") or detail.get("summary")
    if wants_text and isinstance(written, str) and written:
        yield Thinking(written)
    signature, data = detail.get("signature"), detail.get("data")
    if isinstance(signature, str) and signature:
        yield Thinking(signature=signature, vendor=vendor)
    if isinstance(data, str) and data:
        yield Thinking(redacted=data, vendor=vendor)
