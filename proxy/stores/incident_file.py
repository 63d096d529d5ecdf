"""Incidents on disk, beside the ledger: one line of JSON each time one begins or ends, so that they survive a restart.

The last line about an incident counts. The file is written in a thread of its own, so that a disk that hangs costs no
request anything, and a disk that is full costs no more than memory of the past; it is written anew when it has grown to
several times what is worth keeping. Lines that cannot be read are left out.
"""

import contextlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from proxy.core.incidents import Incident
from proxy.policy.incidents import MAX_INCIDENTS

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Incident).decode
#: Lines after which the file is written anew, and bytes of one that are read.
MAX_LINES = 4 * MAX_INCIDENTS
MAX_FILE = 64 * 1024 * 1024


def incident_path(ledger: Path) -> Path:
    """Where incidents are kept beside a ledger."""
    return ledger.with_name(f"{ledger.name}.incidents.jsonl")


class IncidentFile:
    """One file. `error`: why the last write failed, None: it did not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: str | None = None
        self._thread = ThreadPoolExecutor(1, "undimmed-incidents")
        self._lines = 0

    def load(self) -> list[Incident]:
        """What an earlier process has left, oldest first. What had not ended then, ended with it as far as we know."""
        try:
            if self.path.stat().st_size > MAX_FILE:
                return []
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return []
        found: dict[str, Incident] = {}
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                incident = _DECODE(line)
                found[incident.id] = incident
        self._lines = len(lines)
        for incident in found.values():
            if incident.ended is None:
                incident.ended = max((step.at for step in incident.happenings), default=incident.started)
        return sorted(found.values(), key=lambda incident: incident.started)[-MAX_INCIDENTS:]

    def write(self, incident: Incident, everything: Iterable[Incident]) -> None:
        """Put an incident down. `everything`: all that is remembered, for a file that has grown too long."""
        self._lines += 1
        if self._lines <= MAX_LINES:
            self._thread.submit(self._put, "ab", _ENCODE(incident) + b"\n")
            return
        lines = [_ENCODE(one) + b"\n" for one in everything]
        self._lines = len(lines)
        self._thread.submit(self._put, "wb", b"".join(lines))

    def close(self) -> None:
        """Wait until everything is written."""
        self._thread.shutdown(wait=True)

    def _put(self, mode: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if mode == "ab" else 0)
        path = self.path if mode == "ab" else self.path.with_suffix(".new")
        try:
            if mode == "wb":
                flags |= os.O_TRUNC
            with os.fdopen(os.open(path, flags, 0o600), mode) as file:
                file.write(data)
            if mode == "wb":
                path.replace(self.path)
            self.error = None
        except OSError as error:
            self.error = error.strerror or str(error)
