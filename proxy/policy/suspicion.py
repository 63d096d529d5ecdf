"""Soft verdicts: a target that detectors have taken out of favour, and how it gets back into it.

A finding (`detector.py`) *ejects*: the target is passed over while another can serve, and asked all the same when none
can, since a slow answer is better than none. It comes back as after an outage, by the breaker's own machinery: a growing,
jittered open time, one trial, a ramp. A trial that is slow or flawed is a failed one. Hard failures stay the business of
the breaker in front; this one never refuses.

Where two siblings show the same flaw one after the other, it was the requests: the first is pardoned, and both take what
they saw for usual.

Invariants: nothing exists before the first finding, and a healthy target pays one comparison; ejected or not, permits are
given. Refuses to know what a finding is about.
"""

from collections.abc import Callable, Sequence
from random import Random

from proxy.core.detection import DetectSettings
from proxy.core.endpoints import Endpoint
from proxy.core.records import StateChange
from proxy.core.settings import BreakerSettings
from proxy.policy.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, Result, Standing, Ticket
from proxy.policy.detector import PACE, START, Detector

TRUSTED, EJECTED, ON_TRIAL = "trusted", "ejected", "on_trial"
NAMES = {CLOSED: TRUSTED, OPEN: EJECTED, HALF_OPEN: ON_TRIAL}

OnChange = Callable[[StateChange], None]
Siblings = Callable[[], Sequence["Suspicion"]]


def doubt(subject: str, endpoint: Endpoint | None, settings: BreakerSettings, rng: Random, on_change: OnChange) -> Breaker:
    """A breaker whose transitions are told as those of a soft verdict."""

    def changed(before: str, after: str, cause: str, now: float, until: float | None) -> None:
        on_change(StateChange(now, subject, endpoint, NAMES[before], NAMES[after], cause, until))

    return Breaker(f"{subject} {endpoint or ''} doubt", settings, rng, changed)


class Suspicion:
    """What is thought of one endpoint of one target. `doubt`: None until it was ejected for the first time. `make_doubt`
    makes the breaker of this endpoint; `siblings` are those of the same endpoint of the targets that do the same work."""

    __slots__ = ("_make_doubt", "_siblings", "detector", "doubt")

    def __init__(self, settings: DetectSettings, make_doubt: Callable[[], Breaker], siblings: Siblings) -> None:
        self.detector = Detector(settings)
        self.doubt: Breaker | None = None
        self._make_doubt = make_doubt
        self._siblings = siblings

    def __repr__(self) -> str:
        return f"<Suspicion {self.doubt!r}>"

    def calm(self, now: float) -> bool:
        """Nothing speaks against it."""
        return self.doubt is None or self.doubt.flows(now)

    def standing(self, now: float) -> Standing | None:
        """Of the ejection; None while nothing speaks against it."""
        doubt = self.doubt
        return None if doubt is None or doubt.flows(now) else doubt.look(now)

    def trial(self, now: float) -> Ticket | None:
        """The trial of an ejected target, if it is due: whoever is sent now takes it."""
        doubt = self.doubt
        if doubt is None or doubt.flows(now) or doubt.look(now).state == CLOSED:
            return None
        return doubt.acquire(now)

    # What permits report.

    def began(self, sort: int, seconds: float, now: float, sound: bool) -> bool:
        """An answer began. `sound`: the breaker in front lets everything flow. Was it slow?"""
        return self._took(START, sort, seconds, now, sound)

    def paced(self, sort: int, seconds: float, now: float, sound: bool) -> bool:
        """An answer came at so many seconds a token. Was that slow?"""
        return self._took(PACE, sort, seconds, now, sound)

    def _took(self, what: int, sort: int, seconds: float, now: float, sound: bool) -> bool:
        slow = self.detector.took(what, sort, seconds, now, not sound or (self.doubt is not None and not self.calm(now)))
        if slow:
            self._conclude(now)
        return slow

    def answered(self, flaws: int, now: float, sound: bool) -> None:
        """An attempt is over that says something about the target: with these flaws (bits)."""
        self.detector.answered(flaws, now, not sound or (self.doubt is not None and not self.calm(now)))
        if flaws:
            self._conclude(now)

    def eject(self, cause: str, now: float) -> None:
        """Out of favour, from now on."""
        if self.doubt is None:
            self.doubt = self._make_doubt()
        self.doubt.trip(now, cause)
        self.detector.forget()

    def pardon(self, counts: Sequence[int], now: float) -> None:
        """A sibling shows the same flaw (`counts`, see `Usual.believe`): it was the requests."""
        self.detector.usual.believe(counts)
        if self.doubt is not None:
            self.doubt.pardon(now, "its siblings do the same")

    def _conclude(self, now: float) -> None:
        """Draw conclusions, unless there is a verdict already. A target that is coming back may be ejected again."""
        detector, doubt = self.detector, self.doubt
        if (doubt is not None and doubt.look(now).state != CLOSED) or not detector.due(now):
            return
        siblings = self._siblings()
        # One that is ejected is no alibi: if it is for the same flaw, that is found out below.
        cause = detector.find(now, [sibling.detector for sibling in siblings if sibling.calm(now)])
        if cause is None:
            return
        flaw = detector.flaw
        alike = [one for one in siblings if flaw is not None and one.detector.flaw is flaw and not one.calm(now)]
        if not alike:
            self.eject(cause, now)
            return
        counts = detector.adopt(now)
        for one in alike:
            one.pardon(counts, now)


class Trials:
    """The trials that one attempt stands for: of its target at its endpoint (`own`), and of domains."""

    __slots__ = ("_own", "_shared", "_suspicion")

    def __init__(self, suspicion: Suspicion | None, own: Ticket | None, shared: Sequence[Ticket]) -> None:
        self._suspicion = suspicion
        self._own = own
        self._shared = shared

    def end(self, verdict: tuple[Result, bool, bool], now: float) -> None:
        """How it ended (`judge`). To a domain, a slow or flawed answer is an answer all the same."""
        result, slow, alive = verdict
        for ticket in self._shared:
            ticket.settle(Result.OK if alive else result, None, now)
        if self._own is not None:
            self._own.settle(result, slow, now)
            suspicion = self._suspicion
            if suspicion is not None and suspicion.doubt is not None and suspicion.doubt.look(now).state == CLOSED:
                suspicion.detector.forget()


def judge(ok: bool, counts: bool, slow: bool, flaws: int) -> tuple[Result, bool, bool]:
    """How a trial ended: the result, whether it was slow, whether there was an answer. `counts`: a failure counts against
    the target."""
    if not ok:
        return (Result.FAILED if counts else Result.NEUTRAL), False, False
    return (Result.FAILED if flaws else Result.OK), slow, True
