"""How much of the traffic the proxy turns away to stay alive itself, from its loop's lag and its memory.

One number, the pressure, says it: each priority, from the lowest up, stands for one unit of it. At 0.4 four of ten `batch`
calls are turned away, at 1.0 all of them, at 1.3 three of ten `normal` ones too. `critical` calls are let in up to the
limits at which nobody is. So nothing of a priority is lost before all below it are shed.

Lag: the smallest of the last `WINDOW` measurements counts. A burst passes; a queue that never becomes shorter than that is
overload. Above the limit, and while it does not shrink, the pressure grows per measurement, by more the later the loop is;
below half of the limit it falls, slowly near where it was too little the last time; in between it stays. So it finds the
share that has to go, and does not flap. When all of a priority is shed, that gets a window's time to show before the next
one is touched, and before everybody is refused.

Memory: from the one limit to the other the pressure is proportional, since memory that is taken does not come back for
waiting; it too falls step by step.

Shares are exact, not drawn: every call adds its share to an account, and whoever makes it whole is turned away.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import floor

from proxy.core.overload import OverloadSettings
from proxy.core.priorities import PRIORITIES

#: Seconds between two measurements.
EVERY = 0.25
#: Measurements of which the smallest counts.
WINDOW = 4
UP = 0.1
#: Times the limit beyond which lag makes no larger steps.
STEEP = 5.0
DOWN = 0.1
#: Near the pressure that was too little the last time it falls by a part of that.
NEAR = 0.2
CAREFUL = 5
#: Pressure at which all but the most urgent are turned away, and at which those are too.
SHEDDABLE = len(PRIORITIES) - 1.0
ALL = float(len(PRIORITIES))

LAG, MEMORY = "lag", "memory"


@dataclass(frozen=True, slots=True)
class Shed:
    """A call is turned away: why, and for how many seconds that will last at least. `passing`: it ends by itself, so that
    waiting helps."""

    reason: str
    wait: float
    passing: bool


class _LagPressure:
    """See the module's text."""

    def __init__(self, limit: float, refuse: float) -> None:
        self._limit = limit
        self._refuse = refuse
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._calm = True
        self._too_little = -1.0
        self._patience = WINDOW
        self.pressure = 0.0

    def observe(self, lag: float) -> None:
        recent = self._recent
        recent.append(lag)
        standing = min(recent) if len(recent) == WINDOW else 0.0
        if standing <= self._limit:
            self.pressure = min(self.pressure, SHEDDABLE)
            if standing < self._limit / 2:
                self._relax()
        elif recent[-1] >= recent[0]:
            self._press(standing)

    def _relax(self) -> None:
        self._calm = True
        near = 0.0 <= self.pressure - self._too_little < NEAR
        self.pressure = max(self.pressure - (DOWN / CAREFUL if near else DOWN), 0.0)

    def _press(self, standing: float) -> None:
        pressure = self.pressure
        if self._calm:
            self._calm = False
            self._too_little = pressure
            self._patience = WINDOW
        if pressure == ALL or (pressure == SHEDDABLE and standing < self._refuse):
            return
        whole = floor(pressure)
        if pressure == whole > 0:
            # All of a priority is shed now: that has a window's time to show.
            self._patience -= 1
            if self._patience > 0:
                return
            self._patience = WINDOW
        step = UP * min(standing / self._limit, STEEP)
        self.pressure = ALL if pressure == SHEDDABLE else min(pressure + step, whole + 1.0)


class _MemoryPressure:
    """See the module's text."""

    def __init__(self, limit: float, refuse: float) -> None:
        self._limit = limit
        self._refuse = refuse
        self.pressure = 0.0

    def observe(self, used: float) -> None:
        part = max(0.0, (used - self._limit) / (self._refuse - self._limit))
        self.pressure = max(ALL if used >= self._refuse else part * SHEDDABLE, self.pressure - DOWN, 0.0)


class Strain:
    """`memory`: bytes there are for this process, None: not known. `shed` counts by priority and reason."""

    def __init__(self, settings: OverloadSettings, memory: int | None) -> None:
        self.memory = memory
        self.settings = settings
        self.lag = 0.0
        self.used: float | None = None
        self.shed: dict[tuple[str, str], int] = {}
        lag, refuse_lag, part, refuse_part = settings.lag, settings.refuse_lag, settings.memory, settings.refuse_memory
        self._lag = None if lag is None or refuse_lag is None else _LagPressure(lag, refuse_lag)
        watches = memory is not None and part is not None and refuse_part is not None
        self._memory = _MemoryPressure(part or 0.0, refuse_part or 0.0) if watches else None
        self._accounts = [0.0] * len(PRIORITIES)

    def __repr__(self) -> str:
        return f"<Strain {self.pressure:.2f} {self.reason}>"

    @property
    def pressure(self) -> float:
        """0 to `ALL`."""
        lag = self._lag.pressure if self._lag is not None else 0.0
        return max(lag, self._memory.pressure) if self._memory is not None else lag

    @property
    def reason(self) -> str:
        """What the pressure comes from; "" without any."""
        pressure = self.pressure
        if pressure == 0.0:
            return ""
        return MEMORY if self._memory is not None and self._memory.pressure == pressure else LAG

    def observe(self, lag: float, resident: int) -> None:
        """A measurement: seconds for which the loop was late, bytes of memory taken."""
        self.lag = lag
        if self._lag is not None:
            self._lag.observe(lag)
        if self.memory is not None:
            self.used = resident / self.memory
            if self._memory is not None:
                self._memory.observe(self.used)

    def share(self, rank: int) -> float:
        """The part of a priority's calls that is turned away. `rank` 0 is the most urgent."""
        return min(max(self.pressure - (len(PRIORITIES) - 1 - rank), 0.0), 1.0)

    def shares(self) -> Mapping[str, float]:
        """By priority, where it is not 0."""
        found = {name: round(self.share(rank), 2) for rank, name in enumerate(PRIORITIES)}
        return {name: share for name, share in found.items() if share > 0}

    def judge(self, rank: int) -> Shed | None:
        """A call of this priority is at the door; None: let it in."""
        share = self.share(rank)
        account = self._accounts[rank] + share
        if share == 0.0 or account < 1.0:
            self._accounts[rank] = account if share else 0.0
            return None
        self._accounts[rank] = account - 1.0
        reason = self.reason
        key = (PRIORITIES[rank], reason)
        self.shed[key] = self.shed.get(key, 0) + 1
        above = self.pressure - (len(PRIORITIES) - 1 - rank)
        return Shed(reason, above / DOWN * EVERY, reason == LAG)
