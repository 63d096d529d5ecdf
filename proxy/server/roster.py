"""What the connections of one data plane share: the application, the limits, who is there, and what is under way."""

import asyncio
from typing import Protocol

from proxy.core.settings import ServerSettings
from proxy.server.application import Application
from proxy.server.errand import Errand
from proxy.server.guard import make_rules
from proxy.server.heads import DateLine


class Guest(Protocol):
    """A connection, as far as closing it goes."""

    def drain(self) -> None: ...

    def abort(self) -> None: ...


class Roster:
    """Counters are plain integers for the metrics page; `refused` counts by `Refusal.reason`, `cut` by what was too slow.

    `left`: calls whose client went away before its reply was complete. `failed`: calls the application did not bring to
    an end. `emptied` and `settled` are there while somebody waits for the last connection, or call, to go."""

    __slots__ = (
        "accepted",
        "app",
        "calls",
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
        "settled",
    )

    def __init__(self, app: Application, settings: ServerSettings, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.settings = settings
        self.loop = loop
        self.rules = make_rules(settings.host, settings.hosts, settings.max_body)
        self.date = DateLine(loop)
        self.connections: set[Guest] = set()
        self.calls: set[Errand] = set()
        self.draining = False
        self.emptied: asyncio.Future[None] | None = None
        self.settled: asyncio.Future[None] | None = None
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

    def settle(self, call: Errand) -> None:
        self.calls.discard(call)
        if self.settled is not None and not self.calls and not self.settled.done():
            self.settled.set_result(None)

    def count_refused(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def count_cut(self, reason: str) -> None:
        self.cut[reason] = self.cut.get(reason, 0) + 1
