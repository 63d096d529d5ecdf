"""What a report's reader should do something about: a table of rules, each a threshold and a sentence with its numbers.

Every rule looks at the sums by route and target (`reader.sums(span, ("route", "target", "waste"))`) and says only what they
show. A finding is worth a line when it moves real money or hides it, so each threshold is a share and a least amount. Pure.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from proxy.stores.insight.figures import show_count, show_money, show_seconds, show_share, some
from proxy.stores.insight.lines import WASTES, Line, Waste, group_by, share, total_of
from proxy.stores.insight.outlooks import Forecast, show_moment
from proxy.stores.insight.premium import PLAIN, PLAIN_TOKENS, Premium
from proxy.stores.ledger.contract import Row
from proxy.stores.ledger.entries import LOST
from proxy.stores.ledger.waste import CHECK, CUT, FAILED, HEDGE, LEFT, PROBE

#: Money that nobody needs to be told about: ten cents, in nano-dollars.
TRIFLE = 100_000_000
#: Attempts and streams below which a share says nothing.
FEW = 20
WASTED = 0.05
ESTIMATED = 0.10
#: Of all tokens: a target with less is too small to speak of.
SMALL = 0.01
FAILING = 0.10
DETOUR = 0.05
THINKING = 0.60
#: Written into a provider's cache, for each token read from it.
UNREAD = 2.0
CACHE_TOKENS = 100_000
SLOWER = 3.0
SLOW_MS = 2000.0
#: Of the attempts of its route, for a slow target to matter.
USED = 0.10
BILLED = 0.01
PLAINLY = 0.10
#: Of all money: what moves less is left to the tables.
MATTERS = 0.01

#: What helps against each kind of waste.
REMEDIES: Mapping[str, str] = {
    FAILED: "its failures come after it has begun to work: shorten its `timeout`, or put it behind the others",
    CUT: "put a target that finishes its answers first, or raise `timeout: {idle: …, total: …}` if it is only slow",
    HEDGE: "hedge later, or only where waiting costs more than the second copy",
    CHECK: "ask the target that passes the checks first",
    LEFT: "clients give up before the answer is there: raise their time limits, or answer from something faster",
    LOST: "the proxy died over them: look at what killed it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` and `subject` (a route or target) for programs, `text` for people; `weight` in nano-dollars, for the order.
    `share` is what the threshold was held against."""

    kind: str
    subject: str
    share: float
    weight: int
    text: str


@dataclass(frozen=True, slots=True)
class Sums:
    """One span by route and target, by route, by target, and as a whole."""

    pairs: Sequence[Line]
    routes: Sequence[Line]
    targets: Sequence[Line]
    total: Line


def gather(rows: Sequence[Row]) -> Sums:
    """Of the rows by route, target and waste."""
    return Sums(group_by(rows, ("route", "target")), group_by(rows, ("route",)), group_by(rows, ("target",)), total_of(rows))


def _worst(wastes: Mapping[str, Waste]) -> str:
    return max(wastes, key=lambda kind: (wastes[kind].money, wastes[kind].tokens))


def _wasted(sums: Sums) -> Iterator[Finding]:
    for line in sums.routes:
        part = share(line["wasted_cost"], line["cost"])
        (route,) = line.group
        if part < WASTED or line["wasted_cost"] < TRIFLE or not route:
            continue
        kind = _worst(line.wastes)
        own = [pair for pair in sums.pairs if pair.group[0] == route and kind in pair.wastes]
        target = max(own, key=lambda pair: (pair.wastes[kind].money, pair.wastes[kind].tokens)).group[1]
        text = (
            f"{show_share(part)} of the money of route {route} ({show_money(line['wasted_cost'])}) went to attempts nobody "
            f"received, mostly {WASTES[kind]} at {target} ({show_money(line.wastes[kind].money)}): {REMEDIES[kind]}."
        )
        yield Finding("waste", route, part, line["wasted_cost"], text)


def _probed(sums: Sums) -> Iterator[Finding]:
    waste = sums.total.wastes.get(PROBE, Waste())
    part = share(waste.money, sums.total["cost"])
    if part >= WASTED and waste.money >= TRIFLE:
        text = (
            f"Probes cost {show_money(waste.money)} ({show_share(part)} of all money): probe less often, or for free "
            "(`probe: {kind: free}`)."
        )
        yield Finding("probes", "", part, waste.money, text)


def _unpriced(sums: Sums) -> Iterator[Finding]:
    for line in sums.targets:
        if line["unpriced_tokens"] or line["unpriced"]:
            (target,) = line.group
            provider, _, model = target.partition("/")
            part = share(line["unpriced_tokens"], sums.total.tokens)
            text = (
                f"Unpriced: {show_count(line['unpriced_tokens'])} tokens of {target} ({show_share(part)} of all) have no "
                f"known price, so every cost is a lower bound; set `providers.{provider}.models.{model}.price` "
                "(`{input: 0, output: 0}` if it is free)."
            )
            yield Finding("unpriced", target, part, round(part * sums.total["cost"]), text)


def _estimated(sums: Sums) -> Iterator[Finding]:
    for line in sums.targets:
        part = line.estimated_share
        if part >= ESTIMATED and line.tokens >= SMALL * sums.total.tokens:
            (target,) = line.group
            text = (
                f"{show_share(part)} of the tokens of {target} ({show_count(line['estimated'])}) are estimates, since it "
                "reported none or was cut off: their number is about right, not exact, and so is what they cost."
            )
            yield Finding("estimated", target, part, round(part * line["cost"]), text)


def _failing(sums: Sums) -> Iterator[Finding]:
    for line in sums.targets:
        part = share(line.failed, line["attempts"])
        if part >= FAILING and line["attempts"] >= FEW:
            (target,) = line.group
            text = (
                f"{show_share(part)} of {some(line['attempts'], 'attempt')} at {target} failed: see `undimmed report --by "
                "target,outcome` for how, and put it behind the others while it does."
            )
            yield Finding("failing", target, part, line["wasted_cost"], text)


def _detours(sums: Sums) -> Iterator[Finding]:
    for line in sums.routes:
        part = share(line["failover_cost"], line["cost"])
        if part >= DETOUR and line["failover_cost"] >= TRIFLE:
            (route,) = line.group
            text = (
                f"Failover cost route {route} {show_money(line['failover_cost'])} ({show_share(part)} of its money): "
                f"{some(line['failovers'], 'call')} went to dearer targets than their first choice; a second target as "
                "cheap as the first would spare that."
            )
            yield Finding("failover", route, part, line["failover_cost"], text)


def _thinking(sums: Sums) -> Iterator[Finding]:
    for line in sums.targets:
        part = line.reasoning_share
        if part >= THINKING and line["cost"] >= max(TRIFLE, DETOUR * sums.total["cost"]):
            (target,) = line.group
            text = (
                f"{show_share(part)} of the output of {target} is reasoning that nobody reads "
                f"({show_count(line['reasoning'])} tokens): ask for less effort where answers stay good enough."
            )
            yield Finding("reasoning", target, part, round(part * line["cost"]), text)


def _unread(sums: Sums) -> Iterator[Finding]:
    for line in sums.targets:
        written, read = line["cache_write"], line["cached"]
        if written >= CACHE_TOKENS and written >= UNREAD * read:
            (target,) = line.group
            text = (
                f"{show_count(written)} tokens were written into the cache of {target}, and {show_count(read)} read from "
                "it: writing costs more than that saves; mark only what comes again, or spread its calls over fewer targets."
            )
            yield Finding("cache", target, share(read, written), 0, text)


def _slow(sums: Sums) -> Iterator[Finding]:
    timed = [line for line in sums.pairs if line["first_contents"] >= FEW and line.first_content_ms is not None]
    attempts = {line.group[0]: line["attempts"] for line in sums.routes}
    for line in timed:
        route, target = line.group
        if line["attempts"] < USED * attempts[route]:
            continue
        mean = line.first_content_ms or 0.0
        others = [(other.first_content_ms or 0.0, other.group[1]) for other in timed if other.group[0] == route]
        best, name = min(others)
        if mean >= SLOW_MS and mean >= SLOWER * best:
            text = (
                f"{target} took {show_seconds(mean)} on average to begin its answers for route {route}, {name} "
                f"{show_seconds(best)}: `strategy: fastest` would tell them apart."
            )
            yield Finding("slow", target, mean / best if best else 0.0, 0, text)


def _billed(sums: Sums) -> Iterator[Finding]:
    total = sums.total
    part = share(total["possibly_billed"], total["attempts"])
    if part >= BILLED:
        text = (
            f"{some(total['possibly_billed'], 'attempt')} ({show_share(part)}) had been sent when they were cut off or "
            "lost, and may be billed beyond these figures: compare with the vendors' bills."
        )
        yield Finding("possibly_billed", "", part, 0, text)


def look_at_premium(premiums: Iterable[Premium]) -> Iterator[Finding]:
    """Dear targets that answer what a cheaper one could have."""
    for premium in premiums:
        plain = next((use for use in premium.uses["feature"] if use.name == PLAIN), None)
        if plain is None or plain.saves is None:
            continue
        part = share(plain["cost"], premium.total["cost"])
        if part >= PLAINLY and plain.saves >= TRIFLE:
            text = (
                f"{show_share(part)} of the money of {premium.target} on route {premium.route} "
                f"({show_money(plain['cost'])}) answered short requests without tools, media, schemas or reasoning; the "
                f"same tokens at {premium.cheaper} would have cost {show_money(plain.there)}: try them there "
                f"with `when: {{max_tokens: {PLAIN_TOKENS}}}`."
            )
            yield Finding("premium", premium.target, part, plain.saves, text)


def look_at_forecast(forecast: Forecast) -> Iterator[Finding]:
    """Budgets that will not last."""
    for found in forecast.purses:
        if found.runs_out is None:
            continue
        purse = found.purse
        limit = show_money(purse.limit) if purse.unit == "usd" else f"{show_count(purse.limit)} tokens"
        when = show_moment(found.runs_out, purse.zone)
        said = "is used up" if found.used >= 1 else f"will be used up by {when}"
        whole = show_moment(found.end, purse.zone)
        text = f"The budget of {found.name} ({limit} a {purse.per}) {said}; it is whole again {whole}."
        yield Finding("budget", found.name, found.used, 2**62, text)


#: Findings that are about money and nothing else.
MONEY = frozenset(("waste", "probes", "failover", "reasoning", "premium"))
RULES: tuple[Callable[[Sums], Iterable[Finding]], ...] = (
    _wasted, _probed, _unpriced, _estimated, _failing, _detours, _thinking, _unread, _slow, _billed,
)  # fmt: skip


def find(sums: Sums, premiums: Iterable[Premium] = (), forecast: Forecast | None = None) -> list[Finding]:
    """Everything that passes its threshold: budgets, then what moves most money."""
    found = [finding for rule in RULES for finding in rule(sums)]
    found += look_at_premium(premiums)
    least = MATTERS * sums.total["cost"]
    found = [finding for finding in found if finding.kind not in MONEY or finding.weight >= least]
    if forecast is not None:
        found += look_at_forecast(forecast)
    return sorted(found, key=lambda finding: -finding.weight)
