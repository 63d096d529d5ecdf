import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage, UsageSource
from proxy.pipeline.estimation import EstimateJob, ThreadEstimator
from proxy.tokens.count import Counter
from proxy.tokens.encoding import O200K
from proxy.tokens.estimate import estimate

JOB = EstimateJob(Endpoint.CHAT, "m", {}, ["some", "text"])


def count(job: EstimateJob) -> Usage:
    return Usage(1, sum(map(len, job.texts or ())), source=UsageSource.ESTIMATE)


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


class Spy:
    """An encoder that notes what it was given, and where."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, int]] = []

    def encode_ordinary(self, text: str) -> list[int]:
        self.pieces.append((threading.get_ident(), len(text.encode())))
        return [0] * (len(text) // 4)


def test_nothing_is_counted_on_the_loop_and_never_more_than_a_piece() -> None:
    """What keeps the event loop free: every step runs in the counting thread, and none is larger than 64 KB."""
    text = "Keep the light on, говорит он. " * 60_000
    spy = Spy()
    counter = Counter({O200K: spy})  # type: ignore[dict-item]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        got: asyncio.Future[Usage] = loop.create_future()
        fields = {"messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": text}]}]).encode()}
        with ThreadPoolExecutor(1) as executor:
            estimator = ThreadEstimator(
                loop, executor, lambda job: estimate(counter, job.endpoint, job.fields, job.texts, job.model, job.factor)
            )
            estimator.submit(EstimateJob(Endpoint.CHAT, "gpt-4o", fields, [text]), got.set_result)
            usage = await got
        assert usage.input > len(text) // 5

    asyncio.run(main())
    assert len(spy.pieces) > 20
    assert threading.get_ident() not in {thread for thread, _ in spy.pieces}
    assert max(size for _, size in spy.pieces) <= 65_536
    assert sum(size for _, size in spy.pieces) < 1.1 * len(text.encode()), "what was counted once is not counted again"


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
