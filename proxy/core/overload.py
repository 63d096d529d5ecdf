"""When the proxy protects itself: the limits at which it turns calls away before it reads them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OverloadSettings:
    """`lag`: seconds for which the event loop is late, standing, from which on calls are shed, those of the lowest priority
    first; `refuse_lag`: from which on all are. `memory` and `refuse_memory`: the same as parts of the memory there is.
    None: that is not watched."""

    lag: float | None = 0.05
    refuse_lag: float | None = 0.5
    memory: float | None = 0.95
    refuse_memory: float | None = 0.98


#: As shipped.
USUAL = OverloadSettings()
