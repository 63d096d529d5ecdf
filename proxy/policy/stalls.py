"""The stall rule: notice a target that stopped answering while its calls are still waiting.

Every rule about finished calls is blind to a black hole until the first call times out, and by then hundreds wait. So the
calls that wait for their first byte are watched. When `stall_count` of them have each waited far longer than the target's
own p99, and no call that started after the oldest of these has been answered, the target is taken for dead.

A waiting call that a later one overtook is no evidence: it is slow by itself. It leaves the watched ones for good, so each
call moves at most once, and the check looks at `stall_count` calls, however many wait.

Refuses to know what follows: the target's state trips the breaker and gives the calls back.
"""

from itertools import islice
from typing import TYPE_CHECKING

from proxy.core.settings import BreakerSettings
from proxy.policy.latency import Recent

if TYPE_CHECKING:
    from proxy.policy.permits import Permit


class StallWatch:
    """The calls of one sort (endpoint, streamed or whole) that wait for a first byte, oldest first."""

    __slots__ = ("_overtaken", "_settings", "_waiting", "recent")

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self.recent = Recent()
        self._waiting: dict[Permit, None] = {}
        self._overtaken: dict[Permit, None] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._overtaken)

    def limit(self) -> float | None:
        """Seconds after which a call without a first byte is suspicious; None: the rule is off, or too little is known."""
        settings = self._settings
        p99 = self.recent.p99() if settings.stall else None
        return None if p99 is None else max(settings.stall_factor * p99, settings.stall_floor)

    def started(self, permit: "Permit") -> None:
        self._waiting[permit] = None

    def answered(self, permit: "Permit", now: float) -> None:
        """The first byte is here: whoever waits since before this call started has been overtaken."""
        self.recent.observe(now - permit.started)
        waiting = self._waiting
        if self.ended(permit):
            return
        oldest = next(iter(waiting), None)
        while oldest is not None and oldest.started < permit.started:
            del waiting[oldest]
            self._overtaken[oldest] = None
            oldest = next(iter(waiting), None)

    def ended(self, permit: "Permit") -> bool:
        """It waits no longer. True: it had been overtaken."""
        if permit in self._waiting:
            del self._waiting[permit]
            return False
        return self._overtaken.pop(permit, permit) is None

    def stalled(self, now: float) -> str | None:
        """The cause, as a sentence without a full stop, if the rule is met at `now`."""
        limit = self.limit()
        count = self._settings.stall_count
        if limit is None or len(self._waiting) < count:
            return None
        youngest = next(islice(self._waiting, count - 1, None))
        if now - youngest.started < limit - _ROUNDING:
            return None
        return f"{count} calls have waited over {limit:.2f} s each and nothing arrived"

    def overdue(self, now: float) -> list["Permit"]:
        """Take out the calls that have waited too long, but for a trial, which has its own time limit."""
        limit = self.limit()
        if limit is None:
            return []
        late = [permit for permit in self._waiting if not permit.trial and now - permit.started >= limit - _ROUNDING]
        for permit in late:
            del self._waiting[permit]
        return late

    def clear(self) -> list["Permit"]:
        """Take out all, oldest first."""
        everybody = sorted([*self._overtaken, *self._waiting], key=lambda permit: permit.started)
        self._waiting.clear()
        self._overtaken.clear()
        return everybody


#: A timer set to started + limit may find now - started a hair smaller than limit.
_ROUNDING = 1e-6
