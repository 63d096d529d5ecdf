"""Whole answers that were given before, kept for the time when nobody can give one."""

from typing import Protocol

from msgspec import Struct

from proxy.core.exchange import HeaderList


class Kept(Struct, array_like=True):
    """An answer as its client got it. `content_type` and `body` are the reply's; a stream's body ends before its
    `terminator`. `wall`: Unix time at which it was given; `target`: by whom; `cost` in nano-dollars, None: unknown."""

    content_type: bytes
    body: bytes
    terminator: bytes
    wall: float
    target: str
    cost: int | None


class Shelf(Protocol):
    """Where answers are kept. Neither method raises: what cannot be kept or found is not."""

    def keep(self, key: bytes, kept: Kept) -> None:
        """Remember an answer; returns at once."""

    async def find(self, key: bytes, since: float) -> Kept | None:
        """The answer kept under this key, if it was given since then (Unix time)."""
        ...

    def close(self) -> None: ...


def content_type_of(headers: HeaderList) -> bytes:
    return next((value for name, value in headers if name == b"content-type"), b"application/json")
