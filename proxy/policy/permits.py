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
from proxy.policy.outcomes import RULES, Blame

if TYPE_CHECKING:
    from proxy.policy.stalls import StallWatch
    from proxy.policy.targets import TargetState

#: Looked up once: members of an enum take a while to be found, and every call asks.
_EMBEDDINGS, _OK = Endpoint.EMBEDDINGS, Result.OK
#: Outcomes that show how slow a target is although no content came.
_WAITS = frozenset({OutcomeKind.FIRST_CONTENT_TIMEOUT, OutcomeKind.STALLED})


class Permit:
    """Given by `TargetState.acquire`. `started` is loop time. `trial`: the end of this attempt decides whether the
    target's breaker closes. `on_redispatch` is the pipeline's: called when the stall rule takes the attempt back."""

    __slots__ = (
        "_began",
        "_heard",
        "_key",
        "_settled",
        "_slow",
        "_ticket",
        "_watch",
        "credential",
        "endpoint",
        "on_redispatch",
        "started",
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
        self.on_redispatch: Callable[[], None] | None = None
        self._key = key
        self._ticket = ticket
        self._watch = watch
        self._heard = False
        self._began = False
        self._slow: bool | None = None
        self._settled = False

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
        self._slow = slow = seconds > target.slow_after
        self._ticket.first_content(slow, now)

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
        self.target.released(now)
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
        self._key.note(outcome, target.model, now, self.credential)

    def _fail(self, outcome: Outcome, now: float) -> None:
        target = self.target
        rule = RULES[outcome.kind]
        if outcome.kind in _WAITS and not self._began:
            target.latency.penalise(now - self.started, now)
        self._ticket.settle(Result.FAILED if rule.breaker else Result.NEUTRAL, None, now)
        if rule.elsewhere and rule.blame not in (Blame.MODEL, Blame.CLIENT):
            target.budget.failed()
        self._key.note(outcome, target.model, now, self.credential)
        target.hold(self.endpoint, outcome, now)
