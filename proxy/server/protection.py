"""The proxy protects itself: measures its loop's lag and its memory, and turns calls away at the door when they run short.

What follows from the measurements is decided in `policy/strain.py`. Calls are turned away after their head and before their
body; health, metrics and model lists are always served. Calls under way are never cut.
"""

import asyncio
from collections.abc import Callable, Mapping

from proxy.core.priorities import PRIORITY_HEADER, RANKS, lower_priority
from proxy.core.settings import ServerSettings
from proxy.policy.strain import EVERY, Strain
from proxy.server.application import Identity
from proxy.server.refusals import Refusal, overloaded
from proxy.stores.process import find_memory_limit, read_resident


class Protection:
    """`tell` hears whether anybody is turned away now, whenever that changes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: ServerSettings, tell: Callable[[bool], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._strained = False
        self.strain = self._make(settings)

    @staticmethod
    def _make(settings: ServerSettings) -> Strain:
        return Strain(settings.overload, settings.memory_limit or find_memory_limit())

    def use(self, settings: ServerSettings) -> None:
        """Watch these limits from now on; what was counted stays."""
        fresh = self._make(settings)
        if (fresh.settings, fresh.memory) != (self.strain.settings, self.strain.memory):
            fresh.shed = self.strain.shed
            self.strain = fresh

    async def watch(self) -> None:
        """Measure, forever."""
        while True:
            due = self._loop.time() + EVERY
            await asyncio.sleep(EVERY)
            self.observe(max(0.0, self._loop.time() - due), read_resident())

    def observe(self, lag: float, resident: int) -> None:
        """Take in a measurement, in seconds and bytes."""
        strain = self.strain
        strain.observe(lag, resident)
        strained = strain.pressure > 0.0
        if strained is not self._strained:
            self._strained = strained
            self._tell(strained)

    def turn_away(self, identity: Identity, headers: Mapping[str, str]) -> Refusal | None:
        """What to tell this call instead of reading it; None: let it in."""
        wanted = headers.get(PRIORITY_HEADER)
        priority = identity.priority if wanted is None else lower_priority(identity.priority, wanted) or identity.priority
        shed = self.strain.judge(RANKS[priority])
        return None if shed is None else overloaded(priority, shed.reason, shed.wait, shed.passing)

    def view(self) -> dict[str, object]:
        """For `/health`: `state` is `ok`, or `shedding` with the part of each priority that is turned away."""
        strain = self.strain
        return {
            "state": "shedding" if self._strained else "ok",
            "reason": strain.reason or None,
            "shed": dict(strain.shares()),
            "lag_ms": round(strain.lag * 1000, 1),
            "memory": None if strain.used is None else round(strain.used, 3),
        }
