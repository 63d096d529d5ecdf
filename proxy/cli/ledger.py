"""`undimmed ledger export|verify|compact`: the ledger's rows for other programs, and its upkeep."""

import argparse
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli import ledger_export
from proxy.cli.ledger_place import add_config, find_ledger, shown
from proxy.cli.terminal import err, out

if TYPE_CHECKING:
    from proxy.core.settings import LedgerSettings
    from proxy.stores.ledger.contract import Reader

FAILED = 1


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The three of them."""
    parser = commands.add_parser(
        "ledger",
        help="export, verify or compact the ledger",
        description="What to do with the ledger that the configuration names.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    ledger_export.add_parser(actions)
    verify = actions.add_parser(
        "verify",
        help="look for damage, orphans and rows that wait",
        description="Check the file, that calls, attempts and sums agree, and what waits in journals. Exit status 1: "
        "something is wrong.",
    )
    add_config(verify)
    compact = actions.add_parser(
        "compact",
        help="delete what is too old and give room back",
        description="Book what stopped processes have left, delete rows older than ledger.retention, and give the room "
        "back to the disk. Not while a proxy writes the ledger.",
    )
    add_config(compact)


def _verify(reader: "Reader", place: "LedgerSettings") -> int:
    from proxy.stores.ledger.reading import waiting

    terminal = out()
    calls, attempts = reader.counts()
    findings = list(reader.verify())
    terminal.say(f"{shown(place)}: {calls:,} calls, {attempts:,} attempts")
    for journal in waiting(Path(place.path)):
        whose = "of a running proxy" if journal.alive else "left by a process that has stopped; the next start books it"
        terminal.say(f"  journal {journal.owner}: {journal.calls:,} calls in {journal.files} files, {whose}")
    for finding in findings:
        terminal.say(terminal.paint(f"  {finding}", "red"))
    if not findings:
        terminal.say(f"  {terminal.paint('sound', 'green')}: the file is whole, and calls, attempts and sums agree")
    return FAILED if findings else 0


def _compact(place: "LedgerSettings") -> int:
    from proxy.stores.ledger.upkeep import compact

    done = compact(place, time.time() - place.retention)  # noqa: TID251 (the command line is where the clock comes in)
    out().say(
        f"{shown(place)}: {done.booked:,} rows booked from journals, {done.forgotten:,} deleted, "
        f"{done.freed / 1e6:,.1f} MB given back"
    )
    return 0


def run(args: argparse.Namespace) -> int:
    """0; 1: there is no ledger, it cannot be used, or something is wrong with it."""
    from proxy.stores.ledger.contract import Busy, Down, Unreadable
    from proxy.stores.ledger.place import open_reader

    place = find_ledger(args)
    if place is None:
        return FAILED
    try:
        if args.action == "compact":
            return _compact(place)
        with open_reader(place) as reader:
            if args.action == "export":
                return ledger_export.run(reader, args)
            return _verify(reader, place)
    except Busy as error:
        err().say(f"error: {error}; stop it first")
    except (Unreadable, Down, ledger_export.Unwritable, sqlite3.Error) as error:
        err().say(f"error: {error}")
    except OSError as error:
        err().say(f"error: {error.filename or 'cannot be written'}: {error.strerror}")
    return FAILED
