"""Lines of text to a stream that may be slow, full or closed, without ever making anybody wait.

Writing happens in one thread, in batches. A stream that does not take its lines (a stuck pipe, a full disk) costs lines,
which are counted, never time and never an error: a log must not be able to stop a proxy.
"""

import threading
from collections import deque
from typing import TextIO

#: Lines kept for a stream that has stopped taking any: a few megabytes at most.
CAPACITY = 10_000
#: Seconds for which lines are gathered into one write.
GATHER = 0.05


class LineWriter:
    """`write` never blocks and never raises; `dropped` counts what was lost. The thread starts with the first line, so a
    process may fork before it, and it is a daemon: `close` gives it `seconds` to finish."""

    def __init__(self, stream: TextIO, capacity: int = CAPACITY) -> None:
        self._stream = stream
        self._capacity = capacity
        self._lines: deque[str] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def __repr__(self) -> str:
        return f"<LineWriter {len(self._lines)} waiting, {self.dropped} dropped>"

    def write(self, line: str) -> None:
        if len(self._lines) >= self._capacity or self._closing.is_set():
            self.dropped += 1
            return
        self._lines.append(line)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="undimmed-log", daemon=True)
            self._thread.start()
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(GATHER)
            self._wake.clear()
            self._drain()

    def _drain(self) -> None:
        count = len(self._lines)
        if not count:
            return
        batch = "\n".join([self._lines.popleft() for _ in range(count)]) + "\n"
        try:
            self._stream.write(batch)
            self._stream.flush()
        except (OSError, ValueError):
            self.dropped += count

    def close(self, seconds: float = 1.0) -> None:
        """Write what is waiting and stop; later lines are dropped. Any number of times."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)
        if self._thread is None or not self._thread.is_alive():
            self._drain()
