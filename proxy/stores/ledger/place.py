"""Where a ledger is: the only module that picks between the databases it can be in."""

from collections.abc import Callable
from pathlib import Path

from proxy.core.settings import LedgerSettings
from proxy.stores.ledger.contract import Database, Reader
from proxy.stores.ledger.postgres import PostgresDatabase
from proxy.stores.ledger.postgres_link import name_of
from proxy.stores.ledger.postgres_reading import PostgresSource
from proxy.stores.ledger.queries import LedgerReader
from proxy.stores.ledger.reading import SqliteSource
from proxy.stores.ledger.sqlite import SqliteDatabase
from proxy.stores.ledger.writer import JournaledLedger


def open_database(place: LedgerSettings, meanwhile: Callable[[], None] = lambda: None) -> Database:
    """To be written by one thread; `meanwhile` is called while it waits. Raises Down, sqlite3.Error or OSError."""
    if place.url is None:
        return SqliteDatabase(Path(place.path), meanwhile)
    return PostgresDatabase(place.url, meanwhile)


def open_reader(place: LedgerSettings) -> Reader:
    """To be read by one thread, which runs no event loop. Unreadable: there is nothing, or it cannot be reached."""
    return LedgerReader(SqliteSource(Path(place.path)) if place.url is None else PostgresSource(place.url))


def open_ledger(place: LedgerSettings, wall: Callable[[], float]) -> JournaledLedger:
    """For a proxy, not started yet."""

    def open_it(meanwhile: Callable[[], None]) -> Database:
        return open_database(place, meanwhile)

    return JournaledLedger(Path(place.path), open_it, wall, place.retention)


def describe_place(place: LedgerSettings) -> str:
    """What may be said of where it is; never a password."""
    return place.path if place.url is None else f"PostgreSQL ({name_of(place.url)})"
