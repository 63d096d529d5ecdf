"""Warnings about numbers that somebody relies on: tokens without a price, and counts that contradict each other.

Each is said once an hour for a model or a target, however much traffic there is; the metrics count all of them. A model
without a price is no fault of a request, so nothing is refused here: budgets have their own rule for it.
"""

import structlog
from structlog.typing import FilteringBoundLogger

from proxy.core.records import CallRecord, ProbeRecord, StateChange
from proxy.stores.log import NAME

#: Seconds between two warnings about the same thing.
EVERY = 3600.0
#: Things that are remembered; clients may make names up.
MAX_SUBJECTS = 1000


class Qualms:
    """A sink that warns. Make it after `stores.log.configure`."""

    def __init__(self) -> None:
        self._log: FilteringBoundLogger = structlog.get_logger(NAME).bind()
        self._said: dict[tuple[str, str], float] = {}

    def call_finished(self, record: CallRecord) -> None:
        for attempt in record.attempts:
            usage = attempt.usage
            if usage is None:
                continue
            if attempt.cost is None and usage.total and self._may_say("unpriced", attempt.target, record.wall):
                self._log.warning("unpriced", target=attempt.target, model=attempt.served_model, count=usage.total)
            if usage.contradicts and self._may_say("contradictory_usage", attempt.target, record.wall):
                self._log.warning("contradictory_usage", target=attempt.target, model=attempt.served_model)

    def state_changed(self, change: StateChange) -> None:
        """Nothing to warn of here."""

    def probed(self, record: ProbeRecord) -> None:
        """Nothing to warn of here."""

    def _may_say(self, event: str, subject: str, now: float) -> bool:
        key = (event, subject)
        last = self._said.get(key)
        if last is not None and now - last < EVERY:
            return False
        if last is None and len(self._said) >= MAX_SUBJECTS:
            del self._said[next(iter(self._said))]
        self._said[key] = now
        return True
