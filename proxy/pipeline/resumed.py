"""An attempt to go on with a stream that was cut, and the decision whether and where to make one.

`ResumedAttempt` is an attempt like any other, whose content is what the client does not have yet. So everything that holds
for an answer's beginning holds for its continuation: nothing of it is written before it is judged, silence before it and in
it is limited, and what fails before it goes elsewhere unseen. What a target sends while it repeats what the client has keeps
it alive.

`Resumes` is the retry decision with a count of its own; the failure table, the budgets and the deadline decide as always.
"""

from collections.abc import Callable
from random import Random

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import Purpose
from proxy.pipeline.attempt import Attempt
from proxy.pipeline.journey import Journey
from proxy.pipeline.resumption import Resumption, Way
from proxy.pipeline.retry import STOP, Retries, RetryableAttempt, Step
from proxy.pipeline.services import Services
from proxy.policy.selection import Selection
from proxy.policy.strategies import Candidate
from proxy.policy.targets import Permit
from proxy.providers.contract import ProviderKind
from proxy.wire.joined import JoinedReader
from proxy.wire.reading import StreamReader

#: How it is judged that a target does not take what it was given to go on from.
_REFUSALS = frozenset((OutcomeKind.BAD_REQUEST, OutcomeKind.UNSUPPORTED))


class CutStream(Exception):
    """A stream broke off after the client had some of it, and may go on elsewhere."""

    def __init__(self, failure: RetryableAttempt) -> None:
        super().__init__(str(failure))
        self.failure = failure


class ResumedAttempt(Attempt):
    """See the module's text."""

    __slots__ = ("_joined", "_resumption", "_way")

    def __init__(
        self, services: Services, journey: Journey, kind: ProviderKind, candidate: Candidate, permit: Permit
    ) -> None:
        super().__init__(services, journey, kind, candidate, permit)
        assert journey.resumption is not None  # it makes these attempts
        self._resumption: Resumption = journey.resumption
        self._joined: JoinedReader | None = None
        self._way = self._resumption.find_way(candidate, permit.started) or Way.SPLICE
        self.call = self._resumption.open(candidate, self._way)
        self.record.purpose = Purpose.RESUME

    def on_body(self, data: bytes) -> None:
        super().on_body(data)
        if not self._flowing and self._joined is not None and self._joined.begun and not self._verdict.done():
            self._begin_flow(self._services.loop.time())

    def _open_reader(self) -> StreamReader:
        self._joined = JoinedReader(super()._open_reader(), self._resumption.joint, self._way is Way.CONTINUE)
        return self._joined

    def _judge_error(self) -> None:
        outcome = self._kind.error(self._status, self.headers, b"".join(self._held))
        if self._way is Way.CONTINUE and outcome.kind in _REFUSALS:
            self._resumption.refused(self.candidate, self._services.loop.time())
            self._conclude(Outcome(OutcomeKind.UNSUPPORTED, self._status, "it does not go on with an answer that was begun"))
        else:
            super()._judge_error()


class Resumes(Retries):
    """The attempts of one call after a cut."""

    def __init__(
        self, journey: Journey, look: Callable[[Journey], Selection], now: Callable[[], float], rng: Random
    ) -> None:
        super().__init__(journey, look, now, rng)
        assert journey.resumption is not None  # there has been a cut
        self._resumption = journey.resumption

    def next_step(self, failure: RetryableAttempt) -> Step:
        journey, resumption, now = self._journey, self._resumption, self._now()
        self.allowed = resumption.allowed
        for candidate in journey.route.candidates:
            if resumption.find_way(candidate, now) is None:
                journey.tried.add(candidate.state.id)
        step = super().next_step(failure)
        return step if step.go else self._turn(failure.candidate, failure.outcome, now)

    def _here(self, failure: RetryableAttempt, made: int, now: float) -> Step:
        asked = self._resumption.find_way(failure.candidate, now) is not None
        return super()._here(failure, made, now) if asked else STOP

    def _turn(self, candidate: Candidate, outcome: Outcome, now: float) -> Step:
        """Nobody is left who could be asked anew: the target whose answer diverged may at least go on."""
        journey = self._journey
        if outcome.kind is not OutcomeKind.DIVERGED or not self._resumption.can_extend(candidate, now):
            return STOP
        if len(journey.record.attempts) >= self.allowed or now >= journey.deadline or not candidate.state.budget.take(now):
            return STOP
        journey.forgive(candidate.state.id)
        journey.promised = candidate
        return Step(go=True)
