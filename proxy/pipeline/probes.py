"""Active probes: only where passing traffic cannot tell.

A target with traffic is judged by its traffic. A probe goes to a target whose breaker is open, or that has been idle for a
while; when, and of which kind, is decided by `policy/probes.py`; the kind that costs money is limited there. Free probes
are known to lie for some vendors (the model list stays up while the models are down), so what may follow from a result is
the target state's business too. A probe whose credential is refused blames the credential, as a call would; one that is
refused as a request (no such path) proves nothing either way. One task serves all targets: it wakes, sends what is due, and
sleeps again. Probes use the same transport as calls, in the same bulkheads.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import TEXTUAL, Endpoint
from proxy.core.exchange import HeaderList, TransportError, UpstreamRequest
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import ProbeRecord
from proxy.core.settings import Credential, ProbeSettings
from proxy.pipeline.routing import Routing
from proxy.pipeline.sending import hide, sign
from proxy.pipeline.services import Services
from proxy.policy.outcomes import RULES, Blame, outcome_of
from proxy.policy.probes import HourlyBudget, ProbeKind, ProbePlan
from proxy.policy.targets import TargetState, Verdict
from proxy.providers.contract import ProviderKind
from proxy.stores.log import describe
from proxy.tokens.prices import cost

#: How often the prober looks at what is due. Probes are tens of seconds apart and jittered, so a second is fine.
TICK = 1.0
MAX_BODY = 1024 * 1024


#: Status, headers, body.
Response = tuple[int, HeaderList, bytes]


class ProbeReceiver:
    """Collects one small answer. `done` resolves to (status, headers, body), or to the outcome of a failure."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[Response | Outcome] = loop.create_future()
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

    def expire(self, seconds: float) -> None:
        if not self.done.done():
            self.done.set_result(Outcome(OutcomeKind.FIRST_CONTENT_TIMEOUT, message=f"no answer in {seconds:g} s"))


class Prober:
    """Probes the targets of the current routing. `run` ends only by cancellation."""

    def __init__(self, services: Services, routing: Callable[[], Routing]) -> None:
        self._services = services
        self._routing = routing
        self._plans: dict[str, ProbePlan] = {}
        self._paid: dict[str, HourlyBudget] = {}
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
            task.add_done_callback(partial(self._finished, state.id))

    def _finished(self, target_id: str, task: "asyncio.Task[None]") -> None:
        """An edge: a bug in a probe is logged and must not end the prober."""
        self._under_way.pop(target_id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            structlog.get_logger("undimmed").error("probe_failed", subject=target_id, where=describe(error))

    def _plan(self, state: TargetState, settings: ProbeSettings) -> ProbePlan:
        plan = self._plans.get(state.id)
        if plan is None or plan.settings != settings:
            paid = self._paid.get(state.provider)
            if paid is None or paid.limit != settings.hourly_completions:
                paid = self._paid[state.provider] = HourlyBudget(settings.hourly_completions)
            plan = self._plans[state.id] = ProbePlan(settings, self._services.rng, paid)
        return plan

    def _endpoint(self, state: TargetState, now: float) -> Endpoint | None:
        """The endpoint that a probe should ask for: the one that is open, else the one that was used. None: only such were
        used that no probe is worth (a picture); their own trials bring them back."""
        probed = [endpoint for endpoint in state.endpoints if endpoint in TEXTUAL]
        for endpoint in probed:
            if state.admission(endpoint, now).verdict in (Verdict.OPEN, Verdict.TRIAL):
                return endpoint
        if probed:
            return probed[0]
        return None if state.endpoints else Endpoint.CHAT

    def _due(self, state: TargetState, settings: ProbeSettings, kind: ProviderKind, now: float) -> ProbeKind | None:
        endpoint = self._endpoint(state, now)
        if endpoint is None:
            return None
        is_open = state.admission(endpoint, now).verdict in (Verdict.OPEN, Verdict.TRIAL)
        return self._plan(state, settings).next_probe(now, state.last_traffic, is_open, kind.free_probe_lies)

    async def _probe(self, state: TargetState, settings: ProbeSettings, kind: ProviderKind, what: ProbeKind) -> None:
        """Send one probe and report what came of it."""
        now = self._services.loop.time()
        endpoint = self._endpoint(state, now) or Endpoint.CHAT
        credential = state.ring.any_credential(state.model, now)
        if credential is None:
            request = None
        elif what is ProbeKind.COMPLETION:
            request = kind.completion_probe(state.target, endpoint, credential)
        else:
            request = kind.free_probe(credential)
        if credential is None or request is None:
            self._plan(state, settings).probed(what, True, now)
            return
        result = await self._ask(request, settings.timeout)
        ended = self._services.loop.time()
        record = ProbeRecord(now, state.id, what.value, ok=False, took=ended - now)
        outcome = judge(kind, what, probe_call(state, endpoint, request), result, record)
        hide(outcome, credential)
        if record.usage is not None:
            tariff = state.target.tariff
            price = state.target.price if tariff is None else tariff.price(self._services.wall(), None, record.usage.tier)
            record.cost = cost(record.usage, price)
        record.ok = outcome.ok
        record.detail = outcome.message
        self._plan(state, settings).probed(what, outcome.ok, ended)
        rule = RULES[outcome.kind]
        if outcome.ok or rule.breaker:
            state.probe_result(endpoint, ok=outcome.ok, kind=what, now=ended, detail=outcome.message)
        elif rule.blame is Blame.CREDENTIAL:
            note_refusal(state, credential, outcome, ended)
        self._services.sink.probed(record)

    async def _ask(self, request: UpstreamRequest, seconds: float) -> Response | Outcome:
        loop = self._services.loop
        receiver = ProbeReceiver(loop)
        sign(request, self._services.wall())
        exchange = self._services.transport.send(request, receiver)
        timer = loop.call_later(seconds, receiver.expire, seconds)
        try:
            return await receiver.done
        finally:
            timer.cancel()
            exchange.abort()


def note_refusal(state: TargetState, credential: Credential, outcome: Outcome, now: float) -> None:
    """The provider refused the probe's credential: hold it, and leave the target's breaker alone."""
    for known in state.ring.credentials:
        if known.credential.id == credential.id:
            known.note(outcome, state.model, now, credential)


def probe_call(state: TargetState, endpoint: Endpoint, request: UpstreamRequest) -> Call:
    """What a completion probe would be, had a client sent it."""
    return Call("probe", endpoint, Envelope(state.model, False, False, {}, request.body), {})


def judge(kind: ProviderKind, what: ProbeKind, call: Call, result: Response | Outcome, record: ProbeRecord) -> Outcome:
    """Did the probe succeed? A free one by its status, a completion like any answer, its usage noted."""
    if isinstance(result, Outcome):
        return result
    status, headers, body = result
    if not 200 <= status < 300:
        return kind.error(status, headers, body)
    if what is ProbeKind.FREE:
        return OK
    answer = kind.answer(call, headers, body)
    record.usage = answer.usage
    return answer.outcome
