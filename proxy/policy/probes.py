"""When a target is probed, and with what.

A target with traffic is judged by its traffic; only one that is open, or idle, is probed. `auto` asks for free first. Where
the free probe is known to lie (a model list stays up while the models are down), its success on an open target is followed
by a real completion of one token; its failure needs no second opinion. Idle targets never cost money in `auto`.

Times are jittered, so that many proxies do not probe together; paid probes have an hourly budget, which the targets of a
provider share.
"""

import enum
from collections import deque
from random import Random

from proxy.core.settings import ProbeSettings

_HOUR = 3600.0


class ProbeKind(enum.StrEnum):
    """`FREE` costs nothing and may lie; `COMPLETION` is a real request."""

    FREE = "free"
    COMPLETION = "completion"


class HourlyBudget:
    """At most `limit` grants in any hour."""

    __slots__ = ("_granted", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._granted: deque[float] = deque()

    def take(self, now: float) -> bool:
        granted = self._granted
        while granted and granted[0] <= now - _HOUR:
            granted.popleft()
        if len(granted) >= self.limit:
            return False
        granted.append(now)
        return True


class ProbePlan:
    """The probes of one target. `paid` is its provider's budget; without one it has its own."""

    __slots__ = ("_free_ok", "_next", "_paid", "_rng", "settings")

    def __init__(self, settings: ProbeSettings, rng: Random, paid: HourlyBudget | None = None) -> None:
        self.settings = settings
        self._rng = rng
        self._paid = paid or HourlyBudget(settings.hourly_completions)
        self._next: float | None = None
        self._free_ok = False

    def next_probe(self, now: float, last_traffic: float, is_open: bool, lies: bool) -> ProbeKind | None:
        """What to send now, if anything. `last_traffic`: loop time; `lies`: the free probe proves no health. Asking is
        committing: what is returned counts as sent."""
        free_ok, self._free_ok = self._free_ok, False
        kind = self.kind(is_open, lies, free_ok=True) if free_ok else None
        if kind is None and self.due(now, last_traffic, is_open):
            kind = self.kind(is_open, lies, free_ok=None)
        if kind is ProbeKind.COMPLETION and not self._paid.take(now):
            return None
        return kind

    def probed(self, kind: ProbeKind, ok: bool, now: float) -> None:
        """A probe ended. For a provider that has no free probe, report the free one as ok: what follows is right."""
        self._free_ok = kind is ProbeKind.FREE and ok

    def due(self, now: float, last_traffic: float, is_open: bool) -> bool:
        """Is it time for a probe? True also sets the time of the next one."""
        settings = self.settings
        if settings.kind == "passive" or not (is_open or now - last_traffic >= settings.idle_after):
            self._next = None
            return False
        if self._next is None:
            # The first one anywhere in the interval: proxies that saw the same outage begin must not probe as one.
            self._next = now + settings.every * self._rng.random()
        if now < self._next:
            return False
        self._next = now + settings.every * (1 + settings.jitter * (2 * self._rng.random() - 1))
        return True

    def kind(self, is_open: bool, lies: bool, free_ok: bool | None) -> ProbeKind | None:
        """What this round calls for. `free_ok` None: nothing was sent in this round yet; else how the free probe ended."""
        if self.settings.kind == "passive":
            return None
        if free_ok is None:
            return ProbeKind.COMPLETION if self.settings.kind == "completion" else ProbeKind.FREE
        return ProbeKind.COMPLETION if self.settings.kind == "auto" and free_ok and lies and is_open else None
