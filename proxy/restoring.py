"""Budgets that go on where the last process stopped: what was spent before is read from the ledger.

Read in a thread, so that nobody waits for a disk. A ledger that cannot be read costs no request and stops no start: the
budgets begin at 0 then, and the log says so.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from proxy.core.limits import Scope, Subject
from proxy.core.settings import ClientKey, Settings
from proxy.pipeline.gate import Gate
from proxy.policy.spending import Spending
from proxy.stores.ledger.reading import Unreadable
from proxy.stores.ledger.spent import Question, read_spent
from proxy.stores.log import NAME, describe


async def restore_budgets(gate: Gate, settings: Settings, wall: float) -> None:
    """Fill the budgets that are blank with what was spent before `wall` (Unix time)."""
    blank, gate.blank = gate.blank, []
    if not blank or settings.ledger is None:
        return
    path = Path(settings.ledger.path)
    tagged = _keys_by_tag(settings.keys)
    questions = [_ask(subject, spending, tagged, wall) for subject, spending in blank]
    starts = [spending.start for _, spending in blank]
    try:
        amounts = await asyncio.get_running_loop().run_in_executor(None, read_spent, path, questions)
    except (Unreadable, sqlite3.Error, OSError) as error:
        structlog.get_logger(NAME).warning("budgets_not_restored", error=describe(error), count=len(blank))
        return
    for (_, spending), start, amount in zip(blank, starts, amounts, strict=True):
        spending.restore(start, amount)


def _keys_by_tag(keys: Iterable[ClientKey]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        for tag in key.tags:
            found.setdefault(tag, []).append(key.name)
    return found


def _ask(subject: Subject, spending: Spending, tagged: Mapping[str, list[str]], wall: float) -> Question:
    scope, name = subject
    since, until = int(spending.start * 1000), int(wall * 1000)
    if scope is Scope.TAG:
        return Question(Scope.KEY, frozenset(tagged.get(name, ())), spending.budget.unit, since, until)
    return Question(scope, frozenset((name,)), spending.budget.unit, since, until)
