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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from proxy.stores.ledger.entries import CallEntry
from proxy.stores.ledger.rollups import SUMS, detour, roll_up
from proxy.stores.ledger.schema import migrate, transaction
from proxy.stores.ledger.tariff import Tariff

#: Seconds for which a lock that somebody else holds is waited for.
PATIENCE = 5.0
#: Rows that are deleted in one transaction.
PORTION = 2000

_CALL = f"INSERT INTO calls VALUES ({', '.join('?' * 15)})"
_ATTEMPT = f"INSERT INTO attempts VALUES ({', '.join('?' * 22)})"
_ROLLUP = f"INSERT INTO rollups VALUES ({', '.join('?' * (6 + len(SUMS)))}) ON CONFLICT DO UPDATE SET " + ", ".join(
    f"{name} = {name} + excluded.{name}" for name in SUMS
)


class Busy(OSError):
    """Another process writes this ledger."""


def take_lock(path: Path) -> int:
    """The right to write this ledger, as a descriptor to be closed; Busy where another process has it."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Busy(error.errno, "another process writes this ledger") from error
    return lock


@dataclass(slots=True)
class Written:
    """How many of a group were new."""

    calls: int
    known: int


class Database:
    """An open ledger. Everything may raise sqlite3.Error or OSError, after which it is to be closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with contextlib.ExitStack() as undo:
            self._lock = take_lock(path)
            undo.callback(os.close, self._lock)
            self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            undo.callback(self._connection.close)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            migrate(self._connection)
            self._identity = self._look()
            undo.pop_all()

    def __repr__(self) -> str:
        return f"<Database {self._path}>"

    def _look(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def check_place(self) -> None:
        """OSError if the file is no longer there, or another one."""
        if self._look() != self._identity:
            raise FileNotFoundError(2, "the file was replaced")

    def write(self, calls: Sequence[CallEntry], tariff: Tariff) -> Written:
        """A group of calls, durably."""
        self.check_place()
        distinct = {call.id: call for call in calls}
        connection = self._connection
        with transaction(connection):
            ids = msgspec.json.encode(list(distinct)).decode()
            known = connection.execute("SELECT id FROM calls WHERE id IN (SELECT value FROM json_each(?))", (ids,))
            for (identity,) in known.fetchall():
                del distinct[identity]
            new = [(call, detour(call, tariff)) for call in distinct.values()]
            connection.executemany(_CALL, [_call_row(call, *(aside or (None, None))) for call, aside in new])
            connection.executemany(
                _ATTEMPT,
                [
                    (call.id, number, *msgspec.structs.astuple(attempt))
                    for call, _ in new
                    for number, attempt in enumerate(call.attempts)
                ],
            )
            connection.executemany(_ROLLUP, [(*key, *numbers) for key, numbers in roll_up(new).items()])
        return Written(len(new), len(calls) - len(new))

    def forget(self, before: int) -> int:
        """Delete some rows of calls before this Unix time in ms; how many there were: 0 when there are no more."""
        connection = self._connection
        with transaction(connection):
            found = connection.execute("SELECT id FROM calls WHERE wall < ? ORDER BY wall LIMIT ?", (before, PORTION))
            old = found.fetchall()
            connection.executemany("DELETE FROM attempts WHERE call = ?", old)
            connection.executemany("DELETE FROM calls WHERE id = ?", old)
        return len(old)

    def compact(self) -> None:
        """Give free room back to the disk, and empty the write-ahead log."""
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Never raises."""
        # Nothing of what was committed depends on it.
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        os.close(self._lock)


def _call_row(call: CallEntry, first_choice: str | None, failover_cost: int | None) -> tuple[object, ...]:
    return (
        call.id,
        call.wall,
        call.route,
        call.endpoint,
        call.stream,
        call.key,
        call.status,
        call.outcome,
        call.committed,
        call.served_by,
        call.waited,
        call.took,
        len(call.attempts),
        first_choice,
        failover_cost,
    )
