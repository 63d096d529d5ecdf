"""`undimmed ledger export|verify|compact`: the ledger's rows for other programs, and its upkeep."""

import argparse
import csv
import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.ledger_place import add_config, add_span, find_ledger, shown, span_of
from proxy.cli.terminal import err, out

if TYPE_CHECKING:
    from proxy.core.settings import LedgerSettings
    from proxy.stores.ledger.contract import Reader, Row

FAILED = 1


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The three of them."""
    parser = commands.add_parser(
        "ledger",
        help="export, verify or compact the ledger",
        description="What to do with the ledger that the configuration names.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser(
        "export",
        help="print every call and attempt",
        description="Print every call with its attempts, the oldest first: one line of JSON per call, or one of CSV per "
        "attempt. Costs are dollars, empty or null where they are unknown.",
    )
    export.add_argument("--format", choices=("csv", "jsonl"), default="jsonl", help="default: jsonl")
    add_span(export)
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


def _timestamp(wall: int) -> str:
    return datetime.fromtimestamp(wall / 1000, UTC).isoformat(timespec="milliseconds")


def _plain(row: "Row", money: str, flags: Sequence[str]) -> dict[str, object]:
    """A row by its columns: money as an exact decimal of dollars (`money`_usd), flags as such."""
    from proxy.tokens.prices import dollars

    found: dict[str, object] = dict(row)
    nano = found.pop(money)
    found[f"{money}_usd"] = dollars(nano) if isinstance(nano, int) else None
    for flag in flags:
        found[flag] = bool(found[flag])
    return found


def _call(row: "Row") -> dict[str, object]:
    found = _plain(row, "failover_cost", ("stream", "committed"))
    del found["attempts"], found["wall"]
    return {"id": found.pop("id"), "at": _timestamp(int(row["wall"] or 0)), **found}


def _attempt(row: "Row") -> dict[str, object]:
    found = _plain(row, "cost", ("lower_bound", "delivered", "possibly_billed", "trial"))
    del found["call"]
    return found


def _export(reader: "Reader", args: argparse.Namespace) -> int:
    terminal = out()
    calls = reader.calls(span_of(args))
    if args.format == "jsonl":
        for call, attempts in calls:
            terminal.say(json.dumps({**_call(call), "attempts": [_attempt(attempt) for attempt in attempts]}))
        return 0
    call_fields, attempt_fields = (_fields(reader, table) for table in ("calls", "attempts"))
    renamed = [f"attempt_{name}" for name in attempt_fields]
    writer = csv.DictWriter(sys.stdout, [*call_fields, *renamed], lineterminator="\n")
    writer.writeheader()
    for call, attempts in calls:
        shared = _call(call)
        for attempt in attempts:
            writer.writerow({**shared, **{f"attempt_{name}": value for name, value in _attempt(attempt).items()}})
        if not attempts:
            writer.writerow(shared)
    return 0


def _fields(reader: "Reader", table: str) -> list[str]:
    blank: Row = dict.fromkeys(reader.columns(table), 0)
    return list(_call(blank) if table == "calls" else _attempt(blank))


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
                return _export(reader, args)
            return _verify(reader, place)
    except Busy as error:
        err().say(f"error: {error}; stop it first")
    except (Unreadable, Down, sqlite3.Error) as error:
        err().say(f"error: {error}")
    return FAILED
