"""Two copies of one request, where the first is slow to begin: the first content wins, the other copy is cut off at once.

A `Race` runs like an attempt. Most races have one runner: its answer begins before anybody grows impatient. Else a second
attempt is made elsewhere, beside the first, and from then on each may win. Whoever has content (a stream) or is whole and
sound (an answer in one piece) has won, and in the same instant the other one is cut off, so that two providers' bytes can
never reach one client. What the loser used is waste, and booked. A runner that fails only leaves the race; the call fails
over when none is left.

Only requests that may be made twice are hedged: nothing that is stored, nothing whose tools the vendor runs.
"""

import asyncio
from collections.abc import Callable

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.pipeline.attempt import Attempt
from proxy.pipeline.journey import Journey
from proxy.wire.hosted import are_clients

OUTPACED = Outcome(OutcomeKind.OUTPACED, message="another copy of the request was answered first")
#: Endpoints at which an answer is made and not kept. Responses may be, where the request says that it is not to be stored.
_HEDGED = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MESSAGES, Endpoint.RESPONSES, Endpoint.EMBEDDINGS})
_KEPT = frozenset({"background", "previous_response_id", "conversation", "web_search_options"})

Joined = Callable[[], Attempt | None]


def can_repeat(journey: Journey) -> bool:
    """May a second provider be asked for the same answer while the first may still be giving it?"""
    call = journey.call
    fields = call.envelope.fields
    if journey.careful or journey.upgrade is not None or call.endpoint not in _HEDGED:
        return False
    if call.endpoint is Endpoint.RESPONSES and bytes(fields.get("store", b"true")) != b"false":  # type: ignore[call-overload]
        return False
    return _KEPT.isdisjoint(fields) and ("tools" not in fields or are_clients(fields["tools"]))


def patience(journey: Journey, attempt: Attempt) -> float | None:
    """Seconds without content after which a second copy is sent; None: not known yet."""
    hedge = journey.route.route.hedge
    if hedge is None or hedge.after is not None:
        return None if hedge is None else hedge.after
    return attempt.candidate.state.usual_wait(journey.call.endpoint, journey.call.envelope.stream)


class Race:
    """`patience`: seconds without content after which `join` makes a second attempt, or None if there is nobody or nothing
    to make it with. `drop` hears of each runner that leaves while the race goes on. `runners` are the others."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        first: Attempt,
        patience: float,
        join: Joined,
        drop: Callable[[Attempt, Outcome], None],
    ) -> None:
        self._loop = loop
        self._patience = patience
        self._join = join
        self._drop = drop
        self._over: asyncio.Future[tuple[Attempt, Outcome]] = loop.create_future()
        self.runners: list[Attempt] = [first]

    async def run(self) -> tuple[Attempt, Outcome]:
        """The runner that won, or was the last to fail, and what came of it. Raises what the first one raises when it is
        sent."""
        timer = self._loop.call_later(self._patience, self._grow_impatient)
        try:
            self._start(self.runners[0])
            return await self._over
        except asyncio.CancelledError as cancelled:
            kind = OutcomeKind.SHUTDOWN if "shutdown" in cancelled.args else OutcomeKind.CLIENT_GONE
            for runner in self.runners:
                runner.cut(Outcome(kind))
            raise
        finally:
            timer.cancel()

    def _start(self, runner: Attempt) -> None:
        runner.on_first = lambda: self._won(runner)
        runner.verdict.add_done_callback(lambda verdict: self._ended(runner, verdict.result()))
        runner.begin()

    def _grow_impatient(self) -> None:
        first = self.runners[0]
        if self._over.done() or first.verdict.done() or first.record.first_content_at is not None:
            return
        second = self._join()
        if second is not None:
            self.runners.append(second)
            self._start(second)

    def _won(self, winner: Attempt) -> None:
        for runner in [runner for runner in self.runners if runner is not winner]:
            self.runners.remove(runner)
            runner.cut(OUTPACED)
            self._drop(runner, OUTPACED)

    def _ended(self, runner: Attempt, outcome: Outcome) -> None:
        if runner not in self.runners or self._over.done():
            return
        if len(self.runners) > 1:
            self.runners.remove(runner)
            self._drop(runner, outcome)
        else:
            self._over.set_result((runner, outcome))
