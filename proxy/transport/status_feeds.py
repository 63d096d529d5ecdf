"""Reads providers' status pages, for those who look at `/health`: one task for all, none where no page is to be read.

Each page is asked about once a minute, each time a little earlier or later, and providers that share one share the answer.
A page that does not answer costs nothing else: what it said last is kept for `STALE`, then it counts as unknown, and why is
shown. Nothing decides anything by what is read here.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from proxy.core.hints import FeedReport, Level
from proxy.transport.credentials.surroundings import TokenHttp, TokenRequest, Unreachable
from proxy.wire.status_feeds import Unreadable, read_feed

EVERY = 60.0
JITTER = 0.2
LIMIT = 10.0
#: Google's list of all incidents is the largest page known, some hundred KB.
MAX_PAGE = 4 * 1024 * 1024
#: Seconds for which a page's last word counts after it was read.
STALE = 900.0


@dataclass(slots=True)
class Reading:
    """The last word of a page. `read_at` in loop time, None: it was never read. `error`: of the last try, None: it went
    well."""

    report: FeedReport | None = None
    read_at: float | None = None
    error: str | None = None


class StatusFeeds:
    """Implements `Hints`. Use from a running loop: `use` at the start and at every reload, `aclose` once."""

    def __init__(self, http: TokenHttp, rng: Random) -> None:
        self._http = http
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._pages: Mapping[str, str] = {}
        self._readings: dict[str, Reading] = {}
        self._task: asyncio.Task[None] | None = None

    def use(self, pages: Mapping[str, str]) -> None:
        """Read these pages, by provider; what is known of those that stay is kept."""
        if pages == self._pages:
            return
        self._pages = dict(pages)
        self._readings = {url: self._readings.get(url) or Reading() for url in pages.values()}
        if self._task is not None:
            self._task.cancel()
        self._task = self._loop.create_task(self._run(), name="status pages") if pages else None

    def report(self, provider: str) -> FeedReport | None:
        """What the provider's page says; None: nobody knows."""
        reading = self._readings.get(self._pages.get(provider, ""))
        if reading is None or reading.read_at is None or self._loop.time() - reading.read_at > STALE:
            return None
        return reading.report

    def hint(self, provider: str) -> str:
        report = self.report(provider)
        if report is None or report.level is Level.NONE:
            return ""
        since = f" since {report.since}" if report.since else ""
        return f"status page: {report.level.name.lower()}{since}{', ' if report.text else ''}{report.text}"

    def view(self, provider: str) -> dict[str, object] | None:
        """For `/health`; None: its page is not read."""
        reading = self._readings.get(self._pages.get(provider, ""))
        if reading is None:
            return None
        report = self.report(provider)
        read_at = reading.read_at
        return {
            "level": "unknown" if report is None else report.level.name.lower(),
            "text": None if report is None else report.text or None,
            "since": None if report is None else report.since or None,
            "read_s_ago": None if read_at is None else round(self._loop.time() - read_at, 1),
            "error": reading.error,
        }

    def levels(self) -> dict[str, int | None]:
        """By provider, how grave its page looks; None: unknown."""
        reports = {provider: self.report(provider) for provider in self._pages}
        return {provider: None if report is None else int(report.level) for provider, report in reports.items()}

    async def aclose(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._http.aclose()

    async def _run(self) -> None:
        while True:
            await asyncio.gather(*(self._read(url, reading) for url, reading in self._readings.items()))
            await asyncio.sleep(EVERY * (1 + JITTER * (2 * self._rng.random() - 1)))

    async def _read(self, url: str, reading: Reading) -> None:
        request = TokenRequest("GET", url, limit=LIMIT)
        try:
            async with asyncio.timeout(LIMIT):
                answer = await self._http.ask(request)
            if answer.status != 200:
                raise Unreadable(f"answered {answer.status}")
            # Large pages take some milliseconds to decode.
            reading.report = await self._loop.run_in_executor(None, read_feed, answer.body)
        except TimeoutError:
            reading.error = f"{request.issuer} did not answer within {LIMIT:g} s"
        except (Unreachable, Unreadable) as error:
            reading.error = f"{request.issuer} {error}"
        else:
            reading.read_at, reading.error = self._loop.time(), None
