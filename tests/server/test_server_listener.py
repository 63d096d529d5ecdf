"""Starting, limits on connections, draining, stopping."""

import asyncio
import socket

import pytest
from aiohttp import http_parser
from listener_bench import CLOSE, JSON, QUICK, Bench, FakeApplication, get, post, run_bench, until

from proxy.core.exchange import ClientRequest, Downstream
from proxy.server import listener
from proxy.server.listener import DataPlane, ParserMissing, require_parser


def test_without_the_c_parser_it_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    require_parser()
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(ParserMissing, match="C extension"):
        require_parser()


def test_with_an_old_aiohttp_it_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener.aiohttp, "__version__", "3.13.9")
    with pytest.raises(ParserMissing, match=r"aiohttp>=3\.14\.3"):
        require_parser()


@pytest.mark.live
def test_it_listens_on_a_socket_that_is_bound_already() -> None:
    async def play() -> bytes:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        plane = DataPlane(FakeApplication(), QUICK, loop=asyncio.get_running_loop())
        address = await plane.start(sock=sock)
        assert address == sock.getsockname()
        bench = Bench(plane, FakeApplication(), *address)
        reply = await bench.exchange(get(extra=CLOSE))
        await plane.stop(0.1)
        return reply

    assert b"200 OK" in asyncio.run(play())


@pytest.mark.live
def test_one_connection_too_many_is_told_so() -> None:
    async def scenario(bench: Bench) -> None:
        first = [await bench.connect() for _ in range(2)]
        await until(lambda: bench.plane.open_connections == 2)
        reply = await (await bench.connect()).read_to_end()
        assert reply.startswith(b"HTTP/1.1 503 ")
        assert bench.plane.state.refused == {"too_many_connections": 1}
        await until(lambda: bench.plane.open_connections == 2)
        first[0].close()
        await until(lambda: bench.plane.open_connections == 1)
        assert b"200 OK" in await bench.exchange(get(extra=CLOSE))

    run_bench(scenario, max_connections=2)


async def stream(request: ClientRequest, downstream: Downstream) -> None:
    downstream.start(200, JSON, None)
    for _ in range(10):
        downstream.write(b"word ")
        await asyncio.sleep(0.01)
    downstream.finish()


@pytest.mark.live
def test_draining_lets_streams_finish_and_closes_what_is_idle() -> None:
    async def scenario(bench: Bench) -> None:
        idle, busy = await bench.connect(), await bench.connect()
        await idle.send(get("/health"))
        await idle.read_until(b"}")
        await busy.send(post())
        await busy.read_until(b"word ")
        bench.plane.drain()
        assert bench.plane.draining
        assert await idle.read_to_end() == b""
        # Load balancers can still ask, on connections that end at once.
        reply = await bench.exchange(get("/health/ready"))
        assert b"connection: close" in reply
        assert (await busy.read_to_end()).endswith(b"0\r\n\r\n")

    run_bench(scenario, app=FakeApplication(stream))


@pytest.mark.live
def test_stopping_waits_for_calls_and_takes_no_new_ones() -> None:
    async def scenario(bench: Bench) -> None:
        busy = await bench.connect()
        await busy.send(post() + post())
        await busy.read_until(b"word ")
        stopping = asyncio.create_task(bench.plane.stop(3.0))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await bench.connect()
        assert (await busy.read_to_end()).endswith(b"0\r\n\r\n")
        await stopping
        assert len(bench.app.served) == 1

    run_bench(scenario, app=FakeApplication(stream))


@pytest.mark.live
@pytest.mark.parametrize("started", [True, False])
def test_what_outlasts_the_limit_is_cut_honestly(started: bool) -> None:
    async def hang(request: ClientRequest, downstream: Downstream) -> None:
        if started:
            downstream.start(200, JSON, None)
            downstream.write(b"word")
        await asyncio.get_running_loop().create_future()

    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(post())
        await until(lambda: len(bench.app.served) == 1)
        await bench.plane.stop(0.05)
        reply = await client.read_to_end()
        assert bench.app.cancelled == 1
        if started:
            assert reply.endswith(b"4\r\nword\r\n")
        else:
            assert reply.startswith(b"HTTP/1.1 503 ")

    run_bench(scenario, app=FakeApplication(hang))
