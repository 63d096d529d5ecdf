"""Status pages read in virtual time, and a large one over a real socket."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from random import Random

import pytest
from aiohttp import web

from proxy.rehearse.virtual_loop import run as run_virtually
from proxy.transport.credentials.http import AiohttpTokenHttp
from proxy.transport.credentials.surroundings import TokenRequest, TokenResponse, Unreachable
from proxy.transport.status_feeds import MAX_PAGE, STALE, StatusFeeds

PAGE = "https://status.test/api/v2/summary.json"
WELL = json.dumps({"status": {"indicator": "none"}}).encode()
BAD = json.dumps(
    {
        "status": {"indicator": "major", "description": "Partial System Outage"},
        "incidents": [{"name": "Elevated errors", "impact": "major", "started_at": "2026-11-25T13:40:00Z"}],
    }
).encode()


class Pages:
    """Answers that can be changed; `asked` holds when and where."""

    def __init__(self, answer: bytes | int | Exception | None) -> None:
        self.answer = answer
        self.asked: list[tuple[float, str]] = []
        self.closed = False

    async def ask(self, request: TokenRequest) -> TokenResponse:
        self.asked.append((asyncio.get_running_loop().time(), request.url))
        if self.answer is None:
            await asyncio.sleep(10**9)
        if isinstance(self.answer, Exception):
            raise self.answer
        return TokenResponse(self.answer) if isinstance(self.answer, int) else TokenResponse(200, (), self.answer or b"")

    async def aclose(self) -> None:
        self.closed = True


def play(pages: Pages, scenario: Callable[[StatusFeeds], Awaitable[None]]) -> None:
    async def inner() -> None:
        feeds = StatusFeeds(pages, Random(1))
        feeds.use({"openai": PAGE, "openai-eu": PAGE})
        await scenario(feeds)
        await feeds.aclose()

    run_virtually(lambda _: inner(), seed=1)


def test_a_page_is_read_about_once_a_minute_whoever_shares_it() -> None:
    pages = Pages(BAD)

    async def scenario(feeds: StatusFeeds) -> None:
        await asyncio.sleep(3600.0)
        assert feeds.hint("openai") == feeds.hint("openai-eu")

    play(pages, scenario)
    times = [at for at, _ in pages.asked]
    pauses = {round(after - before, 3) for before, after in itertools.pairwise(times)}
    assert 55 <= len(times) <= 65
    assert len(pauses) > 30
    assert min(pauses) >= 48.0
    assert max(pauses) <= 72.0
    assert pages.closed


def test_what_it_says_is_shown() -> None:
    async def scenario(feeds: StatusFeeds) -> None:
        assert feeds.hint("openai") == ""
        assert feeds.levels() == {"openai": None, "openai-eu": None}
        await asyncio.sleep(30.0)
        assert feeds.hint("openai") == (
            "status page: major since 2026-11-25T13:40:00Z, Partial System Outage: “Elevated errors”"
        )
        assert feeds.view("openai") == {
            "level": "major",
            "text": "Partial System Outage: “Elevated errors”",
            "since": "2026-11-25T13:40:00Z",
            "read_s_ago": 30.0,
            "error": None,
        }
        assert feeds.levels() == {"openai": 2, "openai-eu": 2}
        assert (feeds.hint("other"), feeds.view("other"), feeds.report("other")) == ("", None, None)

    play(Pages(BAD), scenario)


def test_a_page_that_says_all_is_well_hints_at_nothing() -> None:
    async def scenario(feeds: StatusFeeds) -> None:
        await asyncio.sleep(30.0)
        assert feeds.hint("openai") == ""
        view = feeds.view("openai")
        assert view is not None
        assert (view["level"], view["text"], view["since"]) == ("none", None, None)

    play(Pages(WELL), scenario)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (503, "status.test answered 503"),
        (302, "status.test answered 302"),
        (b"<html>", "status.test answered something that is not a status feed"),
        (Unreachable("cannot be reached: connection refused"), "status.test cannot be reached: connection refused"),
        (None, "status.test did not answer within 10 s"),
    ],
)
def test_a_page_that_fails_is_shown_and_its_last_word_kept_for_a_while(
    answer: bytes | int | Exception | None, error: str
) -> None:
    pages = Pages(BAD)

    async def scenario(feeds: StatusFeeds) -> None:
        await asyncio.sleep(1.0)
        pages.answer = answer
        await asyncio.sleep(300.0)
        view = feeds.view("openai")
        assert view is not None
        assert (view["level"], view["error"]) == ("major", error)
        await asyncio.sleep(STALE)
        view = feeds.view("openai")
        assert view is not None
        assert (view["level"], view["text"], view["error"]) == ("unknown", None, error)
        assert feeds.hint("openai") == ""

    play(pages, scenario)


def test_without_pages_nothing_runs_and_a_reload_keeps_what_is_known() -> None:
    pages = Pages(BAD)

    async def scenario(feeds: StatusFeeds) -> None:
        await asyncio.sleep(1.0)
        feeds.use({"openai": PAGE, "groq": "https://groq.test/"})
        assert feeds.hint("openai") != ""
        feeds.use({"openai": PAGE, "groq": "https://groq.test/"})
        await asyncio.sleep(1.0)
        assert [url for _, url in pages.asked] == [PAGE, PAGE, "https://groq.test/"]
        feeds.use({})
        await asyncio.sleep(600.0)
        assert len(pages.asked) == 3
        assert feeds.view("openai") is None

    play(pages, scenario)


@pytest.mark.live
def test_pages_are_bounded() -> None:
    async def scenario() -> list[object]:
        bodies = [json.dumps([{"external_desc": "x" * (MAX_PAGE // 2)}]), "x" * (MAX_PAGE + 10)]

        async def handle(request: web.BaseRequest) -> web.Response:
            return web.Response(text=bodies[int(request.path[1:])])

        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        feeds = StatusFeeds(AiohttpTokenHttp(limit=MAX_PAGE), Random(1))
        feeds.use({"fits": f"http://{host}:{port}/0", "does_not": f"http://{host}:{port}/1"})
        async with asyncio.timeout(20):
            while any(
                view is None or (view["read_s_ago"], view["error"]) == (None, None)
                for view in map(feeds.view, ("fits", "does_not"))
            ):
                await asyncio.sleep(0.01)
        seen = [(feeds.view(name) or {})["error"] for name in ("fits", "does_not")]
        await feeds.aclose()
        await runner.cleanup()
        return [seen[0], str(seen[1]).partition(" ")[2]]

    assert asyncio.run(scenario()) == [None, f"answered with more than {MAX_PAGE // 1024} KiB"]
