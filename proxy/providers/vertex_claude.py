"""Anthropic's models at Vertex AI: the Messages format, with the model in the path and the version in the body.

A body of the same format goes out as the bytes that came in, but for those two fields and what other vendors left in the
history; all other clients are served by translation. Source: Anthropic's SDK (`AnthropicVertex`).
"""

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.features import Fate, Feature
from proxy.core.settings import Target
from proxy.providers import translating
from proxy.wire.anthropic.answer import read_message
from proxy.wire.anthropic.history import list_changes
from proxy.wire.anthropic.relay import MessagesReader
from proxy.wire.anthropic.vendor import MESSAGES_FORMAT
from proxy.wire.openai_envelope import read_envelope, splice
from proxy.wire.reading import Answer, StreamReader

VERSION = b'"vertex-2023-10-16"'
QUESTION = b'{"anthropic_version":%b,"max_tokens":1,"messages":[{"role":"user","content":"hi"}]}' % VERSION
#: Client headers that matter to these models alone.
FORWARDED = ("anthropic-beta",)
_OUTSIDE: dict[str, bytes | None] = {"model": None, "anthropic_version": VERSION}


def is_claude(model: str) -> bool:
    return model.startswith("claude-")


def verb_of(call: Call) -> str:
    return "streamRawPredict" if call.envelope.stream else "rawPredict"


def fate_of(endpoint: Endpoint, feature: Feature) -> Fate:
    return Fate.CARRIED if endpoint is Endpoint.MESSAGES else MESSAGES_FORMAT.fates[feature]


def write_body(call: Call, target: Target) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the names of what it could not carry. Raises EnvelopeError."""
    if call.endpoint is Endpoint.MESSAGES:
        changes, dropped = list_changes(call.envelope)
        return splice(call.envelope, {**changes, **_OUTSIDE}), dropped
    body, dropped = translating.write_request(call, MESSAGES_FORMAT, target.model, target.facts)
    return splice(read_envelope(body, Endpoint.MESSAGES), _OUTSIDE), dropped


def open_reader(call: Call) -> StreamReader:
    return MessagesReader() if call.endpoint is Endpoint.MESSAGES else translating.open_reader(call, MESSAGES_FORMAT)


def read_answer(call: Call, body: bytes) -> Answer:
    if call.endpoint is Endpoint.MESSAGES:
        return read_message(body)
    return translating.read_answer(call, MESSAGES_FORMAT, body)
