"""The Markdown post-mortem of an incident: what happened when, what it did to clients, what it cost."""

from collections.abc import Iterator

from proxy.cli.incidents import show_length, show_time
from proxy.core.incidents import Incident, Point

#: Lines of the timeline; a longer one is shown every so many buckets.
_MAX_LINES = 120


def write_postmortem(incident: Incident) -> str:
    """One document."""
    return "\n".join([*_head(incident), *_steps(incident), *_observed(incident), ""])


def _head(incident: Incident) -> Iterator[str]:
    yield f"# Incident {incident.id}"
    yield ""
    ended = "it lasts" if incident.ended is None else f"ended {show_time(incident.ended)}"
    yield f"Began {show_time(incident.started)}, {ended} ({show_length(incident)})."
    yield ""
    yield f"**Trigger:** {_cell(incident.trigger)}."
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| targets | {_cell(', '.join(incident.targets)) or 'none by itself'} |"
    if incident.domains:
        yield f"| suspect as a whole | {_cell(', '.join(incident.domains))} |"
    yield f"| calls touched | {incident.calls:,} |"
    yield f"| answered elsewhere | {incident.rerouted:,} |"
    yield f"| errors that clients saw | {incident.errors:,} |"
    yield f"| extra latency, all calls together | {incident.extra_latency:,.1f} s |"
    yield f"| extra cost, where prices are known | ${incident.extra_cost / 1e9:,.4f} |"
    yield f"| tokens wasted | {incident.wasted_tokens:,} |"


def _steps(incident: Incident) -> Iterator[str]:
    yield ""
    yield "## What happened"
    yield ""
    yield "| time | what | became | why |"
    yield "| --- | --- | --- | --- |"
    for step in incident.happenings:
        yield f"| {show_time(step.at)} | {_cell(step.subject)} | {step.state.replace('_', ' ')} | {_cell(step.cause)} |"


def _observed(incident: Incident) -> Iterator[str]:
    if not incident.timeline:
        return
    yield ""
    yield "## What was observed"
    yield ""
    yield "| from | target | attempts/s | failed | median to first content | outcomes |"
    yield "| --- | --- | --- | --- | --- | --- |"
    step = -(-len(incident.timeline) // _MAX_LINES)
    for point in sorted(incident.timeline, key=lambda point: (point.t, point.target))[::step]:
        yield _line(point)
    if step > 1:
        yield ""
        yield f"Every {step}. line; all of them are in the JSON."


def _line(point: Point) -> str:
    total = sum(point.outcomes.values())
    failed = total - point.outcomes.get("ok", 0)
    began = "" if point.ttft_p50 is None else f"{point.ttft_p50 * 1000:.0f} ms"
    told = ", ".join(f"{kind} {count}" for kind, count in sorted(point.outcomes.items(), key=lambda pair: -pair[1]))
    share = f"{failed / total:.0%}" if total else ""
    return f"| {show_time(point.t)} | {_cell(point.target)} | {point.rate:g} | {share} | {began} | {told} |"


def _cell(text: str) -> str:
    """Causes may quote a provider's words: nothing of them may end a cell or become markup."""
    cleaned = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]#" else letter for letter in cleaned)
