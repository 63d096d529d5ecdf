"""What processes that died have left: their journals, booked by whoever writes the ledger next.

A journal's segments are named `FILE.spill-OWNER-NUMBER`. An owner that lives holds locks on its segments, so only those that
can be locked are taken. An attempt that began and whose call has no end in the journal nor a row in the database was lost
with its process. The files go only after the commit; dying in between means that the next one finds known calls again, and
writes nothing twice.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from proxy.stores.ledger.entries import Begun, CallEntry, Final, decode, lost
from proxy.stores.ledger.segment import read_frames

MARK = ".spill-"


def segment_path(path: Path, owner: str, number: int) -> Path:
    """Where a segment of this ledger stands."""
    return path.with_name(f"{path.name}{MARK}{owner}-{number:08d}")


def leftovers(path: Path) -> dict[str, list[Path]]:
    """Segments beside a ledger by their owner, the oldest first; of the living too."""
    found: dict[str, list[Path]] = {}
    prefix = path.name + MARK
    for entry in sorted(path.parent.glob(f"{prefix}*")):
        owner = entry.name[len(prefix) :].rpartition("-")[0]
        if owner:
            found.setdefault(owner, []).append(entry)
    return found


@dataclass(slots=True)
class Legacy:
    """All that one dead process left: calls and probes that had `ended`, and calls that had not, which are `lost`. Close it,
    `remove` once it is booked."""

    ended: list[Final] = field(default_factory=list)
    lost: list[CallEntry] = field(default_factory=list)
    _files: list[tuple[Path, int]] = field(default_factory=list)

    def close(self, remove: bool) -> None:
        for path, descriptor in self._files:
            if remove:
                path.unlink(missing_ok=True)
            os.close(descriptor)
        self._files.clear()


def _read(descriptor: int) -> Iterator[Final | Begun]:
    with open(descriptor, "rb", closefd=False) as stream:
        data = stream.read()
    for payload in read_frames(data):
        try:
            yield decode(payload)
        except msgspec.MsgspecError:
            return  # sound, but not ours to understand: nothing after it is either


def inherit(files: list[Path]) -> Legacy | None:
    """Read one owner's segments; None: it lives, somebody else is at it, or they are not ours to read. They are left alone
    then, and hold nothing else up."""
    legacy = Legacy()
    try:
        for path in files:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            legacy._files.append((path, descriptor))
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        legacy.close(remove=False)
        return None
    begun: dict[str, list[Begun]] = {}
    ended: dict[str, Final] = {}
    for _, descriptor in legacy._files:
        for entry in _read(descriptor):
            if isinstance(entry, Begun):
                begun.setdefault(entry.id, []).append(entry)
            else:
                ended[entry.id] = entry
    legacy.ended = list(ended.values())
    for identity, attempts in begun.items():
        if identity not in ended:
            legacy.lost.append(lost(list({attempt.number: attempt for attempt in attempts}.values())))
    return legacy


def ended_entries(files: list[Path]) -> Iterator[Final]:
    """The calls and probes that have ended in one owner's segments, whether it lives or not. Changes nothing. A file that
    goes meanwhile, or cannot be read, counts as empty."""
    for path in files:
        with contextlib.suppress(OSError), path.open("rb") as stream:
            for entry in _read(stream.fileno()):
                if not isinstance(entry, Begun):
                    yield entry


def inspect(files: list[Path]) -> tuple[int, bool]:
    """How many ended calls one owner's segments hold, and whether it lives. Changes nothing."""
    calls = sum(isinstance(entry, CallEntry) for entry in ended_entries(files))
    return calls, any(map(_is_locked, files))


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
