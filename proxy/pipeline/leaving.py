"""What becomes of an attempt whose client has left.

Usually the provider is cut off at once, and what it had generated is estimated: most providers stop working then, and
charge for no more. Where a route says `on_leave: drain`, the attempt goes on without its client instead, for its usage
alone, so that the ledger has the provider's own number: some providers go on generating, and charging, in any case. It is
bounded by time, by tokens and by number, and ends at once when the proxy stops. The call's record waits for it; its place at
the target stays taken until then, as it is.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import AttemptRecord
from proxy.pipeline.accounting import Accounting, Booking
from proxy.wire.reading import StreamReader

#: `Route.on_leave`.
DRAIN = "drain"
#: Seconds, and tokens of four characters, that an attempt goes on without its client.
LONGEST = 30.0
MOST_TOKENS = 4096
CHARACTERS_PER_TOKEN = 4
#: Attempts that may do so at a time; the others are cut off.
MOST_AT_ONCE = 256
#: How often their tokens are looked at, in seconds.
LOOK_EVERY = 0.5
GONE = Outcome(OutcomeKind.CLIENT_GONE)


class Leftover(Protocol):
    """An attempt, as far as it matters here. `rest` is done when it is over."""

    record: AttemptRecord
    reader: StreamReader | None

    @property
    def rest(self) -> "asyncio.Future[Outcome] | None": ...

    def cut(self, outcome: Outcome) -> None:
        """End it now, at its provider too, as this."""


class Leaving:
    """Follows attempts to their end. `open` is how many there are."""

    def __init__(self, loop: asyncio.AbstractEventLoop, accounting: Accounting) -> None:
        self._loop = loop
        self._accounting = accounting
        self.open = 0

    def follow(self, attempt: Leftover, booking: Booking, book: Callable[[], None]) -> None:
        """`book` writes down what it used, once it is over; the call's record waits for that."""
        rest = attempt.rest
        assert rest is not None
        delivered, committed = attempt.record.delivered, booking.record.committed
        written = 0 if attempt.reader is None else attempt.reader.written
        release = self._accounting.hold(booking, lambda: attempt.cut(GONE))
        self.open += 1

        def look() -> None:
            reader = attempt.reader
            if rest.done():
                return
            if reader is not None and reader.written - written > MOST_TOKENS * CHARACTERS_PER_TOKEN:
                attempt.cut(GONE)
            else:
                self._loop.call_later(LOOK_EVERY, look)

        def over(_: "asyncio.Future[Outcome]") -> None:
            self.open -= 1
            record = attempt.record
            record.outcome = GONE
            # Only what the client had received before counts as received.
            record.delivered, booking.record.committed = delivered, committed
            book()
            release()

        self._loop.call_later(LOOK_EVERY, look)
        rest.add_done_callback(over)
        if self.open > MOST_AT_ONCE:
            attempt.cut(GONE)
