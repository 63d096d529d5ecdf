"""`undimmed alerts test`: does a message reach each webhook, and what came back?"""

import argparse
import asyncio
import os
import time
from typing import TYPE_CHECKING

from proxy.cli.terminal import err, out

if TYPE_CHECKING:
    from proxy.core.alarming import AlertSettings, Notice
    from proxy.policy.alerts.delivery import Delivery

FAILED = 1


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The one action and its file."""
    parser = commands.add_parser(
        "alerts",
        help="send a test message to each webhook",
        description="What to do with the webhooks that the configuration names.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    test = actions.add_parser(
        "test",
        help="send a test message to each webhook, and say what came back",
        description="Send one message of type alert.test to each webhook of the configuration, once, signed as all others "
        "are. Exit status 1: some webhook did not take it.",
    )
    test.add_argument("file", nargs="?", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")


def test_notice(settings: "AlertSettings", wall: float) -> "Notice":
    """A message that nothing has happened."""
    from proxy.core.alarming import Notice, NoticeState, Severity
    from proxy.policy.alerts.episodes import alert_id

    topics = ", ".join(sorted(settings.topics))
    return Notice(
        alert=alert_id("test", settings.name, wall * 1000),
        step=1,
        state=NoticeState.TEST,
        topic=None,
        condition="test",
        severity=Severity.INFO,
        subject=f"webhook {settings.name}",
        text=f"This is a test: messages about {topics} will come here",
        since=wall,
        at=wall,
    )


async def _send(alerts: "tuple[AlertSettings, ...]") -> "list[tuple[Delivery, str]]":
    from proxy.transport.credentials.http import AiohttpTokenHttp
    from proxy.transport.webhooks import compose, deliver

    http = AiohttpTokenHttp()
    wall = time.time()  # noqa: TID251 (the command line is where the clock comes in)
    try:
        sent = await asyncio.gather(*(deliver(http, compose(one, test_notice(one, wall), wall)) for one in alerts))
    finally:
        await http.aclose()
    return [(verdict, words) for verdict, words, _ in sent]


def run(args: argparse.Namespace) -> int:
    """0: every webhook took it; 1: some did not, or there are none."""
    from proxy.config.discover import read_settings
    from proxy.policy.alerts.delivery import Delivery

    terminal = out()
    settings = read_settings(args.file, os.environ)
    if not settings.alerts:
        err().say(f"error: {settings.source} has no webhooks; add `alerts: [{{webhook: …}}]`")
        return FAILED
    results = asyncio.run(_send(settings.alerts))
    rows = []
    for alert, (verdict, words) in zip(settings.alerts, results, strict=True):
        done = verdict is Delivery.DONE
        said = "took it" if done else words
        signed = "signed" if alert.secret is not None else "not signed"
        rows.append((f"webhook {alert.name}", f"{alert.format}, {signed}", terminal.paint(said, "green" if done else "red")))
    terminal.table(rows)
    return 0 if all(verdict is Delivery.DONE for verdict, _ in results) else FAILED
