"""What an official SDK gets from a provider directly, it gets through the proxy: the same bodies, events and errors.

The provider (`support/chat_vendor.py`) answers like OpenAI, with everything an SDK may ask for, and always the same.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import openai
import pytest
from pydantic import BaseModel
from support.chat_vendor import Vendor
from support.live import running
from support.raw_server import RawServer
from support.simulation import provider, replace, settings

from proxy.core.settings import Origin

pytestmark = pytest.mark.live

HELLO: Any = [{"role": "user", "content": "Grüße 🎉 \u2028"}]
SECRET = "sk-a-1"


class City(BaseModel):
    name: str
    rooms: int


TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "rooms": {"type": "integer"}},
            "required": ["name", "rooms"],
            "additionalProperties": False,
        },
    },
}


@asynccontextmanager
async def both() -> AsyncIterator[tuple[Vendor, openai.AsyncOpenAI, openai.AsyncOpenAI]]:
    """The vendor, a client of it, and a client of the proxy in front of it."""
    vendor = Vendor()
    async with RawServer(vendor.serve) as server:
        place = replace(provider("a"), origin=Origin("http", "127.0.0.1", server.port, "/v1"))
        configured = settings((("a/m-1",),), providers={"a": place})
        async with (
            running({}, configured) as live,
            httpx.AsyncClient(verify=False) as http,  # loading the trust store takes longer than the tests
            openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key=SECRET, http_client=http) as direct,
            openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused", http_client=http) as through,
        ):
            yield vendor, direct, through


Act = Callable[[openai.AsyncOpenAI, str], Awaitable[object]]


async def _raw(client: openai.AsyncOpenAI, model: str) -> object:
    return (await client.chat.completions.with_raw_response.create(model=model, messages=HELLO, n=3, logprobs=True)).content


async def _parsed(client: openai.AsyncOpenAI, model: str) -> object:
    answer = await client.chat.completions.parse(model=model, messages=HELLO, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Paris", rooms=3)
    return answer.model_dump(warnings=False)


async def _tools(client: openai.AsyncOpenAI, model: str) -> object:
    messages = list(HELLO)
    answer = await client.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    calls = answer.choices[0].message.tool_calls or []
    messages.append(answer.choices[0].message)
    messages.append({"role": "tool", "tool_call_id": calls[0].id, "content": "3"})
    return (await client.chat.completions.create(model=model, messages=messages, tools=[TOOL])).model_dump(warnings=False)


async def _streamed(client: openai.AsyncOpenAI, model: str) -> object:
    stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True, n=2)
    return [chunk.model_dump(warnings=False) async for chunk in stream]


async def _streamed_usage(client: openai.AsyncOpenAI, model: str) -> object:
    options: Any = {"include_usage": True}
    stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=options)
    return [chunk.model_dump(warnings=False) async for chunk in stream]


async def _stream_helper(client: openai.AsyncOpenAI, model: str) -> object:
    async with client.chat.completions.stream(model=model, messages=HELLO, response_format=City) as stream:
        kinds = [event.type async for event in stream]
        return kinds, (await stream.get_final_completion()).model_dump(warnings=False)


async def _stream_tools(client: openai.AsyncOpenAI, model: str) -> object:
    async with client.chat.completions.stream(model=model, messages=HELLO, tools=[TOOL]) as stream:
        kinds = [event.type async for event in stream]
        return kinds, (await stream.get_final_completion()).model_dump(warnings=False)


async def _lines(client: openai.AsyncOpenAI, model: str) -> object:
    create = client.chat.completions.with_streaming_response.create
    async with create(model=model, messages=HELLO, stream=True) as reply:
        return [line async for line in reply.iter_lines() if line and not line.startswith(":")]


async def _vectors(client: openai.AsyncOpenAI, model: str) -> object:
    short = await client.embeddings.create(model=model, input="one")  # the SDK asks for base64 by itself
    long = await client.embeddings.create(model=model, input=["one", "two"], encoding_format="float")
    return short.model_dump(warnings=False), long.model_dump(warnings=False)


async def _texts(client: openai.AsyncOpenAI, model: str) -> object:
    return (await client.completions.create(model=model, prompt=["a", "b"], echo=True)).model_dump(warnings=False)


async def _refused(client: openai.AsyncOpenAI, model: str) -> object:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=model, messages=HELLO, extra_body={"refuse": True})
    error = refused.value
    return error.status_code, error.code, error.param, error.type, error.body["message"]  # type: ignore[index,call-overload]


ACTS: dict[str, Act] = {
    "raw": _raw,
    "parsed": _parsed,
    "tools": _tools,
    "streamed": _streamed,
    "streamed with usage": _streamed_usage,
    "stream helper": _stream_helper,
    "stream helper with tools": _stream_tools,
    "lines": _lines,
    "embeddings": _vectors,
    "completions": _texts,
    "refused": _refused,
}


@pytest.mark.parametrize("name", ACTS)
def test_the_sdk_sees_no_difference(name: str) -> None:
    async def body() -> None:
        async with both() as (_, direct, through):
            assert await ACTS[name](direct, "m-1") == await ACTS[name](through, "lamp")

    asyncio.run(body())


def test_the_provider_gets_every_field_as_it_was_sent() -> None:
    image = "data:image/png;base64," + base64.b64encode(b"\x89PNG" * 50_000).decode()
    parts: Any = [{"type": "text", "text": "Was?"}, {"type": "image_url", "image_url": {"url": image, "detail": "high"}}]
    sound: Any = {"voice": "alloy", "format": "wav"}
    extra = {"x_vendor": {"ä": [1.0, 1e5, 12345678901234567890]}, "top_k": 5, "provider": {"order": ["x"]}}

    async def body() -> None:
        async with both() as (vendor, direct, through):
            for client, model in ((direct, "m-1"), (through, "lamp")):
                await client.chat.completions.create(
                    model=model,
                    messages=[{"role": "user", "content": parts}],
                    modalities=["text", "audio"],
                    audio=sound,
                    seed=2**53 + 1,
                    temperature=1.0,
                    logit_bias={"50256": -100},
                    extra_body=extra,
                )
            assert vendor.bodies[0] == vendor.bodies[1]

    asyncio.run(body())


def test_numbers_and_escapes_are_not_rewritten() -> None:
    odd = rb'{"model":"lamp","messages":[{"role":"user","content":"\u00e9\/x"}],"a":1.0,"b":1E0,"c":0.10000000000000000001}'

    async def body() -> None:
        async with both() as (vendor, _, through):
            sent = await through._client.post(
                through.base_url.join("chat/completions"), content=odd, headers={"content-type": "application/json"}
            )
            assert sent.status_code == 200
            assert vendor.raw == odd.replace(b'"lamp"', b'"m-1"')

    asyncio.run(body())
