"""Alerts of the file into those of the running proxy."""

from collections.abc import Container
from urllib.parse import SplitResult, urlsplit

from proxy.config.alert_models import AlertModel
from proxy.config.models import Document
from proxy.core.alarming import AlertSettings, Thresholds, Topic
from proxy.wire.webhook_signature import read_secret

#: Which topic reads a threshold.
READ_BY = {
    "budget_steps": Topic.BUDGET,
    "budget_pace": Topic.BUDGET,
    "spend_deviations": Topic.SPEND,
    "spend_factor": Topic.SPEND,
    "spend_floor": Topic.SPEND,
    "token_floor": Topic.SPEND,
    "target_after": Topic.TARGET,
    "estimates_share": Topic.ESTIMATES,
    "unpriced_attempts": Topic.UNPRICED,
}
#: Topics that tell nothing without a ledger.
LEDGER_TOPICS = (Topic.SPEND, Topic.LEDGER)
SLACK_HOST = "hooks.slack.com"


def split_url(url: str) -> SplitResult | None:
    """Its parts; None: it is no address."""
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def format_of(model: AlertModel) -> str:
    """As written, else as the address tells."""
    if model.format is not None:
        return model.format
    parts = split_url(model.webhook.get_secret_value())
    return "slack" if parts is not None and parts.hostname == SLACK_HOST else "json"


def name_of(index: int, model: AlertModel) -> str:
    """As written, else its number."""
    return model.name or str(index + 1)


def silent_topics(document: Document) -> dict[Topic, str]:
    """Topics that this document gives nothing to look at, and what it lacks."""
    silent: dict[Topic, str] = {}
    if document.ledger is None:
        silent |= dict.fromkeys(LEDGER_TOPICS, "a ledger")
    budgets = [
        *(key.budget for key in document.keys),
        *(tag.budget for tag in document.tags.values()),
        *(route.budget for route in document.routes),
        *(provider.budget for provider in document.providers.values()),
    ]
    # Keys of a store may have budgets that no file knows.
    if document.key_store is None and not any(budgets):
        silent[Topic.BUDGET] = "a budget"
    return silent


def topics_of(model: AlertModel, silent: Container[Topic]) -> frozenset[Topic]:
    """What a webhook is told; by default everything that can be told."""
    if model.when is not None:
        return frozenset(Topic(name) for name in model.when)
    return frozenset(topic for topic in Topic if topic not in silent)


def _settings(index: int, model: AlertModel, silent: Container[Topic]) -> AlertSettings:
    written = {name: value for name in READ_BY if (value := getattr(model, name)) is not None}
    if model.spend_floor is not None:
        written["spend_floor"] = round(model.spend_floor * 1e9)
    return AlertSettings(
        name=name_of(index, model),
        topics=topics_of(model, silent),
        url=model.webhook.get_secret_value(),
        format=format_of(model),
        secret=None if model.secret is None else read_secret(model.secret.get_secret_value()),
        thresholds=Thresholds(**written),
    )


def alerts_of(document: Document) -> tuple[AlertSettings, ...]:
    """The webhooks of a document without problems."""
    silent = silent_topics(document)
    return tuple(_settings(index, model, silent) for index, model in enumerate(document.alerts))
