"""What an official SDK gets from a provider directly, it gets through the proxy: the same bodies, events and errors.

The provider here is this file's own: it answers like OpenAI, with everything an SDK may ask for, and always the same.
"""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import openai
import pytest
from pydantic import BaseModel
from support.live import running
from support.raw_server import Peer, RawServer
from support.simulation import provider, replace, settings

from proxy.core.settings import Origin

pytestmark = pytest.mark.live

HELLO: Any = [{"role": "user", "content": "Grüße 🎉 \u2028"}]
USAGE = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
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


def _message(asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    value = json.dumps({"name": "Paris", "rooms": 3})
    if asked.get("tools") and asked["messages"][-1]["role"] != "tool":
        call = {"id": "call_1", "type": "function", "function": {"name": asked["tools"][0]["function"]["name"]}}
        call["function"]["arguments"] = value  # type: ignore[index]
        return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}, "tool_calls"
    text = value if "response_format" in asked else f"Höllo 🎉, {len(asked['messages'])} messages"
    return {"role": "assistant", "content": text, "refusal": None}, "stop"


def _whole(asked: dict[str, Any]) -> bytes:
    message, finish = _message(asked)
    logprobs = {"content": [{"token": "H", "logprob": -0.5, "bytes": [72], "top_logprobs": []}], "refusal": None}
    choices = [
        {
            "index": index,
            "message": message,
            "logprobs": logprobs if asked.get("logprobs") else None,
            "finish_reason": finish,
        }
        for index in range(asked.get("n") or 1)
    ]
    answer = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m-1", "choices": choices, "usage": USAGE}
    # Indented, with a field nobody knows: bytes that a proxy which decodes and encodes again would change.
    return json.dumps({**answer, "x_vendor": {"price": 1.10}}, indent=2, ensure_ascii=False).encode()


def _events(asked: dict[str, Any]) -> list[bytes]:
    message, finish = _message(asked)
    with_usage = bool((asked.get("stream_options") or {}).get("include_usage"))

    def event(choices: list[dict[str, Any]], usage: object = None) -> bytes:
        chunk = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices}
        if with_usage:
            chunk["usage"] = usage
        return b"data: " + json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"

    def delta(index: int, inner: dict[str, Any], finish: str | None = None) -> bytes:
        return event([{"index": index, "delta": inner, "logprobs": None, "finish_reason": finish}])

    indexes = range(asked.get("n") or 1)
    events = [delta(index, {"role": "assistant", "content": None if finish == "tool_calls" else ""}) for index in indexes]
    if finish == "tool_calls":
        call = message["tool_calls"][0]
        arguments = call["function"]["arguments"]
        first = {"index": 0, "id": "call_1", "type": "function", "function": {**call["function"], "arguments": ""}}
        events.append(delta(0, {"tool_calls": [first]}))
        pieces = [arguments[at : at + 5] for at in range(0, len(arguments), 5)]
        events += [delta(0, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces]
    else:
        text = message["content"]
        events += [delta(i, {"content": text[at : at + 4]}) for at in range(0, len(text), 4) for i in indexes]
    events += [delta(index, {}, finish) for index in indexes]
    if with_usage:
        events.append(event([], USAGE))
    return [*events, b"data: [DONE]\n\n"]


def _embeddings(asked: dict[str, Any]) -> bytes:
    vector: Any = [0.25, -1.5, 3.0]
    if asked.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<3f", *vector)).decode()
    inputs = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(inputs))]
    return json.dumps(
        {"object": "list", "data": data, "model": "m-1", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    ).encode()


def _completion(asked: dict[str, Any]) -> bytes:
    prompts = asked["prompt"] if isinstance(asked["prompt"], list) else [asked["prompt"]]
    choices = [{"text": " on", "index": i, "logprobs": None, "finish_reason": "length"} for i in range(len(prompts))]
    return json.dumps({"id": "t-1", "object": "text_completion", "created": 1, "model": "m-1", "choices": choices}).encode()


class Vendor:
    """The scripted provider; `bodies` are the requests it has seen, decoded, `raw` the last one's bytes."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.raw = b""

    async def serve(self, peer: Peer) -> None:
        while True:
            head, self.raw = await peer.request()
            path = head.split(b" ", 2)[1]
            asked = json.loads(self.raw)
            self.bodies.append(asked)
            if path.endswith(b"/embeddings"):
                await self._reply(peer, _embeddings(asked))
            elif asked.get("refuse"):
                words = {"message": "Unknown parameter: 'refuse'.", "type": "invalid_request_error"}
                await self._reply(peer, json.dumps({"error": {**words, "param": "refuse", "code": "unknown"}}).encode(), 400)
            elif path.endswith(b"/chat/completions"):
                await (self._stream(peer, asked) if asked.get("stream") else self._reply(peer, _whole(asked)))
            else:
                await self._reply(peer, _completion(asked))

    @staticmethod
    async def _reply(peer: Peer, body: bytes, status: int = 200) -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: %d\r\n\r\n"
        await peer.send(head % (status, len(body)) + body)

    @staticmethod
    async def _stream(peer: Peer, asked: dict[str, Any]) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in _events(asked)]
        await peer.send(head, *chunks, b"0\r\n\r\n")


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
