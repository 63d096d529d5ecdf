"""What clients of the Responses API get keeps OpenAI's schemas, and the official SDK takes it: types, streams, helpers."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import openai
import pytest
from contract_schemas import violations
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from support.raw_server import Peer, RawServer
from wire.responses_plays import PLAYS, WISHES, call, parse

from proxy.core.endpoints import Endpoint
from proxy.core.problem import Problem
from proxy.wire.dialects import CLIENTS
from proxy.wire.formats import FORMATS
from proxy.wire.pieces import Piece

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
DIALECT = CLIENTS[Endpoint.RESPONSES]
FORM = FORMATS[Endpoint.RESPONSES]


def stream(pieces: Sequence[Piece], **fields: object) -> bytes:
    encoder = DIALECT.encoder(call(stream=True, **fields))
    return b"".join([*[encoder.encode([piece]) for piece in pieces], encoder.close()])


def unknown(value: object, path: str = "") -> list[str]:
    """What the SDK's types have no field for. A tool's own words are the client's."""
    if isinstance(value, list):
        return [found for at, item in enumerate(value) for found in unknown(item, f"{path}[{at}]")]
    if not isinstance(value, BaseModel):
        return []
    extra = [f"{path}.{name}" for name in value.model_extra or {}]
    inner = [(name, getattr(value, name, None)) for name in value.model_fields_set]
    return extra + [found for name, part in inner for found in unknown(part, f"{path}.{name}")]


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("play", PLAYS)
def test_every_event(play: str, wish: str) -> None:
    for event in parse(stream(PLAYS[play], **WISHES[wish])):
        assert violations("ResponseStreamEvent", event) == []
        typed = EVENT.validate_python(event)
        assert typed.type == event["type"]
        # The service sends the one, and the schema wants the other; the types know neither.
        assert set(unknown(typed)) <= {".response.store", ".name"}


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("play", PLAYS)
def test_terminal_responses(play: str, wish: str) -> None:
    last = parse(stream(PLAYS[play], **WISHES[wish]))[-1]["response"]
    assert violations("Response", last) == []
    Response.model_validate(last)


def test_the_error_event() -> None:
    event = parse(FORM.error_event(Problem(502, 'cut "off"', "server_error", "provider_stream_broken", "input")))[0]
    assert violations("ResponseStreamEvent", event) == []
    assert violations("ErrorResponse", {"error": event["error"]}) == []
    EVENT.validate_python(event)


def serve(body: bytes, kind: bytes = b"text/event-stream") -> RawServer:
    async def script(peer: Peer) -> None:
        await peer.request()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, len(body))
        await peer.send(head, *[body[at : at + 97] for at in range(0, len(body), 97)])

    return RawServer(script)


@pytest.mark.live
@pytest.mark.parametrize("play", PLAYS)
def test_the_sdks_streaming_helper_puts_the_same_response_together(play: str) -> None:
    body = stream(PLAYS[play])
    expected = parse(body)[-1]["response"]

    async def run() -> None:
        async with (
            serve(body) as server,
            openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="k", max_retries=0) as client,
            client.responses.stream(model="public", input="hi") as events,
        ):
            kinds, texts = [], []
            async for event in events:
                kinds.append(event.type)
                if event.type == "response.output_text.delta":
                    texts.append(event.delta)
            assert kinds == [event["type"] for event in parse(body)]
            if kinds[-1] == "response.completed":
                whole = await events.get_final_response()
                assert whole.output_text == "".join(texts)
                assert [item.type for item in whole.output] == [item["type"] for item in expected["output"]]
                assert whole.id == expected["id"]

    asyncio.run(run())


@pytest.mark.live
def test_the_sdk_reads_a_whole_answer() -> None:
    body = json.dumps(parse(stream(PLAYS["a call"]))[-1]["response"]).encode()

    async def run() -> None:
        async with (
            serve(body, b"application/json") as server,
            openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="k", max_retries=0) as client,
        ):
            got = await client.responses.create(model="public", input="hi")
            message, item = got.output
            assert (got.output_text, message.type, item.type) == ("Let me look.", "message", "function_call")
            assert item.type == "function_call"
            assert json.loads(item.arguments) == {"city": "Oslo"}
            assert got.usage is not None
            assert got.usage.total_tokens == 15

    asyncio.run(run())


@pytest.mark.live
def test_the_sdk_raises_what_ends_a_broken_stream() -> None:
    encoder = DIALECT.encoder(call(stream=True))
    body = encoder.encode(PLAYS["text"][:4]) + FORM.error_event(Problem(502, "cut off", "server_error", "broken"))

    async def run() -> None:
        async with (
            serve(body) as server,
            openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="k", max_retries=0) as client,
        ):
            events = await client.responses.create(model="public", input="hi", stream=True)
            seen: list[str] = []

            async def drain() -> None:
                async for event in events:
                    seen.append(event.type)

            with pytest.raises(openai.APIError) as raised:
                await drain()
            assert seen[-1] == "response.output_text.delta"
            assert (raised.value.message, raised.value.code) == ("cut off", "broken")

    asyncio.run(run())
