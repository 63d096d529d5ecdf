"""What a breaker remembers of finished calls: rates over the last seconds, and the last few calls whatever their age.

Decides whether the target has failed too often, and says so in a sentence. Two memories, because one is not enough: the
time window judges busy targets (failure rate, slow rate), the last `recent` calls judge sudden death within a few calls,
and runs of failures judge targets with little traffic, where a bare run rule would open a busy target at a 25 % failure rate
every thousand calls.

Invariants: recording is O(1) (amortised; empty buckets are skipped); the time window never reaches further back than
`window` seconds; speed is counted when content begins, not when an answer ends, so that slowness shows at once.

Refuses to know what a failure is, and what follows from a trip.
"""

from proxy.core.settings import BreakerSettings

_BUCKETS = 30


class Window:
    """Finished calls of one breaker. `now` never goes back between calls of one window."""

    __slots__ = (
        "_bits",
        "_calls",
        "_failed",
        "_mask",
        "_rate",
        "_seen",
        "_slow",
        "_tick",
        "_timed",
        "calls",
        "consecutive",
        "failed",
        "settings",
        "slow",
        "timed",
    )

    def __init__(self, settings: BreakerSettings) -> None:
        self.settings = settings
        self._mask = (1 << settings.recent) - 1
        self._rate = _BUCKETS / settings.window
        self.clear()

    def clear(self) -> None:
        """Forget everything: a target that came back starts anew."""
        self._calls = [0] * _BUCKETS
        self._failed = [0] * _BUCKETS
        self._timed = [0] * _BUCKETS
        self._slow = [0] * _BUCKETS
        self._tick = 0
        self._bits = 0
        self._seen = 0
        self.calls = self.failed = self.timed = self.slow = self.consecutive = 0

    def record(self, failed: bool, now: float) -> None:
        """Count a finished call."""
        tick = int(now * self._rate)
        if tick != self._tick:
            self._advance(tick)
        slot = self._tick % _BUCKETS
        self._calls[slot] += 1
        self.calls += 1
        self._seen += 1
        if failed:
            self._bits = ((self._bits << 1) | 1) & self._mask
            self._failed[slot] += 1
            self.failed += 1
            self.consecutive += 1
        else:
            self._bits = (self._bits << 1) & self._mask
            self.consecutive = 0

    def record_speed(self, slow: bool, now: float) -> None:
        """Count an answer that began, and whether it took too long to."""
        tick = int(now * self._rate)
        if tick != self._tick:
            self._advance(tick)
        slot = self._tick % _BUCKETS
        self._timed[slot] += 1
        self.timed += 1
        if slow:
            self._slow[slot] += 1
            self.slow += 1

    def tripped(self, now: float) -> str | None:
        """The cause, as a sentence without a full stop, if any trip rule is breached at `now`."""
        self._advance(int(now * self._rate))
        rules = self.settings
        if self.calls < rules.minimum and self.consecutive >= rules.consecutive:
            return f"{self.consecutive} calls in a row failed"
        recent = self._bits.bit_count()
        if recent >= rules.recent_failures:
            return f"{recent} of the last {min(self._seen, rules.recent)} calls failed"
        if self.calls >= rules.minimum and self.failed >= rules.failure_rate * self.calls:
            return f"{self.failed} of {self.calls} calls in {rules.window:g} s failed"
        if self.timed >= rules.minimum and self.slow >= rules.slow_rate * self.timed:
            return f"{self.slow} of {self.timed} answers in {rules.window:g} s took over {rules.slow:g} s to begin"
        return None

    def _advance(self, tick: int) -> None:
        """Empty the buckets that have left the window."""
        gap = tick - self._tick
        if gap <= 0:
            return
        if gap >= _BUCKETS:
            for ring in (self._calls, self._failed, self._timed, self._slow):
                ring[:] = [0] * _BUCKETS
            self.calls = self.failed = self.timed = self.slow = 0
        else:
            for passed in range(self._tick + 1, tick + 1):
                self._empty(passed % _BUCKETS)
        self._tick = tick

    def _empty(self, slot: int) -> None:
        self.calls -= self._calls[slot]
        self.failed -= self._failed[slot]
        self.timed -= self._timed[slot]
        self.slow -= self._slow[slot]
        self._calls[slot] = self._failed[slot] = self._timed[slot] = self._slow[slot] = 0
