"""Upkeep of a ledger that no proxy is writing."""

from dataclasses import dataclass
from pathlib import Path

from proxy.stores.ledger.database import SqliteDatabase
from proxy.stores.ledger.recovery import leftovers
from proxy.stores.ledger.tariff import Tariff
from proxy.stores.ledger.writer import book_legacy


@dataclass(frozen=True, slots=True)
class Done:
    """Calls booked from the journals of stopped processes, and calls deleted because they were too old."""

    booked: int
    forgotten: int


def compact(path: Path, before: float) -> Done:
    """Book what is left over, forget rows from before that Unix time, give room back. Raises Busy, sqlite3.Error."""
    database = SqliteDatabase(path)
    try:
        booked = sum(book_legacy(database, files, Tariff()) for files in leftovers(path).values())
        forgotten = 0
        while gone := database.forget(int(before * 1000)):
            forgotten += gone
        database.compact()
        return Done(booked, forgotten)
    finally:
        database.close()
