"""Which vendors have which of the relayed endpoints, and how a relayed request is put together for them.

Conservative on purpose: a vendor that is not known to have an endpoint is not asked, so that a request goes to a target
that can serve it instead of collecting 404s. Servers of one's own may have anything and are asked. Source: the vendors'
documentation and SDKs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.settings import Provider
from proxy.wire.relay_envelope import rename_model
from proxy.wire.relays import RELAYS

_E = Endpoint
_IMAGES = frozenset({_E.IMAGES, _E.IMAGE_EDITS, _E.IMAGE_VARIATIONS})
_LISTENING = frozenset({_E.TRANSCRIPTIONS, _E.TRANSLATIONS})
_ALL = frozenset(RELAYS)
_NONE: frozenset[Endpoint] = frozenset()

#: By preset.
SERVED: Mapping[str, frozenset[Endpoint]] = MappingProxyType(
    {
        "openai": _ALL - {_E.RERANK},
        "groq": _LISTENING | {_E.SPEECH},
        "mistral": frozenset({_E.MODERATIONS, _E.TRANSCRIPTIONS}),
        "xai": frozenset({_E.IMAGES}),
        "together": _LISTENING | {_E.IMAGES, _E.SPEECH, _E.RERANK},
        "llamacpp": frozenset({_E.RERANK}),
        "sglang": frozenset({_E.RERANK}),
        "vllm": _ALL,
        "custom": _ALL,
    }
)
#: Kinds that speak OpenAI's format for all of it.
_KINDS = frozenset({"openai"})


def find_served(provider: Provider) -> frozenset[Endpoint]:
    """The relayed endpoints that this provider has."""
    return SERVED.get(provider.preset, _NONE) if provider.kind in _KINDS else _NONE


@dataclass(slots=True)
class Relayed:
    """A request without its host and credential. `path` is below the base URL."""

    path: str
    accept: str
    content_type: str
    body: bytes


def write_relay(call: Call, model: str) -> Relayed:
    """A relayed request for this upstream model."""
    envelope = call.envelope
    # Files and transcripts come in whatever type was asked for.
    accept = "*/*" if envelope.opaque or envelope.places is not None else "application/json"
    if envelope.stream and not envelope.opaque:
        accept = "text/event-stream"
    kind = envelope.content_type or "application/json"
    return Relayed(RELAYS[call.endpoint].path, accept, kind, rename_model(envelope, model))
