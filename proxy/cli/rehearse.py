"""`undimmed rehearse`: the configuration against outages that really happened, in virtual time."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.rehearse_text import show_extra, show_hit, show_remark, show_seconds, show_share, verdict
from proxy.cli.terminal import Terminal, err, out

if TYPE_CHECKING:
    from proxy.rehearse.advice import Advice
    from proxy.rehearse.findings import Findings

FAILED = 1
HEADS = ("outage", "hits", "direct", "proxied", "p50", "p99", "rerouted", "wasted", "extra", "noticed", "")
STYLES = {"lost": "red", "bare": "yellow"}


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise ValueError(text)
    return number


def _duration(text: str) -> float:
    from pydantic_core import PydanticCustomError

    from proxy.config.units import parse_duration

    try:
        return parse_duration(text)
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.message()}") from error


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What to rehearse, with which traffic, and where the result goes."""
    parser = commands.add_parser(
        "rehearse",
        help="play real outages against a configuration, in virtual time",
        description="The real proxy with your configuration, between simulated clients and simulated vendors, through "
        "outages that really happened. Nothing is contacted and no secret is needed. Exit status 0: 99.99 % of the requests "
        "were answered wherever another provider was healthy; 1: they were not, or something is not valid.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--outage", action="append", metavar="D11", help="an outage by name, or a file of one; may be repeated"
    )
    chosen.add_argument("--all", action="store_true", help="all that come with the product (as without --outage)")
    chosen.add_argument("--record", metavar="INCIDENT", help="make an outage of an incident's JSON instead of rehearsing")
    parser.add_argument("--rps", type=_positive, metavar="N", help="requests a second (default: about 2,000 in an outage)")
    parser.add_argument("--duration", type=_duration, metavar="TIME", help="how long each outage is to last, e.g. 10m")
    parser.add_argument(
        "--mix",
        default="",
        metavar="LIST",
        help="weights of routes, shares of stream and tools, tokens of input and output: gpt-5=7,small=3,stream=0.5",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="other dice (default: 1)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    parser.add_argument("--html", metavar="FILE", help="also write a page that shows each outage over time")
    parser.add_argument("-o", "--output", metavar="FILE", help="where --record writes the outage (default: stdout)")


def _row(found: "Findings", terminal: Terminal) -> list[str]:
    from proxy.stores.insight.figures import show_count

    style = STYLES.get(verdict(found))
    remark = show_remark(found)
    return [
        found.name,
        show_hit(found),
        show_share(found.direct),
        show_share(found.proxied),
        f"{show_seconds(found.direct.p50)} → {show_seconds(found.proxied.p50)}",
        f"{show_seconds(found.direct.p99)} → {show_seconds(found.proxied.p99)}",
        show_count(found.rerouted),
        show_count(found.wasted),
        show_extra(found),
        show_seconds(found.detected),
        terminal.paint(remark, style) if style and remark else remark,
    ]


def _show(findings: "Sequence[Findings]", advice: "Sequence[Advice]", source: str, terminal: Terminal) -> None:
    terminal.say(f"{source} through {len(findings)} outage{'' if len(findings) == 1 else 's'}, directly and proxied")
    terminal.table([HEADS, *(_row(found, terminal) for found in findings)])
    squeezed = [found for found in findings if found.squeeze > 1.05]
    if squeezed:
        most = max(found.squeeze for found in squeezed)
        terminal.say(f"  {len(squeezed)} passed faster than they did in reality, up to {most:,.0f} times")
    terminal.say(
        "  p50, p99: to the first token, directly → proxied; extra: beyond first choices; noticed: the slowest time"
    )
    for piece in advice:
        style = "red" if piece.weight >= 3 else "yellow"
        terminal.say(f"{terminal.paint(piece.key, style)}: {piece.text}")
    lost = [found.name for found in findings if not found.kept]
    if lost:
        terminal.say(terminal.paint(f"Requests were lost although another provider was healthy: {', '.join(lost)}", "red"))


def _record(args: argparse.Namespace) -> int:
    from proxy.rehearse.incident import to_outage

    try:
        text = to_outage(Path(args.record).read_bytes(), args.record)
        if args.output is None:
            out().say(text.rstrip("\n"))
        else:
            Path(args.output).write_text(text, encoding="utf-8")
            err().say(f"{args.output} is written: undimmed rehearse --outage {args.output}")
    except OSError as error:
        err().say(f"error: {error.filename}: {error.strerror}")
        return FAILED
    return 0


def run(args: argparse.Namespace) -> int:
    """0: kept; 1: not. ConfigError carries the mistakes of files to `main`."""
    if args.record is not None:
        return _record(args)
    import msgspec

    from proxy.rehearse.advice import advise
    from proxy.rehearse.outage import shipped
    from proxy.rehearse.performance import Plan
    from proxy.rehearse.traffic import parse_mix
    from proxy.rehearse.troupe import rehearse_all
    from proxy.rehearse.twin import find_original, read_twin

    original = find_original(args.file, os.environ)
    twin = read_twin(original, os.environ)
    plan = Plan(parse_mix(args.mix, twin.settings.routes), args.rps, args.duration, args.seed)
    findings = list(rehearse_all(original, os.environ, args.outage or shipped(), plan))
    advice = advise(twin, findings)
    if args.html is not None:
        from proxy.cli.rehearse_page import write_page

        try:
            write_page(Path(args.html), original.name, findings, advice)
        except OSError as error:
            err().say(f"error: {args.html}: {error.strerror}")
            return FAILED
    if args.format == "json":
        view = {"source": original.name, "findings": findings, "advice": advice}
        out().say(json.dumps(msgspec.to_builtins(view), indent=2))
    else:
        _show(findings, advice, original.name, out())
    return 0 if all(found.kept for found in findings) else FAILED
