"""Budgets that go on where the last process stopped, and a start that no ledger can stop."""

import asyncio
from pathlib import Path

import pytest
import structlog
from support.simulation import replace, settings

from proxy.core.endpoints import Endpoint
from proxy.core.limits import Budget, BudgetStanding, Limits, Period, Unit
from proxy.core.outcome import OK
from proxy.core.records import AttemptRecord, CallRecord
from proxy.core.settings import ClientKey, LedgerSettings, Settings
from proxy.core.usage import Usage
from proxy.pipeline.gate import Gate
from proxy.restoring import restore_budgets
from proxy.stores.ledger.place import open_ledger

DAY = 86400.0
NOW = 20000 * DAY + DAY / 2
BUDGET = Limits(budgets=(Budget(1000, Unit.TOKENS, Period.DAY),))


def configured(path: Path | None) -> Settings:
    made = settings((("a/m",), ("b/m",)))
    named = {**made.providers, "b": replace(made.providers["b"], limits=BUDGET)}
    keys = (ClientKey("ci", "00", tags=("team",), limits=BUDGET), ClientKey("cd", "11", tags=("team",)))
    return replace(
        made,
        providers=named,
        keys=keys,
        routes=(replace(made.routes[0], limits=BUDGET),),
        tags={"team": BUDGET, "nobody": BUDGET},
        ledger=None if path is None else LedgerSettings(str(path)),
    )


def write(path: Path, *calls: tuple[str, str, float]) -> None:
    """Calls of 100 tokens: key, provider, seconds before now."""
    ledger = open_ledger(LedgerSettings(str(path), 400 * DAY), lambda: NOW)
    ledger.start()
    for number, (key, provider, ago) in enumerate(calls):
        attempt = AttemptRecord(f"{provider}/m", provider, "k", 0.0, OK, ended_at=1.0, usage=Usage(60, 40), delivered=True)
        record = CallRecord(f"{number:024x}", "lamp", Endpoint.CHAT, False, key, NOW - ago, 0.0, 1.0, 200)
        record.attempts.append(attempt)
        record.tags = ("team",) if key in ("ci", "cd") else ()
        ledger.call_finished(record)
    assert ledger.close(10)


def restore(gate: Gate, made: Settings, wall: float = NOW) -> dict[str, int]:
    """Spent by subject, after the budgets were restored."""
    asyncio.run(restore_budgets(gate, made, wall))
    standings: list[BudgetStanding] = gate.standings(wall)
    return {one.scope: one.spent for one in standings}


def make_gate(made: Settings, wall: float = NOW) -> Gate:
    gate = Gate(lambda: 0.0, lambda: wall, lambda event: None)
    gate.use(made)
    return gate


def test_every_subject_knows_what_was_spent(tmp_path: Path) -> None:
    path = tmp_path / "undimmed.db"
    write(path, ("ci", "a", 60.0), ("cd", "b", 3600.0), ("other", "b", 5 * 3600.0), ("ci", "a", DAY))
    made = configured(path)
    gate = make_gate(made)
    spent = restore(gate, made)
    assert spent == {"key ci": 100, "tag team": 200, "tag nobody": 0, "route lamp": 300, "provider b": 200}
    assert restore(gate, made) == spent, "once"


def test_a_reload_asks_for_new_budgets_only(tmp_path: Path) -> None:
    path = tmp_path / "undimmed.db"
    write(path, ("ci", "a", 60.0))
    made = configured(path)
    gate = make_gate(made)
    restore(gate, made)
    added = replace(made, keys=(*made.keys[:1], replace(made.keys[1], limits=BUDGET)))
    gate.use(added)
    assert [subject for subject, _ in gate.blank] == [("key", "cd")]
    assert restore(gate, added)["key ci"] == 100


def test_without_a_ledger_budgets_begin_at_nothing(tmp_path: Path) -> None:
    for path in (None, tmp_path / "missing.db"):
        made = configured(path)
        assert set(restore(make_gate(made), made).values()) == {0}


def test_a_ledger_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "undimmed.db"
    path.write_bytes(b"nonsense" * 1000)
    made = configured(path)
    with structlog.testing.capture_logs() as lines:
        assert set(restore(make_gate(made), made).values()) == {0}
    [line] = lines
    assert (line["event"], line["log_level"], line["count"]) == ("budgets_not_restored", "warning", 5)


def test_what_is_spent_meanwhile_counts_too(tmp_path: Path) -> None:
    path = tmp_path / "undimmed.db"
    write(path, ("ci", "a", 60.0))
    made = configured(path)
    gate = make_gate(made)
    [spending] = next(iter(gate.allowances)).budgets
    spending.settle(spending.reserve(10, NOW), 10, 7)
    assert restore(gate, made)["key ci"] == 107


@pytest.mark.parametrize("later", [DAY, 40 * DAY])
def test_a_period_that_is_over_is_not_restored(tmp_path: Path, later: float) -> None:
    path = tmp_path / "undimmed.db"
    write(path, ("ci", "a", 60.0))
    made = configured(path)
    assert set(restore(make_gate(made, NOW + later), made, NOW + later).values()) == {0}
