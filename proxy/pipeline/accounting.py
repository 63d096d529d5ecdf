"""Tokens and money of every attempt, then the record to the sinks, once.

A provider's own number always wins. Where it gave none although tokens may have been spent (no usage in the answer, a cut
or cancelled stream), the attempt is estimated and says so. An estimate is never allowed to delay a failover: the record
waits for it, the client does not.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.core.call import Call
from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, Sink
from proxy.core.settings import Target
from proxy.core.usage import Usage
from proxy.pipeline.estimation import EstimateJob, Estimator
from proxy.tokens.prices import cost, saved_by_cache

if TYPE_CHECKING:
    from proxy.pipeline.gate import Passage

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


class Accounting:
    """Completes attempt records and hands finished calls to the sink.

    `open` is the number of finished calls whose record waits for an estimate; `drained` waits for zero.
    """

    def __init__(self, sink: Sink, estimator: Estimator) -> None:
        self._sink = sink
        self._estimator = estimator
        self.open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def estimate(self, call: Call, booking: Booking, attempt: AttemptRecord, target: Target, texts: list[str]) -> None:
        """Start an estimate for an attempt; the call's record waits for it, nobody else does."""
        self._submit(call, target, texts, self._expect(booking, attempt, target))

    async def estimated(
        self, call: Call, booking: Booking, attempt: AttemptRecord, target: Target, texts: list[str]
    ) -> None:
        """Estimate an attempt whose numbers the client is about to be told; its record waits for it even if the client does
        not."""
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        apply = self._expect(booking, attempt, target)

        def done(usage: Usage) -> None:
            apply(usage)
            if not arrived.done():
                arrived.set_result(None)

        self._submit(call, target, texts, done)
        await arrived

    def _expect(self, booking: Booking, attempt: AttemptRecord, target: Target) -> Callable[[Usage], None]:
        """An estimate is missing; what to do with it when it comes."""
        booking.missing += 1

        def apply(usage: Usage) -> None:
            apply_usage(attempt, target, usage, booking.record.wall)
            booking.missing -= 1
            if booking.closed and not booking.missing:
                self.open -= 1
                if not self.open:
                    self._idle.set()
                self._finish(booking)

        return apply

    async def count(self, call: Call, target: Target, texts: list[str]) -> Usage:
        """What a request, and what came back of it, would be in this target's tokens."""
        arrived: asyncio.Future[Usage] = asyncio.get_running_loop().create_future()
        self._submit(call, target, texts, lambda usage: None if arrived.done() else arrived.set_result(usage))
        return await arrived

    async def drained(self) -> None:
        """Wait until no record waits for an estimate any more."""
        await self._idle.wait()

    def _submit(self, call: Call, target: Target, texts: list[str], done: Callable[[Usage], None]) -> None:
        self._estimator.submit(EstimateJob(call.endpoint, target.model, call.envelope.fields, texts), done)

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
