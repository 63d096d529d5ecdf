"""What other vendors left in a conversation, taken out before Anthropic sees it.

A client that was served by somebody else for a turn sends back what our encoder gave it: seals in envelopes, ids that carry
seals, sources that Anthropic never found. On the way to Anthropic nothing else of a body of its own format is touched, so
a body is searched for our marks, and only one that holds some is taken apart.

Invariant: after it no envelope, no sealed id and no foreign source is left in `messages`, and everything else says what it
said. Source of what Anthropic refuses: its error messages.
"""

from typing import Any

import msgspec
from msgspec import Raw

from proxy.core.call import Envelope
from proxy.core.features import Feature
from proxy.wire.anthropic.citations import FOREIGN_INDEX
from proxy.wire.seals import ID_MARK, MARK, split_id, unwrap

_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode
_MARKS = (ID_MARK.encode(), b'"' + MARK.encode())
_THOUGHTS = ("thinking", "redacted_thinking")


def list_changes(envelope: Envelope) -> tuple[dict[str, bytes | None], tuple[str, ...]]:
    """New values for fields of the body, as `splice` takes them, and what was lost, as `x-undimmed-dropped` names it."""
    messages = envelope.fields.get("messages")
    if not isinstance(messages, Raw) or not any(mark in envelope.body for mark in _MARKS):
        return {}, ()
    try:
        turns = _DECODE(messages)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}, ()  # Anthropic will say what is wrong with it
    lost: set[Feature] = set()
    kept = [turn for turn in turns if _clean(turn, lost)] if isinstance(turns, list) else turns
    changes: dict[str, bytes | None] = {"messages": _ENCODE(kept)}
    if lost and _breaks_off(kept) and _has_budget(envelope):
        # With a budget Anthropic goes on from a call only after a thought of its own.
        changes["thinking"] = b'{"type":"disabled"}'
    return changes, tuple(sorted(lost))


def _clean(turn: Any, lost: set[Feature]) -> bool:
    """Whether anything is left of the turn."""
    content = turn.get("content") if isinstance(turn, dict) else None
    if not isinstance(content, list):
        return True
    turn["content"] = kept = [block for block in content if not isinstance(block, dict) or _clean_block(block, lost)]
    return bool(kept) or not content


def _clean_block(block: dict[str, Any], lost: set[Feature]) -> bool:
    """Whether the block may stay."""
    if block.get("type") in _THOUGHTS:
        seal = block.get("signature") if block["type"] == "thinking" else block.get("data")
        if not isinstance(seal, str) or unwrap(seal) is None:
            return True
        lost.add(Feature.THINKING_HISTORY)
        return False
    for key in ("id", "tool_use_id"):
        carrier = block.get(key)
        if isinstance(carrier, str):
            block[key], seal = split_id(carrier)
            if seal is not None:
                lost.add(Feature.SIGNATURES)
    citations = block.get("citations")
    if isinstance(citations, list):
        block["citations"] = [found for found in citations if not _is_foreign(found)] or None
    return True


def _is_foreign(citation: object) -> bool:
    return isinstance(citation, dict) and citation.get("encrypted_index") == FOREIGN_INDEX


def _breaks_off(turns: object) -> bool:
    """Whether the last turn of the assistant calls tools without a thought before them."""
    for turn in reversed(turns) if isinstance(turns, list) else ():
        if isinstance(turn, dict) and turn.get("role") == "assistant":
            content = turn.get("content")
            kinds = [block.get("type") for block in content if isinstance(block, dict)] if isinstance(content, list) else []
            return "tool_use" in kinds and kinds[0] not in _THOUGHTS
    return False


def _has_budget(envelope: Envelope) -> bool:
    thinking = envelope.fields.get("thinking")
    return isinstance(thinking, Raw) and b'"enabled"' in bytes(thinking)
