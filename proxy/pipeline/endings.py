"""The end of a call, as its client sees it, and what each attempt is booked with.

An answer that is whole and sound gets its ending; where there is none, the client is told why, or gets what the same request
got before. Every attempt's tokens are the provider's own, or an estimate that nobody waits for.
"""

from proxy.core.endpoints import TEXTUAL
from proxy.core.records import AttemptRecord
from proxy.pipeline.accounting import Accounting, apply_usage
from proxy.pipeline.accounts import Accounts
from proxy.pipeline.escalating import CheckedAttempt, note_saving
from proxy.pipeline.failing import explain_failure, find_problem
from proxy.pipeline.journey import Journey
from proxy.pipeline.leaving import Leaving
from proxy.pipeline.opening import KEEPING
from proxy.pipeline.reply import closing_words, commit_headers, count_headers, usage_headers
from proxy.pipeline.running import AnyAttempt
from proxy.pipeline.services import Services
from proxy.pipeline.staleness import Transcript, answer_of, key_of, may_replay, replay
from proxy.policy.selection import Selection
from proxy.wire.anthropic.answer import write_count


class Endings:
    """See the module's text."""

    def __init__(self, services: Services, accounting: Accounting, accounts: Accounts) -> None:
        self._services = services
        self._accounting = accounting
        self._accounts = accounts
        self._leaving = Leaving(services.loop, accounting)

    async def deliver(self, journey: Journey, attempt: AnyAttempt) -> None:
        """The answer is whole and sound: count it, and prepare its ending (a stream) or all of it, which the client gets as
        soon as the call is written down."""
        record = attempt.record
        record.delivered = True
        journey.record.served_by = record.target
        record.served_model = attempt.served_model
        usage, target = attempt.usage, attempt.candidate.target
        if usage is not None and (usage.input or journey.call.endpoint not in TEXTUAL):
            apply_usage(record, target, usage, journey.record.wall)
            self._accounting.compare(attempt.call, record, target, usage)
        elif journey.call.endpoint in TEXTUAL:
            await self._accounting.estimated(attempt.call, journey.booking, record, target, attempt.texts(), usage)
        downstream = journey.downstream
        if journey.route.route.escalate is not None:
            note_saving(journey, record)
            if isinstance(attempt, CheckedAttempt):
                attempt.release()
        answer = attempt.reader or attempt.answer
        if answer is not None and journey.call.endpoint in KEEPING:
            self._accounts.note(journey.call, record, journey.record.key, answer)
        if attempt.reader is not None:
            journey.record.status = record.status or 200
            if journey.resumption is not None and journey.resumption.begun:
                journey.resumption.close(attempt)
            comment = journey.format.closing_comment(closing_words(journey, record))
            journey.farewell = attempt.tail + comment + attempt.reader.terminator
            self._keep(journey, record, attempt.tail, attempt.reader.terminator)
        elif attempt.answer is not None:
            body = attempt.answer.body
            journey.record.status = record.status or 200
            downstream.start(journey.record.status, commit_headers(journey, attempt) + usage_headers(record), len(body))
            journey.farewell = body
            self._keep(journey, record, body)

    def _keep(self, journey: Journey, record: AttemptRecord, rest: bytes, terminator: bytes = b"") -> None:
        """Remember an answer for bad times, where the route says so. `rest`: what of it was written last."""
        shelf = self._services.shelf
        if shelf is not None and isinstance(journey.downstream, Transcript):
            kept = answer_of(journey, record, rest, terminator, self._services.wall())
            if kept is not None:
                shelf.keep(key_of(journey), kept)

    async def fail(self, journey: Journey, selection: Selection) -> None:
        """Nobody can answer. Repeat what the same request got before, where the route allows it; else say why."""
        services, shelf, stale = self._services, self._services.shelf, journey.route.route.stale
        problem = find_problem(journey, selection, services.loop.time())
        if shelf is not None and stale is not None and may_replay(journey, problem):
            kept = await shelf.find(key_of(journey), services.wall() - stale)
            if kept is not None:
                replay(journey, kept, services.wall())
                return
        explain_failure(journey, problem)

    async def count(self, journey: Journey) -> None:
        """Nobody could say how many tokens a request has, or has such an endpoint at all: estimate it, and say so."""
        record, downstream = journey.record, journey.downstream
        target = next(journey.route.candidates).target
        usage = await self._accounting.count(journey.call, target, None)
        body = write_count(usage.input)
        record.status = 200
        downstream.start(200, count_headers(journey, usage), len(body))
        downstream.finish(body)

    def book(self, journey: Journey, attempt: AnyAttempt) -> None:
        """An attempt did not end well: what it used, and what it had set aside. One that goes on without its client is
        booked when it is over."""
        if attempt.rest is not None and not attempt.rest.done():
            self._leaving.follow(attempt, journey.booking, lambda: self._write(journey, attempt))
        else:
            self._write(journey, attempt)

    def _write(self, journey: Journey, attempt: AnyAttempt) -> None:
        self._accounting.book(journey.booking, attempt)
        if journey.booking.passage is not None:
            journey.booking.passage.settle(attempt.record)
