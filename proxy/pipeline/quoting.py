"""`POST /v1/tokens`: what a request would cost on each target of its route, before it is sent.

The body is the request itself, in any format that is counted here. No provider is asked, nothing is written down and
nothing is limited but what the key may use; counting happens where all counting does, off the loop. Which target would be
asked first is what `explain` says about the same request.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, Downstream
from proxy.core.problem import Problem
from proxy.pipeline.accounting import Accounting
from proxy.pipeline.failing import reply_problem
from proxy.pipeline.opening import find_route
from proxy.pipeline.routing import RouteState, Routing
from proxy.pipeline.survey import Surveyor
from proxy.tokens.quote import find_limit, quote
from proxy.wire.formats import FORMATS, OPENAI
from proxy.wire.guessing import HEADER, NAMES, guess_endpoint
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import EnvelopeError

_FIELDS = msgspec.json.Decoder(dict[str, Raw]).decode
_TEXT = msgspec.json.Decoder(str).decode
#: Counting is the only thing that is asked for, so its errors have no call to be found by.
NO_CALL = "-"
HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


def read_question(
    body: bytes, headers: Mapping[str, str], instead: str | None = None
) -> tuple[Endpoint, Envelope] | Problem:
    """The request that is asked about, and for which endpoint it is. `instead`: of the model that it names, if any."""
    try:
        fields = _FIELDS(body)
        if instead:
            fields["model"] = Raw(msgspec.json.encode(instead))
            body = msgspec.json.encode(fields)
        model = _TEXT(fields["model"])
    except (*UNREADABLE, KeyError):
        return Problem(400, "The body has to be a JSON object with a `model`.", code="invalid_json")
    endpoint = guess_endpoint(fields, model, headers)
    if endpoint is None:
        return Problem(400, f"`{HEADER}` has to be one of {', '.join(NAMES)}.", code="invalid_endpoint")
    try:
        return endpoint, FORMATS[endpoint].read_envelope(body, endpoint)
    except EnvelopeError as error:
        return Problem(400, error.message, code=error.code, param=error.param)


def find_written(endpoint: Endpoint, envelope: Envelope) -> int | None:
    """The longest answer that is asked for; embeddings have none."""
    return 0 if endpoint is Endpoint.EMBEDDINGS else find_limit(envelope.fields)


class Quoter:
    """Answers such requests."""

    def __init__(self, accounting: Accounting, surveyor: Surveyor, wall: Callable[[], float]) -> None:
        self._accounting = accounting
        self._surveyor = surveyor
        self._wall = wall

    async def serve(self, routing: Routing, request: ClientRequest, downstream: Downstream) -> None:
        """Raises CancelledError, and nothing else, when the client leaves."""
        found = read_question(request.body, request.headers)
        if isinstance(found, Problem):
            reply_problem(OPENAI, NO_CALL, downstream, found)
            return
        endpoint, envelope = found
        state = find_route(routing, envelope.model, request.routes)
        if isinstance(state, Problem):
            reply_problem(OPENAI, NO_CALL, downstream, state)
            return
        view = await self._quote(state, Call(NO_CALL, endpoint, envelope, request.headers))
        body = msgspec.json.encode(view)
        downstream.start(200, HEADERS, len(body))
        downstream.finish(body)

    async def _quote(self, state: RouteState, call: Call) -> dict[str, object]:
        endpoint, envelope = call.endpoint, call.envelope
        limit, wall = find_written(endpoint, envelope), self._wall()
        targets = [candidate.target for candidate in state.candidates]
        usages = await asyncio.gather(*(self._accounting.count(call, target, None) for target in targets))
        view = self._surveyor.explain(state, envelope.model, FORMATS[endpoint].needs_of(envelope), endpoint)
        first, rows = view["goes_to"], view["targets"]
        assert isinstance(rows, list)
        return {
            "object": "token_quote",
            "model": envelope.model,
            "route": state.route.name,
            "endpoint": endpoint.value,
            "max_output": limit,
            "asked_first": first,
            "targets": [
                {
                    **quote(target, usage, limit, wall),
                    "tier": row["tier"],
                    "samples": self._accounting.calibration.samples(target.id),
                    "state": row["state"],
                    "why": row["why"],
                }
                for target, usage, row in zip(targets, usages, rows, strict=True)
            ],
        }
