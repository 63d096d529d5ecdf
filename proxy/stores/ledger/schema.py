"""The tables, and how a database of an earlier version becomes one of this.

`calls` and `attempts` are the rows; `rollups` sums them by hour, route, target, key and the attempt's outcome, in the same
transaction, so the two cannot disagree. A call counts in the line of its last attempt (target "" if it made none), so
`calls` may be summed over any lines. Rows are kept as long as the retention says, rollups for good. Money is nano-dollars;
an unknown cost is NULL in rows, and in rollups counted (`unpriced`) instead of summed.
"""

import contextlib
import sqlite3
from collections.abc import Iterator

#: MIGRATIONS[n] takes a database of version n to n + 1.
MIGRATIONS = (
    (
        """CREATE TABLE calls (
            id TEXT PRIMARY KEY, wall INTEGER NOT NULL, route TEXT NOT NULL, endpoint TEXT NOT NULL,
            stream INTEGER NOT NULL, key TEXT NOT NULL, status INTEGER NOT NULL, outcome TEXT NOT NULL,
            committed INTEGER NOT NULL, served_by TEXT, waited_ms INTEGER NOT NULL, took_ms INTEGER,
            attempts INTEGER NOT NULL, first_choice TEXT, failover_cost INTEGER) WITHOUT ROWID""",
        "CREATE INDEX calls_by_time ON calls (wall)",
        """CREATE TABLE attempts (
            call TEXT NOT NULL, number INTEGER NOT NULL, target TEXT NOT NULL, provider TEXT NOT NULL,
            credential TEXT NOT NULL, started_ms INTEGER NOT NULL, first_content_ms INTEGER, took_ms INTEGER,
            outcome TEXT NOT NULL, status INTEGER, model TEXT, input INTEGER, output INTEGER, cached INTEGER NOT NULL,
            cache_write INTEGER NOT NULL, reasoning INTEGER NOT NULL, source TEXT, lower_bound INTEGER NOT NULL,
            cost INTEGER, delivered INTEGER NOT NULL, possibly_billed INTEGER NOT NULL, trial INTEGER NOT NULL,
            PRIMARY KEY (call, number)) WITHOUT ROWID""",
        """CREATE TABLE rollups (
            hour INTEGER NOT NULL, route TEXT NOT NULL, target TEXT NOT NULL, provider TEXT NOT NULL, key TEXT NOT NULL,
            outcome TEXT NOT NULL,
            calls INTEGER NOT NULL, attempts INTEGER NOT NULL, delivered INTEGER NOT NULL, input INTEGER NOT NULL,
            output INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL, reasoning INTEGER NOT NULL,
            estimated INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL, wasted INTEGER NOT NULL,
            wasted_cost INTEGER NOT NULL, wasted_unpriced INTEGER NOT NULL, possibly_billed INTEGER NOT NULL,
            failovers INTEGER NOT NULL, failover_cost INTEGER NOT NULL, failover_unpriced INTEGER NOT NULL,
            PRIMARY KEY (hour, route, target, provider, key, outcome)) WITHOUT ROWID""",
    ),
)
VERSION = len(MIGRATIONS)


class TooNew(sqlite3.DatabaseError):
    """A later Undimmed has written this ledger; what it means by it is not known here."""


def version_of(connection: sqlite3.Connection) -> int:
    """0: empty."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to this version, in one transaction. TooNew, or whatever SQLite raises."""
    version = version_of(connection)
    if version > VERSION:
        raise TooNew(f"the ledger was written by a later version (schema {version}, this one knows {VERSION})")
    if version == VERSION:
        return
    with transaction(connection):
        for number in range(version_of(connection), VERSION):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it, or nothing. SQLite may have rolled back by itself, when the disk was full for one."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
