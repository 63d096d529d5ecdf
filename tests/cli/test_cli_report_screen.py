"""The report's screen: a ledger with a bit of everything, at the widths that people have."""

import csv
import io
import json
import os
import pty
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.large_ledger import PRICES, ROUTES, write

from proxy.cli.main import main
from proxy.cli.report_grid import Grid
from proxy.cli.report_screen import draw
from proxy.stores.insight.lines import Line
from proxy.stores.insight.outlooks import Purse
from proxy.stores.insight.report import Context, Question, Report, make_report
from proxy.stores.ledger.contract import Span
from proxy.stores.ledger.queries import LedgerReader
from proxy.stores.ledger.reading import SqliteSource

END = 1_781_611_200.0  # 2026-06-16 12:00 UTC
KNOWN = {route: {target: PRICES.get(target) for target in targets} for route, (targets, _) in ROUTES.items()}
CONFIG = """
providers: {openai: {kind: openai, credentials: [x]}, laptop: {kind: ollama}}
routes:
- {model: gpt-5, targets: [openai/gpt-5, openai/gpt-5-mini]}
- {model: local, targets: [laptop/llama3.3]}
ledger: {url: sqlite:undimmed.db}
"""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("screen") / "undimmed.db"
    write(path, 4000, 30, END)
    return path


@pytest.fixture(scope="module")
def full(ledger: Path) -> Report:
    purses = [Purse("key", "team-00", "usd", 10**9, "day"), Purse("route", "chat", "tokens", 10**12, "month")]
    with LedgerReader(SqliteSource(ledger)) as reader:
        return make_report(reader, Question(premium=True, forecast=True), Context(END, KNOWN, purses))


@pytest.mark.parametrize("room", [80, 100, 160])
def test_no_line_is_too_long_and_no_number_is_cut(full: Report, room: int) -> None:
    text = draw(full, "undimmed.db", room, color=False)
    assert max(map(len, text.splitlines())) <= room
    assert "\x1b" not in text
    assert not re.search(r"[0-9$]…", text)
    for head in (
        "By route and target",
        "Targets",
        "Premium: openai/gpt-5 on route gpt-5",
        "Forecast",
        "Budgets",
        "What to do",
    ):
        assert head in text
    for head in ("calls", "cost", "waste", "first content", "tokens/s", "runs out"):
        assert head in text


def test_room_is_used_where_there_is_some_and_missing_columns_are_named(full: Report) -> None:
    narrow, wide = (draw(full, "u.db", room, color=False) for room in (100, 160))
    assert "no room for wasted, attempts" in narrow
    assert "no room" not in wide
    assert "saved" in wide.split("By route")[1]


def test_colour_is_only_colour(full: Report) -> None:
    painted = draw(full, "u.db", 120, color=True)
    assert "\x1b[33m" in painted, "what is unknown stands out"
    plain = "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", painted).splitlines())
    assert plain == draw(full, "u.db", 120, color=False)


def test_answers_from_our_own_cache_and_media_are_told(full: Report) -> None:
    assert re.search(r"saved +\$[0-9.]+ +providers' caches \$[0-9.]+, own cache \$", draw(full, "u.db", 100, color=False))
    assert full.premium is not None
    premium = replace(full.premium[0], unpriced=("l/free",))
    premium.total.sums["audio"] = 12_345
    text = draw(replace(full, premium=[premium]), "u.db", 100, color=False)
    assert "12.3k tokens of audio and images are priced as text." in " ".join(text.split())
    assert "No price is known of l/free." in " ".join(text.split())


def test_a_dear_target_that_hardly_matters_gets_a_line(full: Report) -> None:
    text = draw(full, "u.db", 120, color=False)
    assert re.search(r"^Premium: azure-eu/gpt-5 on route gpt-5, against openai/gpt-5-mini: \$", text, re.MULTILINE)
    assert "No price is known of" not in text.split("Forecast")[0].split("Premium: openai")[1]


def test_what_cannot_be_compared_or_forecast_is_said(ledger: Path) -> None:
    with LedgerReader(SqliteSource(ledger)) as reader:
        question = Question(Span(), ("tag",), premium=True, forecast=True)
        text = draw(make_report(reader, question, Context(END - 29 * 86400)), "u.db", 120, color=False)
    assert "no dear target of a route that has a cheaper one was used" in text
    assert "these lines overlap" in text
    assert "3 whole days are needed, there are" in text


def test_a_quiet_ledger_has_nothing_to_do(full: Report) -> None:
    quiet = replace(full, findings=[], premium=None, forecast=None, targets=[], lines=full.lines * 100)
    text = draw(quiet, "u.db", 100, color=False)
    assert text.endswith("Nothing stands out.")
    assert "400 more lines; --format csv has them all" in text
    calm = replace(quiet, total=Line(()), lines=[])
    assert "spent   $0.00   0 calls, 0 attempts, 0 tokens\n\nBy" in draw(calm, "u.db", 100, color=False)
    many = replace(full, findings=list(full.findings) * 5)
    assert "more; --format json has them all" in draw(many, "u.db", 100, color=False)


def test_grids_take_the_least_important_columns_first() -> None:
    grid = Grid(
        ["name", "a", "bb", "ccc"], ranks=[0, 1, 3, 2], rows=[["x", "1", "2", "3"], ["heading"], ["y", "4", "5", "6"]]
    )
    assert grid.fit(100) == []
    assert grid.fit(13) == ["bb"]
    assert (grid.heads, grid.rows) == (["name", "a", "ccc"], [["x", "1", "3"], ["heading"], ["y", "4", "6"]])
    assert grid.fit(0) == ["ccc", "a"], "the names stay"


class TestCommand:
    @pytest.fixture(autouse=True)
    def configured(self, folder: Path, ledger: Path) -> None:
        (folder / "undimmed.yaml").write_text(CONFIG)
        (folder / "undimmed.db").write_bytes(ledger.read_bytes())

    def ask(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        assert main(["report", *words]) == 0
        return capsys.readouterr().out

    def test_premium_and_forecast_in_every_format(self, capsys: pytest.CaptureFixture[str]) -> None:
        view = json.loads(self.ask(capsys, "--premium", "--forecast", "--format", "json"))
        [premium] = view["premium"]
        assert (premium["target"], premium["cheaper"]) == ("openai/gpt-5", "openai/gpt-5-mini")
        rows = list(csv.DictReader(io.StringIO(self.ask(capsys, "--premium", "--format", "csv"))))
        whole = next(row for row in rows if row["by"] == "total")
        assert whole["cost_usd"] == premium["total"]["cost_usd"]
        rows = list(csv.DictReader(io.StringIO(self.ask(capsys, "--forecast", "--format", "csv"))))
        assert rows[0]["spent_usd"] == view["forecast"]["total"]["spent_usd"]
        assert main(["report", "--premium", "--forecast", "--format", "csv"]) == 2
        assert "a CSV holds one table" in capsys.readouterr().err

    def test_budgets_of_the_file_are_looked_ahead_for(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        budget = "{usd: 1, per: day, zone: Europe/Berlin}"
        (folder / "undimmed.yaml").write_text(f"{CONFIG}keys: [{{name: team-00, hash: '{'ab' * 32}', budget: {budget}}}]\n")
        [found] = json.loads(self.ask(capsys, "--forecast", "--format", "json"))["forecast"]["budgets"]
        assert (found["key"], found["per"], found["zone"], found["limit"]) == ("team-00", "day", "Europe/Berlin", "1")
        assert "key team-00, a day" in self.ask(capsys, "--forecast")

    def test_empty_tables_are_tables(self, capsys: pytest.CaptureFixture[str]) -> None:
        [head] = self.ask(capsys, "--premium", "--since", "2030-01-01", "--format", "csv").splitlines()
        assert head.startswith("route,target,cheaper,by,name,attempts,")
        [head] = self.ask(capsys, "--by", "waste", "--since", "2030-01-01", "--format", "csv").splitlines()
        assert head.startswith("waste,calls,attempts,")
        assert json.loads(self.ask(capsys, "--since", "2030-01-01", "--format", "json"))["since"] is None

    def test_a_terminal_gets_colour_and_its_own_width(self, capfd: pytest.CaptureFixture[str]) -> None:
        shown = b""
        child, screen = pty.fork()
        if not child:
            os.environ.update(COLUMNS="90", TERM="xterm", PYTHONPATH=str(Path(__file__).parents[2]))
            os.environ.pop("NO_COLOR", None)
            os.execv(sys.executable, [sys.executable, "-m", "proxy", "report"])
        while True:
            try:
                part = os.read(screen, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        os.close(screen)
        assert os.waitpid(child, 0)[1] == 0, shown
        text = shown.decode()
        assert "\x1b[1m" in text
        assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()) <= 90
