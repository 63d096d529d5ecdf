"""Clients that are slow, silent or gone: every wait has an end, and a client's leaving ends its call."""

import asyncio
from dataclasses import dataclass

import pytest
from listener_bench import CLOSE, JSON, Bench, Client, FakeApplication, echo, get, post, run_bench, until

from proxy.core.exchange import ClientRequest, Downstream

pytestmark = pytest.mark.live

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"


async def hang(request: ClientRequest, downstream: Downstream) -> None:
    await asyncio.get_running_loop().create_future()


async def drip(client: Client, piece: bytes) -> float:
    """Send `piece` again and again until the connection is gone; how many seconds that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        while loop.time() < began + 3:
            await client.send(piece)
            await asyncio.sleep(0.03)
    except ConnectionError:
        pass
    return loop.time() - began


# -- slow in sending


@pytest.mark.parametrize("start", [b"G", b"GET /health HTTP/1.1\r\nHost: loc", b"\r\n"])
def test_a_head_that_does_not_come_is_cut(start: bytes) -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.exchange(start)
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert bench.plane.state.refused == {"slow_head": 1}

    run_bench(scenario, header_timeout=0.2)


def test_a_head_that_drips_is_cut_all_the_same() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(b"GET /health HTTP/1.1\r\n")
        assert await drip(client, b"X: y\r\n") < 2.5
        assert bench.plane.state.refused == {"slow_head": 1}

    run_bench(scenario, header_timeout=0.2)


def test_a_second_head_has_the_head_limit_not_the_idle_one() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(get("/health"))
        await client.read_until(b"}")
        await client.send(b"GET /he")
        assert b" 408 " in await client.read_to_end()

    run_bench(scenario, header_timeout=0.2)


def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.exchange(b"") == b""
        assert bench.plane.state.refused == {}

    run_bench(scenario, header_timeout=0.2)


def test_an_idle_connection_is_closed_after_its_time() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(get("/health"))
        await client.read_until(b"}")
        assert await client.read_to_end() == b""

    run_bench(scenario, keepalive_timeout=0.2)


def test_a_connection_in_use_is_not_closed_by_the_limits_of_waiting() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        for _ in range(5):
            await client.send(get("/health"))
            await client.read_until(b"}")
            await asyncio.sleep(0.1)

    run_bench(scenario, header_timeout=0.3)


@pytest.mark.parametrize("start", [b"", b"only some of it"])
def test_a_body_that_does_not_come_is_cut(start: bytes) -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.exchange(HEAD + start)
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert bench.plane.state.refused == {"slow_body": 1}
        assert bench.app.served == []

    run_bench(scenario, body_timeout=0.2)


def test_a_body_that_drips_is_cut_whatever_length_it_announced() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(HEAD.replace(b"100\r", b"250000\r"))
        assert await drip(client, b"x") < 2.5
        assert bench.plane.state.refused == {"slow_body": 1}

    run_bench(scenario, body_timeout=0.2)


def test_a_body_that_keeps_coming_fast_enough_is_not_cut() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(HEAD.replace(b"100\r", b"50000\r"))
        for _ in range(10):
            await client.send(b"x" * 5000)
            await asyncio.sleep(0.02)
        await client.read_until(b"x" * 50000)

    run_bench(scenario, body_timeout=0.15)


# -- slow in reading


@dataclass
class Recorder:
    """A source that says what it was told."""

    paused: int = 0
    resumed: int = 0

    def pause(self) -> None:
        self.paused += 1

    def resume(self) -> None:
        self.resumed += 1


def pump(source: Recorder, total: int = 8_000_000) -> FakeApplication:
    """Streams `total` bytes, obeying back-pressure."""

    async def stream(request: ClientRequest, downstream: Downstream) -> None:
        downstream.start(200, JSON, None)
        downstream.attach(source)
        for _ in range(total // 8000):
            while source.paused > source.resumed:
                await asyncio.sleep(0.001)
            downstream.write(b"x" * 8000)
        while source.paused > source.resumed:  # the last piece may have filled the buffer
            await asyncio.sleep(0.001)
        downstream.attach(None)
        downstream.finish()

    return FakeApplication(stream)


def test_a_reader_that_stops_pauses_the_source_and_is_cut_in_the_end() -> None:
    source = Recorder()

    async def scenario(bench: Bench) -> None:
        client = await bench.connect(SO_RCVBUF=4096)
        await client.send(post())
        await until(lambda: source.paused == 1)
        [connection] = bench.plane.state.connections
        assert connection._outlet.transport.get_write_buffer_size() < 256 * 1024
        await until(lambda: bench.app.cancelled == 1)
        assert bench.plane.state.cut == {"slow_reader": 1}
        assert bench.plane.state.left == 1
        assert bench.plane.open_connections == 0

    run_bench(scenario, app=pump(source), write_timeout=0.3)
    assert source.resumed == 0


def test_a_reader_that_trickles_is_cut() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect(SO_RCVBUF=4096)
        await client.send(post())
        while bench.app.cancelled == 0:
            await client.receive(1)
            await asyncio.sleep(0.02)

    run_bench(scenario, app=pump(Recorder()), write_timeout=0.3)


def test_a_reader_that_comes_back_gets_everything() -> None:
    source = Recorder()

    async def scenario(bench: Bench) -> None:
        client = await bench.connect(SO_RCVBUF=65536)
        await client.send(post(extra=CLOSE))
        await until(lambda: source.paused == 1)
        reply = await client.read_to_end(8)
        assert reply.count(b"x" * 8000) == 1000
        assert reply.endswith(b"\r\n0\r\n\r\n")
        assert source.resumed == source.paused

    run_bench(scenario, app=pump(source), write_timeout=5.0)


def test_a_source_attached_to_a_full_transport_is_paused_at_once() -> None:
    source = Recorder()

    async def late(request: ClientRequest, downstream: Downstream) -> None:
        downstream.start(200, JSON, None)
        downstream.write(b"x" * 8_000_000)
        await asyncio.sleep(0)
        downstream.attach(source)
        await hang(request, downstream)

    async def scenario(bench: Bench) -> None:
        client = await bench.connect(SO_RCVBUF=4096)
        await client.send(post())
        await until(lambda: source.paused == 1)

    run_bench(scenario, app=FakeApplication(late))


def test_a_slow_reader_of_a_whole_answer_is_not_cut() -> None:
    async def large(request: ClientRequest, downstream: Downstream) -> None:
        downstream.start(200, JSON, 8_000_000)
        downstream.write(b"x" * 8_000_000)
        downstream.finish()

    async def scenario(bench: Bench) -> None:
        client = await bench.connect(SO_RCVBUF=65536)
        await client.send(post(extra=CLOSE))
        got = 0
        while data := await client.receive(150_000):
            got += len(data)
            await asyncio.sleep(0.01)
        assert got > 8_000_000

    run_bench(scenario, app=FakeApplication(large), write_timeout=0.4)


def test_a_client_that_asks_for_pages_and_does_not_read_is_not_answered_without_bound() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect(SO_RCVBUF=4096)
        sending = asyncio.create_task(client.send(get("/usage") * 100_000))
        await until(lambda: bench.plane.open_connections == 0)
        assert len(bench.app.pages) < 50_000
        assert bench.plane.state.cut == {"slow_reader": 1}
        await asyncio.gather(sending, return_exceptions=True)

    run_bench(scenario, write_timeout=0.3)


# -- leaving


async def leave(client: Client, how: str) -> None:
    if how == "half-close":
        client.shut_write()
    else:
        client.close()


@pytest.mark.parametrize("how", ["close", "half-close"])
def test_leaving_before_the_reply_cancels_the_call(how: str) -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(post())
        await until(lambda: len(bench.app.served) == 1)
        await leave(client, how)
        await until(lambda: bench.app.cancelled == 1)
        await until(lambda: bench.plane.open_connections == 0)
        assert bench.plane.state.left == 1

    run_bench(scenario, app=FakeApplication(hang))


def test_leaving_in_the_middle_of_a_stream_cancels_the_call() -> None:
    async def endless(request: ClientRequest, downstream: Downstream) -> None:
        downstream.start(200, JSON, None)
        while True:
            downstream.write(b"data")
            await asyncio.sleep(0.001)

    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(post())
        await client.read_until(b"data")
        client.close()
        await until(lambda: bench.app.cancelled == 1)
        assert bench.plane.state.failed == 0

    run_bench(scenario, app=FakeApplication(endless))


def test_leaving_with_a_request_pipelined_behind_cancels_and_serves_nothing_more() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(post(b"1") + post(b"2"))
        await until(lambda: len(bench.app.served) == 1)
        client.close()
        await until(lambda: bench.app.cancelled == 1)
        assert len(bench.app.served) == 1

    run_bench(scenario, app=FakeApplication(hang))


@pytest.mark.parametrize("sent", [b"", b"POST /v1/chat", HEAD, HEAD + b"abc"])
def test_leaving_before_the_request_is_whole_leaves_nothing_behind(sent: bytes) -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(sent)
        await until(lambda: bench.plane.open_connections == 1)
        client.close()
        await until(lambda: bench.plane.open_connections == 0)
        assert bench.app.served == []

    run_bench(scenario)


def test_leaving_after_the_reply_is_not_leaving_early() -> None:
    async def lingering(request: ClientRequest, downstream: Downstream) -> None:
        await echo(request, downstream)
        await asyncio.sleep(0.05)

    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(post(b"done"))
        await client.read_until(b"done")
        client.close()
        await until(lambda: bench.plane.open_connections == 0)
        await until(lambda: bench.plane.open_calls == 0)
        assert (bench.app.cancelled, bench.plane.state.left) == (0, 0)

    run_bench(scenario, app=FakeApplication(lingering))


def test_many_clients_leave_and_every_call_ends() -> None:
    async def scenario(bench: Bench) -> None:
        clients = [await bench.connect() for _ in range(200)]
        for client in clients:
            await client.send(post())
        await until(lambda: len(bench.app.served) == 200)
        for client in clients:
            client.close()
        await until(lambda: bench.app.cancelled == 200)
        await until(lambda: bench.plane.open_calls == 0)

    run_bench(scenario, app=FakeApplication(hang))
