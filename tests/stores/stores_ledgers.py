"""Ledgers for tests: quick ones, and what can be read of them. `path` may be a file of SQLite or any `LedgerSettings`."""

import time
from pathlib import Path

from stores_records import USAGE, attempt, call

from proxy.core.outcome import OutcomeKind
from proxy.core.settings import LedgerSettings
from proxy.stores.ledger.contract import Reader, Span
from proxy.stores.ledger.journal import Journal
from proxy.stores.ledger.place import open_database, open_reader
from proxy.stores.ledger.writer import JournaledLedger

SMALL = 64 * 1024
Place = Path | LedgerSettings


def made(number, *attempts, **more):
    """A call with an id of its own, served by a/x unless attempts are given."""
    attempts = attempts or (attempt(usage=USAGE, cost=1000, served_model="x-1"),)
    served = next((a.target for a in attempts if a.delivered), None)
    record = call(*attempts, served_by=served, **more)
    record.id = f"{number:024x}"
    return record


def failover(number):
    lost = attempt("a/x", OutcomeKind.STALLED, usage=USAGE, cost=1000, possibly_billed=True)
    return made(number, lost, attempt("b/y", usage=USAGE, cost=3000))


def place_of(path: Place) -> LedgerSettings:
    return path if isinstance(path, LedgerSettings) else LedgerSettings(str(path))


def open_ledger(path: Place, size=SMALL, files=4, memory=2, retention=None) -> JournaledLedger:
    """Started, with a small journal."""
    place = place_of(path)
    ledger = JournaledLedger(
        Path(place.path),
        lambda meanwhile: open_database(place, meanwhile),
        time.time,
        retention,
        lambda name: Journal(name, size, files, memory),
    )
    ledger.start()
    return ledger


def read(path: Place) -> Reader:
    return open_reader(place_of(path))


def until(condition, seconds=30.0):
    """Wait for another thread's doing."""
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "did not come true"
        time.sleep(0.005)


def ids(path: Place) -> list[str]:
    with read(path) as reader:
        return [row["id"] for row, _ in reader.calls(Span())]


def sums(path: Place) -> dict[str, int]:
    names = ("calls", "attempts", "input", "output", "cost", "wasted", "failovers", "failover_cost")
    with read(path) as reader:
        [row] = reader.sums(Span(), ())
    return {name: row[name] for name in names}


def sound(path: Place) -> None:
    with read(path) as reader:
        assert list(reader.verify()) == []


def spills(path: Place) -> list[Path]:
    path = Path(place_of(path).path)
    return sorted(path.parent.glob(f"{path.name}.spill-*"))
