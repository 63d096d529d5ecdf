"""When a provider says that asking again can help: twelve dialects, one number of seconds.

In order: `retry-after-ms`, `x-ms-retry-after-ms`, `retry-after` (seconds, or a date), Google's RetryInfo in the body,
`x-ratelimit-reset*` (Go durations, plain seconds, epoch seconds or milliseconds), `anthropic-ratelimit-*-reset` (RFC
3339), and the wording of the message. The first that gives a sane delay wins; a hostile one (negative, not a
number, infinite, past, or more than a month) is passed over as if it were not there.

There is no clock here: points in time are taken relative to the answer's own `Date`, and without one they say nothing.
Only for errors: on a 2xx these headers do not mean that anything failed.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from proxy.core.exchange import HeaderList
from proxy.wire.trouble import Trouble

#: Seconds. Quotas reset within a month; whatever is longer is a mistake or an attack.
MAX_DELAY = 31 * 86400.0

_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d{0,12})?(?:[eE][+-]?\d{1,4})?")
_GO_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ns|us|µs|ms|s|m|h|d)")
_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_IN_TEXT = re.compile(
    r"(?:retry after|try again (?:in|after)|retry in|wait)\s+(?:about\s+)?(\d{1,9}(?:\.\d{1,9})?)\s*"
    r"(ms|milliseconds?|s|secs?|seconds?|m(?!s)|mins?|minutes?|h|hours?|d|days?)(?![a-z])((?:\d{1,6}(?:\.\d{1,9})?[hms])*)"
)
_EPOCH = 1e9  # a larger number of seconds is a point in time
_EPOCH_MS = 1e12


def retry_after(headers: HeaderList, trouble: Trouble) -> float | None:
    """Seconds until asking again can help; None: the provider gave no hint, or none that makes sense."""
    fields = {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in headers}
    now = _parse_date(fields.get("date", ""))
    for delay in _list_hints(fields, trouble, now):
        if delay is not None and 0 < delay <= MAX_DELAY:
            return delay
    return None


def _list_hints(fields: Mapping[str, str], trouble: Trouble, now: float | None) -> Iterator[float | None]:
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _parse_number(fields.get(name, ""))
        yield None if milliseconds is None else milliseconds / 1000
    value = fields.get("retry-after", "")
    yield _parse_number(value)
    yield _parse_go(value)
    yield _since(now, _parse_date(value))
    yield _read_retry_info(trouble)
    yield _read_resets(fields, "x-ratelimit-reset", "x-ratelimit-remaining", now)
    yield _read_resets(fields, "anthropic-ratelimit-", "anthropic-ratelimit-", now)
    yield _read_text(trouble.text)


def _read_retry_info(trouble: Trouble) -> float | None:
    details = trouble.fields.get("details")
    for row in details if isinstance(details, list) else ():
        if isinstance(row, dict) and isinstance(row.get("retryDelay"), str):
            return _parse_go(row["retryDelay"])
    return None


def _read_resets(fields: Mapping[str, str], reset: str, remaining: str, now: float | None) -> float | None:
    """Of several limits the one that is used up counts, and the latest of those; if none says so, the latest of all."""
    found: dict[bool, float] = {}
    for name, value in fields.items():
        if not name.startswith(reset) or "reset" not in name:
            continue
        delay = _parse_reset(value, now)
        if delay is None or not 0 < delay <= MAX_DELAY:
            continue
        left = fields.get(name.replace(reset, remaining, 1) if reset != remaining else name.replace("reset", "remaining"))
        spent = left is not None and _parse_number(left) == 0
        found[spent] = max(found.get(spent, 0.0), delay)
    return found.get(True, found.get(False))


def _parse_reset(value: str, now: float | None) -> float | None:
    number = _parse_number(value)
    if number is None:
        return _parse_go(value) or _since(now, _parse_timestamp(value))
    if number < _EPOCH:
        return number
    return _since(now, number / 1000 if number >= _EPOCH_MS else number)


def _read_text(text: str) -> float | None:
    """`Please retry after 37 seconds`, `try again in 1m26.4s`, `in 20ms`; the text is lower-case."""
    found = _IN_TEXT.search(text)
    if found is None:
        return None
    unit = found[2]
    short = "ms" if unit.startswith(("ms", "mil")) else unit[0]
    return float(found[1]) * _GO_UNITS[short] + (_parse_go(found[3]) or 0.0)


def _parse_number(value: str) -> float | None:
    if not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _parse_go(value: str) -> float | None:
    """`6m0s`, `12ms`, `1h2m3s`, `26s`."""
    total, at = 0.0, 0
    while part := _GO_PART.match(value, at):
        total += float(part[1]) * _GO_UNITS[part[2]]
        at = part.end()
    return total if at and at == len(value) else None


def _parse_date(value: str) -> float | None:
    """An HTTP date as Unix time."""
    if "," not in value or len(value) > 64:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return _as_unix(moment)


def _parse_timestamp(value: str) -> float | None:
    """An RFC 3339 time as Unix time."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return _as_unix(moment)


def _as_unix(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _since(now: float | None, then: float | None) -> float | None:
    return None if now is None or then is None else then - now
