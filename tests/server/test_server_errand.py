"""A call without a task: stepped where it stands, handed to a task when it waits for anything but a verdict."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.pipeline.verdict import Verdict
from proxy.server.errand import Errand, Work

BROKEN = Outcome(OutcomeKind.SERVER_ERROR)


class Watch:
    """What became of one errand."""

    def __init__(self, make: Callable[["Watch"], Work]) -> None:
        self.loop = asyncio.get_running_loop()
        self.steps: list[str] = []
        self.ends: list[BaseException | None] = []
        self.verdict = Verdict(loop=self.loop)
        self.errand = Errand(make(self), self.loop, lambda _, error: self.ends.append(error))


def play(make: Callable[[Watch], Work], scenario: Callable[[Watch], Awaitable[None]]) -> Watch:
    async def main() -> Watch:
        watch = Watch(make)
        await scenario(watch)
        return watch

    return asyncio.run(main())


async def at_once(watch: Watch) -> None:
    watch.steps.append("ran")


async def waiting(watch: Watch) -> None:
    try:
        watch.steps.append((await watch.verdict).kind.value)
    except asyncio.CancelledError as cancelled:
        watch.steps.append(f"cancelled {cancelled.args}")
        raise


async def sleeping(watch: Watch) -> None:
    watch.steps.append("ran")
    try:
        await asyncio.sleep(0)
        watch.steps.append("slept")
        watch.steps.append((await watch.verdict).kind.value)
    except asyncio.CancelledError as cancelled:
        watch.steps.append(f"cancelled {cancelled.args}")
        raise


async def queueing(watch: Watch) -> None:
    place: asyncio.Future[None] = watch.loop.create_future()
    try:
        await place
    except asyncio.CancelledError:
        watch.steps.append(f"left, place cancelled: {place.cancelled()}")
        raise


def test_work_that_waits_for_nothing_is_over_when_start_returns() -> None:
    async def scenario(watch: Watch) -> None:
        assert repr(watch.errand) == "<Errand fresh>"
        watch.errand.start()
        assert (watch.steps, watch.ends) == (["ran"], [None])
        watch.errand.cancel()
        assert repr(watch.errand) == "<Errand over>"

    assert play(at_once, scenario).ends == [None]


def test_a_good_verdict_wakes_at_once() -> None:
    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        assert (repr(watch.errand), watch.ends) == ("<Errand waiting>", [])
        watch.verdict.fall(OK)
        assert (watch.steps, watch.ends) == (["ok"], [None])

    play(waiting, scenario)


def test_any_other_verdict_wakes_on_the_next_turn() -> None:
    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        watch.verdict.fall(BROKEN)
        watch.verdict.fall(OK)
        assert watch.steps == []
        await asyncio.sleep(0)
        assert (watch.steps, watch.ends) == (["server_error"], [None])

    play(waiting, scenario)


def test_a_verdict_that_fell_before_anybody_waited_is_not_waited_for() -> None:
    async def scenario(watch: Watch) -> None:
        watch.verdict.fall(BROKEN)
        watch.errand.start()
        assert watch.steps == ["server_error"]

    play(waiting, scenario)


@pytest.mark.parametrize(("reason", "shown"), [("", "()"), ("shutdown", "('shutdown',)")])
def test_cancelling_raises_inside_at_once(reason: str, shown: str) -> None:
    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        watch.errand.cancel(reason)
        assert watch.steps == [f"cancelled {shown}"]
        assert [type(end) for end in watch.ends] == [asyncio.CancelledError]

    play(waiting, scenario)


def test_a_verdict_behind_a_cancellation_changes_nothing() -> None:
    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        watch.verdict.fall(BROKEN)
        watch.errand.cancel()
        await asyncio.sleep(0)
        watch.verdict.fall(OK)
        assert (watch.steps, len(watch.ends)) == (["cancelled ()"], 1)

    play(waiting, scenario)


def test_cancelling_from_inside_takes_effect_where_it_waits_next() -> None:
    async def suicidal(watch: Watch) -> None:
        watch.errand.cancel("shutdown")
        await waiting(watch)

    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        assert watch.steps == []
        await asyncio.sleep(0)
        assert watch.steps == ["cancelled ('shutdown',)"]

    play(suicidal, scenario)


def test_whatever_else_is_waited_for_makes_a_task() -> None:
    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        assert (watch.steps, repr(watch.errand)) == (["ran"], "<Errand task>")
        await asyncio.sleep(0.001)
        assert watch.steps == ["ran", "slept"]
        watch.verdict.fall(OK)
        assert watch.ends == []  # a task has its own pace
        await asyncio.sleep(0.001)
        assert (watch.steps[-1], watch.ends) == ("ok", [None])

    play(sleeping, scenario)


def test_cancelling_a_task_before_its_first_step_reaches_the_work() -> None:
    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        watch.errand.cancel("shutdown")
        await asyncio.sleep(0.001)
        assert watch.steps == ["ran", "cancelled ('shutdown',)"]
        assert [type(end) for end in watch.ends] == [asyncio.CancelledError]

    play(sleeping, scenario)


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_what_a_cancelled_task_waited_for_is_cancelled_too(turns: int) -> None:
    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        watch.errand.cancel()
        await asyncio.sleep(0.001)
        assert watch.steps == ["left, place cancelled: True"]
        assert len(watch.ends) == 1

    play(queueing, scenario)


@pytest.mark.parametrize("pause", [False, True])
def test_an_error_is_told_and_goes_no_further(pause: bool) -> None:
    async def failing(watch: Watch) -> None:
        if pause:
            await asyncio.sleep(0)
        raise ValueError("ours")

    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        await asyncio.sleep(0.001)
        assert [type(end) for end in watch.ends] == [ValueError]

    play(failing, scenario)


def test_an_error_behind_a_verdict_does_not_reach_who_brought_it() -> None:
    async def failing(watch: Watch) -> None:
        await watch.verdict
        raise ValueError("ours")

    async def scenario(watch: Watch) -> None:
        watch.errand.start()
        watch.verdict.fall(OK)
        assert [type(end) for end in watch.ends] == [ValueError]

    play(failing, scenario)


def test_what_ends_a_process_is_told_and_passed_on() -> None:
    async def leaving(watch: Watch) -> None:
        raise SystemExit(3)

    async def scenario(watch: Watch) -> None:
        with pytest.raises(SystemExit):
            watch.errand.start()
        assert [type(end) for end in watch.ends] == [SystemExit]

    play(leaving, scenario)
