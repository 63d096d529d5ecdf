"""Token counts as OpenAI and its imitators report them, turned into one meaning.

`prompt_tokens` contains the cached ones and `completion_tokens` the reasoning ones, for OpenAI and nearly everybody; xAI and
Perplexity count reasoning (and citations) on top. DeepSeek says hit and miss instead of cached. Counts may be floats,
absent, null or -1; a part is never larger than its whole. Audio and images are parts too; of the cached ones only Realtime
tells the kinds (`cached_tokens_details`). Older recordings and SDKs of the vendors are the source.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.core.usage import Usage, unusual_tier

_ANY = msgspec.json.Decoder()
#: No answer has as many tokens; what is larger is no count.
_MOST = 10**12


class _PromptParts(msgspec.Struct, gc=False):
    cached_tokens: int
    cache_write_tokens: int = 0
    cache_creation_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class _CompletionParts(msgspec.Struct, gc=False):
    reasoning_tokens: int
    audio_tokens: int = 0
    image_tokens: int = 0


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
    """None: some count is odd (negative, a part larger than its whole) or rare (audio, images), so the general rules have to
    look."""
    total_in, total_out = value.prompt_tokens, value.completion_tokens
    parts = value.prompt_tokens_details
    cached, written = parts.cached_tokens, parts.cache_write_tokens or parts.cache_creation_tokens
    made = value.completion_tokens_details
    if parts.audio_tokens or parts.image_tokens or made.audio_tokens or made.image_tokens:
        return None
    reasoning = made.reasoning_tokens
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
    usage = Usage(
        input=total_in,
        output=total_out,
        cached=min(cached, total_in),
        cache_write=min(written, max(0, total_in - cached)),
        reasoning=min(reasoning, total_out),
        contradicts=cached > total_in or written > total_in - cached or reasoning > total_out,
    )
    _read_kinds(usage, prompt_parts, completion_parts)
    return usage


def _read_kinds(usage: Usage, prompt: Mapping[str, Any], completion: Mapping[str, Any]) -> None:
    """Audio and images among the tokens."""
    usage.audio_in = min(_read_count(prompt, "audio_tokens") or 0, usage.input)
    usage.image_in = min(_read_count(prompt, "image_tokens") or 0, usage.input - usage.audio_in)
    usage.audio_out = min(_read_count(completion, "audio_tokens") or 0, usage.output)
    usage.image_out = min(_read_count(completion, "image_tokens") or 0, usage.output - usage.audio_out)
    cached = _get_parts(prompt, "cached_tokens_details")
    usage.audio_cached = min(_read_count(cached, "audio_tokens") or 0, usage.audio_in, usage.cached)
    usage.image_cached = min(_read_count(cached, "image_tokens") or 0, usage.image_in, usage.cached - usage.audio_cached)


def note_tier(usage: Usage | None, tier: object) -> None:
    """Write the `service_tier` that stands beside a usage into it."""
    if usage is not None and tier is not None:
        usage.tier = unusual_tier(tier)


class _Beside(msgspec.Struct, gc=False):
    service_tier: Any = None


_BESIDE = msgspec.json.Decoder(_Beside).decode


def find_tier(event: bytes) -> object:
    """The `service_tier` of an answer, or of an event that has been read before: only those with usage are looked at."""
    if b'"service_tier"' not in event:
        return None
    try:
        return _BESIDE(event).service_tier
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # read only after a repair


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
