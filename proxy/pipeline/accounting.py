"""Tokens and money of every attempt, then the record to the sinks, once.

A provider's own number always wins. Where it gave none although tokens may have been spent (no usage in the answer, a cut
or cancelled stream), the attempt is estimated and says so; where it gave only the input or only the output, the other half
is. An estimate is never allowed to delay a failover: the record waits for it, the client does not.

Some answers that were counted by their provider are estimated as well, to learn how far off our estimates for that target
are (`tokens/calibration.py`). Nothing waits for that, and no more than one is under way at a time.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from proxy.core.call import Call
from proxy.core.endpoints import TEXTUAL
from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, Sink
from proxy.core.settings import Target
from proxy.core.usage import Usage, UsageSource
from proxy.pipeline.estimation import EstimateJob, Estimator
from proxy.policy.strategies import Candidate
from proxy.tokens.calibration import LEAST_TOKENS, Calibration
from proxy.tokens.estimate import hides_output
from proxy.tokens.prices import cost, saved_by_cache
from proxy.wire.reading import StreamReader

if TYPE_CHECKING:
    from proxy.pipeline.gate import Passage

#: Bytes of a request that are worth a comparison: what is longer tells no more, and takes longer.
MAX_COMPARED = 256 * 1024

#: Outcomes after which a provider may have generated, and may charge, although it reported nothing. The other failures are
#: refusals: nothing was generated.
SPENT = frozenset(
    {
        OutcomeKind.OK,
        OutcomeKind.FIRST_CONTENT_TIMEOUT,
        OutcomeKind.STALLED,
        OutcomeKind.STREAM_BROKEN,
        OutcomeKind.IDLE_TIMEOUT,
        OutcomeKind.DEADLINE_EXCEEDED,
        OutcomeKind.UNCONVINCING,
        OutcomeKind.OUTPACED,
        OutcomeKind.SUPERSEDED,
        OutcomeKind.CLIENT_GONE,
        OutcomeKind.SHUTDOWN,
        OutcomeKind.MALFORMED,
        OutcomeKind.DIVERGED,
    }
)


def may_be_billed(attempt: AttemptRecord) -> bool:
    """Of an attempt that reported nothing: may its provider charge for it all the same? Also where it had said 200 and then
    failed: its model was at work by then."""
    return attempt.outcome.kind in SPENT or (attempt.status is not None and 200 <= attempt.status < 300)


def merge(reported: Usage | None, estimated: Usage, hidden: bool) -> Usage:
    """What the provider said, and from the estimate what it did not. `hidden`: there may be more output than was seen."""
    if reported is None:
        return estimated
    if not reported.input:
        made = {"input": estimated.input, "raw_input": estimated.raw_input, "factor": estimated.factor}
        return replace(reported, source=UsageSource.MIXED, lower_bound=estimated.lower_bound, **made)
    return replace(reported, output=estimated.output, reasoning=0, source=UsageSource.MIXED, lower_bound=hidden)


def apply_usage(record: AttemptRecord, target: Target, usage: Usage, wall: float) -> None:
    """Write an attempt's usage and what it cost (and the cache saved): by the model that answered, when the call
    began (`wall`, Unix time)."""
    record.usage = usage
    tariff = target.tariff
    price = target.price if tariff is None else tariff.price(wall, record.served_model, usage.tier)
    record.cost = cost(usage, price)
    if price is None:
        record.cache_saved = None
    else:
        record.cache_saved = saved_by_cache(usage, price) if usage.cached > 0 else 0


class Booking:
    """The record of one call on its way to the sink; `missing` estimates are still being made. `passage`: what the call has
    set aside of its limits, None: nothing limits it."""

    __slots__ = ("closed", "missing", "passage", "record")

    def __init__(self, record: CallRecord) -> None:
        self.record = record
        self.passage: Passage | None = None
        self.missing = 0
        self.closed = False


class Spender(Protocol):
    """An attempt, as far as its tokens go. `given`: usage of which only the input counts."""

    record: AttemptRecord
    call: Call
    candidate: Candidate

    @property
    def reader(self) -> StreamReader | None: ...

    @property
    def usage(self) -> Usage | None: ...

    @property
    def given(self) -> Usage | None: ...

    @property
    def served_model(self) -> str | None: ...

    def texts(self) -> list[str]: ...


class Accounting:
    """Completes attempt records and hands finished calls to the sink.

    `open` is the number of finished calls whose record waits for something; `drained` waits for zero.
    """

    def __init__(self, sink: Sink, estimator: Estimator, calibration: Calibration | None = None) -> None:
        self._sink = sink
        self._estimator = estimator
        self.calibration = calibration or Calibration()
        self._comparing = False
        self._holders: set[Callable[[], None]] = set()
        self.open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def book(self, booking: Booking, attempt: Spender) -> None:
        """Tokens of an attempt that did not end well: what the provider said, else an estimate if it may have generated."""
        record, target, call = attempt.record, attempt.candidate.target, attempt.call
        record.served_model = attempt.served_model
        usage, given, reader = attempt.usage, attempt.given, attempt.reader
        textual = call.endpoint in TEXTUAL
        if usage is not None and (usage.input or not textual):
            apply_usage(record, target, usage, booking.record.wall)
            # Counts that come with every event say nothing of what was generated after the last one.
            record.possibly_billed = reader is not None and not reader.done and may_be_billed(record)
        elif may_be_billed(record):
            record.possibly_billed = True
            if textual:
                told = given if usage is None and given is not None and given.input else usage
                self.estimate(call, booking, record, target, attempt.texts(), told)

    def estimate(
        self,
        call: Call,
        booking: Booking,
        attempt: AttemptRecord,
        target: Target,
        texts: list[str],
        given: Usage | None = None,
    ) -> None:
        """Start an estimate for an attempt; the call's record waits for it, nobody else does. `given`: what the provider did
        say, of the input or of the output alone."""
        self._submit(call, target, texts, self._expect(call, booking, attempt, target, given))

    async def estimated(
        self,
        call: Call,
        booking: Booking,
        attempt: AttemptRecord,
        target: Target,
        texts: list[str],
        given: Usage | None = None,
    ) -> None:
        """The same for an attempt whose numbers the client is about to be told; its record waits even if the client does
        not."""
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        apply = self._expect(call, booking, attempt, target, given)

        def done(usage: Usage) -> None:
            apply(usage)
            if not arrived.done():
                arrived.set_result(None)

        self._submit(call, target, texts, done)
        await arrived

    def _expect(
        self, call: Call, booking: Booking, attempt: AttemptRecord, target: Target, given: Usage | None
    ) -> Callable[[Usage], None]:
        """An estimate is missing; what to do with it when it comes."""
        booking.missing += 1
        hidden = hides_output(call.endpoint, target.model)

        def apply(usage: Usage) -> None:
            apply_usage(attempt, target, merge(given, usage, hidden), booking.record.wall)
            self._release(booking)

        return apply

    async def count(self, call: Call, target: Target, texts: list[str] | None) -> Usage:
        """What a request, and what came back of it, would be in this target's tokens."""
        arrived: asyncio.Future[Usage] = asyncio.get_running_loop().create_future()
        self._submit(call, target, texts, lambda usage: None if arrived.done() else arrived.set_result(usage))
        return await arrived

    def compare(self, call: Call, attempt: AttemptRecord, target: Target, usage: Usage) -> None:
        """The provider has counted this request. Now and then it is counted here as well, to learn from."""
        if (
            self._comparing
            or usage.input < LEAST_TOKENS
            or call.endpoint not in TEXTUAL
            or len(call.envelope.body) > MAX_COMPARED
            or not self.calibration.due(attempt.target, attempt.ended_at)
        ):
            return
        self._comparing = True
        reported = usage.input

        def done(estimated: Usage) -> None:
            self._comparing = False
            seen = not (estimated.lower_bound or estimated.image_in or estimated.audio_in)
            if seen:
                self.calibration.learn(attempt.target, reported, estimated.raw_input)

        self._submit(call, target, None, done)

    def hold(self, booking: Booking, let_go: Callable[[], None]) -> Callable[[], None]:
        """Keep a call's record open until the function that this gives is called; `let_go` is asked for that when the proxy
        stops."""
        booking.missing += 1
        self._holders.add(let_go)

        def release() -> None:
            self._holders.discard(let_go)
            self._release(booking)

        return release

    def _release(self, booking: Booking) -> None:
        booking.missing -= 1
        if booking.closed and not booking.missing:
            self.open -= 1
            if not self.open:
                self._idle.set()
            self._finish(booking)

    async def drained(self) -> None:
        """Let go of what is held, and wait until no record waits for anything any more."""
        for let_go in list(self._holders):
            let_go()
        await self._idle.wait()

    def _submit(self, call: Call, target: Target, texts: list[str] | None, done: Callable[[Usage], None]) -> None:
        factor = self.calibration.factor(target.id)
        self._estimator.submit(EstimateJob(call.endpoint, target.model, call.envelope.fields, texts, factor), done)

    def close(self, booking: Booking) -> None:
        """The call is over: hand its record on, now or when its last estimate is in."""
        booking.closed = True
        if booking.passage is not None:
            booking.passage.leave()
        if booking.missing:
            self.open += 1
            self._idle.clear()
        else:
            self._finish(booking)

    def _finish(self, booking: Booking) -> None:
        if booking.passage is not None:
            booking.passage.close()
        self._sink.call_finished(booking.record)
