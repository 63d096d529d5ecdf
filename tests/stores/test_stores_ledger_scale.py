"""Reports over many rows look at sums only. `UNDIMMED_LEDGER_ROWS=1000000` for the figures: each about a second at worst."""

import itertools
import os
import time
from pathlib import Path
from random import Random

import pytest
from stores_ledgers import read

from proxy.stores.ledger.contract import Span
from proxy.stores.ledger.entries import AttemptEntry, CallEntry
from proxy.stores.ledger.queries import DIMENSIONS
from proxy.stores.ledger.sqlite import SqliteDatabase
from proxy.stores.ledger.tariff import Tariff

ROWS = int(os.environ.get("UNDIMMED_LEDGER_ROWS", "5000"))
DAYS = 30
START = 1_764_028_800_000
ROUTES = [f"route-{number}" for number in range(5)]
TARGETS = [f"provider-{number % 4}/model-{number}" for number in range(12)]
KEYS = [f"key-{number}" for number in range(25)]
TAGS = [f"team:{number}" for number in range(20)]
FEATURES = [[], ["tools"], ["images"], ["images", "tools"], ["reasoning", "tools"], ["response_format.json_schema"]]
FAILURES = ["server_error", "rate_limited", "stalled", "stream_broken"]
#: Seconds that any of them may take with a million rows of which hardly two are alike.
LIMIT = 1.5


def attempt(rng: Random, outcome: str) -> AttemptEntry:
    target = rng.choice(TARGETS)
    entry = AttemptEntry(target, target.split("/")[0], "k#1", 0, 300, 2000, outcome, delivered=outcome == "ok")
    entry.input, entry.output, entry.source, entry.cost = rng.randrange(20_000), rng.randrange(800), "provider", 1_000_000
    return entry


def calls(count: int, rng: Random):
    """So many calls over a month, one in ten of which failed over."""
    for number in range(count):
        attempts = [attempt(rng, rng.choice(FAILURES))] if rng.random() < 0.1 else []
        attempts.append(attempt(rng, "ok"))
        wall = START + number * DAYS * 86_400_000 // count
        key = rng.choice(KEYS)
        yield CallEntry(
            f"{number:024x}", wall, rng.choice(ROUTES), "chat", True, key, 200, "ok", True, attempts[-1].target, 0, 2000,
            attempts, sorted({rng.choice(TAGS), f"owner:{key}"}), rng.choice(FEATURES),
        )  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scale") / "undimmed.db"
    database = SqliteDatabase(path)
    entries = calls(ROWS, Random(1))
    while group := list(itertools.islice(entries, 5000)):
        database.write(group, Tariff())
    while database.close_days(START // 86_400_000 + DAYS - 1):
        pass
    database.close()
    return path


def ask(path: Path):
    """Everything that a report may want, by name: the answer and the seconds it took."""
    dimensions = [name for name in DIMENSIONS if name not in ("target", "hour")]  # models, and what no table of days has
    combinations = [(), *itertools.combinations(dimensions, 1), *itertools.combinations(dimensions, 2)]
    questions = {"by " + (",".join(by) or "nothing"): lambda reader, by=by: reader.sums(Span(), by) for by in combinations}
    questions["uses"] = lambda reader: reader.uses(Span())
    questions["spent"] = lambda reader: list(reader.spent(START))
    for name, question in questions.items():
        before = time.process_time()  # SQLite works in this process; others on this machine do not count
        with read(path) as reader:
            answer = question(reader)
        yield name, answer, time.process_time() - before


def test_no_report_looks_at_rows(path: Path, record_property) -> None:
    figures = {}
    answers = {}
    for name, answer, took in ask(path):
        figures[name], answers[name] = took, answer
        assert answer
    with read(path) as reader:
        assert reader.counts()[0] == ROWS
        before = time.process_time()
        list(reader.spent(START + 1800_000))
        figures["spent from within an hour on"] = time.process_time() - before
    slowest = sorted(figures, key=figures.__getitem__, reverse=True)[:8]
    for name in slowest:
        record_property(name, round(figures[name], 3))
        print(f"{figures[name]:.3f} s {name}")
    if ROWS >= 1_000_000:
        assert figures[slowest[0]] < LIMIT
    database = SqliteDatabase(path)
    while database.forget(2**60):
        pass
    database.close()
    assert {name: answer for name, answer, _ in ask(path)} == answers, "the same from sums alone"
