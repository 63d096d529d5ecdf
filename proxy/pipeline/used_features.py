"""Which features a call used, for its record: what was found out on its way anyway, and nothing that would cost a look.

Where the request was read whole (for another vendor's format) or weighed (for a route whose targets differ) all of it is
known; else the plain fields of its envelope tell about tools and reasoning.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from proxy.core.call import Call
from proxy.core.features import Feature
from proxy.wire.dialogue import Dialogue

#: Top-level fields of any client's format that are a feature by being there.
_FLAGS: Mapping[str, Feature] = MappingProxyType(
    {
        "tools": Feature.TOOLS,
        "functions": Feature.TOOLS,
        "reasoning_effort": Feature.REASONING,
        "reasoning": Feature.REASONING,
        "thinking": Feature.REASONING,
    }
)
_NAMES = frozenset(_FLAGS)
#: Values that say the same as no value.
_EMPTY = frozenset((b"null", b"[]", b"{}", b'"none"'))


def list_features(call: Call) -> tuple[str, ...]:
    """Their names, sorted."""
    if isinstance(call.dialogue, Dialogue):
        return _sort(call.dialogue.features)
    if call.needs is not None and call.needs.features:
        return _sort(call.needs.features)
    fields = call.envelope.fields
    if _NAMES.isdisjoint(fields):
        return ()
    return _sort({_FLAGS[name] for name in _NAMES.intersection(fields) if bytes(fields[name]) not in _EMPTY})  # type: ignore[call-overload]


def _sort(features: Iterable[Feature]) -> tuple[str, ...]:
    return tuple(sorted(feature.value for feature in features))
