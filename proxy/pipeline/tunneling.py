"""One try to open a realtime session at a target, and the session itself.

Up to the provider's 101 it is an attempt like any other: whatever goes wrong sends the call to the next target, and the
client, which was not answered yet, sees nothing of it. With the 101 the call is committed. From then on bytes are written
across as they come, each end is paused while the other is full, and no limit on silence holds: people think, and clients
that are gone are noticed by the server. The session ends when either end closes. A provider that breaks off without a
close frame has failed, which counts against it; the client sees its connection end, and opens another session.
"""

import asyncio

from proxy.core.exchange import HeaderList, TransportError
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord
from proxy.core.tunnel import Side, Tunnels
from proxy.core.usage import Usage
from proxy.pipeline.journey import Journey
from proxy.pipeline.reply import served_headers
from proxy.pipeline.sending import hide, sign
from proxy.pipeline.services import Services
from proxy.pipeline.verdict import Verdict
from proxy.policy.outcomes import outcome_of
from proxy.policy.strategies import Candidate
from proxy.policy.targets import Permit
from proxy.providers.contract import ProviderKind
from proxy.wire.websocket import FrameSniffer, answer_handshake


class TunnelAttempt:
    """See the module's text; to the attempt loop it looks like an `Attempt` that has neither a reader nor an answer. It is
    the `Caller` of the provider's side, and the `Peer` of the client's is `_ClientPeer`."""

    reader = None
    answer = None
    given = None
    rest = None

    def __init__(
        self, services: Services, journey: Journey, kind: ProviderKind, candidate: Candidate, permit: Permit
    ) -> None:
        self._services = services
        self._journey = journey
        self._kind = kind
        self.call = journey.call
        self.candidate = candidate
        self.permit = permit
        self.headers: HeaderList = ()
        self.tail = b""
        self._far: Side | None = None
        self._near: Side | None = None
        self._told = FrameSniffer(masked=False)
        self._asked = FrameSniffer(masked=True)
        self._timer: asyncio.TimerHandle | None = None
        self._verdict = Verdict(loop=services.loop)
        state = candidate.state
        self.record = AttemptRecord(state.id, state.provider, permit.credential.id, permit.started, OK, trial=permit.trial)
        journey.record.attempts.append(self.record)

    @property
    def usage(self) -> Usage | None:
        """What the provider reported over the whole session."""
        return self._told.usage

    @property
    def served_model(self) -> str | None:
        return None

    def texts(self) -> list[str]:
        return []

    async def run(self) -> Outcome:
        """Open the session and wait for its end. A client that said goodbye before it left has had its session."""
        tunnels, switch = self._services.tunnels, self._journey.upgrade
        assert tunnels is not None  # whoever opens the call has looked
        assert switch is not None
        self._dial(tunnels)
        try:
            return await self._verdict
        except asyncio.CancelledError as cancelled:
            stopping = "shutdown" in cancelled.args
            if self._near is not None and not stopping and self._asked.closed:
                self._conclude(OK)
                return OK
            self._conclude(Outcome(OutcomeKind.SHUTDOWN if stopping else OutcomeKind.CLIENT_GONE))
            raise

    def cut(self, outcome: Outcome) -> None:
        """End it now, as this."""
        self._conclude(outcome)

    def _dial(self, tunnels: Tunnels) -> None:
        journey = self._journey
        try:
            request = self._kind.request(journey.call, self.candidate.target, self.permit.credential)
        except Exception:
            self._conclude(Outcome(OutcomeKind.BAD_REQUEST, message="the request could not be made"))
            raise
        request.connect_timeout = journey.route.route.timeouts.connect
        sign(request, self._services.wall())
        self._far = tunnels.open_tunnel(request, self)
        limit = self.permit.started + journey.first_limit(self.candidate.state.id)
        self._timer = self._services.loop.call_at(min(limit, journey.commit_by), self._expire, limit)

    def _expire(self, limit: float) -> None:
        late = limit <= self._journey.commit_by
        kind = OutcomeKind.FIRST_CONTENT_TIMEOUT if late else OutcomeKind.DEADLINE_EXCEEDED
        self._conclude(Outcome(kind, message="the session was not opened"))

    # Caller: the provider's side.

    def on_open(self, headers: HeaderList) -> None:
        journey, now = self._journey, self._services.loop.time()
        self.permit.first_byte(now)
        self.record.first_byte_at = now
        reply = answer_handshake(journey.call.headers, headers)
        switch = journey.upgrade
        if reply is None or switch is None:
            self._conclude(Outcome(OutcomeKind.MALFORMED, 101, "the provider's handshake does not answer the client's"))
            return
        if self._timer is not None:
            self._timer.cancel()
        self.permit.first_content(now)
        self.record.first_content_at = now
        self.record.delivered = journey.committed = journey.record.committed = True
        self.record.status = journey.record.status = 101
        journey.record.served_by = self.record.target
        self._near = switch.switch(reply + served_headers(journey, self.record), _ClientPeer(self))

    def on_refused(self, status: int, headers: HeaderList, body: bytes) -> None:
        self.record.first_byte_at = self._services.loop.time()
        self.record.status = status
        if 200 <= status < 300:
            self._conclude(Outcome(OutcomeKind.MALFORMED, status, "an answer instead of a session"))
        else:
            self._conclude(self._kind.error(status, headers, body))

    def on_failed(self, error: TransportError) -> None:
        self._conclude(outcome_of(error))

    def on_bytes(self, data: bytes) -> None:
        self._told.feed(data)
        if self._near is not None:
            self._near.write(data)

    def on_end(self) -> None:
        broken = Outcome(OutcomeKind.STREAM_BROKEN, message="the provider broke the session off")
        self._conclude(OK if self._told.closed or self._asked.closed else broken)

    def on_full(self) -> None:
        if self._near is not None:
            self._near.pause()

    def on_drained(self) -> None:
        if self._near is not None:
            self._near.resume()

    # The client's side, through `_ClientPeer`.

    def take_in(self, data: bytes) -> None:
        self._asked.feed(data)
        if self._far is not None:
            self._far.write(data)

    def hold(self, full: bool) -> None:
        if self._far is not None:
            (self._far.pause if full else self._far.resume)()

    # The verdict.

    def _conclude(self, outcome: Outcome) -> None:
        if self._verdict.done() and not self._verdict.cancelled():
            return
        now = self._services.loop.time()
        if self._timer is not None:
            self._timer.cancel()
        if not outcome.ok:
            hide(outcome, self.permit.credential)
        self.record.outcome = outcome
        self.record.ended_at = now
        near, far, self._near, self._far = self._near, self._far, None, None
        # What was said last must arrive: both ends are closed behind it, unless nobody was there yet.
        if near is not None:
            near.end()
        if far is not None:
            (far.end if near is not None else far.abort)()
        self.permit.settle(outcome, now)
        self._verdict.fall(outcome)


class _ClientPeer:
    """What the client's end talks to."""

    __slots__ = ("_attempt",)

    def __init__(self, attempt: TunnelAttempt) -> None:
        self._attempt = attempt

    def on_bytes(self, data: bytes) -> None:
        self._attempt.take_in(data)

    def on_full(self) -> None:
        self._attempt.hold(full=True)

    def on_drained(self) -> None:
        self._attempt.hold(full=False)
