"""Opening connections: refusals, several addresses, TLS, limits on time."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import pytest
import trustme
from raw_server import Peer, RawServer, free_port
from transport_fakes import Recorder, request

from proxy.transport.client import HttpTransport, PoolSize
from proxy.transport.dialing import connect_any, default_tls, explain
from proxy.transport.limits import TransportLimits

pytestmark = pytest.mark.live


@contextlib.asynccontextmanager
async def transport(**settings: object) -> AsyncIterator[HttpTransport]:
    made = HttpTransport(asyncio.get_running_loop(), **settings)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.aclose()


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port on which connecting hangs: the backlog is full and nobody accepts."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def answer(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


async def never(host: str, port: int) -> list[str]:
    await asyncio.get_running_loop().create_future()
    return []


async def unknown(host: str, port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_refused(run) -> None:
    async def scenario() -> None:
        port = free_port()
        async with transport() as client:
            recorder = Recorder()
            client.send(request(port), recorder)
            assert client.pool_sizes() == {"p": PoolSize(connecting=1)}
            await recorder.done()
            assert recorder.kind == "connect"
            assert recorder.error is not None
            assert recorder.error.detail == f"127.0.0.1:{port}: connection refused"
            assert client.pool_sizes() == {"p": PoolSize()}

    run(scenario())


def test_name_not_resolved(run) -> None:
    async def scenario() -> None:
        async with transport(resolver=unknown) as client:
            recorder = Recorder()
            client.send(request(443, host="api.nowhere.test"), recorder)
            await recorder.done()
            assert recorder.kind == "connect"
            assert str(recorder.error).endswith("api.nowhere.test:443: name not resolved: Name or service not known")

    run(scenario())


@pytest.mark.parametrize("hangs", ["resolver", "tcp", "tls"])
def test_one_limit_for_name_socket_and_tls(run, hangs: str) -> None:
    async def mute(peer: Peer) -> None:
        await peer.wait_gone()

    async def scenario() -> None:
        resolver = never if hangs == "resolver" else None
        with full_backlog() as stuck:
            async with RawServer(mute) as server, transport(resolver=resolver) as client:
                port = stuck if hangs == "tcp" else server.port
                scheme = "https" if hangs == "tls" else "http"
                host = "hangs.test" if hangs == "resolver" else "127.0.0.1"
                recorder = Recorder()
                client.send(request(port, scheme=scheme, host=host, connect_timeout=0.4), recorder)
                await recorder.done()
                assert recorder.kind == "connect_timeout"
                assert "no connection within 0.4 s" in str(recorder.error)
                assert client.pool_sizes() == {"p": PoolSize()}
                if hangs == "tls":
                    await server.peers[0].gone.wait()

    run(scenario())


@pytest.mark.parametrize("hangs", ["resolver", "tcp", "tls"])
@pytest.mark.parametrize("action", ["abort", "detach"])
def test_leaving_while_connecting(run, hangs: str, action: str) -> None:
    async def mute(peer: Peer) -> None:
        await peer.wait_gone()

    async def scenario() -> None:
        with full_backlog() as stuck:
            async with RawServer(mute) as server, transport(resolver=never) as client:
                port = stuck if hangs == "tcp" else server.port
                scheme = "https" if hangs == "tls" else "http"
                host = "hangs.test" if hangs == "resolver" else "127.0.0.1"
                recorder = Recorder()
                exchange = client.send(request(port, scheme=scheme, host=host), recorder)
                while hangs == "tls" and not server.peers:
                    await asyncio.sleep(0.001)
                getattr(exchange, action)()
                assert client.pool_sizes() == {"p": PoolSize()}
                if hangs == "tls":
                    await server.peers[0].gone.wait()
                await asyncio.sleep(0.01)
                assert recorder.events == []

    run(scenario())


def test_next_address_after_a_refusal_and_after_the_head_start(run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer(answer) as server:
            # Nobody listens on 127.0.0.2 there; the server is bound to 127.0.0.1 alone.
            sock = await connect_any(loop, ["127.0.0.2", "::1", "127.0.0.1"], server.port, stagger=30.0)
            assert sock.getpeername() == ("127.0.0.1", server.port)
            sock.close()
            with pytest.raises(OSError, match=r"127\.0\.0\.2 connection refused; 127\.0\.0\.3 connection refused"):
                await connect_any(loop, ["127.0.0.2", "127.0.0.3"], server.port, stagger=30.0)
        with full_backlog() as stuck, socket.socket() as listener:
            listener.bind(("127.0.0.2", stuck))
            listener.listen()
            sock = await connect_any(loop, ["127.0.0.1", "127.0.0.2", "127.0.0.3"], stuck, stagger=0.01)
            assert sock.getpeername() == ("127.0.0.2", stuck)
            sock.close()

    run(scenario())


def test_name_with_several_addresses(run) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async def scenario() -> None:
        async with RawServer(answer) as server, transport(resolver=resolve) as client:
            recorder = Recorder()
            client.send(request(server.port, host="api.test"), recorder)
            await recorder.done()
            assert recorder.body == b"ok"

    run(scenario())


def server_context(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    ca.issue_cert(*names).configure_cert(context)
    return context


def client_context(ca: trustme.CA) -> ssl.SSLContext:
    context = default_tls()
    ca.configure_trust(context)
    return context


CA = trustme.CA()


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def test_tls(run) -> None:
    async def scenario() -> None:
        async with (
            RawServer(answer, tls=server_context(CA, "api.test")) as server,
            transport(ssl_context=client_context(CA), resolver=loopback) as client,
        ):
            for body in (b"{}", b"x" * 300_000):
                recorder = Recorder()
                client.send(request(server.port, scheme="https", host="api.test", body=body), recorder)
                await recorder.done()
                assert (recorder.body, recorder.kind) == (b"ok", None)
            [peer] = server.peers
            assert [len(body) for _, body in peer.requests] == [2, 300_000]
            tls = peer.info("ssl_object")
            assert isinstance(tls, ssl.SSLObject)
            assert tls.selected_alpn_protocol() == "http/1.1"

    run(scenario())


def test_tls_literal_address_and_backpressure(run) -> None:
    size = 4 * 1024 * 1024

    async def flood(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, b"x" * size)

    async def scenario() -> None:
        async with (
            RawServer(flood, tls=server_context(CA, "127.0.0.1")) as server,
            transport(ssl_context=client_context(CA)) as client,
        ):
            recorder = Recorder()
            recorder.on_event = lambda event: exchange.pause() if event == "body" else None
            exchange = client.send(request(server.port, scheme="https"), recorder)
            await recorder.until(lambda seen: bool(seen.body))
            await asyncio.sleep(0.05)
            assert len(recorder.body) <= 1024 * 1024
            recorder.on_event = None
            exchange.resume()
            await recorder.done()
            assert (len(recorder.body), recorder.kind) == (size, None)

    run(scenario())


@pytest.mark.parametrize(
    ("names", "trusted", "reason"),
    [(["other.test"], True, "certificate refused: Hostname mismatch"), (["api.test"], False, "certificate refused: ")],
)
def test_tls_refusals(run, names: list[str], trusted: bool, reason: str) -> None:
    async def scenario() -> None:
        trust = client_context(CA if trusted else trustme.CA())
        async with (
            RawServer(answer, tls=server_context(CA, *names)) as server,
            transport(ssl_context=trust, resolver=loopback) as client,
        ):
            recorder = Recorder()
            client.send(request(server.port, scheme="https", host="api.test"), recorder)
            await recorder.done()
            assert recorder.kind == "connect"
            assert f"api.test:{server.port}: TLS: {reason}" in str(recorder.error)
            assert client.pool_sizes() == {"p": PoolSize()}

    run(scenario())


def test_tls_to_a_plain_server(run) -> None:
    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def scenario() -> None:
        async with RawServer(plain) as server, transport() as client:
            recorder = Recorder()
            client.send(request(server.port, scheme="https"), recorder)
            await recorder.done()
            assert recorder.kind == "connect"
            assert "TLS: " in str(recorder.error)

    run(scenario())


def test_name_that_cannot_be_a_name(run) -> None:
    async def scenario() -> None:
        async with transport() as client:
            recorder = Recorder()
            client.send(request(host="x" * 80 + ".test"), recorder)
            await recorder.done()
            assert recorder.kind == "connect"

    run(scenario())


def test_explanations_are_for_people() -> None:
    assert explain(ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1', 1)")) == "connection refused"
    assert explain(OSError("the resolver does not answer")) == "the resolver does not answer"
    assert explain(OSError()) == "OSError"
    assert explain(ssl.SSLError(1, "wrong version number")) == "TLS: wrong version number"


def test_system_store_is_used_when_no_context_is_given() -> None:
    context = default_tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert TransportLimits().connections > 0
