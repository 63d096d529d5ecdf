"""Can a target carry what a request needs? Two kinds of no, each with its sentence.

A *misfit* is certain: the provider does not serve the endpoint, its wire format has no words for something (audio for
Anthropic), the operator's `when` or context window says so. Such a target is never asked. A *doubt* comes from what is
bundled about models (`core/facts.py`), which ages: a doubtful target is passed over while the route has another one, and
asked when it has none, since its vendor knows best. A `when` that names a feature is the operator's word and
silences the doubt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.core.call import Needs
from proxy.core.endpoints import Endpoint
from proxy.core.features import Feature
from proxy.core.settings import Target, When

#: How the reason begins where the request is too long.
OVERSIZED = "the request has about "
#: How the reason begins where a provider has no such endpoint.
UNSERVED = "its provider does not serve "
_NOTHING: frozenset[Feature] = frozenset()


@dataclass(frozen=True, slots=True)
class Ability:
    """What a provider's wire format can do for each endpoint. `serves` None: everything. `refuses`: hard features that it
    has no words for."""

    serves: frozenset[Endpoint] | None = None
    refuses: Mapping[Endpoint, frozenset[Feature]] = field(default_factory=dict)

    def is_whole(self, endpoint: Endpoint) -> bool:
        """Nothing that a request to this endpoint may need is out of reach."""
        return (self.serves is None or endpoint in self.serves) and not self.refuses.get(endpoint)


ANYTHING = Ability()

#: What a `when` can name, besides tools and images, which have their own fields in `Needs`.
_CONDITIONS: tuple[tuple[str, Feature], ...] = (
    ("audio", Feature.AUDIO_INPUT),
    ("documents", Feature.DOCUMENTS),
    ("json_schema", Feature.JSON_SCHEMA),
    ("reasoning", Feature.REASONING),
)
_NAMED: Mapping[str, frozenset[Feature]] = {
    "tools": frozenset((Feature.TOOLS, Feature.PARALLEL_TOOLS, Feature.CUSTOM_TOOLS)),
    "images": frozenset((Feature.IMAGES, Feature.IMAGE_URLS)),
    **{name: frozenset((feature,)) for name, feature in _CONDITIONS},
}


def misfit(target: Target, ability: Ability, endpoint: Endpoint, needs: Needs) -> str | None:
    """Why this target must not be asked, as a sentence without a full stop; None: nothing certain speaks against it."""
    if ability.serves is not None and endpoint not in ability.serves:
        return UNSERVED + endpoint.value
    window = target.context_window
    if window is not None and needs.tokens > window:
        return f"{OVERSIZED}{needs.tokens} tokens, its context holds {window}"
    if target.when is not None and (unmet := _unmet(target.when, needs)) is not None:
        return unmet
    missing = needs.features & ability.refuses.get(endpoint, _NOTHING) if needs.features else _NOTHING
    return f"its wire format cannot carry {_list(missing)}" if missing else None


def doubt(target: Target, needs: Needs) -> str | None:
    """Why its model probably cannot do this; None: nothing known speaks against it."""
    facts = target.facts
    missing = needs.features & facts.lacks
    if missing and target.when is not None:
        missing -= _promised(target.when)
    if missing:
        return f"its model cannot do {_list(missing)}"
    if target.context_window is None and facts.context_window is not None and needs.tokens > facts.context_window:
        return f"the request has about {needs.tokens} tokens, its model's context holds {facts.context_window}"
    if facts.max_output is not None and needs.output > facts.max_output:
        return f"the request allows {needs.output} tokens of answer, its model writes {facts.max_output}"
    return None


def is_plain(target: Target, ability: Ability, endpoint: Endpoint) -> bool:
    """Neither can there be a misfit nor a doubt, but for sizes."""
    return target.when is None and not target.facts.lacks and ability.is_whole(endpoint)


def _list(features: frozenset[Feature]) -> str:
    return ", ".join(sorted(feature.value for feature in features))


def _promised(when: When) -> frozenset[Feature]:
    """What the operator says that it can do, by sending such requests there."""
    names = [name for name in _NAMED if getattr(when, name)]
    return frozenset().union(*(_NAMED[name] for name in names))


def _unmet(when: When, needs: Needs) -> str | None:
    """The first condition of `when` that is not met."""
    wanted = [
        ("tools", when.tools, needs.tools),
        ("images", when.images, needs.images),
        ("stream", when.stream, needs.stream),
        *((name, getattr(when, name), feature in needs.features) for name, feature in _CONDITIONS),
    ]
    for name, condition, need in wanted:
        if condition is not None and condition is not need:
            return f"it is for requests {'with' if condition else 'without'} {name}"
    if when.min_tokens is not None and needs.tokens < when.min_tokens:
        return f"it is for requests of at least {when.min_tokens} tokens, this has about {needs.tokens}"
    if when.max_tokens is not None and needs.tokens > when.max_tokens:
        return f"it is for requests of at most {when.max_tokens} tokens, this has about {needs.tokens}"
    return None
