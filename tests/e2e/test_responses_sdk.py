"""The Responses API through the whole proxy, asked by the real SDK: translated, native, failed over and refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import openai
import pytest
from support.live import Stack, running
from support.raw_server import Peer, RawServer
from support.simulation import TIMEOUTS, provider, replace, settings

from proxy.core.settings import Origin
from proxy.rehearse.behaviour import Behaviour, Latency, Mode

pytestmark = pytest.mark.live

FAST = Behaviour(chunks=5, latency=Latency(0.0), gap=0.001)
#: The SDK builds its types when they are first used, which holds up the loop that all of this shares.
PATIENT = replace(TIMEOUTS, first_content=30.0, idle=30.0, total=60.0)
DOWN = Behaviour(Mode.STATUS, latency=Latency(0.0))


@asynccontextmanager
async def client_of(stack: Stack) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="k", max_retries=0) as client:
        yield client


def converse(body: Callable[[openai.AsyncOpenAI, Stack], Awaitable[None]], **behaviours: Behaviour) -> None:
    """In front of servers that speak chat."""

    async def run() -> None:
        async with running(behaviours, settings(timeouts=PATIENT)) as stack, client_of(stack) as client:
            await body(client, stack)

    asyncio.run(run())


def test_a_stream_written_from_chat_after_a_failover() -> None:
    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        async with client.responses.stream(model="lamp", input="hi", instructions="Be brief.") as events:
            texts = [event.delta async for event in events if event.type == "response.output_text.delta"]
            whole = await events.get_final_response()
        assert texts
        assert whole.output_text == "".join(texts)
        assert whole.instructions == "Be brief."
        assert whole.usage is not None
        assert whole.usage.output_tokens > 0
        assert (stack.calls("a"), stack.calls("b")) == (1, 1)

    converse(body, a=DOWN, b=FAST)


def test_a_long_request_that_is_repeated_before_the_first_word() -> None:
    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        async with client.responses.stream(model="lamp", input="hi", instructions="Be brief. " * 30_000) as events:
            whole = await events.get_final_response()
        assert whole.output_text
        assert stack.calls("b") == 0

    converse(body, a=replace(FAST, role_first=True, gap=0.02), b=FAST)


def test_a_whole_answer_written_from_chat() -> None:
    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        raw = await client.responses.with_raw_response.create(model="lamp", input="hi", store=True)
        whole = raw.parse()
        assert whole.output_text
        assert whole.status == "completed"
        assert raw.headers["x-undimmed-target"] == "a/m"

    converse(body, a=FAST, b=FAST)


def test_a_cut_stream_raises() -> None:
    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        seen = []

        async def drain() -> None:
            async for event in await client.responses.create(model="lamp", input="hi", stream=True):
                seen.append(event.type)

        with pytest.raises(openai.APIError):
            await drain()
        assert seen[0] == "response.created"
        assert "response.output_text.delta" in seen
        assert "response.completed" not in seen

    converse(body, a=Behaviour(Mode.CUT, after=3, gap=0.01), b=FAST)


def test_state_is_refused_in_words_where_nobody_has_it() -> None:
    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            await client.responses.create(model="lamp", input="more", previous_response_id="resp_somebodys")
        assert (raised.value.param, raised.value.code) == ("previous_response_id", "unsupported")
        assert "previous_response_id" in raised.value.message
        assert (stack.calls("a"), stack.calls("b")) == (0, 0)

    converse(body, a=FAST, b=FAST)


def test_a_translated_response_cannot_be_continued_by_its_id() -> None:
    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        first = await client.responses.create(model="lamp", input="hi")
        with pytest.raises(openai.BadRequestError) as raised:
            await client.responses.create(model="lamp", input="more", previous_response_id=first.id)
        assert (raised.value.param, raised.value.code) == ("previous_response_id", "previous_response_not_found")
        items = [{"role": "user", "content": "hi"}, *[item.model_dump(exclude_none=True) for item in first.output]]
        second = await client.responses.create(model="lamp", input=[*items, {"role": "user", "content": "more"}])  # type: ignore[list-item]
        assert second.output_text

    converse(body, a=FAST, b=FAST)


# In front of a server that has the API itself.


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def response(status: str, **fields: object) -> dict[str, object]:
    return {
        "id": "resp_native", "object": "response", "created_at": 5, "model": "m-2026", "status": status, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "output": [], "parallel_tool_calls": True,
        "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0, **fields,
    }  # fmt: skip


PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
PART = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
TEXT = {**PART, "text": "Hello"}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 12,
}
START = (
    event("response.created", sequence_number=0, response=response("in_progress"))
    + event("response.output_item.added", sequence_number=1, output_index=0, item=MESSAGE)
    + event("response.content_part.added", sequence_number=2, **PLACE, part=PART)
)
DELTA = event("response.output_text.delta", sequence_number=3, **PLACE, delta="Hello", logprobs=[])
END = event("response.output_text.done", sequence_number=4, **PLACE, text="Hello", logprobs=[]) + event(
    "response.completed",
    sequence_number=5,
    response=response("completed", output=[{**MESSAGE, "content": [TEXT]}], usage=USAGE),
)
GENERIC = event(
    "error",
    sequence_number=4,
    error={
        "type": "server_error",
        "code": None,
        "message": "An error occurred while processing your request.",
        "param": None,
    },
)


@dataclass
class Native:
    """A server of OpenAI's own API: it answers every request with `first`, and with `rest` once it was `told`."""

    first: bytes
    rest: bytes = b""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def serve(self, peer: Peer) -> None:
        head, body = await peer.request()
        self.asked.append((head.split(b" ")[1], body))
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        await peer.send(b"%x\r\n%b\r\n" % (len(self.first), self.first))
        if self.rest:
            await self.told.wait()
            await peer.send(b"%x\r\n%b\r\n" % (len(self.rest), self.rest))
        await peer.send(b"0\r\n\r\n")


def relay(body: Callable[[openai.AsyncOpenAI, Stack], Awaitable[None]], native: Native) -> None:
    """In front of that server, `a`, and one that speaks chat, `b`."""

    async def run() -> None:
        async with RawServer(native.serve) as server:
            placed = {
                "a": replace(provider("a", preset="openai"), origin=Origin("http", "127.0.0.1", server.port, "/v1")),
                "b": provider("b"),
            }
            async with (
                running({"b": FAST}, settings(providers=placed, timeouts=PATIENT)) as stack,
                client_of(stack) as client,
            ):
                await body(client, stack)

    asyncio.run(run())


def test_a_native_stream_is_relayed_untouched() -> None:
    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        async with client.responses.stream(
            model="lamp", input="hi", previous_response_id="resp_0", tools=[{"type": "web_search"}]
        ) as events:
            whole = await events.get_final_response()
        assert (whole.id, whole.output_text, whole.model) == ("resp_native", "Hello", "m-2026")
        assert stack.calls("b") == 0

    native = Native(START + DELTA + END)
    relay(body, native)
    path, sent = native.asked[0]
    assert path == b"/v1/responses"
    assert json.loads(sent) == {
        "model": "m", "input": "hi", "previous_response_id": "resp_0", "tools": [{"type": "web_search"}], "stream": True,
    }  # fmt: skip


def test_a_long_request_that_the_vendor_repeats_before_its_first_word() -> None:
    words = "Be brief. " * 30_000
    twice = [
        event(f"response.{kind}", response=response("in_progress", instructions=words))
        for kind in ("created", "in_progress")
    ]

    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        async with client.responses.stream(model="lamp", input="hi", instructions=words) as events:
            whole = await events.get_final_response()
        assert (whole.id, stack.calls("b")) == ("resp_native", 0)

    relay(body, Native(b"".join(twice) + START.partition(b"\n\n")[2] + DELTA + END))


def test_a_native_stream_that_dies_before_its_first_word_is_answered_elsewhere() -> None:
    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        async with client.responses.stream(model="lamp", input="hi") as events:
            whole = await events.get_final_response()
        assert whole.output_text
        assert whole.id.startswith("resp_undimmed_")
        assert stack.calls("b") == 1

    relay(body, Native(START + GENERIC))


def test_a_native_stream_that_dies_after_it_ends_in_that_error() -> None:
    """OpenAI, 2026-05-14: streams that began and ended in a generic error."""

    async def body(client: openai.AsyncOpenAI, stack: Stack) -> None:
        texts = []

        async def drain() -> None:
            async for got in await client.responses.create(model="lamp", input="hi", stream=True):
                if got.type == "response.output_text.delta":
                    texts.append(got.delta)
                    native.told.set()

        with pytest.raises(openai.APIError) as raised:
            await drain()
        assert texts == ["Hello"]
        assert "An error occurred while processing your request" in raised.value.message
        assert stack.calls("b") == 0

    native = Native(START + DELTA, GENERIC)
    relay(body, native)
