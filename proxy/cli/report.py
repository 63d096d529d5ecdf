"""`undimmed report`: where tokens and money went, what of it was wasted, and where the month will end, from the ledger."""

import argparse
import csv
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING

from proxy.cli.ledger_place import add_span, read_with_ledger, shown, span_of
from proxy.cli.terminal import err, out

if TYPE_CHECKING:
    from proxy.stores.insight.report import Report

FAILED = 1
WRONG = 2
USUAL = "route,target"
#: Where nobody looks on, there is room for everything.
PIPED = 160


def _dimensions(text: str) -> tuple[str, ...]:
    from proxy.stores.ledger.queries import DIMENSIONS

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    wrong = [name for name in names if name not in DIMENSIONS]
    if wrong:
        raise argparse.ArgumentTypeError(f"cannot group by {', '.join(wrong)}; known: {', '.join(DIMENSIONS)}")
    return names


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Span, grouping, what else to look at, format."""
    parser = commands.add_parser(
        "report",
        help="say where tokens and money went",
        description="Tokens, cost, waste (attempts that nobody received), the cost of failover, speed, and what to do, from "
        "the ledger. The span is taken in whole hours. Where prices are unknown the cost is a lower bound (+) or unknown, "
        "never 0.",
    )
    parser.add_argument(
        "--by",
        type=_dimensions,
        default=_dimensions(USUAL),
        metavar="WHAT",
        help="one or more of route, provider, model, target, key, tag, day, hour, outcome, purpose, waste, incident, with "
        f"commas between (default: {USUAL}); a call counts once under each of its tags",
    )
    parser.add_argument(
        "--premium",
        action="store_true",
        help="what the dearest targets were used for, and what the same tokens cost at the next cheaper one",
    )
    parser.add_argument(
        "--forecast", action="store_true", help="what the month will have cost at its end, and when budgets run out"
    )
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table", help="default: table")
    add_span(parser)


def run(args: argparse.Namespace) -> int:
    """0; 1: there is no ledger, or it cannot be read; 2: one CSV cannot hold what was asked for."""
    from proxy.stores.insight.premium import price_routes
    from proxy.stores.insight.purses import purses_of
    from proxy.stores.insight.report import Context, Question, make_report
    from proxy.stores.ledger.contract import Unreadable
    from proxy.stores.ledger.place import open_reader

    if args.format == "csv" and args.premium and args.forecast:
        err().say("error: a CSV holds one table: ask for --premium or --forecast, or for --format json")
        return WRONG
    settings, place = read_with_ledger(args)
    if place is None:
        return FAILED
    now = time.time()  # noqa: TID251 (this is the edge)
    question = Question(span_of(args), args.by, args.premium, args.forecast)
    try:
        with open_reader(place) as reader:
            report = make_report(reader, question, Context(now, price_routes(settings, now), purses_of(settings)))
    except Unreadable as error:
        err().say(f"error: {error}")
        return FAILED
    _show(report, args.format, shown(place))
    return 0


def _show(report: "Report", form: str, place: str) -> None:
    from proxy.stores.insight.records import report_record

    terminal = out()
    if form == "json":
        terminal.say(json.dumps(report_record(report), indent=2))
    elif form == "csv":
        _write_csv(report)
    elif report.hours is None:
        terminal.say(f"{place} has nothing in this span")
    else:
        from proxy.cli.report_screen import draw

        room = shutil.get_terminal_size().columns if terminal.stream.isatty() else PIPED
        terminal.say(draw(report, place, room, terminal.color))


def _write_csv(report: "Report") -> None:
    """Lines of the dimensions, or of the premium targets' uses, or of the forecast."""
    from proxy.stores.insight.records import PREMIUM_FIELDS, flat_forecast, flat_premium, flat_record

    if report.forecast is not None:
        records = flat_forecast(report.forecast)
        fields = list(records[0])
    elif report.premium is not None:
        records, fields = flat_premium(report.premium), list(PREMIUM_FIELDS)
    else:
        records = [flat_record(report.by, line) for line in report.lines]
        fields = [*report.by, *(name for name in flat_record((), report.total) if name not in report.by)]
    writer = csv.DictWriter(sys.stdout, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
