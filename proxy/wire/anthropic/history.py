"""What other vendors left in a conversation, taken out before Anthropic sees it.

A client that was served by somebody else for a turn sends back what our encoder gave it: seals in envelopes, ids that carry
seals, sources that Anthropic never found. On the way to Anthropic nothing else of a body of its own format is touched, so
a body is searched for our marks, and only one that holds some is taken apart. A call that somebody else's model made without
a thought has no mark but its id; with a budget for thinking Claude cannot go on from it, so it is asked not to think.

Invariant: after it no envelope, no sealed id and no foreign source is left in `messages`, and everything else says what it
said. Source of what Anthropic refuses: its error messages.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from proxy.core.call import Envelope
from proxy.core.features import Feature
from proxy.wire.anthropic.citations import FOREIGN_INDEX
from proxy.wire.lenient import UNREADABLE
from proxy.wire.seals import ID_MARK, MARK, split_id, unwrap

#: The keys of a turn or a block, their values the bytes that they were.
Fields = dict[str, Raw]

_OBJECTS = msgspec.json.Decoder(list[Fields])
_VALUE = msgspec.json.Decoder()
_ENCODE = msgspec.json.Encoder().encode
_MARKS = (ID_MARK.encode(), b'"' + MARK.encode())
_THOUGHTS = ("thinking", "redacted_thinking")
#: What the ids of Claude's own calls begin with, at Anthropic and at the clouds.
_OWN_CALL = "toolu_"
_NO_THINKING = b'{"type":"disabled"}'
_UNTHINKING = f"{Feature.REASONING};approximated"


def list_changes(envelope: Envelope) -> tuple[dict[str, bytes | None], tuple[str, ...]]:
    """New values for fields of the body, as `splice` takes them, and what was lost, as `x-undimmed-dropped` names it."""
    messages = envelope.fields.get("messages")
    if not isinstance(messages, Raw):
        return {}, ()
    budget = _has_budget(envelope)
    marked = any(mark in envelope.body for mark in _MARKS)
    if not marked and not (budget and b'"tool_use"' in envelope.body):
        return {}, ()
    lost: set[Feature] = set()
    try:
        turns = _OBJECTS.decode(messages)
        if marked:
            turns = [turn for turn in turns if _clean(turn, lost)]
        unthinking = budget and _breaks_off(turns, bool(lost))
    except UNREADABLE:
        return {}, ()  # Anthropic will say what is wrong with it
    changes: dict[str, bytes | None] = {"messages": _ENCODE(turns)} if marked else {}
    if not unthinking:
        return changes, tuple(sorted(lost))
    changes["thinking"] = _NO_THINKING
    return changes, (*sorted(lost), _UNTHINKING)


def _clean(turn: Fields, lost: set[Feature]) -> bool:
    """Whether anything is left of the turn."""
    blocks = _list_blocks(turn)
    if not blocks:
        return True
    kept = [block for block in blocks if _clean_block(block, lost)]
    turn["content"] = Raw(_ENCODE(kept))
    return bool(kept)


def _clean_block(block: Fields, lost: set[Feature]) -> bool:
    """Whether the block may stay."""
    kind = _read(block, "type")
    if kind in _THOUGHTS:
        seal = _read(block, "signature" if kind == "thinking" else "data")
        if not isinstance(seal, str) or unwrap(seal) is None:
            return True
        lost.add(Feature.THINKING_HISTORY)
        return False
    for key in ("id", "tool_use_id"):
        carrier = _read(block, key)
        if isinstance(carrier, str) and ID_MARK in carrier:
            call_id, signature = split_id(carrier)
            block[key] = Raw(_ENCODE(call_id))
            if signature is not None:
                lost.add(Feature.SIGNATURES)
    citations = _read(block, "citations")
    if isinstance(citations, list):
        block["citations"] = Raw(_ENCODE([found for found in citations if not _is_foreign(found)] or None))
    return True


def _is_foreign(citation: object) -> bool:
    return isinstance(citation, dict) and citation.get("encrypted_index") == FOREIGN_INDEX


def _breaks_off(turns: Sequence[Fields], lost: bool) -> bool:
    """Whether the last turn of the assistant calls tools without a thought before them, because it was not Claude's. What
    Claude's own client has made of Claude's own turn is between the two. `lost`: thoughts of others were taken out."""
    for turn in reversed(turns):
        if _read(turn, "role") == "assistant":
            blocks = _list_blocks(turn)
            calls = [_read(block, "id") for block in blocks if _read(block, "type") == "tool_use"]
            foreign = lost or not all(isinstance(place, str) and place.startswith(_OWN_CALL) for place in calls)
            return bool(calls) and foreign and _read(blocks[0], "type") not in _THOUGHTS
    return False


def _has_budget(envelope: Envelope) -> bool:
    thinking = envelope.fields.get("thinking")
    return isinstance(thinking, Raw) and b'"enabled"' in bytes(thinking)


def _list_blocks(turn: Fields) -> list[Fields]:
    """None of a text. Raises what msgspec raises for lists of anything else."""
    content = turn.get("content")
    return _OBJECTS.decode(content) if content is not None and bytes(memoryview(content)[:1]) == b"[" else []


def _read(fields: Fields, key: str) -> object:
    """One value decoded; None: it is not there."""
    raw = fields.get(key)
    return None if raw is None else _VALUE.decode(raw)
