"""Realtime sessions: the official SDK over WebSocket, through the proxy, with providers that refuse, hang and die."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
import pytest
import websockets
from support.live import SERVER, Stack, running
from support.simulation import replace, settings

from proxy.core.limits import Budget, Limits, Rates, Unit
from proxy.core.settings import ClientKey, Settings
from proxy.rehearse.behaviour import Behaviour, Mode

pytestmark = pytest.mark.live

FAST = Behaviour()
LIMITS = replace(settings().timeouts, connect=1.0, first_content=0.5)


@asynccontextmanager
async def stack(
    a: Behaviour = FAST, b: Behaviour = FAST, configured: Settings | None = None
) -> AsyncIterator[tuple[Stack, openai.AsyncOpenAI]]:
    async with (
        running({"a": a, "b": b}, configured or settings(timeouts=LIMITS)) as live,
        openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused") as client,
    ):
        yield live, client


async def settle(live: Stack) -> None:
    """Until no call is under way."""
    for _ in range(500):
        if not live.proxy.calls_in_flight():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a call is still under way")


def test_a_session_of_the_sdk() -> None:
    async def body() -> None:
        async with stack() as (live, client):
            async with client.realtime.connect(model="lamp") as session:
                assert (await session.recv()).type == "session.created"
                assert live.proxy.calls_in_flight() == 1
                await session.conversation.item.create(
                    item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 100_000}]}
                )
                assert (await session.recv()).type == "conversation.item.create"  # the echo
                for _ in range(2):
                    await session.response.create()
                    assert (await session.recv()).type == "response.done"
            await settle(live)
            (key,) = live.proxy.gateway.tally.calls
            assert key[3].value == "ok"
            line = live.proxy.gateway.tally.lines["lamp", "a/m"]
            assert sum(count.output for count in line.tokens.values()) == 60
            assert sum(count.cached for count in line.tokens.values()) == 8
            assert next(iter(live.proxy.gateway.routing.states())).in_flight == 0

    asyncio.run(body())


FAULTS = {
    "refused": Behaviour(Mode.REFUSE),
    "closed": Behaviour(Mode.CLOSE),
    "silence": Behaviour(Mode.BLACK_HOLE),
    "503": Behaviour(Mode.STATUS, failure="openai_overloaded"),
    "429": Behaviour(Mode.STATUS, failure="openai_rate_limit"),
    "401": Behaviour(Mode.STATUS, failure="openai_invalid_key"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_no_failure_before_the_session_is_seen(name: str) -> None:
    async def body() -> None:
        async with stack(FAULTS[name]) as (live, _):
            async with websockets.connect(f"ws://{live.host}:{live.port}/v1/realtime?model=lamp") as socket:
                assert socket.response is not None
                assert socket.response.headers["x-undimmed-target"] == "b/m"
                assert socket.response.headers["x-undimmed-attempts"] == "2"
                assert json.loads(await socket.recv())["session"]["id"] == "b"
            await settle(live)

    asyncio.run(body())


def test_a_provider_that_dies_ends_the_session_and_counts() -> None:
    async def body() -> None:
        async with stack() as (live, _):
            async with websockets.connect(f"ws://{live.host}:{live.port}/v1/realtime?model=lamp") as socket:
                await socket.recv()
                for connection in list(live.providers["a"].open):
                    connection.kill()
                with pytest.raises(websockets.ConnectionClosedError):
                    await socket.recv()
            await settle(live)
            assert [key[3].value for key in live.proxy.gateway.tally.calls] == ["stream_broken"]
            assert live.calls("b") == 0

    asyncio.run(body())


def test_a_client_that_dies_takes_the_provider_s_session_along() -> None:
    async def body() -> None:
        async with stack() as (live, _):
            async with websockets.connect(f"ws://{live.host}:{live.port}/v1/realtime?model=lamp") as socket:
                await socket.recv()
                assert live.providers["a"].connections == 1
                socket.transport.abort()
                await settle(live)
            await asyncio.sleep(0.05)
            assert live.providers["a"].connections == 0
            assert [key[3].value for key in live.proxy.gateway.tally.calls] == ["client_gone"]

    asyncio.run(body())


def test_all_down_is_an_ordinary_error() -> None:
    async def body() -> None:
        down = Behaviour(Mode.STATUS, failure="openai_overloaded")
        async with stack(down, down) as (live, _):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"ws://{live.host}:{live.port}/v1/realtime?model=lamp")
            assert refused.value.response.status_code == 503
            assert len(json.loads(refused.value.response.body)["error"]["attempts"]) >= 2
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"ws://{live.host}:{live.port}/v1/realtime?model=nope")
            assert refused.value.response.status_code == 404

    asyncio.run(body())


def test_a_browser_s_key_is_a_key_of_the_proxy_and_stays_here() -> None:
    keys = (ClientKey("web", hashlib.sha256(b"sesame").hexdigest(), frozenset({"lamp"})),)

    async def body() -> None:
        async with stack(configured=replace(settings(timeouts=LIMITS), keys=keys)) as (live, _):
            url = f"ws://{live.host}:{live.port}/v1/realtime?model=lamp"
            for offered in (["realtime"], ["realtime", "openai-insecure-api-key.wrong"]):
                with pytest.raises(websockets.InvalidStatus) as refused:
                    await websockets.connect(url, subprotocols=offered)  # type: ignore[arg-type]
                assert refused.value.response.status_code == 401
            offered = ["openai-insecure-api-key.sesame", "realtime"]
            async with websockets.connect(url, subprotocols=offered) as socket:  # type: ignore[arg-type]
                # The provider takes the first one that it is offered.
                assert socket.subprotocol == "realtime"

    asyncio.run(body())


def test_neither_end_runs_ahead_of_the_other() -> None:
    """Megabytes to a provider whose client reads nothing yet: they wait in sockets, not in the proxy."""

    async def body() -> None:
        async with (
            stack() as (live, _),
            websockets.connect(
                f"ws://{live.host}:{live.port}/v1/realtime?model=lamp", max_size=None, max_queue=1, compression=None
            ) as socket,
        ):
            await socket.recv()
            sent = 0

            async def pour() -> None:
                nonlocal sent
                for number in range(200):
                    await socket.send(str(number).ljust(400_000, "."))
                    sent += 1

            pouring = asyncio.create_task(pour())
            await asyncio.sleep(1.0)
            assert sent < 200
            for number in range(200):
                assert str(await socket.recv()).startswith(str(number))
            await pouring

    asyncio.run(body())


def test_a_session_ends_with_the_drain() -> None:
    async def body() -> None:
        async with (
            running({"a": FAST}, settings((("a/m",),)), replace(SERVER, drain=0.2)) as live,
            websockets.connect(f"ws://{live.host}:{live.port}/v1/realtime?model=lamp") as socket,
        ):
            await socket.recv()
            stopping = asyncio.create_task(live.proxy.stop(drain=0.2))
            with pytest.raises(websockets.ConnectionClosedError):
                await socket.recv()
            await stopping

    asyncio.run(body())


def test_sessions_at_a_time_and_what_they_used() -> None:
    """A session is one request for as long as it lasts; its tokens are settled when it ends."""
    limits = Limits(Rates(concurrent=1), (Budget(100_000, Unit.TOKENS),))
    digest = hashlib.sha256(b"sk-one").hexdigest()
    configured = replace(settings(timeouts=LIMITS), keys=(ClientKey("ci", digest, limits=limits),))

    async def body() -> None:
        async with stack(configured=configured) as (live, _):
            client = openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="sk-one")
            address, headers = f"ws://{live.host}:{live.port}/v1/realtime?model=lamp", {"authorization": "Bearer sk-one"}
            async with client.realtime.connect(model="lamp") as session:
                await session.recv()
                with pytest.raises(websockets.InvalidStatus) as refused:
                    await websockets.connect(address, additional_headers=headers)
                assert refused.value.response.status_code == 429
                assert json.loads(refused.value.response.body or b"")["error"]["code"] == "rate_limit_exceeded"
                await session.response.create()
                assert (await session.recv()).type == "response.done"
            await settle(live)
            [key] = live.proxy.gateway.gate.allowances
            [spending] = key.budgets
            used = live.proxy.gateway.tally.lines["lamp", "a/m"].tokens.values()
            assert (key.running, spending.reserved) == (0, 0)
            assert spending.spent == sum(count.input + count.output for count in used) > 0
            async with websockets.connect(address, additional_headers=headers) as socket:
                await socket.recv()
            await client.close()

    asyncio.run(body())
