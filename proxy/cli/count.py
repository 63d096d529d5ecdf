"""`undimmed count FILE`: what a request would cost on each target of its route, before it is sent.

The same figures as `POST /v1/tokens`, without a running proxy: what the file says of routes and prices, estimates without
what a running one has learned of its targets, and no word on who is well at the moment.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.explain import find_route
from proxy.cli.terminal import Terminal, err, out

if TYPE_CHECKING:
    from proxy.core.call import Envelope
    from proxy.core.endpoints import Endpoint
    from proxy.core.settings import Target

UNREADABLE, NO_MODEL = 1, 1
STDIN = "-"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The request, and how to read it."""
    parser = commands.add_parser(
        "count",
        help="say what a request would cost on each target of its route",
        description="Estimate the tokens and the cost of the request in FILE on each target of its route. Nothing is sent. "
        "A running proxy answers the same under POST /v1/tokens, with what it has learned of its targets.",
    )
    parser.add_argument("file", metavar="FILE", help="the JSON body of a request; - reads standard input")
    parser.add_argument("--config", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")
    parser.add_argument("--model", metavar="NAME", help="instead of the model that the request names")
    parser.add_argument(
        "--endpoint",
        choices=("chat", "completions", "embeddings", "messages", "responses"),
        help="what the request is for (default: what its fields say)",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: table")


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()


def quote_targets(targets: "Sequence[Target]", endpoint: "Endpoint", envelope: "Envelope") -> list[dict[str, object]]:
    """One row per target, in the order of asking."""
    from proxy.assemble import Encodings
    from proxy.pipeline.quoting import find_written
    from proxy.tokens.encoding import needed
    from proxy.tokens.estimate import estimate
    from proxy.tokens.quote import quote

    counter = Encodings(needed(target.model for target in targets)).build()
    limit, wall = find_written(endpoint, envelope), time.time()  # noqa: TID251 (prices of this moment)
    return [
        quote(target, estimate(counter, endpoint, envelope.fields, None, target.model), limit, wall) for target in targets
    ]


def _cell(row: dict[str, object], name: str) -> str:
    found = row["cost_usd"]
    return f"${found[name]}" if isinstance(found, dict) else "unknown"


def _show(rows: list[dict[str, object]], terminal: Terminal) -> None:
    heads = ("target", "input", "cost of input", "output", "cost of output", "in all", "fits")
    fits = {None: "not known", True: "yes", False: "no"}
    table = [
        (
            str(row["target"]),
            f"{row['input_tokens']:,}{'+' if row['lower_bound'] else ''}",
            _cell(row, "input"),
            f"{row['output_tokens']:,}",
            _cell(row, "output"),
            _cell(row, "total"),
            fits[row["fits"]] if isinstance(row["fits"], bool) else fits[None],
        )
        for row in rows
    ]
    terminal.table([heads, *table])
    if any(row["lower_bound"] for row in rows):
        terminal.say("  + at least: something in it cannot be seen from here")


def run(args: argparse.Namespace) -> int:
    """0: counted; 1: no such request or model. ConfigError where the configuration is invalid."""
    import json

    from proxy.config.discover import read_settings
    from proxy.core.problem import Problem
    from proxy.pipeline.quoting import read_question
    from proxy.wire.guessing import HEADER

    settings = read_settings(args.config, os.environ)
    try:
        body = _read(args.file)
    except OSError as error:
        err().say(f"error: {args.file} cannot be read: {error.strerror}")
        return UNREADABLE
    found = read_question(body, {HEADER: args.endpoint} if args.endpoint else {}, args.model)
    if isinstance(found, Problem):
        err().say(f"error: {args.file}: {found.message}")
        return UNREADABLE
    endpoint, envelope = found
    model = envelope.model
    route = find_route(settings, model)
    if route is None:
        err().say(f'error: {settings.source} has no route for "{model}"')
        return NO_MODEL
    rows = quote_targets(route.targets, endpoint, envelope)
    terminal = out()
    if args.format == "json":
        view = {"object": "token_quote", "model": model, "route": route.name, "endpoint": endpoint.value, "targets": rows}
        terminal.say(json.dumps(view, indent=2))
        return 0
    terminal.say(f"{model}: route {route.name}, read as {endpoint.value}")
    _show(rows, terminal)
    return 0
