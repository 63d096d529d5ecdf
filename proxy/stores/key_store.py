"""The file in which `undimmed keys` keeps client keys: JSON, replaced as a whole, readable by its owner only.

Of a key it holds a keyed digest and its last characters, so whoever takes the file can use none of them. Every edit is made
under a lock, on what the file says at that moment, into a new file that takes the old one's place in one step: a reader sees
the one or the other, and two edits at the same time both count.

Refuses to know what a key may be allowed to do: `config/stored_keys.py` holds that against the configuration.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct, field

from proxy.core.keys import check_of
from proxy.core.priorities import NORMAL

VERSION = 1


class Former(Struct):
    """A digest that was replaced, and until when (Unix time) it is still good."""

    hash: str
    until: int


class StoredBudget(Struct, omit_defaults=True, frozen=True):
    """`amount` in nano-dollars where `unit` is `usd`, else tokens."""

    amount: int
    unit: str
    per: str
    zone: str = "UTC"
    soft: bool = False
    on_unpriced: str = "block"


class StoredKey(Struct, omit_defaults=True):
    """One key. `tail`: its last four characters. Unix times; `routes` None: all."""

    name: str
    hash: str
    tail: str
    created: int
    owner: str = ""
    routes: list[str] | None = None
    tags: list[str] = field(default_factory=list)
    expires: int | None = None
    former: list[Former] = field(default_factory=list)
    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None
    priority: str = NORMAL
    budgets: list[StoredBudget] = field(default_factory=list)


class KeyFile(Struct):
    """All of it. `pepper`: what the pepper of its digests looks like (`core/keys.py`), "" while there are no keys."""

    version: int = VERSION
    pepper: str = ""
    keys: list[StoredKey] = field(default_factory=list)

    def find(self, name: str) -> StoredKey | None:
        return next((key for key in self.keys if key.name == name), None)


class BadKeyFile(Exception):
    """The file is not one of ours, or does not go with this pepper; the message says which, and no secret."""


_DECODE = msgspec.json.Decoder(KeyFile, strict=True).decode


def read_keys(path: Path) -> KeyFile | None:
    """What the file holds; None: there is no file yet. BadKeyFile, OSError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = _DECODE(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadKeyFile("is no file of `undimmed keys`") from None
    if found.version > VERSION:
        raise BadKeyFile(f"was written by a later version (format {found.version}, this one knows {VERSION})")
    return found


def check_pepper(found: KeyFile, pepper: bytes) -> None:
    """BadKeyFile where the file's digests were made with another pepper."""
    if found.keys and found.pepper != check_of(pepper):
        raise BadKeyFile("was made with another pepper than UNDIMMED_KEY_PEPPER has now: none of its keys would be known")


@contextlib.contextmanager
def editing(path: Path, pepper: bytes) -> Iterator[KeyFile]:
    """The file's content, to be changed in place; written when the block ends well. BadKeyFile, OSError."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = read_keys(path) or KeyFile()
        check_pepper(found, pepper)
        yield found
        found.pepper = check_of(pepper)
        _replace(path, msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    finally:
        os.close(lock)


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
