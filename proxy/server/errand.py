"""A call under way, without a task for as long as it waits for nothing but verdicts.

The coroutine that serves a call is stepped from inside the callback that brought the request, and again from inside the one
that brought the provider's last byte. That is all the usual call needs: no task, no turn of the event loop. As soon as
it waits for anything else (a queue, a backoff, an estimate) a real task takes the same coroutine over where it stands.

Invariants: the coroutine is never stepped from inside itself; its end, whatever it was, is told once; after `cancel` it gets
exactly one CancelledError, even if it was cancelled before the task's first step.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from proxy.pipeline.verdict import Verdict

Work = Coroutine[Any, Any, None]


class Errand:
    """Runs `work`; `ended` hears None when it has returned, else what it raised (CancelledError if it was cancelled)."""

    __slots__ = ("_ended", "_loop", "_running", "_task", "_verdict", "_work")

    def __init__(
        self, work: Work, loop: asyncio.AbstractEventLoop, ended: Callable[["Errand", BaseException | None], None]
    ) -> None:
        self._work: Work | None = work
        self._loop = loop
        self._ended = ended
        self._running = False
        self._verdict: Verdict | None = None
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "over" if self._work is None else "task" if self._task else "waiting" if self._verdict else "fresh"
        return f"<Errand {state}>"

    def start(self) -> None:
        """Run up to the first thing that is not there yet."""
        self._step(None)

    def cancel(self, reason: str = "") -> None:
        """Raise CancelledError inside, with this reason. Does nothing once the work is over."""
        if self._task is not None:
            self._task.cancel(reason or None)
        elif self._running:
            self._loop.call_soon(self.cancel, reason)
        elif self._work is not None:
            self._step(asyncio.CancelledError(reason) if reason else asyncio.CancelledError())

    def _wake(self) -> None:
        if self._verdict is not None and self._verdict.done():
            self._step(None)

    def _step(self, error: BaseException | None) -> None:
        work = self._work
        assert work is not None
        self._verdict = None
        self._running = True
        try:
            awaited = work.send(None) if error is None else work.throw(error)
        except StopIteration:
            self._end(None)
        except BaseException as raised:
            self._end(raised)
            if not isinstance(raised, Exception | asyncio.CancelledError):
                raise
        else:
            self._running = False
            self._await(work, awaited)

    def _await(self, work: Work, awaited: object) -> None:
        if type(awaited) is Verdict and not awaited.done():
            awaited._asyncio_future_blocking = False
            awaited.waker = self._wake
            self._verdict = awaited
        else:
            self._task = self._loop.create_task(_Rest(work, awaited))
            self._task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._end(asyncio.CancelledError() if task.cancelled() else task.exception())

    def _end(self, error: BaseException | None) -> None:
        self._work = None
        self._ended(self, error)


class _Rest(Coroutine[Any, Any, None]):
    """The rest of a coroutine that is waiting already, as a task wants to run it: the first step gives what is awaited."""

    __slots__ = ("_awaited", "_waits", "_work")

    def __init__(self, work: Work, awaited: object) -> None:
        self._work = work
        self._awaited = awaited
        self._waits = True

    def send(self, value: object) -> object:
        if self._waits:
            self._waits = False
            awaited, self._awaited = self._awaited, None
            return awaited
        return self._work.send(value)

    def throw(self, *error: Any) -> object:
        awaited, self._awaited = self._awaited, None
        self._waits = False
        if isinstance(awaited, asyncio.Future):
            awaited.cancel()  # as a task does with what it waits for
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Any:
        raise TypeError("for a task only")
