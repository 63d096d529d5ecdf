"""Text for people: colours only where somebody sees them, tables that fit."""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


def wants_color(stream: TextIO) -> bool:
    """A terminal, and nobody has said NO_COLOR or TERM=dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Terminal:
    """One output stream."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.color = wants_color(stream)

    def paint(self, text: str, style: str) -> str:
        """The text in one of red, green, yellow, bold, dim, where colours are wanted."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.color else text

    def say(self, text: str = "") -> None:
        print(text, file=self.stream)

    def table(self, rows: Sequence[Sequence[str]], indent: str = "  ") -> None:
        """Columns as wide as their widest cell; the last one runs on."""
        if not rows:
            return
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            self.say(indent + "  ".join([*cells, row[-1]]).rstrip())


def out() -> Terminal:
    """Results: what somebody may pipe elsewhere."""
    return Terminal(sys.stdout)


def err() -> Terminal:
    """Everything else."""
    return Terminal(sys.stderr)
