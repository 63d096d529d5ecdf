"""`undimmed check`: every mistake of a configuration; with --online also whether each credential is accepted."""

import argparse
import asyncio
import http.client
import os
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.cli.terminal import out

if TYPE_CHECKING:
    from proxy.core.exchange import UpstreamRequest
    from proxy.core.settings import Credential, Provider, Settings

TIMEOUT = 10.0
FAILED = 1


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """File and --online."""
    parser = commands.add_parser(
        "check",
        help="say whether a configuration is valid, and name every mistake",
        description="Read a configuration as `undimmed run` would, and name every mistake with file, line and key. "
        "Exit status 0: valid; 1: not valid, or with --online: some provider does not accept us.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")
    parser.add_argument("--online", action="store_true", help="also fetch tokens and make one free call per credential")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one free call. `ok` None: it proves nothing either way."""

    name: str
    ok: bool | None
    text: str


#: Status of a free call -> whether that is well, and what it means.
_STATUS: dict[int, tuple[bool | None, str]] = {
    401: (False, "the key is not accepted (401)"),
    402: (False, "the account is out of money (402)"),
    403: (False, "the key is not allowed to do this (403)"),
    404: (None, "answers, but has no free call to judge the key by (404)"),
    405: (None, "answers, but has no free call to judge the key by (405)"),
    429: (None, "answers, but limits our rate just now (429)"),
}


def judge_status(status: int) -> tuple[bool | None, str]:
    """Whether the provider took us, and in words."""
    if 200 <= status < 300:
        return True, f"ok ({status})"
    if 300 <= status < 400:
        return False, f"redirects elsewhere ({status}), which is never followed; base_url is probably wrong"
    return _STATUS.get(status, (False, f"answers with status {status}"))


def _words(error: OSError | http.client.HTTPException, place: str) -> str:
    """Why a call came to nothing. Texts of our own: a library's may quote what was sent."""
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "no TLS connection; is it plain http?"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {place}"
    if isinstance(error, http.client.HTTPException):
        return "the answer is not HTTP"
    return f"cannot be reached: {error.strerror or type(error).__name__}"


def ask(request: "UpstreamRequest") -> tuple[bool | None, str]:
    """Send one request as it would go out in service, and judge the status. Redirects are not followed."""
    origin = request.origin
    try:
        with socket.create_connection((origin.host, origin.port), TIMEOUT) as plain:
            context = ssl.create_default_context() if origin.tls else None
            connection = context.wrap_socket(plain, server_hostname=origin.host) if context else plain
            with connection:
                connection.sendall(request.head + request.body)
                response = http.client.HTTPResponse(connection)
                response.begin()
                return judge_status(response.status)
    except (OSError, http.client.HTTPException) as error:
        return False, _words(error, origin.authority)


async def _fetch_all(settings: "Settings") -> "list[tuple[Provider, Credential, str | None]]":
    """Every credential, with a token where it does not last; and why there is none."""
    from proxy.core.settings import Credential
    from proxy.supervisor import surroundings
    from proxy.transport.credentials.refresher import fill
    from proxy.transport.credentials.surroundings import Denied

    around = surroundings(asyncio.get_running_loop())

    async def one(provider: "Provider", credential: Credential) -> "tuple[Provider, Credential, str | None]":
        try:
            return provider, await fill(credential, around), None
        except Denied as error:
            return provider, credential, error.denial.text

    pairs = [
        (provider, credential)
        for provider in settings.providers.values()
        for credential in provider.credentials or (Credential(provider.name),)
    ]
    try:
        return await asyncio.gather(*(one(*pair) for pair in pairs))
    finally:
        await around.http.aclose()


def _judge(provider: "Provider", credential: "Credential", trouble: str | None) -> Verdict:
    """One free call with one credential, unless there is none."""
    from proxy.pipeline.sending import sign
    from proxy.providers.table import KINDS

    if trouble is not None:
        return Verdict(credential.id, False, f"no token: {trouble}")
    request = KINDS[provider.kind](provider).free_probe(credential)
    got = "has a token; " if credential.source is not None else ""
    if request is None:
        return Verdict(credential.id, None, f"{got}has no free call; not asked")
    sign(request, time.time())  # noqa: TID251 (the command line is where the clock comes in)
    ok, words = ask(request)
    return Verdict(credential.id, ok, got + words)


def check_online(settings: "Settings") -> list[Verdict]:
    """A token where one has to be fetched, then one free call per credential, all at the same time."""
    fetched = asyncio.run(_fetch_all(settings))
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda found: _judge(*found), fetched))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def list_forgetful(settings: "Settings") -> list[str]:
    """Budgets longer than a day that nothing remembers over a restart."""
    from proxy.core.limits import Period
    from proxy.pipeline.gate import limits_of

    if settings.ledger is not None:
        return []
    return [
        f"{scope} {name} ({budget.name})"
        for (scope, name), limits in limits_of(settings).items()
        for budget in limits.budgets
        if budget.per is not Period.DAY
    ]


def run(args: argparse.Namespace) -> int:
    """0 or 1; ConfigError carries the mistakes of the file to `main`."""
    from proxy.config.discover import read_settings
    from proxy.stores.price_file import bundled

    terminal = out()
    settings = read_settings(args.file, os.environ)
    targets = sum(len(route.targets) for route in settings.routes)
    parts = ((len(settings.providers), "provider"), (len(settings.routes), "route"), (targets, "target"))
    terminal.say(f"{settings.source} is valid: {', '.join(_count(*part) for part in parts)}")
    terminal.say(f"prices: {bundled()}")
    forgetful = list_forgetful(settings)
    if forgetful:
        terminal.say(f"without a ledger these budgets begin at 0 with each start: {', '.join(forgetful)}")
    if not args.online:
        return 0
    verdicts = check_online(settings)
    styles = {True: "green", False: "red", None: "yellow"}
    terminal.table([(verdict.name, terminal.paint(verdict.text, styles[verdict.ok])) for verdict in verdicts])
    return FAILED if any(verdict.ok is False for verdict in verdicts) else 0
