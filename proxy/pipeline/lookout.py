"""Looks at everything every few seconds, and sends a message where the rules say that it is worth one.

One watch per webhook: its own thresholds, its own alerts. Rules see figures and nothing else; what they find goes through
the watch's episodes, and what is worth a message goes to the courier, which never blocks. A look that fails is reported
and the next one comes: alerts must not die of the first surprise.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from proxy.core.alarming import AlertSettings, Courier, Notice, NoticeState
from proxy.core.hints import Hints
from proxy.pipeline.sightings import Sightings
from proxy.policy.alerts.anomalies import HISTORY
from proxy.policy.alerts.episodes import Episodes
from proxy.policy.alerts.figures import Figures
from proxy.policy.alerts.table import look

EVERY = 5.0
#: Seconds between two looks at the ledger's hours.
HOURS_EVERY = 300.0
#: Messages that are remembered, for those who look.
RECENT = 100


@dataclass(slots=True)
class Watch:
    """One webhook's alerts."""

    settings: AlertSettings
    episodes: Episodes


class Lookout:
    """One per proxy. `use` at the start and at every reload; `run` while there is something to watch. `troubled` hears of
    looks that failed."""

    def __init__(
        self,
        sightings: Sightings,
        courier: Courier,
        hints: Hints,
        announce: Callable[[Notice], None] = lambda _: None,
        troubled: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self.sightings = sightings
        self._courier = courier
        self._hints = hints
        self._announce = announce
        self._troubled = troubled
        self._watches: dict[str, Watch] = {}
        self._recent: deque[tuple[str, Notice]] = deque(maxlen=RECENT)
        self._loop = asyncio.get_running_loop()
        self._hours_due = 0.0
        self._reading: asyncio.Task[None] | None = None

    @property
    def watching(self) -> bool:
        return bool(self._watches)

    def use(self, alerts: Iterable[AlertSettings]) -> None:
        """Watch for these webhooks. One whose settings are the same keeps its alerts."""
        old = self._watches
        self._watches = {}
        for settings in alerts:
            watch = old.get(settings.name)
            if watch is None or watch.settings != settings:
                watch = Watch(settings, Episodes(settings.thresholds))
            self._watches[settings.name] = watch

    async def run(self) -> None:
        """Look, forever."""
        try:
            while True:
                self.tick()
                await asyncio.sleep(EVERY)
        finally:
            if self._reading is not None:
                self._reading.cancel()

    def tick(self) -> None:
        """One look. The hours are read beside it: a ledger that hangs holds up nothing."""
        if self._loop.time() >= self._hours_due and self._reading is None:
            self._hours_due = self._loop.time() + HOURS_EVERY
            self._reading = self._loop.create_task(self._read_hours(), name="hours for alerts")
        try:
            self.judge(self.sightings.look())
        except Exception as error:
            self._troubled(error)

    async def _read_hours(self) -> None:
        try:
            await self.sightings.refresh(int(self.sightings.sources.wall() // 3600) - HISTORY - 1)
        except Exception as error:
            self._troubled(error)
        finally:
            self._reading = None

    def judge(self, figures: Figures) -> None:
        """Hold these figures against every watch's rules, and send what is worth it."""
        told: set[str] = set()
        for name, watch in self._watches.items():
            found = look(figures, watch.settings.thresholds, watch.settings.topics)
            for bare in watch.episodes.update(figures.now, found):
                notice = self._annotate(bare)
                self._courier.send(name, notice)
                self._recent.append((name, notice))
                if notice.id not in told:  # several webhooks, one line
                    told.add(notice.id)
                    self._announce(notice)

    def firing(self) -> list[tuple[str, Notice]]:
        """The alerts that are not over, with the name of their webhook."""
        return [
            (name, self._annotate(notice)) for name, watch in self._watches.items() for notice in watch.episodes.firing()
        ]

    def recent(self) -> list[tuple[str, Notice]]:
        """The last messages, the newest first."""
        return list(reversed(self._recent))

    def suppressed(self) -> int:
        """Alerts that were not told because there were too many at once."""
        return sum(watch.episodes.suppressed for watch in self._watches.values())

    def _annotate(self, notice: Notice) -> Notice:
        hint = self._hints.hint(notice.provider) if notice.provider else ""
        return replace(notice, hint=hint) if hint and notice.state is NoticeState.FIRING else notice
