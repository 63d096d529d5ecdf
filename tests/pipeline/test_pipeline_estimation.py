import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage, UsageSource
from proxy.pipeline.estimation import EstimateJob, ThreadEstimator

JOB = EstimateJob(Endpoint.CHAT, "m", {}, ["some", "text"])


def count(job: EstimateJob) -> Usage:
    return Usage(1, sum(map(len, job.texts)), source=UsageSource.ESTIMATE)


def test_counts_elsewhere_and_calls_back_here() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        here = threading.get_ident()
        places: list[int] = []
        got: asyncio.Future[Usage] = loop.create_future()

        def counting(job: EstimateJob) -> Usage:
            places.append(threading.get_ident())
            return count(job)

        def done(usage: Usage) -> None:
            places.append(threading.get_ident())
            got.set_result(usage)

        with ThreadPoolExecutor(1) as executor:
            estimator = ThreadEstimator(loop, executor, counting)
            estimator.submit(JOB, done)
            assert estimator.pending == 1
            assert not got.done(), "never from inside submit"
            assert await got == Usage(1, 8, source=UsageSource.ESTIMATE)
        assert places[0] != here
        assert places[1] == here
        assert estimator.pending == 0

    asyncio.run(main())


def test_what_the_first_estimate_would_have_to_do_can_be_done_before_in_the_same_thread() -> None:
    async def main() -> None:
        places: list[int] = []
        with ThreadPoolExecutor(1) as executor:
            loop = asyncio.get_running_loop()
            estimator = ThreadEstimator(loop, executor, count, lambda: places.append(threading.get_ident()))
            await estimator.prepare()
            assert places == [executor.submit(threading.get_ident).result()]
            await ThreadEstimator(loop, executor, count).prepare()

    asyncio.run(main())


def test_jobs_are_answered_in_order() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        order: list[int] = []
        last: asyncio.Future[None] = loop.create_future()

        def note(number: int) -> None:
            order.append(number)
            if number == 9:
                last.set_result(None)

        with ThreadPoolExecutor(1) as executor:
            estimator = ThreadEstimator(loop, executor, count)
            for number in range(10):
                estimator.submit(JOB, lambda _, number=number: note(number))  # type: ignore[misc]
            assert estimator.pending == 10
            await last
        assert order == list(range(10))

    asyncio.run(main())


def test_the_loop_stays_free_meanwhile() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        gate = threading.Event()
        got: asyncio.Future[Usage] = loop.create_future()

        def slow(job: EstimateJob) -> Usage:
            assert gate.wait(5)
            return count(job)

        with ThreadPoolExecutor(1) as executor:
            ThreadEstimator(loop, executor, slow).submit(JOB, got.set_result)
            for _ in range(10):
                await asyncio.sleep(0)
            assert not got.done()
            gate.set()
            await got

    asyncio.run(main())
