"""Ranking documents by a query, `/v2/rerank`: Cohere's shape, which Jina, Voyage and vLLM speak too.

The body goes through as it came, but for the model's name, and so does the answer once it is known to be one: a list of
`results` with `index` and `relevance_score`. Cohere bills searches, others count tokens. Sources: the SDK and Jina's API
reference.
"""

import msgspec
from msgspec import Struct

from proxy.core.call import Envelope
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.cohere.shapes import CohereUsage, read_usage
from proxy.wire.failures import find_failure
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import splice
from proxy.wire.reading import Answer

RERANK_PATH = "/v2/rerank"

_ENCODE = msgspec.json.Encoder().encode


class Result(Struct, gc=False):
    index: int
    relevance_score: float


class TokenCount(Struct, gc=False):
    total_tokens: int | None = None


class Ranking(Struct, gc=False):
    results: list[Result] | None = None
    meta: CohereUsage | None = None
    usage: TokenCount | None = None
    model: str | None = None


_DECODE = msgspec.json.Decoder(Ranking).decode


def write_rerank(envelope: Envelope, model: str) -> bytes:
    """The client's body for this model."""
    return splice(envelope, {} if model == envelope.model else {"model": _ENCODE(model)})


def read_rerank(body: bytes) -> Answer:
    """Judge an answer; its bytes are the client's. Never raises."""
    try:
        ranking = _DECODE(body)
    except UNREADABLE:
        return _fail(body)
    if ranking.results is None:
        return _fail(body)
    usage = read_usage(ranking.meta)
    if usage is None and ranking.usage is not None and ranking.usage.total_tokens is not None:
        usage = Usage(max(0, ranking.usage.total_tokens))
    return Answer(OK, body, usage, ranking.model)


def _fail(body: bytes) -> Answer:
    nothing = Outcome(OutcomeKind.MALFORMED, message="the answer has no readable results")
    return Answer(find_failure(body) or nothing, body)
