"""An estimate of what an attempt used, for when its provider did not say.

Always marked as an estimate. `lower_bound` says that something could not be seen: hidden reasoning, remote images, files.
Media is kept apart from text, so that a factor learned from texts (`calibration.py`) touches only those.
Meant for a thread: counting a long prompt takes tens of milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage, UsageSource
from proxy.tokens.count import Counter
from proxy.tokens.families import Family, family_of
from proxy.tokens.parts import PromptParts, Tools
from proxy.tokens.prompt import prompt_texts
from proxy.tokens.tools import find_words, fixed_tokens, render
from proxy.tokens.vision import image_tokens

#: Of JSON that could not be opened.
UNREAD_PER_TOKEN = 4
#: Endpoints whose models may think before they answer.
_THINKING = frozenset((Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.MESSAGES))


class InputEstimate(Struct, frozen=True, gc=False):
    """Tokens a request would have, before any factor. `documents` are pages of files."""

    text: int
    images: int
    audio: int
    documents: int

    @property
    def raw(self) -> int:
        return self.text + self.media

    @property
    def media(self) -> int:
        return self.images + self.audio + self.documents

    def scaled(self, factor: float) -> int:
        """With the target's own factor over what is text."""
        return round(self.text * factor) + self.media


def _count(counter: Counter, texts: Iterable[str], model: str, family: Family) -> int:
    """In this family's own tokens, rounded half up."""
    total = 0
    for text in texts:
        found = counter.measure(text, model)
        total += (found.tokens + (found.digits if family.digits else 0)) * family.ratio(found.script)
    return (total + 50) // 100


def _count_tools(counter: Counter, tools: Tools, model: str, family: Family) -> int:
    hidden = family.tools
    if hidden is None:
        texts = [render(tools.functions), tools.named] if tools.named else [render(tools.functions)]
        return _count(counter, texts, model, family) + fixed_tokens(tools) + family.tools_fixed
    words = find_words(tools)
    total = _count(counter, words.texts, model, family) + (hidden.forced if tools.choice == "forced" else hidden.fixed)
    total += hidden.each * (len(tools.functions) - 1)
    return total + hidden.description * words.descriptions + hidden.prop * words.props


def estimate_input(counter: Counter, parts: PromptParts, model: str) -> InputEstimate:
    """Input tokens of a request at this upstream model."""
    family = family_of(model)
    text = _count(counter, parts.texts, model, family) + parts.tokens + parts.unread // UNREAD_PER_TOKEN
    text += parts.messages * family.message + parts.names * family.name
    if parts.tools is not None:
        text += _count_tools(counter, parts.tools, model, family)
    return InputEstimate(
        text=max(text, 0),
        images=sum(image_tokens(model, image.size, image.detail) for image in parts.images),
        audio=round(parts.audio_seconds * family.second),
        documents=parts.pages * family.page,
    )


def estimate_output(counter: Counter, texts: Sequence[str], model: str) -> int:
    """Output tokens of what was generated: one string per choice and kind, never one per chunk, since counts of
    fragments add up to more than the whole."""
    return _count(counter, texts, model, family_of(model))


def estimate(
    counter: Counter,
    endpoint: Endpoint,
    fields: Mapping[str, object],
    texts: Sequence[str] | None,
    model: str,
    factor: float = 1.0,
) -> Usage:
    """Usage of one attempt. `fields` are the request's raw top-level JSON values, `texts` what came back so far (None: only
    the input is asked for), `factor` what the target's own answers say about estimates like this one."""
    parts = prompt_texts(endpoint, fields)
    given = estimate_input(counter, parts, model)
    return Usage(
        input=given.scaled(factor),
        output=0 if texts is None else estimate_output(counter, texts, model),
        source=UsageSource.ESTIMATE,
        lower_bound=parts.lower_bound or (texts is not None and hides_output(endpoint, model)),
        image_in=given.images,
        audio_in=given.audio,
        raw_input=given.raw,
        factor=factor,
    )


def hides_output(endpoint: Endpoint, model: str) -> bool:
    """May the model bill output that nobody sees?"""
    return endpoint in _THINKING and family_of(model).hides_reasoning
