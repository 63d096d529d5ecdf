"""Text for people: colours only where somebody sees them, tables that fit.

Results that cannot be written are an error, `OutputLost`, since whoever asked for them gets nothing. Everything else is said
as long as somebody takes it: a closed or full stderr stops nothing.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


def wants_color(stream: TextIO) -> bool:
    """A terminal, and nobody has said NO_COLOR or TERM=dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class OutputLost(Exception):
    """stdout did not take what was to be written. `unwanted`: its reader has gone, having seen enough."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or type(error).__name__)
        self.unwanted = isinstance(error, BrokenPipeError)


class ClosedStream(io.StringIO):
    """In place of a standard stream that the process was started without: it takes nothing, and says so."""

    def write(self, text: str, /) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def repair_streams() -> None:
    """Make up for standard streams that are closed. Their numbers must not go to the next files and sockets that are
    opened, or whoever writes to the stream (a library, the interpreter itself) writes into those."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = ClosedStream()
    if sys.stderr is None:
        sys.stderr = ClosedStream()


def flush(stream: TextIO) -> OSError | None:
    """Write out what is waiting. What the stream does not take is thrown away, or else the interpreter would try again at
    its exit, complain, and change the exit status."""
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
        return error
    return None


class Terminal:
    """One output stream. `vital`: what is said there is what the command was run for."""

    def __init__(self, stream: TextIO, *, vital: bool = False) -> None:
        self.stream = stream
        self.vital = vital
        self.color = wants_color(stream)

    def paint(self, text: str, style: str) -> str:
        """The text in one of red, green, yellow, bold, dim, where colours are wanted."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.color else text

    def say(self, text: str = "") -> None:
        try:
            print(text, file=self.stream)
        except OSError as error:
            if self.vital:
                raise OutputLost(error) from error

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
    return Terminal(sys.stdout, vital=True)


def err() -> Terminal:
    """Everything else."""
    return Terminal(sys.stderr)
