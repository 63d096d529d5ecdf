"""A client that asks anew, and wants nothing more of what it asked before.

Autocomplete asks at every keystroke, and only the last answer matters. Requests of one client that carry the same name in
the header `x-undimmed-supersede` take each other's place: the older one ends at once, at its provider too, with an error
that says so. Clients are told apart by their keys; without keys everybody on this machine is one client.
"""

import asyncio
from collections.abc import Sequence

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.pipeline.attempt import Attempt
from proxy.pipeline.journey import Journey
from proxy.pipeline.tunneling import TunnelAttempt

HEADER = "x-undimmed-supersede"
#: A name longer than this is cut: it only has to tell one place in one client from another.
MAX_NAME = 200


def cut_off(runners: Sequence[Attempt | TunnelAttempt]) -> None:
    """End these attempts, at their providers too."""
    for runner in list(runners):
        runner.cut(Outcome(OutcomeKind.SUPERSEDED))


class Superseding:
    """The calls under way that a later one may take the place of."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: dict[tuple[str | None, str], Journey] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def enter(self, journey: Journey, key: str | None) -> None:
        """A call begins; if it names a place, whoever has it ends."""
        name = journey.call.headers.get(HEADER)
        if not name:
            return
        journey.halt = self._loop.create_future()
        journey.place = key, name[:MAX_NAME]
        older = self._calls.get(journey.place)
        self._calls[journey.place] = journey
        if older is not None and older.halt is not None and not older.halt.done():
            older.halt.set_result(None)

    def leave(self, journey: Journey) -> None:
        """A call is over."""
        place = journey.place
        if place is not None and self._calls.get(place) is journey:
            del self._calls[place]
