"""Making attempts, and running one to its verdict: alone, or beside a second copy where its route hedges."""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import Purpose
from proxy.pipeline.attempt import Attempt
from proxy.pipeline.choosing import Chooser
from proxy.pipeline.hedging import Race, can_repeat, patience
from proxy.pipeline.journey import Journey
from proxy.pipeline.routing import Routing
from proxy.pipeline.services import Services
from proxy.pipeline.superseding import cut_off
from proxy.pipeline.tunneling import TunnelAttempt
from proxy.policy.strategies import Candidate
from proxy.policy.targets import Permit, Verdict
from proxy.providers.presets import PRESETS
from proxy.wire.shortening import shorten

#: What `x-undimmed-degraded` says of an answer by a target of last resort.
LAST_RESORT = "last-resort"
AnyAttempt = Attempt | TunnelAttempt


class Runner:
    """See the module's text. `book` writes down what an attempt used that is cut off."""

    def __init__(self, services: Services, chooser: Chooser, book: Callable[[Journey, AnyAttempt], None]) -> None:
        self._services = services
        self._chooser = chooser
        self._book = book

    async def run(self, routing: Routing, journey: Journey, attempt: AnyAttempt) -> tuple[AnyAttempt, Outcome]:
        """Run an attempt to its verdict, on a route that hedges perhaps beside a second one. Whoever is cut is booked."""
        race = None if journey.route.hedges is None else self._prepare_race(routing, journey, attempt)
        if journey.halt is not None:
            journey.halt.add_done_callback(lambda _: cut_off(race.runners if race is not None else [attempt]))
        try:
            return await race.run() if race is not None else (attempt, await attempt.run())
        except asyncio.CancelledError:
            for runner in race.runners if race is not None else [attempt]:
                self._book(journey, runner)
            raise

    def make(self, routing: Routing, journey: Journey, candidate: Candidate, permit: Permit) -> AnyAttempt:
        make = journey.make or Attempt
        attempt = make(self._services, journey, routing.kinds[candidate.target.provider], candidate, permit)
        if candidate.target.last_resort and isinstance(attempt, Attempt):
            journey.record.degraded = LAST_RESORT
            provider = routing.settings.providers[candidate.target.provider]
            most = candidate.target.max_answer
            if most is not None:
                attempt.call = shorten(attempt.call, most, PRESETS[provider.preset].cap) or attempt.call
        if journey.booking.passage is not None:
            journey.booking.passage.charge(candidate.target, attempt.record)
        if journey.escalated is not None:
            attempt.record.purpose = Purpose.ESCALATION
        self._services.witness(journey.record, attempt.record)
        return attempt

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
        candidate = self._chooser.look(journey, besides={record.attempts[-1].target}).candidate
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
        attempt = self.make(routing, journey, candidate, permit)
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
