"""Relayed requests: what routing needs of them, and the body that goes upstream."""

import json

import pytest

from proxy.core.endpoints import Endpoint
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.relay_envelope import read_relayed, rename_model

TYPE = "multipart/form-data; boundary=edge"


def form(**fields: str) -> bytes:
    parts = [f'--edge\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    return "".join(
        [*parts, '--edge\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nRIFF\r\n--edge--']
    ).encode()


@pytest.mark.parametrize(
    ("endpoint", "fields", "model", "stream", "opaque"),
    [
        (Endpoint.IMAGES, {"prompt": "x"}, "dall-e-2", False, False),
        (Endpoint.IMAGES, {"model": "m", "stream": True}, "m", True, False),
        (Endpoint.MODERATIONS, {"input": "x", "stream": True}, "omni-moderation-latest", False, False),
        (Endpoint.RERANK, {"model": "m"}, "m", False, False),
        (Endpoint.SPEECH, {"model": "m"}, "m", True, True),
        (Endpoint.SPEECH, {"model": "m", "stream_format": "sse"}, "m", True, False),
        (Endpoint.SPEECH, {"model": "m", "stream_format": "audio"}, "m", True, True),
    ],
)
def test_json(endpoint: Endpoint, fields: dict[str, object], model: str, stream: bool, opaque: bool) -> None:
    body = json.dumps(fields, separators=(",", ":")).encode()
    envelope = read_relayed(body, "application/json", endpoint)
    assert (envelope.model, envelope.stream, envelope.opaque) == (model, stream, opaque)
    assert rename_model(envelope, model) is body
    assert json.loads(rename_model(envelope, "other")) == {**fields, "model": "other"}


@pytest.mark.parametrize(
    ("endpoint", "fields", "model", "stream"),
    [
        (Endpoint.TRANSCRIPTIONS, {"model": "m"}, "m", False),
        (Endpoint.TRANSCRIPTIONS, {"model": "m", "stream": "true"}, "m", True),
        (Endpoint.TRANSCRIPTIONS, {"model": "m", "stream": "False"}, "m", False),
        (Endpoint.TRANSLATIONS, {"model": "m", "stream": "true"}, "m", False),
        (Endpoint.IMAGE_EDITS, {"prompt": "x", "stream": "1"}, "gpt-image-1.5", True),
        (Endpoint.IMAGE_VARIATIONS, {}, "dall-e-2", False),
    ],
)
def test_forms(endpoint: Endpoint, fields: dict[str, str], model: str, stream: bool) -> None:
    body = form(**fields)
    envelope = read_relayed(body, TYPE, endpoint)
    assert (envelope.model, envelope.stream, envelope.content_type) == (model, stream, TYPE)
    assert rename_model(envelope, model) is body
    again = read_relayed(rename_model(envelope, "other"), TYPE, endpoint)
    assert again.model == "other"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (form(), None),
        (form(model=""), None),
        (form(model="a\tb"), "model"),
        (form(model="m" * 300), "model"),
        (form(model="m" * 2000), "model"),
        (form(model="m", stream="perhaps"), "stream"),
        (form(model="m").replace(b'name="file"; filename="f"', b'name="model"'), "model"),
        (form(model="m").replace(b'name="file"', b'name="response_format"'), "response_format"),
        (b"{}", None),
    ],
)
def test_forms_that_cannot_be_routed(body: bytes, param: str | None) -> None:
    with pytest.raises(EnvelopeError) as refused:
        read_relayed(body, TYPE, Endpoint.TRANSCRIPTIONS)
    assert refused.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model":1}', b'{"input":"x"}', form(model="m")])
def test_json_that_cannot_be_routed(body: bytes) -> None:
    with pytest.raises(EnvelopeError):
        read_relayed(body, TYPE, Endpoint.SPEECH)
