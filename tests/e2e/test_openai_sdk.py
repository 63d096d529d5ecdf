"""The official SDKs, unchanged but for their base URL, on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anthropic
import httpx2 as httpx
import openai
import pytest
from pydantic import BaseModel
from support.live import Stack, running
from support.simulation import BREAKER, replace, settings

from proxy.core.settings import Target
from proxy.rehearse.behaviour import Behaviour, Mode, Style

pytestmark = pytest.mark.live

FAST = Behaviour(chunks=8, gap=0.001)
HELLO = [{"role": "user", "content": "Keep the light on."}]


@asynccontextmanager
async def stack(
    a: Behaviour = FAST, b: Behaviour = FAST, **changes: object
) -> AsyncIterator[tuple[Stack, openai.AsyncOpenAI]]:
    async with (
        running({"a": a, "b": b}, settings(**changes)) as live,  # type: ignore[arg-type]
        openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused") as client,
    ):
        yield live, client


def test_a_plain_call_says_where_it_went() -> None:
    async def body() -> None:
        async with stack() as (_, client):
            raw = await client.chat.completions.with_raw_response.create(model="lamp", messages=HELLO)
            answer = raw.parse()
            assert answer.choices[0].message.content
            assert answer.usage is not None
            assert raw.headers["x-undimmed-target"] == "a/m"
            assert raw.headers["x-undimmed-attempts"] == "1"
            assert raw.headers["x-undimmed-tokens-output"] == str(answer.usage.completion_tokens)
            assert raw.headers["x-undimmed-tokens-source"] == "provider"

    asyncio.run(body())


@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_has_usage_exactly_if_it_was_asked_for(asked: bool) -> None:
    async def body() -> None:
        async with stack() as (live, client):
            options = {"stream_options": {"include_usage": True}} if asked else {}
            stream = await client.chat.completions.create(model="lamp", messages=HELLO, stream=True, **options)
            chunks = [chunk async for chunk in stream]
            assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
            assert [c for c in chunks if c.choices][-1].choices[0].finish_reason == "stop"
            usages = [c for c in chunks if c.usage is not None]
            assert len(usages) == (1 if asked else 0)
            await asyncio.sleep(0.01)
            line = live.proxy.gateway.tally.lines["lamp", "a/m"]
            assert sum(count.output for count in line.tokens.values()) == 8

    asyncio.run(body())


def test_a_stream_ends_with_what_it_used() -> None:
    async def body() -> None:
        async with stack() as (live, _), httpx.AsyncClient() as client:
            reply = await client.post(
                f"{live.url}/v1/chat/completions", json={"model": "lamp", "messages": HELLO, "stream": True}
            )
            *_, comment, done, last = reply.text.split("\n\n")
            assert last == ""
            assert done == "data: [DONE]"
            words = json.loads(comment.removeprefix(": undimmed "))
            assert words["target"] == "a/m"
            assert words["tokens"]["output"] == 8
            assert words["tokens"]["source"] == "provider"
            assert "usage" not in reply.text

    asyncio.run(body())


def test_tools_completions_embeddings_and_models() -> None:
    class Light(BaseModel):
        on: bool

    async def body() -> None:
        async with stack(replace(FAST, style=Style.TOOL)) as (_, client):
            tool = {"type": "function", "function": {"name": "switch", "parameters": {"type": "object", "properties": {}}}}
            answer = await client.chat.completions.create(model="lamp", messages=HELLO, tools=[tool])
            assert answer.choices[0].message.tool_calls
            assert answer.choices[0].finish_reason == "tool_calls"
            stream = await client.chat.completions.create(model="lamp", messages=HELLO, tools=[tool], stream=True)
            fragments = [c.choices[0].delta.tool_calls async for c in stream if c.choices and c.choices[0].delta.tool_calls]
            arguments = "".join(f[0].function.arguments or "" for f in fragments if f and f[0].function)
            json.loads(arguments)
        async with stack() as (_, client):
            text = await client.completions.create(model="lamp", prompt="Keep the light", max_tokens=8)
            assert text.choices[0].text
            parts = [
                c.choices[0].text
                async for c in await client.completions.create(model="lamp", prompt="x", stream=True)
                if c.choices
            ]
            assert "".join(parts)
            vectors = await client.embeddings.create(model="lamp", input=["one", "two"])
            assert len(vectors.data) == 2
            assert [model.id async for model in client.models.list()] == ["lamp"]
            assert (await client.models.retrieve("lamp")).owned_by == "undimmed"
            with pytest.raises(openai.NotFoundError) as lost:
                await client.models.retrieve("lmap")
            assert "`lamp`" in str(lost.value)

    asyncio.run(body())


def test_an_unknown_model_is_a_404_with_the_nearest_names() -> None:
    async def body() -> None:
        async with stack() as (live, client):
            with pytest.raises(openai.NotFoundError) as lost:
                await client.chat.completions.create(model="lapm", messages=HELLO)
            assert lost.value.code == "model_not_found"
            assert lost.value.param == "model"
            assert "`lamp`" in lost.value.message
            assert live.calls("a") == live.calls("b") == 0

    asyncio.run(body())


FAULTS = {
    "refused": Behaviour(Mode.REFUSE),
    "closed": Behaviour(Mode.CLOSE),
    "reset": Behaviour(Mode.CUT, role_first=True, reset=True),
    "503": Behaviour(Mode.STATUS, failure="openai_overloaded"),
    "429": Behaviour(Mode.STATUS, failure="openai_rate_limit"),
    "html": Behaviour(Mode.STATUS, failure="edge_502"),
    "error event": Behaviour(Mode.ERROR_EVENT, role_first=True),
    "garbage": Behaviour(Mode.GARBAGE),
    "no choices": Behaviour(Mode.EMPTY_CHOICES),
    "silence": Behaviour(Mode.BLACK_HOLE),
    "cannot connect": Behaviour(Mode.CONNECT_HANG),
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("name", FAULTS)
def test_no_failure_before_the_first_word_is_seen(name: str, stream: bool) -> None:
    timeouts = replace(settings().timeouts, connect=0.5, first_content=1.0, answer=1.0)

    async def body() -> None:
        async with stack(FAULTS[name], timeouts=timeouts) as (_, client):
            raw = await client.chat.completions.with_raw_response.create(model="lamp", messages=HELLO, stream=stream)
            assert raw.headers["x-undimmed-target"] == "b/m"
            assert raw.headers["x-undimmed-attempts"] == "2"
            if stream:
                chunks = [chunk async for chunk in raw.parse()]
                assert chunks[-1].choices[0].finish_reason == "stop"
            else:
                assert raw.parse().choices[0].message.content

    asyncio.run(body())


def test_a_stream_cut_after_its_first_word_is_an_error_for_the_sdk() -> None:
    async def body() -> None:
        async with stack(Behaviour(Mode.CUT, after=3, gap=0.01)) as (live, client):
            got: list[str] = []
            stream = await client.chat.completions.create(model="lamp", messages=HELLO, stream=True)

            async def read() -> None:
                async for chunk in stream:
                    got.append(chunk.choices[0].delta.content or "")

            with pytest.raises(openai.APIError) as broken:
                await read()
            assert "".join(got)
            assert broken.value.code == "provider_stream_broken"
            assert live.calls("b") == 0

    asyncio.run(body())


def test_21_sdks_do_not_multiply_attempts() -> None:
    """All down: exactly one HTTP call for one SDK call, with the SDKs' own retries at their defaults."""
    posts: list[str] = []

    async def count(request: httpx.Request) -> None:
        posts.append(request.url.path)

    async def expect(error: type[Exception], call: Callable[[], Awaitable[object]]) -> None:
        posts.clear()
        with pytest.raises(error):
            await call()
        assert len(posts) == 1

    async def body() -> None:
        down = Behaviour(Mode.STATUS)
        async with running({"a": down, "b": down}) as live, httpx.AsyncClient(event_hooks={"request": [count]}) as http:
            client = openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused", http_client=http)
            for _ in range(12):  # some fail with attempts, later ones find every breaker open
                await expect(
                    openai.InternalServerError, lambda: client.chat.completions.create(model="lamp", messages=HELLO)
                )
            await expect(openai.NotFoundError, lambda: client.chat.completions.create(model="nope", messages=HELLO))
            other = anthropic.AsyncAnthropic(base_url=live.url, api_key="unused", http_client=http)
            await expect(
                anthropic.InternalServerError,
                lambda: other.messages.create(model="lamp", max_tokens=5, messages=[{"role": "user", "content": "hi"}]),
            )

    asyncio.run(body())


@pytest.mark.parametrize("moment", ["before the first byte", "mid-stream", "in the queue", "in back-off"])
def test_15_a_client_that_leaves_cancels_the_provider(moment: str) -> None:
    """Hundreds of clients (in back-off the few that the retry budget allows); the provider sees every one of them go."""
    clients = 4 if moment == "in back-off" else 332
    slow = {
        "before the first byte": Behaviour(Mode.BLACK_HOLE),
        "mid-stream": Behaviour(chunks=2000, gap=0.05),
        "in the queue": Behaviour(Mode.BLACK_HOLE),
        "in back-off": Behaviour(Mode.STATUS),
    }[moment]
    target = Target("a", "m", max_in_flight=5 if moment == "in the queue" else None, max_queue=1000)
    never = replace(BREAKER, recent=10**6, recent_failures=10**6, minimum=10**6, consecutive=10**6, stall=False)
    patient = replace(settings().retry, base=20.0, cap=20.0, budget_floor=10**6)
    configured = settings(
        ((target,),),
        breaker=never,
        retry=patient,
        timeouts=replace(settings().timeouts, connect=10.0, first_content=20.0, idle=20.0),
    )

    async def arrive(live: Stack) -> None:
        """Until every client is where it is to leave from; none has been served by then."""
        state = next(iter(live.proxy.gateway.routing.states()))
        while live.proxy.calls_in_flight() < clients or (moment == "in back-off" and state.in_flight):
            await asyncio.sleep(0.01)

    async def come(live: Stack) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(live.host, live.port)
        payload = json.dumps({"model": "lamp", "messages": HELLO, "stream": True}).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(payload), payload)
        )
        if moment == "mid-stream":
            await reader.readuntil(b"data: ")
        return writer

    async def body() -> None:
        async with running({"a": slow}, configured) as live:
            writers = await asyncio.gather(*(come(live) for _ in range(clients)))
            await asyncio.wait_for(arrive(live), 20)
            for writer in writers:
                writer.transport.abort()
            loop = asyncio.get_running_loop()
            end = loop.time() + 5
            gateway = live.proxy.gateway
            state = next(iter(gateway.routing.states()))
            while loop.time() < end and (
                state.in_flight or live.providers["a"].provider.in_flight or live.proxy.calls_in_flight()
            ):
                await asyncio.sleep(0.01)
            assert state.in_flight == 0
            assert live.providers["a"].provider.in_flight == 0
            assert live.proxy.calls_in_flight() == 0
            gone = sum(n for key, n in gateway.tally.calls.items() if key[3].value == "client_gone")
            assert gone == clients

    asyncio.run(body())
