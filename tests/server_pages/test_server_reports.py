"""`/report`: what may be asked, and what a real ledger answers off the loop."""

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.large_ledger import PRICES, write
from support.simulation import settings

from proxy.core.settings import LedgerSettings, Target
from proxy.server import reports
from proxy.server.application import Page
from proxy.server.refusals import NO_LEDGER, REPORTS_BUSY, Refusal
from proxy.server.reports import MAX_ASKED, Reports, read_question
from proxy.stores.insight.report import USUAL, Question
from proxy.stores.ledger.contract import FOREVER, Span

NOW = 1_767_225_600.0  # 2026-01-01
DAY = 86_400_000


@pytest.mark.parametrize(
    ("query", "question"),
    [
        ({}, Question(Span(0, FOREVER), USUAL)),
        ({"by": "key,day,key", "premium": "true", "forecast": "1"}, Question(Span(), ("key", "day"), True, True)),
        (
            {"since": "7d", "until": "2026-01-01", "premium": "0", "by": ""},
            Question(Span(int(NOW * 1000) - 7 * DAY, int(NOW * 1000)), USUAL),
        ),
    ],
)
def test_questions(query: dict[str, str], question: Question) -> None:
    assert read_question(query, NOW) == question


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"by": "color"}, "by"),
        ({"by": "route,,key"}, "by"),
        ({"by": "route,target,key,day,outcome"}, "by"),
        ({"since": "yesterday"}, "since"),
        ({"until": "9" * 30 + "d"}, "until"),
        ({"since": "2026-01-02", "until": "2026-01-02"}, "until"),
        ({"premium": "maybe"}, "premium"),
        ({"forecast": "2"}, "forecast"),
        ({"bye": "route"}, "bye"),
    ],
)
def test_wrong_questions_say_which_part_is_wrong(query: dict[str, str], param: str) -> None:
    refusal = read_question(query, NOW)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.param) == (400, param)


def configured(path: Path):
    targets = [Target(*name.split("/"), price=price) for name, price in PRICES.items()]
    return replace(settings([targets]), ledger=LedgerSettings(str(path)))


def ask(config, **query: str) -> Page | Refusal:
    async def body() -> Page | Refusal:
        return await Reports(lambda: config, lambda: NOW).answer(query)

    return asyncio.run(body())


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reports") / "undimmed.db"
    write(path, 1500, 20, NOW)
    return path


def test_a_report_has_all_that_was_asked_for(ledger: Path) -> None:
    page = ask(configured(ledger), by="target", premium="1", forecast="1")
    assert isinstance(page, Page)
    view = json.loads(page.body)
    assert list(view) == [
        "object", "since", "until", "by", "lines", "lines_left_out", "total", "targets", "findings", "premium", "forecast",
    ]  # fmt: skip
    assert view["lines"][0]["target"] in PRICES
    assert view["total"]["calls"] > 1000
    assert view["forecast"]["until"] == "2026-02-01T00:00:00+00:00"
    assert "premium" not in json.loads(ask(configured(ledger)).body)


def test_without_a_ledger_there_is_a_hint(tmp_path: Path) -> None:
    assert ask(settings()) is NO_LEDGER
    assert "ledger:" in NO_LEDGER.message
    refusal = ask(configured(tmp_path / "none.db"))
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (503, "ledger_unreadable")
    refusal = ask(settings(), by="color")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


def test_one_report_at_a_time_and_few_that_wait(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, gate = 0, 0, threading.Event()
    make = reports._make

    def slow(*args) -> bytes:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        assert gate.wait(5)
        inside -= 1
        return make(*args)

    monkeypatch.setattr(reports, "_make", slow)

    async def body() -> list[Page | Refusal]:
        asked = Reports(lambda: configured(ledger), lambda: NOW)
        tasks = [asyncio.create_task(asked.answer({})) for _ in range(MAX_ASKED + 2)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        gate.set()  # the loop was free while the first one was being made
        return await asyncio.gather(*tasks)

    answers = asyncio.run(body())
    assert answers.count(REPORTS_BUSY) == 2
    assert sum(isinstance(answer, Page) for answer in answers) == MAX_ASKED
    assert most == 1
