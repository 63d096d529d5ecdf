"""Anthropic's official SDK, unchanged but for its base URL, in front of every kind of provider, and OpenAI's in front of
Anthropic's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2 as httpx
import openai
import pytest
from anthropic.types import Message
from support.live import Stack, running
from support.simulation import provider, replace, settings

from proxy.rehearse.behaviour import Behaviour, Mode, Style

pytestmark = pytest.mark.live

FAST = Behaviour(chunks=8, gap=0.001)
DOWN = Behaviour(Mode.STATUS, failure="anthropic_overloaded")
HELLO: Any = [{"role": "user", "content": "Keep the light on."}]
TOOLS: Any = [{"name": "light", "description": "Switch lamps.", "input_schema": {"type": "object", "properties": {}}}]


@dataclass
class Clients:
    claude: anthropic.AsyncAnthropic
    gpt: openai.AsyncOpenAI
    live: Stack


@asynccontextmanager
async def stack(a: Behaviour = FAST, b: Behaviour = FAST, native: bool = True) -> AsyncIterator[Clients]:
    """Target a speaks Messages where `native`, b chat; both serve every client."""
    configured = settings()
    kind, preset = ("anthropic", "anthropic") if native else ("openai", "custom")
    providers = {"a": replace(provider("a"), kind=kind, preset=preset), "b": provider("b")}
    async with (
        running({"a": a, "b": b}, replace(configured, providers=providers)) as live,
        httpx.AsyncClient() as http,
        openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused") as gpt,
    ):
        claude = anthropic.AsyncAnthropic(base_url=live.url, api_key="unused", http_client=http, max_retries=0)
        yield Clients(claude, gpt, live)


async def stream(client: anthropic.AsyncAnthropic, **rest: Any) -> Message:
    async with client.messages.stream(model="lamp", max_tokens=100, messages=HELLO, **rest) as events:
        return await events.get_final_message()


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("native", [True, False])
def test_plain_and_streamed_answers(native: bool) -> None:
    async def body() -> None:
        async with stack(native=native) as clients:
            whole = await clients.claude.messages.create(model="lamp", max_tokens=100, messages=HELLO)
            streamed = await stream(clients.claude, system="Be brief.")
            for message in (whole, streamed):
                assert text_of(message)
                assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 8)
                assert message.usage.input_tokens > 0
            assert text_of(whole) == text_of(streamed)
            raw = await clients.claude.messages.with_raw_response.create(model="lamp", max_tokens=100, messages=HELLO)
            assert raw.headers["x-undimmed-target"] == "a/m"
            await asyncio.sleep(0.01)
            line = clients.live.proxy.gateway.tally.lines["lamp", "a/m"]
            assert sum(count.output for count in line.tokens.values()) == 24

    asyncio.run(body())


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("style", [Style.TOOL, Style.REASONING])
def test_tools_and_thoughts(style: Style, native: bool) -> None:
    async def body() -> None:
        async with stack(replace(FAST, style=style), native=native) as clients:
            whole = await clients.claude.messages.create(model="lamp", max_tokens=100, messages=HELLO, tools=TOOLS)
            streamed = await stream(clients.claude, tools=TOOLS)
            for message in (whole, streamed):
                if style is Style.TOOL:
                    (call,) = message.content
                    assert call.type == "tool_use"
                    assert (call.name, message.stop_reason) == ("light", "tool_use")
                    assert call.input
                else:
                    thought, text = message.content
                    assert (thought.type, text.type) == ("thinking", "text")
                    assert thought.type == "thinking"
                    assert thought.signature.startswith("undimmed.") is not native

    asyncio.run(body())


def test_a_conversation_goes_on_wherever_it_was_served() -> None:
    """Thoughts and calls of one vendor in the history of the next request, which another one serves."""

    async def body() -> None:
        async with stack(DOWN, replace(FAST, style=Style.TOOL)) as clients:
            first = await stream(clients.claude, tools=TOOLS)
            (call,) = first.content
            assert call.type == "tool_use"
            await clients.live.providers["a"].set_behaviour(FAST)
            history: Any = [
                *HELLO,
                first.to_param(),
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "on"}]},
            ]
            again = await clients.claude.messages.create(model="lamp", max_tokens=100, messages=history, tools=TOOLS)
            assert text_of(again)

    asyncio.run(body())


def test_failover_is_not_seen() -> None:
    async def body() -> None:
        for down in (DOWN, Behaviour(Mode.CLOSE), Behaviour(Mode.ERROR_EVENT, chunks=8, after=0), Behaviour(Mode.HTML)):
            async with stack(down) as clients:
                assert text_of(await stream(clients.claude))
                assert clients.live.calls("b") == 1

    asyncio.run(body())


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("mode", [Mode.CUT, Mode.ERROR_EVENT, Mode.MISSING_FINISH, Mode.GARBAGE])
def test_a_stream_that_breaks_is_never_made_whole(mode: Mode, native: bool) -> None:
    async def body() -> None:
        async with stack(Behaviour(mode, chunks=8, gap=0.001, after=3), native=native) as clients:
            with pytest.raises(anthropic.APIStatusError) as caught:
                await stream(clients.claude)
            error: Any = caught.value.body
            assert error["type"] == "error"
            assert error["error"]["attempts"]
            assert error["request_id"]

    asyncio.run(body())


def test_a_stream_without_its_terminator_is_whole_all_the_same() -> None:
    async def body() -> None:
        async with stack(Behaviour(Mode.MISSING_DONE, chunks=8, gap=0.001)) as clients:
            assert (await stream(clients.claude)).stop_reason == "end_turn"

    asyncio.run(body())


def test_errors_are_anthropics() -> None:
    async def body() -> None:
        async with stack(DOWN, DOWN) as clients:
            with pytest.raises(anthropic.APIStatusError) as caught:
                await clients.claude.messages.create(model="lamp", max_tokens=1, messages=HELLO)
            assert caught.value.status_code == 529
            assert caught.value.request_id
            body: Any = caught.value.body
            assert body["error"]["type"] == "overloaded_error"
            assert len(body["error"]["attempts"]) >= 2
            with pytest.raises(anthropic.NotFoundError):
                await clients.claude.messages.create(model="dark", max_tokens=1, messages=HELLO)
            with pytest.raises(anthropic.BadRequestError, match="model: String should have at least 1 character"):
                await clients.claude.messages.create(model="", max_tokens=1, messages=HELLO)

    asyncio.run(body())


def test_the_closing_comment_stands_before_the_end() -> None:
    async def body() -> None:
        async with stack() as clients, httpx.AsyncClient() as client:
            request = {"model": "lamp", "max_tokens": 9, "messages": HELLO, "stream": True}
            reply = await client.post(f"{clients.live.url}/v1/messages", json=request)
            *_, delta, comment, stop, last = reply.text.split("\n\n")
            assert last == ""
            assert delta.startswith("event: message_delta\n")
            assert comment.startswith(": undimmed {")
            assert stop.startswith("event: message_stop\n")

    asyncio.run(body())


@pytest.mark.parametrize("style", [Style.TEXT, Style.TOOL, Style.REASONING])
def test_clients_of_openai_are_served_by_anthropic(style: Style) -> None:
    async def body() -> None:
        async with stack(replace(FAST, style=style)) as clients:
            tools: Any = [{"type": "function", "function": {"name": "light", "parameters": {"type": "object"}}}]
            whole = await clients.gpt.chat.completions.create(model="lamp", messages=HELLO, tools=tools)
            chunks = [
                chunk
                async for chunk in await clients.gpt.chat.completions.create(
                    model="lamp", messages=HELLO, tools=tools, stream=True, stream_options={"include_usage": True}
                )
            ]
            message = whole.choices[0].message
            deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
            assert (message.content or "") == "".join(delta.content or "" for delta in deltas)
            calls = [call for delta in deltas for call in delta.tool_calls or ()]
            assert bool(message.tool_calls) == bool(calls) == (style is Style.TOOL)
            assert whole.choices[0].finish_reason == ("tool_calls" if style is Style.TOOL else "stop")
            assert chunks[-1].usage is not None
            assert chunks[-1].usage.completion_tokens == 8
            answer = await clients.gpt.responses.create(model="lamp", input="Keep the light on.")
            assert answer.status == "completed"

    asyncio.run(body())


@pytest.mark.parametrize(
    ("a", "native", "source"), [(FAST, True, "provider"), (FAST, False, "estimate"), (DOWN, True, "estimate")]
)
def test_tokens_are_counted_whoever_is_there(a: Behaviour, native: bool, source: str) -> None:
    """By Anthropic where a target is Anthropic's and up, else here, and then the reply says so."""

    async def body() -> None:
        async with stack(a, native=native) as clients:
            raw = await clients.claude.messages.with_raw_response.count_tokens(model="lamp", messages=HELLO, tools=TOOLS)
            counted = await raw.parse()
            assert counted.input_tokens > 0
            assert raw.headers.get("x-undimmed-tokens-source") == source
            assert clients.live.calls("b") == 0

    asyncio.run(body())
