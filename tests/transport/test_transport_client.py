"""The transport against a scripted server on real sockets, on both kinds of loop."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator

import pytest
from raw_server import Peer, RawServer
from transport_fakes import Recorder, request

from proxy.transport.client import HttpTransport, PoolSize

pytestmark = pytest.mark.live
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@contextlib.asynccontextmanager
async def transport(**settings: object) -> AsyncIterator[HttpTransport]:
    made = HttpTransport(asyncio.get_running_loop(), **settings)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.aclose()


async def keep_alive(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


async def silence(peer: Peer) -> None:
    await peer.request()
    await peer.wait_gone()


def test_requests_in_a_row_share_one_connection(run) -> None:
    async def scenario() -> None:
        async with RawServer(keep_alive) as server, transport() as client:
            for _ in range(5):
                recorder = Recorder()
                client.send(request(server.port), recorder)
                await recorder.done()
                assert recorder.events == ["head", "body", "complete"]
                assert (recorder.status, recorder.body, recorder.headers) == (200, b"ok", [(b"content-length", b"2")])
            assert len(server.peers) == 1
            assert server.peers[0].requests == [(request(server.port).head, b"{}")] * 5
            assert client.pool_sizes() == {"p": PoolSize(open=1, idle=1, connecting=0)}
            assert repr(client) == f"<HttpTransport p <Pool 127.0.0.1:{server.port} 1 open, 1 idle, 0 connecting>>"

    run(scenario())


def test_nothing_is_heard_inside_send(run) -> None:
    async def scenario() -> None:
        async with RawServer(keep_alive) as server, transport() as client:
            client.set_pool_limit("p", 1)
            first, second = Recorder(), Recorder()
            client.send(request(server.port), first)
            client.send(request(server.port), second)
            assert (first.events, second.events) == ([], [])
            await first.done()
            await second.done()
            assert (first.kind, second.kind) == (None, "pool_full")

    run(scenario())


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\n\r\nhe", b"llo"], b"hello"),
        ([STREAM, b"2\r\nab\r\n", b"1\r\nc\r\n0\r\n", b"\r\n"], b"abc"),
        ([b"HTTP/1.1 200 OK\r\n\r\nuntil", b" the end"], b"until the end"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], b"ok"),
        ([b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", gzip.compress(b"packed")], b"packed"),
        ([b"HTTP/1.1 302 F\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nno"], b"no"),
        ([b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100 + b"content-length: 1\r\n\r\n.", b""], b"."),
    ],
)
def test_framings(run, wire: list[bytes], body: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*wire)

    async def scenario() -> None:
        async with RawServer(script) as server, transport() as client:
            recorder = Recorder()
            client.send(request(server.port), recorder)
            await recorder.done()
            assert (recorder.body, recorder.kind) == (body, None)
            assert len(server.peers) == 1

    run(scenario())


@pytest.mark.parametrize(
    ("wire", "reset", "kind"),
    [
        (b"", False, "closed"),
        (b"", True, "closed"),
        (b"HTTP/1.1 200", False, "broken"),
        (STREAM + b"5\r\nhel", False, "broken"),
        (STREAM + b"5\r\nhello\r\n", False, "broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel", False, "broken"),
        (STREAM + b"oops\r\n", False, "garbage"),
        (b"<html>", False, "garbage"),
    ],
)
def test_bad_ends(run, wire: bytes, reset: bool, kind: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(wire)
        if reset:
            peer.reset()

    async def scenario() -> None:
        async with RawServer(script) as server, transport() as client:
            recorder = Recorder()
            client.send(request(server.port), recorder)
            await recorder.done()
            assert recorder.kind == kind
            assert len(server.peers) == 1
            assert client.pool_sizes()["p"] == PoolSize()

    run(scenario())


def test_reset_in_the_body(run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM + b"2\r\nab\r\n")
        await release.wait()
        peer.reset()

    release = asyncio.Event()

    async def scenario() -> None:
        async with RawServer(script) as server, transport() as client:
            recorder = Recorder()
            client.send(request(server.port), recorder)
            await recorder.until(lambda seen: seen.body == b"ab")
            release.set()
            await recorder.done()
            assert recorder.kind == "broken"

    run(scenario())


def test_stale_connection_is_replaced_exactly_once(run) -> None:
    """The server answers once, then drops the connection as soon as it hears the next request."""

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        peer.reset()

    async def drop(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async def scenario(second: object, verdict: str | None) -> None:
        async with RawServer(once, second) as server, transport() as client:  # type: ignore[arg-type]
            client.set_pool_limit("p", 1)
            for expected in (None, verdict):
                recorder = Recorder()
                client.send(request(server.port), recorder)
                await recorder.done()
                assert recorder.kind == expected
            assert len(server.peers) == 2
            assert [len(peer.requests) for peer in server.peers] == [2, 1]

    run(scenario(keep_alive, None))
    run(scenario(drop, "closed"))


def test_connection_that_ends_while_idle_is_dropped(run) -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)

    async def scenario() -> None:
        async with RawServer(once) as server, transport() as client:
            for count in (1, 2):
                recorder = Recorder()
                client.send(request(server.port), recorder)
                await recorder.done()
                while client.pool_sizes()["p"].open:
                    await asyncio.sleep(0.001)
                assert len(server.peers) == count

    run(scenario())


@pytest.mark.parametrize("phase", ["connecting", "head", "body", "in on_head", "in on_body"])
def test_abort_is_seen_by_the_server_and_heard_by_nobody(run, phase: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if phase != "head":
            await peer.send(STREAM, b"2\r\nab\r\n")
        await peer.wait_gone()

    async def scenario() -> None:
        async with RawServer(script) as server, transport() as client:
            recorder = Recorder()
            exchange = client.send(request(server.port), recorder)
            if phase.startswith("in "):
                recorder.on_event = lambda event: exchange.abort() if event == phase[6:] else None
                await recorder.until(lambda seen: seen.events[-1:] == [phase[6:]])
            elif phase == "body":
                await recorder.until(lambda seen: seen.body == b"ab")
            elif phase == "head":
                while not (server.peers and server.peers[0].requests):
                    await asyncio.sleep(0.001)
            heard = list(recorder.events)
            exchange.abort()
            exchange.abort()
            exchange.resume()
            assert client.pool_sizes()["p"] == PoolSize()
            if phase != "connecting":
                await server.peers[0].gone.wait()
            assert recorder.events == heard

    run(scenario())


def test_abort_of_a_scheduled_failure(run) -> None:
    async def scenario() -> None:
        async with RawServer(silence) as server, transport() as client:
            client.set_pool_limit("p", 0)
            recorder = Recorder()
            exchange = client.send(request(server.port), recorder)
            exchange.pause()
            exchange.abort()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert recorder.events == []

    run(scenario())


def test_detached_answer_leaves_a_connection_for_the_next(run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM, b"2\r\nab\r\n")
        await rest.wait()
        await peer.send(b"1\r\nc\r\n0\r\n\r\n")
        await keep_alive(peer)

    rest = asyncio.Event()

    async def scenario() -> None:
        rest.clear()
        async with RawServer(script) as server, transport() as client:
            recorder = Recorder()
            exchange = client.send(request(server.port), recorder)
            await recorder.until(lambda seen: seen.body == b"ab")
            exchange.detach()
            rest.set()
            while not client.pool_sizes()["p"].idle:
                await asyncio.sleep(0.001)
            following = Recorder()
            client.send(request(server.port), following)
            await following.done()
            assert (recorder.body, following.body, len(server.peers)) == (b"ab", b"ok", 1)

    run(scenario())


def test_pause_bounds_what_is_taken_from_a_fast_server(run) -> None:
    sent = 0
    size = 64 * 1024

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (size * 256))
        for _ in range(256):
            await peer.send(b"x" * size)
            sent += size

    async def scenario() -> None:
        nonlocal sent
        sent = 0
        async with RawServer(flood) as server, transport() as client:
            recorder = Recorder()
            recorder.on_event = lambda event: exchange.pause() if event == "body" else None
            exchange = client.send(request(server.port), recorder)
            await recorder.until(lambda seen: bool(seen.body))
            before = -1
            while before != sent:  # until the server can send no more
                before = sent
                await asyncio.sleep(0.02)
            assert len(recorder.body) <= 512 * 1024
            assert sent < size * 256
            recorder.on_event = None
            exchange.resume()
            await recorder.done()
            assert (len(recorder.body), recorder.kind) == (size * 256, None)

    run(scenario())


def test_paused_before_the_connection_is_there(run) -> None:
    async def scenario() -> None:
        async with RawServer(keep_alive) as server, transport() as client:
            recorder = Recorder()
            exchange = client.send(request(server.port), recorder)
            exchange.pause()
            while not (server.peers and server.peers[0].requests):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            assert recorder.events == []
            exchange.resume()
            await recorder.done()
            assert recorder.body == b"ok"

    run(scenario())


def test_large_request_body(run) -> None:
    async def scenario() -> None:
        async with RawServer(keep_alive) as server, transport() as client:
            body = bytes(range(256)) * 16_000
            for _ in range(2):
                recorder = Recorder()
                client.send(request(server.port, body=body), recorder)
                await recorder.done()
                assert recorder.kind is None
            assert [len(got) for _, got in server.peers[0].requests] == [len(body)] * 2
            assert server.peers[0].requests[1][1] == body

    run(scenario())


def test_a_stuck_provider_does_not_starve_another(run) -> None:
    async def scenario() -> None:
        async with RawServer(silence) as stuck, RawServer(keep_alive) as fine, transport() as client:
            client.set_pool_limit("a", 20)
            waiting = [Recorder() for _ in range(30)]
            for recorder in waiting:
                client.send(request(stuck.port, pool="a"), recorder)
            for _ in range(50):
                recorder = Recorder()
                client.send(request(fine.port, pool="b"), recorder)
                await recorder.done()
                assert recorder.kind is None
            assert [recorder.kind for recorder in waiting] == [None] * 20 + ["pool_full"] * 10
            sizes = client.pool_sizes()
            assert (sizes["a"].open, sizes["b"].open) == (20, 1)

    run(scenario())


def test_two_providers_on_one_origin_do_not_share(run) -> None:
    async def scenario() -> None:
        async with RawServer(keep_alive) as server, transport() as client:
            for pool in ("a", "b"):
                recorder = Recorder()
                client.send(request(server.port, pool=pool), recorder)
                await recorder.done()
            assert len(server.peers) == 2

    run(scenario())


def test_close_ends_everything_and_refuses_more(run) -> None:
    async def scenario() -> None:
        hang: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

        async def resolve(host: str, port: int) -> list[str]:
            return await hang

        async with RawServer(silence) as server, transport(resolver=resolve) as client:
            waiting, connecting, late = Recorder(), Recorder(), Recorder()
            client.send(request(server.port), waiting)
            client.send(request(host="hangs.test"), connecting)
            while not (server.peers and server.peers[0].requests):
                await asyncio.sleep(0.001)
            client.close()
            assert (waiting.kind, connecting.kind) == ("broken", "connect")
            client.send(request(server.port), late)
            assert late.events == []
            await late.done()
            assert late.kind == "connect"
            await server.peers[0].gone.wait()
            assert repr(client) == "<HttpTransport closed>"

    run(scenario())


def test_request_from_inside_on_complete(run) -> None:
    async def scenario() -> None:
        async with RawServer(keep_alive) as server, transport() as client:
            first, second = Recorder(), Recorder()
            first.on_event = lambda event: (
                client.send(request(server.port), second) and None if event == "complete" else None
            )
            client.send(request(server.port), first)
            await second.done()
            assert (second.body, len(server.peers)) == (b"ok", 1)

    run(scenario())


def test_error_of_a_receiver_reaches_the_loop_and_ends_the_exchange(run) -> None:
    async def scenario() -> None:
        seen: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context.get("exception")))
        mistake = ZeroDivisionError("mistake")

        def stumble(event: str) -> None:
            if event == "body":
                raise mistake

        async with RawServer(keep_alive) as server, transport() as client:
            recorder = Recorder(stumble)
            client.send(request(server.port), recorder)
            await recorder.done()
            assert recorder.kind == "broken"
            assert seen == [mistake]
            assert client.pool_sizes()["p"].open == 0

    run(scenario())
