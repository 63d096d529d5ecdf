"""What every call needs from outside, gathered once at assembly.

Everything that touches the world comes in here: the event loop (whose clock may be virtual), the transport, the dice, the
wall clock, the sinks. The pipeline imports none of them itself, and so runs unchanged under the simulated network.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from proxy.core.escalation import Judge, Schemas
from proxy.core.exchange import Transport
from proxy.core.records import AttemptRecord, CallRecord, Sink
from proxy.core.staleness import Shelf
from proxy.core.tunnel import Tunnels
from proxy.pipeline.alarms import Alarms


def _unwitnessed(call: CallRecord, attempt: AttemptRecord) -> None:
    """Nobody wants to hear of attempts that have only begun."""


@dataclass(slots=True)
class Services:
    """`wall` gives Unix time, for records only; all decisions use the loop's clock. `tunnels` None: protocols cannot be
    switched. `shelf` None: no answer is ever repeated. `witness` hears of each attempt before it is sent."""

    loop: asyncio.AbstractEventLoop
    transport: Transport
    rng: Random
    wall: Callable[[], float]
    sink: Sink
    max_answer: int = 64 * 1024 * 1024
    tunnels: Tunnels | None = None
    shelf: Shelf | None = None
    judge: Judge | None = None
    schemas: Schemas | None = None
    witness: Callable[[CallRecord, AttemptRecord], None] = _unwitnessed
    alarms: Alarms = field(init=False)

    def __post_init__(self) -> None:
        self.alarms = Alarms(self.loop)
