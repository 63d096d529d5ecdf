"""The ledger as proxies keep it: rows go into the journal at once, and one thread carries them on into the database.

The loop's side packs a row and copies it into shared memory: a few microseconds, no lock, no disk. The thread wakes, lets
more rows gather, writes them as one group, and gives the journal up only after the commit. When the database does not take
them (full, locked, read-only, damaged, a server that is gone or slow), it is closed and opened again later, ever more seldom
and not at the same moment as by other proxies; meanwhile rows stay in the journal, on disk, up to its limit.

The thread is a daemon, and a process may leave without it: what was not written yet is found by the next one.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import structlog

from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, StateChange
from proxy.stores.ledger.contract import Database, Down, LedgerState
from proxy.stores.ledger.entries import Begun, begin, decode, encode, pack, probe_of
from proxy.stores.ledger.journal import Journal
from proxy.stores.ledger.recovery import inherit, leftovers, segment_path
from proxy.stores.ledger.tariff import Tariff
from proxy.stores.log import NAME, describe

#: Seconds for which rows are gathered into one group, and rows in a group at most.
GATHER = 0.1
GROUP = 500
#: Seconds until a database that failed is tried again: doubled each time.
PAUSE = 0.5
LONGEST_PAUSE = 15.0
#: Seconds between looks for rows that are too old, and for what dead processes left.
HOUSEKEEPING = 600.0
#: Seconds after its end until a day is summed up: what is late costs more.
SETTLING = 3600.0
Clock = Callable[[], float]
MakeJournal = Callable[[Callable[[], Path]], Journal]
#: What it is given is to be called while the database is waited for.
OpenDatabase = Callable[[Callable[[], None]], Database]


class JournaledLedger:
    """A `Ledger`. Its journal stands beside `path`; `open_database` may raise anything, and is asked again later.
    `retention` in seconds, None: rows are kept for good. `wall` gives Unix time."""

    def __init__(
        self,
        path: Path,
        open_database: OpenDatabase,
        wall: Clock,
        retention: float | None = None,
        make_journal: MakeJournal = Journal,
    ) -> None:
        self._path = path
        self._open_database = open_database
        self._wall = wall
        self._rng = Random()
        self._retention = retention
        self._owner = f"{os.getpid()}.{os.urandom(4).hex()}"
        self._made = self._probes = 0
        self._journal = make_journal(self._name_next)
        self._tariff = Tariff()
        self._database: Database | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._error: str | None = None
        self._housekept: float | None = None
        self._pause = PAUSE
        # Rows of this process that are in the database, those that met a failure, and lost ones when all was last well.
        self._settled = 0
        self._lost_before = 0
        self._spilled_to = 0
        self._written = self._spilled = self._replayed = 0

    def __repr__(self) -> str:
        return f"<JournaledLedger {self._path}: {self.state().state}, {self.waiting} waiting>"

    def _name_next(self) -> Path:
        self._made += 1
        return segment_path(self._path, self._owner, self._made)

    @property
    def waiting(self) -> int:
        return self._journal.appended - self._settled

    # The loop's side.

    def start(self) -> None:
        """Make the journal ready, which writes a few megabytes, and start the thread."""
        self._journal.prepare()
        self._thread = threading.Thread(target=self._run, name="undimmed-ledger", daemon=True)
        self._thread.start()

    def attempt_started(self, call: CallRecord, attempt: AttemptRecord) -> None:
        try:
            payload = encode(begin(call, attempt))
        except UnicodeEncodeError:
            return  # a name that no file could hold; the call's end is written with it replaced
        self._journal.begin(call.id, payload)

    def call_finished(self, record: CallRecord) -> None:
        self._journal.end(record.id, pack(record))
        if not self._wake.is_set():
            self._wake.set()

    def state_changed(self, change: StateChange) -> None:
        """Not the ledger's."""

    def probed(self, record: ProbeRecord) -> None:
        """Probes that used tokens are written down too."""
        entry = probe_of(record, f"{self._owner}.{self._probes}", self._wall())
        if entry is not None:
            self._probes += 1
            self._journal.end(entry.id, encode(entry))
            self._wake.set()

    def use(self, tariff: Tariff) -> None:
        self._tariff = tariff

    def state(self) -> LedgerState:
        journal, error = self._journal, self._error
        state = "ok"
        if error is not None:
            state = "losing" if journal.lost > self._lost_before else "spilling"
        return LedgerState(
            state,
            self._written,
            self._spilled,
            self._replayed,
            journal.lost,
            self.waiting,
            journal.durable,
            error or journal.error,
        )

    def close(self, seconds: float) -> bool:
        self._closing.set()
        self._wake.set()
        thread = self._thread
        if thread is None:
            return True
        thread.join(max(seconds, 0.0))
        return not thread.is_alive() and self.waiting == 0

    # The thread.

    def _run(self) -> None:
        while not self._closing.is_set():
            self._journal.prepare()
            if self._error is None:
                self._wake.wait(HOUSEKEEPING if self._database is not None else 0.0)
                self._closing.wait(GATHER)
            else:
                self._wait_out()
            self._wake.clear()
            self._carry()
        self._carry()
        self._journal.close(keep=self.waiting > 0 or self._journal.unfinished > 0)
        if self._database is not None:
            self._database.close()

    def _wait_out(self) -> None:
        """The pause after a failure; the journal must not run dry meanwhile."""
        until = time.perf_counter() + self._pause * self._rng.uniform(0.5, 1.0)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        while (left := until - time.perf_counter()) > 0 and not self._closing.wait(min(left, GATHER)):
            self._journal.prepare()

    def _carry(self) -> None:
        """Everything that waits into the database; a failure leaves it where it is."""
        try:
            if self._database is None:
                self._database = self._open_database(self._journal.prepare)
            self._keep_house(self._database)
            while self._carry_group(self._database):
                self._journal.prepare()
            if self._error is not None:
                structlog.get_logger(NAME).info("ledger_recovered", count=self._replayed)
            self._error = None
            self._lost_before = self._journal.lost
            self._pause = PAUSE
        except Exception as error:  # the thread's edge: it goes on, and what stopped it is shown
            self._fail(error)

    def _carry_group(self, database: Database) -> bool:
        payloads, mark = self._journal.read(GROUP)
        if mark is None:
            return False
        entries = [entry for entry in map(decode, payloads) if not isinstance(entry, Begun)]
        if entries:
            # All of them are there now, whether this told us so or a commit whose answer got lost did.
            database.write(entries, self._tariff)
            self._written += len(entries)
            waited = min(len(entries), max(self._spilled_to - self._settled, 0))
            self._replayed += waited
            self._settled += len(entries)
        self._journal.release(mark)
        return True

    def _fail(self, error: Exception) -> None:
        appended = self._journal.appended
        self._spilled += appended - max(self._spilled_to, self._settled)
        self._spilled_to = appended
        words = _words(error)
        if words != self._error:
            structlog.get_logger(NAME).warning("ledger_spilling", error=words)
        self._error = words
        if self._database is not None:
            self._database.close()
            self._database = None

    def _keep_house(self, database: Database) -> None:
        now = time.perf_counter()
        if self._housekept is not None and now - self._housekept < HOUSEKEEPING:
            return
        for owner, files in leftovers(self._path).items():
            if owner != self._owner:
                booked = book_legacy(database, files, self._tariff)
                self._written += booked
                self._replayed += booked
        today = int(self._wall() - SETTLING) // 86400
        while database.close_days(today) and not self._closing.is_set():
            self._journal.prepare()
        if self._retention is not None:
            before = int((self._wall() - self._retention) * 1000)
            while database.forget(before) and not self._closing.is_set():
                self._journal.prepare()
        self._housekept = now


def _words(error: Exception) -> str:
    """What is wrong; never a value."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, sqlite3.DatabaseError | Down) else describe(error)


def book_legacy(database: Database, files: list[Path], tariff: Tariff) -> int:
    """Write what a dead process left and delete its files; how many rows were new. A living one's are left alone."""
    legacy = inherit(files)
    if legacy is None:
        return 0
    removable = False
    try:
        booked = 0
        entries = [*legacy.ended, *legacy.lost]
        for start in range(0, len(entries), GROUP):
            booked += database.write(entries[start : start + GROUP], tariff)
        removable = True
    finally:
        legacy.close(remove=removable)
    return booked
