"""The loopback providers on real sockets, asked by a client that nobody here wrote: the standard library's."""

import asyncio
import http.client
import json
import socket
import time
from collections.abc import Callable

import pytest

from proxy.rehearse.behaviour import Behaviour, Mode, constant
from proxy.rehearse.schedule import spans
from proxy.rehearse.server import LoopbackProvider

pytestmark = pytest.mark.live

QUICK = Behaviour(latency=constant(0.0), chunks=4, gap=0.0)
STREAM = json.dumps({"model": "m", "stream": True, "messages": []})


def with_provider(use: Callable[[LoopbackProvider], object], behaviour: Behaviour = QUICK) -> object:
    """Start a provider, run the blocking `use` in a thread, stop; in the end no connection is left."""

    async def main() -> object:
        provider = LoopbackProvider("alpha")
        await provider.start()
        await provider.set_behaviour(behaviour)
        try:
            return await asyncio.to_thread(use, provider)
        finally:
            await provider.stop()
            assert provider.connections == 0
            assert provider.provider.in_flight == 0

    return asyncio.run(main())


def mode(which: Mode, **fields: object) -> Behaviour:
    return Behaviour(which, constant(0.0), chunks=4, gap=0.0, **fields)  # type: ignore[arg-type]


def port_of(provider: LoopbackProvider) -> int:
    return int(provider.base_url.split(":")[2].split("/")[0])


def connect(provider: LoopbackProvider, timeout: float = 5.0) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port_of(provider), timeout=timeout)


def ask(provider: LoopbackProvider, timeout: float = 5.0) -> tuple[int, bytes]:
    connection = connect(provider, timeout)
    try:
        connection.request("POST", "/v1/chat/completions", STREAM, {"authorization": "Bearer k"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def settled(provider: LoopbackProvider) -> None:
    """The client has its last byte a moment before the provider, in its own thread, has closed its books."""
    end = time.monotonic() + 5
    while provider.provider.in_flight and time.monotonic() < end:
        time.sleep(0.002)


def test_streams_and_keep_alive():
    def use(provider: LoopbackProvider) -> None:
        connection = connect(provider)
        for _ in range(3):
            connection.request("POST", "/v1/chat/completions", STREAM, {"authorization": "Bearer k"})
            answer = connection.getresponse()
            assert answer.getheader("content-type") == "text/event-stream; charset=utf-8"
            assert answer.read().endswith(b"data: [DONE]\n\n")
        assert provider.connected == 1
        connection.close()
        settled(provider)
        assert [entry.key for entry in provider.provider.bill.entries] == ["k"] * 3
        assert provider.provider.bill.tokens(complete=True)[1] == 12

    with_provider(use)


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/v1/chat/completions", {"model": "m", "messages": []}, "choices"),
        ("/v1/completions", {"model": "m", "prompt": "x"}, "choices"),
        ("/v1/embeddings", {"model": "m", "input": "x"}, "data"),
        ("/v1/models", None, "data"),
        ("/health", None, "status"),
    ],
)
def test_endpoints(path: str, body: dict | None, key: str):
    def use(provider: LoopbackProvider) -> None:
        connection = connect(provider)
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None)
        answer = connection.getresponse()
        assert answer.status == 200
        assert key in json.loads(answer.read())
        connection.close()

    with_provider(use)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (mode(Mode.REFUSE), ConnectionRefusedError),
        (mode(Mode.CLOSE), http.client.RemoteDisconnected),
        (mode(Mode.CLOSE, reset=True), ConnectionResetError),
        (mode(Mode.CUT, after=2), http.client.IncompleteRead),
        (mode(Mode.BAD_FRAMING, after=2), http.client.HTTPException),
        (mode(Mode.BLACK_HOLE), TimeoutError),
        (mode(Mode.STALL, after=1), TimeoutError),
        (mode(Mode.CONNECT_HANG), TimeoutError),
    ],
)
def test_failures_are_real(behaviour: Behaviour, error: type[Exception]):
    def use(provider: LoopbackProvider) -> None:
        with pytest.raises(error):
            ask(provider, timeout=0.2)

    with_provider(use, behaviour)


def test_a_reset_in_the_middle():
    def use(provider: LoopbackProvider) -> None:
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            ask(provider)

    with_provider(use, mode(Mode.CUT, after=2, reset=True))


def test_statuses_and_bodies_of_vendors():
    def use(provider: LoopbackProvider) -> None:
        status, body = ask(provider)
        assert status == 502
        assert body.startswith(b"<!DOCTYPE html>")

    with_provider(use, mode(Mode.STATUS, failure="edge_502"))


def test_it_refuses_kills_what_is_open_and_comes_back_on_the_same_port():
    async def main() -> None:
        provider = LoopbackProvider("alpha")
        url = await provider.start()
        await provider.set_behaviour(QUICK)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(provider))
        writer.write(b"GET /v1/models HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await provider.set_behaviour(mode(Mode.REFUSE))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port_of(provider))
        rest = await reader.read()
        assert rest.endswith(b"}")
        writer.close()
        await provider.set_behaviour(QUICK)
        assert provider.base_url == url
        status, _ = await asyncio.to_thread(ask, provider)
        assert status == 200
        await provider.stop()

    asyncio.run(main())


def test_the_schedule_moves_the_listener_by_itself():
    async def main() -> None:
        provider = LoopbackProvider("alpha", spans([(0.0, 0.05, mode(Mode.REFUSE))], QUICK))
        await provider.start()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port_of(provider))
        for _ in range(500):
            await asyncio.sleep(0.01)
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port_of(provider))
            except ConnectionRefusedError:
                continue
            writer.close()
            break
        else:
            raise AssertionError("never listened")
        await provider.stop()

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 7])
def test_requests_in_pieces_and_expect_continue(size: int):
    body = STREAM.encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body)

    def use(provider: LoopbackProvider) -> None:
        with socket.create_connection(("127.0.0.1", port_of(provider)), timeout=5) as sock:
            for start in range(0, len(head), size):
                sock.sendall(head[start : start + size])
            assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(body)
            assert sock.recv(12) == b"HTTP/1.1 200"

    with_provider(use)


def test_a_client_that_leaves_is_noticed():
    async def main() -> None:
        provider = LoopbackProvider("alpha")
        await provider.start()
        await provider.set_behaviour(mode(Mode.STALL, after=1))
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(provider))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(STREAM), STREAM.encode()))
        await reader.readline()
        assert provider.provider.in_flight == 1
        writer.close()
        await writer.wait_closed()
        for _ in range(500):
            if provider.provider.in_flight == 0:
                break
            await asyncio.sleep(0.01)
        assert provider.provider.in_flight == 0
        assert not provider.provider.bill.entries[0].complete
        await provider.stop()

    asyncio.run(main())


def test_chunked_requests_are_turned_away():
    def use(provider: LoopbackProvider) -> None:
        # In one piece: a client that is turned away while it still sends may see a broken pipe instead of the answer.
        with socket.create_connection(("127.0.0.1", port_of(provider)), timeout=5) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            )
            assert client.recv(65536).startswith(b"HTTP/1.1 411 ")

    with_provider(use)
