import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.call import Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.openai_envelope import EnvelopeError, read_envelope, read_value, splice

CHAT = Endpoint.CHAT


def read(body: bytes, endpoint: Endpoint = CHAT) -> Envelope:
    return read_envelope(body, endpoint)


def test_the_outside_is_read() -> None:
    envelope = read(b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"x":{"y":[1]}}')
    assert (envelope.model, envelope.stream, envelope.wants_usage) == ("m", True, True)
    assert list(envelope.fields) == ["model", "stream", "stream_options", "x"]
    assert read_value(envelope, "x") == {"y": [1]}


@pytest.mark.parametrize(
    ("rest", "stream", "wants"),
    [
        ("", False, False),
        (',"stream":null', False, False),
        (',"stream":false,"stream_options":{"include_usage":true}', False, False),
        (',"stream":true,"stream_options":null', True, False),
        (',"stream":true,"stream_options":{"include_usage":1}', True, False),
        (',"stream":true,"stream_options":[1]', True, False),
    ],
)
def test_stream_and_usage(rest: str, stream: bool, wants: bool) -> None:
    envelope = read(b'{"model":"m"%b}' % rest.encode())
    assert (envelope.stream, envelope.wants_usage) == (stream, wants)


def test_embeddings_never_stream() -> None:
    assert not read(b'{"model":"m","stream":true}', Endpoint.EMBEDDINGS).stream


NOT_JSON = [
    b"",
    b"x",
    b'{"model":"m"',
    b'{"model":"m"}x',
    b"{'model':1}",
    b'\xff{"model":"m"}',
    b'{"model":"m","t":NaN}',
    b'"\\ud83d',
]


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_no_json_is_refused_in_openais_words(body: bytes) -> None:
    with pytest.raises(EnvelopeError, match="We could not parse the JSON body of your request") as error:
        read(body)
    assert (error.value.param, error.value.code) == (None, None)


@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        (b"[]", "Invalid type for the request body: expected an object.", None, "invalid_type"),
        (b'"m"', "Invalid type for the request body: expected an object.", None, "invalid_type"),
        (b'["\\ud83d"]', "Invalid type for the request body: expected an object.", None, "invalid_type"),
        (b'{"model":"m","x":' + b"[" * 100_000, "The JSON body of your request is nested too deeply.", None, None),
        (b"{}", "you must provide a model parameter", None, None),
        (b'{"model":null}', "you must provide a model parameter", None, None),
        (b'{"model":""}', "you must provide a model parameter", None, None),
        (
            b'{"model":1}',
            "Invalid type for 'model': expected a string, but got an integer instead.",
            "model",
            "invalid_type",
        ),
        (
            b'{"model":{}}',
            "Invalid type for 'model': expected a string, but got an object instead.",
            "model",
            "invalid_type",
        ),
        (b'{"model":"\xff"}', "Invalid 'model': it cannot be read.", "model", "invalid_value"),
        (b'{"model":"a\\nb"}', "Invalid 'model': control characters are not allowed.", "model", "invalid_value"),
        (b'{"model":"a\\u0000"}', "Invalid 'model': control characters are not allowed.", "model", "invalid_value"),
        (
            b'{"model":"' + b"m" * 257 + b'"}',
            "Invalid 'model': string too long. Expected at most 256 characters.",
            "model",
            "string_above_max_length",
        ),
        (
            b'{"model":"m","stream":"true"}',
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
            "stream",
            "invalid_type",
        ),
        (
            b'{"model":"m","stream":1}',
            "Invalid type for 'stream': expected a boolean, but got an integer instead.",
            "stream",
            "invalid_type",
        ),
    ],
)
def test_what_cannot_be_routed_is_refused(body: bytes, message: str, param: str | None, code: str | None) -> None:
    with pytest.raises(EnvelopeError) as error:
        read(body)
    assert (error.value.message, error.value.param, error.value.code) == (message, param, code)


def test_a_compact_body_without_changes_is_the_same_object() -> None:
    body = '{"model":"m","messages":[{"role": "user","content":"é😀"}],"unknown":{"b": 1.0}}'.encode()
    envelope = read(body)
    assert splice(envelope, {}) is body
    assert splice(envelope, {"model": b'"m"', "absent": None}) is body


def test_only_the_changed_values_change() -> None:
    body = b'{ "model" : "m", "big" : 1e400, "f": 1.10, "messages": [ {"role" : "user"} ], "user": "u" }'
    spliced = splice(read(body), {"model": b'"other"', "user": None, "new": b"[1]"})
    assert spliced == b'{"model":"other","big":1e400,"f":1.10,"messages":[ {"role" : "user"} ],"new":[1]}'


def test_a_key_that_stands_twice_goes_out_once_with_its_last_value() -> None:
    envelope = read(b'{"model":"a","x":1,"model":"b"}')
    assert envelope.model == "b"
    assert splice(envelope, {}) == b'{"model":"b","x":1}'


def test_a_lone_surrogate_is_let_through() -> None:
    envelope = read(b'{"model":"m","user":"\\ud83d"}')
    assert envelope.model == "m"
    assert json.loads(splice(envelope, {})) == {"model": "m", "user": "?"}


def test_a_value_that_cannot_be_read_is_none() -> None:
    envelope = read(b'{"model":"m","x":"\xff","n":null}')
    assert read_value(envelope, "x") is None
    assert read_value(envelope, "n") is None
    assert read_value(envelope, "absent") is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=6), st.text(min_size=1, max_size=9), st.booleans())
def test_every_other_field_survives(fields: dict[str, object], model: str, compact: bool) -> None:
    fields |= {"model": "m", "stream": False}
    body = json.dumps(fields, separators=(",", ":") if compact else None).encode("utf-8")
    try:
        spliced = splice(read(body), {"model": json.dumps(model).encode()})
    except EnvelopeError:  # a lone surrogate in text
        pytest.fail("refused a sound body")
    assert json.loads(spliced) == {**fields, "model": model}


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises(EnvelopeError):
        read(body)
