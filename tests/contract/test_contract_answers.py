"""What clients get keeps OpenAI's schemas and is what the official Python types take: models, whole answers, every event."""

import asyncio
import json
from typing import Any

import httpx2 as httpx
import pytest
from contract_schemas import events, violations
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.shared import ErrorObject
from pydantic import BaseModel
from support.live import running
from support.simulation import World, play, replace, settings

from proxy.core.endpoints import Endpoint
from proxy.rehearse.behaviour import Behaviour, Mode, Style
from proxy.rehearse.client import SimulatedClient, Wish

STYLES = list(Style)
WHOLE: dict[Endpoint, tuple[str, type[BaseModel]]] = {
    Endpoint.CHAT: ("CreateChatCompletionResponse", ChatCompletion),
    Endpoint.COMPLETIONS: ("CreateCompletionResponse", Completion),
    Endpoint.EMBEDDINGS: ("CreateEmbeddingResponse", CreateEmbeddingResponse),
}
CHUNK = "CreateChatCompletionStreamResponse"


def ask(behaviour: Behaviour, wish: Wish, other: Behaviour | None = None, **fields: object) -> SimulatedClient:
    async def body(world: World) -> SimulatedClient:
        return await world.one(wish, wish.body(**fields))

    got = play(body, {"a": behaviour, "b": other or Behaviour(chunks=3)}, settings())
    assert isinstance(got, SimulatedClient)
    return got


@pytest.mark.parametrize("choices", [1, 3])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("endpoint", WHOLE)
def test_whole_answers(endpoint: Endpoint, style: Style, choices: int) -> None:
    client = ask(Behaviour(chunks=8, style=style), Wish("w", stream=False, endpoint=endpoint), n=choices)
    assert client.verdict == "ok"
    answer = json.loads(bytes(client.downstream.body))
    schema, kind = WHOLE[endpoint]
    assert violations(schema, answer) == []
    kind.model_validate(answer)


@pytest.mark.parametrize("wants_usage", [True, False])
@pytest.mark.parametrize("choices", [1, 3])
@pytest.mark.parametrize("style", STYLES)
def test_every_event_of_a_chat(style: Style, choices: int, wants_usage: bool) -> None:
    client = ask(Behaviour(chunks=8, style=style), Wish("s", wants_usage=wants_usage), n=choices)
    assert client.verdict == "ok"
    *data, done = events(bytes(client.downstream.body))
    assert done == "[DONE]"
    chunks = [json.loads(text) for text in data]
    assert [violations(CHUNK, chunk) for chunk in chunks] == [[]] * len(chunks)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    assert len({chunk["id"] for chunk in chunks}) == 1
    usages = [chunk for chunk in chunks if chunk.get("usage")]
    assert [chunk["choices"] for chunk in usages] == ([[]] if wants_usage else [])


@pytest.mark.parametrize("wants_usage", [True, False])
def test_every_event_of_a_legacy_completion(wants_usage: bool) -> None:
    client = ask(Behaviour(chunks=8), Wish("s", endpoint=Endpoint.COMPLETIONS, wants_usage=wants_usage))
    *data, done = events(bytes(client.downstream.body))
    assert done == "[DONE]"
    chunks = [json.loads(text) for text in data]
    assert [violations("CreateCompletionResponse", fill(chunk)) for chunk in chunks] == [[]] * len(chunks)
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert reasons == [None] * 8 + ["stop"]


def fill(chunk: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's document describes legacy completions only as whole answers; its own events differ in these two nulls."""
    choices = [{**choice, "finish_reason": choice["finish_reason"] or "stop"} for choice in chunk["choices"]]
    return {key: value for key, value in {**chunk, "choices": choices}.items() if key != "usage" or value is not None}


BREAKS = {
    "cut": Behaviour(Mode.CUT, after=3),
    "reset": Behaviour(Mode.CUT, after=3, reset=True),
    "error event": Behaviour(Mode.ERROR_EVENT, after=3),
    "garbage": Behaviour(Mode.GARBAGE, after=3),
    "bad framing": Behaviour(Mode.BAD_FRAMING, after=3),
    "silence": Behaviour(Mode.STALL, after=3),
    "no finish reason": Behaviour(Mode.MISSING_FINISH),
}


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.COMPLETIONS])
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_stream_ends_in_an_error_event(name: str, endpoint: Endpoint) -> None:
    client = ask(BREAKS[name], Wish("s", endpoint=endpoint))
    assert client.verdict == "failed"
    *data, last = events(bytes(client.downstream.body))
    assert "[DONE]" not in data
    if endpoint is Endpoint.CHAT:
        assert all(violations(CHUNK, json.loads(text)) == [] for text in data)
    broken = json.loads(last)
    assert violations("ErrorResponse", broken) == []
    ErrorObject.model_validate(broken["error"])
    assert client.downstream.aborted_at is not None


def test_an_error_after_a_heartbeat_is_an_event_too() -> None:
    """The status line was spent on keeping the connection alive; nothing but comments came before."""
    silent = Behaviour(Mode.BLACK_HOLE)
    configured = settings(heartbeat=0.5, timeouts=replace(settings().timeouts, first_content=2.0))

    async def body(world: World) -> SimulatedClient:
        return await world.one(Wish("h"))

    client = play(body, {"a": silent, "b": silent}, configured)
    assert isinstance(client, SimulatedClient)
    assert client.downstream.status == 200
    (only,) = events(bytes(client.downstream.body))
    assert violations("ErrorResponse", json.loads(only)) == []
    assert b": undimmed waiting\n\n" in client.downstream.body


@pytest.mark.live
def test_models() -> None:
    async def body() -> None:
        async with running({"a": Behaviour(), "b": Behaviour()}) as live, httpx.AsyncClient(base_url=live.url) as http:
            for prefix in ("/v1", ""):
                listed = (await http.get(f"{prefix}/models")).json()
                assert violations("ListModelsResponse", listed) == []
                assert [Model.model_validate(model).id for model in listed["data"]] == ["lamp"]
                single = (await http.get(f"{prefix}/models/lamp")).json()
                assert violations("Model", single) == []
                assert single == listed["data"][0]

    asyncio.run(body())
