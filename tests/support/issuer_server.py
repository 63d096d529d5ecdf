"""A real token endpoint on loopback that keeps what it was sent and answers what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl

from aiohttp import web

from proxy.transport.credentials.http import AiohttpTokenHttp
from proxy.transport.credentials.programs import run_program
from proxy.transport.credentials.surroundings import Surroundings

WALL = 1_767_323_045.0  # 2026-01-02T03:04:05Z


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))


Answer = web.StreamResponse | dict[str, object] | str
Respond = Callable[[Seen], Answer | Awaitable[Answer]]


@dataclass
class IssuerServer:
    """`answers`: path to what it answers; `seen`: every request, in order."""

    url: str = ""
    answers: dict[str, Respond] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(request.method, request.path, dict(request.query), request.headers, await request.read())
        self.seen.append(seen)
        respond = self.answers.get(request.path)
        if respond is None:
            return web.Response(status=404, text="<html>404</html>", content_type="text/html")
        answer = respond(seen)
        if isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, dict):
            return web.json_response(answer)
        return web.Response(text=answer) if isinstance(answer, str) else answer


@asynccontextmanager
async def serving() -> AsyncIterator[IssuerServer]:
    """A server on a free port of this machine."""
    issuer = IssuerServer()
    runner = web.ServerRunner(web.Server(issuer.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    issuer.url = f"http://{host}:{port}"
    try:
        yield issuer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def real_surroundings(env: Mapping[str, str] | None = None) -> AsyncIterator[Surroundings]:
    """Real sockets, files and programs; only the wall clock stands still."""
    http = AiohttpTokenHttp()
    try:
        loop = asyncio.get_running_loop()
        yield Surroundings(loop, http, Random(1), lambda: WALL, env or {}, run_program)
    finally:
        await http.aclose()


def write(folder: Path, name: str, text: str) -> str:
    """A file for a source to read; its path."""
    path = folder / name
    path.write_text(text)
    return str(path)
