import json

import pytest

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.openai_envelope import EnvelopeError, read_envelope
from proxy.wire.titan import read_embedding, write_embedding


def test_one_text_each() -> None:
    envelope = read_envelope(b'{"model":"m","input":["a"],"dimensions":256,"user":"u"}', Endpoint.EMBEDDINGS)
    body, dropped = write_embedding(envelope)
    assert (json.loads(body), dropped) == ({"inputText": "a", "dimensions": 256}, ("user",))
    answer = read_embedding(envelope, "titan", b'{"embedding":[0.5,1],"inputTextTokenCount":3,"embeddingsByType":{}}')
    assert json.loads(answer.body)["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, 1]}]
    assert (answer.usage, answer.model) == (Usage(3), "titan")
    assert read_embedding(envelope, "titan", b'{"embedding":[0.5]}').usage is None


def test_several_texts_are_refused() -> None:
    with pytest.raises(EnvelopeError, match="one text"):
        write_embedding(read_envelope(b'{"model":"m","input":["a","b"]}', Endpoint.EMBEDDINGS))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.MALFORMED),
        (b"{}", Kind.MALFORMED),
        (b'{"embedding":[]}', Kind.MALFORMED),
        (b"[" * 10_000, Kind.MALFORMED),
        (b'{"message":"Too many input tokens. Max input tokens: 8192"}', Kind.SERVER_ERROR),
    ],
)
def test_what_is_no_answer(body: bytes, kind: Kind) -> None:
    envelope = read_envelope(b'{"model":"m","input":"a"}', Endpoint.EMBEDDINGS)
    assert read_embedding(envelope, "titan", body).outcome.kind is kind
