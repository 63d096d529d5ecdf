"""Embeddings: whole answers only, vectors as floats or as base64. How many there must be is the provider's to know."""

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import OK
from proxy.wire.openai_answer import malformed, read_answer_usage, read_outside
from proxy.wire.openai_stream import Asked
from proxy.wire.reading import Answer


class Embedding(Struct, gc=False):
    embedding: Raw = Raw(b"")


_DATA = msgspec.json.Decoder(list[Embedding])
_EMPTY = (b"", b"null", b"[]", b'""', b"{}")


def read_embeddings_answer(body: bytes, asked: Asked = Asked()) -> Answer:  # noqa: B008 (frozen)
    """Judge a list of embeddings. Its bytes are the client's answer, untouched."""
    outside = read_outside(body)
    if isinstance(outside, Answer):
        return outside
    try:
        vectors = _DATA.decode(outside.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return malformed(body, "the answer has no readable embeddings")
    if not vectors or any(_is_empty(vector.embedding) for vector in vectors):
        return malformed(body, "the answer lacks embeddings")
    return Answer(OK, body, read_answer_usage(outside, asked), outside.model)


def _is_empty(vector: Raw) -> bool:
    return len(vector) <= 4 and bytes(vector) in _EMPTY
