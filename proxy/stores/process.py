"""What the operating system says of this process, and lets it have."""

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/proc/self/fd")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
#: Version 1 says "no limit" with a number near the largest there is.
_UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """`resident` in bytes (where the system only tells the peak, the peak); `cpu` in seconds, user and system;
    `descriptors` None: the system does not say."""

    resident: int
    cpu: float
    descriptors: int | None


def read_process() -> ProcessFigures:
    """Read them now; about 50 microseconds."""
    times = os.times()
    return ProcessFigures(resident=read_resident(), cpu=times.user + times.system, descriptors=_descriptors())


def find_memory_limit() -> int | None:
    """Bytes that the control groups of this process leave it; None: no limit, or none that is said."""
    found = [limit for path in _limit_files() if (limit := _read_limit(path)) is not None]
    return min(found, default=None)


def _limit_files() -> Iterator[Path]:
    """Of version 2 those of the process's group and all above it, and that of version 1."""
    yield _GROUPS / "memory/memory.limit_in_bytes"
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if line.startswith("0::/"):
            group = _GROUPS / line.removeprefix("0::/")
            while group != _GROUPS:
                yield group / "memory.max"
                group = group.parent
            yield group / "memory.max"


def _read_limit(path: Path) -> int | None:
    try:
        limit = int(path.read_text())
    except (OSError, ValueError):
        return None  # no such group, or "max"
    return limit if 0 < limit < _UNLIMITED else None


def read_resident() -> int:
    """Bytes of memory taken; about 15 microseconds."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Kilobytes everywhere but on macOS.
        return peak if sys.platform == "darwin" else peak * 1024


def _descriptors() -> int | None:
    try:
        return len(os.listdir(_DESCRIPTORS))
    except OSError:
        return None


def raise_descriptor_limit() -> int:
    """Each call needs two sockets, and the usual soft limit is 1,024: take what the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS names a hard limit that it does not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
