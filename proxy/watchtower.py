"""Alerts and status pages of one running proxy: the lookout, the couriers and the readers of pages, put together.

Where a configuration has neither webhooks nor status pages nothing of this runs: no task, no timer, no connection. All of it
stands beside the path of a request and only reads what is there.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random, SystemRandom

import structlog

from proxy.core.alarming import AlarmFigures, Budgets, Incidents, Notice, NoticeState
from proxy.core.settings import LedgerSettings, Settings
from proxy.gateway import Gateway
from proxy.pipeline.lookout import Lookout
from proxy.pipeline.sightings import Sightings, Sources
from proxy.policy.alerts.anomalies import describe_baseline
from proxy.policy.alerts.figures import Hours
from proxy.stores.ledger.contract import Ledger
from proxy.stores.ledger.hours import read_hours
from proxy.stores.log import NAME, describe
from proxy.transport.credentials.http import AiohttpTokenHttp
from proxy.transport.credentials.surroundings import TokenHttp
from proxy.transport.status_feeds import MAX_PAGE, StatusFeeds
from proxy.transport.webhooks import WebhookCourier

#: Seconds that messages get to leave when the proxy stops.
GRACE = 1.0


@dataclass(frozen=True, slots=True)
class Keepers:
    """Whoever keeps what alerts are told about; None: nobody does."""

    ledger: Ledger | None = None
    budgets: Budgets | None = None
    incidents: Incidents | None = None


def watch_over(
    gateway: Gateway,
    keepers: Keepers,
    wall: Callable[[], float] = time.time,  # noqa: TID251 (this is the injection)
    hooks: TokenHttp | None = None,
    pages: TokenHttp | None = None,
) -> "Watchtower":
    """The watchtower of a proxy, shown by its gateway. `hooks` and `pages`: how webhooks and status pages are reached, None
    for the network."""
    kept = gateway.routing.settings.ledger  # a reload does not move the ledger
    sources = Sources(
        routing=lambda: gateway.routing,
        tally=gateway.tally,
        wall=wall,
        ledger=lambda: keepers.ledger.state() if keepers.ledger is not None else None,
        rejected=lambda: gateway.rejection,
        hours=None if kept is None else _hours_of(kept),
        budgets=keepers.budgets,
        incidents=keepers.incidents,
    )
    tower = Watchtower(sources, SystemRandom(), hooks or AiohttpTokenHttp(), pages or AiohttpTokenHttp(limit=MAX_PAGE))
    gateway.heed(tower)
    return tower


def _hours_of(place: LedgerSettings) -> Callable[[int], Awaitable[Hours | None]]:
    async def read(since: int) -> Hours | None:
        return await asyncio.get_running_loop().run_in_executor(None, read_hours, place, since)

    return read


def _log(notice: Notice) -> None:
    log = structlog.get_logger(NAME)
    write = log.info if notice.state is NoticeState.RESOLVED else log.warning
    write("alert", subject=notice.subject, after=notice.state.value, cause=notice.text)


def _log_trouble(error: Exception) -> None:
    structlog.get_logger(NAME).error("alerts_failed", where=describe(error))


class Watchtower:
    """Use from a running loop: `use` at the start and at every reload, `aclose` once."""

    def __init__(self, sources: Sources, rng: Random, hooks: TokenHttp, pages: TokenHttp) -> None:
        self._wall: Callable[[], float] = sources.wall
        self._courier = WebhookCourier(hooks, rng, sources.wall)
        self.feeds = StatusFeeds(pages, rng)
        self.lookout = Lookout(Sightings(sources), self._courier, self.feeds, _log, _log_trouble)
        self._task: asyncio.Task[None] | None = None

    def use(self, settings: Settings) -> None:
        """Watch by these settings from now on."""
        self._courier.use(settings.alerts)
        self.lookout.use(settings.alerts)
        self.feeds.use({name: one.status_feed for name, one in settings.providers.items() if one.status_feed is not None})
        if settings.alerts and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self.lookout.run(), name="lookout")
        elif not settings.alerts and self._task is not None:
            self._task.cancel()
            self._task = None

    async def aclose(self) -> None:
        """Stop looking, and let the last messages out."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(self._courier.aclose(GRACE), self.feeds.aclose())

    # What the gateway asks.

    def health(self) -> dict[str, object] | None:
        """For `/health`; None: there are no webhooks."""
        return self._summary() if self.lookout.watching else None

    def status_page(self, provider: str) -> dict[str, object] | None:
        """What the provider's status page says; None: it is not read."""
        return self.feeds.view(provider)

    def hint(self, provider: str) -> str:
        """The same in one line; "" where there is nothing to say."""
        return self.feeds.hint(provider)

    def view(self) -> dict[str, object]:
        """For `/alerts`: everything that fires, the last messages, how the webhooks do."""
        return {
            "object": "alerts",
            **self._summary(),
            "active": [_view(webhook, notice) for webhook, notice in self.lookout.firing()],
            "recent": [_view(webhook, notice) for webhook, notice in self.lookout.recent()],
            "suppressed": self.lookout.suppressed(),
            "spend_is_held_against": describe_baseline(self.lookout.sightings.hours, self._wall()),
        }

    def figures(self) -> AlarmFigures:
        """For metrics. An alert that several webhooks are told counts once."""
        firing: dict[str, int] = {}
        for topic in {notice.alert: notice.topic for _, notice in self.lookout.firing()}.values():
            if topic is not None:
                firing[topic.value] = firing.get(topic.value, 0) + 1
        return AlarmFigures(firing, tuple(self._courier.states().values()), self.feeds.levels())

    def _summary(self) -> dict[str, object]:
        firing = {notice.alert for _, notice in self.lookout.firing()}
        return {
            "firing": len(firing),
            "webhooks": [
                {
                    "name": state.name,
                    "format": state.format,
                    "state": state.state,
                    "sent": state.sent,
                    "failed_tries": state.failed,
                    "dropped": state.dropped,
                    "waiting": state.waiting,
                    "last_error": state.last_error,
                    "last_sent_s_ago": None if state.last_sent_at is None else round(self._wall() - state.last_sent_at, 1),
                }
                for state in self._courier.states().values()
            ],
        }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _view(webhook: str, notice: Notice) -> dict[str, object]:
    return {
        "alert": notice.alert,
        "webhook": webhook,
        "state": notice.state.value,
        "topic": None if notice.topic is None else notice.topic.value,
        "condition": notice.condition,
        "severity": notice.severity.value,
        "subject": notice.subject,
        "text": notice.text,
        "since": _moment(notice.since),
        "at": _moment(notice.at),
        "status_page": notice.hint or None,
    }
