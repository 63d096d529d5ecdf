"""Promise 26, D12 and D22: names that resolve to nothing, or a resolver that is not there, through the whole proxy."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from support.simulation import InlineEstimator, Notes, provider, settings

from proxy.assemble import Parts, assemble
from proxy.core.settings import Origin, Target
from proxy.rehearse.behaviour import Behaviour, constant
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.schedule import always
from proxy.rehearse.server import LoopbackProvider
from proxy.transport.client import HttpTransport
from proxy.transport.limits import TransportLimits

GONE = socket.gaierror(-2, "Name or service not known")
OUTAGES: dict[str, Sequence[str] | OSError | None] = {"no such name": GONE, "no address": [], "no answer": None}
QUICK = Behaviour(latency=constant(0.0), chunks=2, gap=0.0)


class Resolver:
    """Answers what it is told to: addresses, an error to raise, or None to hang."""

    def __init__(self) -> None:
        self.answer: Sequence[str] | OSError | None = ["127.0.0.1"]

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if host == "b.test":
            return ["127.0.0.1"]
        if self.answer is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(self.answer, OSError):
            raise self.answer
        assert self.answer is not None
        return self.answer


class Scene:
    """Two real providers under names, and a proxy without listeners in front of them."""

    def __init__(self, limits: TransportLimits) -> None:
        loop = asyncio.get_running_loop()
        self.resolver = Resolver()
        self.a = LoopbackProvider("a", always(QUICK))
        self.b = LoopbackProvider("b", always(QUICK))
        self.notes = Notes()
        self.transport = HttpTransport(loop, limits=limits, resolver=self.resolver)

    async def open(self) -> Parts:
        loop = asyncio.get_running_loop()
        origins = {}
        for one in (self.a, self.b):
            port = int((await one.start()).rsplit(":", 1)[1].removesuffix("/v1"))
            origins[one.name] = replace(provider(one.name), origin=Origin("http", f"{one.name}.test", port, "/v1"))
        configured = settings(((Target("a", "m"),), (Target("b", "m"),)), providers=origins)
        return assemble(configured, self.transport, InlineEstimator(loop), [self.notes], Random(1))

    async def close(self) -> None:
        await self.transport.aclose()
        await self.a.stop()
        await self.b.stop()


async def ask(parts: Parts, number: int) -> SimulatedClient:
    return await SimulatedClient(Wish(f"c{number}")).ask(parts.gateway.serve)


@pytest.mark.parametrize("name", OUTAGES)
def test_26_the_last_good_address_is_used(name: str) -> None:
    async def body() -> None:
        scene = Scene(TransportLimits(dns_ttl=0.0, idle=0.0))
        parts = await scene.open()
        assert (await ask(parts, 0)).verdict == "ok"
        scene.resolver.answer = OUTAGES[name]
        for connection in list(scene.a.open):
            connection.kill()
        await asyncio.sleep(0)
        for number in range(1, 10):
            assert (await ask(parts, number)).verdict == "ok"
        assert scene.b.provider.served == 0
        assert scene.a.provider.served == 10
        await scene.close()

    asyncio.run(body())


@pytest.mark.parametrize("name", ["no such name", "no address"])
def test_26_a_name_that_was_never_known_costs_no_client_anything(name: str) -> None:
    async def body() -> None:
        scene = Scene(TransportLimits())
        scene.resolver.answer = OUTAGES[name]
        parts = await scene.open()
        for number in range(10):
            assert (await ask(parts, number)).verdict == "ok"
        assert (scene.a.provider.served, scene.b.provider.served) == (0, 10)
        failed = [attempt for call in scene.notes.calls for attempt in call.attempts if attempt.target == "a/m"]
        # Five in a row open the breaker; what they cost is told as a kind of failure, not as seconds.
        assert {attempt.kind.value for attempt in failed} == {"connect_failed"}
        assert 1 <= len(failed) <= 5
        await scene.close()

    asyncio.run(body())


def test_26_a_resolver_that_hangs_is_given_up_with_the_connect_limit() -> None:
    async def body() -> None:
        scene = Scene(TransportLimits())
        scene.resolver.answer = None
        parts = await scene.open()
        # Others are not held up by the one that waits.
        first, *others = await asyncio.gather(ask(parts, 0), *(ask(parts, number) for number in range(1, 5)))
        assert {client.verdict for client in (first, *others)} == {"ok"}
        kinds = {attempt.kind.value for call in scene.notes.calls for attempt in call.attempts if attempt.target == "a/m"}
        assert kinds == {"connect_timeout"}
        await scene.close()

    asyncio.run(body())
