"""The members of Cohere's answers and events, as lenient structs; what is shared by whole answers and streams.

Counts are floats. `tokens` is what the model read and wrote, `billed_units` what costs money: Cohere's own instructions are
in the first and not in the second. Source: Cohere's SDK.
"""

import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.pieces import Citation, Finish

FINISHES: Mapping[str, Finish] = {
    "COMPLETE": Finish.STOP,
    "STOP_SEQUENCE": Finish.STOP_SEQUENCE,
    "MAX_TOKENS": Finish.LENGTH,
    "TOOL_CALL": Finish.TOOL_CALLS,
    "ERROR_TOXIC": Finish.CONTENT_FILTER,
}
_FAILURES = frozenset(("ERROR", "TIMEOUT"))


class Counts(Struct, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None


class CohereUsage(Struct, gc=False):
    tokens: Counts | None = None
    billed_units: Counts | None = None
    cached_tokens: float | None = None


class CohereFunction(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class CohereCall(Struct, gc=False):
    id: str | None = None
    function: CohereFunction | None = None


class CohereContent(Struct, gc=False):
    """`type` stands only at a content's start."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


def read_usage(usage: CohereUsage | None) -> Usage | None:
    """None where nothing was counted."""
    if usage is None:
        return None
    counts, billed = usage.tokens, usage.billed_units
    counts = counts or billed
    if counts is None or (counts.input_tokens is None and counts.output_tokens is None):
        return None
    given = _count(counts.input_tokens)
    cached = _count(usage.cached_tokens)
    found = Usage(given, _count(counts.output_tokens), min(cached, given), contradicts=cached > given)
    if billed is not None:
        found.billed = (_count(billed.input_tokens), _count(billed.output_tokens))
    return found


def judge_finish(reason: str | None, message: str | None) -> Outcome | None:
    """The failure that a reason to stop stands for, if it does. `message`: what an event says besides."""
    if reason not in _FAILURES and not message:
        return None
    return Outcome(OutcomeKind.SERVER_ERROR, message=message or f"the model stopped with {reason}", code=reason)


def read_source(raw: Mapping[str, Any]) -> Citation:
    """The first source that has an address or a title; a citation may have several, they stay in `raw`."""
    sources = raw.get("sources")
    for source in sources if isinstance(sources, list) else ():
        document = source.get("document") if isinstance(source, dict) else None
        if isinstance(document, dict):
            url, title = document.get("url"), document.get("title")
            return Citation(url if isinstance(url, str) else "", title if isinstance(title, str) else "", raw)
    return Citation(raw=raw)


def _count(value: float | None) -> int:
    return math.ceil(value) if value is not None and math.isfinite(value) and value > 0 else 0
