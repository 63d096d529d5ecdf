"""The last minute of a target, second by second: for whoever watches."""

from collections.abc import Iterator

SECONDS = 60


class Recent:
    """A ring of seconds on the clock that the records carry. Old seconds are overwritten, never cleaned."""

    __slots__ = ("_attempts", "_failures", "_stamps")

    def __init__(self) -> None:
        self._stamps = [-1] * SECONDS
        self._attempts = [0] * SECONDS
        self._failures = [0] * SECONDS

    def add(self, at: float, failed: bool) -> None:
        second = int(at)
        slot = second % SECONDS
        stamp = self._stamps[slot]
        if stamp < second:
            self._stamps[slot] = second
            self._attempts[slot] = 1
            self._failures[slot] = failed
        elif stamp == second:
            self._attempts[slot] += 1
            self._failures[slot] += failed

    def seconds(self, now: float) -> Iterator[tuple[int, int]]:
        """(attempts, failures) of each of the last 60 seconds, the oldest first, the current one last."""
        last = int(now)
        for second in range(last - SECONDS + 1, last + 1):
            slot = second % SECONDS
            yield (self._attempts[slot], self._failures[slot]) if self._stamps[slot] == second else (0, 0)
