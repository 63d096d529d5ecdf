"""The log: one line per finished call, state change and failed probe, and whatever else the program has to say.

Prompts, answers and secrets cannot get in, by construction: `keep_known` lets through only the keys listed here, and only
plain values; text that may hold a provider's words is cleaned of anything that looks like a key. Tracebacks are not
among them, since exceptions quote what they choked on: `describe` says of an error what it is and where.
"""

from pathlib import Path
from traceback import extract_tb
from typing import Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from proxy.core.limits import BudgetEvent, Unit
from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, StateChange
from proxy.stores.lines import LineWriter
from proxy.tokens.prices import dollars
from proxy.wire.redaction import clean

NAME = "undimmed"
LogFormat = Literal["json", "console"]

_CALL = frozenset(
    [
        "id",
        "route",
        "endpoint",
        "stream",
        "key",
        "status",
        "outcome",
        "committed",
        "duration_ms",
        "ttft_ms",
        "waited_ms",
        "served_by",
        "model",
        "attempts",
        "tokens_in",
        "tokens_out",
        "tokens_source",
        "tokens_wasted",
        "cost_usd",
    ]
)
_CHANGE = frozenset(["subject", "endpoint", "before", "after", "cause", "for_s"])
_PROBE = frozenset(["target", "kind", "took_ms", "detail"])
_LIFE = frozenset(
    [
        "address",
        "admin",
        "source",
        "file",
        "line",
        "routes",
        "target",
        "targets",
        "providers",
        "keys",
        "version",
        "pid",
        "workers",
        "reason",
        "error",
        "where",
        "at",
        "started",
        "limit_s",
        "in_flight",
        "open",
        "dropped",
        "signal",
        "problems",
        "count",
        "seconds",
        "attempt",
    ]
)
FIRST = ("timestamp", "level", "event")
#: Every key that can stand in a line.
KNOWN = frozenset(FIRST) | _CALL | _CHANGE | _PROBE | _LIFE
#: Keys whose text may come from elsewhere.
FOREIGN = frozenset({"cause", "detail", "error", "reason", "problems"})
MAX_TEXT = 300

#: Outcomes that nobody has to look at.
CALM = frozenset({OutcomeKind.OK, OutcomeKind.CLIENT_GONE, OutcomeKind.SUPERSEDED})
#: States in which nothing is held back.
GOOD_STATES = frozenset({"closed", "ready", "ramping", "available", "usable", "trusted", "off", "unlimited"})

_ENCODER = msgspec.json.Encoder()


def _plain(key: str, value: object) -> object:
    if isinstance(value, str):
        safe = key not in FOREIGN and len(value) <= MAX_TEXT and value.isprintable()
        # A lone surrogate is printable to nobody, and JSON cannot hold it.
        return value if safe else clean(value, MAX_TEXT).encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(key, item) for item in value]
    return type(value).__name__


def keep_known(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop every key that is not in `KNOWN`, make the values plain, and put what every line has at its beginning."""
    kept = {key: event[key] for key in FIRST if key in event}
    kept.update(event)
    return {key: _plain(key, value) for key, value in kept.items() if key in KNOWN}


def to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """The event as one line of JSON."""
    return _ENCODER.encode(event).decode()


def describe(error: BaseException) -> str:
    """What an error is and where it came up, innermost first, without its message (`KeyError at reply.py:88 < …`)."""
    frames = extract_tb(error.__traceback__)[-6:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}" if places else type(error).__name__


class Output:
    """What structlog writes to: every level goes to the same lines."""

    def __init__(self, writer: LineWriter) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = writer.write


def configure(form: LogFormat, stream: TextIO) -> LineWriter:
    """Set structlog up for the process. Close the writer at the end of the program, so that the last lines get out."""
    writer = LineWriter(stream)
    output = Output(writer)
    render: Processor = to_json
    if form == "console":
        plain = structlog.dev.plain_traceback
        render = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_known,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=False,
    )
    return writer


def compact(attempt: AttemptRecord) -> str:
    """An attempt in a word: `openai/gpt-5:overloaded(503) 120ms`."""
    status = f"({attempt.status})" if attempt.status is not None else ""
    took = round((attempt.ended_at - attempt.started_at) * 1000)
    drill = f" drill {attempt.drill}" if attempt.drill else ""
    return f"{attempt.target}:{attempt.kind.value}{status} {took}ms{drill}"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


class LogSink:
    """Writes records as lines. `calls` False: only state changes and failed probes. Make it after `configure`."""

    def __init__(self, calls: bool = True) -> None:
        self._log: FilteringBoundLogger = structlog.get_logger(NAME).bind()
        self._calls = calls

    def call_finished(self, record: CallRecord) -> None:
        if self._calls:
            write = self._log.info if record.outcome in CALM else self._log.warning
            write("call", **_call(record))

    def state_changed(self, change: StateChange) -> None:
        write = self._log.info if change.after in GOOD_STATES else self._log.warning
        write(
            "state_changed",
            subject=change.subject,
            endpoint=change.endpoint,
            before=change.before,
            after=change.after,
            cause=change.cause,
            for_s=round(change.until - change.at, 1) if change.until is not None else None,
        )

    def budget_reached(self, event: BudgetEvent) -> None:
        one = event.standing
        amounts = (one.spent, one.limit) if one.unit == Unit.TOKENS else (dollars(one.spent), dollars(one.limit))
        self._log.warning(
            "budget_reached",
            subject=one.subject,
            after=event.level.value,
            cause="{} of {} are spent".format(*amounts),
        )

    def probed(self, record: ProbeRecord) -> None:
        if not record.ok:
            took = _milliseconds(record.took)
            self._log.warning("probe_failed", target=record.target, kind=record.kind, took_ms=took, detail=record.detail)


def _call(record: CallRecord) -> dict[str, object]:
    served = next((attempt for attempt in reversed(record.attempts) if attempt.delivered), None)
    began = served.first_content_at if served is not None else None
    costs = [attempt.cost for attempt in record.attempts if attempt.cost is not None]
    wasted = [a.usage.total for a in record.attempts if a.usage is not None and not a.delivered]
    fields: dict[str, object] = {
        "id": record.id,
        "route": record.route,
        "endpoint": record.endpoint.value,
        "stream": record.stream,
        "key": record.key,
        "status": record.status,
        "outcome": record.outcome.value,
        "duration_ms": _milliseconds(record.ended_at - record.started_at),
        # From the client's side: what failed attempts and waiting took is in it.
        "ttft_ms": _milliseconds(began - record.started_at) if began is not None else None,
        "waited_ms": _milliseconds(record.waited) or None,
        "served_by": record.served_by,
        "attempts": [compact(attempt) for attempt in record.attempts],
        "tokens_wasted": sum(wasted) or None,
        "cost_usd": dollars(sum(costs)) if costs else None,
    }
    if served is not None and served.usage is not None:
        fields["tokens_in"] = served.usage.input
        fields["tokens_out"] = served.usage.output
        fields["tokens_source"] = served.usage.source.value
    return {key: value for key, value in fields.items() if value is not None}
