"""Who presents a key: a look at what was presented, and at nothing else.

Keys are found by their digests, so no comparison can tell by its time how much of a key was right, and the way is the same
for one key and for a hundred thousand: each form of digest that is in use is made once and looked up once. Whole headers
that were found good are remembered.

Invariants: a key that has expired, or was replaced and has had its time, is nobody's from that moment on, remembered or not.
Where keys are configured, or may be (a key store that is empty), nobody gets in without one.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import NamedTuple

from proxy.core.keys import KEYED, digest_keyed, digest_plain
from proxy.core.settings import ClientKey, Settings
from proxy.server.application import Identity

ANYBODY = Identity()
#: Authorization headers that are remembered as good.
MAX_KNOWN = 4096
FOREVER = float("inf")


class Entry(NamedTuple):
    """One digest, whose it is, and until when (Unix time) it is good."""

    digest: bytes
    identity: Identity
    until: float


class Keyring:
    """`wall` gives Unix time. `closed`: who has no key is nobody, even where there are no keys."""

    def __init__(
        self, keys: tuple[ClientKey, ...], wall: Callable[[], float], pepper: bytes = b"", closed: bool = False
    ) -> None:
        self._wall = wall
        self._pepper = pepper
        self._entries: dict[str, Entry] = {}
        self._known: dict[str, Entry] = {}
        for key in keys:
            identity = Identity(key.name, key.routes, key.tags, key.priority)
            last = FOREVER if key.expires is None else key.expires
            for digest, until in ((key.digest, last), *key.former):
                self._entries[digest] = Entry(digest.encode(), identity, min(until, last))
        self._open = not keys and not closed
        self._keyed = any(digest.startswith(KEYED) for digest in self._entries)
        self._plain = any(not digest.startswith(KEYED) for digest in self._entries)
        self._dated = any(entry.until != FOREVER for entry in self._entries.values())

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._entries)} digests>"

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Who presents a valid key in `authorization: Bearer` or `x-api-key`; everybody where there are no keys."""
        if self._open:
            return ANYBODY
        presented = headers.get("authorization", "")
        # In a dict, that is by a keyed hash of the whole header: no part of it can be guessed.
        known = self._known.get(presented)
        if known is not None:
            return self._judge(known)
        scheme, _, token = presented.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return self._judge(self._find(headers.get("x-api-key", "")))
        entry = self._find(token)
        if entry is not None and len(self._known) < MAX_KNOWN:
            self._known[presented] = entry
        return self._judge(entry)

    def _judge(self, entry: Entry | None) -> Identity | None:
        if entry is None or (self._dated and entry.until <= self._wall()):
            return None
        return entry.identity

    def _find(self, token: str) -> Entry | None:
        found = None
        if self._keyed:
            found = self._look_up(digest_keyed(token, self._pepper))
        if self._plain:
            found = self._look_up(digest_plain(token)) or found
        return found

    def _look_up(self, digest: str) -> Entry | None:
        entry = self._entries.get(digest)
        return entry if entry is not None and hmac.compare_digest(entry.digest, digest.encode()) else None


def make_keyring(settings: Settings, wall: Callable[[], float]) -> Keyring:
    """The keyring of a configuration."""
    return Keyring(settings.keys, wall, settings.pepper, closed=settings.key_store is not None)
