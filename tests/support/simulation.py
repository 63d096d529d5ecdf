"""The real pipeline under the virtual-time loop, against simulated providers: what the promise tests run on.

The profile is the test profile of the promises: connect 1 s, first content 2 s, idle 1 s, total 30 s; breakers look at 10 s,
open for 5 s, stall after 0.75 s. Provider A is preferred, B the fallback.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from proxy.assemble import Parts, assemble
from proxy.core.settings import (
    BreakerSettings,
    Credential,
    Origin,
    ProbeSettings,
    Provider,
    RetrySettings,
    Route,
    ServerSettings,
    Settings,
    Target,
    Timeouts,
)
from proxy.core.sources import OAuthSource
from proxy.core.usage import Usage, UsageSource
from proxy.pipeline.estimation import EstimateJob
from proxy.rehearse.behaviour import Behaviour
from proxy.rehearse.client import SimulatedClient, Wish, crowd
from proxy.rehearse.invariants import Evidence
from proxy.rehearse.issuer import IssuerNetwork, IssuerPlan, SimulatedIssuer, token_url
from proxy.rehearse.network import SimulatedNetwork
from proxy.rehearse.provider import SimulatedProvider
from proxy.rehearse.schedule import Schedule, always, spans
from proxy.rehearse.stage import Notes
from proxy.rehearse.virtual_loop import run
from proxy.transport.credentials.refresher import Refresher
from proxy.transport.credentials.surroundings import Surroundings

TIMEOUTS = Timeouts(connect=1.0, first_content=2.0, idle=1.0, total=30.0)
BREAKER = BreakerSettings(window=10.0, slow=1.5, stall_floor=0.75, stall_factor=3.0, open_for=5.0, open_cap=60.0, ramp=10.0)
RETRY = RetrySettings()
PASSIVE = ProbeSettings(kind="passive")


def provider(
    name: str, keys: int = 1, probe: ProbeSettings = PASSIVE, preset: str = "custom", tokens: bool = False
) -> Provider:
    """`tokens`: its one credential is a token of the simulated issuer of the same name."""
    credentials = tuple(Credential(f"{name}#{n}", f"sk-{name}-{n}") for n in range(1, keys + 1))
    if tokens:
        credentials = (Credential(f"{name}#1", source=OAuthSource(token_url(name), "undimmed", "a secret")),)
    return Provider(name, "openai", preset, Origin("http", f"{name}.test", 80, "/v1"), credentials, probe=probe)


def settings(
    tiers: Sequence[Sequence[str | Target]] = (("a/m",), ("b/m",)),
    *,
    strategy: str = "ordered",
    breaker: BreakerSettings = BREAKER,
    timeouts: Timeouts = TIMEOUTS,
    retry: RetrySettings = RETRY,
    providers: Mapping[str, Provider] | None = None,
    heartbeat: float = 15.0,
) -> Settings:
    def target(place: str | Target) -> Target:
        if isinstance(place, Target):
            return place
        name, _, model = place.partition("/")
        return Target(name, model)

    placed = tuple(tuple(target(place) for place in tier) for tier in tiers)
    names = dict.fromkeys(t.provider for tier in placed for t in tier)
    route = Route("lamp", ("lamp",), placed, strategy=strategy, timeouts=timeouts, retry=retry, heartbeat=heartbeat)
    return Settings(
        ServerSettings(),
        dict(providers) if providers is not None else {name: provider(name) for name in names},
        (route,),
        breaker=breaker,
        timeouts=timeouts,
        retry=retry,
        source="test",
    )


class InlineEstimator:
    """Estimates on the loop's next turn, by length alone: deterministic and enough where counting is not the subject."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def submit(self, job: EstimateJob, done: Callable[[Usage], None]) -> None:
        size = sum(len(text) for text in job.texts or ())
        self._loop.call_soon(done, Usage(input=10, output=size // 4, source=UsageSource.ESTIMATE))


@dataclass
class Outcome:
    """What a run left behind."""

    clients: list[SimulatedClient]
    network: SimulatedNetwork
    notes: Notes
    parts: Parts
    issuers: Mapping[str, SimulatedIssuer] = field(default_factory=dict)

    def evidence(self, faults: Sequence[float] = ()) -> Evidence:
        """What the invariants are judged by; `faults` in seconds of the run."""
        epoch = self.network.epoch
        return Evidence(
            settings=self.parts.gateway.routing.settings,
            clients=self.clients,
            contacts=self.network.contacts,
            records=self.notes.calls,
            changes=self.notes.changes,
            faults=[epoch + fault for fault in faults],
        )

    @property
    def verdicts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for client in self.clients:
            counts[client.verdict] = counts.get(client.verdict, 0) + 1
        return counts

    def contacts(self, provider: str, since: float = 0.0, until: float = float("inf")) -> int:
        """Requests that a provider saw, probes aside, in a span of the run."""
        epoch = self.network.epoch
        return sum(
            c.provider == provider and not c.probe and since <= c.started_at - epoch < until for c in self.network.contacts
        )


def steady(rate: float, seconds: float, start: float = 0.0, **wish: object) -> list[tuple[float, Wish]]:
    """Evenly spaced requests."""
    count = round(rate * seconds)
    return [(start + n / rate, Wish(f"r{n}", **wish)) for n in range(count)]  # type: ignore[arg-type]


@dataclass
class World:
    """A proxy and its providers inside a run, for tests that act themselves."""

    parts: Parts
    network: SimulatedNetwork
    notes: Notes
    providers: dict[str, SimulatedProvider]
    issuers: Mapping[str, SimulatedIssuer]
    refresher: Refresher

    @property
    def serve(self) -> Callable[..., object]:
        return self.parts.gateway.serve

    def client(self, wish: Wish, body: bytes | None = None) -> SimulatedClient:
        return SimulatedClient(wish, body)

    async def one(self, wish: Wish, body: bytes | None = None, headers: dict[str, str] | None = None) -> SimulatedClient:
        return await SimulatedClient(wish, body).ask(self.parts.gateway.serve, headers)


def build(
    schedules: Mapping[str, Schedule | Behaviour],
    configured: Settings,
    rng: Random,
    prober: bool = False,
    issuers: Mapping[str, IssuerPlan] | None = None,
) -> tuple[World, "asyncio.Task[None] | None"]:
    loop = asyncio.get_running_loop()
    providers = {
        name: SimulatedProvider(name, plan if isinstance(plan, Schedule) else always(plan))
        for name, plan in schedules.items()
    }
    network = SimulatedNetwork(loop, Random(rng.getrandbits(64)), providers)
    notes = Notes()
    parts = assemble(configured, network, InlineEstimator(loop), [notes], rng, wall=lambda: 1.0e9 + loop.time())
    probing = loop.create_task(parts.prober.run()) if prober else None
    simulated = {name: SimulatedIssuer(name, plan) for name, plan in (issuers or {}).items()}
    token_http = IssuerNetwork(loop, Random(rng.getrandbits(64)), simulated)
    refresher = Refresher(Surroundings(loop, token_http, rng, wall=lambda: 1.0e9 + loop.time()))
    refresher.follow(parts.gateway.routing.rings.values())
    return World(parts, network, notes, providers, simulated, refresher), probing


def rehearse(
    schedules: Mapping[str, Schedule | Behaviour],
    wishes: list[tuple[float, Wish]],
    configured: Settings | None = None,
    *,
    seed: int = 1,
    prober: bool = False,
    issuers: Mapping[str, IssuerPlan] | None = None,
) -> Outcome:
    """Play a whole load and give back everything that happened."""

    async def play(rng: Random) -> Outcome:
        world, probing = build(schedules, configured or settings(), rng, prober, issuers)
        clients = await crowd(world.parts.gateway.serve, wishes)
        await asyncio.sleep(2.0)  # late estimates and endings
        if probing is not None:
            probing.cancel()
        await world.refresher.aclose()
        return Outcome(clients, world.network, world.notes, world.parts, world.issuers)

    return run(play, seed=seed)


def play(
    script: Callable[[World], object],
    schedules: Mapping[str, Schedule | Behaviour],
    configured: Settings | None = None,
    *,
    seed: int = 1,
    issuers: Mapping[str, IssuerPlan] | None = None,
) -> object:
    """Run a test's own coroutine in a world of virtual time."""

    async def body(rng: Random) -> object:
        world, _ = build(schedules, configured or settings(), rng, issuers=issuers)
        return await script(world)  # type: ignore[misc]

    return run(body, seed=seed)


__all__ = [
    "BREAKER",
    "PASSIVE",
    "TIMEOUTS",
    "Outcome",
    "World",
    "always",
    "play",
    "provider",
    "rehearse",
    "replace",
    "settings",
    "spans",
    "steady",
]
