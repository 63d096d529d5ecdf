import pytest

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.openai_embeddings import read_embeddings_answer


@pytest.mark.parametrize("vector", [b"[0.1,0.2]", b'"AAAAAA=="', b"[1]"])
def test_vectors_pass_as_they_are(vector: bytes) -> None:
    body = b'{"data":[{"index":0,"embedding":%b}],"model":"e","usage":{"prompt_tokens":4,"total_tokens":4}}'
    answer = read_embeddings_answer(body % vector)
    assert answer.outcome.ok
    assert answer.body == body % vector
    assert (answer.usage, answer.model, answer.texts) == (Usage(4, 0), "e", [])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"data":[]}', Kind.MALFORMED),
        (b'{"data":null}', Kind.MALFORMED),
        (b'{"data":{}}', Kind.MALFORMED),
        (b"{}", Kind.MALFORMED),
        (b'{"data":[{}]}', Kind.MALFORMED),
        (b'{"data":[{"embedding":[]}]}', Kind.MALFORMED),
        (b'{"data":[{"embedding":[1]},{"embedding":null}]}', Kind.MALFORMED),
        (b"<html>", Kind.MALFORMED),
        (b'{"error":{"code":"rate_limit_exceeded"}}', Kind.RATE_LIMITED),
    ],
)
def test_what_lacks_vectors_is_no_answer(body: bytes, kind: Kind) -> None:
    assert read_embeddings_answer(body).outcome.kind is kind
