"""Words that reading and writing share, so that what one writes the other understands.

Seals have no place of their own in OpenAI's format. They travel in OpenRouter's: `reasoning_details` beside
`reasoning_content`, the vendor named in `format`; Gemini's seal on a call in `extra_content`, as Google's own
OpenAI-compatible endpoint spells it.
"""

from collections.abc import Mapping
from typing import Any

from proxy.wire.dialogue import ANTHROPIC, BEDROCK, GOOGLE, OPENAI, Thinking
from proxy.wire.pieces import Finish

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

#: Tiers that OpenAI's schema knows, and what others call them.
TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast"))
TIER_WORDS: Mapping[str, str] = {"standard": "default", "standard_only": "default", "on_demand": "default"}

FINISH_WORDS: Mapping[Finish, str] = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.CONTENT_FILTER: "content_filter",
    Finish.REFUSAL: "content_filter",
    Finish.PAUSE: "stop",
}

#: `model_length` is Mistral's. What nobody knows is an end like any other.
FINISHES: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "model_length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
}

SEAL_FORMATS: Mapping[str, str] = {
    ANTHROPIC: "anthropic-claude-v1",
    GOOGLE: "google-gemini-v1",
    OPENAI: "openai-responses-v1",
    BEDROCK: "bedrock-converse-v1",
}
SEAL_VENDORS: Mapping[str, str] = {name: vendor for vendor, name in SEAL_FORMATS.items()} | {
    "azure-openai-responses-v1": OPENAI,
}


def spell_detail(thinking: Thinking, index: int) -> dict[str, Any]:
    """One entry of `reasoning_details`."""
    detail: dict[str, Any] = {"type": "reasoning.text", "text": thinking.text, "signature": thinking.signature}
    if thinking.redacted is not None:
        detail = {"type": "reasoning.encrypted", "data": thinking.redacted}
    return {**detail, "format": SEAL_FORMATS.get(thinking.vendor, "unknown"), "index": index}


def spell_signature(signature: str) -> dict[str, Any]:
    """A call's `extra_content`."""
    return {"google": {"thought_signature": signature}}


def read_signature(extra: object) -> str | None:
    """The seal in a call's `extra_content`."""
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None


def spell_tier(tier: str | None) -> str | None:
    """A service tier as OpenAI would name it; None: it has no name for it."""
    known = TIER_WORDS.get(tier, tier) if tier is not None else None
    return known if known in TIERS else None
