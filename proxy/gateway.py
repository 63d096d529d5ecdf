"""The gateway: everything the listeners can ask, in one object.

It ties the floors together and decides nothing: calls go to the pipeline's forwarder, views to its surveyor, pages to the
server's renderers. A reload replaces `routing` in one assignment; calls under way keep the one they began with.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from proxy import __version__
from proxy.core.alarming import AlarmFigures
from proxy.core.call import Needs
from proxy.core.drill import DrillOrder
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, Downstream
from proxy.pipeline.accounting import Accounting
from proxy.pipeline.drills import Drill, Drills
from proxy.pipeline.forward import Forwarder
from proxy.pipeline.gate import Gate
from proxy.pipeline.opening import unknown_model
from proxy.pipeline.queueing import CapacityQueues
from proxy.pipeline.quoting import Quoter
from proxy.pipeline.routing import Routing
from proxy.pipeline.survey import Surveyor
from proxy.server import pages
from proxy.server.application import Identity, Page
from proxy.server.drills import DrillView
from proxy.server.gauges import CredentialGauge, Gauges, TargetGauge
from proxy.server.keyring import make_keyring
from proxy.server.limits_page import limits_view
from proxy.server.metrics import Metric, render
from proxy.server.protection import Protection
from proxy.server.refusals import Refusal
from proxy.server.reports import Reports
from proxy.stores.incident_sink import IncidentSink
from proxy.stores.ledger.contract import Ledger, LedgerState
from proxy.stores.process import read_process
from proxy.stores.tally import Tally


class Edges(Protocol):
    """What the listeners and the transport can tell about themselves, for metrics."""

    def client_connections(self) -> int: ...

    def calls_in_flight(self) -> int: ...

    def upstream_connections(self) -> Mapping[tuple[str, str], int]: ...

    def dropped_log_lines(self) -> int: ...

    def refused_requests(self) -> Mapping[str, int]: ...

    def cut_connections(self) -> Mapping[str, int]: ...

    def handler_failures(self) -> int: ...


class Alarms(Protocol):
    """What alerts and status pages have to show (`watchtower`)."""

    def health(self) -> dict[str, object] | None: ...

    def status_page(self, provider: str) -> dict[str, object] | None: ...

    def hint(self, provider: str) -> str: ...

    def view(self) -> dict[str, object]: ...

    def figures(self) -> AlarmFigures: ...


@dataclass(slots=True)
class ConfigState:
    """What `/health` says of the configuration: where the running one came from, and why a newer one was refused."""

    source: str
    loaded_at: float
    error: str | None = None


class Gateway:
    """Implements `server.application.Application` and the admin plane's questions."""

    def __init__(
        self,
        forwarder: Forwarder,
        accounting: Accounting,
        queues: CapacityQueues,
        tally: Tally,
        wall: Callable[[], float],
    ) -> None:
        self._forwarder = forwarder
        self._calibration = accounting.calibration
        self._queues = queues
        self._loop = asyncio.get_running_loop()
        self._surveyor = Surveyor(self._loop, queues, accounting.calibration, wall)
        self._quoter = Quoter(accounting, self._surveyor, wall)
        self._wall = wall
        self._began = wall()
        self.strained = False
        self.protection = Protection(self._loop, forwarder.routing.settings.server, self.strain)
        self._edges: Edges | None = None
        self._ledger: Ledger | None = None
        self._alarms: Alarms | None = None
        self._aliases: Sequence[Metric] = ()
        self._reports = Reports(lambda: forwarder.routing.settings, wall)
        self._drills: Drills | None = None
        self._chronicle: IncidentSink | None = None
        self.tally = tally
        self.draining = False
        self._keys = make_keyring(forwarder.routing.settings, wall)
        self._relays = _has_relay(forwarder.routing)
        self._config = ConfigState(forwarder.routing.settings.source, self._began)

    @property
    def routing(self) -> Routing:
        return self._forwarder.routing

    @property
    def gate(self) -> Gate:
        return self._forwarder.gate

    def use(self, routing: Routing) -> None:
        """Serve the next calls by this routing."""
        self._forwarder.routing = routing
        self.gate.use(routing.settings)
        self.protection.use(routing.settings.server)
        self._keys = make_keyring(routing.settings, self._wall)
        self._relays = _has_relay(routing)
        self._config = ConfigState(routing.settings.source, self._wall())

    def config_rejected(self, error: str) -> None:
        """A newer configuration was invalid; the old one goes on, and `/health` says so."""
        self._config.error = error

    @property
    def rejection(self) -> str | None:
        """Why a newer configuration was refused."""
        return self._config.error

    def heed(self, alarms: Alarms) -> None:
        """Show these alerts and status pages."""
        self._alarms = alarms

    def watch(self, edges: Edges) -> None:
        self._edges = edges

    def tell_incidents(self, chronicle: IncidentSink) -> None:
        """Show these incidents."""
        self._chronicle = chronicle

    def keep(self, ledger: Ledger) -> None:
        """Show how this ledger is."""
        self._ledger = ledger

    def add_metrics(self, aliases: Sequence[Metric]) -> None:
        """Show these in `/metrics` too."""
        self._aliases = aliases

    def attend(self, drills: Drills) -> None:
        """Take orders for these."""
        self._drills = drills

    def strain(self, strained: bool) -> None:
        """Whether calls are turned away from now on."""
        self.strained = strained

    # Application.

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        return self._keys.identify(headers)

    def turn_away(self, identity: Identity, headers: Mapping[str, str]) -> Refusal | None:
        return self.protection.turn_away(identity, headers)

    def serve(self, request: ClientRequest, downstream: Downstream) -> Coroutine[object, object, None]:
        if request.endpoint is Endpoint.TOKENS:
            return self._quoter.serve(self.routing, request, downstream)
        return self._forwarder.serve(request, downstream)

    @property
    def relays(self) -> bool:
        return self._relays

    def page(self, path: str, query: str, identity: Identity, anthropic: bool = False) -> Page | None:
        maker = (ANTHROPIC_PAGES if anthropic else PAGES).get(path)
        if maker is not None:
            return maker(self, identity)
        if path.startswith(MODEL_PREFIX):
            return self._model(unquote(path[len(MODEL_PREFIX) :]), identity, anthropic)
        return None

    def _models(self, identity: Identity) -> Page:
        return pages.models_page(self.routing.names(identity.routes), int(self._began))

    def _anthropic_models(self, identity: Identity) -> Page:
        return pages.anthropic_models_page(self.routing.names(identity.routes), int(self._began))

    def _model(self, name: str, identity: Identity, anthropic: bool) -> Page:
        state = self.routing.find(name)
        if state is None or not self.routing.allows(state, name, identity.routes):
            problem = unknown_model(self.routing, name, identity.routes)
            return pages.anthropic_problem_page(problem) if anthropic else pages.problem_page(problem)
        show = pages.anthropic_model_page if anthropic else pages.model_page
        return show(name, int(self._began))

    def _ready(self, _: Identity) -> Page:
        ready = self._surveyor.ready(self.routing)
        return pages.ready_page(ready, self.draining, [] if ready else ["no route has a target that can serve"])

    def _health(self, _: Identity) -> Page:
        return pages.health_page(self.survey())

    def _metrics(self, _: Identity) -> Page:
        return pages.metrics_page(render(self.tally, self._gauges(), self._aliases))

    # The admin plane.

    def explain(self, model: str, tools: bool, images: bool, tokens: int) -> Page:
        """Where a request for this model would go now, and why not elsewhere."""
        state = self.routing.find(model)
        if state is None:
            return pages.problem_page(unknown_model(self.routing, model, None))
        needs = Needs(tools=tools, images=images, tokens=tokens)
        hint = self._alarms.hint if self._alarms is not None else None
        return pages.health_page(self._surveyor.explain(state, model, needs, Endpoint.CHAT, hint))

    def alerts(self) -> Page:
        """What fires, what was sent last, and how the webhooks do."""
        return pages.health_page({"object": "alerts"} if self._alarms is None else self._alarms.view())

    def report(self, query: Mapping[str, str]) -> Coroutine[object, object, Page | Refusal]:
        """Where tokens and money went, from the ledger."""
        return self._reports.answer(query)

    def start_drill(self, order: DrillOrder) -> DrillView:
        """Begin a fire drill. ValueError says why not."""
        if self._drills is None:
            raise ValueError("this proxy runs no drills")
        providers = self.routing.settings.providers
        if order.provider not in providers:
            raise ValueError(f"there is no provider {order.provider!r}; there are {', '.join(providers)}")
        return self._show_drill(self._drills.start(order))

    def stop_drills(self, provider: str | None, by: str) -> list[DrillView]:
        """End the drill of a provider, or all. ValueError where the one that is named has none."""
        if self._drills is None:
            return []
        cause = f"stopped by {by or 'somebody on this machine'}"
        if provider is None:
            return [self._show_drill(drill) for drill in self._drills.stop_all(cause)]
        stopped = self._drills.stop(provider, cause)
        if stopped is None:
            raise ValueError(f"{provider!r} has no drill")
        return [self._show_drill(stopped)]

    def drills(self) -> list[DrillView]:
        """The drills under way."""
        return [] if self._drills is None else [self._show_drill(drill) for drill in self._drills.active.values()]

    def _show_drill(self, drill: Drill) -> DrillView:
        order = drill.order
        rest = round(max(0.0, drill.ends - self._loop.time()), 1)
        return DrillView(order.provider, str(order.fault), order.share, drill.since, rest, order.by, drill.hit)

    def incidents(self, identity: str) -> Page | None:
        """All incidents that are remembered (`identity` ""), or one; None: there is none by that name."""
        if self._chronicle is None or not identity:
            return pages.incidents_page([] if self._chronicle is None else self._chronicle.all())
        found = self._chronicle.find(identity)
        return None if found is None else pages.incident_page(found)

    def survey(self) -> dict[str, object]:
        """The health view: `status` is `ok`, `degraded` (some target of a serving route is out), `down` or `draining`."""
        routes = self._surveyor.routes(self.routing)
        config = self._config
        return {
            "status": "draining" if self.draining else self._surveyor.status(self.routing),
            "version": __version__,
            "uptime_s": round(self._wall() - self._began, 1),
            "config": {
                "state": "ok" if config.error is None else "rejected",
                "source": config.source,
                "loaded_s_ago": round(self._wall() - config.loaded_at, 1),
                "error": config.error,
            },
            "ledger": None if self._ledger is None else _ledger_view(self._ledger.state()),
            "drills": self.drills(),
            "incidents": [] if self._chronicle is None else [one.id for one in self._chronicle.running()],
            "overload": self.protection.view(),
            "routes": routes,
            "alerts": self._alarms.health() if self._alarms is not None else None,
            "providers": self._providers(),
        }

    def _providers(self) -> dict[str, dict[str, object]]:
        found = self._surveyor.providers(self.routing)
        for name, view in found.items():
            page = self._alarms.status_page(name) if self._alarms is not None else None
            if page is not None:
                view["status_page"] = page
        return found

    def _credentials(self) -> list[CredentialGauge]:
        now = self._loop.time()
        return [
            CredentialGauge(
                provider=name,
                credential=state.credential.id,
                usable=state.standing(now) == "usable",
                expires=state.lease.ends - now if state.lease is not None and math.isfinite(state.lease.ends) else None,
                refreshes={} if state.lease is None else {kind.value: n for kind, n in state.lease.results.items()},
            )
            for name, ring in self.routing.rings.items()
            for state in ring.credentials
        ]

    def _gauges(self) -> Gauges:
        edges = self._edges
        return Gauges(
            version=__version__,
            started=self._began,
            process=read_process(),
            targets={
                state.id: TargetGauge(
                    in_flight=state.in_flight,
                    queued=self._queues.length(state.id),
                    limit=state.learned.known if state.learned is not None else None,
                    breakers=self._surveyor.breakers(state),
                    factor=self._calibration.factor(state.id) if self._calibration.samples(state.id) else None,
                    doubts=self._surveyor.doubts(state),
                )
                for state in self.routing.states()
            },
            credentials=self._credentials(),
            upstream_connections=edges.upstream_connections() if edges else {},
            client_connections=edges.client_connections() if edges else 0,
            calls_in_flight=edges.calls_in_flight() if edges else 0,
            loop_lag=self.protection.strain.lag,
            shed=self.protection.strain.shed,
            pressure=self.protection.strain.pressure,
            ready=self._surveyor.ready(self.routing),
            log_lines_dropped=edges.dropped_log_lines() if edges else 0,
            refused=edges.refused_requests() if edges else {},
            cut=edges.cut_connections() if edges else {},
            handler_failures=edges.handler_failures() if edges else 0,
            ledger=self._ledger.state() if self._ledger is not None else None,
            budgets=self.gate.standings(self._wall()),
            limit_refusals=self.gate.refusals,
            alarms=self._alarms.figures() if self._alarms is not None else AlarmFigures(),
            drills={drill.provider: drill.share for drill in self.drills()},
            drill_faults=self._drills.faults if self._drills is not None else {},
            incidents=len(self._chronicle.running()) if self._chronicle is not None else 0,
        )


def _ledger_view(state: LedgerState) -> dict[str, object]:
    return {
        "state": state.state,
        "rows": {"written": state.written, "spilled": state.spilled, "replayed": state.replayed, "lost": state.lost},
        "waiting": state.waiting,
        "durable": state.durable,
        "error": state.error,
    }


def _has_relay(routing: Routing) -> bool:
    return any(provider.relay for provider in routing.settings.providers.values())


MODEL_PREFIX = "/v1/models/"

PAGES: Mapping[str, Callable[[Gateway, Identity], Page]] = {
    "/v1/models": Gateway._models,
    "/health": Gateway._health,
    "/health/live": lambda gateway, identity: pages.live_page(),
    "/health/ready": Gateway._ready,
    "/limits": lambda gateway, identity: pages.health_page(limits_view(gateway.gate)),
    "/metrics": Gateway._metrics,
    "/usage": lambda gateway, identity: pages.usage_page(gateway.tally),
}
#: For clients of Anthropic's API.
ANTHROPIC_PAGES: Mapping[str, Callable[[Gateway, Identity], Page]] = {**PAGES, "/v1/models": Gateway._anthropic_models}
