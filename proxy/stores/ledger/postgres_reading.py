"""A ledger in PostgreSQL, opened for reading: one moment of it, in a transaction that may change nothing."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from proxy.stores.ledger.contract import Absent, Down, Row, Unreadable
from proxy.stores.ledger.postgres_link import SCHEMA, Link, number_places
from proxy.stores.ledger.schema import VERSION

if TYPE_CHECKING:
    from asyncpg import Connection

#: Rows that are fetched at a time, and seconds for that.
PORTION = 1000
PATIENCE = 120.0


class PostgresSource:
    """A `Source`. Unreadable: there is no ledger in that database, or it cannot be asked."""

    def __init__(self, url: str) -> None:
        try:
            self._link = Link(url)
        except Down as error:
            raise Unreadable(f"the ledger cannot be read: {error}") from None
        try:
            self._open()
        except BaseException:
            self._link.close()
            raise

    def _open(self) -> None:
        self._execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._execute(f"SET LOCAL search_path TO {SCHEMA}")
        (known,) = self.query(f"SELECT to_regclass('{SCHEMA}.version') IS NOT NULL AS known")
        if not known["known"]:
            raise Absent(f"there is no ledger in {self._link.name} yet")
        (row,) = self.query("SELECT coalesce(max(version), 0) AS version FROM version")
        if row["version"] != VERSION:
            raise Unreadable(f"the ledger has another version (schema {row['version']}, this one knows {VERSION})")

    def _execute(self, sql: str) -> None:
        async def execute(connection: "Connection") -> None:
            await connection.execute(sql)

        self._link.run(execute, PATIENCE)

    def query(self, sql: str, values: Sequence[int | float | str] = ()) -> Iterator[Row]:
        async def open_cursor(connection: "Connection") -> Any:
            return await connection.cursor(number_places(sql), *values)

        async def fetch(_: "Connection") -> list[Row]:
            return [dict(row) for row in await cursor.fetch(PORTION)]

        try:
            cursor = self._link.run(open_cursor, PATIENCE)
            while rows := self._link.run(fetch, PATIENCE):
                yield from rows
        except Down as error:
            raise Unreadable(f"the ledger cannot be read: {error}") from None

    def damage(self) -> Iterator[str]:
        """Nothing: the server looks after its files itself."""
        return iter(())

    def close(self) -> None:
        self._link.close()
