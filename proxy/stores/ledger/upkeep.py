"""Upkeep of a ledger from the command line: in SQLite only while no proxy writes it, in PostgreSQL at any time."""

from dataclasses import dataclass
from pathlib import Path

from proxy.core.settings import LedgerSettings
from proxy.stores.ledger.place import open_database
from proxy.stores.ledger.reading import SqliteSource
from proxy.stores.ledger.recovery import leftovers
from proxy.stores.ledger.tariff import Tariff
from proxy.stores.ledger.writer import book_legacy


@dataclass(frozen=True, slots=True)
class Done:
    """Rows booked from the journals of stopped processes, calls deleted because they were too old, bytes given back."""

    booked: int
    forgotten: int
    freed: int


def compact(place: LedgerSettings, before: float) -> Done:
    """Book what is left over, forget rows from before that Unix time, give room back. Raises Down (Busy where somebody else
    is at it), Unreadable, sqlite3.Error, OSError."""
    if place.url is None:
        SqliteSource(Path(place.path), older=True).close()
    database = open_database(place)
    try:
        size = database.size()
        booked = sum(book_legacy(database, files, Tariff()) for files in leftovers(Path(place.path)).values())
        while database.close_days(int(before) // 86400):
            pass
        forgotten = 0
        while gone := database.forget(int(before * 1000)):
            forgotten += gone
        database.compact()
        return Done(booked, forgotten, max(size - database.size(), 0))
    finally:
        database.close()
