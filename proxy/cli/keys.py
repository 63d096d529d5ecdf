"""`undimmed keys create|list|revoke|rotate`: the keys of clients, in the key store that the configuration names.

A key is shown once, when it is made, alone on stdout: `KEY=$(undimmed keys create ci)`. Nothing can show it again. A running
proxy takes every change over within seconds.
"""

import argparse
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.key_options import add_limits, budgets_of, parse_expiry, parse_grace
from proxy.cli.terminal import err, out
from proxy.core.priorities import NORMAL, PRIORITIES
from proxy.stores.key_store import BadKeyFile, Former, KeyFile, StoredKey, editing, read_keys

if TYPE_CHECKING:
    from proxy.core.settings import Settings

FAILED = 1
#: In front of every key that is made here, so that scanners for secrets know one when they see it.
PREFIX = "sk-undimmed-"
#: Bytes of chance in a key.
SIZE = 32


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The four of them."""
    parser = commands.add_parser(
        "keys",
        help="create, list, revoke or rotate the keys of clients",
        description="Keys of clients, in the file that `key_store` of the configuration names. They are stored as HMACs "
        "with the pepper in UNDIMMED_KEY_PEPPER, which the running proxy needs too.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and show it, this once")
    create.add_argument("name", metavar="NAME", help="shown in logs and reports")
    create.add_argument("--owner", default="", metavar="WHO", help="whom to ask about it")
    create.add_argument("--route", action="append", metavar="MODEL", help="a model it may use; default: everything")
    create.add_argument("--tag", action="append", default=[], metavar="TAG", help="what its calls are counted under, too")
    create.add_argument("--expires", type=parse_expiry, metavar="WHEN", help="a date, a time, or 30d (from now)")
    create.add_argument("--priority", choices=PRIORITIES, default=NORMAL, help="how urgent its calls are at most")
    add_limits(create)
    show = actions.add_parser("list", help="who has which keys, and what is left of their budgets")
    show.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    show.add_argument("--admin", metavar="URL", help="the running proxy's admin address (default: server.admin of the file)")
    revoke = actions.add_parser("revoke", help="take a key back, now")
    revoke.add_argument("name", metavar="NAME", help="the key's name")
    rotate = actions.add_parser("rotate", help="make a new key in place of one, which stays good for a while")
    rotate.add_argument("name", metavar="NAME", help="the key's name")
    rotate.add_argument(
        "--grace",
        type=parse_grace,
        default=86400,
        metavar="TIME",
        help="how long the old one stays good: 0, 1h, 7d (default: 24h)",
    )
    for action in (create, show, revoke, rotate):
        action.add_argument("--config", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")


class _Refused(Exception):
    """What was asked for cannot be done; the message says why."""


def _now() -> int:
    return int(time.time())  # noqa: TID251 (the command line is where the clock comes in)


def _make_key() -> str:
    return PREFIX + secrets.token_urlsafe(SIZE)


def _digest(key: str, settings: "Settings") -> str:
    from proxy.config.stored_keys import missing_pepper
    from proxy.core.keys import digest_keyed

    if not settings.pepper:
        raise _Refused(missing_pepper("making a key"))
    return digest_keyed(key, settings.pepper)


def _check_name(name: str, found: KeyFile, settings: "Settings") -> None:
    if not name or not name.isprintable() or name != name.strip():
        raise _Refused("a name is text without surrounding spaces or control characters")
    if found.find(name) is not None or any(key.name == name for key in settings.keys):
        raise _Refused(f'there is a key named "{name}" already; rotate it, or revoke it first')


def _check_scope(args: argparse.Namespace, settings: "Settings") -> None:
    """Routes that exist, tags that are tags."""
    from proxy.config.messages import nearest
    from proxy.config.server_rules import DIRECT, RELAY
    from proxy.pipeline.tagging import is_tag

    public = [name for route in settings.routes for name in route.models]
    known = {*public, DIRECT, RELAY}
    for route in args.route or ():
        if route not in known and route.partition("/")[0] not in settings.providers:
            raise _Refused(f'there is no route for "{route}"{nearest(route, public)}')
    for tag in args.tag:
        if not is_tag(tag):
            raise _Refused(f'"{tag}" is no tag: 1 to 48 letters, digits and . _ : / -')


def _reveal(key: str, words: str) -> None:
    err().say(words)
    out().say(key)


def _create(args: argparse.Namespace, settings: "Settings", path: Path) -> int:
    key = _make_key()
    digest = _digest(key, settings)
    _check_scope(args, settings)
    with editing(path, settings.pepper) as found:
        _check_name(args.name, found, settings)
        found.keys.append(
            StoredKey(
                args.name,
                digest,
                key[-4:],
                _now(),
                args.owner,
                args.route,
                sorted(set(args.tag)),
                args.expires,
                rpm=args.rpm,
                tpm=args.tpm,
                concurrent=args.concurrent,
                priority=args.priority,
                budgets=budgets_of(args),
            )
        )
    _reveal(key, f"key {args.name}, which is shown this once:")
    return 0


def _find(found: KeyFile, name: str, settings: "Settings") -> StoredKey:
    from proxy.config.messages import nearest

    key = found.find(name)
    if key is None:
        written = any(key.name == name for key in settings.keys)
        hint = (
            "; it stands in the configuration, under keys:" if written else nearest(name, [key.name for key in found.keys])
        )
        raise _Refused(f'the key store has no key named "{name}"{hint}')
    return key


def _revoke(args: argparse.Namespace, settings: "Settings", path: Path) -> int:
    with editing(path, settings.pepper) as found:
        found.keys.remove(_find(found, args.name, settings))
    err().say(f"key {args.name} is revoked; a running proxy refuses it within seconds")
    return 0


def _rotate(args: argparse.Namespace, settings: "Settings", path: Path) -> int:
    fresh = _make_key()
    digest = _digest(fresh, settings)
    now = _now()
    with editing(path, settings.pepper) as found:
        key = _find(found, args.name, settings)
        key.former = [former for former in key.former if former.until > now]
        if args.grace:
            key.former.append(Former(key.hash, now + args.grace))
        key.hash, key.tail, key.created = digest, fresh[-4:], now
    until = f"the old one is good until {show_time(now + args.grace)}" if args.grace else "the old one is good no more"
    _reveal(fresh, f"key {args.name}, which is shown this once; {until}:")
    return 0


def show_time(wall: float | None) -> str:
    """`2026-11-25 14:00 UTC`; nothing for None."""
    return "" if wall is None else f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M} UTC"


def _list(args: argparse.Namespace, settings: "Settings", path: Path) -> int:
    from proxy.cli.key_table import print_keys

    print_keys(args, settings, read_keys(path) or KeyFile())
    return 0


_ACTIONS = {"create": _create, "list": _list, "revoke": _revoke, "rotate": _rotate}


def run(args: argparse.Namespace) -> int:
    """0: done; 1: refused, and why. ConfigError where the configuration is invalid."""
    from proxy.config.discover import read_settings

    settings = read_settings(args.config, os.environ)
    if settings.key_store is None:
        err().say(f"error: {settings.source} names no file for keys; add `key_store: keys.json`")
        return FAILED
    path = Path(settings.key_store.path)
    try:
        return _ACTIONS[args.action](args, settings, path)
    except _Refused as refused:
        err().say(f"error: {refused}")
    except BadKeyFile as bad:
        err().say(f"error: {path} {bad}")
    except OSError as error:
        if error.filename is None:
            raise
        err().say(f"error: {path} cannot be written: {error.strerror or 'unknown reason'}")
    return FAILED
