"""What a client's request is, before a provider is thought of: its endpoint's envelope, its route, what it may go on to.

Whatever can be refused without asking anybody is refused here, in the client's own format; what is left is a `Journey`
with its deadline fixed. Decodes only what routing needs; the body stays the bytes it is.
"""

from proxy.core.call import Call
from proxy.core.continuity import Resume
from proxy.core.endpoints import TEXTUAL, Endpoint
from proxy.core.exchange import ClientRequest, Downstream
from proxy.core.priorities import PRIORITIES, PRIORITY_HEADER, lower_priority
from proxy.core.problem import Problem
from proxy.core.records import CallRecord
from proxy.pipeline.accounts import Accounts
from proxy.pipeline.deadline import limits
from proxy.pipeline.escalating import CheckedAttempt, is_checked
from proxy.pipeline.gate import Gate
from proxy.pipeline.held import HeldAttempt
from proxy.pipeline.journey import Journey
from proxy.pipeline.resumption import prepare_resumption
from proxy.pipeline.routing import RouteState, Routing
from proxy.pipeline.tagging import TAGS_HEADER, read_tags
from proxy.pipeline.tunneling import TunnelAttempt
from proxy.wire.formats import FORMATS
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.references import NAMING
from proxy.wire.resources import RESOURCES, Place, find_place, read_resource

#: Endpoints whose requests name, or whose answers are, stored things.
KEEPING = NAMING | RESOURCES


class Opener:
    """Opens calls. `tunnels`: sessions can be tunnelled. What is limited has to pass the `gate`."""

    def __init__(self, accounts: Accounts, tunnels: bool, gate: Gate) -> None:
        self._accounts = accounts
        self._tunnels = tunnels
        self._gate = gate

    def open(
        self, routing: Routing, request: ClientRequest, downstream: Downstream, record: CallRecord
    ) -> Journey | Problem:
        """Everything that can be refused before a provider is thought of. Fills in what of the call is known by then."""
        record.tags = request.tags
        given = request.headers.get(TAGS_HEADER)
        if given is not None:
            tags = read_tags(given, request.tags, routing.reserved_tags)
            if isinstance(tags, Problem):
                return tags
            record.tags = tags
        wanted = request.headers.get(PRIORITY_HEADER)
        record.priority = request.priority if wanted is None else lower_priority(request.priority, wanted) or ""
        if not record.priority:
            record.priority = request.priority
            return unknown_priority()
        journey = self._open(routing, request, downstream, record)
        if self._gate.idle or isinstance(journey, Problem):
            return journey
        return self._gate.admit(journey)

    def _open(
        self, routing: Routing, request: ClientRequest, downstream: Downstream, record: CallRecord
    ) -> Journey | Problem:
        try:
            if request.endpoint in RESOURCES:
                return self._open_account(routing, request, downstream, record)
            form = FORMATS[request.endpoint]
            envelope = form.read(request)
        except EnvelopeError as error:
            return Problem(400, error.message, code=error.code, param=error.param)
        record.stream = envelope.stream
        if request.endpoint is Endpoint.REALTIME and (request.upgrade is None or not self._tunnels):
            return Problem(426, "Realtime sessions are WebSocket connections.", code="upgrade_required")
        state = find_route(routing, envelope.model, request.routes)
        if isinstance(state, Problem):
            return state
        record.route = state.route.name
        bound = self._accounts.follow(routing, state, request, envelope) if request.endpoint in KEEPING else None
        if isinstance(bound, Problem):
            return bound
        if bound is not None:
            state = bound.route
        call = Call(record.id, request.endpoint, envelope, request.headers, wall=record.wall)
        if state.route.strategy == "sticky":
            call.affinity = request.headers.get(state.route.sticky_header, "") or form.affinity_of(envelope)
        journey = Journey(call, state, downstream, record)
        if request.upgrade is not None:
            journey.upgrade = request.upgrade
            journey.make = TunnelAttempt
        if bound is not None:
            journey.bind(bound.excluded, bound.careful)
        journey.deadline, journey.commit_by = limits(request.headers, state.route.timeouts, request.arrived)
        if envelope.stream:
            prepare_stream(journey, request.arrived)
        return journey

    def _open_account(
        self, routing: Routing, request: ClientRequest, downstream: Downstream, record: CallRecord
    ) -> Journey | Problem:
        """A request that names no model. Raises EnvelopeError."""
        place = find_place(request.method, request.path) or Place(Endpoint.RELAY)
        envelope = read_resource(place, request.headers.get("content-type", ""), request.query, request.body)
        record.stream = envelope.stream
        bound = self._accounts.open(routing, request, place, envelope)
        if isinstance(bound, Problem):
            return bound
        record.route = bound.route.route.name
        path = f"{request.path}?{request.query}" if request.query else request.path
        call = Call(record.id, request.endpoint, envelope, request.headers, method=request.method, path=path)
        journey = Journey(call, bound.route, downstream, record)
        journey.bind(bound.excluded, bound.careful)
        journey.deadline, journey.commit_by = limits(request.headers, bound.route.route.timeouts, request.arrived)
        return journey


def prepare_stream(journey: Journey, arrived: float) -> None:
    """How this stream is to be kept alive and, where its route says so, whole. One that is bound to an account is that
    account's alone."""
    route = journey.route.route
    if route.heartbeat > 0 and journey.format.waiting:
        journey.next_heartbeat = arrived + route.heartbeat
    if is_checked(journey):
        journey.make = CheckedAttempt
    elif route.hold and journey.call.endpoint in TEXTUAL:
        journey.make = HeldAttempt
    if route.resume is not Resume.OFF and not journey.fixed:
        journey.resumption = prepare_resumption(journey)


def find_route(routing: Routing, model: str, allowed: frozenset[str] | None) -> RouteState | Problem:
    """The route of a model, or why a key with these routes may not ask for it."""
    state = routing.find(model)
    if state is None:
        return unknown_model(routing, model, allowed)
    if not routing.allows(state, model, allowed):
        return Problem(403, f"This key may not use the model `{model}`.", code="model_not_allowed", param="model")
    return state


def unknown_priority() -> Problem:
    """400: the header says something else."""
    known = ", ".join(f"`{name}`" for name in PRIORITIES)
    message = f"Invalid '{PRIORITY_HEADER}': it is one of {known}, and can only lower the priority of the key."
    return Problem(400, message, code="invalid_value", param=PRIORITY_HEADER)


def unknown_model(routing: Routing, model: str, allowed: frozenset[str] | None) -> Problem:
    """404 in OpenAI's words, with the names that may have been meant."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    near = routing.nearest(model, allowed)
    if near:
        message += " Did you mean " + ", ".join(f"`{name}`" for name in near) + "?"
    return Problem(404, message, code="model_not_found", param="model")
