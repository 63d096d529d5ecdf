"""Official SDKs of others, served by a simulated Gemini API through the whole proxy, on real sockets."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import anthropic
import openai
import pytest
from support.live import Stack, running
from support.simulation import provider, replace, settings

from proxy.core.settings import Settings, Target
from proxy.rehearse.behaviour import Behaviour, Mode, Style
from proxy.rehearse.gemini_answers import ARGUMENTS

pytestmark = pytest.mark.live

FAST = Behaviour(chunks=6, gap=0.001)
SAID = "When one lamp goes dark another"
HELLO: Any = [{"role": "user", "content": "Keep the light on."}]
TOOL: Any = {"type": "object", "properties": {"lamps": {"type": "array", "items": {"type": "integer"}}}}


def google() -> Settings:
    """Gemini first, a server of OpenAI's format behind it."""
    a = replace(provider("a"), kind="gemini", preset="gemini")
    return settings(((Target("a", "gemini-3-flash"),), ("b/m",)), providers={"a": a, "b": provider("b")})


def play(body: Callable[[Stack, openai.AsyncOpenAI], Coroutine[Any, Any, None]], behaviour: Behaviour = FAST) -> None:
    async def run() -> None:
        async with (
            running({"a": behaviour, "b": FAST}, google()) as live,
            openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="k", max_retries=0) as client,
        ):
            await body(live, client)

    asyncio.run(run())


def test_a_chat_whole_and_streamed() -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        raw = await client.chat.completions.with_raw_response.create(model="lamp", messages=HELLO)
        answer = raw.parse()
        assert answer.choices[0].message.content == SAID
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 6
        assert raw.headers["x-undimmed-target"] == "a/gemini-3-flash"
        stream = await client.chat.completions.create(model="lamp", messages=HELLO, stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert live.calls("b") == 0

    play(body)


def test_thoughts_and_their_seal_reach_the_client() -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        answer = await client.chat.completions.create(model="lamp", messages=HELLO, reasoning_effort="low")
        message = answer.choices[0].message.model_dump()
        assert message["reasoning_content"]
        assert any(detail["format"] == "google-gemini-v1" for detail in message["reasoning_details"])
        response = await client.responses.create(model="lamp", input="hi", include=["reasoning.encrypted_content"])
        assert response.output_text
        assert any(item.type == "reasoning" and item.encrypted_content for item in response.output)

    play(body, replace(FAST, style=Style.REASONING))


def test_tools_by_every_api() -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        function: Any = {"type": "function", "function": {"name": "light", "parameters": TOOL}}
        answer = await client.chat.completions.create(model="lamp", messages=HELLO, tools=[function])
        (call,) = answer.choices[0].message.tool_calls or ()
        assert call.type == "function"
        assert json.loads(call.function.arguments) == ARGUMENTS
        assert answer.choices[0].finish_reason == "tool_calls"
        async with anthropic.AsyncAnthropic(base_url=live.url, api_key="k", max_retries=0) as claude:
            tool: Any = {"name": "light", "input_schema": TOOL}
            async with claude.messages.stream(model="lamp", max_tokens=50, messages=HELLO, tools=[tool]) as stream:
                message = await stream.get_final_message()
            (used,) = [block for block in message.content if block.type == "tool_use"]
            assert used.input == ARGUMENTS
            assert message.stop_reason == "tool_use"

    play(body, replace(FAST, style=Style.TOOL))


def test_embeddings() -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        for value in ("a", ["a", "b"]):
            found = await client.embeddings.create(model="lamp", input=value)
            assert [len(row.embedding) for row in found.data] == [16] * len(value)

    play(body)


@pytest.mark.parametrize(
    "trouble",
    [
        Behaviour(Mode.STATUS, failure="gemini_overloaded"),
        Behaviour(Mode.STATUS, failure="vertex_capacity"),
        Behaviour(Mode.ERROR_EVENT, failure="gemini_overloaded"),
        Behaviour(Mode.EMPTY_STREAM),
        Behaviour(Mode.GARBAGE),
        Behaviour(Mode.HTML),
    ],
    ids=lambda behaviour: f"{behaviour.mode.value} {behaviour.failure}",
)
def test_what_fails_before_its_first_word_is_never_seen(trouble: Behaviour) -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(model="lamp", messages=HELLO, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == SAID
        assert (live.calls("a"), live.calls("b")) == (1, 1)

    play(body, trouble)


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.MISSING_FINISH, Mode.ERROR_EVENT])
def test_a_cut_answer_is_never_a_short_one(mode: Mode) -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        seen: list[str | None] = []
        stream = await client.chat.completions.create(model="lamp", messages=HELLO, stream=True)

        async def drain() -> None:
            async for chunk in stream:
                seen.extend(choice.finish_reason for choice in chunk.choices)

        with pytest.raises(openai.APIError):
            await drain()
        assert seen
        assert set(seen) == {None}

    play(body, replace(FAST, mode=mode, after=3))
