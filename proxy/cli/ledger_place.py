"""Which ledger a command means, and which span of it."""

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.terminal import err
from proxy.stores.insight.periods import FORMS, read_moment

if TYPE_CHECKING:
    from proxy.core.settings import LedgerSettings, Settings
    from proxy.stores.ledger.contract import Span


def parse_time(text: str) -> int:
    """Unix time in ms of `2026-11-25`, `2026-11-25T14:00`, `2026-11-25T14:00+01:00` (UTC where nothing is said) or `7d`
    (that long ago). argparse.ArgumentTypeError."""
    try:
        return read_moment(text, time.time())  # noqa: TID251 (this is the edge)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected {FORMS}") from None


def add_span(parser: argparse.ArgumentParser) -> None:
    """--since, --until, --config."""
    parser.add_argument("--since", type=parse_time, metavar="WHEN", help=f"from then on: {FORMS}")
    parser.add_argument("--until", type=parse_time, metavar="WHEN", help="up to then")
    add_config(parser)


def add_config(parser: argparse.ArgumentParser) -> None:
    """--config."""
    parser.add_argument("--config", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")


def span_of(args: argparse.Namespace) -> "Span":
    from proxy.stores.ledger.contract import FOREVER, Span

    return Span(args.since or 0, FOREVER if args.until is None else args.until)


def find_ledger(args: argparse.Namespace) -> "LedgerSettings | None":
    """The ledger of the configuration; None: it has none, which has been said. ConfigError."""
    return read_with_ledger(args)[1]


def read_with_ledger(args: argparse.Namespace) -> "tuple[Settings, LedgerSettings | None]":
    """The configuration and its ledger; None: it has none, which has been said. ConfigError."""
    from proxy.config.discover import read_settings

    settings = read_settings(args.config, os.environ)
    if settings.ledger is None:
        err().say(f"error: {settings.source} has no ledger; add `ledger: {{url: sqlite:undimmed.db}}` to keep one")
    return settings, settings.ledger


def shown(place: "LedgerSettings") -> str:
    """Where a ledger is, as short as it can be said here."""
    from proxy.stores.ledger.place import describe_place

    words = describe_place(place)
    try:
        return str(Path(words).relative_to(Path.cwd()))
    except ValueError:
        return words
