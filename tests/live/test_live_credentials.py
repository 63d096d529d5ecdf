"""A whole proxy whose keys are tokens: real issuers, real providers, and no secret anywhere it does not belong."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from support.issuer_server import IssuerServer, Seen, serving, write
from support.simulation import InlineEstimator, provider, settings

from proxy.core.settings import Credential, Origin, ServerSettings, Settings
from proxy.core.sources import CommandSource, CredentialSource, FileSource, OAuthSource
from proxy.stores.log import configure
from proxy.supervisor import Log, Proxy

pytestmark = pytest.mark.live

SECRET, TOKEN = "canary-secret-1", "canary-token-"
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "lit"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
SERVER = ServerSettings(port=0, admin_port=None, drain=1.0)


@dataclass
class Bench:
    """A proxy in front of two providers on one server; `accepted`: the tokens that provider a takes."""

    proxy: Proxy
    url: str
    issuer: IssuerServer
    session: aiohttp.ClientSession
    accepted: set[str]
    everything: list[str] = field(default_factory=list)

    async def ask(self) -> tuple[int, str]:
        """One whole answer: its status, and which provider gave it."""
        body = {"model": "lamp", "messages": [{"role": "user", "content": "hi"}]}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=body) as response:
            self.everything.append(await response.text())
            self.everything.append(repr(response.headers))
            return response.status, response.headers.get("x-undimmed-provider", "")

    async def page(self, path: str) -> str:
        async with self.session.get(self.url + path) as response:
            text = await response.text()
            self.everything.append(text)
            return text

    async def credential(self) -> dict[str, object]:
        view = json.loads(await self.page("/health"))
        found: dict[str, object] = view["providers"]["a"]["credentials"][0]
        return found

    async def until(self, state: str, error: bool = False) -> dict[str, object]:
        """Wait until provider a's credential stands like this."""
        while True:
            row = await self.credential()
            if row["state"] == state and (row["last_error"] is not None) is error:
                return row
            await asyncio.sleep(0.02)


def made(issuer: IssuerServer, source: CredentialSource) -> Settings:
    parts = urlsplit(issuer.url)
    providers = {
        name: replace(provider(name), origin=Origin("http", "127.0.0.1", parts.port or 0, f"/{name}/v1")) for name in "ab"
    }
    providers["a"] = replace(providers["a"], credentials=(Credential("a#1", source=source),))
    return replace(settings(providers=providers), server=SERVER)


def live(make: Callable[[IssuerServer], CredentialSource], body: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        log = io.StringIO()
        writer = configure("json", log)
        async with serving() as issuer, aiohttp.ClientSession() as session:
            accepted: set[str] = set()

            def model_a(seen: Seen) -> web.StreamResponse:
                key = seen.headers["Authorization"].removeprefix("Bearer ")
                if key in accepted:
                    return web.json_response(COMPLETION)
                return web.json_response({"error": {"message": f"who is {key}? never heard of {key}!"}}, status=401)

            issuer.answers["/a/v1/chat/completions"] = model_a
            issuer.answers["/b/v1/chat/completions"] = lambda _: COMPLETION
            source = make(issuer)
            proxy = Proxy(made(issuer, source), log=Log(writer), estimator=InlineEstimator(asyncio.get_running_loop()))
            host, port = await proxy.start()
            bench = Bench(proxy, f"http://{host}:{port}", issuer, session, accepted)
            try:
                async with asyncio.timeout(20):
                    await body(bench)
                    await bench.page("/metrics")
                    await bench.page("/health")
            finally:
                await proxy.stop(drain=0.1)
        writer.close()
        for text in [*bench.everything, log.getvalue(), repr(source), repr(proxy.parts)]:
            assert "canary" not in text

    asyncio.run(main())


def oauth(issuer: IssuerServer) -> OAuthSource:
    return OAuthSource(f"{issuer.url}/token", "me", SECRET)


def counting(issuer: IssuerServer, life: float = 3600.0) -> None:
    """Gives a new token to whoever asks."""
    given: list[Seen] = []

    def answer(seen: Seen) -> dict[str, object]:
        given.append(seen)
        return {"access_token": f"{TOKEN}{len(given)}", "expires_in": life}

    issuer.answers["/token"] = answer


def test_a_token_is_fetched_used_and_replaced_when_refused() -> None:
    async def body(bench: Bench) -> None:
        assert (await bench.until("waiting", error=True))["last_error"] == f"{bench.issuer.url[7:]} answered 404"
        assert await bench.ask() == (200, "b"), "nobody waits for an issuer"
        counting(bench.issuer)
        bench.accepted.add(f"{TOKEN}1")
        row = await bench.until("usable")
        assert isinstance(row["expires_s"], float)
        assert 3500 < row["expires_s"] <= 3600
        assert await bench.ask() == (200, "a")
        bench.accepted.clear()
        bench.accepted.add(f"{TOKEN}2")
        assert await bench.ask() == (200, "b"), "the refused call goes elsewhere at once"
        while (await bench.ask())[1] != "a":
            await asyncio.sleep(0.02)
        tokens = [seen for seen in bench.issuer.seen if seen.path == "/token"]
        assert len(tokens) == 3
        metrics = await bench.page("/metrics")
        assert 'undimmed_credential_refreshes_total{provider="a",credential="a#1",result="renewed"} 2' in metrics

    live(oauth, body)


def test_a_token_ends_while_its_issuer_hangs() -> None:
    async def hang(_: Seen) -> str:
        await asyncio.sleep(60.0)
        return "never"

    async def body(bench: Bench) -> None:
        counting(bench.issuer, life=1.0)
        bench.accepted.add(f"{TOKEN}1")
        bench.proxy.reload(lambda: made(bench.issuer, OAuthSource(f"{bench.issuer.url}/token", "you", SECRET)))
        await bench.until("usable")
        bench.issuer.answers["/token"] = hang
        assert await bench.ask() == (200, "a")
        await bench.until("expired")
        assert await bench.ask() == (200, "b")
        assert len([seen for seen in bench.issuer.seen if seen.path == "/a/v1/chat/completions"]) == 1

    live(oauth, body)


def test_a_reload_keeps_the_token_of_a_source_that_is_still_there(tmp_path: Path) -> None:
    path = write(tmp_path, "key", f"{TOKEN}file")

    def begin(issuer: IssuerServer) -> OAuthSource:
        counting(issuer)
        return oauth(issuer)

    async def body(bench: Bench) -> None:
        bench.accepted |= {f"{TOKEN}1", f"{TOKEN}file", f"{TOKEN}printed"}
        await bench.until("usable")
        asked = len(bench.issuer.seen)
        other = replace(made(bench.issuer, oauth(bench.issuer)), source="again")
        bench.proxy.reload(lambda: other)
        assert (await bench.credential())["state"] == "usable"
        assert await bench.ask() == (200, "a")
        assert len(bench.issuer.seen) == asked + 1, "no token was asked for"
        bench.proxy.reload(lambda: made(bench.issuer, FileSource(path)))
        await bench.until("usable")
        assert await bench.ask() == (200, "a")
        bench.proxy.reload(lambda: made(bench.issuer, CommandSource(("echo", f"{TOKEN}printed"))))
        await bench.until("usable")
        assert await bench.ask() == (200, "a")
        used = [seen.headers["Authorization"] for seen in bench.issuer.seen if seen.path.startswith("/a/")]
        assert used == [f"Bearer {TOKEN}{which}" for which in ("1", "file", "printed")]

    live(begin, body)
