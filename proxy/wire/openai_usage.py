"""Token counts as OpenAI and its imitators report them, turned into one meaning.

`prompt_tokens` contains the cached ones and `completion_tokens` the reasoning ones, for OpenAI and nearly everybody; xAI and
Perplexity count reasoning (and citations) on top. DeepSeek says hit and miss instead of cached. Counts may be floats,
absent, null or -1; a part is never larger than its whole. Older recordings and SDKs of the vendors are the source.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.core.usage import Usage

_ANY = msgspec.json.Decoder()
#: No answer has as many tokens; what is larger is no count.
_MOST = 10**12


class _PromptParts(msgspec.Struct, gc=False):
    cached_tokens: int
    cache_write_tokens: int = 0
    cache_creation_tokens: int = 0


class _CompletionParts(msgspec.Struct, gc=False):
    reasoning_tokens: int


class UsualUsage(msgspec.Struct, gc=False):
    """What OpenAI itself and most others send. Whatever does not fit is read by the general rules."""

    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptParts
    completion_tokens_details: _CompletionParts


_USUAL = msgspec.json.Decoder(UsualUsage).decode


def read_usage(raw: msgspec.Raw | bytes, reasoning_outside: bool = False) -> Usage | None:
    """The usage in the bytes of a `usage` value; None where they hold no count."""
    if not reasoning_outside:
        try:
            return make_usual(_USUAL(raw)) or make_usage(_ANY.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # not the usual shape, or not readable at all, which the general reading finds out
    try:
        value = _ANY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return make_usage(value, reasoning_outside) if isinstance(value, dict) else None


def make_usual(value: UsualUsage) -> Usage | None:
    """None: some count is odd (negative, a part larger than its whole), so the general rules have to look."""
    total_in, total_out = value.prompt_tokens, value.completion_tokens
    parts = value.prompt_tokens_details
    cached, written = parts.cached_tokens, parts.cache_write_tokens or parts.cache_creation_tokens
    reasoning = value.completion_tokens_details.reasoning_tokens
    if total_out < 0 or cached < 0 or written < 0 or cached + written > total_in or not 0 <= reasoning <= total_out:
        return None
    return Usage(total_in, total_out, cached, written, reasoning)


def make_usage(value: Mapping[str, Any], reasoning_outside: bool = False) -> Usage | None:
    """The same, decoded. None where neither side was counted."""
    prompt = _read_count(value, "prompt_tokens", "input_tokens")
    completion = _read_count(value, "completion_tokens", "output_tokens")
    if prompt is None and completion is None:
        return None
    prompt_parts = _get_parts(value, "prompt_tokens_details", "input_tokens_details")
    completion_parts = _get_parts(value, "completion_tokens_details", "output_tokens_details")
    cached = _read_count(prompt_parts, "cached_tokens")
    if cached is None:
        cached = _read_count(value, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens") or 0
    written = _read_count(prompt_parts, "cache_write_tokens", "cache_creation_tokens") or 0
    reasoning = _read_count(completion_parts, "reasoning_tokens")
    if reasoning is None:
        reasoning = _read_count(value, "reasoning_tokens") or 0
    total_in, total_out = prompt or 0, completion or 0
    if prompt is None:
        total_in = (_read_count(value, "prompt_cache_hit_tokens") or 0) + (
            _read_count(value, "prompt_cache_miss_tokens") or 0
        )
    if reasoning_outside:
        total_out += reasoning + (_read_count(value, "citation_tokens") or 0)
    cached = min(cached, total_in)
    return Usage(
        input=total_in,
        output=total_out,
        cached=cached,
        cache_write=min(written, total_in - cached),
        reasoning=min(reasoning, total_out),
    )


def _get_parts(value: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        parts = value.get(name)
        if isinstance(parts, dict):
            return parts
    return {}


def _read_count(value: Mapping[str, Any], *names: str) -> int | None:
    """The first of these that is a count. -1 stands for unknown."""
    for name in names:
        count = value.get(name)
        if isinstance(count, bool) or not isinstance(count, int | float):
            continue
        if 0 <= count <= _MOST:  # false for NaN, and for integers that no float can hold
            return math.ceil(count)
    return None
