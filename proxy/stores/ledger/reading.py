"""The ledger as readers see it: one moment of it, by a connection that changes nothing, while the proxy goes on writing.

Times are Unix time in ms, spans half open. What the journal still holds is not seen here: a tenth of a second, as long as
the database takes rows.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from proxy.stores.ledger.recovery import inspect, leftovers
from proxy.stores.ledger.rollups import HOUR
from proxy.stores.ledger.schema import VERSION, TooNew, version_of

FOREVER = 2**62
PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Span:
    """From `since`, before `until`, in ms."""

    since: int = 0
    until: int = FOREVER


class Unreadable(Exception):
    """There is no ledger, or it is none of ours; the message says which."""


class Reader:
    """Use as a context manager. Raises Unreadable where there is nothing to read; sqlite3.Error later, if it is damaged."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise Unreadable(f"there is no ledger at {path} yet")
        self._path = path
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=PATIENCE, isolation_level=None
        )
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("BEGIN")
            version = version_of(self._connection)
            if version > VERSION:
                raise TooNew(f"it was written by a later version (schema {version}, this one knows {VERSION})")
            if not version:
                raise Unreadable(f"{path} is no ledger")
        except sqlite3.Error as error:
            self._connection.close()
            raise Unreadable(f"{path} cannot be read: {error}") from error
        except Unreadable:
            self._connection.close()
            raise

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def calls(self, span: Span) -> Iterator[tuple[sqlite3.Row, list[sqlite3.Row]]]:
        """Every call with its attempts, the oldest first."""
        attempts = self._connection.cursor()
        chosen = self._connection.execute(
            "SELECT * FROM calls WHERE wall >= ? AND wall < ? ORDER BY wall", (span.since, span.until)
        )
        for call in chosen:
            found = attempts.execute("SELECT * FROM attempts WHERE call = ? ORDER BY number", (call["id"],))
            yield call, found.fetchall()

    def sums(self, span: Span) -> list[sqlite3.Row]:
        """The rollups of all hours that lie in this span, in part at least."""
        hours = (span.since // HOUR, -(-span.until // HOUR))
        return self._connection.execute("SELECT * FROM rollups WHERE hour >= ? AND hour < ?", hours).fetchall()

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which of these calls are there."""
        listed = json.dumps(ids)
        found = self._connection.execute("SELECT id FROM calls WHERE id IN (SELECT value FROM json_each(?))", (listed,))
        return {identity for (identity,) in found}

    def verify(self) -> Iterator[str]:
        """Everything that is wrong, a sentence each."""
        for (finding,) in self._connection.execute("PRAGMA integrity_check"):
            if finding != "ok":
                yield f"damaged: {finding}"
        yield from self._find_orphans()
        yield from self._compare_sums()

    def _find_orphans(self) -> Iterator[str]:
        one = self._connection.execute
        (orphans,) = one("SELECT count(*) FROM attempts WHERE call NOT IN (SELECT id FROM calls)").fetchone()
        if orphans:
            yield f"{orphans} attempts belong to no call"
        (uneven,) = one(
            "SELECT count(*) FROM calls WHERE attempts != (SELECT count(*) FROM attempts WHERE call = calls.id)"
        ).fetchone()
        if uneven:
            yield f"{uneven} calls have more or fewer attempts than they say"

    def _compare_sums(self) -> Iterator[str]:
        """Rollups against rows, for the hours of which all rows are still there: those after the oldest row's."""
        one = self._connection.execute
        (oldest,) = one("SELECT min(wall) FROM calls").fetchone()
        if oldest is None:
            return
        first = oldest // HOUR + 1
        says = one(
            "SELECT total(calls), total(attempts), total(input), total(output), total(cost) FROM rollups WHERE hour >= ?",
            (first,),
        ).fetchone()
        (calls,) = one("SELECT count(*) FROM calls WHERE wall >= ?", (first * HOUR,)).fetchone()
        rows = one(
            "SELECT count(*), total(input), total(output), total(cost) FROM attempts"
            " WHERE call IN (SELECT id FROM calls WHERE wall >= ?)",
            (first * HOUR,),
        ).fetchone()
        for name, summed, counted in zip(
            ("calls", "attempts", "input", "output", "cost"), says, (calls, *rows), strict=True
        ):
            if summed != counted:
                yield f"the sums say {summed:.0f} {name}, the rows {counted:.0f}"

    def blank(self, table: str) -> sqlite3.Row:
        """A row of `calls` or `attempts` with every column, all of them 0."""
        names = [column[1] for column in self._connection.execute(f"PRAGMA table_info({table})")]
        row: sqlite3.Row = self._connection.execute("SELECT " + ", ".join(f"0 AS {name}" for name in names)).fetchone()
        return row

    def counts(self) -> tuple[int, int]:
        """Calls and attempts."""
        (calls,) = self._connection.execute("SELECT count(*) FROM calls").fetchone()
        (attempts,) = self._connection.execute("SELECT count(*) FROM attempts").fetchone()
        return calls, attempts


@dataclass(frozen=True, slots=True)
class Waiting:
    """A journal beside the ledger. `alive`: its process still runs. `calls`: in it, not all of them new to the database."""

    owner: str
    files: int
    calls: int
    alive: bool


def waiting(path: Path) -> list[Waiting]:
    """The journals beside a ledger."""
    return [Waiting(owner, len(files), *inspect(files)) for owner, files in leftovers(path).items()]
