"""The official SDK on the endpoints that are relayed: pictures, speech, transcripts, moderations, rankings."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2 as httpx
import openai
import pytest
from openai.types import ImagesResponse
from openai.types.audio import Translation
from support.live import Stack, running
from support.simulation import replace, settings

from proxy.rehearse.behaviour import Behaviour, Mode

pytestmark = pytest.mark.live

FAST = Behaviour(chunks=4, gap=0.001)
PNG = ("lamp.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "image/png")
WAV = ("lamp.wav", b"RIFF\x00\x00" + b"\r\n--" * 500, "audio/wav")
FORM = {"headers": {"content-type": "multipart/form-data"}}
LIMITS = replace(settings().timeouts, connect=1.0, first_content=1.5, answer=1.5)


@asynccontextmanager
async def stack(
    a: Behaviour = FAST, b: Behaviour = FAST, **changes: object
) -> AsyncIterator[tuple[Stack, openai.AsyncOpenAI]]:
    async with (
        running({"a": a, "b": b}, settings(timeouts=LIMITS, **changes)) as live,  # type: ignore[arg-type]
        openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused") as client,
    ):
        yield live, client


async def generate(client: openai.AsyncOpenAI) -> None:
    raw = await client.images.with_raw_response.generate(model="lamp", prompt="a lamp", n=2)
    pictures = raw.parse()
    assert pictures.data is not None
    assert len(pictures.data) == 2
    assert base64.b64decode(pictures.data[0].b64_json or "").startswith(b"\x89PNG")
    assert raw.headers["x-undimmed-tokens-output"] == "30"


async def generate_streamed(client: openai.AsyncOpenAI) -> None:
    events = [e async for e in await client.images.generate(model="lamp", prompt="a lamp", stream=True, partial_images=2)]
    assert [e.type for e in events][-1] == "image_generation.completed"
    assert events[0].type == "image_generation.partial_image"


async def edit(client: openai.AsyncOpenAI) -> None:
    pictures = await client.images.edit(model="lamp", image=[PNG, PNG], prompt="brighter")
    assert pictures.data


async def edit_streamed(client: openai.AsyncOpenAI) -> None:
    events = [e async for e in await client.images.edit(model="lamp", image=PNG, prompt="brighter", stream=True)]
    assert [e.type for e in events][-1] == "image_edit.completed"


async def vary(client: openai.AsyncOpenAI) -> None:
    pictures = await client.post(  # its method is deprecated, the endpoint is not
        "/images/variations", body={"model": "lamp"}, files={"image": PNG}, cast_to=ImagesResponse, options=FORM
    )
    assert pictures.data


async def speak(client: openai.AsyncOpenAI) -> None:
    async with client.audio.speech.with_streaming_response.create(model="lamp", voice="alloy", input="Light!") as reply:
        assert reply.headers["content-type"] == "audio/mpeg"
        sound = b"".join([chunk async for chunk in reply.iter_bytes()])
    assert len(sound) == 64 * 4
    assert b"undimmed" not in sound


async def speak_whole(client: openai.AsyncOpenAI) -> None:
    reply = await client.audio.speech.create(model="lamp", voice="alloy", input="Light!")
    assert len(reply.content) == 64 * 4


async def transcribe(client: openai.AsyncOpenAI) -> None:
    raw = await client.audio.transcriptions.with_raw_response.create(model="lamp", file=WAV)
    assert raw.parse().text == "When one lamp goes"
    assert raw.headers["x-undimmed-tokens-input"] == "12"


async def transcribe_text(client: openai.AsyncOpenAI) -> None:
    text = await client.audio.transcriptions.create(model="lamp", file=WAV, response_format="text")
    assert str(text).strip() == "When one lamp goes"


async def transcribe_streamed(client: openai.AsyncOpenAI) -> None:
    events = [e async for e in await client.audio.transcriptions.create(model="lamp", file=WAV, stream=True)]
    assert [e.type for e in events] == ["transcript.text.delta"] * 4 + ["transcript.text.done"]


async def translate(client: openai.AsyncOpenAI) -> None:
    english = await client.post(
        "/audio/translations", body={"model": "lamp"}, files={"file": WAV}, cast_to=Translation, options=FORM
    )
    assert english.text


async def moderate(client: openai.AsyncOpenAI) -> None:
    assert len((await client.moderations.create(model="lamp", input=["one", "two"])).results) == 2


async def rerank(client: openai.AsyncOpenAI) -> None:
    ranked = await client.post(
        "/rerank", body={"model": "lamp", "query": "light", "documents": ["sun", "moon"]}, cast_to=dict[str, object]
    )
    assert [row["index"] for row in ranked["results"]] == [0, 1]  # type: ignore[index]


CALLS: dict[str, Callable[[openai.AsyncOpenAI], Awaitable[None]]] = {
    call.__name__: call
    for call in (
        generate,
        generate_streamed,
        edit,
        edit_streamed,
        vary,
        speak,
        speak_whole,
        transcribe,
        transcribe_text,
        transcribe_streamed,
        translate,
        moderate,
        rerank,
    )
}
FAULTS = {
    "503": Behaviour(Mode.STATUS, failure="openai_overloaded"),
    "silence": Behaviour(Mode.BLACK_HOLE),
    "refused": Behaviour(Mode.REFUSE),
    "cut before the first byte": Behaviour(Mode.CUT, after=0),
    "an error in a 200": Behaviour(Mode.ERROR_EVENT),
    "a page": Behaviour(Mode.HTML),
    "nothing": Behaviour(Mode.EMPTY_STREAM),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_sdk_gets_what_it_asks_for(name: str) -> None:
    async def body() -> None:
        async with stack() as (live, client):
            await CALLS[name](client)
            assert (live.calls("a"), live.calls("b")) == (1, 0)

    asyncio.run(body())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CALLS)
def test_no_failure_of_the_first_provider_is_seen(name: str, fault: str) -> None:
    async def body() -> None:
        async with stack(FAULTS[fault]) as (live, client):
            await CALLS[name](client)
            assert live.calls("b") == 1

    asyncio.run(body())


def test_sound_that_is_cut_never_looks_whole() -> None:
    async def body() -> None:
        async with stack(Behaviour(Mode.CUT, after=2, gap=0.01)) as (live, client):
            call = client.audio.speech.with_streaming_response.create(model="lamp", voice="alloy", input="Light!")
            with pytest.raises(httpx.RemoteProtocolError):
                async with call as reply:
                    await reply.read()
            assert live.calls("b") == 0

    asyncio.run(body())


def test_pictures_that_are_cut_are_an_error() -> None:
    async def body() -> None:
        async with stack(Behaviour(Mode.CUT, after=1, gap=0.01)) as (_, client):
            stream = await client.images.generate(model="lamp", prompt="a lamp", stream=True)
            with pytest.raises(openai.APIError):
                async for _event in stream:
                    pass

    asyncio.run(body())


def test_a_file_goes_up_as_it_came() -> None:
    """Only the model's name is another one: compared with what the same SDK sends to the provider itself."""

    async def body() -> None:
        seen: list[bytes] = []

        async def note(request: httpx.Request) -> None:
            seen.append(await request.aread())

        http = httpx.AsyncClient(event_hooks={"request": [note]})
        async with running({"a": FAST}, settings((("a/m",),))) as live, http:
            client = openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused", http_client=http)
            await client.audio.transcriptions.create(model="lamp", file=WAV, response_format="text")
            entry = live.providers["a"].provider.bill.entries[-1]
            assert entry.model == "m"
            assert entry.input == (len(seen[0]) - len("lamp") + len("m")) // 4

    asyncio.run(body())


def test_a_model_is_only_asked_where_its_provider_has_the_endpoint() -> None:
    async def body() -> None:
        configured = settings()
        placed = {
            name: replace(p, preset="deepseek" if name == "a" else p.preset) for name, p in configured.providers.items()
        }
        both = replace(configured, providers=placed)
        async with running({"a": FAST, "b": FAST}, both) as live, httpx.AsyncClient() as http:
            reply = await http.post(f"{live.url}/v1/moderations", json={"model": "lamp", "input": "x"})
            assert reply.headers["x-undimmed-target"] == "b/m"
            assert live.calls("a") == 0
        alone = replace(both, routes=settings((("a/m",),)).routes)
        async with running({"a": FAST, "b": FAST}, alone) as live, httpx.AsyncClient() as http:
            reply = await http.post(f"{live.url}/v1/moderations", json={"model": "lamp", "input": "x"})
            assert reply.status_code == 404
            assert reply.json()["error"]["code"] == "unsupported_endpoint"

    asyncio.run(body())
