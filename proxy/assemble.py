"""The only place that picks implementations.

Everything below is handed what it needs; here it is decided that time is the loop's, that bytes go over our own HTTP/1.1
transport, that estimates are made in one thread, and which sinks a finished call goes to. The demo, the tests and the
simulated rehearsals assemble the same parts with other ends.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from random import Random, SystemRandom
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import Transport
from proxy.core.features import HARD, Fate
from proxy.core.records import Sink, StateChange
from proxy.core.settings import Provider, Settings, Target
from proxy.core.tunnel import Tunnels
from proxy.core.usage import Usage
from proxy.gateway import Gateway
from proxy.pipeline.accounting import Accounting
from proxy.pipeline.accounts import Accounts
from proxy.pipeline.drills import Drills
from proxy.pipeline.estimation import EstimateJob, Estimator, ThreadEstimator
from proxy.pipeline.forward import Forwarder
from proxy.pipeline.gate import Gate
from proxy.pipeline.probes import Prober
from proxy.pipeline.queueing import CapacityQueues
from proxy.pipeline.routing import Routing
from proxy.pipeline.services import Services
from proxy.policy.abilities import Ability
from proxy.policy.credentials import CredentialRing
from proxy.policy.domains import Domains, Territory
from proxy.policy.pins import Pins
from proxy.policy.siblings import relate
from proxy.policy.targets import TargetState
from proxy.providers.contract import ProviderKind
from proxy.providers.presets import PRESETS
from proxy.providers.relays import find_served
from proxy.providers.table import KINDS
from proxy.server.litellm_metrics import litellm_metrics
from proxy.stores import vocabulary
from proxy.stores.incident_file import IncidentFile, incident_path
from proxy.stores.incident_sink import IncidentSink
from proxy.stores.ledger import place
from proxy.stores.ledger.contract import Ledger
from proxy.stores.ledger.tariff import tariff_of
from proxy.stores.litellm import LitellmTally
from proxy.stores.shelf import SqliteShelf
from proxy.stores.sinks import Sinks
from proxy.stores.tally import Tally
from proxy.tokens.count import Counter
from proxy.tokens.encoding import build, needed
from proxy.tokens.estimate import estimate
from proxy.transport.judging import OutsideJudge, schema_test


def bind_kinds(providers: Mapping[str, Provider]) -> dict[str, ProviderKind]:
    """The wire format of each configured provider."""
    return {name: KINDS[provider.kind](provider) for name, provider in providers.items()}


def release_to(queues: CapacityQueues, state: TargetState) -> Callable[[], None]:
    """The hook by which a target serves those who queue for it; does not keep the target alive."""
    target = ref(state)

    def release() -> None:
        live = target()
        if live is not None:
            queues.release(live)

    return release


class TargetRegistry:
    """The live states by target id, kept over reloads: a breaker that is open stays open when a route is renamed.

    A state is made anew only when what it was made from has changed (credentials, breaker or retry settings); calls
    under way settle their permits with the old one. States are held weakly: they live as long as a routing or a permit
    needs them, so clients that address models by name cannot make them pile up.
    """

    def __init__(self, rng: Random, on_change: Callable[[StateChange], None], queues: CapacityQueues) -> None:
        self._rng = rng
        self._on_change = on_change
        self._queues = queues
        self._states: WeakValueDictionary[str, TargetState] = WeakValueDictionary()
        self._made_from: WeakKeyDictionary[TargetState, object] = WeakKeyDictionary()
        self._rings: dict[str, tuple[object, CredentialRing]] = {}
        self._domains: Domains | None = None

    def ring(self, settings: Settings, provider: str) -> CredentialRing:
        credentials = settings.providers[provider].credentials
        known = self._rings.get(provider)
        if known is None or known[0] != credentials:
            ring = CredentialRing(provider, credentials, self._rng, self._on_change)
            known = self._rings[provider] = (credentials, ring)
        return known[1]

    def state_of(self, settings: Settings, kinds: Mapping[str, ProviderKind], target: Target) -> TargetState:
        ring = self.ring(settings, target.provider)
        breaker = settings.breaker
        if PRESETS[settings.providers[target.provider].preset].queues:
            breaker = replace(breaker, stall=False)
        provider = settings.providers[target.provider]
        made_from = (id(ring), breaker, settings.retry, provider.detect, provider.origin, provider.region)
        state = self._states.get(target.id)
        if state is None or self._made_from[state] != made_from:
            state = TargetState(target, ring, breaker, settings.retry, self._rng, self._on_change)
            state.on_release = release_to(self._queues, state)
            state.territory = self._territory(settings, provider) if provider.detect.domains else None
            state.detect = provider.detect if provider.detect.watches else None
            self._states[target.id] = state
            self._made_from[state] = made_from
        state.target = target
        state.min_rate = provider.detect.min_rate
        state.adapt(provider.adaptive)
        state.probe = provider.probe
        state.free_probe_lies = kinds[target.provider].free_probe_lies
        return state

    def _territory(self, settings: Settings, provider: Provider) -> Territory:
        if self._domains is None:
            self._domains = Domains(settings.breaker, self._rng, self._on_change)
        return self._domains.territory(provider)


def make_routing(settings: Settings, registry: TargetRegistry) -> Routing:
    """A routing for these settings, on the live states there are."""
    kinds = bind_kinds(settings.providers)
    rings = {name: registry.ring(settings, name) for name in settings.providers}
    served = {name: kinds[name].endpoints | find_served(known) for name, known in settings.providers.items()}
    routing = Routing(
        settings,
        kinds,
        lambda target: registry.state_of(settings, kinds, target),
        rings,
        lambda target: find_ability(kinds[target.provider], target.model, served[target.provider]),
    )
    relate([[[candidate.state for candidate in tier] for tier in route.tiers] for route in routing.routes])
    return routing


def find_ability(kind: ProviderKind, model: str, served: frozenset[Endpoint]) -> Ability:
    """What a provider can do with one of its models. `served`: what is relayed comes on top of what its format has."""
    refuses = {
        endpoint: frozenset(feature for feature in HARD if kind.fate(endpoint, feature, model) is Fate.REFUSED)
        for endpoint in kind.endpoints
    }
    return Ability(served, refuses)


@dataclass(slots=True)
class Parts:
    """One assembled proxy without its listeners."""

    gateway: Gateway
    prober: Prober
    accounting: Accounting
    registry: TargetRegistry
    services: Services
    drills: Drills
    incidents: IncidentSink

    def routing(self, settings: Settings) -> Routing:
        """A routing for these settings, on the live states there are."""
        routing = make_routing(settings, self.registry)
        self.incidents.use(settings)
        return routing


class Encodings:
    """The vocabularies that estimates need, of the models that are configured. They are read and checked at once, so that a
    damaged installation does not start; they are built by `build`, or by the first estimate if that comes earlier, since
    building one holds the interpreter for about a third of a second. For one thread."""

    def __init__(self, names: Iterable[str]) -> None:
        self._files = {name: vocabulary.load(name) for name in names}
        self._counter: Counter | None = None

    def build(self) -> Counter:
        if self._counter is None:
            self._counter = Counter({name: build(name, data) for name, data in self._files.items()})
            self._files.clear()
        return self._counter

    def estimate(self, job: EstimateJob) -> Usage:
        return estimate(self.build(), job.endpoint, job.fields, job.texts, job.model, job.factor)


def thread_estimator(loop: asyncio.AbstractEventLoop, settings: Settings) -> ThreadEstimator:
    """Estimates in one thread of our own, so that nothing else can keep it busy."""
    models = [target.model for route in settings.routes for target in route.targets]
    encodings = Encodings(needed(models))
    return ThreadEstimator(loop, ThreadPoolExecutor(1, "undimmed-count"), encodings.estimate, encodings.build)


def open_ledger(
    settings: Settings,
    wall: Callable[[], float] = time.time,  # noqa: TID251 (this is the injection)
) -> Ledger | None:
    """The ledger of a configuration, not started yet; None: it names none."""
    if settings.ledger is None:
        return None
    ledger = place.open_ledger(settings.ledger, wall)
    ledger.use(tariff_of(settings))
    return ledger


def judge_outside(services: Services) -> OutsideJudge:
    """Let answers be judged by programs and addresses of the operator's, and by schemas where the package is there."""
    services.judge = judge = OutsideJudge()
    if find_spec("jsonschema") is not None:
        services.schemas = schema_test
    return judge


def open_shelf(settings: Settings) -> SqliteShelf | None:
    """Where a configuration's answers are kept; None: no route repeats any."""
    return None if settings.shelf is None else SqliteShelf(Path(settings.shelf.path), settings.shelf.size)


def keep_incidents(incidents: IncidentSink, settings: Settings) -> IncidentFile | None:
    """Remember incidents beside the ledger, and recall those of earlier processes; None: there is no ledger."""
    if settings.ledger is None:
        return None
    file = IncidentFile(incident_path(Path(settings.ledger.path)))
    incidents.book.incidents.extendleft(reversed(file.load()))
    incidents.listeners.append(lambda incident: file.write(incident, incidents.book.incidents))
    return file


def assemble(
    settings: Settings,
    transport: Transport,
    estimator: Estimator,
    sinks: list[Sink],
    rng: Random | None = None,
    wall: Callable[[], float] = time.time,  # noqa: TID251 (this is the injection)
) -> Parts:
    """Put a proxy together on the running loop. Incidents are always the first sink, since they complete the records."""
    loop = asyncio.get_running_loop()
    tally = Tally(wall())
    incidents = IncidentSink(wall, loop.time)
    incidents.use(settings)
    aliases = LitellmTally() if settings.server.metrics_aliases == "litellm" else None
    sink = Sinks([incidents, tally, *sinks, *([aliases] if aliases is not None else [])])
    services = Services(
        loop=loop,
        transport=transport,
        rng=rng or Random(SystemRandom().getrandbits(64)),
        wall=wall,
        sink=sink,
        max_answer=settings.server.max_answer,
        witness=sink.attempt_started,
        tunnels=transport if isinstance(transport, Tunnels) else None,
    )
    queues = CapacityQueues(loop)
    registry = TargetRegistry(services.rng, sink.state_changed, queues)
    routing = make_routing(settings, registry)
    accounting = Accounting(sink, estimator)
    gate = Gate(loop.time, wall, sink.budget_reached)
    gate.use(settings)
    forwarder = Forwarder(services, routing, queues, accounting, Accounts(Pins()), gate)
    gateway = Gateway(forwarder, accounting, queues, tally, wall)
    if aliases is not None:
        gateway.add_metrics(litellm_metrics(aliases))
    gateway.tell_incidents(incidents)
    prober = Prober(services, lambda: forwarder.routing)
    drills = Drills(services)
    gateway.attend(drills)
    return Parts(gateway, prober, accounting, registry, services, drills, incidents)
