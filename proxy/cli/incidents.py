"""`undimmed incidents [ID]`: brownouts and outages that a running proxy has noticed, and the post-mortem of one.

Asks the admin listener. Where no proxy runs, reads what the last one has left beside its ledger.
"""

import argparse
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from proxy.cli.admin_page import fetch, find_admin
from proxy.cli.terminal import err, out

if TYPE_CHECKING:
    from proxy.core.incidents import Incident

UNKNOWN = 1
_HEADS = ("id", "lasted", "targets", "rerouted", "errors", "extra latency", "extra cost", "wasted tokens", "trigger")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Which incident, in which form."""
    parser = commands.add_parser(
        "incidents",
        help="list brownouts and outages that were noticed, or tell one of them",
        description="List the incidents that the running proxy remembers, newest first, or tell one of them. Where none "
        "runs, they are read from beside the ledger. A proxy whose admin address is not on loopback wants a client key in "
        "UNDIMMED_KEY.",
    )
    parser.add_argument("id", metavar="ID", nargs="?", help="one incident: all that is known of it")
    parser.add_argument(
        "--format", choices=("table", "json", "markdown"), default="table", help="markdown: a post-mortem (default: table)"
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")
    parser.add_argument(
        "--admin", metavar="URL", help="the running proxy's admin address (default: server.admin of the file)"
    )


def run(args: argparse.Namespace) -> int:
    """0: shown; 1: no such incident, or nobody to ask. ConfigError where the configuration is needed and invalid."""
    found = _find(args)
    if isinstance(found, str):
        err().say(f"error: {found}")
        return UNKNOWN
    if args.format == "json":
        _show_json(found, args.id is not None)
    elif args.format == "markdown":
        from proxy.cli.postmortem import write_postmortem

        out().say("\n".join(write_postmortem(incident) for incident in found).rstrip())
    elif not found:
        out().say("no incident was noticed")
    else:
        out().table([_HEADS, *(_row(incident) for incident in found)])
        if args.id is not None:
            out().table([(show_time(step.at), step.subject, step.state, step.cause) for step in found[0].happenings])
    return 0


def _find(args: argparse.Namespace) -> "Sequence[Incident] | str":
    """The incidents that were asked for, or why there are none."""
    from proxy.config.discover import read_settings

    if args.admin is not None:
        return _ask(args.admin, args) or f"no proxy answers at {args.admin}"
    settings = read_settings(args.config, os.environ)
    address = find_admin(settings.server)
    asked = None if address is None else _ask(address, args)
    if asked is not None:
        return asked
    if settings.ledger is None:
        return f"no proxy answers, and {settings.source} names no ledger beside which incidents would be kept"
    from proxy.stores.incident_file import IncidentFile, incident_path

    file = IncidentFile(incident_path(Path(settings.ledger.path)))
    left = list(reversed(file.load()))
    chosen = [incident for incident in left if args.id in (None, incident.id)]
    return chosen if chosen or args.id is None else f'there is no incident "{args.id}"'


def _ask(url: str, args: argparse.Namespace) -> "Sequence[Incident] | str | None":
    """From a running proxy; None: there is none. Post-mortems of all of them need each one whole."""
    import msgspec

    from proxy.core.incidents import Incident

    answer = fetch(url, "/incidents" if args.id is None else f"/incidents/{quote(args.id, safe='')}")
    if answer is None:
        return None
    status, view = answer
    if status in (401, 403):
        return f"the proxy at {url} wants a client key in UNDIMMED_KEY that is not restricted to some routes"
    if status == 404 and args.id is not None:
        return f'there is no incident "{args.id}"'
    if status != 200 or not isinstance(view, dict):
        return f"{url} is not the admin address of a proxy that knows incidents"
    listed = view.get("incidents") if args.id is None else [view]
    try:
        found: list[Incident] = msgspec.convert(listed, list[Incident])
    except msgspec.ValidationError as error:
        return f"the proxy at {url} answers in a way this version does not know: {error}"
    return found


def _show_json(found: "Sequence[Incident]", one: bool) -> None:
    import msgspec

    shown = msgspec.to_builtins(found[0] if one else list(found))
    out().say(json.dumps(shown, indent=2))


def _row(incident: "Incident") -> tuple[str, ...]:
    return (
        incident.id,
        show_length(incident),
        ", ".join(incident.targets) or ", ".join(incident.domains),
        str(incident.rerouted),
        str(incident.errors),
        f"{incident.extra_latency:.0f} s",
        f"${incident.extra_cost / 1e9:.4f}",
        f"{incident.wasted_tokens:,}",
        incident.trigger,
    )


def show_time(moment: float) -> str:
    """Unix time as `2026-03-09 14:02:11Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def show_length(incident: "Incident") -> str:
    """How long it lasted, or that it does."""
    if incident.ended is None:
        return "lasts"
    seconds = round(incident.ended - incident.started)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
