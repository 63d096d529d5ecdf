"""What a provider says of itself on its status page: shown beside what we see, and never acted upon.

Status pages lag: one has stayed green over four hours of an outage of six. So a hint opens no breaker and closes none; it
explains to people what they are looking at anyway.
"""

import enum
from dataclasses import dataclass
from typing import Protocol


class Level(enum.IntEnum):
    """How grave the page looks, in the words of statuspage.io's indicator."""

    NONE = 0
    MINOR = 1
    MAJOR = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class FeedReport:
    """A status page, read. `text`: the page's own summary and its gravest open incident, cleaned and bounded; `since`: when
    that incident began, as the page wrote it ("" where it doesn't say)."""

    level: Level
    text: str = ""
    since: str = ""


class Hints(Protocol):
    """Whoever reads status pages."""

    def hint(self, provider: str) -> str:
        """One line of what the provider says of itself; "" where it says that all is well, or where nobody knows."""
        ...
