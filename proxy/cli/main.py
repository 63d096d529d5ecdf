"""The command `undimmed`: picks a command, loads only that one's modules, and turns every end into an exit status.

0: done. 1: the configuration is invalid, a check failed, or the result could not be written. 2: wrong usage. 3: the proxy
could not start. 130: interrupted. 141: whoever read the output has gone.
"""

import argparse
import contextlib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Protocol, cast

from proxy import __version__
from proxy.cli.terminal import OutputLost, err, flush, repair_streams
from proxy.core.errors import ConfigError

Commands = argparse._SubParsersAction  # the type has no public name

INVALID = 1
INTERRUPTED = 130
#: What only an output can fail with, where it was not written through a `Terminal`.
_LOST = frozenset({errno.EPIPE, errno.ENOSPC, errno.EBADF})
#: As a program that dies of SIGPIPE has it.
UNWANTED = 141

#: Command -> (module, one line for --help).
COMMANDS = {
    "run": ("proxy.cli.run", "start the proxy"),
    "check": ("proxy.cli.check", "say whether a configuration is valid, and name every mistake"),
    "explain": ("proxy.cli.explain", "say where a request for a model would go, and why not elsewhere"),
    "count": ("proxy.cli.count", "say what a request would cost on each target of its route"),
    "incidents": ("proxy.cli.incidents", "list brownouts and outages that were noticed, or tell one of them"),
    "report": ("proxy.cli.report", "say where tokens and money went"),
    "keys": ("proxy.cli.keys", "create, list, revoke or rotate the keys of clients"),
    "ledger": ("proxy.cli.ledger", "export, verify or compact the ledger"),
    "alerts": ("proxy.cli.alerts", "send a test message to each webhook"),
    "schema": ("proxy.cli.schema", "print the JSON Schema of undimmed.yaml, for editors"),
    "rehearse": ("proxy.cli.rehearse", "play real outages against a configuration, in virtual time"),
    "drill": ("proxy.cli.drill", "let a provider of a running proxy seem to fail, for a while"),
    "demo": ("proxy.cli.demo", "watch an outage on simulated providers: no keys, no network"),
}


class Command(Protocol):
    """What a module of a command offers."""

    def add_parser(self, commands: "Commands[argparse.ArgumentParser]") -> object: ...

    def run(self, args: argparse.Namespace) -> int: ...


def _load(name: str) -> Command:
    return cast(Command, importlib.import_module(COMMANDS[name][0]))


def build_parser(wanted: str | None) -> argparse.ArgumentParser:
    """The parser with the options of the wanted command; the others are only named."""
    parser = argparse.ArgumentParser(
        prog="undimmed",
        description="An LLM failover proxy: one base URL that keeps answering when providers don't.",
        epilog="undimmed COMMAND --help says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"undimmed {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        if name == wanted:
            _load(name).add_parser(commands)
        else:
            commands.add_parser(name, help=summary)
    return parser


def show_problems(error: ConfigError) -> None:
    """Every mistake on a line of its own."""
    terminal = err()
    for problem in error.problems:
        terminal.say(f"{terminal.paint('error:', 'red')} {problem}")
    if len(error.problems) > 1:
        terminal.say(f"{len(error.problems)} mistakes")


def _report_bug(error: Exception) -> None:
    if os.environ.get("UNDIMMED_DEBUG"):
        with contextlib.suppress(OSError):
            traceback.print_exception(error)
    err().say(
        f"error: this is a bug in undimmed, please report it: {type(error).__name__}"
        + ("" if os.environ.get("UNDIMMED_DEBUG") else " (UNDIMMED_DEBUG=1 shows where)")
    )


def _report_lost(lost: OutputLost) -> int:
    if lost.unwanted:
        return UNWANTED
    err().say(f"error: the output could not be written: {lost}")
    return INVALID


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    repair_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    wanted = next((word for word in words if word in COMMANDS), None)
    try:
        return _perform(build_parser(wanted).parse_args(words))
    finally:
        flush(sys.stdout)
        flush(sys.stderr)


def _perform(args: argparse.Namespace) -> int:
    try:
        status = _load(args.command).run(args)
        lost = flush(sys.stdout)
        # The proxy's own lines may get lost; it has counted them.
        if lost is not None and args.command != "run":
            raise OutputLost(lost)
        return status
    except ConfigError as error:
        show_problems(error)
        return INVALID
    except KeyboardInterrupt:
        return INTERRUPTED
    except OutputLost as lost:
        return _report_lost(lost)
    except OSError as error:
        if error.errno in _LOST:
            return _report_lost(OutputLost(error))
        _report_bug(error)
        return INVALID
    except Exception as error:  # the edge: no traceback ever reaches a user
        _report_bug(error)
        return INVALID
