"""Whatever happens to the file: no call waits or fails, rows wait in the journal, and all of them are booked once."""

import os
import resource
import shutil
import sqlite3

import pytest
from stores_ledgers import SMALL, ids, made, open_ledger, place_of, sound, spills, sums, until
from stores_records import USAGE, attempt

from proxy.core.settings import Route, ServerSettings, Settings, Target, When
from proxy.core.usage import Price
from proxy.stores.ledger import schema, sqlite, writer
from proxy.stores.ledger.contract import Busy
from proxy.stores.ledger.entries import begin, encode, entry_of, pack
from proxy.stores.ledger.reading import waiting
from proxy.stores.ledger.recovery import inherit, leftovers, segment_path
from proxy.stores.ledger.schema import VERSION
from proxy.stores.ledger.segment import Segment
from proxy.stores.ledger.sqlite import SqliteDatabase
from proxy.stores.ledger.tariff import Tariff, tariff_of
from proxy.stores.ledger.upkeep import compact
from proxy.stores.ledger.writer import book_legacy


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(sqlite, "PATIENCE", 0.02)
    monkeypatch.setattr(writer, "PAUSE", 0.02)
    monkeypatch.setattr(writer, "LONGEST_PAUSE", 0.05)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "undimmed.db"


def feed(ledger, numbers):
    for number in numbers:
        ledger.call_finished(made(number))


def expect(path, count):
    assert sorted(ids(path)) == [f"{number:024x}" for number in range(count)]
    assert sums(path)["calls"] == count
    sound(path)


def fails(ledger, words):
    until(lambda: ledger.state().state == "spilling")
    assert words in ledger.state().error
    assert ledger.state().waiting > 0


def recovers(ledger, path, count):
    until(lambda: ledger.state().state == "ok" and not ledger.state().waiting)
    state = ledger.state()
    assert state.lost == 0
    assert 0 < state.replayed <= state.spilled <= state.written
    assert ledger.close(10)
    assert not spills(path)
    expect(path, count)


def test_a_locked_file(path):
    ledger = open_ledger(path)
    feed(ledger, range(5))
    until(lambda: ledger.state().written == 5)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    feed(ledger, range(5, 50))
    fails(ledger, "locked")
    feed(ledger, range(50, 60))
    other.execute("ROLLBACK")
    other.close()
    recovers(ledger, path, 60)


def test_a_full_disk(path):
    """A limit on the size of files is what the file system says of a full disk, and binds every user."""
    ledger = open_ledger(path)
    feed(ledger, range(5))
    until(lambda: ledger.state().written == 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, hard))
    try:
        feed(ledger, range(5, 400))
        fails(ledger, "disk")
        feed(ledger, range(400, 500))
        until(lambda: ledger.state().spilled == 495 or ledger.state().written > 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    recovers(ledger, path, 500)


def test_a_read_only_file(path):
    """A file that says it was written by a later SQLite may only be read; permissions would not bind root."""
    ledger = open_ledger(path)
    assert ledger.close(10)
    original = path.read_bytes()
    path.write_bytes(original[:18] + b"\x03" + original[19:])
    ledger = open_ledger(path)
    feed(ledger, range(20))
    fails(ledger, "readonly")
    path.write_bytes(original)
    recovers(ledger, path, 20)


def test_a_damaged_file_that_is_moved_away(path):
    path.write_bytes(b"this is no database, and never was" * 100)
    ledger = open_ledger(path)
    feed(ledger, range(20))
    fails(ledger, "not a database")
    path.rename(path.with_name("damaged"))
    recovers(ledger, path, 20)


def test_a_file_deleted_under_way_is_made_anew(path):
    ledger = open_ledger(path)
    feed(ledger, [900, 901])
    until(lambda: ledger.state().written == 2)
    for file in path.parent.glob(f"{path.name}*"):
        if ".spill-" not in file.name and file.suffix != ".lock":
            file.unlink()
    feed(ledger, range(30))
    until(lambda: ledger.state().written == 32)
    assert ledger.close(10)
    expect(path, 30)


def test_a_ledger_of_a_later_version_is_left_alone(path):
    ledger = open_ledger(path)
    assert ledger.close(10)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    ledger = open_ledger(path)
    feed(ledger, range(3))
    fails(ledger, "later version")
    assert not ledger.close(10)
    assert spills(path), "the next process finds them"


def test_a_missing_folder_loses_rows_only_beyond_the_limit(tmp_path):
    ledger = open_ledger(tmp_path / "none" / "undimmed.db", size=4096, files=2, memory=1)
    feed(ledger, range(300))
    until(lambda: ledger.state().state == "losing")
    state = ledger.state()
    assert not state.durable
    assert state.lost > 0
    assert state.lost + state.waiting == 300
    (tmp_path / "none").mkdir()
    until(lambda: ledger.state().state == "ok")
    assert ledger.close(10)
    assert ledger.state().written == 300 - state.lost


def test_two_processes_share_by_turns(path):
    first = open_ledger(path)
    feed(first, range(10))
    until(lambda: first.state().written == 10)
    second = open_ledger(path)
    feed(second, range(10, 20))
    fails(second, "another process")
    with pytest.raises(Busy):
        compact(place_of(path), 0.0)
    assert first.close(10)
    recovers(second, path, 20)


def die(path, owner, ended, begun=()):
    """What a process leaves that is killed: its segment, no longer locked."""
    segment = Segment(segment_path(path, owner, 1), SMALL)
    for number in begun:
        record = made(number)
        record.attempts, only = [], record.attempts[0]
        segment.append(encode(begin(record, only)))
    for number in ended:
        segment.append(pack(made(number)))
    os.close(segment._file)
    return segment


def test_the_dead_are_booked_once_and_what_they_had_begun_is_lost(path):
    die(path, "1.dead", range(10), begun=(3, 4, 10))
    die(path, "2.dead", range(5))
    ledger = open_ledger(path)
    until(lambda: ledger.state().replayed == 11)
    assert ledger.close(10)
    assert not spills(path)
    expect(path, 11)
    connection = sqlite3.connect(path)
    [(identity, status)] = connection.execute("SELECT id, status FROM calls WHERE outcome = 'lost'").fetchall()
    assert (identity, status) == (f"{10:024x}", 0)
    lost = connection.execute("SELECT target, outcome, possibly_billed, input FROM attempts WHERE call = ?", (identity,))
    assert lost.fetchall() == [("a/x", "lost", 1, None)]
    connection.close()


def test_dying_between_commit_and_deletion_changes_nothing(path):
    die(path, "1.dead", range(10), begun=(10,))
    copy = spills(path)[0].read_bytes()
    for _ in range(3):
        legacy_database = SqliteDatabase(path)
        [files] = leftovers(path).values()
        book_legacy(legacy_database, files, Tariff())
        legacy_database.close()
        assert not spills(path)
        segment_path(path, "1.dead", 1).write_bytes(copy)
    assert compact(place_of(path), 0.0).booked == 0
    expect(path, 11)


def test_a_journal_that_fails_to_be_booked_is_kept(path):
    die(path, "1.dead", range(10))
    ledger_database = SqliteDatabase(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        book_legacy(ledger_database, spills(path), Tariff())
    ledger_database.close()
    assert len(spills(path)) == 1


def test_the_journal_of_the_living_is_left_alone(path):
    segment = Segment(segment_path(path, "1.alive", 1), SMALL)
    segment.append(pack(made(1)))
    assert inherit(spills(path)) is None
    ledger = open_ledger(path)
    assert ledger.close(10)
    assert ids(path) == []
    assert len(spills(path)) == 1
    segment.close(remove=True)
    assert inherit([segment_path(path, "1.gone", 1)]).ended == []


def test_a_journal_that_cannot_be_read_holds_nothing_up(path):
    segment_path(path, "1.strange", 1).mkdir()
    die(path, "2.dead", range(3))
    ledger = open_ledger(path)
    until(lambda: ledger.state().replayed == 3)
    assert ledger.close(10)
    expect(path, 3)
    assert [(one.owner, one.calls, one.alive) for one in waiting(path)] == [("1.strange", 0, False)]


def test_a_database_that_cannot_be_made_leaves_nothing_half_made(path, monkeypatch):
    monkeypatch.setattr(schema, "TABLES", (schema.CALLS, schema.CALLS))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        SqliteDatabase(path)
    monkeypatch.undo()
    SqliteDatabase(path).close()


def test_what_cannot_be_deleted_stays_whole(path):
    ledger_database = SqliteDatabase(path)
    ledger_database.write([entry_of(made(1))], Tariff())
    ledger_database._connection.execute("CREATE TRIGGER no BEFORE DELETE ON calls BEGIN SELECT raise(ABORT, 'no'); END")
    with pytest.raises(sqlite3.IntegrityError):
        ledger_database.forget(2**60)
    ledger_database.close()
    sound(path)


def test_the_tariff_of_a_configuration():
    targets = (Target("a", "x", price=Price(1, 2)), Target("a", "y", when=When(tools=True)))
    route = Route("gpt", ("gpt",), (targets, (Target("b", "z"),)))
    tariff = tariff_of(Settings(ServerSettings(), {}, (route,)))
    assert tariff == Tariff({"a/x": Price(1, 2)}, {"gpt": ("a/x",)})
    assert tariff.first_choice("gpt", "b/z", "b/z") == "a/x"
    assert tariff.first_choice("gpt", "a/x", "a/x") is None
    assert tariff.first_choice("direct", "c/u", "c/v") == "c/u"


def test_a_journal_cut_anywhere_gives_what_is_whole(path, tmp_path):
    die(path, "1.dead", range(10))
    whole = spills(path)[0].read_bytes()
    length = len(pack(made(0))) + 8
    for cut in range(0, 10 * length + 9, 7):
        folder = tmp_path / f"{cut}"
        folder.mkdir()
        file = segment_path(folder / "undimmed.db", "1.dead", 1)
        file.write_bytes(whole[:cut])
        legacy = inherit([file])
        assert len(legacy.ended) == min(cut // length, 10)
        legacy.close(remove=True)
        shutil.rmtree(folder)


def test_frames_that_are_sound_but_none_of_ours_end_the_journal(path):
    segment = Segment(segment_path(path, "1.dead", 1), SMALL)
    for payload in (pack(made(1)), b"\xc1", pack(made(2))):
        segment.append(payload)
    os.close(segment._file)
    del segment  # its memory has the lock too
    legacy = inherit(spills(path))
    assert [call.id for call in legacy.ended] == [f"{1:024x}"]
    legacy.close(remove=False)


def test_an_error_within_a_group_leaves_nothing_of_it(path, monkeypatch):
    ledger_database = SqliteDatabase(path)
    with monkeypatch.context() as patch:
        patch.setitem(sqlite._PUT, "uses", "INSERT INTO nowhere VALUES (?)")
        with pytest.raises(sqlite3.Error):
            ledger_database.write([entry_of(made(1))], Tariff())
    assert ledger_database.write([entry_of(made(1, attempt(usage=USAGE)))], Tariff()) == 1
    ledger_database.close()
    assert sums(path)["calls"] == 1


def test_a_bug_in_the_thread_is_shown_and_it_goes_on(path, monkeypatch):
    def broken(self, calls, tariff):
        raise ValueError("a value that must not be shown")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDatabase, "write", broken)
        ledger = open_ledger(path)
        feed(ledger, range(3))
        fails(ledger, "ValueError at")
        assert "shown" not in ledger.state().error
    recovers(ledger, path, 3)
