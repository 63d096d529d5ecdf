"""The outside of an OpenAI request: what routing needs of it, and how it is put together again.

Theory of operation. The body's top level is decoded into keys and undecoded values, which stay views of the
original bytes; only `model`, `stream` and `stream_options` are looked into. Everything else goes through untouched, known
or not: whether it makes sense is the provider's to say. Invariants: every value that was not changed is forwarded
as the bytes that came, and a compact body that nothing was changed in as the very object.

A key that stands twice collapses to its last value, in what we read and in what we forward. That is meant: two readers who
pick different ones are how a key gets past its routes. Refuses to know providers and routes.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from proxy.core.call import Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.lenient import UNREADABLE, repair

MAX_MODEL = 256

_EMBEDDINGS = Endpoint.EMBEDDINGS
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_ENCODE = msgspec.json.Encoder().encode
_VALUE = msgspec.json.Decoder()

_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The API expects a JSON payload, but what was sent was not valid JSON.)"
)
_TYPE_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    list: "an array",
    dict: "an object",
}
_LITERALS: Mapping[bytes, bool] = {b"true": True, b"false": False, b"null": False}


class EnvelopeError(Exception):
    """A body that cannot be routed: a 400 in the words of OpenAI."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


def read_envelope(body: bytes, endpoint: Endpoint) -> Envelope:
    """Raises EnvelopeError where the body is no JSON object or its model or stream cannot be understood."""
    fields = read_fields(body)
    model = read_model(fields.get("model"))
    stream = endpoint is not _EMBEDDINGS and read_stream(fields.get("stream"))
    wants_usage = stream and "stream_options" in fields and _wants_usage(fields["stream_options"])
    return Envelope(model=model, stream=stream, wants_usage=wants_usage, fields=fields, body=body)


def splice(envelope: Envelope, changes: Mapping[str, bytes | None]) -> bytes:
    """The body with other values for some keys; None takes a key out. Values are JSON."""
    fields: Mapping[str, Raw] = envelope.fields  # type: ignore[assignment]
    fresh = {key: value for key, value in changes.items() if not _is_same(fields, key, value)} if changes else {}
    if not fresh and _is_compact(fields, envelope.body):
        return envelope.body
    spliced = dict(fields)
    for key, value in fresh.items():
        if value is None:
            del spliced[key]
        else:
            spliced[key] = Raw(value)
    # Joined by hand: the encoder lets its buffer grow step by step and copies a long prompt each time.
    pieces: list[bytes | Raw] = []
    for key, value in spliced.items():
        pieces += (b"," if pieces else b"{", _ENCODE(key), b":", value)
    return b"".join([*pieces, b"}"]) if pieces else b"{}"


def _is_compact(fields: Mapping[str, Raw], body: bytes) -> bool:
    """Is the body what would be written again? Its length tells: braces, and for each key quotes, colon and comma.
    Otherwise there is white space, a key stands twice, or a key needs escapes."""
    return len(body) == 1 + 4 * len(fields) + sum(map(len, fields)) + sum(map(len, fields.values()))


def read_value(envelope: Envelope, key: str) -> Any:
    """One field decoded; None: it is null, is not there, or is too deep or too odd to be read."""
    raw = envelope.fields.get(key)
    if not isinstance(raw, Raw):
        return None
    try:
        return _VALUE.decode(raw)
    except UNREADABLE:
        return None


def _is_same(fields: Mapping[str, object], key: str, value: bytes | None) -> bool:
    current = fields.get(key)
    if value is None or not isinstance(current, Raw):
        return value is current
    return len(current) == len(value) and bytes(current) == value


def read_fields(body: bytes) -> dict[str, Raw]:
    """The top level, undecoded. Raises EnvelopeError where the body is no JSON object."""
    try:
        return _FIELDS.decode(body)
    except msgspec.ValidationError:
        raise EnvelopeError("Invalid type for the request body: expected an object.", code="invalid_type") from None
    except RecursionError:
        raise EnvelopeError("The JSON body of your request is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        repaired = repair(body)
        if repaired is None:
            raise EnvelopeError(_NOT_JSON) from None
        return read_fields(repaired)


def read_model(raw: Raw | None, default: str = "") -> str:
    """The model's name; `default` where none is given ("": then it must be). Raises EnvelopeError."""
    model = None if raw is None else _decode_small(raw, "model")
    if model is None or model == "":
        if default:
            return default
        raise EnvelopeError("you must provide a model parameter")
    if not isinstance(model, str):
        raise _make_type_error("model", "a string", model)
    if len(model) > MAX_MODEL:
        raise EnvelopeError(
            f"Invalid 'model': string too long. Expected at most {MAX_MODEL} characters.", "model", "string_above_max_length"
        )
    if not model.isprintable():
        raise EnvelopeError("Invalid 'model': control characters are not allowed.", "model", "invalid_value")
    return model


def read_stream(raw: Raw | None) -> bool:
    """Raises EnvelopeError for what is no boolean."""
    if raw is None:
        return False
    known = _LITERALS.get(bytes(raw)) if len(raw) <= 5 else None
    if known is None:
        raise _make_type_error("stream", "a boolean", _decode_small(raw, "stream"))
    return known


def _wants_usage(raw: Raw) -> bool:
    options = _decode_small(raw, "stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _decode_small(raw: Raw, name: str) -> Any:
    try:
        return _VALUE.decode(raw)
    except UNREADABLE:
        raise EnvelopeError(f"Invalid '{name}': it cannot be read.", name, "invalid_value") from None


def _make_type_error(name: str, expected: str, value: object) -> EnvelopeError:
    got = _TYPE_NAMES.get(type(value), "null")
    return EnvelopeError(f"Invalid type for '{name}': expected {expected}, but got {got} instead.", name, "invalid_type")
