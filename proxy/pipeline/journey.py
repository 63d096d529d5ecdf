"""The state of one call on its way through the attempts: private to its task, gone with it."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from proxy.core.call import Call, Needs
from proxy.core.endpoints import PROMPT
from proxy.core.exchange import Downstream, HeaderList
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import CallRecord
from proxy.core.tunnel import Switch
from proxy.pipeline.accounting import Booking
from proxy.pipeline.routing import RouteState
from proxy.policy.domains import SIGNS, SILENT
from proxy.policy.strategies import Candidate
from proxy.policy.targets import TargetState
from proxy.providers.translating import read_dialogue
from proxy.wire.dialects import CLIENTS
from proxy.wire.formats import find_format
from proxy.wire.openai_envelope import EnvelopeError

if TYPE_CHECKING:
    from proxy.pipeline.attempt import Attempt
    from proxy.pipeline.resumption import Resumption
    from proxy.pipeline.tunneling import TunnelAttempt

_NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})
#: Outcomes by which another target says whether a request is sound.
OPINIONS = frozenset({OutcomeKind.OK, OutcomeKind.BAD_REQUEST})

HEARTBEAT_HEADERS: HeaderList = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
)


class Journey:
    """What the attempt loop knows about one call.

    `deadline` and `commit_by` are loop times: the first ends the call, the second is how long the client will wait for the
    first byte. `suspect` rejected the request when it rejected suspiciously many; `shunned`: hosts that have failed this
    call (see `Choice`). `promised` is the candidate for which the
    retry budget was asked. `tried` holds target ids that are out for this call, `tried_credentials` the credentials of a
    target that failed by themselves (another one of the same target may still be tried). A call that is bound to an account
    (`bind`) never gets to use the others' credentials, `fixed`; `careful`: what may have been done is not tried again.
    `upgrade`: it opens a session. `make`: makes its attempts, None: they are the usual ones. `resumption`: how its stream
    may go on after a cut, None: not at all. A call that others may take the place of has that
    `place`, and a `halt` that is set then. `escalated`: the last whole answer that did not pass its route's
    checks. `farewell`: the last bytes of a whole answer.
    """

    __slots__ = (
        "back_in",
        "booking",
        "call",
        "careful",
        "commit_by",
        "committed",
        "deadline",
        "displaced",
        "downstream",
        "escalated",
        "farewell",
        "fixed",
        "format",
        "halt",
        "make",
        "next_heartbeat",
        "place",
        "promised",
        "record",
        "resumption",
        "route",
        "shunned",
        "suspect",
        "tried",
        "tried_credentials",
        "upgrade",
    )

    def __init__(self, call: Call, route: RouteState, downstream: Downstream, record: CallRecord) -> None:
        self.call = call
        self.route = route
        self.downstream = downstream
        self.format = find_format(call)
        self.record = record
        self.booking = Booking(record)
        self.deadline = float("inf")
        self.commit_by = float("inf")
        self.next_heartbeat = float("inf")
        self.committed = False
        self.promised: Candidate | None = None
        self.shunned: dict[str, bool] | None = None
        self.suspect: TargetState | None = None
        self.tried: set[str] = set()
        self.tried_credentials: dict[str, set[str]] = {}
        self.fixed: Mapping[str, Collection[str]] = _NOTHING
        self.careful = False
        self.upgrade: Switch | None = None
        self.make: Callable[..., Attempt | TunnelAttempt] | None = None
        self.resumption: Resumption | None = None
        self.escalated: Attempt | None = None
        self.farewell: bytes | None = None
        self.halt: asyncio.Future[None] | None = None
        self.displaced = False
        self.back_in: float | None = None
        self.place: tuple[str | None, str] | None = None

    def bind(self, fixed: Mapping[str, Collection[str]], careful: bool) -> None:
        """Keep to an account: by target id, the credentials that are others."""
        self.fixed = fixed
        self.careful = careful
        self.tried_credentials = {target_id: set(others) for target_id, others in fixed.items()}

    def forgive(self, target_id: str) -> None:
        """This target may be asked again, with any credential that the call may use at all."""
        self.tried.discard(target_id)
        self.tried_credentials[target_id] = set(self.fixed.get(target_id, ()))

    def abandon(self, deadline: float) -> None:
        """The client has left: nobody needs signs of life, and what still goes on ends by then."""
        self.deadline = min(self.deadline, deadline)
        self.commit_by = self.deadline
        self.next_heartbeat = float("inf")

    def needs(self) -> Needs:
        """What the request needs of a target; read when it is first asked for, and only where targets differ."""
        call = self.call
        if call.needs is None:
            weighs = call.endpoint in self.route.weighs_needs
            call.needs = self.format.needs_of(call.envelope) if weighs else Needs(stream=call.envelope.stream)
        return call.needs

    def find_field(self) -> str | None:
        """The field of the request that no target's wire format can carry, where its reader has noted it."""
        call, needs = self.call, self.needs()
        refused = [candidate.ability.refuses.get(call.endpoint, frozenset()) for candidate in self.route.candidates]
        missing = needs.features & frozenset().union(*refused)
        if call.endpoint not in CLIENTS:
            return None
        try:
            places = read_dialogue(call).places
        except EnvelopeError as error:
            return error.param
        return next((place for feature, place in places.items() if feature in missing), None)

    def weigh(self, state: TargetState, outcome: Outcome, now: float) -> None:
        """What came of an attempt may be a second opinion on a rejection, or itself need one; if it failed, its neighbours
        are not asked next."""
        suspect = self.suspect
        if suspect is not None and outcome.kind in OPINIONS:
            suspect.second_opinion(self.call.endpoint, outcome.ok, now)
            self.suspect = None
        if outcome.kind is OutcomeKind.REJECTION_SUSPECTED:
            self.suspect = state
        if outcome.kind in SIGNS and state.territory is not None:
            host = state.territory.host
            self.shunned = {**(self.shunned or {}), host.name: outcome.kind in SILENT or host.shaky(now)}

    def first_limit(self, target_id: str) -> float:
        """Seconds to a stream's first content, or to the end of a whole answer; what generates nothing (embeddings and the
        like) keeps to the limit of streams."""
        patience = self.route.patience[target_id]
        whole = not self.call.envelope.stream and self.call.endpoint not in PROMPT
        return patience.whole if whole else patience.stream

    def beat(self, now: float) -> None:
        """Tell client and middleboxes that the silence is meant. Costs the status line, not the failover: nothing of any
        provider has been sent yet, so another target can still answer; only an error must then go in band."""
        if not self.downstream.started:
            self.downstream.start(200, HEARTBEAT_HEADERS, None)
        self.downstream.write(self.format.waiting)
        self.next_heartbeat = now + self.route.route.heartbeat

    @property
    def halted(self) -> bool:
        """Another call took its place."""
        return self.halt is not None and self.halt.done()

    def __repr__(self) -> str:
        state = "committed" if self.committed else "open"
        return f"<Journey {self.call.id} {self.route.route.name} {state}, {len(self.record.attempts)} attempts>"


class Pulse:
    """Beats for a journey while no attempt does, in a queue; made when the wait begins, stopped when it ends."""

    __slots__ = ("_journey", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, journey: Journey) -> None:
        self._loop = loop
        self._journey = journey
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def _arm(self) -> None:
        moment = self._journey.next_heartbeat
        if moment < float("inf"):
            self._timer = self._loop.call_at(moment, self._beat)

    def _beat(self) -> None:
        self._journey.beat(self._loop.time())
        self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
