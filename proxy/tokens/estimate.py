"""An estimate of what an attempt used, for when its provider did not say.

Always marked as an estimate. `lower_bound` says that something could not be seen: hidden reasoning, remote images, files.
Meant for a thread: counting a long prompt takes tens of milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence

from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage, UsageSource
from proxy.tokens.count import Counter
from proxy.tokens.families import digit_extra, family_of
from proxy.tokens.parts import PromptParts
from proxy.tokens.prompt import prompt_texts
from proxy.tokens.vision import image_tokens


def _count(counter: Counter, texts: Iterable[str], model: str) -> int:
    family = family_of(model)
    total = 0
    for text in texts:
        total += counter.count(text, model)
        if family.digits:
            total += digit_extra(text)
    return family.scale(total)


def estimate_input(counter: Counter, parts: PromptParts, model: str) -> int:
    """Input tokens of a request at this upstream model."""
    family = family_of(model)
    total = _count(counter, parts.texts, model) + parts.tokens + parts.messages * family.message
    total += sum(image_tokens(model, image.size, image.detail) for image in parts.images)
    total += round(parts.audio_seconds * family.second) + parts.pages * family.page
    if parts.tools:
        total += family.tools_fixed + parts.tools * family.tool_each
    return total


def estimate_output(counter: Counter, texts: Sequence[str], model: str) -> int:
    """Output tokens of what was generated: one string per choice and kind, never one per chunk, since counts of
    fragments add up to more than the whole."""
    return _count(counter, texts, model)


def estimate(counter: Counter, endpoint: Endpoint, fields: Mapping[str, object], texts: Sequence[str], model: str) -> Usage:
    """Usage of one attempt. `fields` are the request's raw top-level JSON values, `texts` what came back so far."""
    parts = prompt_texts(endpoint, fields)
    return Usage(
        input=estimate_input(counter, parts, model),
        output=estimate_output(counter, texts, model),
        source=UsageSource.ESTIMATE,
        lower_bound=parts.lower_bound or (endpoint is Endpoint.CHAT and family_of(model).hides_reasoning),
    )
