"""Reports' questions to a ledger, asked in words that SQLite and PostgreSQL both understand.

Whole hours are read from the sums, so that no question about money has to look at rows. `LedgerReader` knows the tables; the
`Source` it is given knows the database: how to ask it, and how to look for damage.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import chain
from typing import Protocol

from proxy.stores.ledger.contract import FOREVER, Row, Span, Spent
from proxy.stores.ledger.rollups import HOUR, HOURLY, HOURS_A_DAY, SUMS, USE_SUMS, USES
from proxy.stores.ledger.schema import DAYS, READ_CLOSED

#: What a report can be grouped by, and the columns that say it.
DIMENSIONS: dict[str, tuple[str, ...]] = {
    "route": ("route",),
    "provider": ("provider",),
    "model": ("target", "provider"),
    "target": ("target", "provider"),
    "key": ("key",),
    "tag": ("tag",),
    "day": ("day",),
    "hour": ("hour",),
    "outcome": ("outcome",),
    "purpose": ("purpose",),
    "waste": ("waste",),
    "incident": ("incident",),
}
#: Columns that are worked out.
_DERIVED = {"day": f"hour / {HOURS_A_DAY}"}
#: Ids that are looked for at a time.
ASKED = 500
_SPENDING = ("calls", "input", "output", "cost", "unpriced_tokens")
_USED = (
    "CAST(sum(coalesce(a.input, 0)) AS BIGINT) AS input, CAST(sum(coalesce(a.output, 0)) AS BIGINT) AS output,"
    " CAST(sum(coalesce(a.cost, 0)) AS BIGINT) AS cost, CAST(sum(CASE WHEN a.cost IS NULL"
    " THEN coalesce(a.input, 0) + coalesce(a.output, 0) ELSE 0 END) AS BIGINT) AS unpriced_tokens"
)


class Source(Protocol):
    """A database that is being read: one moment of it. `query` as in `Reader`."""

    def query(self, sql: str, values: Sequence[int | float | str] = ()) -> Iterator[Row]: ...

    def damage(self) -> Iterator[str]:
        """What the database itself finds wrong, a sentence each."""

    def close(self) -> None: ...


def _summed(names: Sequence[str]) -> str:
    return ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in names)


def _hours(span: Span) -> tuple[int, int]:
    return span.since // HOUR, -(-span.until // HOUR)


class LedgerReader(AbstractContextManager["LedgerReader"]):
    """A `Reader`."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def query(self, sql: str, values: Sequence[int | float | str] = ()) -> Iterator[Row]:
        return self._source.query(sql, values)

    @cached_property
    def _closed(self) -> int:
        """The first day that is not summed up."""
        (progress,) = self.query(READ_CLOSED)
        return _number(progress["value"])

    # Sums.

    def sums(self, span: Span, by: Sequence[str] | None = None) -> list[Row]:
        columns = list(HOURLY if by is None else dict.fromkeys(name for what in by for name in DIMENSIONS[what]))
        if "tag" not in columns:
            return self._group("rollups", columns, span)
        others = [name for name in columns if name != "tag"]
        return [*self._group("tag_rollups", columns, span), *self._untagged(others, span)]

    def hours(self, span: Span) -> tuple[int, int] | None:
        (row,) = self.query(
            "SELECT min(hour) AS first, max(hour) AS last FROM rollups WHERE hour >= ? AND hour < ?", _hours(span)
        )
        return None if row["first"] is None else (_number(row["first"]), _number(row["last"]))

    def _group(self, table: str, columns: Sequence[str], span: Span, only: str = "") -> list[Row]:
        """The lines of `rollups` or `tag_rollups` by these columns."""
        named = [f"{_DERIVED[name]} AS {name}" if name in _DERIVED else name for name in columns]
        if "hour" not in columns:
            named.append("min(hour) AS hour")
        grouped = ", ".join(_DERIVED.get(name, name) for name in columns)
        lines, hours = self._lines(table, columns, _hours(span), only)
        rows = self.query(
            f"SELECT {', '.join(named)}, {_summed(SUMS)} FROM {lines}" + (f" GROUP BY {grouped}" if grouped else ""), hours
        )
        return [row for row in rows if row["hour"] is not None]

    def _lines(
        self, table: str, columns: Sequence[str], hours: tuple[int, int], only: str = ""
    ) -> tuple[str, tuple[int, ...]]:
        """What to select these hours from: whole days where they are summed up and have these columns, hours elsewhere."""
        asked = set(columns)
        days = next((days.name for days, of, without in DAYS if of.name == table and not without & asked), None)
        first, last = -(-hours[0] // HOURS_A_DAY), min(hours[1] // HOURS_A_DAY, self._closed)
        if first >= last or days is None or "hour" in asked:
            return f"{table} WHERE hour >= ? AND hour < ?{only}", hours
        start, end = first * HOURS_A_DAY, last * HOURS_A_DAY
        parts = ((table, hours[0], start), (days, start, end), (table, end, hours[1]))
        chosen = " UNION ALL ".join(f"SELECT * FROM {name} WHERE hour >= ? AND hour < ?{only}" for name, _, _ in parts)
        return f"({chosen}) AS lines", tuple(hour for _, *edges in parts for hour in edges)

    def _untagged(self, columns: Sequence[str], span: Span) -> Iterator[Row]:
        """What the sums of tagged calls leave of all sums."""
        tagged = {
            tuple(row[name] for name in columns): row for row in self._group("tag_rollups", columns, span, " AND first = 1")
        }
        for row in self._group("rollups", columns, span):
            part = tagged.get(tuple(row[name] for name in columns))
            rest = {name: _number(row[name]) - (_number(part[name]) if part is not None else 0) for name in SUMS}
            if any(rest.values()):
                yield {**{name: row[name] for name in (*columns, "hour")}, "tag": "", **rest}

    def uses(self, span: Span) -> list[Row]:
        columns = ", ".join(USES[1:])
        since, until = span.since // HOUR // HOURS_A_DAY, -(-span.until // (HOUR * HOURS_A_DAY))
        return list(
            self.query(
                f"SELECT {columns}, {_summed(USE_SUMS)} FROM uses WHERE day >= ? AND day < ? GROUP BY {columns}",
                (since, until),
            )
        )

    def spent(self, since: int, until: int = FOREVER) -> Iterable[Spent]:
        first, last = -(-since // HOUR) * HOUR, until // HOUR * HOUR
        if first >= last:
            return self._spent_of_rows(Span(since, until))
        edges = [Span(since, first), Span(last, until)]
        parts = [self._spent_of_rows(edge) for edge in edges if edge.since < edge.until]
        return chain(self._spent_of_hours((first // HOUR, last // HOUR)), *parts)

    def _spent_of_hours(self, hours: tuple[int, int]) -> Iterator[Spent]:
        summed = _summed(_SPENDING)
        for dimension, table in {"key": "rollups", "route": "rollups", "provider": "rollups", "tag": "tag_rollups"}.items():
            lines, edges = self._lines(table, (dimension,), hours)
            for row in self.query(f"SELECT {dimension} AS name, {summed} FROM {lines} GROUP BY {dimension}", edges):
                yield _spent(dimension, str(row["name"]), row)

    def _spent_of_rows(self, part: Span) -> Iterator[Spent]:
        """By the tags of calls as they are written, so that each set of them is taken apart once."""
        span = (part.since, part.until)
        counted = (
            "SELECT c.key AS key, c.route AS route, coalesce(a.provider, '') AS provider, c.tags AS tags, {} FROM calls c"
            " LEFT JOIN attempts a ON a.call = c.id{} WHERE c.wall >= ? AND c.wall < ? GROUP BY c.key, c.route, a.provider,"
            " c.tags"
        )
        probed = f"SELECT '' AS key, '' AS route, a.provider AS provider, '[]' AS tags, {_USED} FROM probes a"
        for sql in (
            counted.format("count(*) AS calls", " AND a.number = c.attempts - 1"),
            counted.format(_USED, ""),
            f"{probed} WHERE a.wall >= ? AND a.wall < ? GROUP BY a.provider",
        ):
            for row in self.query(sql, span):
                for dimension in ("key", "route", "provider"):
                    yield _spent(dimension, str(row[dimension]), row)
                for tag in json.loads(str(row["tags"])):
                    yield _spent("tag", tag, row)

    def known(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(ids), ASKED):
            part = ids[start : start + ASKED]
            for table in ("calls", "probes"):
                rows = self.query(f"SELECT id FROM {table} WHERE id IN ({', '.join('?' * len(part))})", part)
                found.update(str(row["id"]) for row in rows)
        return found

    # Rows.

    def calls(self, span: Span) -> Iterator[tuple[Row, list[Row]]]:
        calls = self.query("SELECT * FROM calls WHERE wall >= ? AND wall < ? ORDER BY wall, id", (span.since, span.until))
        attempts = self.query(
            "SELECT attempts.* FROM calls JOIN attempts ON attempts.call = calls.id"
            " WHERE calls.wall >= ? AND calls.wall < ? ORDER BY calls.wall, calls.id, attempts.number",
            (span.since, span.until),
        )
        attempt = next(attempts, None)
        for call in calls:
            found = []
            while attempt is not None and attempt["call"] == call["id"]:
                found.append(attempt)
                attempt = next(attempts, None)
            yield call, found

    def probes(self, span: Span) -> Iterator[Row]:
        return self.query("SELECT * FROM probes WHERE wall >= ? AND wall < ? ORDER BY wall, id", (span.since, span.until))

    def counts(self) -> tuple[int, int]:
        return self._count("FROM calls"), self._count("FROM attempts")

    # Checks.

    def verify(self) -> Iterator[str]:
        yield from self._source.damage()
        yield from self._find_orphans()
        yield from self._compare_sums()
        yield from self._compare_days()

    def _count(self, sql: str, *values: int) -> int:
        (row,) = self.query(f"SELECT count(*) AS counted {sql}", values)
        return _number(row["counted"])

    def _find_orphans(self) -> Iterator[str]:
        missing = "NOT EXISTS (SELECT 1 FROM calls WHERE calls.id = attempts.call)"
        orphans = self._count(f"FROM attempts WHERE {missing}")
        if orphans:
            yield f"{orphans} attempts belong to no call"
        uneven = self._count("FROM calls WHERE attempts != (SELECT count(*) FROM attempts a WHERE a.call = calls.id)")
        if uneven:
            yield f"{uneven} calls have more or fewer attempts than they say"

    def _compare_sums(self) -> Iterator[str]:
        """Rollups against rows, for the hours of which all rows are still there: those after the oldest row's."""
        (oldest,) = self.query("SELECT min(wall) AS wall FROM calls")
        if oldest["wall"] is None:
            return
        first = _number(oldest["wall"]) // HOUR + 1
        names = ("calls", "attempts", "input", "output", "cost")
        wanted = ", ".join(f"CAST(coalesce(sum({name}), 0) AS BIGINT) AS {name}" for name in names)
        (said,) = self.query(f"SELECT {wanted} FROM rollups WHERE hour >= ? AND purpose != 'probe'", (first,))
        calls = self._count("FROM calls WHERE wall >= ?", first * HOUR)
        summed = ", ".join(f"CAST(coalesce(sum(a.{name}), 0) AS BIGINT) AS {name}" for name in names[2:])
        (found,) = self.query(
            f"SELECT count(*) AS attempts, {summed} FROM attempts a JOIN calls c ON c.id = a.call WHERE c.wall >= ?",
            (first * HOUR,),
        )
        for name, counted in {"calls": calls, **found}.items():
            if said[name] != counted:
                yield f"the sums say {said[name]} {name}, the rows {counted}"

    def _compare_days(self) -> Iterator[str]:
        """Sums of days against those of their hours."""
        wanted = ", ".join(f"CAST(coalesce(sum({name}), 0) AS BIGINT) AS {name}" for name in SUMS)
        for days, table, _ in DAYS:
            (hourly,) = self.query(f"SELECT {wanted} FROM {table.name} WHERE hour < ?", (self._closed * HOURS_A_DAY,))
            (daily,) = self.query(f"SELECT {wanted} FROM {days.name}")
            for name in SUMS:
                if hourly[name] != daily[name]:
                    yield f"{days.name} says {daily[name]} {name}, {table.name} {hourly[name]}"


def _spent(dimension: str, name: str, row: Row) -> Spent:
    return Spent(dimension, name, *(_number(row.get(name, 0)) for name in _SPENDING))


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
