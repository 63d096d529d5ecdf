"""Ledgers for tests: quick ones, and what can be read of them."""

import sqlite3
import time
from pathlib import Path

from stores_records import USAGE, attempt, call

from proxy.core.outcome import OutcomeKind
from proxy.stores.ledger.contract import Span
from proxy.stores.ledger.journal import Journal
from proxy.stores.ledger.reading import read_file
from proxy.stores.ledger.writer import SqliteLedger

SMALL = 64 * 1024


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


def open_ledger(path: Path, size=SMALL, files=4, memory=2, retention=None) -> SqliteLedger:
    """Started, with a small journal."""
    ledger = SqliteLedger(path, time.time, retention, lambda name: Journal(name, size, files, memory))
    ledger.start()
    return ledger


def until(condition, seconds=30.0):
    """Wait for another thread's doing."""
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "did not come true"
        time.sleep(0.005)


def ids(path: Path) -> list[str]:
    with read_file(path) as reader:
        return [row["id"] for row, _ in reader.calls(Span())]


def sums(path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    names = ("calls", "attempts", "input", "output", "cost", "wasted", "failovers", "failover_cost")
    row = connection.execute(f"SELECT {', '.join(f'sum({name})' for name in names)} FROM rollups").fetchone()
    connection.close()
    return dict(zip(names, row, strict=True))


def sound(path: Path) -> None:
    with read_file(path) as reader:
        assert list(reader.verify()) == []


def spills(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.spill-*"))
