"""Who spent what in a span: how budgets know, after a restart, what was spent before it.

The database knows most of it (`Reader.spent`). What stands in journals counts too, as far as the database does not have it
yet: after a crash that is the last tenth of a second, after an outage of the database all that happened since.
"""

from collections.abc import Iterable
from pathlib import Path

from proxy.core.settings import LedgerSettings
from proxy.stores.ledger.contract import FOREVER, Absent, Spent
from proxy.stores.ledger.entries import Final
from proxy.stores.ledger.place import open_reader
from proxy.stores.ledger.recovery import ended_entries, leftovers
from proxy.stores.ledger.rollups import HOURLY, SUMS, TAGGED, roll_up
from proxy.stores.ledger.rows import tell_apart

_SUMMED = tuple(SUMS.index(name) for name in ("calls", "input", "output", "cost", "unpriced_tokens"))


def read_spent(place: LedgerSettings, since: int, until: int = FOREVER) -> list[Spent]:
    """What each key, route, provider and tag spent from `since` on and before `until`, in ms of Unix time; nothing where
    there is no ledger yet. Unreadable: the database cannot be asked. Blocks."""
    waiting = {
        entry.id: entry
        for files in leftovers(Path(place.path)).values()
        for entry in ended_entries(files)
        if since <= entry.wall < until
    }
    booked: list[Spent] = []
    try:
        with open_reader(place) as reader:
            for identity in reader.known(list(waiting)):
                waiting.pop(identity, None)
            booked = list(reader.spent(since, until))
    except Absent:
        pass
    return add_up([*booked, *_unbooked(waiting.values())])


def _unbooked(entries: Iterable[Final]) -> Iterable[Spent]:
    calls, probes = tell_apart(entries)
    sums = roll_up({identity: (call, None) for identity, call in calls.items()}, probes.values())
    for columns, dimensions, lines in ((HOURLY, ("key", "route", "provider"), sums.hourly), (TAGGED, ("tag",), sums.tagged)):
        for key, numbers in lines.items():
            for dimension in dimensions:
                name = str(key[columns.index(dimension)])
                yield Spent(dimension, name, *(numbers[place] for place in _SUMMED))


def add_up(parts: Iterable[Spent]) -> list[Spent]:
    """One line for each that is named."""
    whole: dict[tuple[str, str], Spent] = {}
    for part in parts:
        found = whole.get((part.dimension, part.name))
        whole[part.dimension, part.name] = part if found is None else found.plus(part)
    return list(whole.values())
