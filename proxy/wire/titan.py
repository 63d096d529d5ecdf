"""OpenAI's embeddings as Amazon's Titan takes them through InvokeModel: one text, one vector. Source: AWS's user guide."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Envelope
from proxy.core.usage import Usage
from proxy.wire.openai_envelope import EnvelopeError, read_value
from proxy.wire.reading import Answer
from proxy.wire.vectors import NO_VECTORS, fail, read_texts, write_vectors

_ENCODE = msgspec.json.Encoder().encode
_KNOWN = frozenset(("model", "input", "dimensions", "encoding_format"))


class TitanEmbedding(Struct, gc=False, rename="camel"):
    embedding: Raw = Raw(b"")
    input_text_token_count: int | None = None


_DECODE = msgspec.json.Decoder(TitanEmbedding).decode


def write_embedding(envelope: Envelope) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the client's fields that have no place in it, sorted. Raises EnvelopeError where the input is not one
    text."""
    texts = read_texts(envelope)
    if len(texts) > 1:
        raise EnvelopeError("This model embeds one text per request.", "input", "invalid_value")
    body: dict[str, Any] = {"inputText": texts[0]}
    dimensions = read_value(envelope, "dimensions")
    if dimensions is not None:
        body["dimensions"] = dimensions
    return _ENCODE(body), tuple(sorted(name for name in envelope.fields if name not in _KNOWN))


def read_embedding(envelope: Envelope, model: str, body: bytes) -> Answer:
    """The answer in OpenAI's shape. Never raises."""
    try:
        answer = _DECODE(body)
        counted = answer.input_text_token_count
        return write_vectors(envelope, model, [answer.embedding], None if counted is None else Usage(max(0, counted)))
    except NO_VECTORS:
        return fail(body)
