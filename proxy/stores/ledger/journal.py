"""Where rows wait for the database: a chain of segments, bounded.

The loop appends to the newest segment and takes up a prepared one when it is full; it makes no file itself. The writer's
thread prepares the next one and gives up the oldest when all of it is in the database. If no file can be made (disk full,
folder read-only), the next segment is memory. Beyond `limit` segments rows are lost, and counted.

What has begun and not ended is copied into each new segment, so that the old ones may go.
"""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from proxy.stores.ledger.segment import SIZE, Segment

#: Segments on disk and in memory at most: 128 MiB and 16 MiB.
MAX_FILES = 64
MAX_MEMORY = 8


class Journal:
    """`name_next` makes the path of each new file. `appended`, `lost`: finished calls. All but `prepare`, `read` and
    `release` belong to one thread, those to another."""

    def __init__(self, name_next: Callable[[], Path], size: int = SIZE, files: int = MAX_FILES, memory: int = MAX_MEMORY):
        self._name_next = name_next
        self._size = size
        self._limits = (files, memory)
        self._lock = threading.Lock()
        self._segments: deque[Segment] = deque()
        self._spare: Segment | None = None
        self._open: dict[str, list[bytes]] = {}
        self._place = 0
        self.error: str | None = None
        self.appended = 0
        self.lost = 0

    def __repr__(self) -> str:
        return f"<Journal {len(self._segments)} segments, {self.appended} appended, {self.lost} lost>"

    @property
    def durable(self) -> bool:
        """Would what is appended now outlive the process?"""
        return bool(self._segments) and self._segments[-1].path is not None

    @property
    def unfinished(self) -> int:
        """Calls that have begun and not ended."""
        return len(self._open)

    # The loop's side.

    def begin(self, call: str, payload: bytes) -> None:
        """Something of this call has begun."""
        self._open.setdefault(call, []).append(payload)
        self._append(payload)

    def end(self, call: str, payload: bytes) -> bool:
        """The call has ended. False: there was no room, and its row is lost."""
        self._open.pop(call, None)
        if self._append(payload):
            self.appended += 1
            return True
        self.lost += 1
        return False

    def _append(self, payload: bytes) -> bool:
        segments = self._segments
        if segments and segments[-1].append(payload):
            return True
        return self._take_spare() and segments[-1].append(payload)

    def _take_spare(self) -> bool:
        with self._lock:
            spare, self._spare = self._spare, None
            if spare is None:
                return False
            half = spare.size // 2
            for payloads in self._open.values():
                for payload in payloads:
                    if spare.end < half:
                        spare.append(payload)
            self._segments.append(spare)
            return True

    # The writer's side.

    def prepare(self) -> None:
        """Have a segment ready, if one may still be made. Never raises."""
        with self._lock:
            files = sum(segment.path is not None for segment in self._segments)
            memory = len(self._segments) - files
            if self._spare is not None:
                return
        spare = None
        if files < self._limits[0]:
            try:
                spare = Segment(self._name_next(), self._size)
                self.error = None
            except OSError as error:
                self.error = f"no file for the journal: {error.strerror or type(error).__name__}"
        if spare is None and memory < self._limits[1]:
            spare = Segment(None, self._size)
        with self._lock:
            self._spare = spare

    def read(self, most: int) -> tuple[list[bytes], "Mark | None"]:
        """The next payloads after what was released, and the mark to release them by."""
        with self._lock:
            segments = list(self._segments)
        payloads: list[bytes] = []
        mark = None
        start = self._place
        for segment in segments:
            for payload, stop in segment.frames(start):
                payloads.append(payload)
                mark = (segment, stop)
                if len(payloads) == most:
                    return payloads, mark
            start = 0
        return payloads, mark

    def release(self, mark: "Mark") -> None:
        """Everything up to this mark is safe elsewhere."""
        segment, self._place = mark
        with self._lock:
            done = []
            while self._segments[0] is not segment:
                done.append(self._segments.popleft())
            if len(self._segments) > 1 and self._place == segment.end:
                done.append(self._segments.popleft())
                self._place = 0
        for old in done:
            old.close(remove=True)

    def close(self, keep: bool) -> None:
        """Let go of all segments; `keep`: for whoever comes next."""
        with self._lock:
            segments, self._segments = list(self._segments), deque()
            spare, self._spare = self._spare, None
        for segment in segments:
            segment.close(remove=not keep)
        if spare is not None:
            spare.close(remove=True)


Mark = tuple[Segment, int]
