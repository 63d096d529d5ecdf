"""Token counts of the Messages format, read into our meaning and written back.

`input_tokens` leaves out what came from the cache and what was written into it, so the whole prompt is the sum of the
three; `output_tokens` includes thinking. In a stream the counts are cumulative: what `message_delta` says replaces what
`message_start` said, where it says anything. Counts may be floats, absent or null.
Source: the official SDK's types and recorded streams.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from proxy.core.usage import Usage

_ANY = msgspec.json.Decoder()
#: No answer has as many tokens; what is larger is no count.
_MOST = 10**12
_NAMES = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class Tally:
    """What has been counted so far in one answer."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def take(self, raw: Raw) -> None:
        """Take in the bytes of a `usage` value; what is no count changes nothing."""
        try:
            value = _ANY.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        details = value.get("output_tokens_details")
        found = [(name, value.get(name)) for name in _NAMES]
        found.append(("thinking_tokens", details.get("thinking_tokens") if isinstance(details, dict) else None))
        for name, count in found:
            # The comparison is false for NaN, and for integers that no float can hold.
            if isinstance(count, int | float) and not isinstance(count, bool) and 0 <= count <= _MOST:
                self._counts[name] = math.ceil(count)

    def usage(self) -> Usage | None:
        """None: nothing was counted."""
        counts = self._counts
        if not counts:
            return None
        cached, written = counts.get("cache_read_input_tokens", 0), counts.get("cache_creation_input_tokens", 0)
        output = counts.get("output_tokens", 0)
        return Usage(
            input=counts.get("input_tokens", 0) + cached + written,
            output=output,
            cached=cached,
            cache_write=written,
            reasoning=min(counts.get("thinking_tokens", 0), output),
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
