"""What the name of a Claude model says about how it wants to be asked, where nothing else is known of it.

Whoever serves it, the name holds the version: `claude-sonnet-4-5-20250929`, `anthropic.claude-3-7-sonnet-20250219-v1:0`,
`claude-opus-4-1@20250805`. What the facts say already is not touched. Sources: the documentation's tables of what each
version takes, and the errors that others give.
"""

import re
from dataclasses import replace
from functools import lru_cache

from proxy.core.facts import ModelFacts

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:-(\d{1,2}))?(?!\d)")

#: Up to this version thinking has a budget; from it on it adapts, and a last turn of the assistant is refused.
_ADAPTIVE = (4, 6)
#: From here on any temperature is refused.
_UNSAMPLED = (4, 7)
#: From here on answers can follow a schema, and tools be strict.
_SCHEMAS = (4, 5)


@lru_cache(maxsize=1024)
def complete(facts: ModelFacts, model: str) -> ModelFacts:
    """The facts with what the model's name adds to them."""
    found = _VERSION.search(model)
    if found is None:
        return facts
    version = (int(found[1]), int(found[2] or 0))
    return replace(
        facts,
        adaptive_thinking=_choose(facts.adaptive_thinking, version >= _ADAPTIVE),
        sampling=_choose(facts.sampling, version < _UNSAMPLED),
        native_schema=_choose(facts.native_schema, version >= _SCHEMAS),
        prefill=_choose(facts.prefill, version < _ADAPTIVE),
    )


def _choose(known: bool | None, guess: bool) -> bool:
    return guess if known is None else known
