"""Ledgers of earlier versions become ledgers of this one, and lose nothing on the way."""

import sqlite3

import msgspec
import pytest
from stores_ledgers import SMALL, ids, made, open_ledger, place_of, read, sound, sums, until

from proxy.stores.ledger.contract import Span, Unreadable
from proxy.stores.ledger.entries import decode, encode, entry_of
from proxy.stores.ledger.recovery import segment_path
from proxy.stores.ledger.schema import TABLES
from proxy.stores.ledger.segment import Segment
from proxy.stores.ledger.sqlite import SqliteDatabase
from proxy.stores.ledger.tariff import Tariff
from proxy.stores.ledger.upkeep import compact

#: As version 1 wrote it.
FIRST = """
CREATE TABLE calls (
    id TEXT PRIMARY KEY, wall INTEGER NOT NULL, route TEXT NOT NULL, endpoint TEXT NOT NULL,
    stream INTEGER NOT NULL, key TEXT NOT NULL, status INTEGER NOT NULL, outcome TEXT NOT NULL,
    committed INTEGER NOT NULL, served_by TEXT, waited_ms INTEGER NOT NULL, took_ms INTEGER,
    attempts INTEGER NOT NULL, first_choice TEXT, failover_cost INTEGER) WITHOUT ROWID;
CREATE INDEX calls_by_time ON calls (wall);
CREATE TABLE attempts (
    call TEXT NOT NULL, number INTEGER NOT NULL, target TEXT NOT NULL, provider TEXT NOT NULL,
    credential TEXT NOT NULL, started_ms INTEGER NOT NULL, first_content_ms INTEGER, took_ms INTEGER,
    outcome TEXT NOT NULL, status INTEGER, model TEXT, input INTEGER, output INTEGER, cached INTEGER NOT NULL,
    cache_write INTEGER NOT NULL, reasoning INTEGER NOT NULL, source TEXT, lower_bound INTEGER NOT NULL,
    cost INTEGER, delivered INTEGER NOT NULL, possibly_billed INTEGER NOT NULL, trial INTEGER NOT NULL,
    PRIMARY KEY (call, number)) WITHOUT ROWID;
CREATE TABLE rollups (
    hour INTEGER NOT NULL, route TEXT NOT NULL, target TEXT NOT NULL, provider TEXT NOT NULL, key TEXT NOT NULL,
    outcome TEXT NOT NULL,
    calls INTEGER NOT NULL, attempts INTEGER NOT NULL, delivered INTEGER NOT NULL, input INTEGER NOT NULL,
    output INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    estimated INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL, wasted INTEGER NOT NULL,
    wasted_cost INTEGER NOT NULL, wasted_unpriced INTEGER NOT NULL, possibly_billed INTEGER NOT NULL,
    failovers INTEGER NOT NULL, failover_cost INTEGER NOT NULL, failover_unpriced INTEGER NOT NULL,
    PRIMARY KEY (hour, route, target, provider, key, outcome)) WITHOUT ROWID;
PRAGMA user_version = 1;
INSERT INTO calls VALUES ('000000000000000000000aaa', 1700000000000, 'gpt', 'chat', 1, 'ci', 200, 'ok', 1, 'b/y', 0, 900, 2, 'a/x', 5);
INSERT INTO attempts VALUES ('000000000000000000000aaa', 0, 'a/x', 'a', 'a#1', 0, NULL, 100, 'stalled', 200, NULL, 100, 0, 0, 0, 0,
    'estimate', 0, 10, 0, 1, 0);
INSERT INTO attempts VALUES ('000000000000000000000aaa', 1, 'b/y', 'b', 'b#1', 100, 150, 800, 'ok', 200, 'y', 100, 20, 0, 0, 0,
    'provider', 0, 30, 1, 0, 0);
INSERT INTO rollups VALUES (472222, 'gpt', 'a/x', 'a', 'ci', 'stalled', 0, 1, 0, 100, 0, 0, 0, 0, 100, 10, 0, 100, 10, 0, 1,
    0, 0, 0);
INSERT INTO rollups VALUES (472222, 'gpt', 'b/y', 'b', 'ci', 'ok', 1, 1, 1, 100, 20, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 1, 5, 0);
"""  # noqa: E501 (as it was)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "undimmed.db"
    connection = sqlite3.connect(path)
    connection.executescript(FIRST)
    connection.close()
    return path


def shape(path):
    connection = sqlite3.connect(path)
    found = {
        table.name: [
            (name, kind.replace("BIGINT", "INTEGER"), needed, key)  # the same to SQLite
            for _, name, kind, needed, _, key in connection.execute(f"PRAGMA table_info({table.name})")
        ]
        for table in TABLES
    }
    indexes = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY name").fetchall()
    connection.close()
    return found, indexes


def test_a_first_ledger_has_the_shape_of_a_new_one(path, tmp_path):
    SqliteDatabase(path).close()
    SqliteDatabase(tmp_path / "new.db").close()
    assert shape(path) == shape(tmp_path / "new.db")


def test_rows_and_sums_of_the_first_version_are_kept(path):
    ledger = open_ledger(path)
    ledger.call_finished(made(1))
    until(lambda: ledger.state().written == 1)
    assert ledger.close(10)
    assert sorted(ids(path)) == [f"{1:024x}", "000000000000000000000aaa"]
    assert sums(path)["cost"] == 40 + 1000
    sound(path)
    with read(path) as reader:
        [(old, attempts)] = [found for found in reader.calls(Span()) if found[0]["key"] == "ci"]
        assert (old["tags"], old["features"], old["saved"]) == ("[]", "", None)
        assert [(a["purpose"], a["waste"], a["factor"]) for a in attempts] == [
            ("answer", "failed", 1.0),
            ("answer", "", 1.0),
        ]
        lines = {row["waste"]: row for row in reader.sums(Span(), ("waste",))}
        assert (lines["failed"]["wasted"], lines["failed"]["cost"], lines[""]["calls"]) == (100, 10, 2)


def test_a_reader_changes_nothing_and_says_what_to_do(path):
    with pytest.raises(Unreadable, match="earlier version: `undimmed ledger compact`"):
        read(path)
    assert compact(place_of(path), 0.0).forgotten == 0
    with read(path) as reader:
        assert reader.counts() == (1, 2)


def test_a_journal_of_the_first_version_is_still_read(path):
    entry = entry_of(made(7))
    first = _as_first(entry)
    segment = Segment(segment_path(path, "1.dead", 1), SMALL)
    segment.append(first)
    segment.close(remove=False)
    database = SqliteDatabase(path)
    assert database.write([decode(first)], Tariff()) == 1
    database.close()
    sound(path)


def _as_first(entry):
    """A call as version 1 wrote it: fields that came later are not there."""
    values = msgspec.msgpack.decode(encode(entry))
    call, attempts = values[:14], values[13]
    call[13] = [attempt[:20] for attempt in attempts]
    return msgspec.msgpack.encode(call)
