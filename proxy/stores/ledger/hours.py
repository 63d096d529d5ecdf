"""The ledger's sums by hour, for those who ask whether this hour is like others."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from proxy.policy.alerts.figures import Hours, HourSum

PATIENCE = 1.0
_QUERY = "SELECT hour, route, sum(cost), sum(input + output) FROM rollups WHERE hour >= ? GROUP BY hour, route"


def read_hours(path: Path, since: int) -> Hours | None:
    """Every hour from `since` on (Unix time / 3600); None: nothing is written there, or it cannot be read now. Blocks."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=PATIENCE)
    except sqlite3.Error:
        return None
    try:
        rows = connection.execute(_QUERY, (since,)).fetchall()
        (first,) = connection.execute("SELECT min(hour) FROM rollups").fetchone()
    except sqlite3.Error:
        return None
    finally:
        connection.close()
    return None if first is None else sum_up(rows, first)


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
