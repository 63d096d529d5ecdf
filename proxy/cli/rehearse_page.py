"""The page of a rehearsal: one file without anything from outside, for screens of any width, light or dark, and for paper.

Drawings have no coordinates of their own: places are percentages of the width there is, so that text keeps its size and one
page serves a telephone and a wall. What a drawing shows stands beside it in words. Everything that comes from a file is
escaped.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template

from proxy import __version__
from proxy.cli.rehearse_text import (
    show_extra,
    show_hit,
    show_remark,
    show_seconds,
    show_share,
    verdict,
)
from proxy.rehearse.advice import Advice
from proxy.rehearse.findings import Figures, Findings, Stretch

TEMPLATE = Path(__file__).with_name("rehearse_page.html")
WEIGHTS = {3: "requests were lost", 2: "a risk", 1: "worth a thought"}
#: Targets with a colour of their own; the rest share the last.
COLOURS = 7
STATES = {
    "open": "open: nothing is sent",
    "half_open": "half-open: one trial",
    "ramping": "coming back by steps",
    "held": "held until a given time",
    "expired": "no live token",
}
_CODE = re.compile(r"`([^`]+)`")
#: Outages that a piece of advice leads to, at most.
LINKS = 6
#: Units of the lanes' drawings.
LANE, LANE_HEIGHT = 1000, 14
#: As wide as a mark is at least: about two pixels, since a moment should still be seen.
MARK = 2.0
COLOURED = {"kept": "good", "lost": "bad", "bare": "warn", "untouched": "soft"}
TAGS = {"kept": "yes", "lost": "no", "bare": "half", "untouched": "none"}
HEADS = ("direct", "proxied", "p50", "p99", "re­routed", "wasted tokens", "extra cost", "noticed after")


def write_page(path: Path, source: str, findings: Sequence[Findings], advice: Sequence[Advice]) -> None:
    """Raises OSError."""
    path.write_text(render(source, findings, advice), encoding="utf-8")


def render(source: str, findings: Sequence[Findings], advice: Sequence[Advice]) -> str:
    """The whole page."""
    number = len(findings)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        source=escape(source),
        headline=escape(_headline(findings)),
        count=f"{number} outage{'' if number == 1 else 's'}",
        tiles=_tiles(findings),
        advice=_advice(advice),
        table=_table(findings),
        outages="\n".join(_outage(found) for found in findings),
        footer=f"undimmed {__version__}. Vendors' usual speeds are assumptions of the rehearsal; lengths and shapes of "
        "outages are from the sources named, where those say so. Equal seeds give equal pages.",
    )


def _headline(findings: Sequence[Findings]) -> str:
    bare = [found for found in findings if verdict(found) in ("bare", "lost") and found.uncovered_routes]
    routes = sorted({route for found in bare for route in found.uncovered_routes})
    lost = [found.name for found in findings if not found.kept]
    parts = []
    if routes:
        named, verb = ("route", "goes") if len(routes) == 1 else ("routes", "go")
        times = f"{len(bare)} outage{'' if len(bare) == 1 else 's'}"
        parts.append(f"{named} {' and '.join(routes)} {verb} down with one vendor, in {times}")
    if lost:
        parts.append(f"requests are lost in {', '.join(lost)} although another provider is healthy")
    if parts:
        return _capital("; ".join(parts))
    return "Whatever happened to one provider, clients were served by another"


def _tiles(findings: Sequence[Findings]) -> str:
    asked = sum(found.direct.requests for found in findings)
    direct = asked - sum(found.direct.answered for found in findings)
    proxied = sum(found.proxied.requests - found.proxied.answered for found in findings)
    worst = min(findings, key=lambda found: found.proxied.availability)
    kept = sum(found.kept and not found.uncovered_routes for found in findings)
    tiles = (
        (f"{direct:,}", "bad" if direct else "good", f"of {asked:,} requests failed when sent directly"),
        (f"{proxied:,}", "bad" if proxied else "good", "of the same requests failed through the proxy"),
        (f"{kept} of {len(findings)}", "good" if kept == len(findings) else "warn", "outages that nobody had to notice"),
        (show_share(worst.proxied), COLOURED[verdict(worst)], f"answered in the worst outage, {worst.name}"),
    )
    return "".join(f'<div class="tile"><b class="{kind}">{value}</b>{escape(text)}</div>' for value, kind, text in tiles)


def _advice(advice: Sequence[Advice]) -> str:
    if not advice:
        return "<p>Nothing: no weak spot of this configuration showed.</p>"
    items = []
    for piece in advice:
        links = ", ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in piece.outages[:LINKS])
        links += f" and {len(piece.outages) - LINKS} more" if len(piece.outages) > LINKS else ""
        seen = f' <span class="soft small">See {links}.</span>' if links else ""
        items.append(
            f'<li class="advice w{piece.weight}"><span class="tag">{WEIGHTS[piece.weight]}</span>'
            f"<code>{escape(piece.key)}</code><p>{_prose(_capital(piece.text))}{seen}</p></li>"
        )
    return f'<ul class="advices">{"".join(items)}</ul>'


def _prose(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(findings: Sequence[Findings]) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    rows = "".join(_table_row(found) for found in findings)
    return (
        '<table><thead><tr><th class="l" scope="col"></th><th class="l" scope="col">what happened, to whom, verdict</th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _table_row(found: Findings) -> str:
    kind = verdict(found)
    cells = (
        show_share(found.direct),
        f'<b class="{COLOURED[kind]}">{show_share(found.proxied)}</b>',
        f"{show_seconds(found.direct.p50)}<br>→ {show_seconds(found.proxied.p50)}",
        f"{show_seconds(found.direct.p99)}<br>→ {show_seconds(found.proxied.p99)}",
        f"{found.rerouted:,}",
        f"{found.wasted:,}",
        escape(show_extra(found)),
        show_seconds(found.detected),
    )
    name = escape(found.name)
    return (
        f'<tr><th class="l" scope="row"><a href="#{name}">{name}</a></th><td class="l what">{escape(found.title)}'
        f'<br><span class="soft">{escape(show_hit(found))}</span> '
        f'<span class="tag {TAGS[kind]}">{escape(show_remark(found) or "kept")}</span></td>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )


def _outage(found: Findings) -> str:
    name = escape(found.name)
    rows = [
        _failed_row(found, "sent directly", "direct_failed", found.direct),
        _failed_row(found, "through the proxy", "proxied_failed", found.proxied),
        _traffic(found),
        *_lanes(found),
        _axis(found),
    ]
    body = (
        "".join(rows)
        if found.hit
        else f"<p>{escape(_capital(show_remark(found)))}: nothing happens to this configuration.</p>"
    )
    tag = f'<span class="tag {TAGS[verdict(found)]}">{name}</span>'
    return (
        f'<article class="outage" id="{name}"><h3>{tag}{escape(found.title)}</h3>'
        f'<p class="small soft">{_origin(found)}</p>{_facts(found)}{body}{_details(found)}</article>'
    )


def _origin(found: Findings) -> str:
    link = escape(found.source)
    if found.source.startswith("https://"):
        link = f'<a href="{link}">{link}</a>'
    word = {"primary": "the vendor's own account", "secondary": "press and monitors", "own": "your own incident"}
    how = escape(word.get(found.evidence, found.evidence))
    faster = f", played {found.squeeze:,.1f} times faster" if found.squeeze > 1.05 else ""
    rate = f"{found.rps:.3g} requests a second"
    note = f"<br>{escape(found.note)}" if found.note else ""
    return f"{escape(found.date)}, {show_seconds(found.published)}{faster}, {rate}. Source ({how}): {link}{note}"


def _facts(found: Findings) -> str:
    slowest = found.proxied.slowest
    facts = (
        ("hits", escape(show_hit(found))),
        ("answered", f"{show_share(found.direct)} → {show_share(found.proxied)}"),
        ("first token, p99", f"{show_seconds(found.direct.p99)} → {show_seconds(found.proxied.p99)}"),
        ("slowest", show_seconds(slowest)),
        ("rerouted", f"{found.rerouted:,} of {found.proxied.requests:,}"),
        ("wasted tokens", f"{found.wasted:,}"),
        ("extra cost", escape(show_extra(found))),
        ("noticed after", show_seconds(found.detected)),
    )
    return '<div class="facts">' + "".join(f"<span>{name} <b>{value}</b></span>" for name, value in facts) + "</div>"


def _failed_row(found: Findings, how: str, kind: str, figures: Figures) -> str:
    label = f"{figures.requests - figures.answered:,} failed {how}"
    return _strip_row(label, _bars(found, kind, label))


def _strip_row(label: str, drawing: str) -> str:
    return f'<div class="row"><span class="all">{escape(label)}</span>{drawing}</div>'


def _units(found: Findings, at: float, whole: float) -> float:
    """A moment as a place on a drawing that is `whole` units wide."""
    return round(whole * at / found.seconds, 2)


def _open(found: Findings, whole: float, height: int, label: str) -> str:
    """The beginning of a drawing that is stretched to the room there is, with the outage shaded."""
    begins = _units(found, found.begins, whole)
    width = round(_units(found, found.ends, whole) - begins, 2)
    return (
        f'<svg height="{height}" viewBox="0 0 {whole:g} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}"><rect class="window" x="{begins:g}" width="{width:g}" height="{height}"/>'
    )


def _tower(number: int, bottom: float, top: float) -> str:
    """A bar of the slice with this number, between two heights, as a piece of a path."""
    return f"M{number} {round(bottom, 1):g}V{round(top, 1):g}h.9V{round(bottom, 1):g}z"


def _most_asked(found: Findings) -> int:
    return max((piece.requests for piece in found.slices), default=0) or 1


def _bars(found: Findings, kind: str, label: str) -> str:
    """What was asked for in each slice, and in front of it what failed."""
    height, most = 36, _most_asked(found)
    drawing = _open(found, len(found.slices), height, label)
    for cls, name in (("asked", "requests"), ("lost", kind)):
        counts = enumerate(int(getattr(piece, name)) for piece in found.slices)
        path = "".join(_tower(number, height, height - height * count / most) for number, count in counts if count)
        drawing += f'<path class="{cls}" d="{path}"/>'
    return f"{drawing}</svg>"


def _traffic(found: Findings) -> str:
    """Which target answered, stacked; and the legend that names them."""
    totals: Counter[str] = Counter()
    for piece in found.slices:
        totals.update(piece.served)
    order = [target for target, _ in totals.most_common()]
    height, most = 72, _most_asked(found)
    label = "answered by " + "; ".join(f"{target} {totals[target]:,}" for target in order)
    drawing = _open(found, len(found.slices), height, label)
    tops = [float(height)] * len(found.slices)
    for place, target in enumerate(order):
        path = ""
        for number, piece in enumerate(found.slices):
            tall = height * piece.served.get(target, 0) / most
            if tall:
                path += _tower(number, tops[number], tops[number] - tall)
                tops[number] -= tall
        drawing += f'<path class="t{min(place, COLOURS - 1)}" d="{path}"/>'
    entries = ((f"t{min(place, COLOURS - 1)}", f"{target} {totals[target]:,}") for place, target in enumerate(order))
    return _strip_row("answered by", f"{drawing}</svg>") + _legend(entries)


def _legend(entries: Iterable[tuple[str, str]]) -> str:
    marks = (
        f'<span><svg aria-hidden="true"><rect class="{cls}" width="100%" height="100%"/></svg>{escape(text)}</span>'
        for cls, text in entries
    )
    return f'<div class="legend">{"".join(marks)}</div>'


def _lanes(found: Findings) -> Iterator[str]:
    """States of targets and credentials over time; those that were never anything but well are left out."""
    seen: dict[str, str] = {}
    for subject, stretches in found.states.items():
        label = f"{subject}: {len(stretches)} times out of its usual state"
        drawing = _open(found, LANE, LANE_HEIGHT, label)
        for stretch in _visible(found, stretches):
            cls = seen.setdefault(stretch.state, stretch.state if stretch.state in STATES else "other")
            drawing += _mark(found, stretch, cls)
        yield f'<div class="row"><span>{escape(subject)}</span>{drawing}</svg></div>'
    if seen:
        yield _legend((cls, STATES.get(state, state)) for state, cls in seen.items())


def _visible(found: Findings, stretches: Sequence[Stretch]) -> Iterator[Stretch]:
    """Without those that would lie under the mark before them."""
    drawn = -1.0
    for stretch in stretches:
        start, end = (_units(found, at, LANE) for at in (stretch.start, stretch.end))
        if end > drawn:
            drawn = max(end, start + MARK)
            yield stretch


def _mark(found: Findings, stretch: Stretch, cls: str) -> str:
    length = stretch.end - stretch.start
    words = escape(f"{stretch.state} for {show_seconds(length)}: {stretch.cause}")
    place = f'x="{_units(found, stretch.start, LANE):g}" width="{max(MARK, _units(found, length, LANE)):g}"'
    return f'<rect class="{cls}" {place} height="{LANE_HEIGHT}"><title>{words}</title></rect>'


def _axis(found: Findings) -> str:
    """In the outage's own time: its start is 0."""
    marks = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = found.begins + share * (found.ends - found.begins)
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        text = "begins" if share == 0 else "ends" if share == 1 else f"+{show_seconds(share * found.published)}"
        marks.append(f'<text x="{_units(found, at, 100):g}%" y="12" text-anchor="{anchor}">{text}</text>')
    return f'<div class="row"><span></span><svg class="axis" height="16" aria-hidden="true">{"".join(marks)}</svg></div>'


def _details(found: Findings) -> str:
    reasons = [f"directly: {count:,} × {reason}" for reason, count in _most(found.direct.errors)]
    reasons += [f"through the proxy: {count:,} × {reason}" for reason, count in _most(found.proxied.errors)]
    for who, figures in (("directly", found.direct), ("through the proxy", found.proxied)):
        if figures.wrong:
            reasons.append(f"{who}: {figures.wrong:,} well-formed answers in a script that nobody asked for")
    causes = [
        f"{subject}: {stretches[0].state}, {stretches[0].cause}" for subject, stretches in found.states.items() if stretches
    ]
    if not reasons and not causes:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in (*reasons, *causes))
    return f"<details><summary>Errors, and what the proxy noticed first</summary><ul>{items}</ul></details>"


def _most(errors: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(errors.items(), key=lambda item: -item[1])
