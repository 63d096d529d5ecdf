"""One try of one target with one credential, from the request's first byte to a verdict.

An `Attempt` is the receiver of its upstream exchange and the source of the client's transport. Bytes pass through it by
callback: nothing here awaits but `run`, once, for the verdict. Until the commit point (the first event with content, judged)
everything a stream brings is held back, so that any failure before it can go elsewhere unseen; from then on events are
written as they come. Whole answers are collected and judged at their end.

What may be over by when is the other half's business, `Watch`. The verdict falls exactly once, in `_conclude`, which
settles the permit, cuts the exchange unless the answer was whole, and completes the attempt's record.
"""

import asyncio
from collections.abc import Callable

from proxy.core.exchange import Exchange, FailureKind, HeaderList, TransportError
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord
from proxy.core.usage import Usage
from proxy.pipeline.journey import Journey
from proxy.pipeline.leaving import DRAIN, LONGEST
from proxy.pipeline.reply import commit_headers
from proxy.pipeline.sending import hide, sign
from proxy.pipeline.services import Services
from proxy.pipeline.sight import examine, sort_of
from proxy.pipeline.verdict import Verdict
from proxy.pipeline.watch import Watch
from proxy.policy.outcomes import outcome_of
from proxy.policy.strategies import Candidate
from proxy.policy.targets import Permit
from proxy.providers.contract import ProviderKind
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.reading import Answer, StreamReader

#: Bytes of an error body that are read; what matters stands in the first kilobyte.
MAX_ERROR_BODY = 64 * 1024
#: Bytes of a stream that are held back before its first content (role chunks, comments), and how many times the request
#: may be repeated in them: a Responses stream begins with two events that hold most of it.
MAX_HELD = 256 * 1024
MAX_REPEATED = 4
#: Of calls that a fire drill has hit, so that the ledger can tell them apart.
DRILL_TAG = "drill"


class Attempt(Watch):
    """See the module's text. `answer` is the judged whole answer, `reader` the stream's reader; one of them is set once the
    verdict is OK. `call` is what its target is asked. `tail` is what is left to write of a whole stream. `on_first` is
    called when its first content, or all of an answer in one piece, is here and sound, before a byte goes to the client.
    `lagged`: the client did not always keep up."""

    __slots__ = (
        "_events",
        "_exchange",
        "_held",
        "_held_size",
        "_kind",
        "answer",
        "call",
        "candidate",
        "headers",
        "lagged",
        "on_first",
        "rest",
        "tail",
    )

    def __init__(
        self, services: Services, journey: Journey, kind: ProviderKind, candidate: Candidate, permit: Permit
    ) -> None:
        super().__init__(services, journey, permit)
        self._kind = kind
        self.call = journey.call
        self.on_first: Callable[[], None] | None = None
        self.candidate = candidate
        self.answer: Answer | None = None
        self.headers: HeaderList = ()
        self.tail = b""
        self.lagged = False
        self._held: list[bytes] = []
        self._held_size = 0
        self._events = 0
        self._exchange: Exchange | None = None
        self.rest: Verdict | None = None
        self._verdict = Verdict(loop=services.loop)
        permit.sort = sort_of(journey.call)
        state = candidate.state
        self.record = AttemptRecord(state.id, state.provider, permit.credential.id, permit.started, OK, trial=permit.trial)
        journey.record.attempts.append(self.record)

    @property
    def usage(self) -> Usage | None:
        """What the provider reported so far."""
        if self.reader is not None:
            return self.reader.usage
        return self.answer.usage if self.answer is not None else None

    @property
    def given(self) -> Usage | None:
        """What the provider said of the input, where it has not come to say more."""
        return self.reader.given if self.reader is not None else None

    @property
    def served_model(self) -> str | None:
        """The model that the provider says answered."""
        if self.reader is not None:
            return self.reader.model
        return self.answer.model if self.answer is not None else None

    def texts(self) -> list[str]:
        """What was generated so far, for counting."""
        if self.reader is not None:
            return self.reader.texts()
        return self.answer.texts if self.answer is not None else []

    @property
    def verdict(self) -> Verdict:
        return self._verdict

    async def run(self) -> Outcome:
        """Send, and wait for the verdict. Cancellation (the client left, or the proxy stops) cuts the provider off."""
        self.begin()
        try:
            return await self._verdict
        except asyncio.CancelledError as cancelled:
            stopping = "shutdown" in cancelled.args
            if stopping or not self._stay():
                self._conclude(Outcome(OutcomeKind.SHUTDOWN if stopping else OutcomeKind.CLIENT_GONE))
            raise

    def begin(self) -> None:
        """Send; what cannot be sent is judged at once."""
        try:
            self._send()
        except EnvelopeError as error:
            # Not sent: the target's wire format has no words for this request. Another's may have.
            self._conclude(Outcome(OutcomeKind.UNSUPPORTED, 400, error.message, error.code, param=error.param))
        except Exception:
            # A bug of ours, which the listener reports: it must not cost the target a place for ever.
            self._conclude(Outcome(OutcomeKind.BAD_REQUEST, message="the request could not be made"))
            raise

    def cut(self, outcome: Outcome) -> None:
        """End it now, as this. Does nothing to one that is over."""
        self._conclude(outcome)

    def _stay(self) -> bool:
        """Go on without the client, where its route wants that: from now on nobody waits but for `rest`."""
        if self._journey.route.route.on_leave != DRAIN or self._exchange is None or self._alarm is None:
            return False
        self.rest = self._verdict = Verdict(loop=self._services.loop)
        now = self._services.loop.time()
        self._journey.abandon(now + LONGEST)
        if self._paused:
            self.resume()
        self._arm(self._alarm, now)
        return True

    def _send(self) -> None:
        journey = self._journey
        target = self.candidate.target
        request = self._kind.request(self.call, target, self.permit.credential)
        request.connect_timeout = journey.route.route.timeouts.connect
        self.record.dropped = request.dropped
        if request.sign is not None:
            sign(request, self._services.wall())
        self.permit.on_redispatch = self._redispatch
        self._exchange = self._services.transport.send(request, self)
        if request.drill:
            self.record.drill = request.drill
            journey.record.tags = tuple(sorted({*journey.record.tags, DRILL_TAG}))
        self._set_alarm()

    # Receiver: the provider's side.

    def on_head(self, status: int, headers: HeaderList) -> None:
        now = self._services.loop.time()
        self._last = now
        self.permit.first_byte(now)
        self.record.first_byte_at = now
        self.record.status = self._status = status
        self.headers = headers
        envelope = self.call.envelope
        if envelope.stream and 200 <= status < 300 and (envelope.opaque or not _is_document(headers)):
            self.reader = self._open_reader()
        else:
            self._tighten(now)

    def on_body(self, data: bytes) -> None:
        reader = self.reader
        if reader is None:
            self._collect(data)
            return
        out = reader.feed(data)
        if reader.data_events != self._events:
            self._events = reader.data_events
            self._last = self._services.loop.time()
        if reader.done:
            self._end_stream(reader, out)
        elif reader.failure is not None:
            if out and self._streaming:
                self._journey.downstream.write(out)
            self._conclude(reader.failure)
        elif self._streaming:
            if out:
                self._journey.downstream.write(out)
        elif reader.content:
            self._commit(out)
        elif out:
            self._hold(out)

    def on_complete(self) -> None:
        if self.reader is not None:
            self._end_stream(self.reader, b"")
        elif 200 <= self._status < 300:
            self._judge_whole(b"".join(self._held))
        else:
            self._judge_error()

    def on_failed(self, error: TransportError) -> None:
        reader = self.reader
        if reader is not None and reader.content and error.kind is FailureKind.BROKEN and not self.call.envelope.opaque:
            reader.forgo()
            self._end_stream(reader, b"", outcome_of(error))  # it may have lost nothing but its terminator
        else:
            self._conclude(outcome_of(error))

    # Source: the client's side.

    def pause(self) -> None:
        self._paused = self.lagged = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        self._paused = False
        self._excuse(self._services.loop.time())
        if self._exchange is not None:
            self._exchange.resume()

    # Taking in.

    def _open_reader(self) -> StreamReader:
        return self._kind.reader(self.call)

    def _collect(self, data: bytes) -> None:
        self._last = self._services.loop.time()
        self._held.append(data)
        self._held_size += len(data)
        if 200 <= self._status < 300:
            if self._held_size > self._services.max_answer:
                limit = self._services.max_answer
                self._conclude(Outcome(OutcomeKind.MALFORMED, self._status, f"answer larger than {limit} bytes"))
        elif self._held_size > MAX_ERROR_BODY:
            self._judge_error()

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > MAX_HELD:
            limit = MAX_HELD + MAX_REPEATED * len(self._journey.call.envelope.body)
            if self._held_size > limit:
                self._conclude(Outcome(OutcomeKind.MALFORMED, self._status, f"{limit} bytes of stream without content"))

    def _commit(self, out: bytes) -> None:
        """The first content is here and sound: from now on this attempt's bytes are the client's."""
        self._begin_reply()
        self._journey.downstream.write(b"".join([*self._held, out]))
        self._held = []

    def _begin_flow(self, now: float) -> None:
        if self.on_first is not None:
            self.on_first()
        super()._begin_flow(now)

    def _begin_reply(self) -> None:
        journey = self._journey
        self._streaming = True
        if not self._flowing:
            self._begin_flow(self._services.loop.time())
        self.record.delivered = True
        journey.committed = journey.record.committed = True
        if not journey.downstream.started:
            journey.downstream.start(self._status, commit_headers(journey, self), None)
        journey.downstream.attach(self)

    def _end_stream(self, reader: StreamReader, out: bytes, broken: Outcome | None = None) -> None:
        """The stream is over. Of a whole one the last bytes are kept, to be written together with the closing comment.
        `broken`: what became of the connection, if that is why; it counts unless the stream is whole all the same."""
        outcome = reader.end()
        if broken is not None and not outcome.ok:
            outcome = broken
        if outcome.ok:
            self._end_stream_well()
            self.tail = b"".join([*self._held, out])
        elif self._streaming and out:
            self._journey.downstream.write(out)
        self._conclude(outcome)

    def _end_stream_well(self) -> None:
        if not self._streaming:
            self._begin_reply()

    def _judge_whole(self, body: bytes) -> None:
        answer = self._kind.answer(self.call, self.headers, body)
        if answer.outcome.ok and self.call.envelope.stream:
            self._conclude(Outcome(OutcomeKind.MALFORMED, self._status, "a whole answer to a request for a stream"))
            return
        self.answer = answer
        if answer.outcome.ok and self.on_first is not None:
            self.on_first()
        self._conclude(answer.outcome)

    def _judge_error(self) -> None:
        outcome = self._kind.error(self._status, self.headers, b"".join(self._held))
        journey, target = self._journey, self.permit.target
        now = self._services.loop.time()
        self._conclude(target.judge_rejection(journey.call.endpoint, outcome, journey.record.key, now))

    # The verdict.

    def _redispatch(self) -> None:
        self._conclude(Outcome(OutcomeKind.STALLED, message="nothing arrived, and others wait for this target too"))

    def _conclude(self, outcome: Outcome) -> None:
        if self._verdict.done() and not self._verdict.cancelled():
            return
        now = self._services.loop.time()
        if self._alarm is not None:
            self._alarm.clear()
            self._alarm = None
        if not outcome.ok:
            hide(outcome, self.permit.credential)
        self.record.outcome = outcome
        self.record.ended_at = now
        if self._exchange is not None:
            if outcome.ok:
                self._exchange.detach()
            else:
                self._exchange.abort()
        if self._streaming:
            self._journey.downstream.attach(None)
        if outcome.ok:
            examine(self._journey.call, self.permit, self.record, self.reader or self.answer, self.lagged)
        self.permit.settle(outcome, now)
        # The permit knows us and the exchange does; without these, every attempt would be a cycle for the collector.
        self.permit.on_redispatch = self.on_first = None
        self._exchange = None
        self._verdict.fall(outcome)


def _is_document(headers: HeaderList) -> bool:
    """Is a 2xx body plainly not an event stream? Only JSON and HTML are taken at their word: servers that stream under
    another type, or none, exist."""
    for name, value in headers:
        if name == b"content-type":
            return value.startswith((b"application/json", b"text/html"))
    return False
