"""How many retries one target may get: retries help against single failures and amplify overload.

Two limits, both must agree. A share: budgeted retries in the last 10 s stay within `budget_ratio` of all attempts in the
last 10 s, or `budget_floor` if that is more. A throttle after gRPC: 10 tokens, one lost at each retryable failure, a
tenth won back at each success, no budgeted retries at half or below. The first failover of a call is not asked about here:
it reroutes rather than amplifies.

Invariant: the share holds exactly for every 10 s window that ends at a granted retry. Buckets of 100 ms keep it cheap; the
bucket that is partly outside the window counts for the retries and not for the attempts.
"""

from proxy.core.settings import RetrySettings

_PER_SECOND = 10
_ATTEMPT_BUCKETS = 100
_BUCKETS = _ATTEMPT_BUCKETS + 1
_MAX_TOKENS = 10.0
_WON_BACK = 0.1


class RetryBudget:
    """The budget of one target. `now` never goes back."""

    __slots__ = ("_attempts", "_granted", "_retries", "_seen", "_settings", "_tick", "_tokens")

    def __init__(self, settings: RetrySettings) -> None:
        self._settings = settings
        self._attempts = [0] * _BUCKETS
        self._retries = [0] * _BUCKETS
        self._seen = 0
        self._granted = 0
        self._tick = 0
        self._tokens = _MAX_TOKENS

    @property
    def tokens(self) -> float:
        return self._tokens

    def attempted(self, now: float) -> None:
        """An attempt of any sort goes to the target."""
        tick = int(now * _PER_SECOND)
        if tick != self._tick:
            self._advance(tick)
        self._attempts[self._tick % _BUCKETS] += 1
        self._seen += 1

    def take(self, now: float) -> bool:
        """Ask for one budgeted retry; True: granted, and counted as such."""
        if self._tokens <= _MAX_TOKENS / 2:
            return False
        self._advance(int(now * _PER_SECOND))
        if self._granted + 1 > max(self._settings.budget_floor, self._settings.budget_ratio * self._seen):
            return False
        self._retries[self._tick % _BUCKETS] += 1
        self._granted += 1
        return True

    def failed(self) -> None:
        """An attempt failed in a way that invites a retry."""
        self._tokens = max(0.0, self._tokens - 1)

    def succeeded(self) -> None:
        if self._tokens < _MAX_TOKENS:
            self._tokens = min(_MAX_TOKENS, self._tokens + _WON_BACK)

    def _advance(self, tick: int) -> None:
        if tick - self._tick >= _BUCKETS:
            self._attempts = [0] * _BUCKETS
            self._retries = [0] * _BUCKETS
            self._seen = self._granted = 0
            self._tick = tick
        while self._tick < tick:
            self._tick += 1
            left = (self._tick - _ATTEMPT_BUCKETS) % _BUCKETS
            self._seen -= self._attempts[left]
            self._attempts[left] = 0
            reused = self._tick % _BUCKETS
            self._granted -= self._retries[reused]
            self._retries[reused] = 0
