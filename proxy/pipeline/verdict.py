"""What a call waits for while an attempt is under way: the attempt's outcome.

A future like any other, so a task can wait for it. Whoever drives the call without a task (`server/errand.py`) leaves a
`waker` instead: a good outcome wakes it at once, inside the callback that brought the last byte, so that the usual call
costs no turn of the event loop. Any other outcome is followed by further attempts, which must not begin inside the callbacks
of a connection or a breaker that is still at work; it wakes on the loop's next turn, as a future does.
"""

import asyncio
from collections.abc import Callable

from proxy.core.outcome import Outcome


class Verdict(asyncio.Future[Outcome]):
    """Falls once. Cancelled only together with a task that waits for it."""

    waker: Callable[[], None] | None = None

    def fall(self, outcome: Outcome) -> None:
        """Does nothing if it was cancelled."""
        if self.done():
            return
        self.set_result(outcome)
        waker = self.waker
        if waker is None:
            return
        if outcome.ok:
            waker()
        else:
            self.get_loop().call_soon(waker)
