"""Requests of agents as they were recorded on the wire, through the proxy to a provider of every format.

Recorded from Codex 0.169 (`codex_*`) and Claude Code 2.1 (`claude_*`), each in the middle of its work, long texts cut: tools
in namespaces, tools that come with the history, free-text tools with a grammar, offers of the vendor's own tools, caching
marks, context management. None of it may keep another vendor from going on; what gets lost is named.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from support.live import running
from support.simulation import provider, replace, settings

from proxy.core.settings import Settings, Target
from proxy.rehearse.behaviour import Behaviour, Mode, constant

pytestmark = pytest.mark.live

RECORDED = {path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "recorded").glob("*.json"))}
VENDORS = ["openai", "anthropic", "gemini", "cohere", "bedrock"]
#: How a stream of each API ends when it is whole.
ENDINGS = {"/v1/responses": b"event: response.completed\n", "/v1/messages": b"event: message_stop\n"}
QUICK = Behaviour(chunks=4, gap=0.0, latency=constant(0.0))


def placed(*kinds: str) -> Settings:
    """One provider of each kind, in this order; `openai` as any server that speaks chat and nothing else."""
    names = "abc"[: len(kinds)]
    providers = {
        name: replace(provider(name), kind=kind, preset="custom" if kind == "openai" else kind)
        for name, kind in zip(names, kinds, strict=True)
    }
    return settings(tuple((Target(name, "m"),) for name in names), providers=providers)


async def ask(client: httpx.AsyncClient, name: str) -> httpx.Response:
    recorded: dict[str, Any] = RECORDED[name]
    return await client.post(recorded["path"], json={**recorded["body"], "model": "lamp"}, headers=recorded["headers"])


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("kind", VENDORS)
def test_an_agent_is_served_by_every_vendor(kind: str, name: str) -> None:
    async def body() -> None:
        async with running({"a": QUICK}, placed(kind)) as live, httpx.AsyncClient(base_url=live.url) as client:
            reply = await ask(client, name)
            assert (reply.status_code, live.calls("a")) == (200, 1), reply.text
            assert ENDINGS[RECORDED[name]["path"].partition("?")[0]] in reply.content
            assert b"event: error" not in reply.content

    asyncio.run(body())


@pytest.mark.parametrize("name", RECORDED)
def test_an_agent_does_not_see_that_another_vendor_goes_on(name: str) -> None:
    failing = replace(QUICK, mode=Mode.STATUS, failure="openai_server_error")

    async def body() -> None:
        behaviours = {"a": failing, "b": replace(QUICK, mode=Mode.CUT, role_first=True), "c": QUICK}
        configured = placed("openai", "gemini", "anthropic")
        async with running(behaviours, configured) as live, httpx.AsyncClient(base_url=live.url) as client:
            reply = await ask(client, name)
            assert (reply.status_code, reply.headers["x-undimmed-target"]) == (200, "c/m"), reply.text
            assert ENDINGS[RECORDED[name]["path"].partition("?")[0]] in reply.content

    asyncio.run(body())


def test_what_agents_offer_and_others_lack_is_named() -> None:
    async def body() -> None:
        async with running({"a": QUICK}, placed("anthropic")) as live, httpx.AsyncClient(base_url=live.url) as client:
            dropped = (await ask(client, "codex_patch")).headers["x-undimmed-dropped"]
            assert "tools.spare" in dropped
            assert "tools.custom;approximated" in dropped

    asyncio.run(body())
