"""An event loop in which waiting costs nothing.

`loop.time()` is a number that we move: when no callback is ready, it jumps to the next timer. Everything that waits
through asyncio (sleep, timeouts, `call_at`, tenacity) runs unchanged, an hour passes in seconds, and equal seeds give
equal traces, since there is no real I/O, no thread and no clock whose jitter could reorder anything. Functions given to
executors run at once, on the loop's own thread. An idle loop with an unfinished main task can never finish: that is a
`Deadlock`, with the waiting tasks by name. An exception that asyncio would only log fails the run.
"""

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from random import Random
from typing import Any, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Deadlock(RuntimeError):
    """Nothing is scheduled any more, or the virtual time limit has passed, and the main task is not done."""


class VirtualSelector(selectors.SelectSelector):
    """Registers files like any other and never looks at them; being asked to wait moves the clock."""

    def __init__(self, advance: Callable[[], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._advance()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop on virtual time, which begins at `start` seconds and may not pass `limit`."""

    def __init__(self, start: float = 0.0, limit: float = 400 * 86400.0) -> None:
        self._now = start
        self._limit = start + limit
        self.troubles: list[BaseException] = []
        super().__init__(VirtualSelector(self._advance))
        self.set_exception_handler(self._keep_trouble)

    def time(self) -> float:
        return self._now

    @property
    def _clock_resolution(self) -> float:
        # asyncio runs every timer that is due before `time() + resolution`. One ulp makes that "due now or earlier" at any
        # magnitude; its own nanosecond would vanish in the rounding after some months, and nothing would ever be due.
        return math.ulp(self._now)

    @_clock_resolution.setter
    def _clock_resolution(self, value: float) -> None:
        """asyncio sets the resolution of the real clock, which is not ours."""

    def _advance(self) -> None:
        # The loop has already dropped cancelled timers from the front of its heap. The timer's own `when` is taken
        # instead of adding the waiting time up, so that a timer never fires an ulp too early.
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if not timers:
            raise Deadlock(f"idle at {self._now:.6f} s with nothing scheduled; waiting: {self._waiting()}")
        when = timers[0].when()
        if when > self._limit:
            raise Deadlock(f"virtual time limit passed at {self._now:.6f} s; waiting: {self._waiting()}")
        self._now = max(self._now, when)

    def _waiting(self) -> str:
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: task.get_name())
        return ", ".join(f"{task.get_name()} ({_place(task)})" for task in tasks) or "no task"

    def _write_to_self(self) -> None:
        """Nobody ever sleeps in `select`, so there is nobody to wake."""

    def _keep_trouble(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.troubles.append(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        """Run `func` now: threads would end at real times, which virtual time must not depend on."""
        future: asyncio.Future[Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def _place(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    if not frames:
        return "not started"
    return f"{frames[0].f_code.co_qualname}:{frames[0].f_lineno}"


def run(
    main: Callable[[Random], Coroutine[Any, Any, Result]], *, seed: int, start: float = 0.0, limit: float = 400 * 86400.0
) -> Result:
    """Run `main(rng)` to its end in virtual time and give back its result. `rng` is made from `seed` and should be the
    only source of chance. Raises what `main` raises, `Deadlock`, or a group of the exceptions that callbacks and
    forgotten tasks left behind."""
    loop = VirtualLoop(start, limit)
    try:
        asyncio.set_event_loop(loop)
        result = loop.run_until_complete(main(Random(seed)))
        _wind_up(loop)
    except BaseException:
        loop.set_exception_handler(lambda _loop, _context: None)
        _abandon(loop)
        raise
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    if loop.troubles:
        raise BaseExceptionGroup("raised outside of the main task", loop.troubles)
    return result


def _wind_up(loop: VirtualLoop) -> None:
    tasks = _cancel_all(loop)
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())


def _abandon(loop: VirtualLoop) -> None:
    """After a failure: let the tasks see their cancellation, but don't let a stubborn one hide the first error."""
    tasks = _cancel_all(loop)
    if not tasks:
        return
    try:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    except Deadlock:
        return


def _cancel_all(loop: VirtualLoop) -> list[asyncio.Task[Any]]:
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    tasks.sort(key=lambda task: task.get_name())
    for task in tasks:
        task.cancel()
    return tasks
