"""`undimmed drill`: a fire drill on the running proxy, through its admin listener."""

import argparse
import http.client
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy.cli.terminal import Terminal, err, out

if TYPE_CHECKING:
    from proxy.core.settings import ServerSettings

FAILED = 1
TIMEOUT = 5.0
MAX_ANSWER = 256 * 1024
_HEADS = ("provider", "fault", "share", "hit", "ends in", "by")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """start, stop, status."""
    parser = commands.add_parser(
        "drill",
        help="let a provider of a running proxy seem to fail, for a while",
        description="A fire drill: part of a provider's requests fail as in an outage, and the proxy does what it would do "
        "then. It ends by itself, with a reload, or with `undimmed drill stop`. down, auth and 429 send nothing out; slow "
        "and cut do, and cost what the request costs.",
    )
    parser.add_argument("action", choices=("start", "stop", "status"), help="status: what runs now")
    parser.add_argument("--provider", metavar="NAME", help="whose requests; stop: only its drill (default: all)")
    parser.add_argument("--fault", metavar="WHAT", help="down, slow:8s, cut:40 (after 40 events), auth or 429")
    parser.add_argument("--for", dest="seconds", metavar="TIME", help="how long, up to 1h (default: 5m)")
    parser.add_argument("--share", metavar="PART", help="of its requests, as in 10%% (the default)")
    parser.add_argument("--config", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")
    parser.add_argument(
        "--admin", metavar="URL", help="the running proxy's admin address (default: server.admin of the file)"
    )


def find_admin(server: "ServerSettings") -> str | None:
    """The admin plane's URL; None: it is off."""
    host = f"[{server.admin_host}]" if ":" in server.admin_host else server.admin_host
    return f"http://{host}:{server.admin_port}" if server.admin_port else None


def ask(url: str, method: str, path: str, body: Mapping[str, object] | None = None) -> tuple[int, object]:
    """Status and decoded answer. OSError or ValueError where nobody like us answers."""
    parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT)
    key = os.environ.get("UNDIMMED_KEY")
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, parts.path.rstrip("/") + path, sent, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read(MAX_ANSWER))
    except http.client.HTTPException as error:
        raise ValueError("not HTTP") from error
    finally:
        connection.close()


def _order(args: argparse.Namespace) -> dict[str, object]:
    given = {"provider": args.provider, "fault": args.fault, "for": args.seconds, "share": args.share}
    return {key: value for key, value in given.items() if value is not None}


def _show(view: object, terminal: Terminal) -> None:
    found = view.get("drills", view.get("stopped")) if isinstance(view, dict) else None
    drills = [drill for drill in found or [] if isinstance(drill, dict)]
    if not drills:
        terminal.say("no drill runs")
        return
    rows = [
        (
            str(drill.get("provider")),
            str(drill.get("fault")),
            f"{float(drill.get('share', 0)):.0%}",
            f"{drill.get('hit')} requests",
            f"{float(drill.get('ends_in_s', 0)):.0f}s",
            str(drill.get("by") or "–"),
        )
        for drill in drills
    ]
    terminal.table([_HEADS, *rows])


def _message(view: object) -> str:
    error = view.get("error") if isinstance(view, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def run(args: argparse.Namespace) -> int:
    """0; 1: it was not done. ConfigError where the configuration is needed and invalid."""
    url = args.admin
    if args.action == "start" and not (args.provider and args.fault):
        err().say("error: a drill needs --provider and --fault")
        return FAILED
    if url is None:
        from proxy.config.discover import read_settings

        url = find_admin(read_settings(args.config, os.environ).server)
    if url is None:
        err().say("error: server.admin is off, and a drill is ordered there")
        return FAILED
    try:
        if args.action == "status":
            status, view = ask(url, "GET", "/drill")
        else:
            body = _order(args) if args.action == "start" else {"provider": args.provider}
            status, view = ask(url, "POST", f"/drill/{args.action}", body)
    except (OSError, ValueError):
        err().say(f"error: no proxy answers at {url}")
        return FAILED
    if status != 200:
        hint = "; put an unrestricted client key into UNDIMMED_KEY" if status in (401, 403) else ""
        err().say(f"error: {_message(view) or f'status {status}'}{hint}")
        return FAILED
    terminal = out()
    if args.action == "stop":
        terminal.say("stopped:")
    _show(view, terminal)
    return 0
