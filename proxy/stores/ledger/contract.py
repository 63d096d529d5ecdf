"""What every ledger offers, whatever it writes to."""

from typing import Protocol

from msgspec import Struct

from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, StateChange
from proxy.stores.ledger.tariff import Tariff


class LedgerState(Struct):
    """How a ledger is. `state`: `ok`, `spilling` (rows wait in the journal, the database does not take them) or `losing`
    (the journal is full too). Rows since the start: `written` to the database, of these `replayed` after they had waited
    out a failure or a death; `spilled` met a database that did not take them; `lost`. `waiting` is what is in the journal
    now. `durable` False: the journal is in this process's memory only, since no file could be made for it."""

    state: str
    written: int
    spilled: int
    replayed: int
    lost: int
    waiting: int
    durable: bool
    error: str | None


class Ledger(Protocol):
    """A sink that remembers for good. Its methods but `close` neither block nor raise."""

    def start(self) -> None: ...

    def attempt_started(self, call: CallRecord, attempt: AttemptRecord) -> None:
        """An attempt is about to be sent: if nothing more is heard of it, it was lost, and may have cost money."""

    def call_finished(self, record: CallRecord) -> None: ...

    def state_changed(self, change: StateChange) -> None: ...

    def probed(self, record: ProbeRecord) -> None: ...

    def use(self, tariff: Tariff) -> None:
        """Hold the next rows against these first choices and prices."""

    def state(self) -> LedgerState: ...

    def close(self, seconds: float) -> bool:
        """Write what is waiting, for so long at most. False: rows are left, in the journal, for the next process."""
