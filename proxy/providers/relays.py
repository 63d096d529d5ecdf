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
from proxy.wire.resources import RESOURCES
from proxy.wire.websocket import write_handshake

_E = Endpoint
_IMAGES = frozenset({_E.IMAGES, _E.IMAGE_EDITS, _E.IMAGE_VARIATIONS})
_LISTENING = frozenset({_E.TRANSCRIPTIONS, _E.TRANSLATIONS})
_ALL = frozenset(RELAYS)
_ACCOUNT = frozenset({_E.FILES, _E.BATCHES})
_STORED = frozenset({_E.STORED, _E.INPUT_TOKENS, _E.COMPACT})
_NONE: frozenset[Endpoint] = frozenset()

#: By preset.
SERVED: Mapping[str, frozenset[Endpoint]] = MappingProxyType(
    {
        "openai": (_ALL | _ACCOUNT | _STORED | {_E.REALTIME}) - {_E.RERANK},
        "groq": _LISTENING | _ACCOUNT | {_E.SPEECH},
        "mistral": frozenset({_E.MODERATIONS, _E.TRANSCRIPTIONS, _E.FILES}),
        "xai": frozenset({_E.IMAGES}),
        "together": _LISTENING | {_E.IMAGES, _E.SPEECH, _E.RERANK},
        "llamacpp": frozenset({_E.RERANK}),
        "sglang": frozenset({_E.RERANK}),
        "vllm": _ALL | _ACCOUNT | _STORED | {_E.REALTIME},
        "custom": _ALL | _ACCOUNT | _STORED | {_E.REALTIME},
    }
)
#: Kinds that speak OpenAI's format for all of it.
RELAYING_KINDS = frozenset({"openai"})


#: The endpoints of this file.
RELAYED = frozenset(RELAYS) | frozenset(RESOURCES) | {_E.REALTIME}


def find_served(provider: Provider) -> frozenset[Endpoint]:
    """The relayed endpoints that this provider has."""
    if provider.kind not in RELAYING_KINDS:
        return _NONE
    served = SERVED.get(provider.preset, _NONE)
    return served | {_E.RELAY} if provider.relay else served


@dataclass(slots=True)
class Relayed:
    """A request without its host and credential. `path` is below the base URL. `content_type` "": it has no body. `lines`:
    further headers."""

    method: str
    path: str
    accept: str
    content_type: str
    body: bytes
    lines: str = ""


def write_relay(call: Call, model: str) -> Relayed:
    """A relayed request for this upstream model."""
    envelope = call.envelope
    if call.endpoint is _E.REALTIME:
        handshake = write_handshake(call, model)
        return Relayed("GET", handshake.path, "*/*", "", b"", handshake.lines)
    if call.endpoint in RESOURCES:
        kind = (envelope.content_type or "application/json") if envelope.body else ""
        accept = "*/*" if envelope.opaque else "application/json"
        return Relayed(call.method, call.path, accept, kind, envelope.body)
    # Files and transcripts come in whatever type was asked for.
    accept = "*/*" if envelope.opaque or envelope.places is not None else "application/json"
    if envelope.stream and not envelope.opaque:
        accept = "text/event-stream"
    kind = envelope.content_type or "application/json"
    return Relayed("POST", RELAYS[call.endpoint].path, accept, kind, rename_model(envelope, model))
