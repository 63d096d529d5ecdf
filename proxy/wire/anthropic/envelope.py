"""The outside of a Messages request: what routing needs of it, refused in Anthropic's words where it cannot be read.

As `wire/openai_envelope.py`, whose `splice` puts these bodies together again too: only `model` and `stream` are looked into,
every other value stays a view of the bytes that came. Whether `max_tokens` is there and messages make sense is the target's
to say.
"""

from typing import Any

import msgspec
from msgspec import Raw

from proxy.core.call import Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.lenient import UNREADABLE, repair
from proxy.wire.openai_envelope import MAX_MODEL, EnvelopeError

_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_VALUE = msgspec.json.Decoder()


def read_envelope(body: bytes, endpoint: Endpoint) -> Envelope:
    """Raises EnvelopeError where the body is no JSON object or its model or stream cannot be understood."""
    fields = _read_fields(body)
    model = _read_model(fields.get("model"))
    stream = endpoint is Endpoint.MESSAGES and _read_stream(fields.get("stream"))
    # Usage always stands in the stream.
    return Envelope(model=model, stream=stream, wants_usage=stream, fields=fields, body=body)


def _read_fields(body: bytes) -> dict[str, Raw]:
    try:
        return _FIELDS.decode(body)
    except msgspec.ValidationError:
        raise EnvelopeError("Input should be a valid dictionary") from None
    except RecursionError:
        raise EnvelopeError("The request body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        repaired = repair(body)
        if repaired is None:
            raise EnvelopeError(f"The request body is not valid JSON: {error}") from None
        return _read_fields(repaired)


def _read_model(raw: Raw | None) -> str:
    if raw is None:
        raise EnvelopeError("model: Field required", "model")
    model = _decode_small(raw)
    if not isinstance(model, str):
        raise EnvelopeError("model: Input should be a valid string", "model")
    if not model:
        raise EnvelopeError("model: String should have at least 1 character", "model")
    if len(model) > MAX_MODEL:
        raise EnvelopeError(f"model: String should have at most {MAX_MODEL} characters", "model")
    if not model.isprintable():
        raise EnvelopeError("model: String should not contain control characters", "model")
    return model


def _read_stream(raw: Raw | None) -> bool:
    stream = None if raw is None else _decode_small(raw)
    if stream is not None and not isinstance(stream, bool):
        raise EnvelopeError("stream: Input should be a valid boolean", "stream")
    return stream is True


def _decode_small(raw: Raw) -> Any:
    try:
        return _VALUE.decode(raw)
    except UNREADABLE:
        return ()  # of none of the types that are asked for
