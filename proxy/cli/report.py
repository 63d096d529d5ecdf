"""`undimmed report`: where tokens and money went, from the ledger."""

import argparse
import csv
import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy.cli.ledger_place import add_span, find_ledger, shown, span_of
from proxy.cli.terminal import Terminal, err, out

if TYPE_CHECKING:
    from proxy.stores.ledger.reporting import Line

FAILED = 1
USUAL = "route,model"
#: What stands where a group has no name: calls without a key, refused before a target was chosen…
NOTHING = "–"
UNKNOWN = "unknown"


def _dimensions(text: str) -> tuple[str, ...]:
    from proxy.stores.ledger.queries import DIMENSIONS

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    wrong = [name for name in names if name not in DIMENSIONS]
    if wrong:
        raise argparse.ArgumentTypeError(f"cannot group by {', '.join(wrong)}; known: {', '.join(DIMENSIONS)}")
    return names


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Span, grouping, format."""
    parser = commands.add_parser(
        "report",
        help="say where tokens and money went",
        description="Tokens, cost, waste (attempts that nobody received) and the cost of failover, from the ledger. The "
        "span is taken in whole hours. Where prices are unknown the cost is a lower bound (+) or unknown, never 0.",
    )
    parser.add_argument(
        "--by",
        type=_dimensions,
        default=_dimensions(USUAL),
        metavar="WHAT",
        help="one or more of route, provider, model, key, tag, day, outcome, purpose, waste, incident, with commas between "
        f"(default: {USUAL}); a call counts once under each of its tags",
    )
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table", help="default: table")
    add_span(parser)


def show_count(number: int) -> str:
    """`950`, `12.3k`, `4.56M`: three digits that matter."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size * 10 or (number >= size and size > 1000):
            value = number / size
            return f"{value:.{max(0, 3 - len(str(int(value))))}f}{unit}"
    return f"{number:,}"


def show_money(nano: int | None, unpriced: int = 0) -> str:
    """`$12.34`, small sums with more digits, `+` where something on top has no price."""
    if nano is None:
        return UNKNOWN
    dollars = abs(nano) / 1e9
    digits = 2 if dollars >= 1 or not dollars else 4 if dollars >= 0.01 else 6
    return f"{'-' if nano < 0 else ''}${dollars:,.{digits}f}{'+' if unpriced else ''}"


def show_share(share: float) -> str:
    return "0%" if not share else "<1%" if share < 0.01 else f"{share:.0%}"


#: Head and cell of each column. What is cached or written to a cache is part of the input, reasoning of the output.
COLUMNS: Sequence[tuple[str, Callable[["Line"], str]]] = (
    ("calls", lambda line: show_count(line["calls"])),
    ("attempts", lambda line: show_count(line["attempts"])),
    ("input", lambda line: show_count(line["input"])),
    ("cached", lambda line: show_count(line["cached"])),
    ("written", lambda line: show_count(line["cache_write"])),
    ("output", lambda line: show_count(line["output"])),
    ("reasoning", lambda line: show_count(line["reasoning"])),
    ("estimated", lambda line: show_share(line.estimated_share)),
    ("cost", lambda line: show_money(line.cost, line["unpriced"])),
    ("wasted", lambda line: show_count(line["wasted"])),
    ("waste", lambda line: show_money(line.wasted_cost, line["wasted_unpriced"])),
    ("failover", lambda line: show_money(line.failover_cost, line["failover_unpriced"])),
)
#: Columns that are left out where all of them say nothing.
OPTIONAL = {"cached": "cached", "written": "cache_write", "reasoning": "reasoning"}
#: And those that a narrow screen has no room for, the first to go first.
DISPENSABLE = ("reasoning", "written", "attempts", "cached", "wasted", "estimated")
GAP = "  "


def _width(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]


def _fit(grid: list[list[str]], room: float) -> list[str]:
    """Take columns out of the grid, heads first, until it fits; those that had to go."""
    gone = []
    for head in DISPENSABLE:
        if sum(_width(grid)) + len(GAP) * len(grid[0]) <= room:
            break
        if head in grid[0]:
            place = grid[0].index(head)
            for row in grid:
                del row[place]
            gone.append(head)
    return gone


def _table(heads: Sequence[str], lines: "list[Line]", total: "Line", terminal: Terminal, room: float) -> list[str]:
    """Numbers stand right, names left. Gives the heads of the columns there was no room for."""
    columns = [(head, cell) for head, cell in COLUMNS if head not in OPTIONAL or total[OPTIONAL[head]]]
    grid = [[*heads, *(head for head, _ in columns)]]
    grid += [[*(name or NOTHING for name in line.group), *(cell(line) for _, cell in columns)] for line in lines]
    grid.append(["total", *[""] * (len(heads) - 1), *(cell(total) for _, cell in columns)])
    gone = _fit(grid, room)
    widths = _width(grid)
    rule = "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
    for number, row in enumerate(grid):
        last = number == len(grid) - 1
        if number == 1 or last:
            terminal.say(GAP + rule)
        cells = [
            text.ljust(width) if column < len(heads) else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        styles = ["bold" if not number or last else _style(cell.strip()) for cell in cells]
        painted = [terminal.paint(cell, style) if style else cell for cell, style in zip(cells, styles, strict=True)]
        terminal.say((GAP + GAP.join(painted)).rstrip())
    return gone


def _style(text: str) -> str:
    return "yellow" if text == UNKNOWN or text.endswith("+") else "dim" if text in ("0", "0%", "$0.00") else ""


def _notes(total: "Line") -> list[str]:
    notes = []
    if total["unpriced"]:
        notes.append(f"{total['unpriced']:,} attempts have no known price: cost is at least what is shown (+)")
    if total["possibly_billed"]:
        notes.append(
            f"{total['possibly_billed']:,} attempts were cut off after they were sent and may be billed beyond this"
        )
    if total["failovers"]:
        said = show_money(total.failover_cost, total["failover_unpriced"])
        notes.append(f"{total['failovers']:,} calls were served elsewhere than at their first choice, for {said} more")
    return notes


def _record(heads: Sequence[str], line: "Line") -> dict[str, object]:
    """A line for programs: whole numbers; money in dollars as exact decimals, null where it is unknown."""
    from proxy.tokens.prices import dollars

    def money(nano: int | None) -> str | None:
        return None if nano is None else dollars(nano)

    names = zip(heads, line.group, strict=False)
    return {
        **dict(names),
        **{name: line[name] for name in ("calls", "attempts", "delivered", "input", "cached", "cache_write", "output")},
        "reasoning": line["reasoning"],
        "estimated": line["estimated"],
        "cost_usd": money(line.cost),
        "unpriced_attempts": line["unpriced"],
        "wasted": line["wasted"],
        "wasted_cost_usd": money(line.wasted_cost),
        "possibly_billed_attempts": line["possibly_billed"],
        "failovers": line["failovers"],
        "failover_cost_usd": money(line.failover_cost),
        "failovers_unpriced": line["failover_unpriced"],
    }


def _when(hour: int) -> str:
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%d %H:%M")


def run(args: argparse.Namespace) -> int:
    """0; 1: there is no ledger, or it cannot be read."""
    from proxy.stores.ledger.contract import Unreadable
    from proxy.stores.ledger.place import open_reader
    from proxy.stores.ledger.reporting import group_by

    place = find_ledger(args)
    if place is None:
        return FAILED
    try:
        with open_reader(place) as reader:
            span = span_of(args)
            rows, whole = reader.sums(span, args.by), reader.sums(span, ())
            hours = [int(row["hour"] or 0) for row in reader.sums(span, ("hour",))]
    except Unreadable as error:
        err().say(f"error: {error}")
        return FAILED
    lines, total = group_by(rows, args.by, whole)
    terminal = out()
    if args.format == "json":
        view = {"lines": [_record(args.by, line) for line in lines], "total": _record((), total)}
        terminal.say(json.dumps(view, indent=2))
    elif args.format == "csv":
        fields = [*args.by, *_record((), total)]
        writer = csv.DictWriter(sys.stdout, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_record(args.by, line) for line in lines)
    elif not lines:
        terminal.say(f"{shown(place)} has nothing in this span")
    else:
        terminal.say(f"{shown(place)}, {_when(min(hours))} to {_when(max(hours) + 1)} UTC")
        room = shutil.get_terminal_size().columns if terminal.stream.isatty() else math.inf
        gone = _table(args.by, lines, total, terminal, room)
        notes = _notes(total)
        if gone:
            notes.append(f"no room for {', '.join(gone)}: a wider screen or --format json shows all")
        for note in notes:
            terminal.say(f"  {note}")
    return 0
