"""The seam of a resumed stream, as the official SDKs see it: not at all. Real sockets, every client format."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2 as httpx
import openai
import pytest
from support.live import Stack, running
from support.simulation import BREAKER, provider, replace, settings

from proxy.core.continuity import WHOLE, Resume
from proxy.core.settings import Target
from proxy.rehearse.answers import WORDS
from proxy.rehearse.behaviour import Behaviour, Mode, Style

pytestmark = pytest.mark.live

WHOLE_ANSWER = Behaviour(chunks=20, gap=0.001)
CUT = replace(WHOLE_ANSWER, mode=Mode.CUT, after=9)
TEXT = " ".join(WORDS[:20])
HELLO: Any = [{"role": "user", "content": "Keep the light on."}]
NEVER_OPEN = replace(BREAKER, recent=10**6, recent_failures=10**6, minimum=10**6, consecutive=10**6, stall=False)


@dataclass
class Clients:
    claude: anthropic.AsyncAnthropic
    gpt: openai.AsyncOpenAI
    live: Stack


@asynccontextmanager
async def stack(kinds: str, a: Behaviour = CUT, b: Behaviour = WHOLE_ANSWER, **route: Any) -> AsyncIterator[Clients]:
    """Targets a and b of these kinds, "openai anthropic"; a is cut, b is whole."""
    first, second = kinds.split()
    providers = {
        name: replace(provider(name), kind=kind, preset="anthropic" if kind == "anthropic" else "openai")
        for name, kind in (("a", first), ("b", second))
    }
    configured = settings(([Target("a", "m")], [Target("b", "m")]), providers=providers, breaker=NEVER_OPEN)
    route = {"resume": Resume.SPLICE} | route
    configured = replace(configured, routes=tuple(replace(one, **route) for one in configured.routes))
    async with (
        running({"a": a, "b": b}, configured) as live,
        httpx.AsyncClient() as http,
        openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused", max_retries=0) as gpt,
    ):
        claude = anthropic.AsyncAnthropic(base_url=live.url, api_key="unused", http_client=http, max_retries=0)
        yield Clients(claude, gpt, live)


KINDS = ["openai openai", "openai anthropic", "anthropic openai", "anthropic anthropic"]


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("style", [Style.TEXT, Style.REASONING])
def test_chat(kinds: str, style: Style) -> None:
    async def body() -> None:
        a, b = replace(CUT, style=style, after=14), replace(WHOLE_ANSWER, style=style)
        async with stack(kinds, a, b) as clients:
            async with clients.gpt.chat.completions.stream(
                model="lamp", messages=HELLO, stream_options={"include_usage": True}
            ) as events:
                async for _ in events:
                    pass
                answer = await events.get_final_completion()
            content = answer.choices[0].message.content or ""
            assert content.strip() == (TEXT if style is Style.TEXT else " ".join(WORDS[10:20]))
            assert answer.choices[0].finish_reason == "stop"
            assert answer.usage is not None
            assert answer.usage.completion_tokens == 20
            assert (clients.live.calls("a"), clients.live.calls("b")) == (1, 1)

    asyncio.run(body())


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("style", [Style.TEXT, Style.REASONING])
def test_messages(kinds: str, style: Style) -> None:
    async def body() -> None:
        a, b = replace(CUT, style=style, after=14), replace(WHOLE_ANSWER, style=style)
        async with stack(kinds, a, b) as clients:
            async with clients.claude.messages.stream(model="lamp", max_tokens=100, messages=HELLO) as events:
                async for _ in events:
                    pass
                message = await events.get_final_message()
            text = "".join(block.text for block in message.content if block.type == "text")
            assert text.strip() == (TEXT if style is Style.TEXT else " ".join(WORDS[10:20]))
            assert message.stop_reason == "end_turn"
            assert message.usage.output_tokens == 20
            assert sum(block.type == "thinking" for block in message.content) == (style is Style.REASONING)

    asyncio.run(body())


@pytest.mark.parametrize("kinds", KINDS)
def test_responses(kinds: str) -> None:
    async def body() -> None:
        async with stack(kinds) as clients:
            async with clients.gpt.responses.stream(model="lamp", input="Keep the light on.", store=False) as events:
                async for _ in events:
                    pass
                answer = await events.get_final_response()
            assert answer.output_text.strip() == TEXT
            assert answer.status == "completed"

    asyncio.run(body())


@pytest.mark.parametrize("kinds", ["openai openai", "anthropic openai"])
def test_legacy_completions(kinds: str) -> None:
    async def body() -> None:
        async with stack(kinds) as clients:
            stream = await clients.gpt.completions.create(model="lamp", prompt="Keep the light on.", stream=True)
            chunks = [chunk async for chunk in stream]
            assert "".join(chunk.choices[0].text for chunk in chunks).strip() == TEXT
            assert len({chunk.id for chunk in chunks}) == 1

    asyncio.run(body())


@pytest.mark.parametrize("kinds", ["openai openai", "anthropic anthropic"])
def test_held_whole_a_cut_is_never_seen(kinds: str) -> None:
    async def body() -> None:
        async with stack(kinds, resume=Resume.OFF, hold=WHOLE) as clients:
            stream = await clients.gpt.chat.completions.create(model="lamp", messages=HELLO, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
            assert text.strip() == TEXT
            assert (clients.live.calls("a"), clients.live.calls("b")) == (1, 1)

    asyncio.run(body())


@pytest.mark.parametrize("kinds", ["openai openai", "anthropic anthropic"])
def test_a_call_that_was_cut_is_an_error(kinds: str) -> None:
    async def body() -> None:
        tools: Any = [{"type": "function", "function": {"name": "light", "parameters": {"type": "object"}}}]
        async with stack(kinds, replace(CUT, style=Style.TOOL), replace(WHOLE_ANSWER, style=Style.TOOL)) as clients:
            stream = await clients.gpt.chat.completions.create(model="lamp", messages=HELLO, tools=tools, stream=True)
            with pytest.raises(openai.APIError):
                _ = [chunk async for chunk in stream]
            assert clients.live.calls("b") == 0

    asyncio.run(body())
