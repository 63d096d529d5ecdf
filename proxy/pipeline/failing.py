"""Why there is no answer, told to the client once, in the form that its reply still allows."""

from collections.abc import Mapping

from proxy.core.exchange import Downstream
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.problem import Problem
from proxy.core.records import CallRecord
from proxy.pipeline.gate import LONGEST_WAIT
from proxy.pipeline.journey import Journey
from proxy.pipeline.reply import limit_headers, problem_headers, told
from proxy.policy.allowances import Shortage
from proxy.policy.outcomes import final_problem, unavailable_problem, unfit_problem, unserved_problem
from proxy.policy.selection import Selection
from proxy.wire.formats import FORMATS, ClientFormat

#: What a call came to that a limit has kept out, by the code that its client is told.
_REFUSED: Mapping[str, OutcomeKind] = {
    "rate_limit_exceeded": OutcomeKind.RATE_LIMITED,
    "insufficient_quota": OutcomeKind.QUOTA_EXHAUSTED,
}


def explain_failure(journey: Journey, problem: Problem) -> None:
    """No (further) attempt will be made: tell the client."""
    journey.record.outcome = _kind_of(journey, problem)
    downstream = journey.downstream
    journey.record.status = 200 if downstream.started else problem.status
    if downstream.started:
        problem.request_id = journey.record.id
        downstream.write(journey.format.error_event(problem))
        downstream.abort()
    else:
        reply_problem(journey.format, journey.record.id, downstream, problem)


def refuse(record: CallRecord, downstream: Downstream, problem: Problem) -> None:
    """The request was never let on to a provider."""
    record.outcome = _REFUSED.get(problem.code or "", OutcomeKind.BAD_REQUEST)
    record.status = problem.status
    reply_problem(FORMATS[record.endpoint], record.id, downstream, problem)


def find_problem(journey: Journey, selection: Selection, now: float) -> Problem:
    """Why there is no answer. `selection`: who could take the call as if nothing had been tried, which says when asking
    again makes sense."""
    outcomes = _list_outcomes(journey.record)
    limited = [admission for _, admission in selection.refused if isinstance(admission, Shortage)]
    moments = [admission.until for _, admission in selection.refused if admission.until is not None]
    waits = [max(0.0, moment - now) for moment in moments]
    if journey.back_in is not None:
        waits.append(journey.back_in)
    retry_after = min(waits, default=None)
    if journey.halted:
        problem = final_problem([Outcome(OutcomeKind.SUPERSEDED)], retry_after=None)
    elif outcomes:
        problem = final_problem(outcomes, retry_after=retry_after)
    elif limited and journey.booking.passage is not None:
        problem = journey.booking.passage.refuse(limited, now)
        problem.retry_after = retry_after
    elif selection.unserved:
        problem = unserved_problem(journey.route.route.name, journey.call.endpoint.value)
    elif selection.unfit:
        problem = unfit_problem(selection.causes(), selection.oversized, journey.find_field())
    elif journey.displaced:
        problem = displaced_problem(retry_after)
    else:
        causes = selection.causes()
        problem = unavailable_problem(causes, retry_after, [admission.kind for _, admission in selection.refused])
    if not outcomes and retry_after is not None and retry_after == journey.back_in:
        # Nobody was asked, and there will be room: that is what a client's own repetition is for.
        problem.should_retry = retry_after <= LONGEST_WAIT
    problem.attempts = [told(attempt) for attempt in journey.record.attempts]
    problem.headers = limit_headers(journey)
    return problem


def displaced_problem(retry_after: float | None) -> Problem:
    """What to tell a client whose place in a full queue went to another call."""
    message = (
        "The queue for this model is full, and this request's place went to one of higher priority, or of a key that has"
        " fewer waiting."
    )
    return Problem(503, message, "service_unavailable_error", "displaced", retry_after=retry_after)


def _list_outcomes(record: CallRecord) -> list[Outcome]:
    """What came of the attempts, as far as it is the client's answer: of a stream that could not go on after a cut it is the
    cut that counts, not what came of trying."""
    attempts = list(record.attempts)
    while record.committed and len(attempts) > 1 and not attempts[-1].delivered:
        attempts.pop()
    return [attempt.outcome for attempt in attempts]


def _kind_of(journey: Journey, problem: Problem) -> OutcomeKind:
    if journey.halted:
        return OutcomeKind.SUPERSEDED
    outcomes = _list_outcomes(journey.record)
    if outcomes:
        return outcomes[-1].kind
    if problem.status == 400:
        return OutcomeKind.UNSUPPORTED
    return _REFUSED.get(problem.code or "", OutcomeKind.OVERLOADED)


def reply_problem(form: ClientFormat, call_id: str, downstream: Downstream, problem: Problem) -> None:
    """A whole reply that says what is wrong."""
    problem.request_id = call_id
    body = form.error_body(problem)
    downstream.start(form.status_of(problem.status), problem_headers(form, call_id, problem), len(body))
    downstream.finish(body)
