"""What other vendors left in a chat client's conversation, taken out for vendors that refuse whatever they do not know.

A client sends back the messages that it was given, with the reasoning of whoever wrote them. Most servers of OpenAI's format
use or ignore it; some refuse the whole request for it, which would end a conversation at the first failover. Only for these
is a body searched, and only one that holds such fields is taken apart; everything else in it says what it said.
Source: error messages of Groq, Cerebras and Mistral.
"""

from typing import Any

import msgspec
from msgspec import Raw

from proxy.core.call import Envelope
from proxy.core.features import Feature
from proxy.wire.lenient import UNREADABLE

#: Of an assistant's message: its reasoning in all spellings.
_OF_MESSAGES = ("reasoning_content", "reasoning", "reasoning_details")
#: Of a tool call: Gemini's seal.
_OF_CALLS = ("extra_content",)
_MARKS = tuple(f'"{name}"'.encode() for name in _OF_MESSAGES + _OF_CALLS)

_MESSAGES = msgspec.json.Decoder(list[dict[str, Any]])
_ENCODE = msgspec.json.Encoder().encode


def list_changes(envelope: Envelope) -> tuple[dict[str, bytes | None], tuple[str, ...]]:
    """New values for fields of the body, as `splice` takes them, and what was lost, as `x-undimmed-dropped` names it."""
    raw = envelope.fields.get("messages")
    if not isinstance(raw, Raw) or not any(mark in envelope.body for mark in _MARKS):
        return {}, ()
    try:
        messages = _MESSAGES.decode(raw)
    except UNREADABLE:
        return {}, ()  # the vendor will say what is wrong with it
    lost = False
    for message in messages:
        if message.get("role") != "assistant":
            continue
        lost |= _remove(message, _OF_MESSAGES)
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            lost |= isinstance(call, dict) and _remove(call, _OF_CALLS)
    return ({"messages": _ENCODE(messages)}, (Feature.THINKING_HISTORY.value,)) if lost else ({}, ())


def _remove(fields: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Whether any of them was there."""
    found = [name for name in names if name in fields]
    for name in found:
        del fields[name]
    return bool(found)
