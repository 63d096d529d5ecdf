"""36: clients that are slow on purpose are cut off, hold little memory until then, and leave nothing behind.

Scaled down from 10,000 heads, 1,000 bodies and 1,000 readers to what a test of some seconds can carry.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from live_sockets import Caller, Endless, Record, drip, open_files, post, settled
from support.live import SERVER, Stack, running
from support.simulation import provider, replace, settings

from proxy.core.settings import Origin, Route, Settings, Target
from proxy.rehearse.behaviour import Behaviour, Latency
from proxy.server.connection import Connection

pytestmark = pytest.mark.live

HEADS, BODIES, READERS, GOOD = 300, 100, 100, 8
SHORT = replace(SERVER, header_timeout=0.5, body_timeout=0.5, write_timeout=1.0)
BOUND = 256 * 1024
FAST = Behaviour(chunks=4, gap=0.001, latency=Latency(0.002))


@asynccontextmanager
async def endless() -> AsyncIterator[tuple[int, list[Endless]]]:
    everyone: list[Endless] = []
    server = await asyncio.get_running_loop().create_server(lambda: Endless(everyone), "127.0.0.1", 0, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1], everyone
    finally:
        server.close()
        await server.wait_closed()


def placed(port: int) -> Settings:
    """`lamp` goes to a simulated provider, `endless` to one that never stops."""
    routes = tuple(Route(name, (name,), ((Target(place, "m"),),)) for name, place in (("lamp", "a"), ("endless", "e")))
    flood = replace(provider("e"), origin=Origin("http", "127.0.0.1", port, "/v1"))
    return replace(settings(), routes=routes, providers={"a": provider("a"), "e": flood})


async def answered(live: Stack, until: asyncio.Event) -> int:
    """Calls of a well-behaved client, one after another, for as long as the others misbehave. Fails if one does."""
    caller = await Caller(live.host, live.port).open()
    count = 0
    while not until.is_set():
        status, body = await caller.ask(post(stream=False))
        assert status == 200, body
        count += 1
    caller.close()
    return count


def buffered(live: Stack) -> int:
    """The most bytes that any client's connection has waiting in this process."""
    connections = live.proxy._data.state.connections
    assert all(isinstance(connection, Connection) for connection in connections)
    return max((c._outlet.transport.get_write_buffer_size() for c in connections), default=0)  # type: ignore[attr-defined]


def test_36_slow_heads_and_bodies_are_cut_and_good_traffic_goes_on() -> None:
    async def body() -> None:
        async with running({"a": FAST}, settings((("a/m",),)), SHORT) as live:
            files = open_files()
            over = asyncio.Event()
            good = [asyncio.ensure_future(answered(live, over)) for _ in range(GOOD)]
            request = post()
            head, _, start = request.partition(b"\r\n\r\n")
            fields = b"x: y\r\n" * 200
            slow = [drip(Caller(live.host, live.port), head + b"\r\n", fields, 0.2) for _ in range(HEADS)]
            slow += [drip(Caller(live.host, live.port), head + b"\r\n\r\n", start, 0.2) for _ in range(BODIES)]
            answers = await asyncio.gather(*slow)
            over.set()
            counts = await asyncio.gather(*good)
            # A client still sending into a connection that was cut may lose the answer to its own reset.
            assert all(answer == b"" or answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
            assert sum(answer != b"" for answer in answers) > len(answers) / 2
            refused = live.proxy._data.state.refused
            assert refused == {"slow_head": HEADS, "slow_body": BODIES}
            assert min(counts) >= 1
            assert live.calls("a") == sum(counts), "of the slow ones nothing was sent on"
            assert await settled(live.proxy.client_connections, 0) == 0
            assert await settled(lambda: open_files() - live.providers["a"].connections * 2, files) == files

    asyncio.run(body())


def test_36_slow_readers_are_cut_and_hold_little_until_then(record_property: Record) -> None:
    async def read_slowly(caller: Caller, over: asyncio.Event) -> None:
        """A byte a second, until all are cut; then there is an end to what is left."""
        while not over.is_set():
            await caller.read(1)
            await asyncio.sleep(1.0)
        while await caller.read():
            pass
        caller.close()

    async def body() -> None:
        async with endless() as (port, floods), running({"a": FAST}, placed(port), SHORT) as live:
            files = open_files()
            over = asyncio.Event()
            good = [asyncio.ensure_future(answered(live, over)) for _ in range(GOOD)]
            slow = [await Caller(live.host, live.port, room=4096).open(post("endless")) for _ in range(READERS)]
            reading = [asyncio.ensure_future(read_slowly(caller, over)) for caller in slow]
            most, sent = 0, 0
            cut = live.proxy._data.state.cut
            while cut.get("slow_reader", 0) < READERS:
                most = max(most, buffered(live))
                sent = max([sent, *(flood.bytes for flood in floods)])
                await asyncio.sleep(0.02)
            over.set()
            counts = await asyncio.gather(*good)
            await asyncio.gather(*reading)
            figures = f"buffered at most {most} bytes a stream; a provider had sent {sent} when its reader was cut"
            record_property("slow_readers", figures)
            print(figures)
            assert len(floods) == READERS
            assert 0 < most <= BOUND
            # What waits here, and what the kernel holds on both sides, which is no more than it begins with.
            assert sent <= 1024 * 1024
            assert cut == {"slow_reader": READERS}
            assert await settled(lambda: sum(flood.gone for flood in floods), READERS) == READERS
            assert min(counts) >= 1
            assert live.calls("a") == sum(counts)
            assert await settled(live.proxy.client_connections, 0) == 0
            assert await settled(lambda: open_files() - live.providers["a"].connections * 2, files) == files
            assert live.proxy.upstream_connections()["e", "busy"] == 0

    asyncio.run(body())
