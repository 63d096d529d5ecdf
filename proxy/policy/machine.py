"""pybreaker's memory and ears, on our clock: what lets its `CircuitBreaker` be a state machine without a clock of its own.

pybreaker keeps its state, its counters and the time of opening in a storage object, and tells listeners of transitions.
This storage counts in our window, so that any trip rule can open the breaker, and answers the question after the time of
opening so that pybreaker's wall clock cannot change the answer.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import pybreaker

from proxy.policy.window import Window

FAIL_MAX = 1
_NOT_YET = datetime(9000, 1, 1, tzinfo=UTC)


class Storage(pybreaker.CircuitBreakerStorage):
    """pybreaker's memory, answered from our window and our clock. `now` is set before anything is replayed."""

    def __init__(self, name: str, window: Window) -> None:
        super().__init__(name)
        self.window = window
        self.current: str = pybreaker.STATE_CLOSED
        self.now = 0.0
        self.until = 0.0
        self.cause = ""
        self._successes = 0

    @property
    def state(self) -> str:
        return self.current

    @state.setter
    def state(self, state: str) -> None:
        self.current = state

    def increment_counter(self) -> None:
        self.window.record(True, self.now)

    def reset_counter(self) -> None:
        self.window.record(False, self.now)

    @property
    def counter(self) -> int:
        """pybreaker compares this with `fail_max` after each failure in the closed state: any trip rule reaches it."""
        cause = self.window.tripped(self.now)
        if cause is None:
            return 0
        self.cause = cause
        return FAIL_MAX

    def increment_success_counter(self) -> None:
        self._successes += 1

    def reset_success_counter(self) -> None:
        self._successes = 0

    @property
    def success_counter(self) -> int:
        return self._successes

    @property
    def opened_at(self) -> datetime | None:
        """pybreaker adds the open time to this and compares with its wall clock. Far away while our clock says open, and
        None, which it takes for long ago, after that: the wall clock cannot change the answer."""
        return _NOT_YET if self.now < self.until else None

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        """pybreaker's wall-clock time of opening, of no use here: `_moved` sets `until` on our clock."""


class Transitions(pybreaker.CircuitBreakerListener):
    """Passes pybreaker's transitions on by name."""

    def __init__(self, moved: Callable[[str, str], None]) -> None:
        self._moved = moved

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        assert old_state is not None  # only the very first state has none, and that is not announced
        self._moved(old_state.name, new_state.name)
