"""`undimmed keys list`: the keys of the store and of the file, and what the running proxy says is used of their limits."""

import argparse
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy.cli.admin_page import fetch, find_admin
from proxy.cli.terminal import out
from proxy.stores.key_store import KeyFile, StoredKey

if TYPE_CHECKING:
    from proxy.core.settings import ClientKey, Settings

_HEADS = ("name", "key", "owner", "routes", "tags", "created", "expires", "limits and use")


def _date(wall: float | None) -> str:
    return "" if wall is None else f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d}"


def _live(args: argparse.Namespace, settings: "Settings") -> dict[str, Mapping[str, object]]:
    """What the running proxy says of each key; nothing where none answers."""
    admin = args.admin or find_admin(settings.server)
    found = None if admin is None else fetch(admin, "/limits")
    if found is None or found[0] != 200 or not isinstance(found[1], dict):
        return {}
    rows = found[1].get("limits", [])
    return {str(row["name"]): row for row in rows if isinstance(row, dict) and row.get("scope") == "key"}


def describe_limits(key: "ClientKey") -> list[str]:
    """What limits a key, and how urgent its calls are if that is not the usual, a few words each."""
    from proxy.core.priorities import NORMAL
    from proxy.policy.allowances import show

    rates = key.limits.rates
    words = [f"{limit:,} {what}" for limit, what in ((rates.rpm, "rpm"), (rates.tpm, "tpm")) if limit is not None]
    if rates.concurrent is not None:
        words.append(f"{rates.concurrent} at a time")
    words += [f"{show(one, one.amount)} a {one.per}{' (soft)' if one.soft else ''}" for one in key.limits.budgets]
    return words if key.priority == NORMAL else [key.priority, *words]


def _use(row: Mapping[str, object] | None) -> list[str]:
    """What is used of the budgets, as the proxy tells it."""
    budgets = row.get("budgets", []) if row is not None else []
    told = [one for one in budgets if isinstance(one, dict)] if isinstance(budgets, list) else []
    return [f"{'$' if one.get('unit') == 'usd' else ''}{one.get('spent')} used this {one.get('per')}" for one in told]


def _row(key: "ClientKey", stored: StoredKey | None, live: Mapping[str, object] | None, now: float) -> dict[str, object]:
    good = [until for _, until in key.former if until > now]
    return {
        "name": key.name,
        "key": f"…{stored.tail}" if stored is not None else "in the file",
        "owner": stored.owner if stored is not None else "",
        "routes": None if key.routes is None else sorted(key.routes),
        "tags": list(key.tags),
        "created": stored.created if stored is not None else None,
        "expires": key.expires,
        "old_key_until": max(good) if good else None,
        "limits": describe_limits(key),
        "live": live,
    }


def _cells(row: Mapping[str, object], now: float) -> tuple[str, ...]:
    expires, until = row["expires"], row["old_key_until"]
    ends = _date(expires if isinstance(expires, float | int) else None)
    if isinstance(expires, float | int) and expires <= now:
        ends += " (over)"
    if isinstance(until, float | int):
        ends += f" (old key until {_date(until)})"
    routes, tags, limits, live = row["routes"], row["tags"], row["limits"], row["live"]
    words = [*(limits if isinstance(limits, list) else []), *_use(live if isinstance(live, dict) else None)]
    created = row["created"]
    return (
        str(row["name"]),
        str(row["key"]),
        str(row["owner"]),
        "all" if routes is None else ", ".join(routes) if isinstance(routes, list) else "",
        ", ".join(tags) if isinstance(tags, list) else "",
        _date(created if isinstance(created, int) else None),
        ends,
        ", ".join(words),
    )


def print_keys(args: argparse.Namespace, settings: "Settings", found: KeyFile) -> None:
    """Every key that is accepted, or was until it expired."""
    terminal = out()
    now = time.time()  # noqa: TID251 (the command line is where the clock comes in)
    live = _live(args, settings)
    rows = [_row(key, found.find(key.name), live.get(key.name), now) for key in settings.keys]
    if args.format == "json":
        terminal.say(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    if not rows:
        terminal.say("there are no keys yet: undimmed keys create NAME")
        return
    terminal.table([_HEADS, *(_cells(row, now) for row in rows)])
