"""Alarms ring at their moment and nobody else's, and are used again."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.pipeline.alarms import Alarms
from proxy.rehearse.virtual_loop import run


class Stage:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.alarms = Alarms(self.loop)
        self.epoch = self.loop.time()
        self.rung: list[tuple[str, float]] = []

    @property
    def now(self) -> float:
        return round(self.loop.time() - self.epoch, 6)

    def at(self, moment: float) -> float:
        return self.epoch + moment

    def ring(self, name: str) -> Callable[[], None]:
        return lambda: self.rung.append((name, self.now))


def act(play: Callable[[Stage], Awaitable[None]]) -> None:
    async def main(_: Random) -> None:
        await play(Stage())

    run(main, seed=1)


def test_it_rings_once_at_its_moment() -> None:
    async def play(stage: Stage) -> None:
        stage.alarms.set(stage.at(2.0), stage.ring("a"))
        await asyncio.sleep(9.0)
        assert stage.rung == [("a", 2.0)]
        assert len(stage.alarms) == 0

    act(play)


def test_it_can_be_moved_both_ways() -> None:
    async def play(stage: Stage) -> None:
        later, earlier = (stage.alarms.set(stage.at(4.0), stage.ring(name)) for name in ("later", "earlier"))
        later.move(stage.at(6.0))
        earlier.move(stage.at(1.0))
        assert (later.due, earlier.due) == (stage.at(6.0), stage.at(1.0))
        await asyncio.sleep(9.0)
        assert stage.rung == [("earlier", 1.0), ("later", 6.0)]

    act(play)


def test_one_that_was_cleared_is_used_again_and_rings_for_the_new_one_only() -> None:
    async def play(stage: Stage) -> None:
        first = stage.alarms.set(stage.at(2.0), stage.ring("first"))
        first.clear()
        assert (len(stage.alarms), "kept" in repr(first)) == (1, True)
        assert stage.alarms.set(stage.at(3.0), stage.ring("second")) is first
        assert len(stage.alarms) == 0
        await asyncio.sleep(9.0)
        assert stage.rung == [("second", 3.0)]

    act(play)


def test_one_that_nobody_takes_is_dropped_when_it_rings() -> None:
    async def play(stage: Stage) -> None:
        for alarm in [stage.alarms.set(stage.at(2.0), stage.ring(f"{n}")) for n in range(5)]:
            alarm.clear()
        assert len(stage.alarms) == 5
        await asyncio.sleep(9.0)
        assert (stage.rung, len(stage.alarms)) == ([], 0)

    act(play)


def test_one_that_has_rung_can_be_set_on_from_inside_and_is_not_kept_without_a_timer() -> None:
    async def play(stage: Stage) -> None:
        def again() -> None:
            stage.rung.append(("again", stage.now))
            if len(stage.rung) == 1:
                alarm.move(stage.at(5.0))
            else:
                alarm.clear()

        alarm = stage.alarms.set(stage.at(2.0), again)
        await asyncio.sleep(9.0)
        assert stage.rung == [("again", 2.0), ("again", 5.0)]
        assert len(stage.alarms) == 0

    act(play)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50), st.booleans()), max_size=30))
def test_any_mixture_rings_like_timers_of_its_own(wishes: list[tuple[int, int, bool]]) -> None:
    """Each wish: set at, rings after, and whether it is cleared half-way."""

    async def one(stage: Stage, number: int, wish: tuple[int, int, bool]) -> None:
        start, after, cleared = wish
        await asyncio.sleep(start)
        alarm = stage.alarms.set(stage.at(start + after), stage.ring(str(number)))
        if cleared:
            await asyncio.sleep(after / 2)
            alarm.clear()

    async def play(stage: Stage) -> None:
        await asyncio.gather(*(one(stage, number, wish) for number, wish in enumerate(wishes)))
        await asyncio.sleep(200)
        expected = {str(n): float(start + after) for n, (start, after, cleared) in enumerate(wishes) if not cleared}
        assert dict(stage.rung) == expected
        assert len(stage.rung) == len(expected)
        assert len(stage.alarms) == 0

    act(play)
