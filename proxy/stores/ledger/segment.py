"""A piece of journal: an append-only run of frames in memory that the operating system keeps, also when the process is
killed.

A frame is its payload's length and CRC-32 (both 32 bits, little-endian), then the payload; the first one without a length,
or with a wrong sum, ends the run, so a frame that death cut short was never there. Nothing is ever written twice to the same
place, and files are never used again. Room on the disk is taken when the segment is made, by writing it full of zeros:
appending only copies memory and can meet no error.

One thread appends, another reads up to `end`, which grows only when a frame is complete.
"""

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from zlib import crc32

SIZE = 2 * 1024 * 1024
_HEAD = Struct("<II")


class Segment:
    """`path` None: anonymous memory, gone with the process. While it is open its file is locked, which tells other processes
    that somebody will take care of it."""

    def __init__(self, path: Path | None, size: int = SIZE) -> None:
        """Raises OSError where the file or its room cannot be had."""
        self.path = path
        self.size = size
        self.end = 0
        self.count = 0
        self._file = -1
        if path is None:
            self.memory = mmap.mmap(-1, size)
            return
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            written = 0
            while written < size:
                written += os.pwrite(self._file, bytes(size - written), written)
            if path.stat().st_ino != os.fstat(self._file).st_ino:
                raise FileExistsError(errno.EEXIST, "taken for a dead process's before it was locked")
            self.memory = mmap.mmap(self._file, size)
        except OSError:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise

    def __repr__(self) -> str:
        return f"<Segment {self.path.name if self.path else 'memory'}: {self.count} frames, {self.end} of {self.size} bytes>"

    def append(self, payload: bytes) -> bool:
        """False: no room."""
        length = len(payload)
        start = self.end
        end = start + 8 + length
        if end > self.size:
            return False
        self.memory[start:end] = _HEAD.pack(length, crc32(payload)) + payload
        self.end = end
        self.count += 1
        return True

    def frames(self, start: int) -> Iterator[tuple[bytes, int]]:
        """Payloads from `start` on, each with where it ends."""
        end = self.end
        while start < end:
            length, _ = _HEAD.unpack_from(self.memory, start)
            stop = start + 8 + length
            yield self.memory[start + 8 : stop], stop
            start = stop

    def close(self, remove: bool) -> None:
        """Let go of it; `remove`: nothing in it is needed any more. Never raises. Its memory stays until nobody refers to
        it, so that whoever still appends does no harm."""
        if self.path is not None and remove:
            # What stays is found again, and changes nothing when it is booked again.
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_frames(data: bytes) -> Iterator[bytes]:
    """The payloads in what a dead process left, up to the first that is not whole."""
    start, size = 0, len(data)
    while start + 8 <= size:
        length, checksum = _HEAD.unpack_from(data, start)
        payload = data[start + 8 : start + 8 + length]
        if not length or len(payload) < length or crc32(payload) != checksum:
            return
        yield payload
        start += 8 + length
