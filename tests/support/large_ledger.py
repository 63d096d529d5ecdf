"""A ledger with traffic as a company might have it: `python tests/support/large_ledger.py FILE [ATTEMPTS [DAYS]]`.

Working hours and weekends, growth, dear and cheap models, keys and tags, an outage of half a day, streams that are cut,
hedges, cache hits, estimates, a local model without a price. The same seed gives the same calls.
"""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from proxy.core.usage import Price, Usage
from proxy.stores.ledger.entries import AttemptEntry, CallEntry
from proxy.stores.ledger.sqlite import SqliteDatabase
from proxy.stores.ledger.tariff import Tariff
from proxy.tokens.prices import cost, saved_by_cache

GROUP = 5_000


def price(dollars_in: float, dollars_out: float, cached: float) -> Price:
    return Price(*(round(rate * 1e9) for rate in (dollars_in, dollars_out, cached)))


PRICES = {
    "openai/gpt-5": price(1.25, 10, 0.125),
    "azure-eu/gpt-5": price(1.375, 11, 0.14),
    "openai/gpt-5-mini": price(0.25, 2, 0.025),
    "anthropic/claude-sonnet-5": price(3, 15, 0.3),
}
ROUTES = {
    "gpt-5": (("openai/gpt-5", "azure-eu/gpt-5", "openai/gpt-5-mini"), 0.5),
    "chat": (("anthropic/claude-sonnet-5", "openai/gpt-5-mini"), 0.35),
    "local": (("laptop/llama3.3", "openai/gpt-5-mini"), 0.15),
}
KEYS = [f"team-{n:02}" for n in range(40)]
FEATURES = (
    ([], 0.5),
    (["tools"], 0.2),
    (["reasoning", "tools"], 0.1),
    (["images"], 0.05),
    (["response_format.json_schema"], 0.15),
)
#: Milliseconds to the first content, tokens a second.
SPEEDS = {"openai/gpt-5": (900, 70), "azure-eu/gpt-5": (3200, 55), "openai/gpt-5-mini": (400, 140)}


def _attempt(rng: Random, target: str, features: list[str], started: int, outcome: str, **more: object) -> AttemptEntry:
    tokens = int(min(rng.lognormvariate(7.2, 1.3), 300_000))
    written = int(min(rng.lognormvariate(5.3, 1.0), 16_000))
    first, speed = SPEEDS.get(target, (1500, 60))
    first = int(rng.lognormvariate(0, 0.3) * first)
    entry = AttemptEntry(target, target.split("/")[0], "k#1", started, first, first + written * 1000 // speed, outcome, 200)
    entry.input, entry.output, entry.source, entry.delivered = tokens, written, "provider", outcome == "ok"
    entry.cached = tokens // 2 if rng.random() < 0.4 else 0
    entry.reasoning = written * 2 // 3 if "reasoning" in features else 0
    if target.startswith("laptop") or outcome != "ok":
        entry.source = "estimate"
        entry.possibly_billed = outcome != "ok"
    if outcome == "server_error":
        entry.first_content = entry.input = entry.output = entry.source = None
        entry.cached = entry.reasoning = 0
        entry.possibly_billed = False
    for name, value in more.items():
        setattr(entry, name, value)
    known = PRICES.get(target)
    if entry.input is not None and known is not None:
        usage = Usage(entry.input, entry.output or 0, entry.cached, 0, entry.reasoning)
        entry.cost, entry.cache_saved = cost(usage, known), saved_by_cache(usage, known)
    return entry


def _attempts(rng: Random, targets: tuple[str, ...], features: list[str], out: bool) -> list[AttemptEntry]:
    first = targets[0]
    dice = rng.random()
    if out and dice < 0.7:
        return [_attempt(rng, first, features, 0, "server_error"), _attempt(rng, targets[1], features, 800, "ok")]
    if dice < 0.04:
        cut = _attempt(rng, first, features, 0, "stream_broken")
        return [cut, _attempt(rng, targets[1], features, 4000, "ok")]
    if dice < 0.06:
        slow = _attempt(rng, first, features, 0, "client_gone")
        return [slow, _attempt(rng, targets[1], features, 2000, "ok", purpose="hedge")]
    if dice < 0.07:
        return [_attempt(rng, first, features, 0, "client_gone")]
    return [_attempt(rng, first, features, 0, "ok")]


def make_calls(attempts: int, days: int, end: float, seed: int = 1) -> Iterator[CallEntry]:
    """Calls with about so many attempts, of so many days up to `end` (Unix time), the oldest first."""
    rng = Random(seed)
    start = datetime.fromtimestamp(end, UTC) - timedelta(days=days)
    hours = [start + timedelta(hours=n) for n in range(days * 24)]
    weights = [
        (0.2 if at.weekday() > 4 else 1.0) * (1.0 if 7 <= at.hour < 19 else 0.25) * (1 + 0.5 * n / len(hours))
        for n, at in enumerate(hours)
    ]
    outage = range(len(hours) - 24 * 5, len(hours) - 24 * 5 + 12)
    names, shares = list(ROUTES), [part for _, part in ROUTES.values()]
    number = 0
    for n, at in enumerate(hours):
        for _ in range(round(attempts / 1.08 * weights[n] / sum(weights))):
            number += 1
            (route,) = rng.choices(names, shares)
            (features,) = rng.choices([found for found, _ in FEATURES], [part for _, part in FEATURES])
            tried = _attempts(rng, ROUTES[route][0], features, n in outage and route == "gpt-5")
            served = next((a.target for a in tried if a.delivered), None)
            key = KEYS[min(int(rng.expovariate(0.2)), 39)]
            yield CallEntry(
                f"{number:024x}", int(at.timestamp() * 1000) + rng.randrange(3_600_000), route, "chat", True, key, 200,
                tried[-1].outcome, True, served, 0, 5000, tried, tags=["prod" if rng.random() < 0.8 else "lab"],
                features=features, saved=2_000_000 if rng.random() < 0.01 else None,
            )  # fmt: skip


def write(path: Path, attempts: int, days: int, end: float, seed: int = 1) -> None:
    """Make the ledger."""
    database = SqliteDatabase(path)
    tariff = Tariff(PRICES, {route: targets[:1] for route, (targets, _) in ROUTES.items()})
    group: list[CallEntry] = []
    for call in make_calls(attempts, days, end, seed):
        group.append(call)
        if len(group) >= GROUP:
            database.write(group, tariff)
            group.clear()
    database.write(group, tariff)
    while database.close_days(int(end) // 86400):
        pass
    database.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), *(int(word) for word in (*sys.argv[2:], "1000000", "90")[:2]), time.time())
