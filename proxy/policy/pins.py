"""Which account made a stored thing: a response, a conversation, a file, a batch.

What a vendor stores lives in one of its accounts and nowhere else, so whoever names it later must be sent to the target and
the credential that made it, and never elsewhere: another account would say "not found" to something that exists. `Pins`
remembers that, per kind of thing, and forgets what was not asked for longest.

Semantics of an id that `find` does not know: nobody here made it, or it was made too long ago, or before the last start. It
does not mean that it does not exist. Where only one account could have made it, asking that one is right; where several
could, a guess would be half done, so the request is refused in clear words. The same goes for a thing that was made under
another client's key: to everybody else it is unknown.

Whether the target or the credential still is in the configuration is the caller's to look at: a pin is never moved to
another account. Refuses to know paths and formats.
"""

import enum
from collections import OrderedDict
from typing import NamedTuple

#: Pins of one kind; about 300 bytes each.
MAX_PINS = 50_000
#: A longer id is none that a vendor gives out, and is not kept.
MAX_ID = 256


class Resource(enum.StrEnum):
    """Kinds of stored things, each with its own room, so that many responses don't push out a file."""

    RESPONSE = "response"
    CONVERSATION = "conversation"
    COMPLETION = "completion"
    FILE = "file"
    BATCH = "batch"


class Pin(NamedTuple):
    """`target_id` and `credential_id` as in `Target.id` and `Credential.id`. `owner`: the client's key by name, None
    where no keys are configured."""

    target_id: str
    credential_id: str
    owner: str | None = None


class Pins:
    """See the module's text. `limit`: pins per kind."""

    __slots__ = ("_limit", "_made")

    def __init__(self, limit: int = MAX_PINS) -> None:
        self._limit = max(limit, 1)
        self._made: dict[Resource, OrderedDict[str, Pin]] = {kind: OrderedDict() for kind in Resource}

    def __repr__(self) -> str:
        held = ", ".join(f"{len(made)} {kind}" for kind, made in self._made.items() if made)
        return f"<Pins {held or 'empty'}>"

    def note(
        self, kind: Resource, resource_id: str, target_id: str, credential_id: str, *, owner: str | None = None
    ) -> None:
        """This account made it. The last word counts, and makes it the youngest."""
        if not resource_id or len(resource_id) > MAX_ID:
            return
        made = self._made[kind]
        made[resource_id] = Pin(target_id, credential_id, owner)
        made.move_to_end(resource_id)
        if len(made) > self._limit:
            made.popitem(last=False)

    def find(self, kind: Resource, resource_id: str, *, owner: str | None = None) -> Pin | None:
        """Who made it; None: unknown to this `owner`. Being asked for keeps a pin young."""
        made = self._made[kind]
        pin = made.get(resource_id)
        if pin is None or pin.owner != owner:
            return None
        made.move_to_end(resource_id)
        return pin

    def is_known(self, kind: Resource, resource_id: str) -> bool:
        """Has anybody's been made under this id?"""
        return resource_id in self._made[kind]

    def forget(self, kind: Resource, resource_id: str) -> None:
        """It was deleted."""
        self._made[kind].pop(resource_id, None)

    def count(self, kind: Resource) -> int:
        return len(self._made[kind])
