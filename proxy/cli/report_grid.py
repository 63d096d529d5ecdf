"""Tables of a report: names left, numbers right and never cut short; columns that matter least go where there is no room.

Colour marks what is unknown and what is nothing.
"""

from dataclasses import dataclass, field

from rich import box
from rich.table import Table
from rich.text import Text

from proxy.stores.insight.figures import UNKNOWN

#: What stands where there is nothing to say: calls without a key, refused before a target was chosen…
NOTHING = "–"
#: Between two columns.
GAP = 2
_QUIET = frozenset(("0", "0%", "$0.00", NOTHING))


def style_of(text: str) -> str:
    """Of a cell."""
    return "yellow" if text == UNKNOWN or text.endswith("+") else "dim" if text in _QUIET else ""


@dataclass(slots=True)
class Grid:
    """`names` columns of names, then numbers. `ranks`, one for each column: on a narrow screen those with the highest go
    first; 0 always stays. A row of one cell is a heading. `total`: the last row is the sum of the others. `tail`: the last
    column is text."""

    heads: list[str]
    names: int = 1
    ranks: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    total: bool = False
    tail: bool = False

    def widths(self) -> list[int]:
        """Of each column's widest cell."""
        whole = [row for row in (self.heads, *self.rows) if len(row) == len(self.heads)]
        return [max(len(row[n]) for row in whole) for n in range(len(self.heads))]

    def fit(self, room: int) -> list[str]:
        """Take columns out until the rest has room; gives their heads."""
        gone = []
        while sum(self.widths()) + GAP * (len(self.heads) - 1) > room and any(self.ranks):
            place = self.ranks.index(max(self.ranks))
            gone.append(self.heads[place])
            del self.ranks[place]
            for row in (self.heads, *(row for row in self.rows if len(row) > 1)):
                del row[place]
        return gone

    def draw(self) -> Table:
        """Numbers are never cut short; names are, where there is no other way."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
        for n, (head, width) in enumerate(zip(self.heads, self.widths(), strict=True)):
            if n < self.names or (self.tail and n == len(self.heads) - 1):
                table.add_column(head, overflow="ellipsis")
            else:
                table.add_column(head, justify="right", no_wrap=True, min_width=width)
        for n, row in enumerate(self.rows):
            last = self.total and n == len(self.rows) - 1
            if last:
                table.add_section()
            style = "bold" if last else "italic" if len(row) == 1 else None
            table.add_row(*(Text(cell, style=style_of(cell) if style is None else style) for cell in row))
        return table
