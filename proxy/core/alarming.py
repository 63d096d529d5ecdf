"""What alerts are made of: their settings, what they are told from outside, and the messages that leave.

A *finding* (`policy/alerts`) is what one look at the figures saw; an *alert* is an episode of findings about one subject by
one rule; a *notice* is one message about an alert: it began, it got worse, it is over. Nothing here decides anything.

Budgets and incidents are kept by other parts; `Budgets` and `Incidents` are all that alerts need of them.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.core.limits import BudgetStanding


class Topic(enum.StrEnum):
    """What an operator can ask to be told about."""

    BUDGET = "budget"
    SPEND = "spend"
    TARGET = "target"
    CREDENTIAL = "credential"
    ESTIMATES = "estimates"
    UNPRICED = "unpriced"
    LEDGER = "ledger"
    CONFIG = "config"
    INCIDENT = "incident"


class Severity(enum.StrEnum):
    """`critical`: requests or money are being lost now; `warning`: they will be; `info`: good to know."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class NoticeState(enum.StrEnum):
    """`firing` comes again, with a higher step, when an alert gets worse."""

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is worth a message. Shares are 0 to 1, times in seconds.

    `budget_steps`: used shares of a budget. `budget_pace` multiplies the paces at which a budget burns too fast.
    `spend_deviations`: median absolute deviations above the median of the same hour; `spend_factor`: and that many times
    the median; `spend_floor`: nano-dollars that an hour must have cost at all; `token_floor`: tokens likewise.
    `target_after`: how long a target has been failing. `estimates_share` of the last hour's tokens; `unpriced_attempts` in
    the last hour.
    """

    budget_steps: tuple[float, ...] = (0.5, 0.8, 1.0)
    budget_pace: float = 1.0
    spend_deviations: float = 6.0
    spend_factor: float = 2.0
    spend_floor: int = 1_000_000_000
    token_floor: int = 1_000_000
    target_after: float = 30.0
    estimates_share: float = 0.2
    unpriced_attempts: int = 10


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """One webhook and what it is told. `url` and `secret` stay out of every repr, log line and page. `format`: `json` or
    `slack`; `secret`: the key that requests are signed with, None: not signed."""

    name: str
    topics: frozenset[Topic]
    url: str = field(repr=False)
    format: str = "json"
    secret: bytes | None = field(default=None, repr=False)
    thresholds: Thresholds = Thresholds()


class Budgets(Protocol):
    """Whoever keeps budgets. Must not block: it is asked every few seconds, on the loop."""

    def standings(self, now: float) -> Sequence[BudgetStanding]:
        """Every budget as it stands at `now` (Unix time)."""
        ...


@dataclass(frozen=True, slots=True)
class IncidentNotice:
    """An incident as far as alerts care: `text` is its trigger in words. Unix time."""

    id: str
    text: str
    since: float
    provider: str = ""
    severity: Severity = Severity.WARNING


class Incidents(Protocol):
    """Whoever keeps incidents. Must not block."""

    def open_incidents(self) -> Sequence[IncidentNotice]:
        """Those that have not ended."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. `alert` is the episode's id, `step` how bad it is; with the state they make the message's own id,
    which stays the same however often, and by however many proxies, it is sent. `condition` names the rule, `text` says
    in one sentence what was seen, since when and from where on it counts. `since`, `at` in Unix time. `value` and
    `threshold` are figures of the rule's own kind, None where there are none. `hint`: what the provider's status page
    says."""

    alert: str
    step: int
    state: NoticeState
    topic: Topic | None
    condition: str
    severity: Severity
    subject: str
    text: str
    since: float
    at: float
    provider: str = ""
    value: float | None = None
    threshold: float | None = None
    hint: str = ""

    @property
    def id(self) -> str:
        return f"{self.alert}.{self.state}.{self.step}"


@dataclass(slots=True)
class WebhookState:
    """How a webhook does. `state`: `idle` (nothing sent yet), `ok`, or `failing` (the last try failed). Counts since the
    start: `sent` messages, `failed` tries, `dropped` messages (refused for good, too old, or pushed out of a full queue).
    `last_error` is in words of ours. Unix time; None: never."""

    name: str
    format: str
    state: str = "idle"
    sent: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0
    last_error: str | None = None
    last_sent_at: float | None = None


class Courier(Protocol):
    """Takes messages to webhooks. `send` neither blocks nor raises."""

    def send(self, webhook: str, notice: Notice) -> None: ...


@dataclass(frozen=True, slots=True)
class AlarmFigures:
    """For metrics: how many alerts fire by topic, how each webhook does, how grave each status page looks (0 to 3; None:
    it could not be read)."""

    firing: dict[str, int] = field(default_factory=dict)
    webhooks: tuple[WebhookState, ...] = ()
    feeds: dict[str, int | None] = field(default_factory=dict)
