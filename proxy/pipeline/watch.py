"""The limits of an attempt, and the one alarm that watches all of them.

The alarm is not moved when bytes arrive: it rings at the earliest moment at which a limit *could* be over, looks at the
timestamps that the attempt leaves in its slots, and sleeps on. Between two rings a chunk costs one assignment.

`Watch` is the half of an `Attempt` that knows time: what may be over by when, what passing it means, when the client is
due a sign of life. It is a base class rather than a part so that an attempt stays one object and its slots one look-up
away. It refuses to know what bytes say; what it concludes goes through `_conclude`, which is the other half's.
"""

from abc import ABC, abstractmethod

from proxy.core.endpoints import TEXTUAL
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import AttemptRecord
from proxy.pipeline.alarms import Alarm
from proxy.pipeline.drips import Drips
from proxy.pipeline.journey import Journey
from proxy.pipeline.services import Services
from proxy.pipeline.verdict import Verdict
from proxy.policy.targets import Permit
from proxy.wire.reading import StreamReader

INFINITY = float("inf")


class Watch(ABC):
    """See the module's text. `_last`: when life was last seen; `_first_by`: by when the first content (of a whole answer:
    its end) is due; `_status`: of the reply, 0: none yet; `_flowing`: its content has begun, so that only silence and the
    deadline count; `_streaming`: its bytes are the client's already; `_paused`: the client does not read."""

    __slots__ = (
        "_alarm",
        "_drips",
        "_first_by",
        "_flowing",
        "_journey",
        "_last",
        "_paused",
        "_services",
        "_status",
        "_streaming",
        "_verdict",
        "permit",
        "reader",
        "record",
    )

    _alarm: Alarm | None
    _verdict: Verdict
    reader: StreamReader | None
    record: AttemptRecord

    def __init__(self, services: Services, journey: Journey, permit: Permit) -> None:
        self._services = services
        self._journey = journey
        self.permit = permit
        self.reader = None
        self._status = 0
        self._flowing = False
        self._streaming = False
        self._paused = False
        self._last = permit.started
        self._first_by = permit.started + journey.first_limit(permit.target.id)
        self._alarm = None
        self._drips: Drips | None = None

    @abstractmethod
    def _conclude(self, outcome: Outcome) -> None:
        """The verdict has fallen."""

    def _begin_flow(self, now: float) -> None:
        """The first content has come from the provider, whether or not it is the client's yet."""
        self._flowing = True
        self.permit.first_content(now)
        self._measure(now)
        self.record.first_content_at = now
        self._last = now
        self._tighten(now)

    def _set_alarm(self) -> None:
        """The request is on its way: before anything was heard only these can be over; `commit_by` is never later than the
        deadline."""
        journey = self._journey
        moment = min(self._first_by, journey.commit_by, journey.next_heartbeat)
        stall_after = self._stall_after()
        if stall_after is not None:
            moment = min(moment, self.permit.started + stall_after)
        self._alarm = self._services.alarms.set(moment, self._watch)

    def _limit(self) -> tuple[float, OutcomeKind]:
        """The earliest limit as things stand, and what passing it means."""
        journey = self._journey
        timeouts = journey.route.route.timeouts
        moment, kind = journey.deadline, OutcomeKind.DEADLINE_EXCEEDED
        if self._flowing:
            idle = self._last + timeouts.idle
        else:
            if journey.commit_by < moment:
                moment = journey.commit_by
            if self._first_by < moment:
                moment, kind = self._first_by, OutcomeKind.FIRST_CONTENT_TIMEOUT
            idle = self._last + timeouts.idle if self._status and self.reader is None else INFINITY
        if idle < moment:
            moment, kind = idle, OutcomeKind.IDLE_TIMEOUT
        return moment, kind

    def _arm(self, alarm: Alarm, now: float) -> None:
        """Look again at the next moment at which something could be over."""
        moment, _ = self._limit()
        if self.record.first_byte_at is None:
            stall_after = self._stall_after()
            if stall_after is not None and now < self.permit.started + stall_after < moment:
                moment = self.permit.started + stall_after
        if self._journey.next_heartbeat < moment:
            moment = max(self._journey.next_heartbeat, now)
        if self._drips is not None and self._drips.due < moment:
            moment = max(self._drips.due, now)
        alarm.move(moment)

    def _tighten(self, now: float) -> None:
        """A phase has begun whose limit may fall before the moment at which the alarm would ring."""
        alarm = self._alarm
        if alarm is not None and now + self._journey.route.route.timeouts.idle < alarm.due:
            self._arm(alarm, now)

    def _watch(self) -> None:
        now = self._services.loop.time()
        if self.record.first_byte_at is None and self._stalled(now):
            return
        if self._streaming and self._paused:
            self._excuse(now)  # the client is slow, not the provider; the server's write timer judges that
        moment, kind = self._limit()
        if now >= moment:
            self._conclude(Outcome(kind, message=f"nothing for {now - self._last:.1f} s"))
            return
        drip = None if self._drips is None or self.reader is None else self._drips.judge(self.reader, now)
        if drip is not None:
            self._conclude(Outcome(OutcomeKind.IDLE_TIMEOUT, message=drip))
            return
        if now >= self._journey.next_heartbeat:
            self._beat(now)
        if self._alarm is not None:
            self._arm(self._alarm, now)

    def _measure(self, now: float) -> None:
        """The first content of a stream is here: from now on its pace counts, if the target has a least one."""
        least = self.permit.target.min_rate
        if least and self.reader is not None and self._journey.call.endpoint in TEXTUAL:
            self._drips = Drips(least, now)

    def _excuse(self, now: float) -> None:
        """Silence until now was not the provider's."""
        self._last = now
        if self._drips is not None:
            self._drips.excuse(now)

    def _stalled(self, now: float) -> bool:
        """Did the stall rule just open this target's breaker? Then all who wait for it, this attempt too, go elsewhere."""
        stall_after = self._stall_after()
        if stall_after is None or now < self.permit.started + stall_after:
            return False
        call = self._journey.call
        for permit in self.permit.target.check_stall(call.endpoint, now, call.envelope.stream):
            if permit.on_redispatch is not None:
                permit.on_redispatch()
        return self._verdict.done()

    def _stall_after(self) -> float | None:
        call = self._journey.call
        return self.permit.target.stall_after(call.endpoint, call.envelope.stream)

    def _beat(self, now: float) -> None:
        """Break a silence that has lasted for a heartbeat; a client that does not read needs no comments."""
        journey = self._journey
        heartbeat = journey.route.route.heartbeat
        if self._streaming and self._last + heartbeat > now:
            journey.next_heartbeat = self._last + heartbeat
        elif self._paused:
            journey.next_heartbeat = now + heartbeat
        else:
            journey.beat(now)
