"""Answers kept for bad times: one SQLite file, bounded in bytes, written and read by one thread of its own.

A route that may answer stale keeps each whole answer it gave under a digest of who asked what. The newest answer to a
request replaces the older one; when the file holds more than its limit, the oldest go. Nothing here is ever in the way of a
request that a provider answers: keeping happens behind it, and finding only once nobody could answer. A file that cannot be
used (full disk, damaged, in other hands) only means that nothing is kept or found, and is said once in the log.

Unlike the ledger this file holds what models said. It is off unless a route asks for it, and only its owner can read it.
"""

import asyncio
import contextlib
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import structlog

from proxy.core.staleness import Kept

#: Answers that may wait to be written; further ones are not kept.
MAX_WAITING = 256
#: A single answer larger than this is not kept.
MAX_ANSWER = 1024 * 1024

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


class SqliteShelf:
    """See the module's text. `size`: bytes of answers that are kept."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._held = 0
        self._waiting = 0
        self._connection: sqlite3.Connection | None = None
        self._told = False
        self._thread = ThreadPoolExecutor(1, "undimmed-shelf")

    def keep(self, key: bytes, kept: Kept) -> None:
        if len(kept.body) > MAX_ANSWER or self._waiting >= MAX_WAITING:
            return
        self._waiting += 1
        self._thread.submit(self._write, key, kept)

    async def find(self, key: bytes, since: float) -> Kept | None:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, key, since)

    def close(self) -> None:
        """Writes what is waiting."""
        self._thread.submit(self._end)
        self._thread.shutdown()

    # On the thread.

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # Made first, so that it is never readable by others, not even for a moment.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            connection = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, wall REAL NOT NULL, size INTEGER NOT NULL,"
                    " answer BLOB NOT NULL) WITHOUT ROWID"
                )
                connection.execute("CREATE INDEX IF NOT EXISTS answers_by_time ON answers (wall)")
                self._held = connection.execute("SELECT coalesce(sum(size), 0) FROM answers").fetchone()[0]
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _write(self, key: bytes, kept: Kept) -> None:
        self._waiting -= 1
        data = _encode(kept)
        try:
            connection = self._open()
            older = connection.execute("SELECT size FROM answers WHERE key = ?", (key,)).fetchone()
            connection.execute("REPLACE INTO answers VALUES (?, ?, ?, ?)", (key, kept.wall, len(data), data))
            self._held += len(data) - (older[0] if older is not None else 0)
            while self._held > self._size:
                self._drop_oldest(connection)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def _drop_oldest(self, connection: sqlite3.Connection) -> None:
        oldest = connection.execute("SELECT key, size FROM answers ORDER BY wall LIMIT 1").fetchone()
        if oldest is None:
            self._held = 0
            return
        connection.execute("DELETE FROM answers WHERE key = ?", (oldest[0],))
        self._held -= oldest[1]

    def _read(self, key: bytes, since: float) -> Kept | None:
        try:
            found = self._open().execute("SELECT answer FROM answers WHERE key = ? AND wall >= ?", (key, since)).fetchone()
            return None if found is None else _decode(found[0])
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            self._failed(error)
            return None

    def _failed(self, error: Exception) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        if not self._told:
            self._told = True
            structlog.get_logger().warning("stale_answers_unavailable", file=str(self._path), error=str(error))

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
