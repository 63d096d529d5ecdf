"""Active probes: only where passing traffic cannot tell.

A target with traffic is judged by its traffic. A probe goes to a target whose breaker is open, or that has been idle for a
while; when, and of which kind, is decided by `policy/probes.py`; the kind that costs money is limited there. Free probes are
known to lie for some vendors (the model list stays up while the models are down), so what may follow from a result is the
target state's business too. One task serves all targets: it wakes, sends what is due, and sleeps again. Probes use the same
transport as calls, in the same bulkheads.
"""

import asyncio
from collections.abc import Callable

import structlog

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import HeaderList, TransportError, UpstreamRequest
from proxy.core.outcome import Outcome
from proxy.core.records import ProbeRecord
from proxy.core.settings import ProbeSettings
from proxy.pipeline.routing import Routing
from proxy.pipeline.services import Services
from proxy.policy.outcomes import outcome_of
from proxy.policy.probes import ProbeKind, ProbePlan
from proxy.policy.targets import TargetState, Verdict
from proxy.providers.contract import ProviderKind
from proxy.tokens.prices import cost

#: How often the prober looks at what is due. Probes are tens of seconds apart and jittered, so a second is fine.
TICK = 1.0
MAX_BODY = 1024 * 1024


class ProbeReceiver:
    """Collects one small answer. `done` resolves to (status, headers, body), or to the outcome of a failure."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[tuple[int, HeaderList, bytes] | Outcome] = loop.create_future()
        self._status = 0
        self._headers: HeaderList = ()
        self._body = bytearray()

    def on_head(self, status: int, headers: HeaderList) -> None:
        self._status = status
        self._headers = headers

    def on_body(self, data: bytes) -> None:
        if len(self._body) < MAX_BODY:
            self._body += data

    def on_complete(self) -> None:
        if not self.done.done():
            self.done.set_result((self._status, self._headers, bytes(self._body)))

    def on_failed(self, error: TransportError) -> None:
        if not self.done.done():
            self.done.set_result(outcome_of(error))


class Prober:
    """Probes the targets of the current routing. `run` ends only by cancellation."""

    def __init__(self, services: Services, routing: Callable[[], Routing]) -> None:
        self._services = services
        self._routing = routing
        self._plans: dict[str, ProbePlan] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(TICK)
                self._send_due()
        finally:
            for task in list(self._under_way.values()):
                task.cancel()

    def _send_due(self) -> None:
        routing = self._routing()
        now = self._services.loop.time()
        for state in routing.states():
            provider = routing.settings.providers.get(state.provider)
            if provider is None or state.id in self._under_way:
                continue
            kind = self._due(state, provider.probe, routing.kinds[state.provider], now)
            if kind is None:
                continue
            probe = self._probe(state, provider.probe, routing.kinds[state.provider], kind)
            task = self._services.loop.create_task(probe)
            self._under_way[state.id] = task
            task.add_done_callback(lambda finished, target_id=state.id: self._finished(target_id, finished))

    def _finished(self, target_id: str, task: "asyncio.Task[None]") -> None:
        """An edge: a bug in a probe is logged and must not end the prober."""
        self._under_way.pop(target_id, None)
        if not task.cancelled() and task.exception() is not None:
            structlog.get_logger("undimmed").error("probe_failed", subject=target_id, error=repr(task.exception()))

    def _plan(self, state: TargetState, settings: ProbeSettings) -> ProbePlan:
        plan = self._plans.get(state.id)
        if plan is None or plan.settings != settings:
            plan = self._plans[state.id] = ProbePlan(settings, self._services.rng)
        return plan

    def _endpoint(self, state: TargetState, now: float) -> Endpoint:
        """The endpoint that a probe should ask for: the one that is open, else the one that was used."""
        for endpoint in state.endpoints:
            if state.admission(endpoint, now).verdict in (Verdict.OPEN, Verdict.TRIAL):
                return endpoint
        return next(iter(state.endpoints), Endpoint.CHAT)

    def _due(self, state: TargetState, settings: ProbeSettings, kind: ProviderKind, now: float) -> ProbeKind | None:
        endpoint = self._endpoint(state, now)
        is_open = state.admission(endpoint, now).verdict in (Verdict.OPEN, Verdict.TRIAL)
        return self._plan(state, settings).next_probe(now, state.last_traffic, is_open, kind.free_probe_lies)

    async def _probe(self, state: TargetState, settings: ProbeSettings, kind: ProviderKind, what: ProbeKind) -> None:
        """Send one probe and report what came of it."""
        now = self._services.loop.time()
        endpoint = self._endpoint(state, now)
        credential = state.ring.any_credential(state.model, now)
        request = (
            kind.free_probe(credential)
            if what is ProbeKind.FREE
            else kind.completion_probe(state.target, endpoint, credential)
        )
        if request is None:
            return
        outcome, record = await self._ask(state, settings, kind, request)
        record.kind = what.value
        self._plan(state, settings).probed(what, outcome.ok, self._services.loop.time())
        state.probe_result(endpoint, ok=outcome.ok, kind=what, now=self._services.loop.time(), detail=record.detail)
        self._services.sink.probed(record)

    async def _ask(
        self, state: TargetState, settings: ProbeSettings, kind: ProviderKind, request: UpstreamRequest
    ) -> tuple[Outcome, ProbeRecord]:
        loop = self._services.loop
        receiver = ProbeReceiver(loop)
        began = loop.time()
        exchange = self._services.transport.send(request, receiver)
        timer = loop.call_later(settings.timeout, receiver.on_failed, TIMED_OUT)
        try:
            result = await receiver.done
        finally:
            timer.cancel()
            exchange.abort()
        record = ProbeRecord(began, state.id, "", ok=False, took=loop.time() - began)
        if isinstance(result, Outcome):
            outcome = result
        else:
            status, headers, body = result
            outcome = kind.probed(status, headers, body)
        record.ok = outcome.ok
        record.detail = outcome.message
        return outcome, record
