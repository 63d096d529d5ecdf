"""A group of entries as rows of tables: the same for whatever database takes them. Pure.

Sums stand in the order of their keys, so that two writers who add to the same lines wait for each other rather than each
for the other.
"""

from collections.abc import Iterable, Mapping

import msgspec

from proxy.stores.ledger.entries import CallEntry, Final, ProbeEntry
from proxy.stores.ledger.rollups import Detour, Lines, detour, roll_up
from proxy.stores.ledger.schema import (
    ATTEMPTS,
    CALLS,
    PROBES,
    ROLLUP_DAYS,
    ROLLUPS,
    TAG_DAYS,
    TAG_KEY_DAYS,
    TAG_ROLLUPS,
    USE_ROLLUPS,
    Table,
)
from proxy.stores.ledger.tariff import Tariff
from proxy.stores.ledger.waste import judge_waste

Row = tuple[object, ...]
_NUL = "\0"


def tell_apart(entries: Iterable[Final]) -> tuple[dict[str, CallEntry], dict[str, ProbeEntry]]:
    """Calls and probes by their ids, each once."""
    calls: dict[str, CallEntry] = {}
    probes: dict[str, ProbeEntry] = {}
    for entry in entries:
        if isinstance(entry, CallEntry):
            calls[entry.id] = entry
        else:
            probes[entry.id] = entry
    return calls, probes


def cleanse(entry: Final) -> Final:
    """The entry without the one character that texts of PostgreSQL cannot hold; names come from clients and providers."""
    texts = [value for value in msgspec.structs.astuple(entry) if type(value) is str]
    if isinstance(entry, CallEntry):
        texts += entry.tags
        texts += (value for attempt in entry.attempts for value in msgspec.structs.astuple(attempt) if type(value) is str)
    if not any(_NUL in text for text in texts):
        return entry
    return msgspec.convert(_replace(msgspec.to_builtins(entry)), type(entry))


def _replace(value: object) -> object:
    if isinstance(value, str):
        return value.replace(_NUL, "�")
    return [_replace(item) for item in value] if isinstance(value, list | tuple) else value


def lay_out(
    calls: Mapping[str, CallEntry], probes: Mapping[str, ProbeEntry], tariff: Tariff, closed: int
) -> tuple[list[tuple[Table, list[Row]]], list[tuple[Table, list[Row]]]]:
    """Rows to be inserted, and sums to be added, by table. Days before `closed` are summed up already."""
    known = {identity: (calls[identity], detour(calls[identity], tariff)) for identity in sorted(calls)}
    rows: list[tuple[Table, list[Row]]] = [
        (CALLS, [_call_row(call, aside) for call, aside in known.values()]),
        (ATTEMPTS, [row for call, _ in known.values() for row in _attempt_rows(call)]),
        (PROBES, [msgspec.structs.astuple(probes[identity]) for identity in sorted(probes)]),
    ]
    sums = roll_up(known, probes.values(), closed)
    lines = {
        ROLLUPS: sums.hourly,
        TAG_ROLLUPS: sums.tagged,
        USE_ROLLUPS: sums.uses,
        ROLLUP_DAYS: sums.late,
        TAG_DAYS: sums.late_tagged,
        TAG_KEY_DAYS: sums.late_keyed,
    }
    return rows, [(table, _lines(found)) for table, found in lines.items()]


def _lines(lines: Lines) -> list[Row]:
    return [(*key, *lines[key]) for key in sorted(lines)]


def _call_row(call: CallEntry, aside: Detour | None) -> Row:
    first_choice, failover_cost = aside or (None, None)
    return (
        call.id,
        call.wall,
        call.route,
        call.endpoint,
        int(call.stream),
        call.key,
        call.status,
        call.outcome,
        int(call.committed),
        call.served_by,
        call.waited,
        call.took,
        len(call.attempts),
        first_choice,
        failover_cost,
        msgspec.json.encode(call.tags).decode() if call.tags else "[]",
        ",".join(call.features),
        call.priority,
        call.degraded,
        call.saved,
        call.incident,
    )


def _attempt_rows(call: CallEntry) -> Iterable[Row]:
    for number, attempt in enumerate(call.attempts):
        yield (call.id, number, *msgspec.structs.astuple(attempt), judge_waste(call.attempts, number))
