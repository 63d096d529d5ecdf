"""The demo's cast: three simulated providers on loopback and the settings that route to them.

Made in code, so that the demo needs no file. Breakers forget within seconds here, so that a whole outage with its recovery
fits into less than a minute; everything else is what `undimmed run` would do.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from proxy.core.continuity import Resume
from proxy.core.settings import (
    BreakerSettings,
    Credential,
    Origin,
    ProbeSettings,
    Provider,
    Route,
    ServerSettings,
    Settings,
    Target,
    Timeouts,
)
from proxy.core.usage import Price
from proxy.rehearse.schedule import Schedule, Span

LARGE, SMALL = "lamp-large", "lamp-small"

BREAKER = BreakerSettings(
    window=6.0,
    minimum=10,
    recent=12,
    recent_failures=8,
    consecutive=4,
    slow=1.0,
    slow_rate=0.6,
    stall_count=6,
    stall_factor=0.5,
    stall_floor=0.8,
    open_for=1.2,
    open_cap=1.2,
    ramp=1.5,
    ramp_from=0.2,
)
TIMEOUTS = Timeouts(connect=1.0, first_content=2.0, answer=2.5, idle=2.0, total=20.0)

#: Nano-dollars for a million tokens, in and out.
PRICES = {
    "alpha/sun": Price(2_500_000_000, 10_000_000_000),
    "beta/sun": Price(3_000_000_000, 15_000_000_000),
    "gamma/sun": Price(3_500_000_000, 14_000_000_000),
    "alpha/spark": Price(150_000_000, 600_000_000),
    "beta/spark": Price(200_000_000, 800_000_000),
    "gamma/spark": Price(100_000_000, 400_000_000),
}


def compose_settings(base_urls: Mapping[str, str], port: int) -> Settings:
    """Two routes over the three providers: one with a clear preference, one that spreads to whoever is fastest."""
    providers = {name: _provider(name, url) for name, url in base_urls.items()}
    sun = tuple((_target(name, "sun"),) for name in providers)
    spark = (tuple(_target(name, "spark") for name in providers),)
    routes = (
        Route(LARGE, (LARGE,), sun, timeouts=TIMEOUTS, resume=Resume.SPLICE),
        Route(SMALL, (SMALL,), spark, strategy="fastest", timeouts=TIMEOUTS, resume=Resume.SPLICE),
    )
    server = ServerSettings(port=port, admin_port=None, drain=2.0)
    return Settings(server, providers, routes, breaker=BREAKER, timeouts=TIMEOUTS, source="the demo")


def _provider(name: str, url: str) -> Provider:
    parts = urlsplit(url)
    origin = Origin(parts.scheme, parts.hostname or "127.0.0.1", parts.port or 80, parts.path)
    credential = Credential(f"{name}#1", f"sk-demo-{name}")
    return Provider(name, "openai", "custom", origin, (credential,), probe=ProbeSettings(kind="passive"))


def _target(provider: str, model: str) -> Target:
    return Target(provider, model, price=PRICES.get(f"{provider}/{model}"))


def hurry(schedule: Schedule, speed: float, period: float | None = None) -> Schedule:
    """The same schedule in `1/speed` of the time; with `period` (unscaled seconds) it begins again and again."""
    spans = tuple(Span(span.start / speed, span.end / speed, span.behaviour) for span in schedule.spans)
    return replace(schedule, spans=spans, period=period / speed if period is not None else None)
