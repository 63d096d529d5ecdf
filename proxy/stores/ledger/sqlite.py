"""The SQLite file: opened, written in groups, aged.

One process writes (a lock on a file beside it holds the others off), with one connection: WAL, every commit flushed to the
disk. A group goes in whole with its rollups, or not at all. Calls that are already there are left out, of the rollups too,
so a group may be written again after any failure, however far it came.

SQLite goes on writing into a file that somebody has deleted; so whether the file is still the one that was opened is looked
at before every group.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from proxy.stores.ledger.contract import Busy
from proxy.stores.ledger.entries import Final
from proxy.stores.ledger.rollups import HOURS_A_DAY
from proxy.stores.ledger.rows import lay_out, tell_apart
from proxy.stores.ledger.schema import (
    CALLS,
    DAYS,
    FIRST_OPEN,
    PROBES,
    READ_CLOSED,
    TABLES,
    WRITE_CLOSED,
    Table,
    choose_days,
    migrate,
    sum_days,
    transaction,
)
from proxy.stores.ledger.tariff import Tariff

#: Seconds for which a lock that somebody else holds is waited for.
PATIENCE = 5.0
#: Steps of SQLite's machine between calls of `meanwhile`: some milliseconds of work.
STEPS = 100_000
#: Rows that are deleted in one transaction.
PORTION = 2000


def _put(table: Table) -> str:
    places = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({', '.join(table.names)}) VALUES ({places}) {table.on_conflict()}"


_PUT = {table.name: _put(table) for table in TABLES}


def take_lock(path: Path) -> int:
    """The right to write this ledger, as a descriptor to be closed; Busy where another process has it."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Busy("another process writes this ledger") from error
    return lock


class SqliteDatabase:
    """A `Database`. `meanwhile` is called now and then during work that takes long. Everything may raise sqlite3.Error or
    OSError, and opening it Busy or TooNew."""

    def __init__(self, path: Path, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._path = path
        with contextlib.ExitStack() as undo:
            self._lock = take_lock(path)
            undo.callback(os.close, self._lock)
            self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            undo.callback(self._connection.close)
            self._connection.set_progress_handler(meanwhile, STEPS)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            migrate(self._connection)
            self._identity = self._look()
            undo.pop_all()

    def __repr__(self) -> str:
        return f"<SqliteDatabase {self._path}>"

    def _look(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def check_place(self) -> None:
        """OSError if the file is no longer there, or another one."""
        if self._look() != self._identity:
            raise FileNotFoundError(2, "the file was replaced")

    def write(self, entries: Sequence[Final], tariff: Tariff) -> int:
        """See `Database`."""
        self.check_place()
        calls, probes = tell_apart(entries)
        with transaction(self._connection):
            for table, found in ((CALLS, calls), (PROBES, probes)):
                for identity in self._known(table, found):
                    del found[identity]
            (closed,) = self._connection.execute(READ_CLOSED).fetchone()
            rows, lines = lay_out(calls, probes, tariff, closed)
            for table, put in (*rows, *lines):
                if put:
                    self._connection.executemany(_PUT[table.name], put)
        return len(calls) + len(probes)

    def _known(self, table: Table, ids: Iterable[str]) -> list[str]:
        wanted = msgspec.json.encode(list(ids)).decode()
        known = self._connection.execute(
            f"SELECT id FROM {table.name} WHERE id IN (SELECT value FROM json_each(?))", (wanted,)
        )
        return [identity for (identity,) in known.fetchall()]

    def close_days(self, today: int) -> bool:
        """See `Database`."""
        connection = self._connection
        (closed,) = connection.execute(READ_CLOSED).fetchone()
        if closed >= today:
            return False
        with transaction(connection):
            (first,) = connection.execute(FIRST_OPEN, (closed * HOURS_A_DAY,)).fetchone()
            until = choose_days(closed, first, today)
            hours = (closed * HOURS_A_DAY, until * HOURS_A_DAY)
            for days in DAYS:
                connection.execute(sum_days(*days), hours)
            connection.execute(WRITE_CLOSED, (until,))
        return until < today

    def forget(self, before: int) -> int:
        """See `Database`."""
        connection = self._connection
        with transaction(connection):
            connection.execute("DELETE FROM probes WHERE wall < ?", (before,))
            found = connection.execute("SELECT id FROM calls WHERE wall < ? ORDER BY wall LIMIT ?", (before, PORTION))
            old = found.fetchall()
            connection.executemany("DELETE FROM attempts WHERE call = ?", old)
            connection.executemany("DELETE FROM calls WHERE id = ?", old)
        return len(old)

    def compact(self) -> None:
        """See `Database`; empties the write-ahead log too."""
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def size(self) -> int:
        """See `Database`."""
        return self._path.stat().st_size

    def close(self) -> None:
        """See `Database`."""
        # Nothing of what was committed depends on it.
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        os.close(self._lock)
