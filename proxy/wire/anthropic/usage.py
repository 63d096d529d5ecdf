"""Token counts of the Messages format, read into our meaning and written back.

`input_tokens` leaves out what came from the cache and what was written into it, so the whole prompt is the sum of the
three; `output_tokens` includes thinking. In a stream the counts are cumulative: what `message_delta` says replaces what
`message_start` said, where it says anything. Counts may be floats, absent or null. What is written into the cache is told
once more by how long it stays, and the service tier stands among the counts. Other vendors with this format (Kimi,
DashScope) put the whole prompt into `message_start` and tell of the cache at the end: then that part is taken out of it.
Source: the official SDK's types and recorded streams.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from proxy.core.usage import Usage, unusual_tier

_ANY = msgspec.json.Decoder()
#: No answer has as many tokens; what is larger is no count.
_MOST = 10**12
_CACHE = ("cache_read_input_tokens", "cache_creation_input_tokens")
_PARTS = (("output_tokens_details", "thinking_tokens"), ("cache_creation", "ephemeral_1h_input_tokens"))
_NAMES = ("input_tokens", "output_tokens", *_CACHE)


class Tally:
    """What has been counted so far in one answer."""

    __slots__ = ("_counts", "_tier")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._tier = ""

    def take(self, raw: Raw) -> None:
        """Take in the bytes of a `usage` value; what is no count changes nothing."""
        try:
            value = _ANY.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        # "fast" is a speed, but costs as a tier does.
        tier = "fast" if value.get("speed") == "fast" else value.get("service_tier")
        if tier is not None:
            self._tier = unusual_tier(tier)
        found = [(name, value.get(name)) for name in _NAMES]
        for part, name in _PARTS:
            details = value.get(part)
            if isinstance(details, dict):
                found.append((name, details.get(name)))
        self._note(
            {
                name: math.ceil(count)
                for name, count in found
                # The comparison is false for NaN, and for integers that no float can hold.
                if isinstance(count, int | float) and not isinstance(count, bool) and 0 <= count <= _MOST
            }
        )

    def _note(self, told: dict[str, int]) -> None:
        counts = self._counts
        if "input_tokens" in counts and "input_tokens" not in told and not any(name in counts for name in _CACHE):
            counts["input_tokens"] = max(0, counts["input_tokens"] - sum(told.get(name, 0) for name in _CACHE))
        counts.update(told)

    def usage(self) -> Usage | None:
        """None: nothing was counted."""
        counts = self._counts
        if not counts:
            return None
        cached, written = counts.get("cache_read_input_tokens", 0), counts.get("cache_creation_input_tokens", 0)
        output = counts.get("output_tokens", 0)
        thought, kept = counts.get("thinking_tokens", 0), counts.get("ephemeral_1h_input_tokens", 0)
        return Usage(
            input=counts.get("input_tokens", 0) + cached + written,
            output=output,
            cached=cached,
            cache_write=written,
            reasoning=min(thought, output),
            cache_write_1h=min(kept, written),
            tier=self._tier,
            contradicts=thought > output or kept > written,
        )


def read_usage(raw: Raw) -> Usage | None:
    """The usage of a whole answer; None where it holds no count."""
    tally = Tally()
    tally.take(raw)
    return tally.usage()


def write_usage(usage: Usage) -> Mapping[str, Any]:
    """The `usage` object of a message or a `message_delta`."""
    return {
        "input_tokens": max(0, usage.input - usage.cached - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }
