"""OpenAI's embeddings as Cohere's `/v2/embed`, and back; the same body without a model goes to Cohere's models at Bedrock.

Cohere wants to know what the vectors are for. A client can say it in Cohere's own field `input_type`; else they are for
documents that will be searched. Vectors are asked for as numbers, which every model of Cohere's gives. Source: Cohere's SDK.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Envelope
from proxy.core.usage import Usage
from proxy.wire.cohere.shapes import CohereUsage, read_usage
from proxy.wire.openai_envelope import read_value
from proxy.wire.reading import Answer
from proxy.wire.vectors import NO_VECTORS, fail, read_texts, write_vectors

EMBED_PATH = "/v2/embed"
USUAL_INPUT_TYPE = "search_document"

_ENCODE = msgspec.json.Encoder().encode
_KNOWN = frozenset(("model", "input", "dimensions", "encoding_format", "input_type", "truncate"))


class ByType(Struct, gc=False):
    floats: list[Raw] | None = msgspec.field(default=None, name="float")


class Embeddings(Struct, gc=False):
    """`embeddings` is a list where the request named no types (Bedrock's older models)."""

    embeddings: ByType | list[Raw] | None = None
    meta: CohereUsage | None = None


_DECODE = msgspec.json.Decoder(Embeddings).decode


def write_embeddings(envelope: Envelope, model: str | None) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the client's fields that have no place in it, sorted. `model` None: it stands elsewhere. Raises
    EnvelopeError where the input is not text."""
    kind = read_value(envelope, "input_type")
    body: dict[str, Any] = {} if model is None else {"model": model}
    body["texts"] = read_texts(envelope)
    body["input_type"] = kind if isinstance(kind, str) else USUAL_INPUT_TYPE
    body["embedding_types"] = ["float"]
    for ours, theirs in (("dimensions", "output_dimension"), ("truncate", "truncate")):
        value = read_value(envelope, ours)
        if value is not None:
            body[theirs] = value
    return _ENCODE(body), tuple(sorted(name for name in envelope.fields if name not in _KNOWN))


def read_embeddings(envelope: Envelope, model: str, body: bytes, counted: int | None = None) -> Answer:
    """The answer in OpenAI's shape. `counted`: input tokens that were told beside the body. Never raises."""
    try:
        answer = _DECODE(body)
        found = answer.embeddings
        vectors: Sequence[Raw] = (found.floats if isinstance(found, ByType) else found) or ()
        usage = read_usage(answer.meta) or (None if counted is None else Usage(counted))
        return write_vectors(envelope, model, vectors, usage)
    except NO_VECTORS:
        return fail(body)
