"""How urgent a call is, and who says so: its key, and the request itself as far as it wants less.

Where there is not enough for all, `critical` goes before `normal` and `normal` before `batch`. A request cannot make itself
more urgent than its key: then every one would.
"""

from collections.abc import Mapping

PRIORITY_HEADER = "x-undimmed-priority"
#: The most urgent first.
PRIORITIES = ("critical", "normal", "batch")
NORMAL = "normal"
#: By name, 0 is the most urgent.
RANKS: Mapping[str, int] = {name: rank for rank, name in enumerate(PRIORITIES)}


def lower_priority(own: str, wanted: str) -> str | None:
    """The priority of a request whose key has `own` and whose header says `wanted`; None: there is no such priority."""
    wanted = wanted.strip().lower()
    if wanted not in RANKS:
        return None
    return wanted if RANKS[wanted] > RANKS[own] else own
