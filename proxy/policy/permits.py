"""The right to use a target now: what an attempt reports to, and the only way its end reaches the live state.

A permit binds one breaker ticket, one credential and one place among the requests in flight. It is settled exactly once,
whatever happens; what its outcome means is read from the failure table.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.core.endpoints import TEXTUAL, Endpoint
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.policy.breaker import Result, Ticket
from proxy.policy.credentials import CredentialState
from proxy.policy.outcomes import RULES, Blame, describe
from proxy.policy.quality import flaws_of
from proxy.policy.suspicion import Suspicion, Trials, judge

if TYPE_CHECKING:
    from proxy.policy.stalls import StallWatch
    from proxy.policy.targets import TargetState

#: Looked up once: members of an enum take a while to be found, and every call asks.
_EMBEDDINGS, _OK = Endpoint.EMBEDDINGS, Result.OK
#: Outcomes that show how slow a target is although no content came.
_WAITS = frozenset({OutcomeKind.FIRST_CONTENT_TIMEOUT, OutcomeKind.STALLED})


class Permit:
    """Given by `TargetState.acquire`. `started` is loop time. `trial`: the end of this attempt decides whether the
    target's breaker closes. `depth`: requests in flight there when it was given, itself included. `on_redispatch` is the
    pipeline's: called when the stall rule takes the attempt back. The pipeline's to set are `sort`, the sort of request,
    for baselines, and `flaws`, what is wrong with the answer (`quality.py`), where there is a `suspicion` that wants to
    know; the target sets that."""

    __slots__ = (
        "_began",
        "_dragging",
        "_heard",
        "_key",
        "_settled",
        "_slow",
        "_ticket",
        "_trials",
        "_watch",
        "credential",
        "depth",
        "endpoint",
        "flaws",
        "on_redispatch",
        "sort",
        "started",
        "suspicion",
        "target",
        "trial",
    )

    def __init__(
        self,
        target: "TargetState",
        endpoint: Endpoint,
        key: CredentialState,
        ticket: Ticket,
        watch: "StallWatch",
        now: float,
    ) -> None:
        self.target = target
        self.endpoint = endpoint
        self.credential = key.credential
        self.trial = ticket.trial
        self.started = now
        self.depth = 0
        self.on_redispatch: Callable[[], None] | None = None
        self._key = key
        self._ticket = ticket
        self._watch = watch
        self._heard = False
        self._began = False
        self._slow: bool | None = None
        self._settled = False
        self.sort = 0
        self.flaws = 0
        self._dragging = False
        self.suspicion: Suspicion | None = None
        self._trials: Trials | None = None

    def __repr__(self) -> str:
        state = "settled" if self._settled else "content" if self._began else "first byte" if self._heard else "waiting"
        return f"<Permit {self.target.id} {self.endpoint} {self.credential.id} {state}>"

    def first_byte(self, now: float) -> None:
        """The answer's head is here. Only the first call counts."""
        if not self._heard:
            self._heard = True
            self._watch.answered(self, now)

    def first_content(self, now: float) -> None:
        """The first content is here: measure it, and judge whether it took too long. Not for whole answers, which begin
        when they end, nor for what is no text: a picture takes its time. Only the first call counts."""
        if self._began:
            return
        self._began = True
        self.first_byte(now)
        if self.endpoint not in TEXTUAL:
            self._ticket.first_content(False, now)
            return
        target = self.target
        seconds = now - self.started
        target.streams = True
        target.latency.observe(seconds, now)
        if target.learned is not None:
            target.learned.began(self.depth, self.started, target.in_flight, now)
        self._slow = slow = seconds > target.slow_after
        self._ticket.first_content(slow, now)
        if self.suspicion is not None:
            self._dragging = self.suspicion.began(self.sort, seconds, now, self._ticket.flows(now))

    def take_trials(self, trials: Trials) -> None:
        """Detectors speak against the target, or against what it shares with others: how this ends may change that."""
        self._trials = trials

    def paced(self, seconds: float, now: float) -> None:
        """The answer came at so many seconds a token."""
        if self.suspicion is not None:
            self._dragging = self.suspicion.paced(self.sort, seconds, now, self._ticket.flows(now))

    def settle(self, outcome: Outcome, now: float) -> bool:
        """The attempt is over. Exactly once: False if it was settled before, and then nothing changes."""
        if self._settled:
            return False
        self._settled = True
        if not self._heard:
            self._watch.ended(self)
        if outcome.ok:
            self._succeed(outcome, now)
        else:
            self._fail(outcome, now)
        if self.suspicion is not None or self._trials is not None:
            self._report(outcome, now)
        target = self.target
        if target.learned is not None:
            target.learned.ended(outcome, self.started, target.in_flight, now)
        target.released(now)
        return True

    def _succeed(self, outcome: Outcome, now: float) -> None:
        target = self.target
        if self.endpoint is _EMBEDDINGS:
            self.first_content(now)  # nothing is generated bit by bit: the answer is its first content
        elif not self._began and not target.streams and self.endpoint in TEXTUAL:
            # The time of a whole answer is a poor measure, taken only while no stream has given a better one.
            target.latency.observe(now - self.started, now)
        self._ticket.settle(_OK, self._slow, now)
        target.accepted(self.endpoint, now)
        target.budget.succeeded()
        if target.territory is not None:
            target.territory.succeeded(self.started)
        self._key.note(outcome, target.model, now, self.credential)

    def _fail(self, outcome: Outcome, now: float) -> None:
        target = self.target
        rule = RULES[outcome.kind]
        if outcome.kind in _WAITS and not self._began:
            target.latency.penalise(now - self.started, now)
        excused = target.learned is not None and not self.trial and target.learned.excuses(outcome, now)
        self._ticket.settle(Result.FAILED if rule.breaker and not excused else Result.NEUTRAL, None, now)
        if rule.elsewhere and rule.blame not in (Blame.MODEL, Blame.CLIENT):
            target.budget.failed()
        self._key.note(outcome, target.model, now, self.credential)
        target.hold(self.endpoint, outcome, now)
        territory = target.territory
        if territory is None:
            return
        territory.failed(f"{target.id} {self.endpoint}", outcome.kind, describe(outcome), now)
        if outcome.kind is OutcomeKind.AUTH_FAILED and target.ring.auth_outage(now):
            territory.refused(target.ring.refused(now), now)

    def _report(self, outcome: Outcome, now: float) -> None:
        """To the detectors, if the outcome says anything about the target."""
        counts = outcome.ok or RULES[outcome.kind].breaker
        flaws = self.flaws | flaws_of(outcome.kind, self._began)
        suspicion, trials = self.suspicion, self._trials
        if trials is not None:
            self._trials = None
            trials.end(judge(outcome.ok, counts, self._dragging, flaws), now)
        if suspicion is None or not counts:
            return
        suspicion.answered(flaws, now, self._ticket.flows(now))
        if self.trial and outcome.ok and (self._dragging or flaws):
            # It is up again, and no better than ejected: it may serve where nobody else can.
            suspicion.eject("it came back slower than usual" if self._dragging else "it came back with a flawed answer", now)
