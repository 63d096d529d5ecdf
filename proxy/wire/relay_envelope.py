"""The outside of a relayed request, JSON or form: model, stream, and nothing else.

What routing judged is what goes upstream: a form whose `model` or `stream` could be read in two ways is refused here.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from proxy.core.call import Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.multipart import Form, read_boundary, read_form, replace_field
from proxy.wire.openai_envelope import EnvelopeError, read_fields, read_model, read_stream, splice
from proxy.wire.relays import RELAYS, Relay

_ENCODE = msgspec.json.Encoder().encode
#: How forms spell booleans.
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": False}
#: Read by us, so they must have exactly one value.
_JUDGED = ("model", "stream", "response_format")


def read_relayed(body: bytes, content_type: str, endpoint: Endpoint) -> Envelope:
    """Raises EnvelopeError where the body is not what the endpoint takes."""
    relay = RELAYS[endpoint]
    return _read_form(body, content_type, relay) if relay.form else _read_json(body, relay)


def rename_model(envelope: Envelope, model: str) -> bytes:
    """The body as it goes to an upstream model of this name."""
    if envelope.places is None:
        return splice(envelope, {} if model == envelope.model else {"model": _ENCODE(model)})
    if model == envelope.model:
        return envelope.body
    return replace_field(envelope.body, read_boundary(envelope.content_type), "model", envelope.places.get("model"), model)


def _read_json(body: bytes, relay: Relay) -> Envelope:
    fields = read_fields(body)
    model = read_model(fields.get("model"), relay.model)
    if not relay.sound:
        return Envelope(model, bool(relay.ends) and read_stream(fields.get("stream")), False, fields, body)
    events = _is_text(fields.get("stream_format"), "sse")
    return Envelope(model, True, False, fields, body, opaque=not events)


def _is_text(raw: Raw | None, text: str) -> bool:
    return raw is not None and bytes(raw).strip() == _ENCODE(text)


def _read_form(body: bytes, content_type: str, relay: Relay) -> Envelope:
    form = read_form(content_type, body)
    _judge(form)
    fields: Mapping[str, Raw] = {name: Raw(_ENCODE(value)) for name, value in form.fields.items()}
    model = read_model(fields.get("model"), relay.model)
    stream = bool(relay.ends) and _read_boolean(form)
    return Envelope(model, stream, False, fields, body, content_type=form.content_type, places=form.places)


def _judge(form: Form) -> None:
    for name in _JUDGED:
        if name in form.repeated:
            raise EnvelopeError(f"Invalid '{name}': it stands in the form more than once.", name, "invalid_value")
        if name in form.unread:
            raise EnvelopeError(f"Invalid '{name}': expected a short plain field of the form.", name, "invalid_type")


def _read_boolean(form: Form) -> bool:
    known = _BOOLEANS.get(form.fields.get("stream", "").lower())
    if known is None:
        raise EnvelopeError("Invalid type for 'stream': expected a boolean.", "stream", "invalid_type")
    return known
