"""Short memory: how many of the last seconds' events there were, and how many of them of each kind.

Decides nothing. Events are counted in slots of equal width; only slots in which something happened exist, so a quiet
target costs nothing and its few events are still found further back.

Invariants: counting is O(1); what is older than `keep` slots is forgotten; `now` never goes back.
"""

from collections import deque
from collections.abc import Iterator

#: Number of the slot, events, then one count per kind.
Slot = list[int]


class Slots:
    """Counts of `kinds` kinds in slots of `width` seconds. One event may be of several kinds, or of none."""

    __slots__ = ("_keep", "_kinds", "_slots", "_width")

    def __init__(self, width: float, keep: int, kinds: int) -> None:
        self._width = width
        self._keep = keep
        self._kinds = kinds
        self._slots: deque[Slot] = deque()

    def at(self, now: float) -> Slot:
        """The slot of this moment, to be counted in: `[1]` is the number of events, `[2 + kind]` of those of a kind."""
        slots = self._slots
        number = int(now / self._width)
        if slots and slots[-1][0] == number:
            return slots[-1]
        while slots and slots[0][0] <= number - self._keep:
            slots.popleft()
        slot = [number, 0] + [0] * self._kinds
        slots.append(slot)
        return slot

    def clear(self) -> None:
        self._slots.clear()

    def latest(self, now: float, shortest: float, minimum: int) -> Iterator[Slot]:
        """The slots of the last `shortest` seconds, and as many before them as `minimum` events take, newest first."""
        first = int((now - shortest) / self._width)
        oldest = int(now / self._width) - self._keep
        count = 0
        for slot in reversed(self._slots):
            if slot[0] <= oldest or (slot[0] <= first and count >= minimum):
                return
            count += slot[1]
            yield slot

    def sums(self, now: float, shortest: float, minimum: int) -> Slot:
        """The counts of `latest` added up: `[0]` is the number of the oldest slot, the rest as in a slot."""
        total = [int(now / self._width), 0] + [0] * self._kinds
        for slot in self.latest(now, shortest, minimum):
            total[0] = slot[0]
            for place in range(1, len(slot)):
                total[place] += slot[place]
        return total

    def between(self, first: int, last: int) -> Iterator[Slot]:
        """The slots numbered from `first` up to but without `last`."""
        return (slot for slot in self._slots if first <= slot[0] < last)

    def age(self, number: int, now: float) -> float:
        """Seconds since the slot of this number began."""
        return now - number * self._width
