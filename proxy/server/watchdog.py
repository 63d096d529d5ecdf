"""One timer for all the time limits of a connection.

A limit that moves with every request or chunk must not cost a timer each: the owner says through `due` when it would be
due now, and only when the one timer fires is that asked, and the timer set again if it is not yet.
"""

import asyncio
import math
from collections.abc import Callable

#: uvloop's timers go by milliseconds and may fire that much early.
GRAIN = 0.001


class Watchdog:
    """Calls `expire` when loop time has passed `due()`; infinite means never."""

    __slots__ = ("_at", "_due", "_expire", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, due: Callable[[], float], expire: Callable[[], None]) -> None:
        self._loop = loop
        self._due = due
        self._expire = expire
        self._handle: asyncio.TimerHandle | None = None
        self._at = math.inf

    def arm(self) -> None:
        """To be called whenever `due` may have become earlier; cheap if it has not."""
        self.arm_for(self._due())

    def arm_for(self, due: float) -> None:
        """The same where the caller knows what is due."""
        if due >= self._at:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._at = due
        self._handle = self._loop.call_at(due, self._fire)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._at = math.inf

    def _fire(self) -> None:
        self._handle = None
        self._at = math.inf
        if self._loop.time() < self._due() - GRAIN:
            self.arm()
        else:
            self._expire()
