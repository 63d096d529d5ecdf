"""25: a provider that swallows requests takes nothing from another one."""

import asyncio
import statistics

import pytest
from live_sockets import Caller, Record, post, settled
from support.live import Stack, running
from support.simulation import BREAKER, provider, replace, settings

from proxy.core.settings import Route, Settings, Target
from proxy.rehearse.behaviour import Behaviour, Latency, Mode

pytestmark = pytest.mark.live

STUCK, LIMIT = 350, 300
ROUNDS, CALLS, LANES = 3, 160, 8
NEVER = replace(BREAKER, recent=10**6, recent_failures=10**6, minimum=10**6, consecutive=10**6, stall=False)
#: One attempt, for a minute: the stuck ones stay stuck.
PATIENT = replace(settings().timeouts, first_content=60.0, answer=60.0, total=60.0)


def apart() -> Settings:
    """Two routes with one provider each, and fewer connections to the first than there will be requests."""
    routes = tuple(
        Route(name, (name,), ((Target(place, "m"),),), timeouts=PATIENT, retry=replace(settings().retry, attempts=1))
        for name, place in (("stuck", "a"), ("lamp", "b"))
    )
    providers = {"a": replace(provider("a"), max_connections=LIMIT), "b": provider("b")}
    return replace(settings(breaker=NEVER), routes=routes, providers=providers)


async def p99(live: Stack) -> float:
    """Of calls to the healthy provider, one after another in each of some lanes; seconds, the best of some rounds, so that
    a moment's pause of the machine doesn't count. Fails if a call does."""
    loop = asyncio.get_running_loop()
    waits: list[float] = []

    async def lane() -> None:
        caller = await Caller(live.host, live.port).open()
        for _ in range(CALLS // LANES):
            began = loop.time()
            status, body = await caller.ask(post(stream=False))
            waits.append(loop.time() - began)
            assert status == 200, body
        caller.close()

    rounds = []
    for _ in range(ROUNDS):
        waits.clear()
        await asyncio.gather(*(lane() for _ in range(LANES)))
        rounds.append(statistics.quantiles(waits, n=100)[98])
    return min(rounds)


def test_25_a_stuck_provider_starves_nobody(record_property: Record) -> None:
    async def body() -> None:
        healthy = Behaviour(chunks=2, gap=0.01, latency=Latency(0.02))
        async with running({"a": Behaviour(Mode.BLACK_HOLE), "b": healthy}, apart()) as live:
            alone = await p99(live)
            stuck = [await Caller(live.host, live.port).open(post("stuck")) for _ in range(STUCK)]
            assert await settled(lambda: live.providers["a"].provider.in_flight, LIMIT) == LIMIT
            # Those for whom there was no connection were told so; nobody waits for one.
            assert await settled(live.proxy.calls_in_flight, LIMIT) == LIMIT
            beside = await p99(live)
            figures = f"p99 alone {alone * 1000:.1f} ms, beside {LIMIT} stuck requests {beside * 1000:.1f} ms"
            record_property("bulkhead", figures)
            print(figures)
            assert beside <= 4 * alone
            connections = live.proxy.upstream_connections()
            assert connections["a", "busy"] == LIMIT
            assert connections["b", "busy"] + connections["b", "idle"] <= LANES
            assert live.providers["a"].provider.in_flight == LIMIT, "they are stuck to the end"
            calls = live.proxy.gateway.tally.calls
            told = sum(count for key, count in calls.items() if key[0] == "stuck")
            served = sum(count for key, count in calls.items() if key[0] == "lamp")
            assert told == STUCK - LIMIT
            assert served == 2 * ROUNDS * CALLS
            for caller in stuck:
                caller.close()
            assert await settled(lambda: live.providers["a"].provider.in_flight, 0) == 0
            assert await settled(live.proxy.calls_in_flight, 0) == 0

    asyncio.run(body())
