"""OpenAI's embeddings as Google's, and back: `embedContent` for one text, `batchEmbedContents` for a list.

Google takes text only, so token ids are refused. Its vectors are lists of numbers; a client that asks for base64 gets them
as 32-bit floats, little-endian, as OpenAI packs them. Answers mostly say nothing about tokens; the two counts that OpenAI's
shape has to have are then a rough estimate of four bytes to the token, and the answer's usage is None, so that the proxy
counts.
"""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.call import Envelope
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.failures import classify_inner
from proxy.wire.gemini.usage import UsageMetadata, read_usage
from proxy.wire.openai_envelope import EnvelopeError, read_value
from proxy.wire.reading import Answer
from proxy.wire.trouble import find_error, parse_json

_ENCODE = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, struct.error, OverflowError)
_KNOWN = frozenset(("model", "input", "dimensions", "encoding_format"))
_BYTES_PER_TOKEN = 4
_PROBE = ("hi",)  # a probe is nobody's request and has no fields


class _Vector(Struct, gc=False):
    values: Raw = Raw(b"")


class _Vectors(Struct, gc=False, rename="camel"):
    """Both answers: `embedding` of one text, `embeddings` of a batch."""

    embedding: _Vector | None = None
    embeddings: list[_Vector] | None = None
    usage_metadata: UsageMetadata | None = None


_DECODE = msgspec.json.Decoder(_Vectors).decode
_NUMBERS = msgspec.json.Decoder(list[float])


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
    """`batch`: goes to batchEmbedContents. `dropped`: fields of the client's that have no place, sorted."""

    body: bytes
    batch: bool
    dropped: tuple[str, ...]


def write_embeddings(envelope: Envelope, model: str) -> EmbeddingsRequest:
    """Raises EnvelopeError where the input is not text."""
    texts = _read_texts(envelope)
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
        texts = _read_texts(envelope) if envelope.fields else _PROBE
        if len(vectors) != len(texts):
            return _fail(body)
        packed = read_value(envelope, "encoding_format") == "base64"
        data = [_write_row(index, vector, packed) for index, vector in enumerate(vectors)]
    except _UNREADABLE:
        return _fail(body)
    usage = None if answer.usage_metadata is None else read_usage(answer.usage_metadata)
    tokens = _estimate(texts) if usage is None else usage.input
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    written = _ENCODE({"object": "list", "data": data, "model": model, "usage": counts})
    return Answer(OK, written, None if usage is None else Usage(usage.input), model)


def _read_texts(envelope: Envelope) -> Sequence[str]:
    given = read_value(envelope, "input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise EnvelopeError("This target embeds text only: a string, or an array of strings.", "input", "invalid_type")
    return texts


def _write_row(index: int, vector: _Vector, packed: bool) -> dict[str, Any]:
    """Raises msgspec's errors where the vector is none."""
    numbers = _NUMBERS.decode(vector.values)
    if not numbers:
        raise msgspec.ValidationError("an empty vector")
    value: object = vector.values
    if packed:
        value = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    return {"object": "embedding", "index": index, "embedding": value}


def _estimate(texts: Sequence[str]) -> int:
    return sum(-(-len(text.encode()) // _BYTES_PER_TOKEN) for text in texts)


def _fail(body: bytes) -> Answer:
    trouble = find_error(parse_json(body))
    if trouble is not None:
        return Answer(classify_inner(trouble), b"")
    return Answer(Outcome(OutcomeKind.MALFORMED, message="the answer has no readable embeddings"), b"")
