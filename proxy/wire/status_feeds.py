"""Providers' status pages: bytes to a `FeedReport`.

Two shapes are read, told apart by what they are. *Statuspage* (`/api/v2/summary.json`: OpenAI, Anthropic, Groq, Cohere
and many others; incident.io serves the same) is an object with `status.indicator` (none, minor, major, critical) and the
unresolved `incidents`. *Google Cloud* (`incidents.json`) is a list of all incidents of all products, over or not: those
without `end` count, if a product that serves models is affected. Whatever else comes is `Unreadable`; texts are cleaned
and bounded. Sources: metastatuspage.com/api; status.cloud.google.com/incidents.schema.json.
"""

import msgspec
from msgspec import Struct

from proxy.core.hints import FeedReport, Level
from proxy.wire.redaction import clean

MAX_TITLE = 160
MAX_TEXT = 240
MAX_STAMP = 40

_LEVELS = {
    "minor": Level.MINOR,
    "maintenance": Level.MINOR,
    "major": Level.MAJOR,
    "critical": Level.CRITICAL,
}
_GOOGLE_LEVELS = {"SERVICE_OUTAGE": Level.CRITICAL, "SERVICE_DISRUPTION": Level.MAJOR}
#: Parts of the names of Google's products that serve models.
_MODEL_PRODUCTS = ("vertex", "gemini", "agent platform", "generative")
#: States of an incident that is over, or has not begun.
_OVER = frozenset({"resolved", "postmortem", "completed", "scheduled"})


class Unreadable(Exception):
    """Not a status feed; the text goes on after the page's name."""


class _Status(Struct):
    indicator: str | None = None
    description: str | None = None


class _Incident(Struct):
    name: str | None = None
    status: str | None = None
    impact: str | None = None
    started_at: str | None = None
    created_at: str | None = None


class _Summary(Struct):
    status: _Status
    incidents: list[_Incident] | None = None


class _Product(Struct):
    title: str | None = None


class _GoogleIncident(Struct):
    begin: str | None = None
    end: str | None = None
    external_desc: str | None = None
    status_impact: str | None = None
    affected_products: list[_Product] | None = None


_DECODER = msgspec.json.Decoder(_Summary | list[_GoogleIncident])


def read_feed(body: bytes) -> FeedReport:
    """A status page's answer. Raises Unreadable."""
    try:
        found = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("answered something that is not a status feed") from error
    return _statuspage(found) if isinstance(found, _Summary) else _google(found)


def _statuspage(summary: _Summary) -> FeedReport:
    level = _LEVELS.get(summary.status.indicator or "", Level.NONE)
    open_ones = [incident for incident in summary.incidents or () if incident.status not in _OVER]
    gravest = max(open_ones, key=lambda incident: _LEVELS.get(incident.impact or "", Level.NONE), default=None)
    if gravest is None and level is Level.NONE:
        return FeedReport(Level.NONE)
    words = clean(summary.status.description or "", MAX_TITLE)
    if gravest is None:
        return FeedReport(level, words)
    level = max(level, _LEVELS.get(gravest.impact or "", Level.NONE))
    return FeedReport(level, _join(words, gravest.name), _stamp(gravest.started_at or gravest.created_at))


def _google(incidents: list[_GoogleIncident]) -> FeedReport:
    ours = [incident for incident in incidents if not incident.end and _serves_models(incident)]
    if not ours:
        return FeedReport(Level.NONE)
    gravest = max(ours, key=_google_level)
    level = _google_level(gravest)
    words = (gravest.status_impact or "").replace("_", " ").capitalize()
    return FeedReport(level, _join(clean(words, MAX_TITLE), gravest.external_desc), _stamp(gravest.begin))


def _google_level(incident: _GoogleIncident) -> Level:
    return _GOOGLE_LEVELS.get(incident.status_impact or "", Level.MINOR)


def _serves_models(incident: _GoogleIncident) -> bool:
    names = [(product.title or "").lower() for product in incident.affected_products or ()]
    return any(part in name for name in names for part in _MODEL_PRODUCTS)


def _join(words: str, name: str | None) -> str:
    title = clean(name or "", MAX_TITLE)
    return clean(f"{words}: “{title}”" if words and title else words or title, MAX_TEXT)


def _stamp(text: str | None) -> str:
    """A time as the page wrote it, if it looks like one."""
    text = text or ""
    return text if len(text) <= MAX_STAMP and text[:4].isdigit() and text.isascii() and text.isprintable() else ""
