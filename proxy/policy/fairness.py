"""Whose turn it is: a line in which the urgent go first and, among those alike, every key has its turn.

The line has one lane per priority, and a lane one file per key. Lanes are served in order; within a lane the keys take
turns, one call each, so a key with a thousand calls waiting delays another key's single call by one call and no more. Calls
of one key stay in order.

A line that is full makes room for who has the better right to wait: a call of a higher priority, or, among equals, of a key
that has fewer waiting. Who goes is the newest call of the lowest priority, of the key that has the most there.

Everything but `displace` is O(1); that looks at the keys that wait in one lane, and only when the line is full.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from proxy.core.priorities import PRIORITIES


class Waiting(Protocol):
    """Whoever waits. `rank`: of its priority, 0 is the most urgent; `key`: whose it is."""

    @property
    def rank(self) -> int: ...

    @property
    def key(self) -> Hashable: ...


W = TypeVar("W", bound=Waiting)


class FairLine(Generic[W]):
    """See the module's text."""

    __slots__ = ("_lanes", "_size")

    def __init__(self) -> None:
        # In each lane the keys in the order of their turns, and of each key its calls in the order of their coming.
        self._lanes: tuple[OrderedDict[Hashable, OrderedDict[W, None]], ...] = tuple(OrderedDict() for _ in PRIORITIES)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[W]:
        """All of them, in no order that would mean anything."""
        return (one for lane in self._lanes for file in lane.values() for one in file)

    def append(self, one: W) -> None:
        self._lanes[one.rank].setdefault(one.key, OrderedDict())[one] = None
        self._size += 1

    def peek(self) -> W | None:
        """Whose turn it is; None: nobody waits."""
        for lane in self._lanes:
            if lane:
                return next(iter(next(iter(lane.values()))))
        return None

    def serve(self, one: W) -> None:
        """It had its turn: its key is the last of its lane now."""
        lane = self._lanes[one.rank]
        self.remove(one)
        if one.key in lane:
            lane.move_to_end(one.key)

    def remove(self, one: W) -> bool:
        """It does not wait any more; False: it did not wait here."""
        lane = self._lanes[one.rank]
        file = lane.get(one.key)
        if file is None or one not in file:
            return False
        del file[one]
        if not file:
            del lane[one.key]
        self._size -= 1
        return True

    def displace(self, rank: int, key: Hashable) -> W | None:
        """Who has to go for a call of this rank and key when the line is full; None: nobody. Changes nothing."""
        for lower in range(len(self._lanes) - 1, rank, -1):
            if self._lanes[lower]:
                longest = max(self._lanes[lower].values(), key=len)
                return next(reversed(longest))
        lane = self._lanes[rank]
        if not lane:
            return None
        longest = max(lane.values(), key=len)
        own = len(lane.get(key, ()))
        return next(reversed(longest)) if len(longest) > own + 1 else None
