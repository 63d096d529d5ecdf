"""A consistent document into the `Settings` of the running proxy: defaults laid under, presets filled in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any, TypeVar

from proxy.config.addresses import parse_base_url
from proxy.config.alert_settings import alerts_of
from proxy.config.capacity_models import make_overload
from proxy.config.credential_sources import credential_of
from proxy.config.detect_rules import detect_settings
from proxy.config.limit_rules import make_limits
from proxy.config.models import (
    DefaultsModel,
    Document,
    KeyModel,
    LedgerModel,
    ProviderModel,
    RouteModel,
    ServerModel,
    TargetModel,
    parse_moment,
    split_address,
)
from proxy.config.pricing import make_price, pricing_of, usual_price
from proxy.config.resilience_models import CacheModel, EscalateModel
from proxy.config.shapes import PriceModel, Section, TimeoutModel
from proxy.config.source import Path
from proxy.core.escalation import Escalation
from proxy.core.facts import ModelFacts
from proxy.core.features import Feature
from proxy.core.settings import (
    BreakerSettings,
    ClientKey,
    Hedge,
    KeyStoreSettings,
    LedgerSettings,
    Origin,
    ProbeSettings,
    Provider,
    RetrySettings,
    Route,
    ServerSettings,
    Settings,
    ShelfSettings,
    Target,
    Timeouts,
    When,
)
from proxy.providers.model_facts import facts_of
from proxy.providers.presets import PRESETS, Preset, find_preset
from proxy.providers.table import KINDS

Base = TypeVar("Base", Timeouts, RetrySettings, BreakerSettings, ProbeSettings)

#: Properties of a target's id, wherever they are written.
FACTS = ("max_in_flight", "max_queue", "context_window", "price")


@dataclass(frozen=True, slots=True)
class Statement:
    """Something the file says about a target id, and where."""

    location: Path
    value: object


def overlay(base: Base, *sections: Section | None) -> Base:
    """`base` with everything that the sections say, later ones on top."""
    for section in sections:
        if section is not None:
            base = replace(base, **{key: value for key, value in section if value is not None})
    return base


def preset_of(provider: ProviderModel) -> Preset:
    """Told by `preset`, else by `kind`, else by the host of the base URL; `openai` alone is OpenAI itself."""
    if provider.preset is not None:
        return PRESETS[provider.preset]
    if provider.kind != "openai":
        return PRESETS[provider.kind]
    if provider.base_url is None:
        return PRESETS["openai"]
    return find_preset(parse_base_url(provider.base_url).host)


def origin_of(provider: ProviderModel) -> Origin:
    """ValueError where there is no usable base URL."""
    url = provider.base_url or preset_of(provider).locate(provider.region)
    if not url:
        raise ValueError("is required: this kind of server has no usual address")
    return parse_base_url(url)


def fit_timeouts(defaults: TimeoutModel | None, own: TimeoutModel | None) -> Timeouts:
    """The limits of a route. Values that nobody wrote bend to those that somebody did: a written total of 10s
    also bounds the shipped first-content limit."""
    limits = overlay(Timeouts(), defaults, own)
    first = limits.first_content if _written("first_content", defaults, own) else min(limits.first_content, limits.total)
    idle = limits.idle if _written("idle", defaults, own) else min(limits.idle, limits.total)
    connect = limits.connect if _written("connect", defaults, own) else min(limits.connect, first)
    return replace(limits, connect=connect, first_content=first, idle=idle)


def _written(name: str, *sections: Section | None) -> bool:
    return any(section is not None and getattr(section, name) is not None for section in sections)


def statements(document: Document, places: Sequence[int]) -> dict[str, dict[str, list[Statement]]]:
    """target id -> fact -> everything said about it. `places` numbers the routes as in the file."""
    said: dict[str, dict[str, list[Statement]]] = {}

    def note(identity: str, section: Section, location: Path) -> None:
        for fact in FACTS:
            value = getattr(section, fact)
            if value is not None:
                said.setdefault(identity, {}).setdefault(fact, []).append(Statement((*location, fact), value))

    for name, provider in document.providers.items():
        for model, upstream in provider.models.items():
            note(f"{name}/{model}", upstream, ("providers", name, "models", model))
    for place, route in zip(places, document.routes, strict=True):
        for above, tiers in ((("targets",), route.targets), (("degrade", "targets"), route.last_resorts)):
            for row, tier in enumerate(tiers):
                for column, target in enumerate(tier):
                    note(target.to, target, ("routes", place, *above, row, column))
    return said


def _number(facts: Mapping[str, list[Statement]], name: str) -> int | None:
    value = facts[name][0].value if name in facts else None
    return value if isinstance(value, int) else None


def facts_for(model: TargetModel, provider: ProviderModel) -> ModelFacts:
    """What is bundled about the target's model, with what the file says laid over it."""
    facts = facts_of(model.model)
    said = provider.models.get(model.model)
    if said is None:
        return facts
    lacks = facts.lacks if said.lacks is None else frozenset(Feature(name) for name in said.lacks)
    return replace(facts, lacks=lacks, max_output=said.max_output or facts.max_output)


def _target(
    model: TargetModel, provider: ProviderModel, facts: Mapping[str, list[Statement]], patience: float | None
) -> Target:
    bare = Target(model.provider, model.model)
    said = facts["price"][0].value if "price" in facts else None
    pricing = None if isinstance(said, PriceModel) else pricing_of(preset_of(provider).name)
    tariff = None if pricing is None else pricing.tariff(model.model)
    queue = _number(facts, "max_queue")
    return replace(
        bare,
        weight=bare.weight if model.weight is None else model.weight,
        max_in_flight=_number(facts, "max_in_flight"),
        max_queue=bare.max_queue if queue is None else queue,
        context_window=_number(facts, "context_window"),
        price=make_price(said) if isinstance(said, PriceModel) else usual_price(tariff),
        tariff=tariff,
        when=None if model.when is None else When(**dict(model.when)),
        first_content=patience,
        facts=facts_for(model, provider),
    )


def _provider(name: str, model: ProviderModel, defaults: DefaultsModel, folder: FilePath, hints: bool) -> Provider:
    given = [credential for credential in model.credentials if not credential.empty]
    preset = preset_of(model)
    provider = Provider(
        name=name,
        kind=model.kind if model.kind in KINDS else "openai",
        preset=preset.name,
        origin=origin_of(model),
        credentials=tuple(credential_of(f"{name}#{i}", one, folder) for i, one in enumerate(given, start=1)),
        headers={key.lower(): value.get_secret_value() for key, value in model.headers.items()},
        probe=overlay(ProbeSettings(), defaults.probe, model.probe),
        direct=model.direct,
        relay=model.relay,
        first_content=patience_of(model, defaults.timeout),
        region=model.region or preset.region,
        project=model.project or "",
        api_version=model.api_version or "",
        pricing=pricing_of(preset.name),
        limits=make_limits(model.limits, model.budget),
        adaptive=(defaults.adaptive is not False) if model.adaptive is None else model.adaptive,
        status_feed=feed_of(model, hints),
        detect=detect_settings(0.0 if preset.queues else None, defaults.detect, model.detect),
    )
    return provider if model.max_connections is None else replace(provider, max_connections=model.max_connections)


def feed_of(provider: ProviderModel, hints: bool) -> str | None:
    """The address of the status page to read. `hints`: the usual ones are wanted."""
    said = provider.status_feed
    if said == "off" or (said is None and not hints):
        return None
    return preset_of(provider).status_feed or None if said in (None, "usual") else said


def patience_of(provider: ProviderModel, *written: TimeoutModel | None) -> float | None:
    """How long a slow starter may take to its first content, unless somebody has written a limit."""
    usual = preset_of(provider).first_content
    if usual is None or _written("first_content", *written):
        return None
    total = overlay(Timeouts(), *written).total
    return min(usual, total)


#: Keys of a route that are settings as they stand.
_ROUTE_KEYS = ("sticky_header", "heartbeat", "on_leave", "resume", "hold")


def _route(model: RouteModel, document: Document, said: Mapping[str, Mapping[str, list[Statement]]]) -> Route:
    defaults = document.defaults
    changes: dict[str, Any] = {key: value for key in _ROUTE_KEYS if (value := getattr(model, key)) is not None}
    strategy = model.strategy or defaults.strategy
    if strategy is not None:
        changes["strategy"] = strategy

    def place(target: TargetModel) -> Target:
        provider = document.providers[target.provider]
        patience = patience_of(provider, defaults.timeout, model.timeout)
        return _target(target, provider, said.get(target.to, {}), patience)

    tiers = [tuple(place(target) for target in tier) for tier in model.targets]
    degrade = model.degrade
    if degrade is not None:
        changes["stale"] = degrade.stale
        for tier in degrade.targets:
            cap = degrade.max_output
            tiers.append(tuple(replace(place(target), last_resort=True, max_answer=cap) for target in tier))
    route = Route(
        name=model.model[0],
        models=model.model,
        tiers=tuple(tiers),
        timeouts=fit_timeouts(defaults.timeout, model.timeout),
        retry=overlay(RetrySettings(), defaults.retry, model.retry),
        hedge=None if model.hedge is None else Hedge(model.hedge.after, model.hedge.share),
        escalate=_escalation(model.escalate),
        limits=make_limits(model.limits, model.budget),
    )
    return replace(route, **changes)


def _escalation(model: EscalateModel | None) -> Escalation | None:
    if model is None:
        return None
    said = {key: value for key, value in model if value is not None}
    return Escalation(**said)


def _server(model: ServerModel) -> ServerSettings:
    host, port = split_address(model.listen)
    changes = {key: value for key, value in model if value is not None and key not in ("listen", "admin", "overload")}
    settings = ServerSettings(host=host, port=port, overload=make_overload(model.overload))
    if model.admin == "off":
        return replace(settings, admin_port=None, **changes)
    admin_host, admin_port = split_address(model.admin)
    return replace(settings, admin_host=admin_host, admin_port=admin_port, **changes)


def _key(model: KeyModel, routes: Sequence[RouteModel]) -> ClientKey:
    key = ClientKey(
        model.name,
        model.hash,
        tags=tuple(sorted(set(model.tags))),
        expires=None if model.expires is None else parse_moment(model.expires),
        limits=make_limits(model.limits, model.budget),
        priority=model.priority,
    )
    return key if model.routes is None else replace(key, routes=resolve_routes(model.routes, routes))


def resolve_routes(allowed: Sequence[str], routes: Sequence[RouteModel]) -> frozenset[str]:
    """Public model names as the names of their routes."""
    names = {public: route.model[0] for route in routes for public in route.model}
    return frozenset(names.get(name, name) for name in allowed)


def _ledger(model: LedgerModel | None, folder: FilePath) -> LedgerSettings | None:
    if model is None:
        return None
    if model.url.startswith("sqlite:"):
        settings = LedgerSettings(str(folder / model.url.removeprefix("sqlite:")))
    else:
        settings = LedgerSettings(str(folder / (model.journal or "undimmed-ledger")), url=model.url)
    return settings if model.retention is None else replace(settings, retention=model.retention)


def _shelf(document: Document, folder: FilePath) -> ShelfSettings | None:
    """Needed as soon as a route may repeat answers."""
    if not any(route.degrade is not None and route.degrade.stale is not None for route in document.routes):
        return None
    model = document.cache or CacheModel()
    return ShelfSettings(str(folder / model.file), model.size)


def build(document: Document, source: str, folder: FilePath) -> Settings:
    """Settings of a document without problems. Relative paths in it begin at `folder`."""
    defaults = document.defaults
    said = statements(document, range(len(document.routes)))
    return Settings(
        server=_server(document.server),
        providers={
            name: _provider(name, provider, defaults, folder, document.hints)
            for name, provider in document.providers.items()
        },
        routes=tuple(_route(route, document, said) for route in document.routes),
        keys=tuple(_key(key, document.routes) for key in document.keys),
        breaker=overlay(BreakerSettings(), defaults.breaker),
        timeouts=fit_timeouts(defaults.timeout, None),
        retry=overlay(RetrySettings(), defaults.retry),
        source=source,
        ledger=_ledger(document.ledger, folder),
        shelf=_shelf(document, folder),
        key_store=None if document.key_store is None else KeyStoreSettings(str(folder / document.key_store)),
        tags={name: make_limits(tag.limits, tag.budget) for name, tag in document.tags.items()},
        alerts=alerts_of(document),
    )
