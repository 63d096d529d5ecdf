"""Embeddings in OpenAI's shape, for vendors of another: the texts of a request, and the vectors of an answer.

Vectors stay the bytes that came, unless the client asks for base64: then they are packed as 32-bit floats, little-endian,
as OpenAI does. Such vendors embed text; token ids are OpenAI's own and are refused.
"""

import base64
import struct
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from proxy.core.call import Envelope
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.failures import find_failure
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import EnvelopeError, read_value
from proxy.wire.reading import Answer

#: What comes of reading an answer that holds no vectors, or none that a client can have.
NO_VECTORS = (*UNREADABLE, OverflowError, struct.error)

_ENCODE = msgspec.json.Encoder().encode
_NUMBERS = msgspec.json.Decoder(list[float]).decode


def read_texts(envelope: Envelope) -> list[str]:
    """Raises EnvelopeError where the input is not text."""
    given = read_value(envelope, "input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise EnvelopeError("This model embeds text only: a string, or an array of strings.", "input", "invalid_type")
    return texts


def write_vectors(envelope: Envelope, model: str, vectors: Sequence[Raw], usage: Usage | None, told: int = 0) -> Answer:
    """The answer to a request. Raises msgspec's errors, OverflowError and EnvelopeError where the vectors are none, or not
    as many as the request has texts (a probe's has none to read). Without `usage` the client reads `told` tokens, and the
    proxy counts for itself."""
    if not vectors or (envelope.fields and len(vectors) != len(read_texts(envelope))):
        raise msgspec.ValidationError("the answer lacks embeddings")
    packed = read_value(envelope, "encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _write_vector(vector, packed)}
        for index, vector in enumerate(vectors)
    ]
    tokens = told if usage is None else usage.input
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = _ENCODE({"object": "list", "data": data, "model": model, "usage": counts})
    return Answer(OK, body, usage, model)


def fail(body: bytes) -> Answer:
    """What an answer without vectors says instead."""
    nothing = Outcome(OutcomeKind.MALFORMED, message="the answer has no readable embeddings")
    return Answer(find_failure(body) or nothing, b"")


def _write_vector(vector: Raw, packed: bool) -> Raw | str:
    numbers = _NUMBERS(vector)
    if not numbers:
        raise msgspec.ValidationError("an empty vector")
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode() if packed else vector
