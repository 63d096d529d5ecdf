import asyncio
import threading
from random import Random

import pytest

from proxy.rehearse.virtual_loop import Deadlock, run


def test_waiting_moves_the_clock_exactly_and_costs_nothing():
    async def main(rng: Random) -> list[float]:
        loop = asyncio.get_running_loop()
        seen = []
        for _ in range(1000):
            await asyncio.sleep(0.1)
            seen.append(loop.time())
        await asyncio.sleep(365 * 86400)
        return seen

    seen = run(main, seed=1)
    expected = 0.0
    for at in seen:
        expected += 0.1
        assert at == expected


def test_a_timer_never_fires_before_its_time():
    async def main(rng: Random) -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def fire(when: float) -> None:
            assert loop.time() >= when
            fired.append(when)
            if len(fired) == len(times):
                done.set_result(None)

        fired: list[float] = []
        times = [rng.uniform(0, 1e6) for _ in range(2000)]
        for when in times:
            loop.call_at(when, fire, when)
        await done
        assert fired == sorted(times)

    run(main, seed=2, start=0.0)


def test_timeouts_and_start_are_virtual():
    async def main(rng: Random) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main, seed=0, start=1000.0) == 4600.0


def test_an_idle_loop_is_a_deadlock_that_names_who_waits():
    cleaned = []

    async def stuck() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    async def main(rng: Random) -> None:
        await asyncio.get_running_loop().create_task(stuck(), name="the stuck one")

    with pytest.raises(Deadlock, match=r"the stuck one .*stuck"):
        run(main, seed=0)
    assert cleaned == [True]


def test_background_timers_cannot_run_for_ever():
    async def forever() -> None:
        while True:
            await asyncio.sleep(1)

    async def main(rng: Random) -> None:
        task = asyncio.get_running_loop().create_task(forever())
        await asyncio.Event().wait()
        await task

    with pytest.raises(Deadlock, match="time limit"):
        run(main, seed=0, limit=100.0)


def test_executors_run_inline_and_threadsafe_calls_arrive():
    async def main(rng: Random) -> tuple[int, bool]:
        loop = asyncio.get_running_loop()
        inside = await loop.run_in_executor(None, threading.get_ident)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        event = asyncio.Event()
        loop.call_soon_threadsafe(event.set)
        await event.wait()
        return inside, event.is_set()

    assert run(main, seed=0) == (threading.get_ident(), True)


def test_what_asyncio_would_only_log_fails_the_run():
    async def main(rng: Random) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as caught:
        run(main, seed=0)
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)


def test_the_error_of_main_comes_out_and_tasks_left_behind_are_cancelled():
    ended = []

    async def other() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def main(rng: Random) -> None:
        task = asyncio.get_running_loop().create_task(other())
        await asyncio.sleep(1)
        assert not task.done()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(main, seed=0)
    assert ended == [1.0]


def test_equal_seed_equal_order():
    async def main(rng: Random) -> list[int]:
        order: list[int] = []

        async def hop(number: int) -> None:
            for _ in range(5):
                await asyncio.sleep(rng.random())
                order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(hop(number))
        return order

    assert run(main, seed=7) == run(main, seed=7)
    assert run(main, seed=7) != run(main, seed=8)
