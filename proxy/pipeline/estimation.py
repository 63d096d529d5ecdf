"""Where token estimates are made: off the event loop.

Counting a long prompt takes tens of milliseconds. tiktoken lets go of the interpreter lock meanwhile, so one thread is
enough to keep the loop free. What is counted, and how, is `tokens/`; this file only moves the work away and the result back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import structlog

from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage, UsageSource
from proxy.stores.log import describe


@dataclass(slots=True)
class EstimateJob:
    """What is known of an attempt whose provider reported nothing: the request's top-level fields and the pieces of text
    that came back (None: only the input is asked for). `factor`: what the target's answers said about such estimates."""

    endpoint: Endpoint
    model: str
    fields: Mapping[str, object]
    texts: Sequence[str] | None
    factor: float = 1.0


class Estimator(Protocol):
    """Estimates later and calls back on the loop, never from inside `submit`."""

    def submit(self, job: EstimateJob, done: Callable[[Usage], None]) -> None: ...


class ThreadEstimator:
    """Runs `estimate` in an executor's thread. `pending` counts jobs whose callback has not run yet. `make_ready` does what
    the first estimate would otherwise have to do."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        executor: Executor,
        estimate: Callable[[EstimateJob], Usage],
        make_ready: Callable[[], object] = lambda: None,
    ) -> None:
        self._loop = loop
        self._executor = executor
        self._estimate = estimate
        self._make_ready = make_ready
        self.pending = 0

    async def prepare(self) -> None:
        """Make ready now, in the thread. Raises what that raises."""
        await self._loop.run_in_executor(self._executor, self._make_ready)

    def submit(self, job: EstimateJob, done: Callable[[Usage], None]) -> None:
        self.pending += 1
        future = self._loop.run_in_executor(self._executor, self._estimate, job)
        future.add_done_callback(lambda finished: self._finish(finished, done))

    def _finish(self, future: "asyncio.Future[Usage]", done: Callable[[Usage], None]) -> None:
        """Always calls back: a record, perhaps a client, waits. What could not be counted is a lower bound of nothing."""
        self.pending -= 1
        error = None if future.cancelled() else future.exception()
        if error is not None:
            structlog.get_logger("undimmed").error("estimate_failed", where=describe(error))
        failed = error is not None or future.cancelled()
        done(Usage(source=UsageSource.ESTIMATE, lower_bound=True) if failed else future.result())
