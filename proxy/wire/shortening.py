"""A request for a shorter answer: the same request, with a lower limit on what may be generated."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Raw

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.openai_envelope import read_value, splice

#: How each format names the limit, in the order in which it is looked for.
LIMITS: Mapping[Endpoint, tuple[str, ...]] = MappingProxyType(
    {
        Endpoint.CHAT: ("max_completion_tokens", "max_tokens"),
        Endpoint.COMPLETIONS: ("max_tokens",),
        Endpoint.MESSAGES: ("max_tokens",),
        Endpoint.RESPONSES: ("max_output_tokens",),
    }
)


def shorten(call: Call, most: int, usual: str) -> Call | None:
    """The call with an answer of `most` tokens at most; None: it asks for no more anyway, or for none. `usual`: the field to
    write in a chat that names none, since vendors know it by different names."""
    names = LIMITS.get(call.endpoint)
    if names is None:
        return None
    envelope = call.envelope
    written = next((name for name in names if name in envelope.fields), None)
    if written is not None:
        limit = read_value(envelope, written)
        if isinstance(limit, int) and not isinstance(limit, bool) and limit <= most:
            return None
    name = written or (usual if call.endpoint is Endpoint.CHAT else names[0])
    return _with_envelope(call, _with_field(envelope, name, b"%d" % most))


def _with_field(envelope: Envelope, name: str, value: bytes) -> Envelope:
    body = splice(envelope, {name: value})
    fields = {**envelope.fields, name: Raw(value)}
    return Envelope(envelope.model, envelope.stream, envelope.wants_usage, fields, body, envelope.content_type)


def _with_envelope(call: Call, envelope: Envelope) -> Call:
    """What was read of the old envelope is not taken over."""
    return Call(
        call.id,
        call.endpoint,
        envelope,
        call.headers,
        needs=call.needs,
        affinity=call.affinity,
        wall=call.wall,
        method=call.method,
        path=call.path,
    )
