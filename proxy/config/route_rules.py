"""What cannot be meant in routes: names that lead nowhere, settings without effect, contradictions.

Each rule yields (location in terms of the models, message); `consistency.py` has the table.
"""

import fnmatch
import itertools
from collections.abc import Iterator

from proxy.config.conversion import Statement, overlay, preset_of, statements
from proxy.config.messages import nearest
from proxy.config.models import RouteModel, TargetModel, WhenModel
from proxy.config.pricing import pricing_of, usual_price
from proxy.config.shapes import TimeoutModel
from proxy.config.source import Path
from proxy.config.units import show_duration
from proxy.config.validation import Draft
from proxy.core.settings import RetrySettings, Timeouts

Finding = tuple[Path, str]
Findings = Iterator[Finding]
Place = tuple[Path, TargetModel]


def _places(index: int, route: RouteModel) -> list[list[Place]]:
    return [
        [(("routes", index, "targets", row, column), target) for column, target in enumerate(tier)]
        for row, tier in enumerate(route.targets)
    ]


def _flat(index: int, route: RouteModel) -> list[Place]:
    """All of a route's targets, those of last resort too."""
    last = [
        (("routes", index, "degrade", "targets", row, column), target)
        for row, tier in enumerate(route.last_resorts)
        for column, target in enumerate(tier)
    ]
    return [*itertools.chain.from_iterable(_places(index, route)), *last]


def check_targets(draft: Draft) -> Findings:
    """Each names a provider that exists and a concrete model, once per route."""
    for index, route in draft.routes:
        seen: set[str] = set()
        for place, target in _flat(index, route):
            here = (*place, "to")
            if not target.provider or not target.model:
                yield here, f'"{target.to}" is not provider/model{nearest(target.to, draft.provider_names)}'
            elif target.provider not in draft.provider_names and draft.present("providers"):
                yield here, f'there is no provider "{target.provider}"{nearest(target.provider, draft.provider_names)}'
            elif "*" in target.model:
                yield here, "a target needs the exact name of a model; * works only in the route's model"
            if target.to in seen:
                yield here, f'"{target.to}" is already a target of this route; it is never asked twice'
            seen.add(target.to)


def check_models(draft: Draft) -> Findings:
    """Public names lead to one route. Exact names go before globs, so only a glob can hide another glob."""
    owners: dict[str, int] = {}
    globs: list[tuple[str, int]] = []
    for index, route in draft.routes:
        for position, name in enumerate(route.model):
            here = ("routes", index, "model", position)
            if name in owners:
                where = "this route" if owners[name] == index else f"routes[{owners[name]}]"
                yield here, f'"{name}" is already served by {where}'
                continue
            hiding = next(((glob, owner) for glob, owner in globs if "*" in name and fnmatch.fnmatchcase(name, glob)), None)
            if hiding is not None and hiding[1] != index:
                yield here, f'"{name}" can never match: routes[{hiding[1]}] takes "{hiding[0]}" before it'
            owners[name] = index
            if "*" in name:
                globs.append((name, index))


def check_strategy(draft: Draft) -> Findings:
    """What only one strategy reads stands only beside that strategy, and a strategy has something to choose from."""
    common = draft.document.defaults.strategy
    for index, route in draft.routes:
        strategy = route.strategy or common or "ordered"
        tiers = _places(index, route)
        if strategy != "weighted":
            for place, target in itertools.chain.from_iterable(tiers):
                if target.weight is not None:
                    yield (*place, "weight"), f"has no effect with strategy {strategy}; it needs strategy: weighted"
        if strategy != "sticky" and route.sticky_header is not None:
            yield ("routes", index, "sticky_header"), f"has no effect with strategy {strategy}; it needs strategy: sticky"
        if route.strategy not in (None, "ordered") and len(tiers) > 1 and all(len(tier) == 1 for tier in tiers):
            yield (
                ("routes", index, "strategy"),
                f"{strategy} has nothing to choose from: each target is a tier of its own; "
                "put those it may choose from into one list: targets: [[a/x, b/y]]",
            )


def check_prices(draft: Draft) -> Findings:
    """`cheapest` compares prices, so every target of a tier of several has one: from the file or from the bundled list."""
    said = statements(draft.document, draft.route_places)
    for index, route in draft.routes:
        if (route.strategy or draft.document.defaults.strategy) != "cheapest":
            continue
        for tier in _places(index, route):
            for place, target in tier if len(tier) > 1 else ():
                if "price" not in said.get(target.to, {}) and not _is_priced(draft, target):
                    yield (
                        (*place, "to"),
                        f'strategy cheapest needs a price for "{target.to}", here or in its provider\'s models',
                    )


def _is_priced(draft: Draft, target: TargetModel) -> bool:
    provider = draft.document.providers.get(target.provider)
    pricing = None if provider is None else pricing_of(preset_of(provider).name)
    return pricing is not None and usual_price(pricing.tariff(target.model)) is not None


def _limit_pairs(route: TimeoutModel | None, defaults: TimeoutModel | None) -> Iterator[tuple[str, str]]:
    """(name, message) for each written limit that a written other one leaves without effect."""
    limits = overlay(Timeouts(), defaults, route)

    def written(name: str) -> bool:
        return any(section is not None and getattr(section, name) is not None for section in (route, defaults))

    def show(name: str) -> str:
        value: float = getattr(limits, name)
        return f"{name} ({show_duration(value)})"

    for name in ("first_content", "idle", "answer"):
        if written(name) and written("total") and getattr(limits, name) > limits.total:
            yield name, f"{show(name)} is above {show('total')}, so it can never be reached"
    if written("connect") and written("first_content") and limits.connect >= limits.first_content:
        yield "connect", f"{show('connect')} is not below {show('first_content')}, so it can never be reached"


def check_timeouts(draft: Draft) -> Findings:
    """A limit that another one always beats has no effect."""
    defaults = draft.document.defaults.timeout
    common = dict(_limit_pairs(None, defaults))
    for name, message in common.items():
        yield ("defaults", "timeout", name), message
    for index, route in draft.routes:
        if route.timeout is None:
            continue
        for name, message in _limit_pairs(route.timeout, defaults):
            if common.get(name) != message:
                own = (
                    name if getattr(route.timeout, name) is not None else "total" if route.timeout.total else "first_content"
                )
                yield ("routes", index, "timeout", own), message


def check_retry(draft: Draft) -> Findings:
    """Fallbacks that no attempt is left for, and waits that contradict each other."""
    defaults = draft.document.defaults.retry
    for index, route in draft.routes:
        retry = overlay(RetrySettings(), defaults, route.retry)
        own = route.retry is not None
        count = len(_flat(index, route))
        if retry.attempts == 1 and count > 1:
            here: Path = ("routes", index, "retry", "attempts") if own else ("routes", index, "targets")
            yield here, f"with attempts: 1 the other {count - 1} of the {count} targets can never be fallen back on"
        if own and retry.base > retry.cap:
            yield ("routes", index, "retry", "base"), _above("base", retry.base, "cap", retry.cap)
    retry = overlay(RetrySettings(), defaults)
    if retry.base > retry.cap:
        yield ("defaults", "retry", "base"), _above("base", retry.base, "cap", retry.cap)


def _above(name: str, value: float, other: str, limit: float) -> str:
    return f"{name} ({show_duration(value)}) is above {other} ({show_duration(limit)})"


def _contradiction(when: WhenModel, window: int | None) -> Finding | None:
    low, high = when.min_tokens, when.max_tokens
    if all(value is None for _, value in when):
        return (), "holds no condition; leave it out or write one"
    if low is not None and high is not None and low > high:
        return ("min_tokens",), f"min_tokens ({low}) is above max_tokens ({high}): no request can fit"
    if low is not None and window is not None and low > window:
        return ("min_tokens",), f"min_tokens ({low}) is above the context window ({window}): no request can fit"
    return None


def check_conditions(draft: Draft) -> Findings:
    """A `when` that no request can meet makes a target that is never asked."""
    said = statements(draft.document, draft.route_places)
    for index, route in draft.routes:
        for place, target in _flat(index, route):
            windows = said.get(target.to, {}).get("context_window", [])
            window = next((found.value for found in windows if isinstance(found.value, int)), None)
            finding = _contradiction(target.when, window) if target.when is not None else None
            if finding is not None:
                yield (*place, "when", *finding[0]), finding[1]


def check_facts(draft: Draft) -> Findings:
    """Caps, context window and price belong to provider/model: they cannot differ from place to place."""
    for identity, facts in statements(draft.document, draft.route_places).items():
        for fact, found in facts.items():
            yield from _differing(draft, identity, fact, found)
        caps = facts.get("max_queue", []), facts.get("max_in_flight", [])
        if caps[0] and not caps[1]:
            yield caps[0][0].location, "has no effect without max_in_flight: nothing ever waits"


def _differing(draft: Draft, identity: str, fact: str, found: list[Statement]) -> Findings:
    first = found[0]
    for other in found[1:]:
        if other.value != first.value:
            line = draft.source.line(draft.locate(first.location))
            yield other.location, f'contradicts the {fact} given for "{identity}" in line {line}; it is one for all routes'
