"""The demo's two ways to show itself: a live screen for terminals, plain lines for everything else.

Both read a `Story` and change nothing. The screen keeps inside 100 columns and 30 rows.
"""

from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from proxy.cli.demo_story import Event, Row, Story

STATES = {
    "ready": ("● ready", "green"),
    "ramping": ("◐ ramping", "yellow"),
    "trial": ("◌ trial", "yellow"),
    "full": ("● full", "yellow"),
    "ejected": ("○ passed over", "red"),
    "held": ("○ held", "yellow"),
    "open": ("○ open", "red"),
}
BAR = 12
WIDTH = 100
PLAIN_EVERY = 2.0
SHOWN_EVENTS = 8


class LiveScreen:
    """Redraws in place. Use as a context manager."""

    def __init__(self, story: Story, console: Console, address: str) -> None:
        self._story = story
        self._address = address
        self._live = Live(console=console, auto_refresh=False, transient=True, screen=False)

    def __enter__(self) -> "LiveScreen":
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def show(self) -> None:
        self._live.update(draw(self._story, self._address), refresh=True)


class PlainLines:
    """Prints events as they come and a line of figures every two seconds."""

    def __init__(self, story: Story, say: Callable[[str], None], address: str) -> None:
        self._story = story
        self._say = say
        self._address = address
        self._last: Event | None = None
        self._next = 0.0

    def __enter__(self) -> "PlainLines":
        self._say(f"undimmed demo: the proxy listens on {self._address}")
        return self

    def __exit__(self, *_: object) -> None:
        self._print_events()

    def show(self) -> None:
        self._print_events()
        if self._story.now >= self._next:
            self._next = self._story.now + PLAIN_EVERY
            self._say(figures(self._story))

    def _print_events(self) -> None:
        fresh: list[Event] = []
        for event in reversed(self._story.events):
            if event is self._last:
                break
            fresh.append(event)
        for event in reversed(fresh):
            mark = "==" if event.style == "bold" else "  "
            self._say(f"{event.at:5.1f} s {mark} {event.text}")
            self._last = event


def figures(story: Story) -> str:
    """One plain line: what clients got, and per route who serves."""
    parts = [f"{story.now:5.1f} s    {len(story.seen)} answered, {story.waiting} waiting, {len(story.errors)} client errors"]
    for route in dict.fromkeys(row.route for row in story.rows):
        rows = [row for row in story.rows if row.route == route]
        places = ", ".join(f"{row.target.partition('/')[0]} {row.state} {row.share:.0%}" for row in rows)
        parts.append(f"{route}: {places}")
    return " | ".join(parts)


def draw(story: Story, address: str) -> RenderableType:
    """The whole screen for this moment."""
    scene = Panel(
        Text(story.scene, style="bold", no_wrap=True, overflow="ellipsis"),
        title=f"undimmed demo  {story.now:.1f} s",
        title_align="left",
        border_style="cyan",
        width=WIDTH,
    )
    events = Table.grid(padding=(0, 1))
    events.add_column(width=7, justify="right", style="dim")
    events.add_column(width=WIDTH - 12, no_wrap=True, overflow="ellipsis")
    shown = list(story.events)[-SHOWN_EVENTS:]
    for event in shown:
        events.add_row(f"{event.at:.1f} s", Text(event.text, style=event.style))
    for _ in range(SHOWN_EVENTS - len(shown)):
        events.add_row("", "")
    hint = Text(f"curl {address}/health shows the same    failed: attempts in 10 s    Ctrl-C ends", style="dim")
    return Group(scene, _targets(story), _clients(story), _routes(story), Text(""), events, hint)


def _targets(story: Story) -> Table:
    table = Table(width=WIDTH, pad_edge=False, box=None, header_style="dim")
    table.add_column("route", width=10)
    table.add_column("target", width=11)
    table.add_column("state", width=9)
    table.add_column("in flight", justify="right", width=9)
    table.add_column("first word", justify="right", width=10)
    table.add_column("failed", justify="right", width=6)
    table.add_column("serves", width=BAR + 5)
    table.add_column("trial in", justify="right", width=8)
    before = ""
    for row in story.rows:
        table.add_row(row.route if row.route != before else "", *_cells(row))
        before = row.route
    return table


def _cells(row: Row) -> tuple[RenderableType, ...]:
    word, style = STATES.get(row.state, (row.state, ""))
    filled = round(row.share * BAR)
    bar = Text("█" * filled, style="cyan") + Text("·" * (BAR - filled), style="dim") + Text(f" {row.share:4.0%}")
    failures = Text(str(row.failures), style="red" if row.failures else "dim")
    ttft = f"{row.ttft_ms} ms" if row.ttft_ms is not None else "–"
    trial = f"{row.next_trial:.1f} s" if row.next_trial is not None else ""
    return Text(row.target), Text(word, style=style), str(row.in_flight), ttft, failures, bar, trial


def _clients(story: Story) -> Text:
    errors = len(story.errors)
    text = Text("\nclients  ", style="dim")
    text.append(f"{story.asked:,} asked  {len(story.seen):,} answered  {story.waiting} waiting  ", style="default")
    text.append(f"{errors} saw an error", style="bold red" if errors else "bold green")
    text.append(f"  {story.failovers:,} failovers", style="default")
    if story.resumed:
        text.append(f"  {story.resumed:,} streams resumed", style="green")
    return text


def _routes(story: Story) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, total in story.sums().items():
        wasted = f"{total.wasted:,} wasted" if total.wasted else "none wasted"
        tokens = f"{total.input:,} tokens in, {total.output:,} out, {wasted}"
        table.add_row(Text("tokens ", style="dim"), name, tokens, f"${total.cost:.4f}")
    return table
