"""Amounts over the last minute: what requests and tokens a minute are held against.

A sliding window in steps of a tenth of a second. An amount counts until the whole step it fell into is a minute old, so no
sixty seconds ever hold more than the limit, and the moment at which something fits again is known exactly. Steps are kept
only where something happened: at most 602 of them, each added and dropped once.

Refuses to know limits: they may change while amounts are remembered.
"""

from collections import deque
from itertools import accumulate

SPAN = 60
_PER_SECOND = 10
_STEPS = SPAN * _PER_SECOND + 1

#: [step, amount]; handed out, so that what was only reserved can be given back.
Step = list[int]
#: Of windows that were never used: an empty deque takes half a kilobyte, and there may be a hundred thousand keys.
_UNUSED: deque[Step] = deque()


class RateWindow:
    """`now` (loop time) never goes back. `total` is right after `used`, `wait` and `add`."""

    __slots__ = ("_steps", "total")

    def __init__(self) -> None:
        self._steps = _UNUSED
        self.total = 0

    def __repr__(self) -> str:
        return f"<RateWindow {self.total} in {len(self._steps)} steps>"

    def used(self, now: float) -> int:
        """The amount of the last minute."""
        steps = self._steps
        oldest = int(now * _PER_SECOND) - _STEPS
        while steps and steps[0][0] <= oldest:
            gone = steps.popleft()
            self.total -= gone[1]
            gone[0] = -1
        return self.total

    def wait(self, amount: int, limit: int, now: float) -> float:
        """Seconds until `amount` fits below the limit, if nothing else comes; 0: now. More than the limit fits into an empty
        window, since it would fit nowhere else."""
        excess = self.used(now) + min(amount, limit) - limit
        if excess <= 0:
            return 0.0
        freed = accumulate(held for _, held in self._steps)
        leaves = next(step for (step, _), so_far in zip(self._steps, freed, strict=True) if so_far >= excess)
        return (leaves + _STEPS) / _PER_SECOND - now

    def reset_after(self, now: float) -> float:
        """Seconds until the window is empty."""
        self.used(now)
        return (self._steps[-1][0] + _STEPS) / _PER_SECOND - now if self._steps else 0.0

    def add(self, amount: int, now: float) -> Step:
        """Count an amount now."""
        self.used(now)
        tick = int(now * _PER_SECOND)
        steps = self._steps
        if steps is _UNUSED:
            steps = self._steps = deque()
        if not steps or steps[-1][0] < tick:
            steps.append([tick, 0])
        step = steps[-1]
        step[1] += amount
        self.total += amount
        return step

    def give_back(self, step: Step, amount: int) -> None:
        """Take back what was counted in this step, if it still counts."""
        if step[0] >= 0:
            step[1] -= amount
            self.total -= amount
