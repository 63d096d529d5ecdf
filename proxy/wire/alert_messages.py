"""A notice as the body of a webhook: our own JSON, or what Slack's incoming webhooks take.

The JSON has the frame of Standard Webhooks (`type`, `timestamp`, `data`) and a version, which only changes when something
that was there changes its meaning; receivers skip keys that they do not know. Slack's shape is Block Kit with a text for
notifications (docs.slack.dev/reference/block-kit: a header holds 150 characters, a section 3,000); its three control
characters are escaped, so that nobody's words can mention a channel.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from proxy.core.alarming import Notice, NoticeState, Severity

VERSION = 1
MAX_HEADER, MAX_SECTION, MAX_CONTEXT = 150, 3000, 2000
MAX_SUBJECT, MAX_SENTENCE = 200, 2000
_SIGNS = {Severity.CRITICAL: ":red_circle:", Severity.WARNING: ":large_orange_circle:", Severity.INFO: ":large_blue_circle:"}
_OVER = ":large_green_circle:"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tame(notice: Notice) -> Notice:
    """Bounded, and such as can be encoded: clients may name models, and so what a message is about."""

    def plain(text: str, limit: int) -> str:
        return text[:limit].encode("utf-8", "replace").decode()

    return replace(notice, subject=plain(notice.subject, MAX_SUBJECT), text=plain(notice.text, MAX_SENTENCE))


def encode_json(notice: Notice) -> bytes:
    """Our own shape; the README shows one."""
    notice = _tame(notice)
    return msgspec.json.encode(
        {
            "type": f"alert.{notice.state.value}",
            "timestamp": _moment(notice.at),
            "version": VERSION,
            "data": {
                "id": notice.id,
                "alert": notice.alert,
                "state": notice.state.value,
                "step": notice.step,
                "topic": None if notice.topic is None else notice.topic.value,
                "condition": notice.condition,
                "severity": notice.severity.value,
                "subject": notice.subject,
                "provider": notice.provider or None,
                "text": notice.text,
                "since": _moment(notice.since),
                "value": notice.value,
                "threshold": notice.threshold,
                "status_page": notice.hint or None,
            },
        }
    )


def _escape(text: str, limit: int) -> str:
    """Within the limit after escaping, without cutting an escape in two."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    while len(safe) > limit:
        text = text[: len(text) - max(1, (len(safe) - limit) // 5) - 1] + "…"
        safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe


def _title(notice: Notice) -> str:
    if notice.state is NoticeState.TEST:
        return "Test of Undimmed's alerts"
    what = "Resolved" if notice.state is NoticeState.RESOLVED else notice.severity.value.capitalize()
    return f"{what}: {notice.subject} ({notice.condition})"


def encode_slack(notice: Notice) -> bytes:
    """Slack's shape: a header, the sentence, and beneath it what the status page says and the alert's id."""
    notice = _tame(notice)
    sign = _SIGNS[notice.severity] if notice.state is NoticeState.FIRING else _OVER
    title = _title(notice)
    # Shown in the reader's own time zone.
    since = f"<!date^{int(notice.since)}^{{date_short_pretty}} {{time}}|{_moment(notice.since)}>"
    context = [f"{notice.severity.value} · since {since} · `{notice.alert}`"]
    if notice.hint:
        context.insert(0, _escape(f"{notice.provider} says: {notice.hint}", MAX_CONTEXT))
    return msgspec.json.encode(
        {
            "text": _escape(f"{title}: {notice.text}", MAX_SECTION),
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": title[:MAX_HEADER], "emoji": True}},
                {"type": "section", "text": {"type": "mrkdwn", "text": f"{sign} {_escape(notice.text, MAX_SECTION - 50)}."}},
                {
                    "type": "context",
                    "elements": [{"type": "mrkdwn", "text": line} for line in context],
                },
            ],
        }
    )


#: By the name of the format.
ENCODERS: Mapping[str, Callable[[Notice], bytes]] = {"json": encode_json, "slack": encode_slack}
