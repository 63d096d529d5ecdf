"""What cannot be meant in alerts and status pages: addresses that lead nowhere, topics and thresholds without effect.

Addresses of webhooks are secrets more often than not, so no message repeats one.
"""

from collections.abc import Iterator

from proxy.config.addresses import is_private
from proxy.config.alert_models import AlertModel
from proxy.config.alert_settings import READ_BY, format_of, name_of, silent_topics, split_url, topics_of
from proxy.config.conversion import preset_of
from proxy.config.models import ProviderModel
from proxy.config.source import Path
from proxy.config.validation import Draft
from proxy.core.alarming import Topic
from proxy.providers.presets import PRESETS
from proxy.wire.webhook_signature import read_secret

Findings = Iterator[tuple[Path, str]]


def _address(url: str) -> str | None:
    """What is wrong with an address."""
    parts = split_url(url)
    if parts is None or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        return "must be an address that begins with https:// or http:// and a host"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    if parts.scheme == "http" and not is_private(parts.hostname or ""):
        return "would go over the internet unencrypted; use https://"
    return None


def check_webhooks(draft: Draft) -> Findings:
    """Addresses that can be posted to, secrets that sign, names that tell them apart."""
    names: set[str] = set()
    for index, alert in enumerate(draft.document.alerts):
        here: Path = ("alerts", index)
        wrong = _address(alert.webhook.get_secret_value())
        if wrong is not None:
            yield (*here, "webhook"), wrong
        if alert.secret is not None:
            yield from (((*here, "secret"), message) for message in _secret(alert))
        name = name_of(index, alert)
        if name in names:
            yield (*here, "name"), f'there is another webhook named "{name}"'
        names.add(name)


def _secret(alert: AlertModel) -> Iterator[str]:
    if format_of(alert) == "slack":
        yield "has no effect with format slack: Slack does not look at signatures"
        return
    try:
        read_secret(alert.secret.get_secret_value() if alert.secret is not None else "")
    except ValueError as error:
        yield str(error)


def _silent(draft: Draft) -> dict[Topic, str]:
    """Topics without anything to look at. Where something was set aside as broken, it may have held what they need."""
    sections = ("ledger", "keys", "tags", "routes", "providers")
    return silent_topics(draft.document) if all(draft.whole(section) for section in sections) else {}


def check_topics(draft: Draft) -> Findings:
    """Topics that this configuration can tell something about, each once."""
    silent = _silent(draft)
    for index, alert in enumerate(draft.document.alerts):
        for position, topic in enumerate(alert.when or ()):
            here: Path = ("alerts", index, "when", position)
            if topic in (alert.when or ())[:position]:
                yield here, f"{topic} stands here twice"
            elif Topic(topic) in silent:
                yield here, f"{topic} has nothing to look at without {silent[Topic(topic)]}"


def check_thresholds(draft: Draft) -> Findings:
    """Thresholds that some topic of the webhook reads; steps of a budget in their order."""
    silent = _silent(draft)
    for index, alert in enumerate(draft.document.alerts):
        here: Path = ("alerts", index)
        topics = topics_of(alert, silent)
        for name, topic in READ_BY.items():
            if getattr(alert, name) is not None and topic not in topics:
                missing = silent.get(topic) if alert.when is None else f"{topic} in when"
                yield (*here, name), f"has no effect without {missing}"
        steps = alert.budget_steps
        if steps is not None and (not steps or list(steps) != sorted(set(steps))):
            yield (*here, "budget_steps"), "must be rising, such as [0.5, 0.8, 1]; at least one step"


def _usual_feed(provider: ProviderModel) -> tuple[str, str]:
    """The name of a provider's preset and the address of its usual status page, "" where there is none."""
    try:
        preset = preset_of(provider)
    except ValueError:  # its base URL is no address, which is told elsewhere
        preset = PRESETS["custom"]
    return preset.name, preset.status_feed


def check_feeds(draft: Draft) -> Findings:
    """Status pages that can be read, and switches that switch something."""
    hints = draft.document.hints
    usual = {name: _usual_feed(provider) for name, provider in draft.document.providers.items()}
    for name, provider in draft.document.providers.items():
        preset, address = usual[name]
        message = _feed(provider.status_feed, preset, address, hints)
        if message is not None:
            yield ("providers", name, "status_feed"), message
    if hints and not any(address for _, address in usual.values()) and draft.whole("providers"):
        known = ", ".join(preset.name for preset in PRESETS.values() if preset.status_feed)
        yield ("hints",), f"has no effect: no provider here has a usual status page (known: {known}); use status_feed"


def _feed(said: str | None, preset: str, usual: str, hints: bool) -> str | None:
    if said is None or (said == "usual" and usual):
        return None
    if said == "usual":
        return f"{preset} has no status page that is known here; write the address of its JSON"
    if said == "off":
        return None if hints and usual else "is off anyway"
    wrong = _address(said)
    return None if wrong is None else f"{wrong}; or usual, or off"
