"""What operators ask is answered while the proxy is busy, and truthfully while it stops."""

import asyncio
import json

import pytest
from live_process import free_port
from live_sockets import Caller, post, settled
from support.live import SERVER, running
from support.simulation import replace, settings

from proxy.rehearse.behaviour import Behaviour, Latency, Mode

pytestmark = pytest.mark.live

UNDER_WAY = 200
PAGES = ("/health/live", "/health/ready", "/health", "/metrics", "/usage", "/v1/models", "/v1/models/lamp")
PATIENT = settings(timeouts=replace(settings().timeouts, first_content=60.0, total=60.0))


def get(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n" % path.encode()


def test_pages_answer_while_calls_are_under_way() -> None:
    async def body() -> None:
        async with running({"a": Behaviour(Mode.STALL, latency=Latency(0.0), after=1), "b": Behaviour()}, PATIENT) as live:
            waiting = [await Caller(live.host, live.port).open(post()) for _ in range(UNDER_WAY)]
            for caller in waiting:
                await caller.read_until(b"data: ")
            asking = await Caller(live.host, live.port).open()
            for path in PAGES * 5:
                status, _ = await asking.ask(get(path))
                assert status == 200, path
            _, metrics = await asking.ask(get("/metrics"))
            assert b"\nundimmed_calls_in_flight %d\n" % UNDER_WAY in metrics
            assert b"\nundimmed_client_connections %d\n" % (UNDER_WAY + 1) in metrics
            asking.close()
            assert live.proxy.calls_in_flight() == UNDER_WAY
            # They cost no provider anything.
            assert (live.calls("a"), live.calls("b")) == (UNDER_WAY, 0)
            for caller in waiting:
                caller.close()
            assert await settled(live.proxy.calls_in_flight, 0) == 0

    asyncio.run(body())


def test_readiness_is_false_while_draining_and_streams_finish() -> None:
    server = replace(SERVER, admin_port=free_port(), drain=20.0)

    async def body() -> None:
        async with running({"a": Behaviour(chunks=12, gap=0.05), "b": Behaviour()}, PATIENT, server) as live:
            admin = await Caller(server.admin_host, server.admin_port or 0).open()
            status, body = await admin.ask(get("/health/ready"))
            assert (status, json.loads(body)["status"]) == (200, "ready")
            streams = [await Caller(live.host, live.port).open(post()) for _ in range(20)]
            for caller in streams:
                await caller.read_until(b"data: ")
            idle = await Caller(live.host, live.port).open()
            stopping = asyncio.ensure_future(live.proxy.stop(20.0))
            await asyncio.sleep(0)
            status, body = await admin.ask(get("/health/ready"))
            assert (status, json.loads(body)["status"]) == (503, "draining")
            status, _ = await admin.ask(get("/health/live"))
            assert status == 200
            _, body = await admin.ask(get("/health"))
            assert json.loads(body)["status"] == "draining"
            assert await idle.read() == b"", "connections without a call are closed"
            for caller in streams:
                rest = await caller.read_until(b"\r\n0\r\n\r\n")
                assert b"data: [DONE]" in rest
                assert await caller.read() == b"", "and those with one after it"
                caller.close()
            for caller in (admin, idle):
                caller.close()
            await stopping

    asyncio.run(body())
