"""Timers for limits that are almost never reached.

Every attempt needs one, and nearly every attempt ends long before it rings. Setting and cancelling a timer of the event loop
costs more than all the rest of the watch, so timers are kept: an attempt that ends leaves its timer running, the next one
takes it over, and only when it rings is it looked at when it should ring. One that rings for nobody is dropped, so no more
are kept than were needed at once within the last limit's length.

Invariant: an action runs at its moment, neither earlier nor (but for the loop's own delay) later, and never after `clear`.
"""

import asyncio
from collections.abc import Callable

Action = Callable[[], None]
NEVER = float("inf")


class Alarm:
    """One timer, set for `due` (loop time), or kept for whoever needs one next. Got from `Alarms.set`."""

    __slots__ = ("_action", "_handle", "_kept", "_loop", "_rings", "due")

    def __init__(self, loop: asyncio.AbstractEventLoop, kept: "dict[Alarm, None]") -> None:
        self._loop = loop
        self._kept = kept
        self._action: Action | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._rings = NEVER
        self.due = NEVER

    def __repr__(self) -> str:
        return f"<Alarm {'kept' if self._action is None else f'for {self.due:.3f}'}, rings at {self._rings:.3f}>"

    def set(self, due: float, action: Action) -> None:
        self._action = action
        self.move(due)

    def move(self, due: float) -> None:
        """Ring at another moment, earlier or later."""
        self.due = due
        if due < self._rings:
            if self._handle is not None:
                self._handle.cancel()
            self._start(due)

    def clear(self) -> None:
        """Not to ring any more. Whoever clears it must forget it: it may be another one's from now on."""
        self._action = None
        if self._handle is not None:
            self._kept[self] = None

    def _start(self, rings: float) -> None:
        self._rings = rings
        self._handle = self._loop.call_at(rings, self._ring)

    def _ring(self) -> None:
        self._handle = None
        self._rings = NEVER
        if self._action is None:
            self._kept.pop(self, None)
        elif self._loop.time() < self.due:
            self._start(self.due)
        else:
            self._action()


class Alarms:
    """The alarms of one loop."""

    __slots__ = ("_kept", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kept: dict[Alarm, None] = {}  # a stack: those used last are on top, and the rest of a burst rings out

    def __len__(self) -> int:
        """How many are kept for others."""
        return len(self._kept)

    def set(self, due: float, action: Action) -> Alarm:
        """Run `action` at `due`, once, unless it is moved or cleared before."""
        alarm = self._kept.popitem()[0] if self._kept else Alarm(self._loop, self._kept)
        alarm.set(due, action)
        return alarm
