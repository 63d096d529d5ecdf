"""May there be another attempt, when, and paid from which budget: the answers tenacity asks for.

The first attempt runs outside tenacity, so a call that succeeds pays nothing. After a failure a fresh `AsyncRetrying` is
given that failure as its first try and drives the rest. A shared instance is not safe between tasks, and its broad
predicates would swallow cancellation, so both are avoided: one per call, and the only exception it repeats is our own.

`next_step` decides. Another target costs no wait; the first failover is exempt from the budget, since it reroutes
rather than amplifies. Another credential of the same target comes first, but the last attempt goes to another target if
there is one. The same target is asked again only if nothing else is left, the failure table allows it, its
budget does, and the wait (the provider's own delay, else full jitter) ends before the deadline.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.settings import Target
from proxy.pipeline.journey import Journey
from proxy.policy.delays import wait_before
from proxy.policy.outcomes import RULES, Blame
from proxy.policy.selection import Selection
from proxy.policy.strategies import Candidate
from proxy.policy.targets import Verdict


class RetryableAttempt(Exception):
    """An attempt failed before its commit point in a way that allows another one."""

    def __init__(self, candidate: Candidate, credential: str, outcome: Outcome) -> None:
        super().__init__(f"{candidate.target.id}: {outcome.kind}")
        self.candidate = candidate
        self.credential = credential
        self.outcome = outcome


class GiveUp(Exception):
    """No (further) attempt will be made; the reply is made from what the journey recorded."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happens after a failure. `wait` in seconds; `go` False: the call ends here."""

    go: bool
    wait: float = 0.0


STOP = Step(go=False)
#: A target with one of these verdicts can take a request now, or as soon as a slot is free.
USABLE = frozenset({Verdict.READY, Verdict.RAMPING, Verdict.EJECTED, Verdict.TRIAL, Verdict.FULL})


def retryable(outcome: Outcome, on_content_filter: bool) -> bool:
    """Does the failure table allow any further attempt at all?"""
    if outcome.kind is OutcomeKind.CONTENT_FILTERED:
        return on_content_filter
    rule = RULES[outcome.kind]
    return rule.elsewhere or rule.here


def set_aside(journey: Journey, failure: RetryableAttempt) -> None:
    """Note what this call should not try again: one credential where that is to blame, else the target; and, if the
    context was too long, every target that is not known to take more."""
    target = failure.candidate.target
    if RULES[failure.outcome.kind].blame is Blame.CREDENTIAL:
        used = journey.tried_credentials.setdefault(target.id, set())
        used.add(failure.credential)
        if len(failure.candidate.state.ring.credentials) > len(used):
            return
    journey.tried.add(target.id)
    if failure.outcome.kind is OutcomeKind.CONTEXT_TOO_LONG:
        limit = failure.outcome.context_window or known_window(target) or journey.needs().tokens
        for candidate in journey.route.candidates:
            window = known_window(candidate.target)
            if window is None or window <= limit:
                journey.tried.add(candidate.target.id)


def known_window(target: Target) -> int | None:
    """Tokens that the operator, or else what is bundled about the model, says it takes in."""
    return target.context_window or target.facts.context_window


class Retries:
    """The further attempts of one call. `look` selects without acquiring anything; `attempt` makes one attempt. `allowed`:
    how many attempts the call may make altogether."""

    def __init__(
        self, journey: Journey, look: Callable[[Journey], Selection], now: Callable[[], float], rng: Random
    ) -> None:
        self._journey = journey
        self._look = look
        self._now = now
        self._rng = rng
        self._step = STOP
        self.allowed = journey.route.route.retry.attempts

    async def drive(self, first: RetryableAttempt, attempt: Callable[[], Awaitable[None]]) -> None:
        """Make attempts until one commits or answers (returns), or none may follow (raises the last failure)."""
        pending: list[RetryableAttempt] = [first]

        async def once() -> None:
            if pending:
                raise pending.pop()
            await attempt()

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(RetryableAttempt),
            wait=self._wait,
            stop=self._stop,
            sleep=self._sleep,
            reraise=True,
        )
        await retrying(once)

    def _wait(self, state: RetryCallState) -> float:
        """tenacity asks for the wait before it asks whether to stop, so the decision falls here."""
        failure = state.outcome.exception() if state.outcome is not None else None
        self._step = self.next_step(failure) if isinstance(failure, RetryableAttempt) else STOP
        return self._step.wait

    def _stop(self, state: RetryCallState) -> bool:
        return not self._step.go

    async def _sleep(self, seconds: float) -> None:
        """A wait between attempts; one whose place another call takes ends early."""
        halt = self._journey.halt
        if halt is None:
            await asyncio.sleep(seconds)
        else:
            await asyncio.wait([halt], timeout=seconds)

    def next_step(self, failure: RetryableAttempt) -> Step:
        """Decide what follows this failure."""
        journey = self._journey
        now = self._now()
        set_aside(journey, failure)
        made = len(journey.record.attempts)
        if made >= self.allowed or now >= min(journey.deadline, journey.commit_by):
            return STOP
        selection = self._look(journey)
        if made + 1 == self.allowed and selection.candidate is not None:
            selection = self._prefer_other(selection, failure.candidate)
        if selection.candidate is not None:
            return self._elsewhere(selection.candidate, made, now)
        if selection.full:
            return Step(go=True)
        return self._here(failure, made, now)

    def _prefer_other(self, selection: Selection, failed: Candidate) -> Selection:
        """For the last attempt: when the keys of a whole account are refused, trying them all must not use up the attempt
        that another provider would have answered."""
        tried = self._journey.tried
        if selection.candidate is None or selection.candidate.state is not failed.state:
            return selection
        tried.add(failed.target.id)
        other = self._look(self._journey)
        if other.candidate is None:
            tried.discard(failed.target.id)
            return selection
        return other

    def _elsewhere(self, candidate: Candidate, made: int, now: float) -> Step:
        if made > 1 and not candidate.state.budget.take(now):
            return STOP
        self._journey.promised = candidate
        return Step(go=True)

    def _keeps_cutting(self, failure: RetryableAttempt) -> bool:
        """A cut before the first word is most often a restart, once; what is cut again was generated, and billed, again."""
        if failure.outcome.kind is not OutcomeKind.STREAM_BROKEN:
            return False
        target_id = failure.candidate.state.id
        attempts = self._journey.record.attempts
        return sum(a.target == target_id and a.kind is OutcomeKind.STREAM_BROKEN for a in attempts) > 1

    def _here(self, failure: RetryableAttempt, made: int, now: float) -> Step:
        settings = self._journey.route.route.retry
        target_id = failure.candidate.target.id
        if not RULES[failure.outcome.kind].here or self._keeps_cutting(failure):
            return STOP
        wait = wait_before(
            same_target=True,
            outcome=failure.outcome,
            attempt=made,
            settings=settings,
            rng=self._rng,
        )
        admission = failure.candidate.state.admission(self._journey.call.endpoint, now)
        if admission.verdict not in USABLE:
            if admission.until is None or admission.until - now > settings.cap:
                return STOP
            wait = max(wait, admission.until - now)
        if now + wait >= min(self._journey.deadline, self._journey.commit_by):
            return STOP
        if not failure.candidate.state.budget.take(now):
            return STOP
        self._journey.forgive(target_id)
        self._journey.promised = failure.candidate
        return Step(go=True, wait=wait)
