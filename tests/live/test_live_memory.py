"""What the running process holds: per open stream, and after many requests. Figures with `pytest -s`."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from live_process import ProxyProcess
from live_sockets import Caller, Record, post, settled

from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.server import LoopbackProvider

pytestmark = [pytest.mark.live, pytest.mark.slow]

KIB, MIB = 1024, 1024 * 1024
STREAMS, LANES = 1000, 16
WARM, MANY = 3_000, 20_000


@asynccontextmanager
async def proxied(folder: Path, behaviour: Behaviour) -> AsyncIterator[tuple[ProxyProcess, LoopbackProvider]]:
    """A proxy in its own process, in front of a provider in ours."""
    provider = LoopbackProvider("a")
    base_url = await provider.start()
    await provider.set_behaviour(behaviour)
    try:
        with ProxyProcess(folder, base_url) as process:
            # What the process sets up after its start must not look like growth.
            await asyncio.get_running_loop().run_in_executor(None, process.wait_for, "estimates_ready")
            yield process, provider
    finally:
        await provider.stop()


def test_it_says_when_it_listens_and_stops_in_order(tmp_path: Path, record_property: Record) -> None:
    async def body() -> None:
        async with proxied(tmp_path, Behaviour(chunks=2, gap=0.0, latency=Latency(0.0))) as (process, _):
            (line,) = process.said("listening")
            assert line["address"] == f"http://127.0.0.1:{process.port}"
            caller = await Caller(process.host, process.port).open()
            status, _ = await caller.ask(post(stream=False))
            assert status == 200
            caller.close()
            status = await asyncio.get_running_loop().run_in_executor(None, process.stop)
            assert status == 0
            assert process.said("stopped")
            figures = f"ready {process.ready_after:.2f} s after its start"
            record_property("start", figures)
            print(figures)

    asyncio.run(body())


def test_an_idle_open_stream_costs_little(tmp_path: Path, record_property: Record) -> None:
    async def body() -> None:
        silent = Behaviour(Mode.STALL, latency=Latency(0.0), after=1, chunks=2)
        async with proxied(tmp_path, silent) as (process, provider):

            async def stream() -> Caller:
                caller = await Caller(process.host, process.port).open(post())
                await caller.read_until(b'"content":"When"')
                return caller

            for caller in [await stream() for _ in range(50)]:
                caller.close()
            assert await settled(lambda: provider.provider.in_flight, 0) == 0
            before = process.resident()
            callers = [await stream() for _ in range(STREAMS)]
            assert provider.provider.in_flight == STREAMS
            each = (process.resident() - before) / STREAMS
            figures = f"{STREAMS} idle open streams: {each / KIB:.1f} KiB each, on top of {before / MIB:.0f} MiB"
            record_property("streams", figures)
            print(figures)
            assert provider.provider.in_flight == STREAMS, "all still open"
            assert each < 40 * KIB
            for caller in callers:
                caller.close()
            assert await settled(lambda: provider.provider.in_flight, 0) == 0

    uvloop.run(body())


class Lane(asyncio.Protocol):
    """A keep-alive client that asks again as soon as it has its answer, as cheaply as may be."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.buffer = b""
        self.need = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        if self.load.left:
            self.load.left -= 1
            self.transport.write(self.load.request)  # type: ignore[attr-defined]
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.need:
            head, mark, _ = self.buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            assert head.startswith(b"HTTP/1.1 200 "), self.buffer
            length = head.index(b"content-length: ") + 16
            self.need = len(head) + 4 + int(head[length:].split(b"\r\n", 1)[0])
        if len(self.buffer) >= self.need:
            self.buffer, self.need = b"", 0
            self.load.done += 1
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.lanes -= 1
        if not self.load.lanes:
            self.load.over.set()


class Load:
    """Many requests over some connections."""

    def __init__(self, count: int) -> None:
        self.request = post(stream=False)
        self.left = count
        self.done = 0
        self.lanes = LANES
        self.over = asyncio.Event()

    async def play(self, process: ProxyProcess) -> int:
        loop = asyncio.get_running_loop()
        for _ in range(LANES):
            await loop.create_connection(lambda: Lane(self), process.host, process.port)
        await self.over.wait()
        return self.done


def measure_growth(folder: Path, warm: int, many: int) -> tuple[int, int]:
    """Bytes resident after the first requests, and after all of them."""
    found: list[int] = []

    async def body() -> None:
        instant = Behaviour(chunks=2, gap=0.0, latency=Latency(0.0))
        async with proxied(folder, instant) as (process, provider):
            for count in (warm, many - warm):
                assert await Load(count).play(process) == count
                found.append(process.resident())
            assert provider.provider.served == many

    gc.collect()
    uvloop.run(body())
    return found[0], found[1]


def test_many_requests_leave_nothing_behind(tmp_path: Path, record_property: Record) -> None:
    early, late = measure_growth(tmp_path, WARM, MANY)
    figures = f"resident {early / MIB:.2f} MiB after {WARM} requests, {late / MIB:.2f} MiB after {MANY}"
    record_property("growth", figures)
    print(figures)
    assert late - early < 2 * MIB
