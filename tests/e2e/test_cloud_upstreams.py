"""Official SDKs of others, served by simulated Bedrock and Cohere through the whole proxy, on real sockets."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import anthropic
import openai
import pytest
from support.live import Stack, running
from support.simulation import provider, replace, settings

from proxy.core.settings import Credential, Settings, Target
from proxy.core.sources import AwsKeys
from proxy.rehearse.behaviour import Behaviour, Mode, Style

pytestmark = pytest.mark.live

FAST = Behaviour(chunks=6, gap=0.001)
SAID = "When one lamp goes dark another"
HELLO: Any = [{"role": "user", "content": "Keep the light on."}]
LAMPS: Any = {"type": "object", "properties": {"lamps": {"type": "array", "items": {"type": "integer"}}}}
BEARER = Credential("a#1", "bedrock-api-key-0123456789")
SIGNED = Credential("a#1", aws=AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
CLOUDS = {
    "bedrock": ("us.anthropic.claude-sonnet-4-6", BEARER),
    "signed": ("us.anthropic.claude-sonnet-4-6", SIGNED),
    "cohere": ("command-a-reasoning-08-2025", BEARER),
}

Body = Callable[[Stack, openai.AsyncOpenAI], Coroutine[Any, Any, None]]


def configure(cloud: str) -> Settings:
    """The cloud first, a server of OpenAI's format behind it."""
    model, credential = CLOUDS[cloud]
    kind = "cohere" if cloud == "cohere" else "bedrock"
    a = replace(provider("a"), kind=kind, preset=kind, credentials=(credential,), region="us-east-1")
    return settings(((Target("a", model),), ("b/m",)), providers={"a": a, "b": provider("b")})


def play(cloud: str, body: Body, behaviour: Behaviour = FAST) -> None:
    async def run() -> None:
        async with (
            running({"a": behaviour, "b": FAST}, configure(cloud)) as live,
            openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="k", max_retries=0) as client,
        ):
            await body(live, client)

    asyncio.run(run())


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_chat_whole_and_streamed(cloud: str) -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        raw = await client.chat.completions.with_raw_response.create(model="lamp", messages=HELLO, seed=7)
        answer = raw.parse()
        assert answer.choices[0].message.content == SAID
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 6
        assert raw.headers["x-undimmed-target"] == f"a/{CLOUDS[cloud][0]}"
        stream = await client.chat.completions.create(model="lamp", messages=HELLO, stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert live.calls("b") == 0
        shown = {entry.key.partition(" ")[0] for entry in live.providers["a"].provider.bill.entries}
        assert shown == ({"AWS4-HMAC-SHA256"} if cloud == "signed" else {BEARER.secret})

    play(cloud, body)


@pytest.mark.parametrize("cloud", ["bedrock", "cohere"])
def test_thoughts_reach_every_client(cloud: str) -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        answer = await client.chat.completions.create(model="lamp", messages=HELLO, reasoning_effort="low")
        assert answer.choices[0].message.model_dump()["reasoning_content"]
        async with anthropic.AsyncAnthropic(base_url=live.url, api_key="k", max_retries=0) as claude:
            message = await claude.messages.create(model="lamp", max_tokens=5000, messages=HELLO)
            assert [block.type for block in message.content] == ["thinking", "text"]
            again = [*HELLO, {"role": "assistant", "content": message.content}, *HELLO]
            assert (await claude.messages.create(model="lamp", max_tokens=5000, messages=again)).content

    play(cloud, body, replace(FAST, style=Style.REASONING))


@pytest.mark.parametrize("cloud", ["bedrock", "cohere"])
def test_tools_by_every_api(cloud: str) -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        function: Any = {"type": "function", "function": {"name": "light", "parameters": LAMPS}}
        answer = await client.chat.completions.create(model="lamp", messages=HELLO, tools=[function])
        (call,) = answer.choices[0].message.tool_calls or ()
        assert call.type == "function"
        assert json.loads(call.function.arguments)["lamps"]
        assert answer.choices[0].finish_reason == "tool_calls"
        async with anthropic.AsyncAnthropic(base_url=live.url, api_key="k", max_retries=0) as claude:
            tool: Any = {"name": "light", "input_schema": LAMPS}
            async with claude.messages.stream(model="lamp", max_tokens=50, messages=HELLO, tools=[tool]) as stream:
                message = await stream.get_final_message()
            (used,) = [block for block in message.content if block.type == "tool_use"]
            assert used.input["lamps"]
            assert message.stop_reason == "tool_use"
        response = await client.responses.create(
            model="lamp", input="hi", tools=[{**function["function"], "type": "function"}]
        )
        assert [item.type for item in response.output] == ["function_call"]

    play(cloud, body, replace(FAST, style=Style.TOOL))


@pytest.mark.parametrize("cloud", ["signed", "cohere"])
def test_embeddings(cloud: str) -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        for value in ("a", ["a", "b"]):
            found = await client.embeddings.create(model="lamp", input=value)
            assert [len(row.embedding) for row in found.data] == [16] * len(value)

    play(cloud, body)


TROUBLES = [
    ("bedrock", Behaviour(Mode.STATUS, failure="bedrock_unavailable")),
    ("bedrock", Behaviour(Mode.STATUS, failure="bedrock_throttled")),
    ("bedrock", Behaviour(Mode.STATUS, failure="bedrock_profile")),
    ("bedrock", Behaviour(Mode.STATUS, failure="bedrock_no_tools")),
    ("bedrock", Behaviour(Mode.ERROR_EVENT, failure="bedrock_throttled")),
    ("cohere", Behaviour(Mode.STATUS, failure="cohere_month")),
    ("cohere", Behaviour(Mode.ERROR_EVENT, failure="cohere_internal")),
    *((cloud, Behaviour(mode)) for cloud in ("bedrock", "cohere") for mode in (Mode.EMPTY_STREAM, Mode.GARBAGE, Mode.HTML)),
]


@pytest.mark.parametrize(
    ("cloud", "trouble"), TROUBLES, ids=[f"{cloud} {one.mode.value} {one.failure}" for cloud, one in TROUBLES]
)
def test_what_fails_before_its_first_word_is_never_seen(cloud: str, trouble: Behaviour) -> None:
    async def body(live: Stack, client: openai.AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(model="lamp", messages=HELLO, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == SAID
        assert (live.calls("a"), live.calls("b")) == (1, 1)

    play(cloud, body, trouble)


@pytest.mark.parametrize("cloud", ["bedrock", "cohere"])
@pytest.mark.parametrize("mode", [Mode.CUT, Mode.MISSING_FINISH, Mode.ERROR_EVENT])
def test_a_cut_answer_is_never_a_short_one(cloud: str, mode: Mode) -> None:
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

    play(cloud, body, replace(FAST, mode=mode, after=3))
