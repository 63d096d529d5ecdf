"""Frameworks as people use them, run by `test_clients_frameworks.py` in an environment of their own.

`python frameworks.py NAME URL`: asks a plain question, lets the model call a local tool and wants an answer of a schema, in
every API that the framework speaks, and prints as JSON what came of it: per API, the texts and the schema's values. Knows
nothing of the proxy but its address.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

MODEL = "lamp"
HELLO, LOOK = "Hello", "Look at Paris"


class City(BaseModel):
    """A city."""

    name: str
    rooms: int


SEEN: list[tuple[str, int]] = []


def look(name: str, rooms: int) -> str:
    """Look at a city."""
    SEEN.append((name, rooms))
    return f"{rooms} rooms"


def openai_agents(url: str) -> dict[str, Any]:
    from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
    from openai import AsyncOpenAI

    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="unused")
    tool = function_tool(look)

    async def ask(model: Any) -> dict[str, Any]:
        streamed = Runner.run_streamed(Agent(name="a", model=model, tools=[tool]), LOOK)
        async for _ in streamed.stream_events():
            pass
        return {
            "plain": (await Runner.run(Agent(name="a", model=model), HELLO)).final_output,
            "streamed": streamed.final_output,
            "tool": (await Runner.run(Agent(name="a", model=model, tools=[tool]), LOOK)).final_output,
            "schema": (await Runner.run(Agent(name="a", model=model, output_type=City), HELLO)).final_output.model_dump(),
        }

    async def everything() -> dict[str, Any]:
        return {
            "chat": await ask(OpenAIChatCompletionsModel(MODEL, client)),
            "responses": await ask(OpenAIResponsesModel(MODEL, client)),
        }

    return asyncio.run(everything())


def langchain(url: str) -> dict[str, Any]:
    from langchain_anthropic import ChatAnthropic
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    local = tool(look)

    def ask(model: Any) -> dict[str, Any]:
        able = model.bind_tools([local])
        history: list[Any] = [HumanMessage(LOOK)]
        history.append(able.invoke(history))
        history += [local.invoke(call) for call in history[-1].tool_calls]
        return {
            "plain": model.invoke(HELLO).text,
            "streamed": "".join(chunk.text for chunk in model.stream(HELLO)),
            "tool": able.invoke(history).text,
            "schema": model.with_structured_output(City).invoke(HELLO).model_dump(),
        }

    return {
        "chat": ask(ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key="unused")),
        "responses": ask(ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key="unused", use_responses_api=True)),
        "messages": ask(ChatAnthropic(model_name=MODEL, base_url=url, api_key="unused")),
    }


def pydantic_ai(url: str) -> dict[str, Any]:
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    openai = OpenAIProvider(base_url=f"{url}/v1", api_key="unused")
    anthropic = AnthropicProvider(base_url=url, api_key="unused")

    async def ask(model: Any) -> dict[str, Any]:
        async with Agent(model).run_stream(HELLO) as stream:
            streamed = [text async for text in stream.stream_text()][-1]
        return {
            "plain": (await Agent(model).run(HELLO)).output,
            "streamed": streamed,
            "tool": (await Agent(model, tools=[look]).run(LOOK)).output,
            "schema": (await Agent(model, output_type=City).run(HELLO)).output.model_dump(),
        }

    async def everything() -> dict[str, Any]:
        return {
            "chat": await ask(OpenAIChatModel(MODEL, provider=openai)),
            "responses": await ask(OpenAIResponsesModel(MODEL, provider=openai)),
            "messages": await ask(AnthropicModel(MODEL, provider=anthropic)),
        }

    return asyncio.run(everything())


def instructor(url: str) -> dict[str, Any]:
    import instructor as framework
    from anthropic import Anthropic
    from openai import OpenAI

    openai = OpenAI(base_url=f"{url}/v1", api_key="unused")
    anthropic = Anthropic(base_url=url, api_key="unused")
    modes = framework.Mode
    asked: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": HELLO}], "response_model": City}
    clients = {
        "chat": framework.from_openai(openai, mode=modes.TOOLS),
        "chat, JSON": framework.from_openai(openai, mode=modes.JSON_SCHEMA),
        "responses": framework.from_openai(openai, mode=modes.RESPONSES_TOOLS),
    }
    found = {name: {"schema": client.create(**asked).model_dump()} for name, client in clients.items()}
    messages = framework.from_anthropic(anthropic, mode=modes.ANTHROPIC_TOOLS)
    return {**found, "messages": {"schema": messages.create(**asked, max_tokens=100).model_dump()}}


FRAMEWORKS: dict[str, Callable[[str], dict[str, Any]]] = {
    "openai_agents": openai_agents,
    "langchain": langchain,
    "pydantic_ai": pydantic_ai,
    "instructor": instructor,
}

if __name__ == "__main__":
    answers = FRAMEWORKS[sys.argv[1]](sys.argv[2])
    print(json.dumps({"answers": answers, "seen": SEEN}))
