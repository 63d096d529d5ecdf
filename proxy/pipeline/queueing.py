"""Waiting for a target whose cap on in-flight requests is reached.

A call waits only when no admitted target is left, and then in the queue of every full one at once. A slot that becomes free
goes to the longest waiter as a permit already acquired, so no newcomer can overtake it. A waiter is woken without a permit
when its target is no longer merely full (its breaker opened, its credentials are held): it has to choose again. Queues are
bounded, and the wait ends with the call's deadline or with its task: a permit handed to a task that is gone is given back.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from proxy.core.call import Call
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.policy.strategies import Candidate
from proxy.policy.targets import Permit, TargetState, Verdict

GRANTED_TOO_LATE = Outcome(OutcomeKind.CLIENT_GONE, message="left the queue")


class Waiter:
    """One call in the queues of several targets. `granted` resolves once: to the permit, or None (choose again)."""

    __slots__ = ("call", "excluded", "granted")

    def __init__(self, call: Call, excluded: dict[str, set[str]], granted: "asyncio.Future[Permit | None]") -> None:
        self.call = call
        self.excluded = excluded
        self.granted = granted


class CapacityQueues:
    """The queues of all targets, by live state: after a reload a target may have a new one, and those who wait for the old
    one are served by it. Empty queues are not kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[TargetState, deque[Waiter]] = {}

    def length(self, target_id: str) -> int:
        """How many wait for this target now."""
        waiting = (waiter for state, queue in self._queues.items() if state.id == target_id for waiter in queue)
        return sum(not waiter.granted.done() for waiter in waiting)

    def has_room(self, candidate: Candidate) -> bool:
        return len(self._queues.get(candidate.state, ())) < candidate.target.max_queue

    async def wait(
        self,
        candidates: Sequence[Candidate],
        call: Call,
        excluded: dict[str, set[str]],
        until: float,
        halt: "asyncio.Future[None] | None" = None,
    ) -> Permit | None:
        """A permit of one of the full `candidates`; None: choose again, or `until` (loop time) has passed, or `halt` is
        set."""
        waiter = Waiter(call, excluded, self._loop.create_future())
        for candidate in candidates:
            self._queues.setdefault(candidate.state, deque()).append(waiter)
        timer = self._loop.call_at(until, self._expire, waiter)
        if halt is not None:
            halt.add_done_callback(lambda _: self._expire(waiter))
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise
        finally:
            timer.cancel()
            for candidate in candidates:
                self._leave(candidate.state, waiter)

    @staticmethod
    def _expire(waiter: Waiter) -> None:
        if not waiter.granted.done():
            waiter.granted.set_result(None)

    def _give_back(self, waiter: Waiter) -> None:
        if waiter.granted.done() and not waiter.granted.cancelled():
            permit = waiter.granted.result()
            if permit is not None:
                permit.settle(GRANTED_TOO_LATE, self._loop.time())

    def _leave(self, state: TargetState, waiter: Waiter) -> None:
        queue = self._queues.get(state)
        if queue is None:
            return
        if waiter in queue:
            queue.remove(waiter)
        if not queue:
            del self._queues[state]

    def release(self, state: TargetState) -> None:
        """A permit of this target was settled (its `on_release`): serve those who wait for it."""
        queue = self._queues.get(state)
        while queue:
            waiter = queue[0]
            if waiter.granted.done():
                queue.popleft()
                continue
            now = self._loop.time()
            excluded = waiter.excluded.get(state.id, ())
            endpoint = waiter.call.endpoint
            permit = state.acquire(endpoint, now, excluded, waiter.call.envelope.stream)
            if permit is None and state.admission(endpoint, now, excluded).verdict is Verdict.FULL:
                return
            queue.popleft()
            waiter.granted.set_result(permit)
