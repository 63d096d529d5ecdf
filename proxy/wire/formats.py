"""The formats that clients may speak: for each endpoint, how to read a request and how to say that it failed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from proxy.core.call import Call, Envelope, Needs
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.problem import Problem
from proxy.wire import openai_errors
from proxy.wire.anthropic import envelope as anthropic_envelope
from proxy.wire.anthropic import errors as anthropic_errors
from proxy.wire.anthropic import needs as anthropic_needs
from proxy.wire.openai_envelope import read_envelope
from proxy.wire.openai_needs import affinity_of, needs_of
from proxy.wire.relay_envelope import read_relayed
from proxy.wire.relays import RELAYS
from proxy.wire.resources import RESOURCES
from proxy.wire.responses import envelope as responses
from proxy.wire.responses.errors import error_event
from proxy.wire.websocket import read_session


@dataclass(frozen=True, slots=True)
class ClientFormat:
    """One client dialect. `read_envelope` raises EnvelopeError, and so does `read_request`, which stands in for it where
    more of the request matters than its body. `waiting` is a comment that keeps a stream alive (empty: nothing can be said
    there). `status_of` gives the status of an error reply as this dialect has it."""

    name: str
    read_envelope: Callable[[bytes, Endpoint], Envelope]
    needs_of: Callable[[Envelope], Needs]
    affinity_of: Callable[[Envelope], str]
    error_body: Callable[[Problem], bytes]
    error_event: Callable[[Problem], bytes]
    error_headers: Callable[[Problem], list[tuple[bytes, bytes]]]
    closing_comment: Callable[[Mapping[str, object]], bytes]
    waiting: bytes
    status_of: Callable[[int], int] = int
    read_request: Callable[[ClientRequest], Envelope] | None = None

    def read(self, request: ClientRequest) -> Envelope:
        """Raises EnvelopeError."""
        if self.read_request is None:
            return self.read_envelope(request.body, request.endpoint)
        return self.read_request(request)


OPENAI = ClientFormat(
    name="openai",
    read_envelope=read_envelope,
    needs_of=needs_of,
    affinity_of=affinity_of,
    error_body=openai_errors.error_body,
    error_event=openai_errors.error_event,
    error_headers=openai_errors.error_headers,
    closing_comment=openai_errors.closing_comment,
    waiting=openai_errors.WAITING,
)


def _read_relayed(request: ClientRequest) -> Envelope:
    return read_relayed(request.body, request.headers.get("content-type", ""), request.endpoint)


RELAYED = replace(OPENAI, name="relayed", read_request=_read_relayed)

#: For streams that are the bytes of a file: whatever else we wrote would be part of it.
MUTE = replace(RELAYED, name="mute", error_event=lambda _: b"", closing_comment=lambda _: b"", waiting=b"")

ANTHROPIC = ClientFormat(
    name="anthropic",
    read_envelope=anthropic_envelope.read_envelope,
    needs_of=anthropic_needs.needs_of,
    affinity_of=anthropic_needs.affinity_of,
    error_body=anthropic_errors.error_body,
    error_event=anthropic_errors.error_event,
    error_headers=anthropic_errors.error_headers,
    closing_comment=openai_errors.closing_comment,
    waiting=openai_errors.WAITING,
    status_of=anthropic_errors.status_of,
)

RESPONSES = ClientFormat(
    name="responses",
    read_envelope=responses.read_envelope,
    needs_of=responses.needs_of,
    affinity_of=responses.affinity_of,
    error_body=openai_errors.error_body,
    error_event=error_event,
    error_headers=openai_errors.error_headers,
    closing_comment=openai_errors.closing_comment,
    waiting=openai_errors.WAITING,
)

FORMATS: Mapping[Endpoint, ClientFormat] = MappingProxyType(
    {
        Endpoint.CHAT: OPENAI,
        Endpoint.COMPLETIONS: OPENAI,
        Endpoint.EMBEDDINGS: OPENAI,
        Endpoint.MESSAGES: ANTHROPIC,
        Endpoint.COUNT_TOKENS: ANTHROPIC,
        Endpoint.TOKENS: OPENAI,
        **dict.fromkeys(RELAYS, RELAYED),
        **dict.fromkeys(sorted(RESOURCES), OPENAI),
        Endpoint.REALTIME: replace(MUTE, name="realtime", read_request=read_session),
        Endpoint.RESPONSES: RESPONSES,
    }
)


def find_format(call: Call) -> ClientFormat:
    """How to speak to the client of this call."""
    return MUTE if call.envelope.opaque else FORMATS[call.endpoint]
