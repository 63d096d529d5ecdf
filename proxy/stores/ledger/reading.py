"""A ledger opened for reading: one moment of it, by a connection that changes nothing, while the proxy goes on writing.

What the journal still holds is not seen here: a tenth of a second, as long as the database takes rows.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from proxy.stores.ledger.contract import Absent, Row, Unreadable
from proxy.stores.ledger.recovery import inspect, leftovers
from proxy.stores.ledger.schema import UPGRADES, VERSION, TooNew, version_of

PATIENCE = 5.0


def _as_dict(cursor: sqlite3.Cursor, row: tuple[int | float | str | None, ...]) -> Row:
    return dict(zip((column[0] for column in cursor.description), row, strict=True))


class SqliteSource:
    """A `Source`. Unreadable: there is no ledger, or not of this version; `older`: an earlier version is right too."""

    def __init__(self, path: Path, older: bool = False) -> None:
        if not path.is_file():
            raise Absent(f"there is no ledger at {path} yet")
        self._path = path
        with contextlib.ExitStack() as undo, self._telling():
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, timeout=PATIENCE, isolation_level=None
            )
            undo.callback(self._connection.close)
            self._connection.execute("BEGIN")
            self._check_version(older)
            self._connection.row_factory = _as_dict
            undo.pop_all()

    def _check_version(self, older: bool) -> None:
        version = version_of(self._connection)
        if version > VERSION:
            raise TooNew(version)
        if version in UPGRADES and not older:
            raise Unreadable(f"{self._path} was written by an earlier version: `undimmed ledger compact` converts it")
        if not version:
            raise Unreadable(f"{self._path} is no ledger")

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, TooNew) as error:
            raise Unreadable(f"{self._path} cannot be read: {error}") from error

    def query(self, sql: str, values: Sequence[int | float | str] = ()) -> Iterator[Row]:
        with self._telling():
            yield from self._connection.execute(sql, tuple(values))

    def damage(self) -> Iterator[str]:
        for row in self.query("PRAGMA integrity_check"):
            finding = row["integrity_check"]
            if finding != "ok":
                yield f"damaged: {finding}"

    def close(self) -> None:
        self._connection.close()


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
