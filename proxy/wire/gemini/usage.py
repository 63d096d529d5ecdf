"""Token counts of an answer: `usageMetadata`, cumulative in a stream, where a count that is missing is 0.

What a hosted tool put into the prompt is counted beside it, and thinking beside the answer; cached tokens are part of the
prompt. Prompt, tools' prompt, answer and thoughts add up to the total. Source: recorded answers.
"""

import math

import msgspec

from proxy.core.usage import Usage

Count = int | float | None


class UsageMetadata(msgspec.Struct, gc=False, rename="camel"):
    prompt_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    cached_content_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None


def read_usage(metadata: UsageMetadata) -> Usage | None:
    """None where nothing was counted at all."""
    given = _read(metadata.prompt_token_count) + _read(metadata.tool_use_prompt_token_count)
    thought = _read(metadata.thoughts_token_count)
    written = _read(metadata.candidates_token_count) + thought
    if not given and not written:
        return None
    return Usage(given, written, min(_read(metadata.cached_content_token_count), given), 0, thought)


def _read(count: Count) -> int:
    if type(count) is int:
        return max(count, 0)
    return math.ceil(count) if count and math.isfinite(count) and count > 0 else 0
