"""Who is asked next: a candidate and its permit, at once or after a wait in the queues.

Choosing looks at everything that may speak against a target (what the call has tried, health, caps, limits and budgets) and
acquires nothing; taking acquires. Whoever is merely full may be waited for.
"""

from collections.abc import Collection

from proxy.pipeline.journey import Journey, Pulse
from proxy.pipeline.queueing import GRANTED_TOO_LATE, CapacityQueues
from proxy.pipeline.retry import GiveUp
from proxy.pipeline.services import Services
from proxy.policy.selection import Selection, select
from proxy.policy.strategies import Candidate, Choice
from proxy.policy.targets import Permit


class Chooser:
    """See the module's text."""

    def __init__(self, services: Services, queues: CapacityQueues) -> None:
        self._services = services
        self._queues = queues

    def look(self, journey: Journey, afresh: bool = False, besides: Collection[str] = ()) -> Selection:
        """Who could take this call now; acquires nothing. `afresh`: as if nothing had been tried; `besides`: target ids that
        are out too."""
        call, route = journey.call, journey.route
        now, rng = self._services.loop.time(), self._services.rng
        choice = Choice(now, rng, call.affinity, call.endpoint, shunned=journey.shunned)
        if journey.booking.passage is not None:
            choice.bar = journey.booking.passage.bar
        tried, tried_credentials = (set(), journey.fixed) if afresh else (journey.tried, journey.tried_credentials)
        if besides:
            tried = tried.union(besides)
        return select(route.tiers, route.strategy, choice, tried, tried_credentials, journey.needs())

    def take(self, journey: Journey) -> tuple[Candidate, Permit] | None:
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
        lost = promised is not None and passage is not None and passage.bar(promised) is not None
        if lost:
            promised = None
        while True:
            candidate = promised or self.look(journey).candidate
            if candidate is None:
                return None
            if lost and len(journey.record.attempts) > 1 and not candidate.state.budget.take(self._services.loop.time()):
                raise GiveUp  # another one's budget was asked
            excluded = journey.tried_credentials.get(candidate.state.id, ())
            permit = candidate.state.acquire(call.endpoint, self._services.loop.time(), excluded, call.envelope.stream)
            if permit is not None:
                return candidate, permit
            # Somebody else took the last place or the trial between looking and taking.
            lost = lost or promised is not None
            promised = None

    async def wait(self, journey: Journey) -> tuple[Candidate, Permit] | None:
        """Queue for a target, if every one that is left is merely full; None: look again."""
        now = self._services.loop.time()
        until = min(journey.deadline, journey.commit_by)
        selection = self.look(journey)
        if selection.candidate is not None:
            return None
        full = self._waitable(journey, selection, now)
        if not full or now >= until:
            if now < until:
                journey.back_in = self._queues.expect(selection.full)
            raise GiveUp
        pulse = Pulse(self._services.loop, journey)
        try:
            permit = await self._queues.wait(full, journey, until)
        finally:
            pulse.stop()
        journey.record.waited += self._services.loop.time() - now
        if permit is None:
            if journey.displaced:
                journey.back_in = self._queues.expect(full)
                raise GiveUp
            return None
        candidate = next(candidate for candidate in full if candidate.state is permit.target)
        passage = journey.booking.passage
        if passage is not None and passage.bar(candidate) is not None:
            permit.settle(GRANTED_TOO_LATE, self._services.loop.time())
            return None
        return candidate, permit

    def _waitable(self, journey: Journey, selection: Selection, now: float) -> list[Candidate]:
        """The full candidates whose queue has room; for a third attempt only one, and only if its budget allows."""
        full = [candidate for candidate in selection.full if self._queues.has_room(candidate, journey)]
        if len(journey.record.attempts) < 2:
            return full
        return next(([candidate] for candidate in full if candidate.state.budget.take(now)), [])
