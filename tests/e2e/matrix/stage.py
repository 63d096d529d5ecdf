"""One running proxy in front of all simulated vendors, and the three clients of it, on real sockets and one loop.

The loop runs only while a cell is played, so a module of tests shares all of it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import httpx2 as httpx
import openai
from e2e.matrix.clients import ChatClient, Client, MessagesClient, ResponsesClient
from e2e.matrix.vendors import SPARE, VENDORS, Vendor, configure
from support.live import Stack, running
from support.sent import read_sent

from proxy.core.outcome import OutcomeKind
from proxy.rehearse.behaviour import Behaviour, Latency

PIECES = 6
SOUND = Behaviour(chunks=PIECES, latency=Latency(0.0), gap=0.0)


@dataclass
class Stage:
    """Everything that runs. `clients` by name."""

    live: Stack
    clients: dict[str, Client]

    def scene(self, client: str, vendor: str) -> "Scene":
        return Scene(self.live, self.clients[client], VENDORS[vendor])


@dataclass
class Scene:
    """One client and one vendor. `alone` and `spared` are what the client asks for: this vendor only, or with a spare."""

    live: Stack
    client: Client
    vendor: Vendor

    @property
    def alone(self) -> str:
        return self.vendor.name

    @property
    def spared(self) -> str:
        return f"{self.vendor.name}+{SPARE}"

    async def play(self, behaviour: Behaviour) -> None:
        behaviour = replace(behaviour, reports=self.vendor.preset == "mistral")
        await self.live.providers[self.vendor.name].set_behaviour(behaviour)

    @property
    def is_gemini(self) -> bool:
        return self.vendor.model.startswith("gemini")

    @property
    def provider(self) -> Any:
        return self.live.providers[self.vendor.name]

    def sent(self, name: str = "") -> tuple[Any, dict[str, Any]]:
        """The last request that the vendor (or the provider of that name) was sent, and how to read it."""
        return read_sent(self.live.providers[name or self.vendor.name].provider.requests[-1])

    def given(self) -> int:
        """Input tokens of the last request, as the vendor counts them."""
        counted: int = self.provider.provider.requests[-1].input_tokens
        return counted

    def attempts(self, kind: OutcomeKind) -> int:
        """How many attempts at this vendor alone were recorded to have ended so."""
        line = self.live.proxy.gateway.tally.lines.get((self.alone, self.vendor.target))
        return line.attempts.get(kind, 0) if line is not None else 0


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    behaviours = dict.fromkeys([*VENDORS, SPARE], SOUND)
    async with (
        running(behaviours, configure()) as live,
        httpx.AsyncClient(verify=False, timeout=60.0) as http,  # loading the trust store takes longer than a cell
        openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="k", max_retries=0, http_client=http) as gpt,
    ):
        claude = anthropic.AsyncAnthropic(base_url=live.url, api_key="k", max_retries=0, http_client=http)
        clients: list[Client] = [ChatClient(gpt), ResponsesClient(gpt), MessagesClient(claude)]
        yield Stage(live, {client.name: client for client in clients})


Play = Callable[[Callable[[Stage], Awaitable[Any]]], Any]


@contextmanager
def hold_stage() -> Iterator[Play]:
    """Open a stage on a loop of its own; what is yielded plays a coroutine on it."""
    with asyncio.Runner() as runner:
        exits = AsyncExitStack()
        stage = runner.run(exits.enter_async_context(open_stage()))

        async def play(act: Callable[[Stage], Awaitable[Any]]) -> Any:
            return await act(stage)

        try:
            yield lambda act: runner.run(play(act))
        finally:
            runner.run(exits.aclose())


async def until(condition: Callable[[], bool], limit: float) -> None:
    """Until it holds; fails after `limit` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    while not condition():
        assert loop.time() < deadline, "it did not come to that"
        await asyncio.sleep(0.001)
