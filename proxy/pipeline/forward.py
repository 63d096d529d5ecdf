"""The attempt loop: one call of a client, from its body to its last byte.

`serve` reads like the life of a call: open it (model, route, deadline), attempt, attempt again while `retry` allows,
deliver, write it down. An attempt is: choose a target (`policy/selection`), get its permit or wait for one
(`queueing`), send and watch (`attempt`). Whatever happens, every permit is settled once, the client gets exactly one
ending, and one record goes to the sinks. Decisions are made in `policy`, bytes are judged in `providers` and `wire`; this
file only puts them in order.
"""

import asyncio
from collections.abc import Collection
from functools import partial

import msgspec

from proxy.core.endpoints import TEXTUAL, Endpoint
from proxy.core.exchange import ClientRequest, Downstream
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.problem import Problem
from proxy.core.records import AttemptRecord, CallRecord, Purpose
from proxy.pipeline.accounting import Accounting, apply_usage, may_be_billed
from proxy.pipeline.accounts import REFUSED, Accounts
from proxy.pipeline.attempt import Attempt
from proxy.pipeline.failing import explain_failure, find_problem, refuse
from proxy.pipeline.gate import Gate
from proxy.pipeline.hedging import Race, can_repeat, patience
from proxy.pipeline.journey import Journey, Pulse
from proxy.pipeline.opening import KEEPING, Opener
from proxy.pipeline.queueing import GRANTED_TOO_LATE, CapacityQueues
from proxy.pipeline.reply import closing_words, commit_headers, count_headers, usage_headers
from proxy.pipeline.resumed import CutStream, ResumedAttempt, Resumes
from proxy.pipeline.resumption import Unwilling
from proxy.pipeline.retry import GiveUp, Retries, RetryableAttempt, retryable
from proxy.pipeline.routing import Routing
from proxy.pipeline.services import Services
from proxy.pipeline.staleness import Transcript, answer_of, key_of, may_keep, may_replay, replay
from proxy.pipeline.superseding import Superseding, cut_off
from proxy.pipeline.tunneling import TunnelAttempt
from proxy.pipeline.used_features import list_features
from proxy.policy.selection import Selection, select
from proxy.policy.strategies import Candidate, Choice
from proxy.policy.targets import Permit, Verdict
from proxy.providers.presets import PRESETS
from proxy.wire.anthropic.answer import write_count
from proxy.wire.shortening import shorten

CLIENT_CLOSED_REQUEST = 499
#: What `x-undimmed-degraded` says of an answer by a target of last resort.
LAST_RESORT = "last-resort"
AnyAttempt = Attempt | TunnelAttempt


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
        self._accounts = accounts
        self.gate = gate
        self._opener = Opener(accounts, services.tunnels is not None, gate)
        self.routing = routing
        self._unwilling = Unwilling()
        self._queues = queues
        self._accounting = accounting
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
            self._superseding.enter(journey, request.key)
            if may_keep(journey):
                journey.downstream = Transcript(downstream, journey.format.waiting)
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
                await (self._count if journey.call.endpoint is Endpoint.COUNT_TOKENS else self._fail)(journey)
            except asyncio.CancelledError as cancelled:
                note_leaving(record, cancelled)
                raise
        except asyncio.CancelledError as cancelled:
            note_leaving(record, cancelled)
            raise
        finally:
            self._close(record, journey)

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
        retries = Retries(journey, self._look, self._services.loop.time, self._services.rng)
        try:
            await retries.drive(first, lambda: self._attempt(routing, journey))
        except RetryableAttempt as last:
            raise GiveUp from last

    async def _resume(self, routing: Routing, journey: Journey, cut: RetryableAttempt) -> None:
        """The stream was cut: attempts to go on with it, as long as `resumed` sees a point in them."""
        assert journey.resumption is not None  # whoever raised the cut had one
        journey.resumption.begin(len(journey.record.attempts), routing.kinds, self._unwilling)
        journey.make, journey.commit_by = ResumedAttempt, journey.deadline
        retries = Resumes(journey, self._look, self._services.loop.time, self._services.rng)
        try:
            await retries.drive(cut, lambda: self._attempt(routing, journey))
        except RetryableAttempt as last:
            raise GiveUp from last

    async def _attempt(self, routing: Routing, journey: Journey) -> None:
        """One attempt; returns when the client has its answer or the honest end of a broken one."""
        taken = None if journey.halted else self._take(journey)
        while taken is None:
            if journey.halted:
                raise GiveUp
            taken = await self._wait(journey) or self._take(journey)
        attempt, outcome = await self._run(routing, journey, self._make(routing, journey, *taken))
        candidate = attempt.candidate
        journey.weigh(candidate.state, outcome, self._services.loop.time())
        if outcome.ok:
            await self._deliver(journey, attempt)
            return
        self._book(journey, attempt)
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

    def _make(self, routing: Routing, journey: Journey, candidate: Candidate, permit: Permit) -> AnyAttempt:
        make = journey.make or Attempt
        attempt = make(self._services, journey, routing.kinds[candidate.target.provider], candidate, permit)
        if candidate.target.last_resort and isinstance(attempt, Attempt):
            journey.record.degraded = LAST_RESORT
            provider = routing.settings.providers[candidate.target.provider]
            most = candidate.target.max_answer
            if most is not None:
                attempt.call = shorten(journey.call, most, PRESETS[provider.preset].cap) or journey.call
        if journey.booking.passage is not None:
            journey.booking.passage.charge(candidate.target, attempt.record)
        self._services.witness(journey.record, attempt.record)
        return attempt

    async def _run(self, routing: Routing, journey: Journey, attempt: AnyAttempt) -> tuple[AnyAttempt, Outcome]:
        """Run an attempt to its verdict, on a route that hedges perhaps beside a second one. Whoever is cut is booked."""
        race = self._prepare_race(routing, journey, attempt)
        if journey.halt is not None:
            journey.halt.add_done_callback(lambda _: cut_off(race.runners if race is not None else [attempt]))
        try:
            return await race.run() if race is not None else (attempt, await attempt.run())
        except asyncio.CancelledError:
            for runner in race.runners if race is not None else [attempt]:
                self._book(journey, runner)
            raise

    def _prepare_race(self, routing: Routing, journey: Journey, attempt: AnyAttempt) -> Race | None:
        hedges = journey.route.hedges
        if hedges is None or journey.committed or not isinstance(attempt, Attempt) or not can_repeat(journey):
            return None
        if len(journey.record.attempts) == 1:
            hedges.called()
        wait = patience(journey, attempt)
        if wait is None:
            return None
        return Race(self._services.loop, attempt, wait, lambda: self._join(routing, journey), partial(self._drop, journey))

    def _join(self, routing: Routing, journey: Journey) -> Attempt | None:
        """A second attempt beside one that is slow: elsewhere, where nothing speaks against it, and within the budget."""
        route, record, call = journey.route, journey.record, journey.call
        now = self._services.loop.time()
        candidate = self._look(journey, besides={record.attempts[-1].target}).candidate
        if len(record.attempts) >= route.route.retry.attempts or route.hedges is None or candidate is None:
            return None
        if candidate.target.last_resort:
            return None
        excluded = journey.tried_credentials.get(candidate.state.id, ())
        if candidate.state.admission(call.endpoint, now, excluded).verdict is not Verdict.READY or not route.hedges.take():
            return None
        permit = candidate.state.acquire(call.endpoint, now, excluded, call.envelope.stream)
        if permit is None:
            return None
        attempt = self._make(routing, journey, candidate, permit)
        assert isinstance(attempt, Attempt)  # sessions are not hedged
        attempt.call = msgspec.structs.replace(call)  # what a kind notes in a call is about its own target
        attempt.record.purpose = Purpose.HEDGE
        return attempt

    def _drop(self, journey: Journey, attempt: Attempt, outcome: Outcome) -> None:
        """A runner left a race that goes on."""
        self._book(journey, attempt)
        if outcome.kind is not OutcomeKind.OUTPACED:
            journey.tried.add(attempt.candidate.state.id)
            journey.weigh(attempt.candidate.state, outcome, self._services.loop.time())

    def _look(self, journey: Journey, afresh: bool = False, besides: Collection[str] = ()) -> Selection:
        """Who could take this call now; acquires nothing. `afresh`: as if nothing had been tried; `besides`: target ids that
        are out too."""
        call, route = journey.call, journey.route
        choice = Choice(self._services.loop.time(), self._services.rng, call.affinity, call.endpoint)
        if journey.booking.passage is not None:
            choice.bar = journey.booking.passage.bar
        tried, tried_credentials = (set(), journey.fixed) if afresh else (journey.tried, journey.tried_credentials)
        if besides:
            tried = tried.union(besides)
        return select(route.tiers, route.strategy, choice, tried, tried_credentials, journey.needs())

    def _take(self, journey: Journey) -> tuple[Candidate, Permit] | None:
        """A target and its permit, at once; None: nobody can be asked now."""
        call = journey.call
        passage = journey.booking.passage
        first = journey.route.first
        if first is not None and not journey.record.attempts and journey.route.is_easy(call.envelope, call.endpoint):
            permit = None
            if passage is None or passage.bar(first) is None:
                permit = first.state.acquire_flowing(call.endpoint, self._services.loop.time(), call.envelope.stream)
            if permit is not None:
                return first, permit
        promised, journey.promised = journey.promised, None
        if promised is not None and passage is not None and passage.bar(promised) is not None:
            promised = None
        while True:
            candidate = promised or self._look(journey).candidate
            if candidate is None:
                return None
            excluded = journey.tried_credentials.get(candidate.state.id, ())
            permit = candidate.state.acquire(call.endpoint, self._services.loop.time(), excluded, call.envelope.stream)
            if permit is not None:
                return candidate, permit
            promised = None  # somebody else took the last place or the trial between looking and taking

    async def _wait(self, journey: Journey) -> tuple[Candidate, Permit] | None:
        """Queue for a target, if every one that is left is merely full; None: look again."""
        now = self._services.loop.time()
        until = min(journey.deadline, journey.commit_by)
        selection = self._look(journey)
        if selection.candidate is not None:
            return None
        full = self._waitable(journey, selection, now)
        if not full or now >= until:
            raise GiveUp
        pulse = Pulse(self._services.loop, journey)
        try:
            permit = await self._queues.wait(full, journey.call, journey.tried_credentials, until, journey.halt)
        finally:
            pulse.stop()
        journey.record.waited += self._services.loop.time() - now
        if permit is None:
            return None
        candidate = next(candidate for candidate in full if candidate.state is permit.target)
        passage = journey.booking.passage
        if passage is not None and passage.bar(candidate) is not None:
            permit.settle(GRANTED_TOO_LATE, self._services.loop.time())
            return None
        return candidate, permit

    def _waitable(self, journey: Journey, selection: Selection, now: float) -> list[Candidate]:
        """The full candidates whose queue has room; for a third attempt only one, and only if its budget allows."""
        full = [candidate for candidate in selection.full if self._queues.has_room(candidate)]
        if len(journey.record.attempts) < 2:
            return full
        return next(([candidate] for candidate in full if candidate.state.budget.take(now)), [])

    # Delivering.

    async def _deliver(self, journey: Journey, attempt: AnyAttempt) -> None:
        """The answer is whole and sound: count it, then write its ending (a stream) or all of it."""
        record = attempt.record
        record.delivered = True
        journey.record.served_by = record.target
        record.served_model = attempt.served_model
        usage = attempt.usage
        if usage is not None:
            apply_usage(record, attempt.candidate.target, usage, journey.record.wall)
        elif journey.call.endpoint in TEXTUAL:
            target = attempt.candidate.target
            await self._accounting.estimated(attempt.call, journey.booking, record, target, attempt.texts())
        downstream = journey.downstream
        answer = attempt.reader or attempt.answer
        if answer is not None and journey.call.endpoint in KEEPING:
            self._accounts.note(journey.call, record, journey.record.key, answer)
        if attempt.reader is not None:
            journey.record.status = record.status or 200
            if journey.resumption is not None and journey.resumption.begun:
                journey.resumption.close(attempt)
            comment = journey.format.closing_comment(closing_words(journey, record))
            downstream.finish(attempt.tail + comment + attempt.reader.terminator)
            self._keep(journey, record, attempt.tail, attempt.reader.terminator)
        elif attempt.answer is not None:
            body = attempt.answer.body
            journey.record.status = record.status or 200
            downstream.start(journey.record.status, commit_headers(journey, attempt) + usage_headers(record), len(body))
            downstream.finish(body)
            self._keep(journey, record, body)

    def _keep(self, journey: Journey, record: AttemptRecord, rest: bytes, terminator: bytes = b"") -> None:
        """Remember an answer for bad times, where the route says so. `rest`: what of it was written last."""
        shelf = self._services.shelf
        if shelf is not None and isinstance(journey.downstream, Transcript):
            kept = answer_of(journey, record, rest, terminator, self._services.wall())
            if kept is not None:
                shelf.keep(key_of(journey), kept)

    async def _fail(self, journey: Journey) -> None:
        """Nobody can answer. Repeat what the same request got before, where the route allows it; else say why."""
        services, shelf, stale = self._services, self._services.shelf, journey.route.route.stale
        problem = find_problem(journey, self._look(journey, afresh=True), services.loop.time())
        if shelf is not None and stale is not None and may_replay(journey, problem):
            kept = await shelf.find(key_of(journey), services.wall() - stale)
            if kept is not None:
                replay(journey, kept, services.wall())
                return
        explain_failure(journey, problem)

    async def _count(self, journey: Journey) -> None:
        """Nobody could say how many tokens a request has, or has such an endpoint at all: estimate it, and say so."""
        record, downstream = journey.record, journey.downstream
        target = next(journey.route.candidates).target
        usage = await self._accounting.count(journey.call, target, [])
        body = write_count(usage.input)
        record.status = 200
        downstream.start(200, count_headers(journey, usage), len(body))
        downstream.finish(body)

    # Writing down.

    def _book(self, journey: Journey, attempt: AnyAttempt) -> None:
        """Tokens of an attempt that did not end well: what the provider said, else an estimate if it may have generated."""
        record = attempt.record
        target = attempt.candidate.target
        record.served_model = attempt.served_model
        if attempt.usage is not None:
            apply_usage(record, target, attempt.usage, journey.record.wall)
        elif may_be_billed(record):
            record.possibly_billed = True
            if journey.call.endpoint in TEXTUAL:
                self._accounting.estimate(attempt.call, journey.booking, record, target, attempt.texts())
        if journey.booking.passage is not None:
            journey.booking.passage.settle(record)

    def _close(self, record: CallRecord, journey: Journey | None) -> None:
        record.ended_at = self._services.loop.time()
        if journey is None:
            self._services.sink.call_finished(record)
        else:
            self._superseding.leave(journey)
            record.features = list_features(journey.call)
            self._accounting.close(journey.booking)


def note_leaving(record: CallRecord, cancelled: asyncio.CancelledError) -> None:
    """The client left, or the proxy stops."""
    record.outcome = OutcomeKind.SHUTDOWN if "shutdown" in cancelled.args else OutcomeKind.CLIENT_GONE
    record.status = CLIENT_CLOSED_REQUEST
