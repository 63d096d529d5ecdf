"""The tables of the ledger, in words that SQLite and PostgreSQL both understand.

`calls` and `attempts` are the rows, `probes` the probes that used tokens. Three tables sum them in the same transaction, so
they cannot disagree: `rollups` by the hour, `tag_rollups` by the hour and tag, `uses` by the day and by what a call was for.

So that months can be read quickly, a day that is over is summed once more: into `rollup_days`, `tag_days` (without `key`)
and `tag_key_days` (without what a call went to), whose `hour` is the day's first one. `progress` says which day is the first
that was not. What comes later for a day before it, from a journal that had to wait, is added to all of them.

Rows are kept as long as the retention says, sums for good. Times are ms; `wall` is Unix time in ms, `hour` and `day` are it
divided by their length. Money is nano-dollars; an unknown cost is NULL in rows, and in sums counted (`unpriced`) instead of
summed. `tags` is an array of JSON, `features` are names with commas between.

A call counts once, in the line of its last attempt (target "" if it made none), so `calls` may be summed over any lines. A
probe counts in lines of the purpose `probe`, route and key "", as an attempt of no call. What `waste` says is in `waste`.

Sums of `rollups` and `tag_rollups`, over attempts unless they are said to be of calls:

| sum                                     | what it means                                                                |
|-----------------------------------------|------------------------------------------------------------------------------|
| `calls`, `attempts`, `delivered`        | how many; attempts of which something reached the client                     |
| `input`, `output`                       | tokens, all of them                                                          |
| `cached`, `cache_write`                 | of `input`: read from a provider's cache, written into one                   |
| `reasoning`                             | of `output`: thought                                                         |
| `audio`, `image`                        | of both together                                                             |
| `estimated`                             | of both together: ours, not the provider's number                            |
| `cost`, `unpriced`, `unpriced_tokens`   | known cost; attempts that used tokens of unknown cost, and those tokens      |
| `wasted`, `wasted_cost`,                | tokens of attempts whose `waste` is not "", their known cost, and how many   |
| `wasted_unpriced`                       | of them have none                                                            |
| `possibly_billed`                       | attempts that were cut off after they were sent                              |
| `cache_saved`                           | what `cached` tokens would have cost more uncached, where that is known      |
| `first_contents`, `first_content_ms`    | streamed attempts with content, and the time to it: the mean is the quotient |
| `generated`, `generation_ms`            | output tokens by the provider's count of streamed answers that were whole,   |
|                                         | and the time from their first content to their end: speed is the quotient    |
| `failovers`, `failover_cost`,           | calls served elsewhere than at their first choice, what that cost more than  |
| `failover_unpriced`                     | there (negative: less), and how many of unknown difference                   |
| `hits`, `saved`                         | calls answered from our own cache, and what they would have cost             |

Each tag of a call has its line in `tag_rollups`, so those of two tags overlap; `first` is 1 under one tag of each call:
over these lines tagged calls count once, and what `rollups` has beyond them had no tag. `uses` has the attempts that used
tokens, by the features and the `size` of their call (input tokens up to it, by classes); `reasoned` are those that thought,
`took_ms` their time.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.stores.ledger.contract import Down
from proxy.stores.ledger.rollups import HOURLY, HOURS_A_DAY, SUMS, TAGGED, USE_SUMS, USES, WITHOUT_KEY, WITHOUT_PLACE

TEXT, COUNT, REAL = "TEXT", "BIGINT", "DOUBLE PRECISION"
_NUMBERS = frozenset(("hour", "day", "first", "size"))


@dataclass(frozen=True, slots=True)
class Table:
    """`columns`: name and type; a `?` after the type: may be NULL. The first `key` of them are the primary key. `summed`:
    the others are added to when there is such a key already."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: int
    summed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    def create(self, options: str = "") -> str:
        """The statement that makes it."""
        columns = [f"{name} {kind.rstrip('?')}{'' if kind.endswith('?') else ' NOT NULL'}" for name, kind in self.columns]
        return f"CREATE TABLE {self.name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(self.names[: self.key])})){options}"

    def on_conflict(self) -> str:
        """What becomes of a line of sums that is already there: the end of an INSERT. Rows have none."""
        if not self.summed:
            return ""
        sums = (f"{name} = {self.name}.{name} + excluded.{name}" for name in self.names[self.key :])
        return f"ON CONFLICT ({', '.join(self.names[: self.key])}) DO UPDATE SET {', '.join(sums)}"


def _sums(name: str, key: tuple[str, ...], sums: tuple[str, ...]) -> Table:
    dimensions = tuple((column, COUNT if column in _NUMBERS else TEXT) for column in key)
    return Table(name, dimensions + tuple((column, COUNT) for column in sums), len(key), True)


CALLS = Table(
    "calls",
    (
        ("id", TEXT), ("wall", COUNT), ("route", TEXT), ("endpoint", TEXT), ("stream", COUNT), ("key", TEXT),
        ("status", COUNT), ("outcome", TEXT), ("committed", COUNT), ("served_by", TEXT + "?"), ("waited_ms", COUNT),
        ("took_ms", COUNT + "?"), ("attempts", COUNT), ("first_choice", TEXT + "?"), ("failover_cost", COUNT + "?"),
        ("tags", TEXT), ("features", TEXT), ("priority", TEXT), ("degraded", TEXT), ("saved", COUNT + "?"),
        ("incident", TEXT),
    ),
    1,
)  # fmt: skip
ATTEMPTS = Table(
    "attempts",
    (
        ("call", TEXT), ("number", COUNT), ("target", TEXT), ("provider", TEXT), ("credential", TEXT),
        ("started_ms", COUNT), ("first_content_ms", COUNT + "?"), ("took_ms", COUNT + "?"), ("outcome", TEXT),
        ("status", COUNT + "?"), ("model", TEXT + "?"), ("input", COUNT + "?"), ("output", COUNT + "?"), ("cached", COUNT),
        ("cache_write", COUNT), ("reasoning", COUNT), ("source", TEXT + "?"), ("lower_bound", COUNT),
        ("cost", COUNT + "?"), ("delivered", COUNT), ("possibly_billed", COUNT), ("trial", COUNT), ("purpose", TEXT),
        ("cache_saved", COUNT + "?"), ("raw_input", COUNT + "?"), ("factor", REAL), ("cache_write_1h", COUNT),
        ("audio_in", COUNT), ("image_in", COUNT), ("audio_out", COUNT), ("image_out", COUNT), ("tier", TEXT),
        ("waste", TEXT),
    ),
    2,
)  # fmt: skip
PROBES = Table(
    "probes",
    (
        ("id", TEXT), ("wall", COUNT), ("target", TEXT), ("provider", TEXT), ("kind", TEXT), ("outcome", TEXT),
        ("took_ms", COUNT), ("input", COUNT), ("output", COUNT), ("cached", COUNT), ("reasoning", COUNT), ("source", TEXT),
        ("cost", COUNT + "?"),
    ),
    1,
)  # fmt: skip
ROLLUPS = _sums("rollups", HOURLY, SUMS)
TAG_ROLLUPS = _sums("tag_rollups", TAGGED, SUMS)
USE_ROLLUPS = _sums("uses", USES, USE_SUMS)
#: The same by the day.
ROLLUP_DAYS = _sums("rollup_days", HOURLY, SUMS)
TAG_DAYS = _sums("tag_days", TAGGED, SUMS)
TAG_KEY_DAYS = _sums("tag_key_days", TAGGED, SUMS)
PROGRESS = Table("progress", (("name", TEXT), ("value", COUNT)), 1)
TABLES = (CALLS, ATTEMPTS, PROBES, ROLLUPS, TAG_ROLLUPS, USE_ROLLUPS, ROLLUP_DAYS, TAG_DAYS, TAG_KEY_DAYS, PROGRESS)
#: The first day (Unix time by its length) that was not summed up yet.
READ_CLOSED = "SELECT value FROM progress WHERE name = 'days'"
WRITE_CLOSED = "UPDATE progress SET value = ? WHERE name = 'days'"
BEGIN_CLOSED = "INSERT INTO progress VALUES ('days', 0)"
FIRST_OPEN = "SELECT min(hour) AS hour FROM rollups WHERE hour >= ?"
#: Sums by the day, what they are made of, and the columns that are empty in them.
DAYS = (
    (ROLLUP_DAYS, ROLLUPS, frozenset[str]()),
    (TAG_DAYS, TAG_ROLLUPS, WITHOUT_KEY),
    (TAG_KEY_DAYS, TAG_ROLLUPS, WITHOUT_PLACE),
)
INDEXES = ("CREATE INDEX calls_by_time ON calls (wall)", "CREATE INDEX probes_by_time ON probes (wall)")
VERSION = 2

#: What a table of SQLite is made with: its rows lie in the order of their key.
_OPTIONS = " WITHOUT ROWID"
_OLD_SUMS = (
    "calls, attempts, delivered, input, output, cached, cache_write, reasoning, estimated, cost, unpriced, wasted,"
    " wasted_cost, wasted_unpriced, possibly_billed, failovers, failover_cost, failover_unpriced"
)
_NEW_SUMS = (
    "audio", "image", "unpriced_tokens", "cache_saved", "first_contents", "first_content_ms", "generated", "generation_ms",
    "hits", "saved",
)  # fmt: skip
_OLD_WASTE = (
    "CASE WHEN delivered = attempts OR outcome = 'ok' THEN '' WHEN outcome = 'client_gone' THEN 'left'"
    " WHEN outcome IN ('stream_broken', 'idle_timeout') THEN 'cut' WHEN outcome = 'lost' THEN 'lost' ELSE 'failed' END"
)


def _added(table: Table, since: str) -> list[str]:
    """The statements that add the columns from this one on. Numbers begin as 0, texts empty."""
    start = table.names.index(since)
    found = []
    for name, kind in table.columns[start:]:
        rest = "" if kind.endswith("?") else " NOT NULL DEFAULT " + ("''" if kind == TEXT else "0")
        found.append(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind.rstrip('?')}{rest}")
    return found


#: UPGRADES[n] takes a database of SQLite from version n to n + 1. Those of PostgreSQL begin with version 2.
UPGRADES: dict[int, tuple[str, ...]] = {
    1: (
        *_added(CALLS, "tags"),
        *_added(ATTEMPTS, "purpose"),
        "UPDATE calls SET tags = '[]'",
        "UPDATE attempts SET purpose = 'answer', factor = 1.0,"
        " waste = CASE WHEN delivered THEN '' WHEN outcome IN ('client_gone', 'ok') THEN 'left' WHEN outcome = 'lost'"
        " THEN 'lost' WHEN first_content_ms IS NOT NULL THEN 'cut' ELSE 'failed' END",
        "ALTER TABLE rollups RENAME TO rollups_1",
        ROLLUPS.create(_OPTIONS),
        f"INSERT INTO rollups (hour, route, target, provider, key, outcome, purpose, waste, incident, {_OLD_SUMS},"
        f" {', '.join(_NEW_SUMS)}) SELECT hour, route, target, provider, key, outcome, 'answer', {_OLD_WASTE}, '',"
        f" {_OLD_SUMS}, {', '.join('0' for _ in _NEW_SUMS)} FROM rollups_1",
        "DROP TABLE rollups_1",
        *(
            table.create(_OPTIONS)
            for table in (PROBES, TAG_ROLLUPS, USE_ROLLUPS, ROLLUP_DAYS, TAG_DAYS, TAG_KEY_DAYS, PROGRESS)
        ),
        INDEXES[1],
        BEGIN_CLOSED,
    ),
}


def choose_days(closed: int, first: int | None, today: int) -> int:
    """Up to which day to sum up next, where `first` is the first hour there is from `closed` on: the first day that has
    something, so that no transaction is long."""
    return today if first is None else min(first // HOURS_A_DAY + 1, today)


def sum_days(days: Table, hours: Table, without: frozenset[str]) -> str:
    """The statement that sums hours (from `?`, before `?`) into days."""
    keys = {"hour": f"hour / {HOURS_A_DAY} * {HOURS_A_DAY}"} | dict.fromkeys(without, "''")
    names = days.names[: days.key]
    chosen = [keys.get(name, name) for name in names] + [f"sum({name})" for name in days.names[days.key :]]
    grouped = [f"hour / {HOURS_A_DAY}", *(name for name in names if name not in keys)]
    return (
        f"INSERT INTO {days.name} ({', '.join(days.names)}) SELECT {', '.join(chosen)} FROM {hours.name}"
        f" WHERE hour >= ? AND hour < ? GROUP BY {', '.join(grouped)}"
    )


class TooNew(Down):
    """A later Undimmed has written this ledger; what it means by it is not known here."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the ledger was written by a later version (schema {version}, this one knows {VERSION})")


def version_of(connection: sqlite3.Connection) -> int:
    """0: empty."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to this version, in one transaction. TooNew, or what SQLite raises."""
    version = version_of(connection)
    if version > VERSION:
        raise TooNew(version)
    if version == VERSION:
        return
    with transaction(connection):
        for statement in statements(version_of(connection), _OPTIONS):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def statements(version: int, options: str = "") -> list[str]:
    """What brings a database of this version to the present one; 0: an empty one."""
    if not version:
        return [*(table.create(options) for table in TABLES), *INDEXES, BEGIN_CLOSED]
    return [statement for number in range(version, VERSION) for statement in UPGRADES[number]]


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
