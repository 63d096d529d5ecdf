"""The ledger's sums by hour, for those who ask whether this hour is like others."""

import sqlite3

from proxy.core.settings import LedgerSettings
from proxy.policy.alerts.figures import Hours, HourSum
from proxy.stores.ledger.contract import Unreadable
from proxy.stores.ledger.place import open_reader

_QUERY = (
    "SELECT hour, route, CAST(sum(cost) AS BIGINT) AS cost, CAST(sum(input + output) AS BIGINT) AS tokens"
    " FROM rollups WHERE hour >= ? GROUP BY hour, route"
)


def read_hours(place: LedgerSettings, since: int) -> Hours | None:
    """Every hour from `since` on (Unix time / 3600); None: nothing is written there, or it cannot be read now. Blocks."""
    try:
        with open_reader(place) as reader:
            rows = [
                (int(row["hour"] or 0), str(row["route"]), int(row["cost"] or 0), int(row["tokens"] or 0))
                for row in reader.query(_QUERY, (since,))
            ]
            (oldest,) = reader.query("SELECT min(hour) AS hour FROM rollups")
    except (Unreadable, sqlite3.Error):
        return None
    first = oldest["hour"]
    return None if first is None else sum_up(rows, int(first))


def sum_up(rows: list[tuple[int, str, int, int]], first: int) -> Hours:
    """Rows of hour, route, cost and tokens. `first`: the oldest hour there is."""
    hours: dict[int, list[tuple[str, int, int]]] = {}
    for hour, route, cost, tokens in rows:
        hours.setdefault(hour, []).append((route, cost, tokens))
    return Hours(
        first,
        {
            hour: HourSum(
                cost=sum(cost for _, cost, _ in parts),
                tokens=sum(tokens for _, _, tokens in parts),
                costliest=max(parts, key=lambda part: part[1])[0],
                busiest=max(parts, key=lambda part: part[2])[0],
            )
            for hour, parts in hours.items()
        },
    )
