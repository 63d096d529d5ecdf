"""Many exchanges at once against a server that misbehaves at random, left at random: everybody hears exactly one end or,
having left, nothing more; the right bytes arrive; nothing stays behind."""

import asyncio
import zlib
from random import Random

import pytest
from raw_server import Peer, RawServer, Script
from transport_fakes import Recorder, request

from proxy.transport.client import HttpTransport
from proxy.transport.limits import TransportLimits

pytestmark = pytest.mark.live
BODY = bytes(range(256)) * 100


async def send_in_pieces(rng: Random, peer: Peer, wire: bytes) -> None:
    edges = sorted(rng.sample(range(1, len(wire)), 5))
    for start, end in zip([0, *edges], [*edges, len(wire)], strict=True):
        await peer.send(wire[start:end])


def answer(rng: Random) -> tuple[bytes, bool]:
    """Wire bytes of an answer that carries BODY, and whether the connection has to end after it."""
    kind = rng.randrange(5)
    if kind == 0:
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY), False
    if kind == 1:
        return b"HTTP/1.1 200 OK\r\n\r\n" + BODY, True
    packed = zlib.compress(BODY)
    if kind == 2:
        return b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: %d\r\n\r\n%s" % (len(packed), packed), False
    size = rng.randrange(100, 9_000)
    chunks = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + framed, False


def misbehaving(rng: Random) -> Script:
    async def misbehave(peer: Peer) -> None:
        while True:
            await peer.request()
            wire, ends = answer(rng)
            fate = rng.random()
            if fate < 0.15:
                await peer.send(wire[: rng.randrange(len(wire))])
                if ends or fate < 0.07:  # nobody can tell an orderly end from a cut where only the end says it is over
                    peer.reset()
                return
            if fate < 0.2:
                await peer.wait_gone()
                return
            await send_in_pieces(rng, peer, wire)
            if ends or fate > 0.95:
                return

    return misbehave


async def live(rng: Random, client: HttpTransport, port: int) -> None:
    recorder = Recorder()
    exchange = client.send(request(port, pool=rng.choice("ab")), recorder)
    steps = 0
    while not recorder.over:
        rng.choice((exchange.pause, exchange.resume, exchange.resume, exchange.resume))()
        await asyncio.sleep(rng.choice((0, 0, 0.001)))
        steps += 1
        if steps > 150 or rng.random() < 0.01:
            heard = list(recorder.events), len(recorder.body)
            rng.choice((exchange.abort, exchange.detach))()
            for _ in range(3):
                await asyncio.sleep(0.001)
            assert (recorder.events, len(recorder.body)) == heard
            return
    if recorder.events[-1] == "complete":
        assert recorder.body == BODY
    else:
        assert recorder.kind in ("broken", "closed")
        assert BODY.startswith(recorder.body)


@pytest.mark.parametrize("seed", range(3))
def test_many_lives(run, seed: int) -> None:
    async def scenario() -> None:
        rng = Random(seed)
        loop = asyncio.get_running_loop()
        complaints: list[object] = []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        client = HttpTransport(loop, limits=TransportLimits(drain=0.01))
        async with RawServer(misbehaving(rng)) as server:
            for _ in range(5):
                await asyncio.gather(*(live(rng, client, server.port) for _ in range(40)))
            while any(size.open > size.idle or size.connecting for size in client.pool_sizes().values()):
                await asyncio.sleep(0.005)
            await client.aclose()
            assert all(size.open == 0 for size in client.pool_sizes().values())
        assert complaints == []

    run(scenario())
