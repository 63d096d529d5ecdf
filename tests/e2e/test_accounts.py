"""Files, batches and relayed paths: what was made in an account is used in that account, whoever else could serve."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx2 as httpx
import openai
import pytest
from support.live import Stack, running
from support.simulation import provider, replace, settings

from proxy.core.settings import Credential, Settings
from proxy.rehearse.behaviour import Behaviour, Mode

pytestmark = pytest.mark.live

FAST = Behaviour(chunks=4, gap=0.001)
LINES = b'{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}\n'
HELLO = [{"role": "user", "content": "Keep the light on."}]
A, B = {"x-undimmed-provider": "a"}, {"x-undimmed-provider": "b"}


def configured(keys: int = 2, **changes: object) -> Settings:
    """Two providers with some credentials each."""
    providers = {
        name: replace(
            provider(name), credentials=tuple(Credential(f"{name}#{i}", f"key-{name}-{i}") for i in range(1, keys + 1))
        )
        for name in "ab"
    }
    return replace(settings(), providers=providers, **changes)


@asynccontextmanager
async def stack(
    a: Behaviour = FAST, b: Behaviour = FAST, with_settings: Settings | None = None
) -> AsyncIterator[tuple[Stack, openai.AsyncOpenAI]]:
    async with (
        running({"a": a, "b": b}, with_settings or configured()) as live,
        openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused") as client,
    ):
        yield live, client


async def upload(client: openai.AsyncOpenAI, where: Mapping[str, str]) -> str:
    made = await client.files.create(file=("in.jsonl", LINES), purpose="batch", extra_headers=where)
    return made.id


def test_a_file_lives_in_its_account() -> None:
    async def body() -> None:
        async with stack() as (live, client):
            with pytest.raises(openai.BadRequestError) as unsure:
                await upload(client, {})
            assert "`a`, `b`" in str(unsure.value)
            name = await upload(client, B)
            assert (live.calls("a"), live.calls("b")) == (0, 1)
            assert (await client.files.retrieve(name)).id == name
            assert (await client.files.content(name)).read() == LINES
            assert [file.id async for file in client.files.list(extra_headers=B)] == [name]
            assert (await client.files.delete(name)).deleted
            with pytest.raises(openai.NotFoundError):
                await client.files.delete(name)
            assert live.calls("a") == 0

    asyncio.run(body())


def test_a_batch_goes_where_its_file_is() -> None:
    async def body() -> None:
        async with stack() as (live, client):
            name = await upload(client, B)
            batch = await client.batches.create(
                input_file_id=name, endpoint="/v1/chat/completions", completion_window="24h", extra_headers=A
            )
            assert (await client.batches.retrieve(batch.id)).status == "completed"
            assert batch.output_file_id is not None
            assert (await client.files.content(batch.output_file_id)).read() == b"{}\n"
            assert (await client.batches.cancel(batch.id)).status == "cancelling"
            assert live.calls("a") == 0

    asyncio.run(body())


def test_what_is_not_known_any_more_is_looked_for_everywhere() -> None:
    async def body() -> None:
        async with stack() as (live, client):
            name = await upload(client, B)
            live.proxy.gateway._forwarder._endings._accounts._pins.forget("file", name)
            for call in (
                client.files.delete(name),
                client.batches.create(input_file_id=name, endpoint="/v1/embeddings", completion_window="24h"),
            ):
                with pytest.raises((openai.NotFoundError, openai.BadRequestError)) as lost:
                    await call
                assert "retrieve it once" in str(lost.value)
            raw = await client.files.with_raw_response.retrieve(name)
            assert raw.headers["x-undimmed-target"] == "b/#1"
            assert raw.headers["x-undimmed-attempts"] == "3"
            assert (await client.files.delete(name)).deleted
            with pytest.raises(openai.NotFoundError):
                await client.files.retrieve("file-nobodys")

    asyncio.run(body())


def test_nothing_that_may_have_been_done_is_done_twice() -> None:
    async def body() -> None:
        async with stack(Behaviour(Mode.STATUS, failure="edge_502")) as (live, client):
            with pytest.raises(openai.InternalServerError):
                await upload(client, A)
            assert live.calls("a") == 1
            await live.providers["a"].set_behaviour(
                Behaviour(Mode.STATUS, failure="openai_rate_limit", keys=("key-a-1",), chunks=1)
            )
            assert (await upload(client, A)).startswith("file-a")
            assert live.calls("a") == 3
            assert live.calls("b") == 0

    asyncio.run(body())


def test_a_pinned_account_that_is_down_is_not_replaced() -> None:
    async def body() -> None:
        async with stack() as (live, client):
            name = await upload(client, A)
            await live.providers["a"].set_behaviour(Behaviour(Mode.STATUS, failure="openai_overloaded"))
            with pytest.raises(openai.InternalServerError):
                await client.files.retrieve(name)
            assert live.calls("b") == 0

    asyncio.run(body())


def test_a_chat_that_uses_a_file_goes_to_its_account() -> None:
    async def body() -> None:
        async with stack() as (live, client):
            name = await upload(client, B)
            part = {"type": "file", "file": {"file_id": name}}
            raw = await client.chat.completions.with_raw_response.create(
                model="lamp",
                messages=[{"role": "user", "content": [part]}],  # type: ignore[list-item,misc]
            )
            assert raw.headers["x-undimmed-target"] == "b/m"
            await live.providers["b"].set_behaviour(Behaviour(Mode.STATUS, failure="openai_overloaded"))
            with pytest.raises(openai.InternalServerError):
                await client.chat.completions.create(model="lamp", messages=[{"role": "user", "content": [part]}])  # type: ignore[list-item,misc]
            assert live.calls("a") == 0
            part = {"type": "file", "file": {"file_id": "file-unknown"}}
            with pytest.raises(openai.BadRequestError) as lost:
                await client.chat.completions.create(model="lamp", messages=[{"role": "user", "content": [part]}])  # type: ignore[list-item,misc]
            assert lost.value.param == "file_id"

    asyncio.run(body())


def test_other_paths_are_relayed_only_where_a_provider_is_trusted_with_them() -> None:
    async def body() -> None:
        async with stack() as (live, _), httpx.AsyncClient() as http:
            reply = await http.post(f"{live.url}/v1/other", json={})
            assert reply.status_code == 404
            assert reply.json()["error"]["code"] == "unknown_url"
        trusted = configured()
        trusted = replace(trusted, providers={**trusted.providers, "b": replace(trusted.providers["b"], relay=True)})
        async with stack(with_settings=trusted) as (live, _), httpx.AsyncClient() as http:
            reply = await http.put(
                f"{live.url}/v1/other/a:b?x=%20y&z=1",
                content=b"\x00raw",
                headers={"content-type": "application/x-thing", "authorization": "Bearer mine", "cookie": "c=1", **A},
            )
            assert reply.status_code == 400  # a is no provider for this
            reply = await http.put(f"{live.url}/v1/other/a:b?x=%20y&z=1", content=b"\x00raw")
            echo = reply.json()
            assert (echo["method"], echo["path"], echo["body"]) == ("PUT", "/v1/other/a:b", "\x00raw")
            assert reply.headers["x-undimmed-target"] == "b/#1"
            assert live.calls("a") == 0
            missing = await http.get(f"{live.url}/v1/files/file-x/content", headers=B)
            assert missing.status_code == 404

    asyncio.run(body())


def test_relayed_paths_fail_over_to_another_credential_only() -> None:
    trusted = configured()
    trusted = replace(trusted, providers={**trusted.providers, "b": replace(trusted.providers["b"], relay=True)})

    async def body() -> None:
        limited = Behaviour(Mode.STATUS, failure="openai_rate_limit", keys=("key-b-1",))
        async with stack(b=limited, with_settings=trusted) as (live, _), httpx.AsyncClient() as http:
            reply = await http.post(f"{live.url}/v1/other", json={})
            assert reply.headers["x-undimmed-target"] == "b/#2"
            await live.providers["b"].set_behaviour(Behaviour(Mode.STATUS, failure="edge_502"))
            reply = await http.post(f"{live.url}/v1/other", json={})
            assert reply.status_code == 502
            assert len(reply.json()["error"]["attempts"]) == 1
            assert live.calls("a") == 0

    asyncio.run(body())


def test_a_large_file_comes_down_as_it_is_read() -> None:
    async def body() -> None:
        async with stack() as (live, client):
            content = bytes(range(256)) * 8192
            made = await client.files.create(file=io.BytesIO(content), purpose="batch", extra_headers=A)
            raw = await client.files.with_raw_response.content(made.id)
            assert raw.headers["content-type"] == "application/octet-stream"
            assert raw.content == content
            assert live.proxy.gateway.tally.calls

    asyncio.run(body())
