"""Token counts of an answer: `usageMetadata`, cumulative in a stream, where a count that is missing is 0.

What a hosted tool put into the prompt is counted beside it, and thinking beside the answer; cached tokens are part of the
prompt. Prompt, tools' prompt, answer and thoughts add up to the total. Lists beside them say how much of each was audio,
images or video; video is counted as the images it is sampled into. Source: recorded answers and the SDK's types.
"""

import math
from typing import Any

import msgspec

from proxy.core.usage import Usage, unusual_tier

Count = int | float | None


#: Vertex names the tier by the kind of traffic that it was.
_TRAFFIC = {"ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex"}


class UsageMetadata(msgspec.Struct, gc=False, rename="camel"):
    prompt_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    cached_content_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    prompt_tokens_details: Any = None
    tool_use_prompt_tokens_details: Any = None
    cache_tokens_details: Any = None
    candidates_tokens_details: Any = None
    service_tier: Any = None
    traffic_type: Any = None


def read_usage(metadata: UsageMetadata) -> Usage | None:
    """None where nothing was counted at all."""
    given = _read(metadata.prompt_token_count) + _read(metadata.tool_use_prompt_token_count)
    thought = _read(metadata.thoughts_token_count)
    written = _read(metadata.candidates_token_count) + thought
    if not given and not written:
        return None
    told = _read(metadata.cached_content_token_count)
    cached = min(told, given)
    usage = Usage(given, written, cached, 0, thought, contradicts=told > given)
    audio, image = _read_kinds(metadata.prompt_tokens_details)
    if metadata.tool_use_prompt_tokens_details is not None:
        more_audio, more_image = _read_kinds(metadata.tool_use_prompt_tokens_details)
        audio, image = audio + more_audio, image + more_image
    if audio or image:
        usage.audio_in = min(audio, given)
        usage.image_in = min(image, given - usage.audio_in)
        audio, image = _read_kinds(metadata.cache_tokens_details)
        usage.audio_cached = min(audio, usage.audio_in, cached)
        usage.image_cached = min(image, usage.image_in, cached - usage.audio_cached)
    audio, image = _read_kinds(metadata.candidates_tokens_details)
    if audio or image:
        usage.audio_out = min(audio, written - thought)
        usage.image_out = min(image, written - thought - usage.audio_out)
    if metadata.service_tier is not None or metadata.traffic_type is not None:
        usage.tier = unusual_tier(metadata.service_tier or _TRAFFIC.get(str(metadata.traffic_type)))
    return usage


def _read_kinds(details: object) -> tuple[int, int]:
    """Audio and images (video too) of a list `[{"modality": "TEXT", "tokenCount": 427}]`. Every event of a stream has one,
    of text alone as a rule."""
    audio = image = 0
    for part in details if isinstance(details, list) else ():
        kind = part.get("modality") if isinstance(part, dict) else "TEXT"
        if kind == "AUDIO":
            audio += _read(part.get("tokenCount"))
        elif kind in ("IMAGE", "VIDEO"):
            image += _read(part.get("tokenCount"))
    return audio, image


def _read(count: Any) -> int:
    if type(count) is int:
        return max(count, 0)
    return math.ceil(count) if isinstance(count, float) and math.isfinite(count) and count > 0 else 0
