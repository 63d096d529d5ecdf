"""Budgets that go on where the last process stopped: what was spent before is read from the ledger.

Read in a thread, so that nobody waits for a disk or a server. A ledger that cannot be read costs no request and stops no
start: the budgets begin at 0 then, and the log says so.
"""

import asyncio
import sqlite3
from collections.abc import Iterable

import structlog

from proxy.core.limits import Subject, Unit
from proxy.core.settings import LedgerSettings, Settings
from proxy.pipeline.gate import Gate
from proxy.policy.spending import Spending
from proxy.stores.ledger.contract import Spent, Unreadable
from proxy.stores.ledger.spending import read_spent
from proxy.stores.log import NAME, describe

#: What was spent by whom since when (ms of Unix time).
Past = dict[tuple[int, str, str], Spent]


async def restore_budgets(gate: Gate, settings: Settings, wall: float) -> None:
    """Fill the budgets that are blank with what was spent before `wall` (Unix time)."""
    blank, gate.blank = gate.blank, []
    if not blank or settings.ledger is None:
        return
    starts = [spending.start for _, spending in blank]
    spans = {_milliseconds(start) for start in starts}
    try:
        past = await asyncio.to_thread(_read, settings.ledger, spans, _milliseconds(wall))
    except (Unreadable, sqlite3.Error, OSError) as error:
        structlog.get_logger(NAME).warning("budgets_not_restored", error=describe(error), count=len(blank))
        return
    for (subject, spending), start in zip(blank, starts, strict=True):
        spending.restore(start, _amount(past, subject, spending, start))


def _milliseconds(wall: float) -> int:
    return int(wall * 1000)


def _read(place: LedgerSettings, spans: Iterable[int], until: int) -> Past:
    return {(since, spent.dimension, spent.name): spent for since in spans for spent in read_spent(place, since, until)}


def _amount(past: Past, subject: Subject, spending: Spending, start: float) -> int:
    scope, name = subject
    spent = past.get((_milliseconds(start), scope.value, name))
    if spent is None:
        return 0
    return spent.cost if spending.budget.unit is Unit.USD else spent.input + spent.output
