"""OpenAI's embeddings as Google's, and back: `embedContent` for one text, `batchEmbedContents` for a list.

Google takes text only, so token ids are refused. Its vectors are lists of numbers; a client that asks for base64 gets them
as 32-bit floats, little-endian, as OpenAI packs them. Answers mostly say nothing about tokens; the two counts that OpenAI's
shape has to have are then a rough estimate of four bytes to the token, and the answer's usage is None, so that the proxy
counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Envelope
from proxy.core.usage import Usage
from proxy.wire.gemini.usage import UsageMetadata, read_usage
from proxy.wire.openai_envelope import read_value
from proxy.wire.reading import Answer
from proxy.wire.vectors import NO_VECTORS, fail, read_texts, write_vectors

_ENCODE = msgspec.json.Encoder().encode
_KNOWN = frozenset(("model", "input", "dimensions", "encoding_format"))
_BYTES_PER_TOKEN = 4


class _Vector(Struct, gc=False):
    values: Raw = Raw(b"")


class _Vectors(Struct, gc=False, rename="camel"):
    """Both answers: `embedding` of one text, `embeddings` of a batch."""

    embedding: _Vector | None = None
    embeddings: list[_Vector] | None = None
    usage_metadata: UsageMetadata | None = None


_DECODE = msgspec.json.Decoder(_Vectors).decode


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
    """`batch`: goes to batchEmbedContents. `dropped`: fields of the client's that have no place, sorted."""

    body: bytes
    batch: bool
    dropped: tuple[str, ...]


def write_embeddings(envelope: Envelope, model: str) -> EmbeddingsRequest:
    """Raises EnvelopeError where the input is not text."""
    texts = read_texts(envelope)
    dimensions = read_value(envelope, "dimensions")
    size = {} if dimensions is None else {"outputDimensionality": dimensions}
    rows = [{"content": {"parts": [{"text": text}]}, **size} for text in texts]
    dropped = tuple(sorted(key for key in envelope.fields if key not in _KNOWN))
    if isinstance(read_value(envelope, "input"), str):
        return EmbeddingsRequest(_ENCODE(rows[0]), False, dropped)
    named = [{"model": f"models/{model}", **row} for row in rows]
    return EmbeddingsRequest(_ENCODE({"requests": named}), True, dropped)


def read_embeddings(envelope: Envelope, model: str, body: bytes) -> Answer:
    """The answer in OpenAI's shape. `model`: as the target calls it. Never raises."""
    try:
        answer = _DECODE(body)
        vectors = [answer.embedding] if answer.embedding is not None else answer.embeddings or []
        found = None if answer.usage_metadata is None else read_usage(answer.usage_metadata)
        usage = None if found is None else Usage(found.input)
        told = _estimate(read_texts(envelope)) if usage is None and envelope.fields else 0
        return write_vectors(envelope, model, [vector.values for vector in vectors], usage, told)
    except NO_VECTORS:
        return fail(body)


def _estimate(texts: Sequence[str]) -> int:
    return sum(-(-len(text.encode()) // _BYTES_PER_TOKEN) for text in texts)
