"""`undimmed run`: read the configuration, say in a screenful what will be served, start."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from proxy import __version__
from proxy.cli.terminal import Terminal, err

if TYPE_CHECKING:
    from proxy.config.load import Overrides
    from proxy.core.settings import Route, Settings

LogFormat = Literal["json", "console"]
MAX_ROUTES = 16
MAX_DIRECT = 5
MAX_WIDTH = 110


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """File, addresses, log format."""
    parser = commands.add_parser(
        "run",
        help="start the proxy",
        description="Start the proxy. Without FILE: undimmed.yaml in this folder, else whatever the environment offers "
        "(API keys in their usual variables, model servers on their usual ports). SIGHUP or a changed file reloads.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where clients connect, instead of server.listen")
    parser.add_argument("--admin", metavar="HOST:PORT", help="where operators connect, or off, instead of server.admin")
    parser.add_argument(
        "--log-format", choices=("json", "console"), help="default: console on a terminal, json everywhere else"
    )
    parser.add_argument(
        "--no-access-log", action="store_true", help="log state changes only, not a line for every finished call"
    )


def describe_targets(route: "Route") -> str:
    """`a/x -> [b/y | c/z by fastest] -> d/w`"""
    tiers = []
    for tier in route.tiers:
        names = [f"{target.id}{' (when)' if target.when else ''}" for target in tier]
        tiers.append(names[0] if len(names) == 1 else f"[{' | '.join(names)}, {route.strategy}]")
    return " -> ".join(tiers)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 1] + "…"


def show_routes(settings: "Settings", terminal: Terminal) -> None:
    """One line per route, as many as fit a screen."""
    rows = [(", ".join(route.models), describe_targets(route)) for route in settings.routes]
    terminal.table([(_cut(models), _cut(targets)) for models, targets in rows[:MAX_ROUTES]])
    if len(rows) > MAX_ROUTES:
        terminal.say(f"  … and {len(rows) - MAX_ROUTES} more routes (GET /v1/models has them all)")
    direct = [f"{provider.name}/…" for provider in settings.providers.values() if provider.direct]
    if direct:
        more = f" and {len(direct) - MAX_DIRECT} more" if len(direct) > MAX_DIRECT else ""
        terminal.say(f"  and any model as {_cut(', '.join(direct[:MAX_DIRECT]))}{more}")


def _url(host: str, port: int, path: str = "") -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}{path}"


def show_start(settings: "Settings", terminal: Terminal, *, routes: bool) -> None:
    """What is about to be served, and where."""
    server = settings.server
    terminal.say(f"{terminal.paint(f'undimmed {__version__}', 'bold')}  {settings.source}")
    if routes:
        show_routes(settings, terminal)
    keys = f", {len(settings.keys)} client keys" if settings.keys else ""
    admin = "off" if server.admin_port is None else _url(server.admin_host, server.admin_port)
    terminal.say(f"  base URL {_url(server.host, server.port, '/v1')}{keys}; admin {admin}")
    if terminal.color:
        terminal.say()


def _once_given(first: "Settings", load: "Callable[[], Settings]") -> "Callable[[], Settings]":
    """Hands out what was already read the first time it is asked; reads again from then on."""
    waiting = [first]
    return lambda: waiting.pop() if waiting else load()


def _from_environment(overrides: "Overrides", terminal: Terminal) -> "Callable[[], Settings]":
    from proxy.config.discover import discover, read_found, survey, to_yaml
    from proxy.config.local_servers import list_models

    found = survey(os.environ, list_models)
    settings = read_found(found, os.environ, overrides)
    terminal.say("# No undimmed.yaml here. Found in the environment, and the same as this file:")
    terminal.say(to_yaml(found))
    show_start(settings, terminal, routes=False)
    return _once_given(settings, lambda: discover(os.environ, list_models, overrides))


def _from_file(path: Path, overrides: "Overrides", terminal: Terminal) -> "Callable[[], Settings]":
    from proxy.config.load import load

    settings = load(path, overrides=overrides)
    show_start(settings, terminal, routes=True)
    return _once_given(settings, lambda: load(path, overrides=overrides))


def run(args: argparse.Namespace) -> int:
    """The proxy's own exit status; ConfigError where there is nothing to run."""
    from proxy.config.load import Overrides, find_file

    terminal = err()
    overrides = Overrides(listen=args.listen, admin=args.admin)
    path = find_file(args.file, Path())
    load = _from_environment(overrides, terminal) if path is None else _from_file(path, overrides, terminal)
    usual: LogFormat = "console" if sys.stdout.isatty() else "json"
    log_format: LogFormat = args.log_format or usual

    from proxy.supervisor import run_proxy

    return run_proxy(load, path=path, log_format=log_format, access_log=not args.no_access_log)
