"""What other programs get of the ledger."""

import csv
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pyarrow import parquet

from proxy.cli import ledger_export
from proxy.cli.main import main
from proxy.stores.ledger.entries import AttemptEntry, CallEntry, ProbeEntry
from proxy.stores.ledger.queries import LedgerReader
from proxy.stores.ledger.sqlite import SqliteDatabase
from proxy.stores.ledger.tariff import Tariff

NOON = 1_764_072_000_123  # 2025-11-25 12:00 UTC
WITH_LEDGER = "providers: {a: {kind: ollama}}\nroutes: [{model: gpt, targets: [a/x]}]\nledger: {retention: 90d}\n"


def called(number: int, *attempts: AttemptEntry) -> CallEntry:
    entry = CallEntry(
        f"{number:024x}", NOON + number, "gpt", "chat", True, "ci", 200, "ok", True, "a/x", 0, 9, list(attempts)
    )
    entry.tags, entry.features, entry.incident = ["b,c", 'd"'], ["images", "tools"], "inc_1"
    return entry


def tried(cost: int | None) -> AttemptEntry:
    return AttemptEntry(
        "a/x", "a", "a#1", 0, 5, 9, "ok", 200, "x", 1000, 10, 0, 0, 0, "provider", cost=cost, delivered=True, factor=1.25
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("undimmed.yaml").write_text(WITH_LEDGER)
    database = SqliteDatabase(tmp_path / "undimmed.db")
    probe = ProbeEntry("p.1", NOON, "a/x", "a", "completion", "ok", 12, 8, 1, 0, 0, "provider", 1_500)
    calls = [called(1, tried(2_000_000_000), tried(None)), called(2), *(called(n, tried(n)) for n in range(3, 50))]
    database.write([*calls, probe], Tariff())
    database.close()
    return tmp_path


def test_parquet_is_typed_and_in_groups(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_export, "GROUP", 20)
    assert main(["ledger", "export", "--format", "parquet", "--output", "rows.parquet"]) == 0
    file = parquet.ParquetFile("rows.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [20, 20, 10]
    rows = file.read().to_pylist()
    first, second, third = rows[:3]
    assert (first["id"], first["attempt_number"], second["attempt_number"]) == (f"{1:024x}", 0, 1)
    assert first["at"] == datetime(2025, 11, 25, 12, 0, 0, 124_000, UTC)
    assert (first["attempt_cost_usd"], second["attempt_cost_usd"]) == (Decimal("2.000000000"), None)
    assert (first["tags"], first["features"], first["incident"]) == (["b,c", 'd"'], ["images", "tools"], "inc_1")
    assert (first["stream"], first["attempt_delivered"], first["attempt_factor"]) == (True, True, 1.25)
    assert (third["id"], third["attempt_target"]) == (f"{2:024x}", None), "a call without attempts has a row"
    assert sum(row["attempt_input"] or 0 for row in rows) == 49_000


def test_all_forms_say_the_same(folder: Path) -> None:
    for form in ("jsonl", "csv", "parquet"):
        assert main(["ledger", "export", "--format", form, "--output", f"rows.{form}"]) == 0
    table = parquet.read_table("rows.parquet").to_pylist()
    with open("rows.csv", newline="") as stream:
        lines = list(csv.DictReader(stream))
    calls = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    assert [row["id"] for row in table] == [row["id"] for row in lines]
    assert [call["id"] for call in calls] == list(dict.fromkeys(row["id"] for row in table))
    for row, line in zip(table, lines, strict=True):
        cost = row["attempt_cost_usd"]
        assert (Decimal(line["attempt_cost_usd"]) if line["attempt_cost_usd"] else None) == cost
        assert json.loads(line["tags"]) == row["tags"]
        assert line["attempt_tier"] == (row["attempt_tier"] or "")
    assert calls[0]["attempts"][0]["cost_usd"] == "2"
    assert calls[2]["attempts"][0]["cost_usd"] == "0.000000003"
    assert calls[0]["at"] == "2025-11-25T12:00:00.124+00:00"


def test_probes_on_their_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "export", "--probes"]) == 0
    [probe] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (probe["target"], probe["kind"], probe["input"], probe["cost_usd"]) == ("a/x", "completion", 8, "0.0000015")
    assert main(["ledger", "export", "--probes", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("p.1,2025-11-25T12:00:00.123+00:00,a/x,a,completion,ok,12,8,1")
    assert main(["ledger", "export", "--probes", "--format", "parquet", "--output", "probes.parquet"]) == 0
    assert parquet.read_table("probes.parquet").num_rows == 1


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_file_is_there_when_it_is_whole(
    folder: Path, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = folder / "rows"
    target.write_text("of yesterday")
    calls = LedgerReader.calls

    def broken(self, span):
        yield from list(calls(self, span))[:5]
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LedgerReader, "calls", broken)
        assert main(["ledger", "export", "--format", form, "--output", "rows"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert target.read_text() == "of yesterday"
    assert not list(folder.glob("*.part"))
    assert main(["ledger", "export", "--format", form, "--output", "rows"]) == 0
    assert target.stat().st_size > 1000


def test_a_place_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "export", "--output", "none/rows"]) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_parquet_says_what_it_needs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", "export", "--format", "parquet"]) == 1
    assert "--format parquet needs --output FILE" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["ledger", "export", "--format", "parquet", "--output", "rows"]) == 1
    assert 'pip install "undimmed[parquet]"' in capsys.readouterr().err
    assert not (folder / "rows").exists()
