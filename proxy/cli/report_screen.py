"""A report as a person reads it: what was spent, where, what of it was wasted, and what to do about it.

Numbers stand right, names left. Columns that say nothing are left out, and so are, on a narrow screen, those that matter
least; which ones is said. There is colour only where somebody sees it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from proxy.cli.report_grid import NOTHING, Grid
from proxy.stores.insight.figures import show_count, show_money, show_seconds, show_share, show_speed, some
from proxy.stores.insight.lines import WASTES, Line, share
from proxy.stores.insight.outlooks import Ahead, Forecast, PurseAhead, show_moment
from proxy.stores.insight.premium import Premium, Use
from proxy.stores.insight.report import Report

MARGIN = 2
#: Sentences are not read in wider lines.
PROSE = 100
MOST_FINDINGS = 8
MOST_LINES = 200

#: Dear targets with less than this part of all dear targets' money get a line instead of a table.
SMALL_PREMIUM = 0.1


@dataclass(frozen=True, slots=True)
class Column:
    """`rank`: on a narrow screen columns with the highest go first; 0 always stays. `wanted`: asked of the total, since a
    column that is nothing everywhere is left out."""

    head: str
    cell: Callable[[Line], str]
    rank: int = 0
    wanted: Callable[[Line], object] = lambda total: True


#: What is cached or written to a cache is part of the input, reasoning of the output.
COLUMNS: Sequence[Column] = (
    Column("calls", lambda line: show_count(line["calls"])),
    Column("attempts", lambda line: show_count(line["attempts"]), 7),
    Column("input", lambda line: show_count(line["input"]), 1),
    Column("cached", lambda line: show_count(line["cached"]), 4, lambda total: total["cached"]),
    Column("written", lambda line: show_count(line["cache_write"]), 8, lambda total: total["cache_write"]),
    Column("output", lambda line: show_count(line["output"]), 1),
    Column("reasoning", lambda line: show_count(line["reasoning"]), 6, lambda total: total["reasoning"]),
    Column("estimated", lambda line: show_share(line.estimated_share), 3, lambda total: total["estimated"]),
    Column("cost", lambda line: show_money(line.cost, line["unpriced"])),
    Column("wasted", lambda line: show_count(line["wasted"]), 9, lambda total: total["wasted"]),
    Column("waste", lambda line: show_money(line.wasted_cost, line["wasted_unpriced"])),
    Column(
        "failover",
        lambda line: show_money(line.failover_cost, line["failover_unpriced"]),
        2,
        lambda total: total["failovers"],
    ),
    Column("saved", lambda line: show_money(line.saved), 5, lambda total: total.saved),
)


def main_table(report: Report, room: int) -> Iterator[RenderableType]:
    """Each line, and the total."""
    lines, total = report.lines[:MOST_LINES], report.total
    columns = [column for column in COLUMNS if column.wanted(total)]
    names = len(report.by)
    grid = Grid(
        [*report.by, *(column.head for column in columns)],
        names,
        [0] * names + [column.rank for column in columns],
        [[*(name or NOTHING for name in line.group), *(column.cell(line) for column in columns)] for line in lines],
        total=True,
    )
    grid.rows.append(["total", *[""] * (names - 1), *(column.cell(total) for column in columns)])
    gone = grid.fit(room)
    yield grid.draw()
    if len(report.lines) > len(lines):
        yield Text(f"{len(report.lines) - len(lines):,} more lines; --format csv has them all", style="dim")
    if "tag" in report.by:
        yield Text("a call counts once under each of its tags, so these lines overlap", style="dim")
    if gone:
        yield Text(f"no room for {', '.join(gone)}: a wider screen or --format json shows all", style="dim")


def summary(total: Line) -> Table:
    """Four figures and what they are made of."""
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right", style="bold")
    table.add_column()
    tokens = f"{show_count(total.tokens)} tokens"
    guessed = f", {show_share(total.estimated_share)} of them estimated" if total["estimated"] else ""
    calls = f"{some(total['calls'], 'call')}, {some(total['attempts'], 'attempt')}, {tokens}{guessed}"
    table.add_row("spent", Text(show_money(total.cost, total["unpriced"])), calls)
    if total["wasted"] or total.wastes:
        table.add_row("wasted", show_money(total.wasted_cost, total["wasted_unpriced"]), _wasted(total))
    if total["failovers"]:
        said = f"{some(total['failovers'], 'call')} served elsewhere than at their first choice"
        table.add_row("failover", show_money(total.failover_cost, total["failover_unpriced"]), said)
    if total.saved:
        parts = [("providers' caches", total["cache_saved"]), ("own cache", total["saved"])]
        table.add_row("saved", show_money(total.saved), ", ".join(f"{n} {show_money(m)}" for n, m in parts if m))
    return table


def _wasted(total: Line) -> str:
    costly = sorted(
        ((waste.money, kind) for kind, waste in total.wastes.items() if waste.money or waste.tokens), reverse=True
    )
    parts = ", ".join(f"{WASTES[kind]} {show_money(total.wastes[kind].cost)}" for _, kind in costly)
    share_of = f"{show_share(share(total['wasted_cost'], total['cost']))} of it" if total["cost"] else "of it"
    return f"{share_of}: {parts}" if parts else "attempts nobody received, none of which had used tokens"


def targets_table(report: Report, room: int) -> Table:
    """How each target does: failures, speed, thought, and its waste by kind."""
    kinds = [kind for kind in WASTES if report.total.wastes.get(kind) and report.total.wastes[kind].money]
    heads = ["target", "attempts", "failed", "first content", "tokens/s", "reasoning", *(WASTES[kind] for kind in kinds)]
    grid = Grid(heads, ranks=[0, 3, 0, 0, 0, 2, *(1 for _ in kinds)])
    for line in report.targets:
        wastes = [line.wastes.get(kind) for kind in kinds]
        grid.rows.append(
            [
                line.group[0],
                show_count(line["attempts"]),
                show_share(share(line.failed, line["attempts"])),
                show_seconds(line.first_content_ms),
                show_speed(line.speed),
                show_share(line.reasoning_share),
                *("$0.00" if waste is None else show_money(waste.cost, waste.unpriced) for waste in wastes),
            ]
        )
    grid.fit(room)
    return grid.draw()


def _use_row(use: Use, total: Use) -> list[str]:
    return [
        f"  {use.name}" if use is not total else use.name,
        show_count(use["attempts"]),
        show_count(use["input"]),
        show_count(use["output"]),
        show_money(use.cost, use["unpriced"]),
        show_share(share(use["cost"], total["cost"])),
        show_money(use.there),
        show_money(use.saves),
    ]


_HEADINGS = {"size": "by size of the request", "feature": "by what it used", "outcome": "by outcome"}


def premium_tables(premiums: Sequence[Premium]) -> Iterator[RenderableType]:
    """One for each dear target that matters, a line for each other."""
    if not premiums:
        yield Text("Premium: no dear target of a route that has a cheaper one was used in this span.\n")
    whole = sum(premium.total["cost"] for premium in premiums)
    for premium in premiums:
        title = f"Premium: {premium.target} on route {premium.route}, against {premium.cheaper}"
        total = premium.total
        if total["cost"] < SMALL_PREMIUM * whole:
            costs = f"{show_money(total.cost, total['unpriced'])}, there {show_money(total.there)}"
            yield Text.assemble((title, "bold"), f": {costs}\n")
            continue
        yield Text(title, style="bold")
        grid = Grid(["used for", "attempts", "input", "output", "cost", "share", "there", "saves"], total=True)
        for kind, uses in premium.uses.items():
            grid.rows += [[_HEADINGS[kind]], *(_use_row(use, total) for use in uses)]
        grid.rows.append(_use_row(total, total))
        yield Padding(grid.draw(), (0, 0, 0, MARGIN))
        yield Padding(_prose(" ".join(_premium_notes(premium)), "dim"), (0, 0, 1, MARGIN))


def _prose(text: str, style: str = "") -> Table:
    """Not wider than is easily read."""
    table = Table.grid()
    table.add_column(max_width=PROSE)
    table.add_row(Text(text, style=style))
    return table


def _premium_notes(premium: Premium) -> Iterator[str]:
    yield f"“There” is what the same tokens cost at {premium.cheaper} today; its answers would be of another length."
    yield "A request that used several things counts under each. Days (UTC) are counted whole."
    media = premium.total["audio"] + premium.total["image"]
    if media:
        yield f"{show_count(media)} tokens of audio and images are priced as text."
    if premium.unpriced:
        yield f"No price is known of {', '.join(premium.unpriced)}."


def forecast_tables(forecast: Forecast, room: int) -> Iterator[RenderableType]:
    """Month's end, then budgets."""
    yield Text(f"Forecast: until {forecast.end.isoformat()} begins (UTC), whatever the span above", style="bold")
    grid = Grid(["route", "so far", "expected", "80% between", "and", "by"], tail=True)
    grid.rows += [_ahead_row(ahead) for ahead in (forecast.total, *forecast.routes)]
    yield Padding(grid.draw(), (0, 0, 1, MARGIN))
    if forecast.purses:
        yield Text("Budgets", style="bold")
        heads = ["budget", "limit", "used", "share", "expected", "80% between", "and", "runs out", "whole again"]
        grid = Grid(heads, ranks=[0, 0, 3, 0, 0, 2, 2, 0, 1])
        grid.rows += [_purse_row(found) for found in forecast.purses]
        grid.fit(room)
        yield Padding(grid.draw(), (0, 0, 1, MARGIN))


def _amounts(ahead: Ahead, show: Callable[[int], str]) -> list[str]:
    look = ahead.outlook
    return [NOTHING] * 3 if look is None else [show(look.expected), show(look.low), show(look.high)]


def _ahead_row(ahead: Ahead) -> list[str]:
    plus = ahead.unpriced
    amounts = _amounts(ahead, lambda nano: show_money(nano, plus))
    why = ahead.outlook.method if ahead.outlook is not None else ahead.why_not
    return [ahead.name or "all", show_money(ahead.spent, plus), *amounts, why]


def _purse_row(found: PurseAhead) -> list[str]:
    purse, ahead = found.purse, found.ahead

    def show(value: int) -> str:
        return show_money(value) if purse.unit == "usd" else show_count(value)

    lasts = NOTHING if ahead.outlook is None else "lasts"
    return [
        f"{found.name}, a {purse.per}",
        show(purse.limit) if purse.unit == "usd" else f"{show(purse.limit)} tokens",
        show(ahead.spent),
        show_share(found.used),
        *_amounts(ahead, show),
        lasts if found.runs_out is None else show_moment(found.runs_out, purse.zone),
        show_moment(found.end, purse.zone),
    ]


def findings(report: Report) -> Iterator[RenderableType]:
    """In sentences."""
    if not report.findings:
        yield Text("Nothing stands out.", style="dim")
        return
    yield Text("What to do", style="bold")
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(justify="right")
    table.add_column(max_width=PROSE)
    for number, finding in enumerate(report.findings[:MOST_FINDINGS], 1):
        table.add_row(f"{number}.", Text(finding.text))
    yield Padding(table, (0, 0, 0, MARGIN))
    if len(report.findings) > MOST_FINDINGS:
        yield Text(f"{len(report.findings) - MOST_FINDINGS} more; --format json has them all", style="dim")


def _when(hour: int) -> str:
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%d %H:%M")


def _sections(report: Report, place: str, room: int) -> Iterator[RenderableType]:
    first, last = report.hours or (0, 0)
    yield Text(f"{place}, {_when(first)} to {_when(last + 1)} UTC", style="dim")
    yield Padding(summary(report.total), (1, 0, 1, MARGIN))
    yield Text(f"By {' and '.join(report.by)}", style="bold")
    for part in main_table(report, room - MARGIN):
        yield Padding(part, (0, 0, 0, MARGIN))
    if report.targets:
        yield Padding(Text("Targets", style="bold"), (1, 0, 0, 0))
        yield Padding(targets_table(report, room - MARGIN), (0, 0, 1, MARGIN))
    if report.premium is not None:
        yield from premium_tables(report.premium)
    if report.forecast is not None:
        yield from forecast_tables(report.forecast, room - MARGIN)
    yield from findings(report)


def draw(report: Report, place: str, room: int, color: bool) -> str:
    """The whole report as text, for a screen of so many columns. Not for one that is empty."""
    console = Console(
        width=room, force_terminal=color, color_system="standard" if color else None, highlight=False, legacy_windows=False
    )
    with console.capture() as shown:
        for part in _sections(report, place, room):
            console.print(part)
    return "\n".join(line.rstrip() for line in shown.get().splitlines())
