"""The client for token endpoints against real servers that misbehave: bounded, never redirected, nothing quoted."""

import asyncio
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trustme
from aiohttp import web
from support.issuer_server import IssuerServer, serving
from support.raw_server import Peer, RawServer, Script, free_port

from proxy.core.sources import OAuthSource
from proxy.transport.credentials.fetching import fetch
from proxy.transport.credentials.http import MAX_BODY, AiohttpTokenHttp
from proxy.transport.credentials.programs import run_program
from proxy.transport.credentials.surroundings import (
    Denied,
    Surroundings,
    TokenRequest,
    Unreachable,
    run_nothing,
)

pytestmark = pytest.mark.live

CANARY = "canary-4f1c"
TOKEN = {"access_token": "the-token", "expires_in": 60}


async def words(url: str, http: AiohttpTokenHttp | None = None) -> str:
    """What is said after asking there for a token; `ok` if there was one."""
    client = http or AiohttpTokenHttp()
    around = Surroundings(asyncio.get_running_loop(), client, Random(1), lambda: 0.0)
    said = "ok"
    try:
        await fetch(OAuthSource(url, "me", CANARY), around)
    except Denied as error:
        said = error.denial.text
    finally:
        await client.aclose()
    assert CANARY not in said
    return said


def replying(reply: bytes) -> Script:
    """Takes a request in and writes these bytes, whatever they are."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply)

    return script


def test_nothing_listens(run) -> None:
    async def scenario() -> None:
        port = free_port()
        assert await words(f"http://127.0.0.1:{port}/") == f"127.0.0.1:{port} cannot be reached: connection refused"

    run(scenario())


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "answered something that is not HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", "broke off its answer"),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", "answered 500"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "answered something that is not a token"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "answered something that is not a token"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "answered 302"),
    ],
)
def test_whatever_comes_is_told(run, reply: bytes, said: str) -> None:
    async def scenario() -> None:
        async with RawServer(replying(reply)) as server:
            assert (await words(f"http://127.0.0.1:{server.port}/token")).endswith(said)

    run(scenario())


def test_a_hang_ends_at_the_limit(run) -> None:
    async def hang(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{")
        await peer.wait_gone()

    async def scenario() -> None:
        http = AiohttpTokenHttp()
        around = Surroundings(asyncio.get_running_loop(), http, Random(1), lambda: 0.0)
        async with RawServer(hang) as server:
            request = TokenRequest("GET", f"http://127.0.0.1:{server.port}/", limit=0.5)
            with pytest.raises(Denied, match=r"did not answer within 0.5 s"):
                await around.answer(request)
            await http.aclose()

    run(scenario())


def test_an_answer_without_end_is_not_read_to_it(run) -> None:
    async def endless(_: object) -> web.StreamResponse:
        return web.Response(body=b"x" * (4 * MAX_BODY))

    async def scenario() -> None:
        async with serving() as issuer:
            issuer.answers["/token"] = endless
            assert (await words(f"{issuer.url}/token")).endswith("answered with more than 256 KiB")

    run(scenario())


def with_server(body: Callable[[IssuerServer], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with serving() as issuer:
            await body(issuer)

    asyncio.run(scenario())


def test_redirects_cookies_and_the_environments_proxies_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")

    async def body(issuer: IssuerServer) -> None:
        def elsewhere(_: object) -> web.StreamResponse:
            response = web.Response(status=307, headers={"location": f"{issuer.url}/other"})
            response.set_cookie("session", "1")
            return response

        issuer.answers["/token"] = elsewhere
        issuer.answers["/other"] = lambda _: TOKEN
        http = AiohttpTokenHttp()
        request = TokenRequest("POST", f"{issuer.url}/token", (("x-a", "b"),), b"body")
        for _ in range(2):
            response = await http.ask(request)
            assert response.status == 307
            assert (b"location", f"{issuer.url}/other".encode()) in response.headers
        await http.aclose()
        await http.aclose()  # nothing is open any more
        assert [seen.path for seen in issuer.seen] == ["/token", "/token"]
        assert "Cookie" not in issuer.seen[1].headers
        assert issuer.seen[1].headers["X-A"] == "b"
        assert issuer.seen[1].body == b"body"

    with_server(body)


def test_an_issuer_whose_name_is_gone_is_found_where_it_was() -> None:
    answers: list[list[str] | Exception] = [["127.0.0.1"], socket.gaierror(-2, "Name or service not known")]

    async def resolve(host: str, port: int) -> list[str]:
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/token"] = lambda _: TOKEN
        port = issuer.url.rpartition(":")[2]
        http = AiohttpTokenHttp(resolve=resolve)
        for _ in range(2):
            response = await http.ask(TokenRequest("GET", f"http://id.example.com:{port}/token"))
            assert response.status == 200
            assert b"the-token" not in repr(response).encode()
        with pytest.raises(Unreachable, match="name not resolved"):
            await http.ask(TokenRequest("GET", f"http://other.example.com:{port}/token"))
        await http.aclose()

    with_server(body)


def test_a_certificate_that_nobody_vouches_for_is_refused(run) -> None:
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    good = replying(b'HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{"access_token":"ok1"}')

    async def scenario() -> None:
        async with RawServer(good, tls=server_tls) as server:
            url = f"https://127.0.0.1:{server.port}/"
            assert "certificate refused" in await words(url)
            assert await words(url, AiohttpTokenHttp(tls=trusting)) == "ok"

    run(scenario())


@pytest.mark.parametrize("url", ["not a url", "http://", "ftp://127.0.0.1/x", "http://[::1", "http://127.0.0.1:99999/"])
def test_addresses_that_are_none(url: str) -> None:
    async def scenario() -> None:
        http = AiohttpTokenHttp()
        with pytest.raises(Unreachable):
            await http.ask(TokenRequest("GET", url))
        await http.aclose()

    asyncio.run(scenario())


# Programs.


def test_a_program_that_does_not_end_is_ended_with_all_it_started(run) -> None:
    async def scenario() -> None:
        script = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); print('x', flush=True); time.sleep(60)"
        with pytest.raises(TimeoutError):
            await run_program((sys.executable, "-c", script), limit=0.5)

    run(scenario())


def test_a_program_that_prints_without_end_is_ended(run) -> None:
    async def scenario() -> None:
        # Several at once, so that some are ended while more of their output waits to be read than anybody wants.
        printing = [run_program(("sh", "-c", "yes canary")) for _ in range(8)]
        assert [type(ended) for ended in await asyncio.gather(*printing, return_exceptions=True)] == [TimeoutError] * 8

    run(scenario())


def test_a_child_that_left_and_keeps_the_pipe_open_is_not_waited_for(run) -> None:
    async def scenario() -> None:
        script = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
        with pytest.raises(TimeoutError):
            await run_program((sys.executable, "-c", script), limit=1.0)

    run(scenario())


def test_a_programs_status_and_output(run) -> None:
    async def scenario() -> None:
        printed = await run_program(("sh", "-c", "echo one; echo two >&2; cat; exit 3"))
        assert (printed.status, printed.output) == (3, b"one\n")
        assert "one" not in repr(printed)
        with pytest.raises(FileNotFoundError):
            await run_program(("/no/such/program",))

    run(scenario())


def test_where_no_programs_are_run() -> None:
    with pytest.raises(PermissionError):
        asyncio.run(run_nothing(("echo",)))
