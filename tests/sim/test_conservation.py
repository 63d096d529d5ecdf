"""What vendors would charge against what the ledger says, after random chaos and restarts of the ledger: every token that
was reported agrees, and whatever was billed beyond that is an attempt that says so."""

import os
import sqlite3
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from support.simulation import Outcome, rehearse, replace
from test_seeds import load, world

from proxy.core.records import CallRecord
from proxy.core.settings import LedgerSettings, Origin, Settings
from proxy.stores.ledger.place import open_reader
from proxy.stores.ledger.sqlite import SqliteDatabase
from proxy.stores.ledger.writer import JournaledLedger

#: A thousand were run before the release: UNDIMMED_SEEDS=1000 pytest tests/sim/test_conservation.py
SEEDS = int(os.environ.get("UNDIMMED_SEEDS", "24"))


def vary(configured: Settings, rng: Random) -> Settings:
    """Some routes read on when a client leaves, and some vendors tell of the input before they generate anything."""
    route = configured.routes[0]
    providers = {
        name: replace(known, kind="anthropic", preset="anthropic", origin=Origin("http", f"{name}.test", 80))
        if rng.random() < 0.3
        else known
        for name, known in configured.providers.items()
    }
    routes = (replace(route, on_leave=rng.choice(["cancel", "drain"])),)
    return replace(configured, providers=providers, routes=routes)


def keep(calls: list[CallRecord], path: Path, rng: Random) -> None:
    """Through ledgers one after the other; what was handed over just before a restart is handed over again."""
    at = 0
    while at < len(calls):
        size = rng.randint(1, 200)
        ledger = JournaledLedger(path, lambda meanwhile: SqliteDatabase(path, meanwhile), time.time)
        ledger.start()
        for record in calls[max(at - 3, 0) : at + size]:
            for number, attempt in enumerate(record.attempts):
                begun = CallRecord(
                    record.id, record.route, record.endpoint, record.stream, record.key, record.wall, record.started_at
                )
                begun.attempts = record.attempts[:number]
                ledger.attempt_started(begun, attempt)
            ledger.call_finished(record)
        assert ledger.close(30)
        at += size


def books(run: Outcome) -> Counter[tuple[str, int, int]]:
    """Vendors' bills: who billed how much, how often."""
    return Counter(
        (name, entry.input, entry.output) for name, p in run.network.providers.items() for entry in p.bill.entries
    )


@pytest.mark.parametrize("seed", range(SEEDS), ids=lambda seed: f"seed{seed}")
def test_ledger_and_bills_agree(seed: int, tmp_path: Path) -> None:
    rng = Random(seed)
    configured, schedules = world(rng)
    configured = vary(configured, rng)
    run = rehearse(schedules, load(rng), configured, seed=seed)
    path = tmp_path / "undimmed.db"
    keep(run.notes.calls, path, rng)

    with open_reader(LedgerSettings(str(path))) as reader:
        assert list(reader.verify()) == []
        assert reader.counts() == (len(run.notes.calls), sum(len(record.attempts) for record in run.notes.calls))
    connection = sqlite3.connect(path)
    reported = Counter(
        connection.execute("SELECT provider, input, output FROM attempts WHERE source = 'provider'").fetchall()
    )
    admitted = Counter(
        provider
        for (provider,) in connection.execute(
            "SELECT provider FROM attempts WHERE source IS NOT 'provider' AND (source IS NOT NULL OR possibly_billed)"
        )
    )
    halves = Counter(connection.execute("SELECT provider, input FROM attempts WHERE source = 'mixed'").fetchall())
    summed = connection.execute("SELECT sum(input), sum(output), sum(estimated) FROM rollups").fetchone()
    rows = connection.execute(
        "SELECT sum(input), sum(output), sum(iif(source = 'provider', 0, input + output)) FROM attempts"
    ).fetchone()
    connection.close()
    assert summed == tuple(number or 0 for number in rows)
    assert not reported - books(run), "what was reported was billed, once"
    unreported = Counter[str]()
    for (provider, _, _), count in (books(run) - reported).items():
        unreported[provider] += count
    assert not unreported - admitted, "what was billed beyond it is an attempt that says so"
    inputs = Counter[tuple[str, int]]()
    for (provider, given, _), count in books(run).items():
        inputs[provider, given] += count
    assert not halves - inputs, "where only the output is an estimate, the input was billed"
