"""Begin with the cheap target, and ask a dearer one only where its answer does not do.

An answer of a route with `escalate` is held back until it is whole and has passed the route's checks. One that fails them is
waste, and the targets of later tiers are asked. If none of them can answer, the client gets that answer after all, marked
as degraded: it is better than none. The answer of the last tier is not checked, since nobody could be asked after it.

What comes of it is money: `saving` says what an answer cost less than it would have at the next tier, or what a cheap answer
cost in vain.
"""

from proxy.core.continuity import WHOLE
from proxy.core.endpoints import Endpoint
from proxy.core.escalation import Escalation, Judge, Schemas
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import AttemptRecord
from proxy.pipeline.attempt import Attempt
from proxy.pipeline.held import HeldAttempt
from proxy.pipeline.journey import Journey
from proxy.policy.checks import Asked, find_fault, without_patterns
from proxy.policy.strategies import Candidate
from proxy.providers.translating import read_dialogue
from proxy.tokens.prices import cost
from proxy.wire.dialogue import AnswerFormat
from proxy.wire.examining import EXAMINED, examine
from proxy.wire.openai_envelope import EnvelopeError

#: What `x-undimmed-degraded` says of an answer that failed the checks and is given for want of a better one.
UNCHECKED = "unconvincing"


class CheckedAttempt(HeldAttempt):
    """One whose stream is held back to its end and begins only when it is released."""

    __slots__ = ()

    def _wanted(self) -> int:
        return WHOLE

    def _end_stream_well(self) -> None:
        """It is whole. Whether the client gets it is decided elsewhere."""

    def release(self) -> None:
        """The client gets it."""
        if not self._streaming:
            self._begin_reply()
            self._journey.downstream.attach(None)


def is_checked(journey: Journey) -> bool:
    """Are this call's answers held against the checks of its route?"""
    return journey.route.route.escalate is not None and journey.call.endpoint in EXAMINED and not journey.careful


def list_later(journey: Journey, record: AttemptRecord) -> list[Candidate]:
    """The targets of the tiers after the one that answered; none of last resort is dearer than what comes before it."""
    tiers = journey.route.tiers
    place = next(
        (n for n, tier in enumerate(tiers) for candidate in tier if candidate.state.id == record.target), len(tiers)
    )
    later = [candidate for tier in tiers[place + 1 :] for candidate in tier]
    return [candidate for candidate in later if not candidate.target.last_resort and candidate.state.id not in journey.tried]


async def find_objection(journey: Journey, attempt: Attempt, judge: Judge | None, schemas: Schemas | None) -> str | None:
    """Why this whole answer should not be the client's, as a sentence without a full stop; None: it passes."""
    settings = journey.route.route.escalate
    if settings is None or journey.committed or not list_later(journey, attempt.record):
        return None
    call = journey.call
    body = attempt.tail if attempt.reader is not None else attempt.answer.body if attempt.answer is not None else b""
    answer = examine(call.endpoint, body, call.envelope.stream, journey.record.route, attempt.record.target)
    fault = find_fault(settings, answer, _find_wishes(journey, settings, schemas))
    if fault is None and judge is not None and (settings.command or settings.webhook is not None):
        fault = await judge.judge(settings, answer)
    return fault


def set_aside(journey: Journey, attempt: Attempt, objection: str) -> None:
    """This answer is not the client's, at least not yet; the later tiers are asked."""
    attempt.record.outcome = Outcome(OutcomeKind.UNCONVINCING, attempt.record.status, objection)
    later = {candidate.state.id for candidate in list_later(journey, attempt.record)}
    journey.tried |= {candidate.state.id for candidate in journey.route.candidates} - later
    journey.escalated = attempt


def note_saving(journey: Journey, record: AttemptRecord) -> None:
    """Money saved by not asking the next tier, or (negative) spent on answers that did not do."""
    if not is_checked(journey):
        return
    attempts = journey.record.attempts
    vain = [a.cost for a in attempts if a.kind is OutcomeKind.UNCONVINCING and not a.delivered]
    if vain:
        journey.record.saved = -sum(money for money in vain if money is not None)
        return
    dearer = next(iter(list_later(journey, record)), None)
    if dearer is None or record.usage is None or record.cost is None:
        return
    tariff = dearer.target.tariff
    price = dearer.target.price if tariff is None else tariff.price(journey.record.wall, None, "")
    money = cost(record.usage, price)
    if money is not None:
        journey.record.saved = money - record.cost


def _find_wishes(journey: Journey, settings: Escalation, schemas: Schemas | None) -> Asked:
    """What the request wants of its answer; read only where a check looks at it."""
    if journey.call.endpoint is Endpoint.COMPLETIONS or not (settings.valid_json or settings.valid_schema):
        return Asked()
    try:
        wanted = read_dialogue(journey.call).answer_format
    except EnvelopeError:
        return Asked()
    if not isinstance(wanted, AnswerFormat):
        return Asked()
    schema = wanted.schema if settings.valid_schema and schemas is not None else None
    if schema is None or schemas is None:
        return Asked(json=True)
    return Asked(json=True, fits=schemas(without_patterns(schema)))
