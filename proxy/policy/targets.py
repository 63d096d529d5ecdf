"""The live state of one `provider/model`: may it be asked now, with which credential, and what its attempts teach.

Decides admission in one place, from the breaker of the endpoint, the target's own hold, the credentials and the cap on
requests in flight. `admission` looks, `acquire` takes: it gives a permit exactly when the verdict is READY, TRIAL or
RAMPING. Routes that name the same target share its state, and it outlives reloads.

Breaker, hold and stall watch belong to one endpoint of the target: a chat model that is asked for embeddings is "not found"
there and fine elsewhere, and real endpoints die one by one.

Invariants: `in_flight` is the number of permits not settled; everything happens between two awaits of the caller, so
nothing needs a lock; a trial slot is only taken together with a credential.
"""

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from proxy.core.detection import DetectSettings
from proxy.core.endpoints import TEXTUAL, Endpoint
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import StateChange
from proxy.core.settings import BreakerSettings, ProbeSettings, RetrySettings, Target
from proxy.policy.breaker import CLOSED, OPEN, Breaker, Standing
from proxy.policy.budget import RetryBudget
from proxy.policy.concurrency import ConcurrencyLimit
from proxy.policy.credentials import CredentialRing, CredentialState
from proxy.policy.domains import Territory
from proxy.policy.favour import Favour
from proxy.policy.holds import Holding
from proxy.policy.latency import Latency
from proxy.policy.outcomes import RULES, Hold
from proxy.policy.permits import Permit
from proxy.policy.probes import ProbeKind
from proxy.policy.stalls import StallWatch
from proxy.policy.storms import RejectionWatch, Weather
from proxy.policy.suspicion import Suspicion, doubt

__all__ = ["Admission", "Permit", "TargetState", "Verdict"]


class Verdict(enum.StrEnum):
    """May a target be asked now? Two are soft, and may be taken if nothing else is left: `RAMPING`, this request falls into
    the share that should go elsewhere while the target comes back, and `EJECTED`, detectors speak against it."""

    READY = "ready"
    TRIAL = "trial"
    RAMPING = "ramping"
    EJECTED = "ejected"
    FULL = "full"
    HELD = "held"
    OPEN = "open"


@dataclass(slots=True)
class Admission:
    """A verdict and its reason: a sentence without a full stop, since when, and when it may change (loop time). `kind`: the
    outcome that a hold, of the target or of its credentials, goes back to."""

    verdict: Verdict
    cause: str = ""
    since: float | None = None
    until: float | None = None
    kind: OutcomeKind | None = None


_READY = Admission(Verdict.READY)
_REJECTIONS: Mapping[Weather, OutcomeKind] = {
    Weather.CALM: OutcomeKind.BAD_REQUEST,
    Weather.SUSPICION: OutcomeKind.REJECTION_SUSPECTED,
    Weather.FAULT: OutcomeKind.REJECTION_STORM,
}


class _Lane:
    """One endpoint of a target. Streamed and whole answers are watched apart: the head of a whole answer comes when all
    of it is generated, so the p99 of one sort says nothing about the other."""

    __slots__ = ("breaker", "favour", "healthy", "hold", "probed_at", "rejections", "streams", "unhealthy", "wholes")

    def __init__(self, breaker: Breaker, settings: BreakerSettings, favour: Favour) -> None:
        self.breaker = breaker
        self.favour = favour
        self.hold = Holding()
        self.streams = StallWatch(settings)
        self.wholes = StallWatch(settings)
        self.rejections = RejectionWatch()
        self.healthy = 0
        self.unhealthy = 0
        self.probed_at = 0.0


class TargetState:
    """See the module's text. `probe` and `free_probe_lies` are the provider's, set by whoever knows them: until then a free
    probe never heals. `streams`: it has streamed an answer. `on_release` is called after each settled permit, so that
    those who queue can be served. `detect` None: nothing is watched; `siblings` gives the targets that do the same work;
    `learned`: how many requests at a time it was found to take, None: that is not to be learned;
    `territory`: the failure domains, None where they are not watched; `min_rate`: see `DetectSettings`."""

    __slots__ = (
        "__weakref__",
        "_breaker_settings",
        "_lanes",
        "_on_change",
        "_rng",
        "budget",
        "detect",
        "free_probe_lies",
        "id",
        "in_flight",
        "last_traffic",
        "latency",
        "learned",
        "min_rate",
        "model",
        "on_release",
        "probe",
        "provider",
        "ring",
        "siblings",
        "slow_after",
        "streams",
        "target",
        "territory",
    )

    def __init__(
        self,
        target: Target,
        ring: CredentialRing,
        breaker: BreakerSettings,
        retry: RetrySettings,
        rng: Random,
        on_change: Callable[[StateChange], None],
    ) -> None:
        self.target = target
        self.id = target.id
        self.provider = target.provider
        self.model = target.model
        self.ring = ring
        self.in_flight = 0
        self.last_traffic = 0.0
        self.latency = Latency()
        self.learned: ConcurrencyLimit | None = ConcurrencyLimit(self._tell_limit)
        self.budget = RetryBudget(retry)
        self.on_release: Callable[[], None] | None = None
        self.probe = ProbeSettings()
        self.free_probe_lies = True
        self.slow_after = breaker.slow
        self.streams = False
        self.min_rate = 0.0
        self.detect: DetectSettings | None = None
        self.siblings: Callable[[], Collection[TargetState]] = tuple
        self.territory: Territory | None = None
        self._breaker_settings = breaker
        self._rng = rng
        self._on_change = on_change
        self._lanes: dict[Endpoint, _Lane] = {}

    def __repr__(self) -> str:
        return f"<TargetState {self.id} {self.in_flight} in flight, {[lane.breaker for lane in self._lanes.values()]}>"

    @property
    def host(self) -> str:
        """The name of the domain that is its host; "" where domains are not watched."""
        return "" if self.territory is None else self.territory.host.name

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints that were asked about so far, in that order."""
        return tuple(self._lanes)

    # Admission.

    def admission(self, endpoint: Endpoint, now: float, exclude: Collection[str] = ()) -> Admission:
        """May this endpoint be asked at `now`? Changes nothing; draws a number only while ramping. `exclude`: credential
        ids that this call has used up."""
        lane = self._lanes.get(endpoint) or self._open_lane(endpoint)
        refused = self._refused(lane, now, exclude)
        if refused is not None:
            return refused
        standings = [] if lane.breaker.flows(now) else [lane.breaker.look(now)]
        standings += lane.favour.standings(now)
        return self._returning(standings, now) if standings else _READY

    def acquire(self, endpoint: Endpoint, now: float, exclude: Collection[str] = (), stream: bool = True) -> Permit | None:
        """Take the target; None: it may not be asked (any more). Whether a request falls into a ramp's share is not
        decided again. `stream`: a streamed answer is asked for."""
        lane = self._lanes.get(endpoint) or self._open_lane(endpoint)
        if self._refused(lane, now, exclude) is not None:
            return None
        key = self.ring.pick(self.model, now, exclude)
        assert key is not None  # `_refused` has looked
        permit = self._give(lane, endpoint, key, now, stream)
        if not lane.favour.flows(now):
            permit.take_trials(lane.favour.trials(now))
        return permit

    def acquire_flowing(self, endpoint: Endpoint, now: float, stream: bool) -> Permit | None:
        """Take the target if nothing at all speaks against it: a breaker that lets everything flow, no hold, a free place.
        For the usual case, in one look; None: ask `admission` what is the matter."""
        lane = self._lanes.get(endpoint)
        if lane is None or not lane.breaker.flows(now) or now < lane.hold.until or not lane.favour.flows(now):
            return None
        cap = self.target.max_in_flight
        if cap is not None and self.in_flight >= cap:
            return None
        learned = self.learned
        if learned is not None and not learned.has_room(self.in_flight, now):
            return None
        key = self.ring.pick(self.model, now)
        return None if key is None else self._give(lane, endpoint, key, now, stream)

    def _give(self, lane: _Lane, endpoint: Endpoint, key: CredentialState, now: float, stream: bool) -> Permit:
        ticket = lane.breaker.acquire(now)
        assert ticket is not None  # whoever calls has looked at the breaker
        watch = lane.streams if stream else lane.wholes
        permit = Permit(self, endpoint, key, ticket, watch, now)
        permit.suspicion = lane.favour.suspicion
        watch.started(permit)
        self.in_flight = permit.depth = self.in_flight + 1
        self.last_traffic = now
        self.budget.attempted(now)
        return permit

    def _refused(self, lane: _Lane, now: float, exclude: Collection[str]) -> Admission | None:
        """Why not, the gravest reason first."""
        breaker = lane.breaker
        if not breaker.flows(now):
            standing = breaker.look(now)
            waiting = standing.until is not None and now < standing.until
            if waiting or standing.trial_out:
                return Admission(Verdict.OPEN, standing.cause, standing.since, standing.until)
        hold = lane.hold
        if now < hold.until:
            return Admission(Verdict.HELD, hold.cause, hold.since, hold.until, hold.kind)
        if not self.ring.ready(self.model, now, exclude):
            cause, until, kind = self.ring.refusal(self.model, now, exclude)
            return Admission(Verdict.HELD, cause, None, until, kind)
        cap = self.target.max_in_flight
        if cap is not None and self.in_flight >= cap:
            return Admission(Verdict.FULL, f"{self.in_flight} requests are in flight, the limit")
        learned = self.learned
        if learned is not None and not learned.has_room(self.in_flight, now):
            cause = f"{self.in_flight} requests are in flight, and it takes {learned.known} at a time: {learned.cause}"
            return Admission(Verdict.FULL, cause)
        return None

    def _returning(self, standings: Sequence[Standing], now: float) -> Admission:
        """Open or ejected and due for a trial, out of favour, or trusted again and ramping up. The breaker's own standing
        comes first; it does not refuse any more."""
        for standing in standings:
            waiting = standing.until is not None and now < standing.until
            if waiting or standing.trial_out:
                return Admission(Verdict.EJECTED, standing.cause, standing.since, standing.until)
        for standing in standings:
            if standing.state != CLOSED:
                return Admission(Verdict.TRIAL, standing.cause, standing.since)
        least = min(standings, key=lambda standing: standing.fraction)
        if self._rng.random() < least.fraction:
            return _READY
        return Admission(Verdict.RAMPING, f"it is coming back, {least.fraction:.0%} of its share", least.since)

    def favour(self, endpoint: Endpoint) -> Favour | None:
        """What detectors think of one endpoint; None: it was never used."""
        lane = self._lanes.get(endpoint)
        return None if lane is None else lane.favour

    # What permits report.

    def released(self, now: float) -> None:
        """A permit was settled."""
        self.in_flight -= 1
        self.last_traffic = now
        if self.on_release is not None:
            self.on_release()

    def hold(self, endpoint: Endpoint, outcome: Outcome, now: float) -> None:
        """Leave one endpoint alone for a while, if the outcome's row says so."""
        rule = RULES[outcome.kind]
        if rule.hold not in (Hold.TARGET, Hold.PROVIDER_MODEL):
            return
        hold = self._lanes[endpoint].hold
        if hold.extend(outcome, rule, now, self._rng):
            self._on_change(StateChange(now, self.id, endpoint, "free", "held", hold.cause, hold.until))

    # What it takes at a time.

    def adapt(self, adaptive: bool) -> None:
        """Whether that is to be learned."""
        if adaptive is not (self.learned is not None):
            self.learned = ConcurrencyLimit(self._tell_limit) if adaptive else None

    def _tell_limit(self, before: str, after: str, cause: str, now: float) -> None:
        self._on_change(StateChange(now, self.id, None, before, after, cause))

    # Rejections.

    def accepted(self, endpoint: Endpoint, now: float) -> None:
        """A call was answered."""
        self._lanes[endpoint].rejections.accepted(now)

    def judge_rejection(self, endpoint: Endpoint, outcome: Outcome, client: str | None, now: float) -> Outcome:
        """What a 400 means now: the client's own mistake, or one of a storm. `client` is the name of its key."""
        if outcome.kind is not OutcomeKind.BAD_REQUEST:
            return outcome
        kind = _REJECTIONS[self._lanes[endpoint].rejections.rejected(client, now)]
        return replace(outcome, kind=kind)

    def second_opinion(self, endpoint: Endpoint, accepted: bool, now: float) -> None:
        """What another target said to a call that this one rejected under suspicion."""
        self._lanes[endpoint].rejections.second_opinion(accepted, now)

    # The stall rule.

    def stall_after(self, endpoint: Endpoint, stream: bool = True) -> float | None:
        """Seconds after which a permit without a first byte should have `check_stall` called; None: never."""
        lane = self._lanes.get(endpoint)
        return None if lane is None else (lane.streams if stream else lane.wholes).limit()

    def check_stall(self, endpoint: Endpoint, now: float, stream: bool = True) -> list[Permit]:
        """The permits that must be dispatched elsewhere, because the stall rule has opened the breaker, now or (for those
        who have waited too long since) because it is open already. Each is returned once; settle it with STALLED."""
        lane = self._lanes[endpoint]
        watch = lane.streams if stream else lane.wholes
        if lane.breaker.look(now).state != CLOSED:
            return watch.overdue(now)
        cause = watch.stalled(now)
        if cause is None:
            return []
        lane.breaker.trip(now, cause)
        return lane.streams.clear() + lane.wholes.clear()

    def usual_wait(self, endpoint: Endpoint, stream: bool) -> float | None:
        """Seconds within which 95 of 100 calls get their first content (a whole answer: its head); None: not known yet."""
        if stream:
            return self.latency.recent.p95()
        lane = self._lanes.get(endpoint)
        return None if lane is None else lane.wholes.recent.p95()

    # Views and probes.

    def standing(self, endpoint: Endpoint, now: float) -> Standing:
        """The breaker of one endpoint, for views."""
        return (self._lanes.get(endpoint) or self._open_lane(endpoint)).breaker.look(now)

    def probe_result(self, endpoint: Endpoint, ok: bool, kind: ProbeKind, now: float, detail: str = "") -> None:
        """Learn from an active probe. Enough failures in a row open a closed breaker; enough successes in a row make an
        open one try a real call early. A free probe that is known to lie proves failure, never health."""
        lane = self._lanes.get(endpoint) or self._open_lane(endpoint)
        state = lane.breaker.look(now).state
        if self.last_traffic > lane.probed_at:
            lane.healthy = lane.unhealthy = 0  # real calls came between: probes before them are no row with this one
        lane.probed_at = now
        if not ok:
            lane.healthy = 0
            lane.unhealthy += 1
            if lane.unhealthy >= self.probe.unhealthy and state == CLOSED:
                said = f": {detail}" if detail else ""
                lane.breaker.trip(now, f"{lane.unhealthy} probes in a row failed{said}")
        elif kind is ProbeKind.COMPLETION or not self.free_probe_lies:
            lane.unhealthy = 0
            lane.healthy = lane.healthy + 1 if state == OPEN else 0
            if lane.healthy >= self.probe.healthy:
                lane.healthy = 0
                lane.breaker.early_trial(now)

    def _open_lane(self, endpoint: Endpoint) -> _Lane:
        def changed(before: str, after: str, cause: str, now: float, until: float | None) -> None:
            self._on_change(StateChange(now, self.id, endpoint, before, after, cause, until))

        breaker = Breaker(f"{self.id} {endpoint}", self._breaker_settings, self._rng, changed)
        lane = self._lanes[endpoint] = _Lane(breaker, self._breaker_settings, self._judge(endpoint))
        return lane

    def _judge(self, endpoint: Endpoint) -> Favour:
        if self.detect is None or endpoint not in TEXTUAL:
            return Favour(None, self.territory)

        def siblings() -> list[Suspicion]:
            found = [favour.suspicion for sibling in self.siblings() if (favour := sibling.favour(endpoint)) is not None]
            return [one for one in found if one is not None]

        settings, rng = self._breaker_settings, self._rng
        own = Suspicion(self.detect, lambda: doubt(self.id, endpoint, settings, rng, self._on_change), siblings)
        return Favour(own, self.territory)
