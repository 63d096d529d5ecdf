"""Waiting for a target whose cap on in-flight requests is reached, written or learned.

A call waits only when no admitted target is left, and then in the queue of every full one at once. A slot that becomes free
goes to the one whose turn it is (`policy.fairness`) as a permit already acquired, so no newcomer can overtake it. A waiter
is woken without a permit when its target is no longer merely full (its breaker opened, its credentials are held): it has to
choose again. Queues are bounded; who has the better right to wait displaces another one from a full queue. The wait ends
with the call's deadline or with its task: a permit handed to a task that is gone is given back.

How long a newcomer would wait is known from the pace at which places become free, and told to those who find no room.
"""

import asyncio
from collections.abc import Iterable, Sequence

from proxy.core.call import Call
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.priorities import RANKS
from proxy.pipeline.journey import Journey
from proxy.policy.fairness import FairLine
from proxy.policy.strategies import Candidate
from proxy.policy.targets import Permit, TargetState, Verdict

GRANTED_TOO_LATE = Outcome(OutcomeKind.CLIENT_GONE, message="left the queue")
#: Seconds to tell where nothing is known about how soon a place becomes free.
LEAST_WAIT = 1.0


class Waiter:
    """One call in the queues of several targets, `places` of them. `granted` resolves once: to the permit, or None (choose
    again). `displaced`: it lost its last place to another call."""

    __slots__ = ("call", "displaced", "excluded", "granted", "key", "places", "rank")

    def __init__(self, journey: Journey, granted: "asyncio.Future[Permit | None]") -> None:
        self.call: Call = journey.call
        self.excluded = journey.tried_credentials
        self.granted = granted
        self.key, self.rank = standing_of(journey)
        self.places = 0
        self.displaced = False


class Queue(FairLine[Waiter]):
    """Those who wait for one target since `began`. `freed_at`: loop time at which a place last became free; `gap`: seconds
    between two, on average."""

    __slots__ = ("freed_at", "gap")

    def __init__(self, began: float) -> None:
        super().__init__()
        self.freed_at = began
        self.gap: float | None = None

    def freed(self, now: float) -> None:
        gap = now - self.freed_at
        self.freed_at = now
        self.gap = gap if self.gap is None else self.gap + (gap - self.gap) / 8

    def wait(self, now: float) -> float:
        """Seconds after which one more could have its turn, as it looks now."""
        gap = now - self.freed_at
        if self.gap is not None:
            gap = max(gap, self.gap)
        return max(gap * (len(self) + 1), LEAST_WAIT)


def standing_of(journey: Journey) -> tuple[str | None, int]:
    """By what a call is placed in a queue: its key and the rank of its priority."""
    return journey.record.key, RANKS[journey.record.priority]


class CapacityQueues:
    """The queues of all targets, by live state: after a reload a target may have a new one, and those who wait for the old
    one are served by it. Empty queues are not kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[TargetState, Queue] = {}

    def length(self, target_id: str) -> int:
        """How many wait for this target now."""
        waiting = (waiter for state, queue in self._queues.items() if state.id == target_id for waiter in queue)
        return sum(not waiter.granted.done() for waiter in waiting)

    def has_room(self, candidate: Candidate, journey: Journey) -> bool:
        """May this call wait for it, if need be in another one's place?"""
        queue = self._queues.get(candidate.state)
        most = candidate.target.max_queue
        if queue is None or len(queue) < most:
            return most > 0
        key, rank = standing_of(journey)
        return queue.displace(rank, key) is not None

    def expect(self, candidates: Iterable[Candidate]) -> float | None:
        """Seconds after which asking again makes sense, for a call that none of these full ones has room for."""
        now = self._loop.time()
        queues = [self._queues.get(candidate.state) for candidate in candidates]
        return min((LEAST_WAIT if queue is None else queue.wait(now) for queue in queues), default=None)

    async def wait(self, candidates: Sequence[Candidate], journey: Journey, until: float) -> Permit | None:
        """A permit of one of the full `candidates`; None: choose again, or `until` (loop time) has passed, or the call was
        halted, or it was `displaced`."""
        waiter = Waiter(journey, self._loop.create_future())
        for candidate in candidates:
            self._join(candidate, waiter)
        timer = self._loop.call_at(until, self._expire, waiter)
        if journey.halt is not None:
            journey.halt.add_done_callback(lambda _: self._expire(waiter))
        try:
            permit = await waiter.granted
            journey.displaced = waiter.displaced
            return permit
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise
        finally:
            timer.cancel()
            for candidate in candidates:
                self._leave(candidate.state, waiter)

    def _join(self, candidate: Candidate, waiter: Waiter) -> None:
        queue = self._queues.get(candidate.state)
        if queue is None:
            queue = self._queues[candidate.state] = Queue(self._loop.time())
        elif len(queue) >= candidate.target.max_queue:
            other = queue.displace(waiter.rank, waiter.key)
            if other is not None:
                queue.remove(other)
                other.places -= 1
                if not other.places and not other.granted.done():
                    other.displaced = True
                    other.granted.set_result(None)
        queue.append(waiter)
        waiter.places += 1

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
        queue.remove(waiter)
        if not queue:
            del self._queues[state]

    def release(self, state: TargetState) -> None:
        """A permit of this target was settled (its `on_release`): serve those who wait for it."""
        queue = self._queues.get(state)
        if queue is None:
            return
        now = self._loop.time()
        queue.freed(now)
        while (waiter := queue.peek()) is not None:
            if waiter.granted.done():
                queue.remove(waiter)
                continue
            excluded = waiter.excluded.get(state.id, ())
            endpoint = waiter.call.endpoint
            permit = state.acquire(endpoint, now, excluded, waiter.call.envelope.stream)
            if permit is None and state.admission(endpoint, now, excluded).verdict is Verdict.FULL:
                return
            queue.serve(waiter)
            waiter.granted.set_result(permit)
