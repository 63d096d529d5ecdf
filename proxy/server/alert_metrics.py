"""Samples of alerts, webhooks and status pages; the rows of the table stand in `metrics`."""

from collections.abc import Iterator

from proxy.server.gauges import Gauges
from proxy.stores.tally import Tally

Samples = Iterator[tuple[str, tuple[tuple[str, str], ...], int | float | str]]


def firing(_: Tally, gauges: Gauges) -> Samples:
    for topic, count in gauges.alarms.firing.items():
        yield "", (("topic", topic),), count


def messages(_: Tally, gauges: Gauges) -> Samples:
    for state in gauges.alarms.webhooks:
        for result, count in (("sent", state.sent), ("failed_try", state.failed), ("dropped", state.dropped)):
            yield "", (("webhook", state.name), ("result", result)), count


def waiting(_: Tally, gauges: Gauges) -> Samples:
    for state in gauges.alarms.webhooks:
        yield "", (("webhook", state.name),), state.waiting


def webhook_ok(_: Tally, gauges: Gauges) -> Samples:
    for state in gauges.alarms.webhooks:
        yield "", (("webhook", state.name),), int(state.state != "failing")


def status_page(_: Tally, gauges: Gauges) -> Samples:
    for provider, level in gauges.alarms.feeds.items():
        yield "", (("provider", provider),), -1 if level is None else level
