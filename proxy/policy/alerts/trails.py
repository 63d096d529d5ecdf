"""Sums that only rise, remembered for a while, so that one can ask how much they rose lately.

Samples are kept at a fixed step. The rise over a span is the difference to the last sample that is at least that old; a
trail that does not reach back so far gives the rise since its beginning, which is less than the truth, never more. A sum
that fell (a budget's new period, a restart of what is counted) goes on rising from where it was.
"""

from bisect import bisect_right

_LAST = 2**200


class Trail:
    """One sum. `span` and `step` in seconds."""

    __slots__ = ("_kept", "_last", "_risen", "_samples", "_step")

    def __init__(self, span: float, step: float) -> None:
        self._step = step
        self._kept = int(span / step) + 2
        self._samples: list[tuple[float, int]] = []
        self._last: int | None = None
        self._risen = 0

    def note(self, now: float, value: int) -> None:
        """The sum at `now`, which never goes back."""
        if self._last is not None:
            self._risen += value - self._last if value >= self._last else value
        self._last = value
        if not self._samples or now - self._samples[-1][0] >= self._step:
            self._samples.append((now, self._risen))
            if len(self._samples) > self._kept:
                del self._samples[0]

    def rise(self, now: float, seconds: float) -> int:
        """How much it rose in the last `seconds`, and up to a step before."""
        return self._risen - self._base(now - seconds)[1]

    def pace(self, now: float, seconds: float) -> float:
        """How much it rose a second, over the last `seconds`; what is not remembered counts as nothing."""
        at, risen = self._base(now - seconds)
        return (self._risen - risen) / max(seconds, now - at)

    def _base(self, since: float) -> tuple[float, int]:
        found = bisect_right(self._samples, (since, _LAST))
        return self._samples[found - 1] if found else (since, 0)
