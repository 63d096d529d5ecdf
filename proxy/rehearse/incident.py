"""An incident that really happened, from the proxy's own record of it, as an outage to rehearse.

What is read is the JSON of `undimmed incidents ID --format json`: `{id, started, ended, trigger, targets, timeline: [{t,
target, outcomes: {kind: n}, ttft_p50, rate}]}`, `t` in Unix time (or in seconds from the start), `target` as
`provider/model`. Each line of the timeline becomes a span until the next line of its target: the commonest failure with its
share, and how much slower than usual it was. What a proxy can record is what the vendor did to it, not why: a rehearsal of
the file is as coarse as the timeline.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from json import dumps

import msgspec

from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.outcome import OutcomeKind
from proxy.rehearse.outage import parse

#: Seconds that the last line of a timeline stands for, where nothing says how long.
USUAL_STEP = 60.0
#: Below this share failures are the noise of every day.
NOISE = 0.02
#: Times the usual, from which a target is called slow.
SLOWER = 1.5
LONGEST_TEXT = 200

#: What a failure is played as: the fields of a span.
PLAYED: dict[str, dict[str, object]] = {
    OutcomeKind.RATE_LIMITED: {"mode": "status", "failure": "rate_limited"},
    OutcomeKind.QUOTA_EXHAUSTED: {"mode": "status", "failure": "openai_quota"},
    OutcomeKind.OVERLOADED: {"mode": "status", "failure": "overloaded"},
    OutcomeKind.SERVER_ERROR: {"mode": "status", "failure": "server_error"},
    OutcomeKind.CONNECT_FAILED: {"mode": "refuse"},
    OutcomeKind.CONNECT_TIMEOUT: {"mode": "connect_hang"},
    OutcomeKind.FIRST_CONTENT_TIMEOUT: {"mode": "black_hole"},
    OutcomeKind.STALLED: {"mode": "black_hole"},
    OutcomeKind.AUTH_FAILED: {"mode": "status", "failure": "bad_key"},
    OutcomeKind.MODEL_FORBIDDEN: {"mode": "status", "failure": "bad_key"},
    OutcomeKind.MODEL_NOT_FOUND: {"mode": "status", "failure": "openai_model_not_found"},
    OutcomeKind.BAD_REQUEST: {"mode": "status", "failure": "bad_request"},
    OutcomeKind.REJECTION_SUSPECTED: {"mode": "status", "failure": "bad_request"},
    OutcomeKind.REJECTION_STORM: {"mode": "status", "failure": "bad_request"},
    OutcomeKind.MALFORMED: {"mode": "garbage"},
    OutcomeKind.STREAM_BROKEN: {"mode": "cut", "after": 10},
    OutcomeKind.IDLE_TIMEOUT: {"mode": "stall", "after": 10},
}
#: Ends that say nothing of the target.
NEUTRAL = frozenset(
    {"ok", "client_gone", "shutdown", "unsupported", "context_too_long", "content_filtered", "deadline_exceeded"}
    | {"diverged", "outpaced", "superseded", "unconvincing"}
)


class Moment(msgspec.Struct):
    """A line of the timeline."""

    t: float
    target: str
    outcomes: dict[str, int] = {}
    ttft_p50: float | None = None
    rate: float | None = None


class Incident(msgspec.Struct):
    """What is read of the record; more may stand in it."""

    id: str
    started: float
    timeline: list[Moment]
    ended: float | None = None
    trigger: str = ""
    targets: list[str] = []


def to_outage(data: bytes, name: str) -> str:
    """The YAML text of the outage. ConfigError where the record cannot be read, or nothing happens in it."""
    try:
        incident = msgspec.json.decode(data, type=Incident)
    except msgspec.DecodeError as error:
        raise ConfigError([ConfigProblem(f"is not the record of an incident: {error}", name)]) from error
    spans = list(_spans(incident))
    if not spans:
        raise ConfigError([ConfigProblem("nothing happens in its timeline that could be rehearsed", name, None, "timeline")])
    text = _write(incident, spans)
    parse(text, name)
    return text


def _spans(incident: Incident) -> Iterator[dict[str, object]]:
    hit = set(incident.targets) or {moment.target for moment in incident.timeline}
    for target in dict.fromkeys(moment.target for moment in incident.timeline):
        if target not in hit:
            continue
        moments = sorted((m for m in incident.timeline if m.target == target), key=lambda m: m.t)
        usual = min((m.ttft_p50 for m in moments if m.ttft_p50), default=None)
        place = {"models": dumps([target.partition("/")[2]], ensure_ascii=False)}
        for number, moment in enumerate(moments):
            until = moments[number + 1].t if number + 1 < len(moments) else _last(incident, moment)
            played = _played(moment, usual)
            start, end = (round(at - _zero(incident), 3) for at in (moment.t, until))
            if played and end > max(start, 0.0):
                yield {"from": f"{max(start, 0.0):g}s", "to": f"{end:g}s", **place, **played}


def _zero(incident: Incident) -> float:
    """Where the times of the timeline begin: at the start in Unix time, or at 0."""
    first = min(moment.t for moment in incident.timeline)
    return incident.started if first >= incident.started - 86400 else 0.0


def _last(incident: Incident, moment: Moment) -> float:
    # An incident whose end the proxy did not live to see ends with its last happening, which may be its first.
    told = incident.ended is not None and incident.ended > incident.started
    end = incident.ended - incident.started + _zero(incident) if told and incident.ended is not None else None
    return end if end is not None and end > moment.t else moment.t + USUAL_STEP


def _played(moment: Moment, usual: float | None) -> dict[str, object]:
    """The fields of a span; empty for a moment in which all was well."""
    judged = {kind: count for kind, count in moment.outcomes.items() if kind not in NEUTRAL and kind in PLAYED}
    total = sum(judged.values()) + moment.outcomes.get("ok", 0)
    share = sum(judged.values()) / total if total else 0.0
    fields: dict[str, object] = {}
    if judged and share > NOISE:
        fields = dict(PLAYED[max(judged, key=lambda kind: judged[kind])])
        if share < 1.0:
            fields["share"] = round(share, 3)
    if usual and moment.ttft_p50 and moment.ttft_p50 > SLOWER * usual:
        fields["slower"] = round(moment.ttft_p50 / usual, 2)
    return fields


def _write(incident: Incident, spans: Sequence[dict[str, object]]) -> str:
    length = max(float(str(span["to"])[:-1]) for span in spans)
    providers = dict.fromkeys((target or "").partition("/")[0] for target in incident.targets)
    if not providers:
        providers = dict.fromkeys(moment.target.partition("/")[0] for moment in incident.timeline)
    day = datetime.fromtimestamp(incident.started, UTC).date().isoformat()
    title = incident.trigger[:LONGEST_TEXT] or "an incident of our own"
    lines = [
        f"title: {dumps(title, ensure_ascii=False)}",
        f"source: {dumps('incident ' + incident.id[:LONGEST_TEXT], ensure_ascii=False)}",
        "evidence: own",
        f"date: {day}",
        f"length: {length:g}s",
        f"vendor: {dumps(list(providers), ensure_ascii=False)}",
        "spans:",
    ]
    lines += [f"  - {{{', '.join(f'{key}: {value}' for key, value in span.items())}}}" for span in spans]
    return "\n".join(lines) + "\n"
