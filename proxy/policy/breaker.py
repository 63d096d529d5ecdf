"""A circuit breaker for concurrent calls: pybreaker is the state machine, tickets stand in front of it.

Decides whether a call may go to one target's endpoint now, and learns from how calls end. *Closed*: traffic flows; *open*:
refused until a time; *half-open*: one trial call, whose end closes or re-opens it; closed again, a ramp says which share
of the traffic to send.

pybreaker alone cannot guard concurrent calls: half-open admits everybody, late results of old calls move the state,
excluded errors heal it, and it lives on the wall clock. So: a ticket carries the epoch in which it was given, and its result
is dropped once the state has changed; half-open gives out one ticket; neutral results only give the trial back; results
are replayed through `CircuitBreaker.call` synchronously, with nothing awaited between check and update; its storage
answers from our window and our clock.

Invariants: a ticket counts at most once; while open nothing moves the end of the open time; transitions follow
closed → open → half-open → closed | open; the open time doubles from opening to opening, until the target was well for
a ramp and as long as it would be open next.

Refuses to know what is called, and why a result counts as a failure.
"""

import contextlib
import enum
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pybreaker

from proxy.core.settings import BreakerSettings
from proxy.policy.machine import FAIL_MAX, Storage, Transitions
from proxy.policy.window import Window

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
_CLOSED = pybreaker.STATE_CLOSED
_NAMES = {pybreaker.STATE_CLOSED: CLOSED, pybreaker.STATE_OPEN: OPEN, pybreaker.STATE_HALF_OPEN: HALF_OPEN}

#: before, after, cause, now, until (the next trial; None unless open)
OnChange = Callable[[str, str, str, float, float | None], None]


class Result(enum.Enum):
    """How a call ended, as far as a breaker cares. `NEUTRAL`: it says nothing about the target."""

    OK = "ok"
    FAILED = "failed"
    NEUTRAL = "neutral"


_OK = Result.OK  # looked up once: every call asks


@dataclass(slots=True)
class Standing:
    """A breaker as views show it. `fraction`: the share of traffic a closed breaker lets through (1 after the ramp).
    `since`: when it entered the state, None if it was never left. `until`: when the next trial may go; only if open."""

    state: str
    fraction: float
    cause: str
    since: float | None
    until: float | None
    trial_out: bool = False


class Ticket:
    """The right to one call. `trial`: its end decides whether a half-open breaker closes."""

    __slots__ = ("_breaker", "_epoch", "_settled", "_timed", "trial")

    def __init__(self, breaker: "Breaker", epoch: int, trial: bool) -> None:
        self._breaker = breaker
        self._epoch = epoch
        self._settled = False
        self._timed = False
        self.trial = trial

    def flows(self, now: float) -> bool:
        """Its breaker is closed, and any ramp is over."""
        return self._breaker.flows(now)

    def first_content(self, slow: bool, now: float) -> None:
        """The answer began. Counting slowness here rather than at the end of a stream opens a browned-out target sooner."""
        self._timed = True
        if not self.trial:
            self._breaker._began(self._epoch, slow, now)

    def settle(self, result: Result, slow: bool | None, now: float) -> bool:
        """The call ended. Counts once; False if it was settled before. `slow` None: its speed says nothing (a whole answer
        begins when it ends), or `first_content` has counted it."""
        if self._settled:
            return False
        self._settled = True
        breaker = self._breaker
        if slow is not None and not self._timed:
            self.first_content(slow, now)
        if self._epoch == breaker._epoch:
            breaker._ended(self.trial, result, slow is True, now)
        return True


class Breaker:
    """One breaker. `key` names it in reprs; `on_change` hears of each transition, synchronously."""

    __slots__ = (
        "_cause",
        "_epoch",
        "_forgiven",
        "_machine",
        "_on_change",
        "_open_time",
        "_ramp_end",
        "_rng",
        "_settings",
        "_since",
        "_storage",
        "_trial_out",
        "key",
    )

    def __init__(self, key: str, settings: BreakerSettings, rng: Random, on_change: OnChange) -> None:
        self.key = key
        self._settings = settings
        self._rng = rng
        self._on_change = on_change
        self._storage = Storage(key, Window(settings))
        self._machine = pybreaker.CircuitBreaker(
            fail_max=FAIL_MAX,
            state_storage=self._storage,
            listeners=[Transitions(self._moved)],
            name=key,
            throw_new_error_on_trip=False,
        )
        self._epoch = 0
        self._trial_out = False
        self._open_time = settings.open_for
        self._ramp_end = float("-inf")
        self._forgiven = float("-inf")
        self._cause = ""
        self._since: float | None = None

    def __repr__(self) -> str:
        return f"<Breaker {self.key} {_NAMES[self._storage.current]} {self._cause!r}>"

    def flows(self, now: float) -> bool:
        """Closed, and any ramp is over: the common case, without an object."""
        return self._storage.current == _CLOSED and now >= self._ramp_end

    def look(self, now: float) -> Standing:
        """Where the breaker stands at `now`. Changes nothing."""
        state = _NAMES[self._storage.current]
        until = self._storage.until if state == OPEN else None
        return Standing(state, self._fraction(now), self._cause, self._since, until, self._trial_out)

    def acquire(self, now: float) -> Ticket | None:
        """A ticket, or None: refused. When the open time has passed, this moves to half-open and gives the one trial."""
        storage = self._storage
        if storage.current == _CLOSED:
            return Ticket(self, self._epoch, False)
        if storage.current == pybreaker.STATE_OPEN:
            if now < storage.until:
                return None
            self._half_open(now, "the open time has passed")
        if self._trial_out:
            return None
        self._trial_out = True
        return Ticket(self, self._epoch, True)

    def trip(self, now: float, cause: str) -> None:
        """Open at once, whatever the counts say (stall rule, probes). Does nothing if open: the end of the open time
        does not move."""
        if self._storage.current == pybreaker.STATE_OPEN:
            return
        self._storage.now = now
        self._storage.cause = cause
        self._machine.open()

    def early_trial(self, now: float) -> None:
        """A probe found the target healthy: the next call is the trial, before the open time has passed."""
        if self._storage.current == pybreaker.STATE_OPEN:
            self._half_open(now, "a probe found it healthy")

    def pardon(self, now: float, cause: str) -> None:
        """Close at once, by way of half-open: what opened it was no fault. Does nothing if closed; the ramp follows."""
        if self._storage.current == _CLOSED:
            return
        self._half_open(now, cause)
        self._storage.cause = cause
        self._machine.close()

    def _half_open(self, now: float, cause: str) -> None:
        self._storage.now = now
        self._storage.cause = cause
        self._machine.half_open()

    def _began(self, epoch: int, slow: bool, now: float) -> None:
        """The content of a call begins. Slow answers do not fail, so pybreaker never hears of them until they trip it."""
        if epoch != self._epoch:
            return
        window = self._storage.window
        window.record_speed(slow, now)
        if slow:
            cause = window.tripped(now)
            if cause is not None:
                self.trip(now, cause)

    def _ended(self, trial: bool, result: Result, slow: bool, now: float) -> None:
        """The end of a call of this epoch."""
        storage = self._storage
        if result is _OK and not trial:
            # Past pybreaker on purpose: in the closed state a success reaches nothing there but `reset_counter`, which
            # is this very line, at 12 µs instead of one. Failures and transitions always go through it.
            storage.window.record(False, now)
        elif result is Result.NEUTRAL:
            if trial:
                self._trial_out = False
        else:
            storage.now = now
            healed = result is Result.OK and not slow
            if trial:
                storage.cause = _TRIALS[result, slow]
            self._replay(_succeed if healed else _fail)

    def _replay(self, result: Callable[[], None]) -> None:
        with contextlib.suppress(_Failure):
            self._machine.call(result)

    def _moved(self, before: str, after: str) -> None:
        """Called by pybreaker on each transition, before its storage holds the new state."""
        storage, settings = self._storage, self._settings
        now = storage.now
        self._epoch += 1
        self._trial_out = False
        until = None
        if after == pybreaker.STATE_OPEN:
            if before == pybreaker.STATE_CLOSED and now >= self._forgiven:
                self._open_time = settings.open_for
            jitter = 1 + settings.jitter * (2 * self._rng.random() - 1)
            until = storage.until = now + self._open_time * jitter
            self._machine.reset_timeout = self._open_time
            self._open_time = min(settings.open_cap, self._open_time * 2)
        elif after == pybreaker.STATE_CLOSED:
            storage.window.clear()
            self._ramp_end = now + settings.ramp
            # Whoever flaps comes back for longer than a ramp, and must not begin with short open times each time.
            self._forgiven = self._ramp_end + self._open_time
        self._cause = storage.cause
        self._since = now
        self._on_change(_NAMES[before], _NAMES[after], self._cause, now, until)

    def _fraction(self, now: float) -> float:
        if self._storage.current != pybreaker.STATE_CLOSED:
            return 0.0
        left = self._ramp_end - now
        if left <= 0:
            return 1.0
        start, ramp = self._settings.ramp_from, self._settings.ramp
        return start + (1 - start) * (1 - min(1.0, left / ramp))


_TRIALS = {
    (Result.OK, False): "the trial succeeded",
    (Result.OK, True): "the trial was slow",
    (Result.FAILED, False): "the trial failed",
    (Result.FAILED, True): "the trial failed",
}


class _Failure(Exception):
    """A failed call, as pybreaker wants to see it."""


def _fail() -> None:
    raise _Failure


def _succeed() -> None:
    return
