"""PostgreSQL, for the ledger of several machines: written by many proxies at once, each from its own journal.

A group goes in whole with its sums, or not at all. Calls that are already there are left out (`ON CONFLICT DO NOTHING`), of
the sums too, so a group may be written again when nobody knows whether its commit arrived. All writers add to lines of sums
in the order of their keys, so they may wait for each other, never in a circle. What only one may do is done under an
advisory lock: making and changing tables (the others wait), deleting what is too old and compacting (the others leave it).

The tables stand in a schema of their own. Nothing is kept in the session but while it compacts, so a pooler that shares
sessions between transactions may stand in between. A server that is gone, slow or refuses ends in `Down`; what is left of a
transaction ends with its connection, or after a limit that the server itself keeps.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from proxy.stores.ledger.contract import Busy
from proxy.stores.ledger.entries import Final
from proxy.stores.ledger.postgres_link import SCHEMA, Link, number_places
from proxy.stores.ledger.rollups import HOURS_A_DAY
from proxy.stores.ledger.rows import Row, cleanse, lay_out, tell_apart
from proxy.stores.ledger.schema import (
    ATTEMPTS,
    CALLS,
    DAYS,
    FIRST_OPEN,
    PROBES,
    READ_CLOSED,
    TABLES,
    VERSION,
    WRITE_CLOSED,
    Table,
    TooNew,
    choose_days,
    statements,
    sum_days,
)
from proxy.stores.ledger.tariff import Tariff

if TYPE_CHECKING:
    from asyncpg import Connection

#: Rows that are deleted in one transaction.
PORTION = 2000
#: Seconds that compacting may take.
COMPACTING = 3600.0
#: Keys of advisory locks, which hold in one database: to change tables, and to delete and compact.
CHANGING, AGING = 0x756E64696D6D_01, 0x756E64696D6D_02
#: The server's own limits for each transaction, in ms: on a statement, and on a client that says nothing more.
_LIMITS = "SET LOCAL statement_timeout = 30000; SET LOCAL idle_in_transaction_session_timeout = 60000"

_T = TypeVar("_T")


class PostgresDatabase:
    """A `Database`. `meanwhile` is called all the time while the server is waited for. Raises Down; only `Busy` and `TooNew`
    say what waiting will not mend."""

    def __init__(self, url: str, meanwhile: Callable[[], None]) -> None:
        self._link = Link(url, meanwhile)
        try:
            self._run(self._migrate)
        except BaseException:
            self._link.close()
            raise

    def __repr__(self) -> str:
        return f"<PostgresDatabase {self._link.name}>"

    def write(self, entries: Sequence[Final], tariff: Tariff) -> int:
        """See `Database`."""
        calls, probes = tell_apart(map(cleanse, entries))

        async def write(connection: "Connection") -> int:
            # Nobody sums days up while this transaction adds to their hours.
            closed = await connection.fetchval(f"{_at_home(READ_CLOSED)} FOR SHARE")
            rows, lines = lay_out(calls, probes, tariff, closed)
            inserted = dict(rows)
            new_calls = await _insert(connection, CALLS, inserted[CALLS])
            new_probes = await _insert(connection, PROBES, inserted[PROBES])
            if len(new_calls) < len(calls) or len(new_probes) < len(probes):
                rows, lines = lay_out(
                    {identity: calls[identity] for identity in new_calls},
                    {identity: probes[identity] for identity in new_probes},
                    tariff,
                    closed,
                )
            await _insert(connection, ATTEMPTS, dict(rows)[ATTEMPTS])
            for table, added in lines:
                await _insert(connection, table, added)
            return len(new_calls) + len(new_probes)

        return self._run(write)

    def close_days(self, today: int) -> bool:
        """See `Database`. False also where another process is at it."""

        async def close_days(connection: "Connection") -> bool:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", AGING):
                return False
            closed = await connection.fetchval(f"{_at_home(READ_CLOSED)} FOR UPDATE")
            if closed >= today:
                return False
            await connection.execute(f"SET LOCAL search_path TO {SCHEMA}")
            first = await connection.fetchval(number_places(FIRST_OPEN), closed * HOURS_A_DAY)
            until = choose_days(closed, first, today)
            for days in DAYS:
                await connection.execute(number_places(sum_days(*days)), closed * HOURS_A_DAY, until * HOURS_A_DAY)
            await connection.execute(number_places(WRITE_CLOSED), until)
            return until < today

        return self._run(close_days)

    def forget(self, before: int) -> int:
        """See `Database`. 0 also where another process is at it."""

        async def forget(connection: "Connection") -> int:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", AGING):
                return 0
            await connection.execute(f"DELETE FROM {SCHEMA}.probes WHERE wall < $1", before)
            old = await connection.fetch(
                f"DELETE FROM {SCHEMA}.calls WHERE id IN"
                f" (SELECT id FROM {SCHEMA}.calls WHERE wall < $1 ORDER BY wall LIMIT {PORTION}) RETURNING id",
                before,
            )
            await connection.execute(f"DELETE FROM {SCHEMA}.attempts WHERE call = ANY($1)", [row["id"] for row in old])
            return len(old)

        return self._run(forget)

    def compact(self) -> None:
        """See `Database`. Busy where another process is at it."""

        async def compact(connection: "Connection") -> None:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", AGING):
                raise Busy("another process compacts this ledger")
            try:
                for table in TABLES:
                    await connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.{table.name}")
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", AGING)

        self._link.run(compact, COMPACTING)

    def size(self) -> int:
        """See `Database`."""

        async def size(connection: "Connection") -> int:
            total = 0
            for table in TABLES:
                total += await connection.fetchval("SELECT pg_total_relation_size($1::regclass)", f"{SCHEMA}.{table.name}")
            return total

        return self._run(size)

    def close(self) -> None:
        """See `Database`."""
        self._link.close()

    def _run(self, work: "Callable[[Connection], Awaitable[_T]]") -> _T:
        """In one transaction."""

        async def run(connection: "Connection") -> _T:
            async with _transaction(connection):
                return await work(connection)

        return self._link.run(run)

    async def _migrate(self, connection: "Connection") -> None:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", CHANGING)
        if not await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", SCHEMA):
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        if await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.version") is None:
            await connection.execute(f"CREATE TABLE {SCHEMA}.version (version BIGINT PRIMARY KEY)")
        version = await connection.fetchval(f"SELECT coalesce(max(version), 0) FROM {SCHEMA}.version")
        if version > VERSION:
            raise TooNew(version)
        if version < VERSION:
            await connection.execute(f"SET LOCAL search_path TO {SCHEMA}")
            for statement in statements(version):
                await connection.execute(statement)
            await connection.execute(f"INSERT INTO {SCHEMA}.version VALUES ($1)", VERSION)


def _at_home(sql: str) -> str:
    return sql.replace("FROM ", f"FROM {SCHEMA}.")


@contextlib.asynccontextmanager
async def _transaction(connection: "Connection") -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute(_LIMITS)
        yield


def _put(table: Table) -> str:
    """Rows by their columns, in one statement and in their order; gives the ids of those that are new, if they have any."""
    places = ", ".join(f"${number}::{kind.rstrip('?')}[]" for number, (_, kind) in enumerate(table.columns, 1))
    ending = table.on_conflict() or ("ON CONFLICT DO NOTHING RETURNING id" if table in (CALLS, PROBES) else "")
    return f"INSERT INTO {SCHEMA}.{table.name} ({', '.join(table.names)}) SELECT * FROM unnest({places}) {ending}"


_PUT = {table.name: _put(table) for table in TABLES}


async def _insert(connection: "Connection", table: Table, rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    inserted = await connection.fetch(_PUT[table.name], *(list(column) for column in zip(*rows, strict=True)))
    return [row["id"] for row in inserted]
