"""Requests in Anthropic's Messages format, for whoever serves it: Anthropic, and the clouds that offer its models.

A client of the format itself is forwarded as the bytes that came, but for the model's name and for what other vendors left
in the conversation; any other client's request is written anew. Clouds that name the model in the path want it left out of
the body, and the version of the API put in. Refuses to know paths, heads and credentials.
"""

from dataclasses import dataclass

import msgspec

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.features import Fate, Feature
from proxy.core.settings import Target
from proxy.providers import translating
from proxy.providers.model_facts import facts_of
from proxy.wire.anthropic.answer import read_count, read_message
from proxy.wire.anthropic.body import write_body
from proxy.wire.anthropic.fates import FATES
from proxy.wire.anthropic.history import list_changes
from proxy.wire.anthropic.relay import MessagesReader
from proxy.wire.anthropic.vendor import MESSAGES_FORMAT
from proxy.wire.dialects import CLIENTS
from proxy.wire.joints.extending import extend
from proxy.wire.openai_envelope import read_value, splice
from proxy.wire.reading import Answer, StreamReader
from proxy.wire.translation import name_losses

#: Endpoints whose clients speak the format itself.
NATIVE = frozenset((Endpoint.MESSAGES, Endpoint.COUNT_TOKENS))
#: All that can be served in it.
SERVED = NATIVE | frozenset(CLIENTS)

#: Takes sampling parameters, as most clients expect.
OLD_VERSION = "2023-06-01"
#: Refuses them; what is written anew without any is asked in this one.
NEW_VERSION = "2026-10-21"
#: What Vertex AI and Bedrock call the old one.
OLD_VERTEX_VERSION = "vertex-2023-10-16"
OLD_BEDROCK_VERSION = "bedrock-2023-05-31"

_ENCODE = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Draft:
    """A body, what of the request it could not carry, and the version of the API that it is written in."""

    body: bytes
    dropped: tuple[str, ...]
    version: str


def write_messages(call: Call, target: Target) -> Draft:
    """The body for Anthropic itself. Raises EnvelopeError for what the format cannot say."""
    if call.endpoint not in NATIVE:
        return _write_anew(call, target)
    envelope = call.envelope
    changes, dropped = list_changes(envelope)
    if target.model != envelope.model:
        changes["model"] = _ENCODE(target.model)
    return Draft(splice(envelope, changes), dropped, call.headers.get("anthropic-version", OLD_VERSION))


def to_vertex_body(call: Call, target: Target) -> Draft:
    """The same for Vertex AI: the model stands in the path, and the version in the body. Raises EnvelopeError."""
    if call.endpoint not in NATIVE:
        draft = _write_anew(call, target)
        version = _name_for_vertex(draft.version)
        # The model is what such a body begins with.
        start = len(b'{"model":,') + len(_ENCODE(target.model))
        return Draft(b'{"anthropic_version":%b,' % _ENCODE(version) + draft.body[start:], draft.dropped, version)
    changes, dropped = list_changes(call.envelope)
    version = _name_for_vertex(call.headers.get("anthropic-version", OLD_VERSION))
    changes |= {"model": None, "anthropic_version": _ENCODE(version)}
    return Draft(splice(call.envelope, changes), dropped, version)


def to_bedrock_body(call: Call, target: Target) -> Draft:
    """The body of a client of the format itself for InvokeModel at Bedrock: version and betas stand in it, the model and
    whether it streams in the path. Raises nothing."""
    changes, dropped = list_changes(call.envelope)
    version = NEW_VERSION if _know(target).sampling is False else OLD_BEDROCK_VERSION
    changes |= {"model": None, "stream": None, "anthropic_version": _ENCODE(version)}
    betas = [name.strip() for name in call.headers.get("anthropic-beta", "").split(",")]
    if any(betas) and "anthropic_beta" not in call.envelope.fields:
        changes["anthropic_beta"] = _ENCODE([name for name in betas if name])
    return Draft(splice(call.envelope, changes), dropped, version)


def write_continuation(call: Call, target: Target, text: str) -> Call | None:
    """The call that asks Claude to go on with an answer. None: this model does not, none does that thinks first, and a plain
    prompt is the user's turn however it ends."""
    if call.endpoint is Endpoint.COMPLETIONS or not _know(target).prefill or _asks_for_thought(call):
        return None
    return extend(call, text)


def _asks_for_thought(call: Call) -> bool:
    if call.endpoint in NATIVE:
        thinking = read_value(call.envelope, "thinking")
        return isinstance(thinking, dict) and thinking.get("type") != "disabled"
    reasoning = translating.read_dialogue(call).reasoning
    return reasoning is not None and reasoning.effort != "none"


def open_reader(call: Call) -> StreamReader:
    """A reader of the stream that comes back."""
    return MessagesReader() if call.endpoint in NATIVE else translating.open_reader(call, MESSAGES_FORMAT)


def read_answer(call: Call, body: bytes) -> Answer:
    """The whole answer that comes back, judged and in the client's format."""
    if call.endpoint is Endpoint.COUNT_TOKENS:
        return read_count(body)
    return read_message(body) if call.endpoint in NATIVE else translating.read_answer(call, MESSAGES_FORMAT, body)


def find_fate(endpoint: Endpoint, feature: Feature) -> Fate:
    """What becomes of a feature of a request to this endpoint."""
    if endpoint in NATIVE:
        return Fate.CARRIED
    return FATES[feature] if endpoint in SERVED else Fate.REFUSED


def _write_anew(call: Call, target: Target) -> Draft:
    dialogue = translating.adapt(translating.read_dialogue(call), FATES)
    written = write_body(dialogue, target.model, _know(target))
    version = OLD_VERSION if written.sampled else NEW_VERSION
    return Draft(written.body, name_losses(dialogue, written, FATES), version)


def _know(target: Target) -> ModelFacts:
    """A model that a client named by itself comes without what is known of it."""
    return facts_of(target.model) if target.facts is UNKNOWN else target.facts


def _name_for_vertex(version: str) -> str:
    return OLD_VERTEX_VERSION if version == OLD_VERSION else version
