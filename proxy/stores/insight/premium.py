"""What the dearest targets of each route were used for, and what the same traffic would have cost one step cheaper.

The answer comes from the ledger's sums by day, features and size (`uses`) and from the prices of the configuration, as of
the moment of asking. Dearness is judged by the route's own traffic: each target's price for all tokens that the route used.
What the cheaper target is taken to use are the very same tokens, answer, thought and cache hits included: a measure of the
prices, not a promise, since another model writes and thinks at another length.

Sums are by the day (UTC), so a span is taken in whole days. A price with steps by length is applied by the mean length of
each line. Audio and images are priced as text, and the line says how many tokens that concerns. Pure: rows and prices in,
values out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from proxy.core.features import Feature
from proxy.core.settings import Settings
from proxy.core.usage import Price, Usage
from proxy.stores.ledger.contract import Row
from proxy.stores.ledger.rollups import MAX_SIZE, SIZES, USE_SUMS
from proxy.tokens.prices import cost, find_tier

#: What a request that could go to a simpler model has not: anything that changes what a model must be able to do.
DEMANDING = ("tools", "images", "audio", "documents", "response_format", "reasoning")
#: A request up to so long that has nothing of that.
PLAIN = "plain, small"
PLAIN_TOKENS = 4_000
#: Targets that cost at least this part of what the dearest one does are as dear: the same model elsewhere.
AS_DEAR = 0.8


@dataclass(slots=True)
class Use:
    """A part of the traffic. Sums as `uses` has them; `there`: what it would have cost at the cheaper target, in
    nano-dollars."""

    name: str
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(USE_SUMS, 0))
    there: int = 0

    def __getitem__(self, name: str) -> int:
        return self.sums[name]

    @property
    def cost(self) -> int | None:
        """None: nothing of it has a price."""
        return None if self.sums["unpriced"] and not self.sums["cost"] else self.sums["cost"]

    @property
    def saves(self) -> int | None:
        """What the cheaper target would have saved; None where some of the cost is unknown."""
        return None if self.sums["unpriced"] else self.sums["cost"] - self.there


@dataclass(frozen=True, slots=True)
class Premium:
    """One dear target of a route. `cheaper`: the next cheaper one; `unpriced`: targets of the route whose price nobody
    knows. `uses` by kind: `size`, `feature`, `outcome`."""

    route: str
    target: str
    cheaper: str
    unpriced: tuple[str, ...]
    total: Use
    uses: Mapping[str, Sequence[Use]]


def price_routes(settings: Settings, wall: float) -> dict[str, dict[str, Price | None]]:
    """What the targets of each route cost at this Unix time, by target id; None: unknown."""
    return {
        route.name: {
            target.id: target.price if target.tariff is None else target.tariff.price(wall) for target in route.targets
        }
        for route in settings.routes
    }


def reprice(row: Mapping[str, object], price: Price) -> int:
    """What the attempts of a line would cost by this price, in nano-dollars."""
    number = {name: int(str(row[name])) for name in ("attempts", "input", "output", "cached", "cache_write", "reasoning")}
    tier = find_tier(price, number["input"] // max(number["attempts"], 1))
    usage = Usage(number["input"], number["output"], number["cached"], number["cache_write"], number["reasoning"])
    return (cost(usage, replace(tier, tiers=(), per_request=0)) or 0) + tier.per_request * number["attempts"]


def size_name(size: int) -> str:
    """`up to 4k`, `over 256k`, `unknown size`."""
    if not size:
        return "unknown size"
    return f"over {SIZES[-1] // 1000}k" if size == MAX_SIZE else f"up to {size // 1000}k"


def _features(row: Row) -> list[str]:
    """What the call used that matters here: the part before the dot, each once; whether it thought; `plain` for neither."""
    named = [name.partition(".")[0] for name in str(row["features"]).split(",") if name]
    found = [name for name in dict.fromkeys(named) if name in DEMANDING]
    if row["reasoned"] and Feature.REASONING not in found:
        found.append("thought unasked")
    if not found:
        return [PLAIN if 0 < int(row["size"] or 0) <= PLAIN_TOKENS else "plain"]
    return found


KINDS: Mapping[str, Callable[[Row], list[str]]] = {
    "size": lambda row: [size_name(int(row["size"] or 0))],
    "feature": _features,
    "outcome": lambda row: [str(row["outcome"])],
}


def _add(use: Use, row: Row, there: int) -> None:
    for name in USE_SUMS:
        use.sums[name] += int(row[name] or 0)
    use.there += there


def _examine(route: str, target: str, cheaper: str, prices: Mapping[str, Price | None], rows: list[Row]) -> Premium:
    price = prices[cheaper]
    assert price is not None, "it was ranked by it"
    total, kinds = Use("total"), {kind: dict[str, Use]() for kind in KINDS}
    for row in sorted(rows, key=lambda row: int(row["size"] or 0)):
        there = reprice(row, price)
        _add(total, row, there)
        for kind, names_of in KINDS.items():
            for name in names_of(row):
                _add(kinds[kind].setdefault(name, Use(name)), row, there)
    uses = {
        kind: list(found.values()) if kind == "size" else sorted(found.values(), key=lambda use: (-use["cost"], use.name))
        for kind, found in kinds.items()
    }
    unpriced = tuple(target for target, price in prices.items() if price is None)
    return Premium(route, target, cheaper, unpriced, total, uses)


def rank(prices: Mapping[str, Price | None], rows: Sequence[Row]) -> list[tuple[int, str]]:
    """The targets that have a price, the dearest first, each with what all these lines would cost there."""
    known = ((target, price) for target, price in prices.items() if price is not None)
    costs = [(sum(reprice(row, price) for row in rows), target) for target, price in known]
    return sorted(costs, key=lambda pair: (-pair[0], pair[1]))


def _split(ranked: Sequence[tuple[int, str]]) -> tuple[list[str], str | None]:
    """The dear targets, and the next cheaper one; None: there is none."""
    top = ranked[0][0]
    below = [target for amount, target in ranked if amount < AS_DEAR * top]
    if below:
        return [target for amount, target in ranked if amount >= AS_DEAR * top], below[0]
    cheaper = next((target for amount, target in ranked if amount < top), None)
    return [target for amount, target in ranked if amount == top], cheaper


def find_premium(rows: Iterable[Row], prices: Mapping[str, Mapping[str, Price | None]]) -> list[Premium]:
    """The dear targets of each route that were used, where there is a cheaper one; those that cost most first."""
    by_route: dict[str, list[Row]] = {}
    for row in rows:
        by_route.setdefault(str(row["route"]), []).append(row)
    found = []
    for route, used in by_route.items():
        known = prices.get(route, {})
        ranked = rank(known, used)
        dear, cheaper = _split(ranked) if ranked else ([], None)
        if cheaper is None:
            continue
        for target in dear:
            own = [row for row in used if row["target"] == target]
            if own:
                found.append(_examine(route, target, cheaper, known, own))
    return sorted(found, key=lambda premium: (-premium.total["cost"], premium.route, premium.target))
