"""A proxy that runs short of something itself turns calls away at the door, and says so on its pages (promise 28).

What it runs short of is memory, of a limit that is set for the purpose: unlike lag, that does not depend on how busy the
machine is. No times are asserted.
"""

import asyncio
import json

import pytest
from live_sockets import Caller, post, settled
from support.live import SERVER, running
from support.simulation import replace, settings

from proxy.rehearse.behaviour import Behaviour, Latency
from proxy.stores.process import read_resident

pytestmark = pytest.mark.live

QUICK = Behaviour(latency=Latency(0.0), chunks=2, gap=0.0)


def get(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n" % path.encode()


def with_priority(name: str) -> bytes:
    return post(stream=False).replace(b"\r\n", b"\r\nx-undimmed-priority: %s\r\n" % name.encode(), 1)


def test_without_memory_everybody_is_refused_but_for_pages() -> None:
    """The process takes far more than a megabyte."""

    async def body() -> None:
        server = replace(SERVER, memory_limit=1 << 20)
        async with running({"a": QUICK, "b": QUICK}, settings(), server) as live:
            gateway = live.proxy.gateway
            assert await settled(lambda: gateway.strained, True)
            caller = await Caller(live.host, live.port).open()
            for _ in range(3):
                status, told = await caller.ask(post())
                assert status == 503
                assert json.loads(told)["error"]["code"] == "proxy_overloaded"
            for path in ("/health", "/health/live", "/metrics", "/v1/models"):
                status, told = await caller.ask(get(path))
                assert status == 200, path
                if path == "/health":
                    view = json.loads(told)["overload"]
                    assert (view["state"], view["reason"]) == ("shedding", "memory")
                    assert view["shed"] == {"critical": 1.0, "normal": 1.0, "batch": 1.0}
                if path == "/metrics":
                    assert b'undimmed_shed_total{priority="normal",reason="memory"} 3' in told
            caller.close()
            assert live.calls("a") == live.calls("b") == 0

    asyncio.run(body())


def test_the_lowest_priority_goes_first() -> None:
    """The limit is set so that all `batch` calls go, and of `normal` ones every fifth, which is not reached."""

    async def body() -> None:
        async with running({"a": QUICK, "b": QUICK}, settings(), SERVER) as live:
            gateway = live.proxy.gateway
            limit = int(read_resident() / 0.955)
            gateway.protection.use(replace(SERVER, memory_limit=limit))
            caller = await Caller(live.host, live.port).open()
            answers = []
            for name in ("batch", "normal", "batch", "normal"):
                gateway.protection.observe(0.0, int(limit * 0.968))
                status, _ = await caller.ask(with_priority(name))
                answers.append(status)
            caller.close()
            assert answers == [503, 200, 503, 200]

    asyncio.run(body())
