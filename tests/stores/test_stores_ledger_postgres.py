"""PostgreSQL refuses, dies, falls silent, is shared: no call waits or fails, and every row is booked once."""

import asyncio
import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
import structlog
import trustme
from stores_ledgers import SMALL, ids, made, open_ledger, read, sound, spills, sums, until
from stores_records import USAGE, attempt
from support.postgres_server import PASSWORD

from proxy.cli.main import main
from proxy.core.settings import LedgerSettings
from proxy.core.usage import Usage
from proxy.stores.ledger import postgres_link, writer
from proxy.stores.ledger.contract import Busy, Down, Span, Unreadable
from proxy.stores.ledger.entries import entry_of, pack
from proxy.stores.ledger.postgres import AGING, PostgresDatabase
from proxy.stores.ledger.postgres_link import number_places
from proxy.stores.ledger.recovery import segment_path
from proxy.stores.ledger.segment import Segment
from proxy.stores.ledger.tariff import Tariff

SECRET = "canary"


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(writer, "PAUSE", 0.02)
    monkeypatch.setattr(writer, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(postgres_link, "TICK", 0.01)


@pytest.fixture
def path(postgres, tmp_path):
    return LedgerSettings(str(tmp_path / "undimmed-ledger"), url=postgres.url)


def feed(ledger, numbers):
    for number in numbers:
        ledger.call_finished(made(number))


def expect(path, count):
    assert sorted(ids(path)) == [f"{number:024x}" for number in range(count)]
    assert sums(path)["calls"] == count
    sound(path)


def fails(ledger, words):
    until(lambda: ledger.state().state == "spilling")
    until(lambda: words in (ledger.state().error or ""))
    assert SECRET not in ledger.state().error
    assert ledger.state().waiting > 0


def recovers(ledger, path, count):
    until(lambda: ledger.state().state == "ok" and not ledger.state().waiting)
    state = ledger.state()
    assert state.lost == 0
    assert 0 < state.replayed <= state.spilled <= state.written
    assert ledger.close(10)
    assert not spills(path)
    expect(path, count)


class Other:
    """Somebody else's session, held open."""

    def __init__(self, url):
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(url))

    def do(self, sql, *values):
        return self._runner.run(self._connection.fetch(sql, *values))

    def close(self):
        async def leave():
            self._connection.terminate()
            await asyncio.sleep(0)

        self._runner.run(leave())
        self._runner.close()


def test_a_server_that_is_not_there_yet(path, postgres):
    postgres.stop()
    ledger = open_ledger(path)
    try:
        feed(ledger, range(20))
        fails(ledger, "")
    finally:
        postgres.start()
    feed(ledger, range(20, 30))
    recovers(ledger, path, 30)


def test_a_server_that_is_killed_in_the_middle_of_a_transaction(path, postgres):
    ledger = open_ledger(path)
    feed(ledger, range(5))
    until(lambda: ledger.state().written == 5)
    other = Other(path.url)
    other.do("BEGIN")
    other.do("LOCK TABLE undimmed.uses IN ACCESS EXCLUSIVE MODE")
    feed(ledger, range(5, 50))
    watcher = Other(path.url)
    until(lambda: watcher.do("SELECT 1 FROM pg_locks WHERE NOT granted"))
    postgres.kill()
    fails(ledger, "")
    for session in (other, watcher):
        session.close()
    feed(ledger, range(50, 60))
    postgres.start()
    recovers(ledger, path, 60)


def test_a_commit_whose_answer_is_lost(path, monkeypatch):
    """The transaction is there, and nobody was told: written again, it changes nothing."""
    ledger = open_ledger(path)
    write = PostgresDatabase.write

    def told_too_late(self, entries, tariff):
        write(self, entries, tariff)
        raise Down("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(PostgresDatabase, "write", told_too_late)
        feed(ledger, range(20))
        fails(ledger, "the connection was lost")
    recovers(ledger, path, 20)


def test_sessions_that_an_administrator_ends(path):
    ledger = open_ledger(path)
    feed(ledger, range(5))
    until(lambda: ledger.state().written == 5)
    other = Other(path.url)
    other.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'undimmed'")
    other.close()
    feed(ledger, range(5, 20))
    recovers(ledger, path, 20)


def test_a_server_that_says_nothing_delays_nobody_and_no_row_is_lost(path, postgres, monkeypatch):
    monkeypatch.setattr(postgres_link, "ANSWERING", 0.3)
    monkeypatch.setattr(postgres_link, "CONNECTING", 0.3)
    ledger = open_ledger(path, size=8192, files=40)
    feed(ledger, range(5))
    until(lambda: ledger.state().written == 5)
    postgres.freeze(True)
    try:
        slowest = 0.0
        for number in range(5, 305):  # several segments, which the waiting thread has to prepare
            before = time.thread_time()
            ledger.call_finished(made(number))
            slowest = max(slowest, time.thread_time() - before)
            time.sleep(0.002)
        fails(ledger, "the server does not answer")
        assert ledger.state().lost == 0
        assert slowest < 0.01
    finally:
        postgres.freeze(False)
    recovers(ledger, path, 305)


def test_a_refusal_tells_no_secret(path, postgres, capsys):
    structlog.reset_defaults()
    wrong = replace(path, url=path.url.replace("app:", f"app:{SECRET}"))
    ledger = open_ledger(wrong)
    feed(ledger, range(3))
    fails(ledger, 'password authentication failed for user "app"')
    assert not ledger.close(1)
    said = capsys.readouterr()
    assert "password authentication failed" in said.out + said.err
    assert SECRET not in said.out + said.err + repr(ledger) + repr(wrong)
    with pytest.raises(Unreadable, match="password authentication failed") as caught:
        read(wrong)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    ledger = open_ledger(path)  # the next process has the right one
    until(lambda: ledger.state().replayed == 3)
    assert ledger.close(10)
    expect(path, 3)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://app:canary@127.0.0.1:1/postgres", "Connect"),
        ("postgresql://app:canary@undimmed.invalid/postgres", "(?i)name"),
        ("postgresql://app:canary@127.0.0.1:1/postgres?sslmode=strange", "the URL is not one of PostgreSQL"),
    ],
)
def test_no_server_at_all(url, words):
    with pytest.raises(Down, match=words) as caught:
        PostgresDatabase(url, lambda: None)
    assert SECRET not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setattr(postgres_link, "installed", lambda: False)
    with pytest.raises(Down, match=r"pip install 'undimmed\[postgres\]'"):
        PostgresDatabase("postgresql://db/x", lambda: None)


def test_many_proxies_write_at_once_and_none_waits_for_another_in_a_circle(path):
    """All of them make the tables, and add to the same lines, which they meet in different orders."""
    ledgers = [open_ledger(replace(path, path=f"{path.path}-{number}")) for number in range(4)]
    threads = []

    def busy(number, ledger):
        for round in range(60):
            targets = [f"a/{(round * 7 + number * 3 + step) % 11}" for step in range(5)]
            for step, target in enumerate(targets):
                record = made(
                    number * 10_000 + round * 10 + step, attempt(target, usage=USAGE, cost=1000), tags=(target, "t")
                )
                ledger.call_finished(record)
            time.sleep(0.005)

    for number, ledger in enumerate(ledgers):
        threads.append(threading.Thread(target=busy, args=(number, ledger)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        until(lambda ledger=ledger: ledger.state().written == 300)
        assert ledger.state().spilled == 0, ledger.state().error
        assert ledger.close(10)
    assert sums(path)["calls"] == 1200
    sound(path)


def test_tables_are_made_once_by_whoever_comes_first(path):
    found = []

    def come():
        database = PostgresDatabase(path.url, lambda: None)
        found.append(database.write([entry_of(made(1))], Tariff()))
        database.close()

    threads = [threading.Thread(target=come) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 0, 0, 0, 0, 1], "and the same call is written once"
    expect_one(path)


def expect_one(path):
    assert ids(path) == [f"{1:024x}"]
    assert sums(path)["calls"] == 1


def test_a_part_of_a_group_may_be_there_already(path):
    database = PostgresDatabase(path.url, lambda: None)
    assert database.write([entry_of(made(number)) for number in (1, 3)], Tariff()) == 2
    assert database.write([entry_of(made(number)) for number in range(5)], Tariff()) == 3
    assert database.write([], Tariff()) == 0
    database.close()
    expect(path, 5)


def test_one_deletes_and_compacts_the_others_leave_it(path):
    database = PostgresDatabase(path.url, lambda: None)
    database.write([entry_of(made(number)) for number in range(5)], Tariff())
    other = Other(path.url)
    other.do("SELECT pg_advisory_lock($1)", AGING)
    assert database.forget(2**60) == 0
    with pytest.raises(Busy, match="another process compacts"):
        database.compact()
    other.close()
    until(lambda: database.forget(2**60) == 5)
    database.compact()
    assert database.size() > 0
    assert repr(database) == "<PostgresDatabase postgres>"
    database.close()
    database.close()
    with pytest.raises(Down, match="closed"):
        database.forget(0)
    assert sums(path)["calls"] == 5


def test_characters_that_it_cannot_hold(path):
    strange = made(1, attempt("a/x\0y", usage=Usage(1, 1, tier="t\0"), served_model="m\0"), route="r\0", tags=("a", "\0"))
    ledger = open_ledger(path)
    ledger.call_finished(strange)
    until(lambda: ledger.state().written == 1)
    assert ledger.close(10)
    with read(path) as reader:
        [(call, [only])] = reader.calls(Span())
        assert (call["route"], only["target"], only["model"]) == ("r\ufffd", "a/x\ufffdy", "m\ufffd")


def test_a_later_version_is_left_alone(path):
    PostgresDatabase(path.url, lambda: None).close()
    other = Other(path.url)
    other.do("INSERT INTO undimmed.version VALUES (99)")
    other.close()
    with pytest.raises(Down, match="later version"):
        PostgresDatabase(path.url, lambda: None)
    with pytest.raises(Unreadable, match=r"another version \(schema 99"):
        read(path)


def test_what_a_dead_process_left_is_booked_once(path):
    for _ in range(2):
        segment = Segment(segment_path(Path(path.path), "1.dead", 1), SMALL)
        for number in range(10):
            segment.append(pack(made(number)))
        segment.close(remove=False)
        del segment
        ledger = open_ledger(path)
        until(lambda: not [file for file in spills(path) if "1.dead" in file.name])
        assert ledger.close(10)
    expect(path, 10)


def test_reading_is_of_one_moment_and_in_portions(path, monkeypatch):
    monkeypatch.setattr("proxy.stores.ledger.postgres_reading.PORTION", 3)
    database = PostgresDatabase(path.url, lambda: None)
    database.write([entry_of(made(number)) for number in range(10)], Tariff())
    with read(path) as reader:
        calls = reader.calls(Span())
        next(calls)
        database.write([entry_of(made(number)) for number in range(10, 20)], Tariff())
        assert len(list(calls)) == 9
        assert reader.counts() == (10, 10)
    database.close()


def test_a_server_that_goes_while_it_is_read(path):
    PostgresDatabase(path.url, lambda: None).close()
    with read(path) as reader:
        other = Other(path.url)
        other.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'undimmed'")
        other.close()
        with pytest.raises(Unreadable, match="cannot be read"):
            reader.counts()


@pytest.fixture
def tls(postgres):
    """The server over TCP with TLS, and the authority that vouches for it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    key, chain = postgres.folder / "key.pem", postgres.folder / "chain.pem"
    certificate.private_key_pem.write_to_path(key)
    certificate.cert_chain_pems[0].write_to_path(chain)
    key.chmod(0o600)
    owner = postgres.folder.stat()
    for file in (key, chain):
        os.chown(file, owner.st_uid, owner.st_gid)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    postgres.stop()
    postgres.more = f"-c ssl=on -c ssl_key_file={key} -c ssl_cert_file={chain} -c listen_addresses=localhost -p {port}"
    postgres.start()
    yield f"postgresql://app:{quote(PASSWORD, safe='')}@localhost:{port}/postgres", authority
    postgres.stop()
    postgres.more = ""
    postgres.start()


def test_tls_as_the_url_asks_for_it(postgres, tls, tmp_path):
    url, authority = tls
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    authority.cert_pem.write_to_path(ours)
    trustme.CA().cert_pem.write_to_path(theirs)
    link = postgres_link.Link(f"{url}?sslmode=verify-full&sslrootcert={ours}")

    async def ask(connection):
        return await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")

    assert link.run(ask) is True
    link.close()
    with pytest.raises(Down, match="no TLS with it: CERTIFICATE_VERIFY_FAILED"):
        postgres_link.Link(f"{url}?sslmode=verify-full&sslrootcert={theirs}")
    postgres.stop()
    postgres.more = postgres.more.replace("-c ssl=on", "")
    postgres.start()
    with pytest.raises(Down, match="the server speaks no TLS") as caught:
        postgres_link.Link(f"{url}?sslmode=require")
    assert PASSWORD not in str(caught.value)


def test_places_are_numbered():
    assert number_places("a = ? AND b < ?") == "a = $1 AND b < $2"
    assert number_places("nothing") == "nothing"


def test_the_commands_say_where_it_is_and_no_password(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = "providers: {a: {kind: ollama}}\nroutes: [{model: gpt, targets: [a/x]}]\nledger: {url: '%s'}\n"
    Path("undimmed.yaml").write_text(file % path.url)
    assert main(["report"]) == 1
    assert "there is no ledger in postgres yet" in capsys.readouterr().err
    database = PostgresDatabase(path.url, lambda: None)
    database.write([entry_of(made(number)) for number in range(10)], Tariff())
    database.close()
    assert main(["report"]) == 0
    assert "PostgreSQL (postgres), 2023-11-14" in capsys.readouterr().out
    assert main(["ledger", "verify"]) == 0
    assert "PostgreSQL (postgres): 10 calls, 10 attempts" in capsys.readouterr().out
    assert main(["ledger", "export"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10
    assert main(["ledger", "compact"]) == 0
    assert "0 rows booked from journals, 10 deleted" in capsys.readouterr().out
