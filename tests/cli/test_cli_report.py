import csv
import io
import json
import time
from pathlib import Path

import pytest

from proxy.cli.ledger_place import parse_time
from proxy.cli.main import main
from proxy.stores.insight.figures import show_count, show_money, show_seconds, show_share, show_speed, some
from proxy.stores.ledger.entries import AttemptEntry, CallEntry
from proxy.stores.ledger.recovery import segment_path
from proxy.stores.ledger.segment import Segment
from proxy.stores.ledger.sqlite import SqliteDatabase
from proxy.stores.ledger.tariff import Tariff

NOON = 1_764_072_000_000  # 2025-11-25 12:00 UTC
WITH_LEDGER = "providers: {a: {kind: ollama}}\nroutes: [{model: gpt, targets: [a/x]}]\nledger: {retention: 90d}\n"


def tried(target: str, outcome: str = "ok", cost: int | None = 2_000_000_000, **more: object) -> AttemptEntry:
    entry = AttemptEntry(target, target.split("/")[0], "k#1", 0, 100, 900, outcome, 200, delivered=outcome == "ok")
    entry.input, entry.output, entry.source, entry.cost = 1000, 500, "provider", cost
    for name, value in more.items():
        setattr(entry, name, value)
    return entry


def called(number: int, *attempts: AttemptEntry, wall: int = NOON, key: str = "", route: str = "gpt") -> CallEntry:
    served = next((a.target for a in attempts if a.delivered), None)
    outcome = attempts[-1].outcome if attempts else "bad_request"
    return CallEntry(f"{number:024x}", wall, route, "chat", True, key, 200, outcome, True, served, 0, 1000, list(attempts))


CALLS = [
    called(1, tried("a/x")),
    called(2, tried("a/x", "stalled", possibly_billed=True, source="estimate"), tried("b/y", cost=3_000_000_000), key="ci"),
    called(3, tried("a/x"), wall=NOON + 86_400_000, key="ci"),
    called(4, tried("c/z", cost=None, reasoning=100), route="free"),
    called(5),
]


@pytest.fixture
def ledger(folder: Path) -> Path:
    (folder / "undimmed.yaml").write_text(WITH_LEDGER)
    path = folder / "undimmed.db"
    database = SqliteDatabase(path)
    database.write(CALLS, Tariff(first={"gpt": ("a/x",)}))
    database.close()
    return path


def report(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["report", *options]) == 0
    return capsys.readouterr().out


def test_a_table_that_a_person_can_read(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = report(capsys).splitlines()
    assert lines[0] == "undimmed.db, 2025-11-25 12:00 to 2025-11-26 13:00 UTC"
    assert [line.split(maxsplit=2) for line in lines[2:5]] == [
        ["spent", "$9.00+", "5 calls, 5 attempts, 7,500 tokens, 20% of them estimated"],
        ["wasted", "$2.00", "22% of it: cut streams $2.00"],
        ["failover", "unknown", "1 call served elsewhere than at their first choice"],
    ]
    start = lines.index("By route and target")
    assert lines[start + 1].split() == [
        "route", "target", "calls", "attempts", "input", "output", "reasoning", "estimated", "cost", "wasted", "waste",
        "failover",
    ]  # fmt: skip
    assert set(lines[start + 2].strip()) == {"─"}
    table = [line for line in lines[start + 3 : start + 9] if line]
    assert [line.split() for line in table] == [
        ["gpt", "a/x", "2", "3", "3,000", "1,500", "0", "33%", "$6.00", "1,500", "$2.00", "$0.00"],
        ["gpt", "b/y", "1", "1", "1,000", "500", "0", "0%", "$3.00", "0", "$0.00", "unknown"],
        ["free", "c/z", "1", "1", "1,000", "500", "100", "0%", "unknown", "0", "$0.00", "$0.00"],
        ["gpt", "–", "1", "0", "0", "0", "0", "0%", "$0.00", "0", "$0.00", "$0.00"],
        ["total", "5", "5", "5,000", "2,500", "100", "20%", "$9.00+", "1,500", "$2.00", "unknown"],
    ]
    assert len({len(line) for line in table}) == 1, "numbers stand right"
    start = lines.index("Targets")
    assert lines[start + 3].split() == ["a/x", "3", "33%", "0.10s", "625", "0%", "$2.00"]
    todo = " ".join(" ".join(lines[lines.index("What to do") :]).split())
    assert "1. 22% of the money of route gpt ($2.00) went to attempts nobody received, mostly cut streams at a/x" in todo
    assert "Unpriced: 1,500 tokens of c/z (20% of all) have no known price" in todo
    assert "1 attempt (20%) had been sent when they were cut off or lost" in todo


def test_json_and_csv_say_the_same(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = json.loads(report(capsys, "--by", "key", "--format", "json"))
    assert [(line["key"], line["calls"], line["cost_usd"]) for line in view["lines"]] == [("ci", 2, "7"), ("", 3, "2")]
    assert view["total"]["unpriced_attempts"] == 1
    assert view["total"]["wasted_cost_usd"] == "2"
    assert view["total"]["waste"]["cut"] == {"attempts": 1, "tokens": 1500, "cost_usd": "2"}
    assert {line["target"]: line["first_content_ms"] for line in view["targets"]} == {"a/x": 100, "b/y": 100, "c/z": 100}
    assert [finding["kind"] for finding in view["findings"]] == ["waste", "estimated", "unpriced", "possibly_billed"]
    rows = list(csv.DictReader(io.StringIO(report(capsys, "--by", "key", "--format", "csv"))))
    assert [(row["key"], row["calls"], row["cost_usd"]) for row in rows] == [("ci", "2", "7"), ("", "3", "2")]
    assert [(row["waste_cut_attempts"], row["waste_cut_cost_usd"]) for row in rows] == [("1", "2"), ("0", "0")]
    [row] = csv.DictReader(io.StringIO(report(capsys, "--by", "route", "--format", "csv", "--since", "2025-11-26")))
    assert row["calls"] == "1"
    free = [
        line
        for line in json.loads(report(capsys, "--by", "provider", "--format", "json"))["lines"]
        if line["provider"] == "c"
    ]
    assert free[0]["cost_usd"] is None, "unknown is not 0"


def test_spans_and_groups(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = json.loads(report(capsys, "--by", "day,outcome", "--format", "json"))
    assert [(line["day"], line["outcome"], line["attempts"]) for line in view["lines"]] == [
        ("2025-11-25", "bad_request", 0),
        ("2025-11-25", "ok", 3),
        ("2025-11-25", "stalled", 1),
        ("2025-11-26", "ok", 1),
    ]
    view = json.loads(report(capsys, "--until", "2025-11-25T12:30", "--by", "day", "--format", "json"))
    assert view["total"]["calls"] == 4, "the hour that it ends in is whole"
    assert report(capsys, "--since", "2030-01-01") == "undimmed.db has nothing in this span\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "route,color"], "cannot group by color; known: route, provider, model"),
        (["--since", "tomorrow"], "expected a date, a time"),
        (["--format", "xml"], "invalid choice"),
    ],
)
def test_wrong_usage(ledger: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["report", *words])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", [["report"], ["ledger", "export"], ["ledger", "verify"], ["ledger", "compact"]])
def test_no_ledger_is_said(folder: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "undimmed.yaml"
    file.write_text(WITH_LEDGER.replace("ledger:", "keys: []\n#"))
    assert main(command) == 1
    assert "undimmed.yaml has no ledger; add `ledger:" in capsys.readouterr().err
    file.write_text(WITH_LEDGER)
    assert main(command) == 1
    assert "there is no ledger at undimmed.db yet" in capsys.readouterr().err
    (folder / "undimmed.db").write_bytes(b"x" * 5000)
    assert main(command) == 1
    assert "undimmed.db cannot be read: file is not a database" in capsys.readouterr().err
    (folder / "undimmed.db").write_bytes(b"")
    assert main(command) == 1
    assert "undimmed.db is no ledger" in capsys.readouterr().err


def test_times() -> None:
    assert parse_time("2025-11-25T12:00") == parse_time("2025-11-25T13:00+01:00") == NOON
    assert abs(parse_time("2d") - (time.time() - 2 * 86400) * 1000) < 60_000


def test_numbers() -> None:
    assert [show_count(n) for n in (0, 999, 9_999, 10_000, 123_456, 9_990_000, 25_000_000, 4 * 10**10)] == [
        "0", "999", "9,999", "10.0k", "123k", "9.99M", "25.0M", "40.0G",
    ]  # fmt: skip
    assert [show_money(n) for n in (None, 0, 1_234_567, 50_000_000, 1234_567_000_000, -2_000_000_000)] == [
        "unknown", "$0.00", "$0.0012", "$0.0500", "$1,234.57", "-$2.00",
    ]  # fmt: skip
    assert [show_money(n) for n in (123, 100_000_000)] == ["<$0.000001", "$0.10"]
    assert [show_share(s) for s in (0.0, 0.001, 0.5, 1.0)] == ["0%", "<1%", "50%", "100%"]
    assert [show_seconds(ms) for ms in (None, 42.0, 4200.0, 12_345.0)] == ["–", "0.04s", "4.20s", "12.3s"]
    assert [show_speed(speed) for speed in (None, 3.14, 61.7, 1234.5)] == ["–", "3.1", "62", "1,234"]
    assert [some(n, "call") for n in (0, 1, 1200)] == ["0 calls", "1 call", "1,200 calls"]


class TestLedger:
    def test_lines_of_json(self, ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ledger", "export", "--until", "2025-11-26"]) == 0
        calls = {call["id"][-1]: call for call in map(json.loads, capsys.readouterr().out.splitlines())}
        assert sorted(calls) == ["1", "2", "4", "5"]
        second = calls["2"]
        assert (second["at"], second["stream"], second["key"]) == ("2025-11-25T12:00:00.000+00:00", True, "ci")
        assert [(a["target"], a["cost_usd"], a["delivered"]) for a in second["attempts"]] == [
            ("a/x", "2", False),
            ("b/y", "3", True),
        ]
        assert calls["4"]["attempts"][0]["cost_usd"] is None
        assert calls["5"]["attempts"] == []

    def test_csv_has_a_line_for_each_attempt(self, ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ledger", "export", "--format", "csv"]) == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [(row["id"][-1], row["attempt_target"], row["attempt_cost_usd"]) for row in rows] == [
            ("1", "a/x", "2"), ("2", "a/x", "2"), ("2", "b/y", "3"), ("4", "c/z", ""), ("5", "", ""), ("3", "a/x", "2"),
        ]  # fmt: skip

    def test_verify(self, ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
        segment = Segment(segment_path(ledger, "77.aa", 1), 4096)
        assert main(["ledger", "verify"]) == 0
        shown = capsys.readouterr().out
        assert "undimmed.db: 5 calls, 5 attempts" in shown
        assert "journal 77.aa: 0 calls in 1 files, of a running proxy" in shown
        assert "sound" in shown
        segment.close(remove=True)

    def test_verify_finds_what_is_wrong(self, ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
        database = SqliteDatabase(ledger)
        connection = database._connection
        connection.execute("DELETE FROM calls WHERE key = 'ci' AND route = 'gpt' AND served_by = 'b/y'")
        connection.execute("DELETE FROM attempts WHERE target = 'c/z'")
        connection.execute("UPDATE rollups SET calls = calls + 1 WHERE hour = ?", ((NOON + 86_400_000) // 3_600_000,))
        database.close()
        assert main(["ledger", "verify"]) == 1
        shown = capsys.readouterr().out
        assert "2 attempts belong to no call" in shown
        assert "1 calls have more or fewer attempts than they say" in shown
        assert "the sums say 2 calls, the rows 1" in shown

    def test_compact(self, ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        import os

        from proxy.stores.ledger.entries import encode

        segment = Segment(segment_path(ledger, "77.aa", 1), 4096)
        segment.append(encode(called(6, tried("a/x"), wall=int(time.time() * 1000))))
        os.close(segment._file)
        del segment
        assert main(["ledger", "compact"]) == 0
        assert "undimmed.db: 1 rows booked from journals, 5 deleted" in capsys.readouterr().out
        total = json.loads(report(capsys, "--format", "json"))["total"]
        assert total["calls"] == 6, "sums stay"
        assert main(["ledger", "verify"]) == 0

    def test_not_while_a_proxy_writes(self, ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
        database = SqliteDatabase(ledger)
        assert main(["ledger", "compact"]) == 1
        assert "another process writes this ledger; stop it first" in capsys.readouterr().err
        assert main(["report"]) == 0, "reading is always possible"
        database.close()
