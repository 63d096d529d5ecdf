"""Which ledger a command means, and which span of it."""

import argparse
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.terminal import err

if TYPE_CHECKING:
    from proxy.core.settings import LedgerSettings
    from proxy.stores.ledger.contract import Span

_AGO = re.compile(r"([0-9]+)([mhdw])")
FORMS = "a date, a time (UTC unless it says otherwise), or 30m, 24h, 7d, 4w (ago)"
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_time(text: str) -> int:
    """Unix time in ms of `2026-11-25`, `2026-11-25T14:00`, `2026-11-25T14:00+01:00` (UTC where nothing is said) or `7d`
    (that long ago). argparse.ArgumentTypeError."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        at = datetime.fromtimestamp(time.time(), UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})  # noqa: TID251
        return int(at.timestamp() * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {FORMS}") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


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
    from proxy.config.discover import read_settings

    settings = read_settings(args.config, os.environ)
    if settings.ledger is None:
        err().say(f"error: {settings.source} has no ledger; add `ledger: {{url: sqlite:undimmed.db}}` to keep one")
    return settings.ledger


def shown(place: "LedgerSettings") -> str:
    """Where a ledger is, as short as it can be said here."""
    from proxy.stores.ledger.place import describe_place

    words = describe_place(place)
    try:
        return str(Path(words).relative_to(Path.cwd()))
    except ValueError:
        return words
