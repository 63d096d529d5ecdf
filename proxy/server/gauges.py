"""What is true at this moment and stands in no counter: gathered when somebody asks for metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.core.alarming import AlarmFigures
from proxy.core.limits import BudgetStanding
from proxy.stores.ledger.contract import LedgerState
from proxy.stores.process import ProcessFigures


@dataclass(frozen=True, slots=True)
class TargetGauge:
    """A target right now. `breakers`: endpoint to `closed`, `half_open` or `open`; `doubts`: endpoint to `trusted`,
    `on_trial` or `ejected`. `factor`: of estimates, None: nothing was learned yet. `limit`: requests at
    a time, as learned; None: no limit."""

    in_flight: int = 0
    queued: int = 0
    breakers: Mapping[str, str] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    factor: float | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class CredentialGauge:
    """A credential right now. `expires` in seconds, None: it lasts, or has no token. `refreshes` by result."""

    provider: str
    credential: str
    usable: bool
    expires: float | None = None
    refreshes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is true at this moment and stands in no counter. `upstream_connections` by (provider, state), state being
    `idle` or `busy`; `loop_lag` in seconds; `started` in Unix time; `log_lines_dropped` since the start. `refused`:
    requests that the listener did not let in, `cut`: connections that were too slow, both by reason;
    `handler_failures`: bugs of ours. `limit_refusals` by scope, name and limit. `drills`: the share of
    requests that each one hits, by provider; `drill_faults`: those that were hit, by provider and fault. `pressure`: how
    much is turned away because the proxy is overloaded (`policy/strain.py`); `shed`: calls, by priority and reason."""

    version: str
    started: float
    process: ProcessFigures
    targets: Mapping[str, TargetGauge] = field(default_factory=dict)
    credentials: Sequence[CredentialGauge] = ()
    upstream_connections: Mapping[tuple[str, str], int] = field(default_factory=dict)
    client_connections: int = 0
    calls_in_flight: int = 0
    loop_lag: float = 0.0
    ready: bool = True
    log_lines_dropped: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    cut: Mapping[str, int] = field(default_factory=dict)
    handler_failures: int = 0
    ledger: LedgerState | None = None
    budgets: Sequence[BudgetStanding] = ()
    limit_refusals: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    alarms: AlarmFigures = field(default_factory=AlarmFigures)
    drills: Mapping[str, float] = field(default_factory=dict)
    drill_faults: Mapping[tuple[str, str], int] = field(default_factory=dict)
    incidents: int = 0
    pressure: float = 0.0
    shed: Mapping[tuple[str, str], int] = field(default_factory=dict)
