"""The attempt loop: one call of a client, from its body to its last byte.

`serve` reads like the life of a call: open it (model, route, deadline), attempt, attempt again while `retry` allows,
deliver, write it down. An attempt is: choose a target and get its permit, or wait for one (`choosing`), send and watch
(`running`, `attempt`), deliver or say why not (`endings`). Whatever happens, every permit is settled once, the client gets
exactly one ending, and one record goes to the sinks. Decisions are made in `policy`, bytes are judged in `providers` and
`wire`; this file only puts them in order.
"""

import asyncio

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, Downstream
from proxy.core.outcome import OutcomeKind
from proxy.core.problem import Problem
from proxy.core.records import CallRecord
from proxy.pipeline.accounting import Accounting
from proxy.pipeline.accounts import REFUSED, Accounts
from proxy.pipeline.attempt import Attempt
from proxy.pipeline.choosing import Chooser
from proxy.pipeline.endings import Endings
from proxy.pipeline.escalating import UNCHECKED, find_objection, is_checked, set_aside
from proxy.pipeline.failing import refuse
from proxy.pipeline.gate import Gate
from proxy.pipeline.journey import Journey
from proxy.pipeline.opening import Opener
from proxy.pipeline.queueing import CapacityQueues
from proxy.pipeline.resumed import CutStream, ResumedAttempt, Resumes
from proxy.pipeline.resumption import Unwilling
from proxy.pipeline.retry import GiveUp, Retries, RetryableAttempt, retryable
from proxy.pipeline.routing import Routing
from proxy.pipeline.running import AnyAttempt, Runner
from proxy.pipeline.services import Services
from proxy.pipeline.staleness import Transcript, may_keep
from proxy.pipeline.superseding import HEADER as SUPERSEDE
from proxy.pipeline.superseding import Superseding
from proxy.pipeline.used_features import list_features

CLIENT_CLOSED_REQUEST = 499


class Forwarder:
    """Serves calls with the current routing. Replacing `routing` takes effect for the next call."""

    def __init__(
        self,
        services: Services,
        routing: Routing,
        queues: CapacityQueues,
        accounting: Accounting,
        accounts: Accounts,
        gate: Gate,
    ) -> None:
        self._services = services
        self.gate = gate
        self._opener = Opener(accounts, services.tunnels is not None, gate)
        self.routing = routing
        self._unwilling = Unwilling()
        self._accounting = accounting
        self._chooser = Chooser(services, queues)
        self._endings = Endings(services, accounting, accounts)
        self._runner = Runner(services, self._chooser, self._endings.book)
        self._superseding = Superseding(services.loop)

    async def serve(self, request: ClientRequest, downstream: Downstream) -> None:
        """Answer one request. Raises CancelledError, and nothing else, when the client leaves or the proxy stops."""
        record = self._new_record(request)
        journey: Journey | None = None
        routing = self.routing
        try:
            opened = self._opener.open(routing, request, downstream, record)
            if isinstance(opened, Problem):
                refuse(record, downstream, opened)
                return
            journey = opened
            if SUPERSEDE in request.headers:
                self._superseding.enter(journey, request.key)
            if journey.route.route.stale is not None and may_keep(journey):
                journey.downstream = Transcript(journey.downstream, journey.format.waiting)
            try:
                try:
                    await self._attempt(routing, journey)
                except RetryableAttempt as failure:
                    await self._attempt_again(routing, journey, failure)
            except CutStream as cut:
                await self._resume(routing, journey, cut.failure)
        except GiveUp:
            assert journey is not None
            try:
                await self._give_up(journey)
            except asyncio.CancelledError as cancelled:
                note_leaving(record, cancelled)
                raise
        except asyncio.CancelledError as cancelled:
            note_leaving(record, cancelled)
            raise
        finally:
            self._close(record, journey)

    async def _give_up(self, journey: Journey) -> None:
        """There will be no (further) attempt."""
        if journey.call.endpoint is Endpoint.COUNT_TOKENS:
            await self._endings.count(journey)
        else:
            await self._endings.fail(journey, self._chooser.look(journey, afresh=True))

    def _new_record(self, request: ClientRequest) -> CallRecord:
        return CallRecord(
            id=f"{self._services.rng.getrandbits(96):024x}",
            route="",
            endpoint=request.endpoint,
            stream=False,
            key=request.key,
            wall=self._services.wall(),
            started_at=request.arrived,
        )

    # Attempting.

    async def _attempt_again(self, routing: Routing, journey: Journey, first: RetryableAttempt) -> None:
        """Further attempts, as long as `retry` sees a point in them."""
        retries = Retries(journey, self._chooser.look, self._services.loop.time, self._services.rng)
        try:
            await retries.drive(first, lambda: self._attempt(routing, journey))
        except RetryableAttempt as last:
            raise GiveUp from last

    async def _resume(self, routing: Routing, journey: Journey, cut: RetryableAttempt) -> None:
        """The stream was cut: attempts to go on with it, as long as `resumed` sees a point in them."""
        assert journey.resumption is not None  # whoever raised the cut had one
        journey.resumption.begin(len(journey.record.attempts), routing.kinds, self._unwilling)
        journey.make, journey.commit_by = ResumedAttempt, journey.deadline
        retries = Resumes(journey, self._chooser.look, self._services.loop.time, self._services.rng)
        try:
            await retries.drive(cut, lambda: self._attempt(routing, journey))
        except RetryableAttempt as last:
            raise GiveUp from last

    async def _attempt(self, routing: Routing, journey: Journey) -> None:
        """One attempt; returns when the client has its answer or the honest end of a broken one."""
        taken = None if journey.halt is not None and journey.halted else self._chooser.take(journey)
        while taken is None:
            if journey.halted:
                raise GiveUp
            taken = await self._chooser.wait(journey) or self._chooser.take(journey)
        attempt, outcome = await self._runner.run(routing, journey, self._runner.make(routing, journey, *taken))
        candidate = attempt.candidate
        journey.weigh(candidate.state, outcome, self._services.loop.time())
        if outcome.ok:
            objection = await self._object(journey, attempt) if journey.route.route.escalate is not None else None
            if objection is None:
                await self._endings.deliver(journey, attempt)
            else:
                await self._escalate(routing, journey)
            return
        self._endings.book(journey, attempt)
        if not retryable(outcome, journey.route.route.retry.on_content_filter):
            raise GiveUp
        if journey.careful and outcome.kind not in REFUSED:
            raise GiveUp
        failure = RetryableAttempt(candidate, attempt.permit.credential.id, outcome)
        if not journey.committed:
            raise failure
        resumption = journey.resumption
        if resumption is None or not resumption.may_follow(attempt):
            raise GiveUp
        raise failure if resumption.begun else CutStream(failure)

    async def _object(self, journey: Journey, attempt: AnyAttempt) -> str | None:
        """Hold a whole answer against its route's checks, and set it aside if it fails them."""
        if not isinstance(attempt, Attempt) or not is_checked(journey):
            return None
        try:
            objection = await find_objection(journey, attempt, self._services.judge, self._services.schemas)
        except asyncio.CancelledError:
            self._endings.book(journey, attempt)
            raise
        if objection is not None:
            self._endings.book(journey, attempt)
            set_aside(journey, attempt, objection)
        return objection

    async def _escalate(self, routing: Routing, journey: Journey) -> None:
        """An answer did not pass: ask the later tiers. If they have none, it is the client's after all."""
        try:
            try:
                await self._attempt(routing, journey)
            except RetryableAttempt as failure:
                await self._attempt_again(routing, journey, failure)
        except GiveUp:
            if journey.escalated is None or journey.committed or journey.halted:
                raise
            journey.record.degraded = UNCHECKED
            await self._endings.deliver(journey, journey.escalated)

    def _close(self, record: CallRecord, journey: Journey | None) -> None:
        record.ended_at = self._services.loop.time()
        if journey is None:
            self._services.sink.call_finished(record)
        else:
            if journey.place is not None:
                self._superseding.leave(journey)
            record.features = list_features(journey.call)
            self._accounting.close(journey.booking)
            if journey.farewell is not None:
                # Last: whoever has a whole answer can rely on its being in the ledger, even if this process dies now.
                journey.downstream.finish(journey.farewell)


def note_leaving(record: CallRecord, cancelled: asyncio.CancelledError) -> None:
    """The client left, or the proxy stops."""
    record.outcome = OutcomeKind.SHUTDOWN if "shutdown" in cancelled.args else OutcomeKind.CLIENT_GONE
    record.status = CLIENT_CLOSED_REQUEST
