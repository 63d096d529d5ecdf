import base64
import json
import struct

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from proxy.core.call import Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.gemini.embeddings import read_embeddings, write_embeddings
from proxy.wire.openai_envelope import EnvelopeError, read_envelope

MODEL = "gemini-embedding-001"


def ask(**fields: object) -> Envelope:
    return read_envelope(json.dumps({"model": "public", **fields}).encode(), Endpoint.EMBEDDINGS)


def test_one_text() -> None:
    written = write_embeddings(ask(input="hi", dimensions=256, user="u", encoding_format="float", x=1), MODEL)
    assert json.loads(written.body) == {"content": {"parts": [{"text": "hi"}]}, "outputDimensionality": 256}
    assert (written.batch, written.dropped) == (False, ("user", "x"))


def test_several_texts() -> None:
    written = write_embeddings(ask(input=["a", "b"]), MODEL)
    rows = json.loads(written.body)["requests"]
    assert rows == [{"model": f"models/{MODEL}", "content": {"parts": [{"text": text}]}} for text in "ab"]
    for row in rows:
        types.Content.model_validate(row["content"])
    assert (written.batch, written.dropped) == (True, ())


@pytest.mark.parametrize("value", [[1, 2], [[1, 2]], [], None, 5, ["a", 1]])
def test_only_text_can_be_embedded(value: object) -> None:
    with pytest.raises(EnvelopeError) as raised:
        write_embeddings(ask(input=value), MODEL)
    assert raised.value.param == "input"


def test_answers_in_openais_shape() -> None:
    body = b'{"embeddings":[{"values":[0.10,-1e-3]},{"values":[1,2]}]}'
    answer = read_embeddings(ask(input=["abcde", "b"]), MODEL, body)
    assert answer.outcome.ok
    assert b"[0.10,-1e-3]" in answer.body
    shaped = CreateEmbeddingResponse.model_validate_json(answer.body, strict=True)
    assert [row.index for row in shaped.data] == [0, 1]
    assert shaped.model == MODEL
    assert shaped.usage.total_tokens == 3
    assert (answer.usage, answer.model) == (None, MODEL)


def test_counts_of_the_provider_are_kept() -> None:
    body = b'{"embedding":{"values":[1.5]},"usageMetadata":{"promptTokenCount":7}}'
    answer = read_embeddings(ask(input="x"), MODEL, body)
    assert answer.usage == Usage(7)
    assert json.loads(answer.body)["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


def test_base64() -> None:
    answer = read_embeddings(ask(input="x", encoding_format="base64"), MODEL, b'{"embedding":{"values":[1,-0.5]}}')
    packed = json.loads(answer.body)["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(packed)) == (1.0, -0.5)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", Kind.MALFORMED),
        (b'{"embeddings":[]}', Kind.MALFORMED),
        (b'{"embedding":{}}', Kind.MALFORMED),
        (b'{"embedding":{"values":[]}}', Kind.MALFORMED),
        (b'{"embedding":{"values":[1e300]}}', Kind.MALFORMED),
        (b'{"embeddings":[{"values":[1]},{"values":[1]}]}', Kind.MALFORMED),
        (b'{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}', Kind.OVERLOADED),
        (b"<html>", Kind.MALFORMED),
    ],
)
def test_answers_that_are_none(body: bytes, kind: Kind) -> None:
    assert read_embeddings(ask(input="x", encoding_format="base64"), MODEL, body).outcome.kind is kind


@given(st.binary(max_size=100))
def test_no_bytes_raise(body: bytes) -> None:
    read_embeddings(ask(input="x"), MODEL, body)
