"""What the connections of one data plane share: the application, the limits, and who is there."""

import asyncio
from typing import Protocol

from proxy.core.settings import ServerSettings
from proxy.server.application import Application
from proxy.server.guard import make_rules
from proxy.server.heads import DateLine


class Guest(Protocol):
    """A connection, as far as closing it goes."""

    def drain(self) -> None: ...

    def abort(self) -> None: ...


class Roster:
    """Counters are plain integers for the metrics page; `refused` counts by `Refusal.reason`, `cut` by what was too slow.

    `left`: calls whose client went away before its reply was complete. `failed`: calls the application did not bring to
    an end."""

    __slots__ = (
        "accepted",
        "app",
        "connections",
        "cut",
        "date",
        "draining",
        "emptied",
        "failed",
        "left",
        "loop",
        "refused",
        "requests",
        "rules",
        "settings",
        "tasks",
    )

    def __init__(self, app: Application, settings: ServerSettings, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.settings = settings
        self.loop = loop
        self.rules = make_rules(settings.host, settings.hosts, settings.max_body)
        self.date = DateLine(loop)
        self.connections: set[Guest] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.draining = False
        self.emptied: asyncio.Future[None] | None = None
        self.accepted = 0
        self.requests = 0
        self.left = 0
        self.failed = 0
        self.refused: dict[str, int] = {}
        self.cut: dict[str, int] = {}

    def leave(self, connection: Guest) -> None:
        self.connections.discard(connection)
        if self.emptied is not None and not self.connections and not self.emptied.done():
            self.emptied.set_result(None)

    def count_refused(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def count_cut(self, reason: str) -> None:
        self.cut[reason] = self.cut.get(reason, 0) + 1
