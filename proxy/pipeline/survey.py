"""What is going on now, for people: the health view and `explain`.

Everything is read from memory at the moment of asking, with the same functions that decide for real calls, so that the view
cannot tell another story than the traffic. Nothing is acquired and nothing is sent. A route can serve while at least one
of its targets would be admitted for some endpoint it is used for.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from random import Random

from proxy.core.call import Needs
from proxy.core.endpoints import Endpoint
from proxy.pipeline.queueing import CapacityQueues
from proxy.pipeline.routing import RouteState, Routing
from proxy.policy.abilities import doubt, misfit
from proxy.policy.credentials import CredentialState
from proxy.policy.selection import panics, select
from proxy.policy.strategies import Candidate, Choice
from proxy.policy.targets import Admission, TargetState, Verdict
from proxy.tokens.calibration import Calibration
from proxy.tokens.quote import quote_price

#: A target with one of these takes requests, even if it has to queue them.
SERVING = frozenset({Verdict.READY, Verdict.RAMPING, Verdict.TRIAL, Verdict.FULL, Verdict.EJECTED})


class Surveyor:
    """Reads live state; one per proxy. Times in the views are seconds from now."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        queues: CapacityQueues,
        calibration: Calibration,
        wall: Callable[[], float],
    ) -> None:
        self._calibration = calibration
        self._wall = wall
        self._loop = loop
        self._queues = queues

    def routes(self, routing: Routing) -> list[dict[str, object]]:
        """One entry per route, in the order of the file, with all its targets."""
        return [self._route(state) for state in routing.routes]

    def ready(self, routing: Routing) -> bool:
        """Can at least one route serve? Without routes all models are addressed directly, and that can be tried."""
        serving = (self._serves(candidate) for state in routing.routes for candidate in state.candidates)
        return not routing.routes or any(serving)

    def status(self, routing: Routing) -> str:
        """`ok`: every target of every route would be admitted; `degraded`: every route can serve, not through all of its
        targets, or some cannot, or detectors speak against one; `down`: none can."""
        candidates = [candidate for state in routing.routes for candidate in state.candidates]
        serving = [self._serves(candidate) for candidate in candidates]
        if all(serving) and not any(self._suspected(candidate.state) for candidate in candidates):
            return "ok"
        return "degraded" if any(serving) else "down"

    def breakers(self, state: TargetState) -> dict[str, str]:
        """The breaker's state for each endpoint that was used."""
        now = self._loop.time()
        return {endpoint.value: state.standing(endpoint, now).state for endpoint in state.endpoints}

    def doubts(self, state: TargetState) -> dict[str, str]:
        """What detectors think of it, for each endpoint that was used."""
        now = self._loop.time()
        favours = {endpoint: state.favour(endpoint) for endpoint in state.endpoints}
        return {endpoint.value: favour.state(now) for endpoint, favour in favours.items() if favour is not None}

    def providers(self, routing: Routing) -> dict[str, dict[str, object]]:
        """By name: each credential of the provider, how it stands and, where it does not last, until when it does and what
        the last refresh said."""
        now = self._loop.time()
        return {
            name: {"credentials": [self._key(state, now) for state in ring.credentials]}
            for name, ring in routing.rings.items()
        }

    def explain(
        self,
        state: RouteState,
        model: str,
        needs: Needs,
        endpoint: Endpoint,
        hint: Callable[[str], str] | None = None,
    ) -> dict[str, object]:
        """Where a request with these needs would go now, and why not elsewhere. `hint`: what a provider says of itself."""
        now = self._loop.time()
        choice = Choice(now, Random(0), "", endpoint)
        selection = select(state.tiers, state.strategy, choice, set(), {}, needs)
        chosen = selection.candidate.target.id if selection.candidate else None
        rows = []
        for tier, candidate in self._tiered(state):
            unfit = misfit(candidate.target, candidate.ability, endpoint, needs) or doubt(candidate.target, needs)
            admission = candidate.state.admission(endpoint, now)
            why = unfit or self._reason(admission)
            if candidate.target.id == chosen:
                why = "goes here"
            row: dict[str, object] = {
                "target": candidate.target.id,
                "tier": tier,
                "state": admission.verdict.value,
                "price": quote_price(candidate.target, self._wall(), needs.tokens),
                "estimates": self._estimates(candidate.target.id),
                "why": why,
            }
            if candidate.state.learned is not None and candidate.state.learned.known is not None:
                row["learned_limit"] = candidate.state.learned.known
            said = hint(candidate.target.provider) if hint is not None else ""
            if said:
                row["status_page"] = said
            row["detectors"] = self._thoughts(candidate.state, endpoint, now)
            rows.append(row)
        return {
            "model": model,
            "route": state.route.name,
            "strategy": state.route.strategy,
            "goes_to": chosen,
            "detectors_distrusted": panics(state.tiers, choice),
            "targets": rows,
        }

    def _estimates(self, target: str) -> dict[str, object]:
        """What estimates of its input are multiplied by, and from how many of its answers that was learned."""
        known = self._calibration
        return {"factor": round(known.factor(target), 4), "samples": known.samples(target)}

    def _route(self, state: RouteState) -> dict[str, object]:
        targets = [self._target(tier, candidate) for tier, candidate in self._tiered(state)]
        return {
            "name": state.route.name,
            "models": list(state.route.models),
            "strategy": state.route.strategy,
            "ready": any(self._serves(candidate) for candidate in state.candidates),
            "detectors_distrusted": self._panics(state),
            "targets": targets,
        }

    @staticmethod
    def _tiered(state: RouteState) -> Iterator[tuple[int, Candidate]]:
        for number, tier in enumerate(state.tiers, 1):
            for candidate in tier:
                yield number, candidate

    def _serves(self, candidate: Candidate) -> bool:
        now = self._loop.time()
        endpoints = candidate.state.endpoints or (Endpoint.CHAT,)
        return any(candidate.state.admission(endpoint, now).verdict in SERVING for endpoint in endpoints)

    def _target(self, tier: int, candidate: Candidate) -> dict[str, object]:
        """The worst of the target's endpoints speaks for it; all are listed when there are several."""
        now = self._loop.time()
        state = candidate.state
        endpoints = state.endpoints or (Endpoint.CHAT,)
        admissions = {endpoint: state.admission(endpoint, now) for endpoint in endpoints}
        worst = max(admissions.values(), key=lambda admission: SEVERITY[admission.verdict])
        view: dict[str, object] = {"target": candidate.target.id, "tier": tier, **self._admission(worst, now)}
        view["in_flight"] = state.in_flight
        view["queued"] = self._queues.length(state.id)
        if state.learned is not None and state.learned.known is not None:
            view["learned_limit"] = {"requests": state.learned.known, "cause": state.learned.cause}
        ttft = state.latency.typical(now)
        view["estimates"] = self._estimates(state.id)
        view["ttft_ms"] = round(ttft * 1000) if ttft is not None else None
        thoughts = {endpoint.value: self._thoughts(state, endpoint, now) for endpoint in state.endpoints}
        if any(thoughts.values()):
            view["detectors"] = thoughts
        if len(admissions) > 1:
            view["endpoints"] = {endpoint.value: self._admission(seen, now) for endpoint, seen in admissions.items()}
        blocked = self._credentials(candidate, now)
        if blocked:
            view["credentials"] = blocked
            view["auth_outage"] = state.ring.auth_outage(now)
        return view

    @staticmethod
    def _thoughts(state: TargetState, endpoint: Endpoint, now: float) -> dict[str, object] | None:
        """What detectors have seen of one endpoint, and what is usual for it; None: nothing, so far."""
        favour = state.favour(endpoint)
        if favour is None:
            return None
        view = {} if favour.suspicion is None else favour.suspicion.detector.view(now)
        said = favour.objection(now)
        return {"verdict": favour.state(now), "said": said, **view} if said or any(view.values()) else None

    def _suspected(self, state: TargetState) -> bool:
        now = self._loop.time()
        favours = [state.favour(endpoint) for endpoint in state.endpoints]
        return any(favour is not None and favour.suspected(now) for favour in favours)

    def _panics(self, state: RouteState) -> bool:
        """Do detectors speak against so many that they are not believed?"""
        now = self._loop.time()
        used = {endpoint for candidate in state.candidates for endpoint in candidate.state.endpoints}
        return any(panics(state.tiers, Choice(now, Random(0), "", endpoint)) for endpoint in used)

    def _admission(self, admission: Admission, now: float) -> dict[str, object]:
        return {
            "state": admission.verdict.value,
            "cause": admission.cause or None,
            "since_s": round(now - admission.since, 1) if admission.since is not None else None,
            "next_trial_s": round(max(0.0, admission.until - now), 1) if admission.until is not None else None,
        }

    @staticmethod
    def _credentials(candidate: Candidate, now: float) -> list[dict[str, object]]:
        """Credentials of the provider that cannot be used for this model now."""
        rows: list[dict[str, object]] = []
        for credential in candidate.state.ring.credentials:
            blocked = credential.blocked(candidate.target.model, now)
            if blocked is not None:
                cause, until = blocked
                wait = round(max(0.0, until - now), 1)
                rows.append({"credential": credential.credential.id, "cause": cause, "next_trial_s": wait})
        return rows

    @staticmethod
    def _key(state: CredentialState, now: float) -> dict[str, object]:
        """One credential as a whole; what holds it for a single model stands with that model's targets."""
        lease = state.lease
        view: dict[str, object] = {"id": state.credential.id, "state": state.standing(now)}
        if lease is None:
            return view
        live = math.isfinite(lease.ends)
        results = {result.value: count for result, count in lease.results.items()}
        return {
            **view,
            "expires_s": round(lease.ends - now, 1) if live else None,
            "last_error": lease.error,
            "refreshes": results,
        }

    @staticmethod
    def _reason(admission: Admission) -> str:
        return f"{admission.verdict.value}: {admission.cause}" if admission.cause else admission.verdict.value


SEVERITY = {
    Verdict.READY: 0,
    Verdict.RAMPING: 1,
    Verdict.TRIAL: 2,
    Verdict.EJECTED: 3,
    Verdict.FULL: 4,
    Verdict.HELD: 5,
    Verdict.OPEN: 6,
}
