"""Reports over HTTP: a query is read strictly, the ledger is asked in a thread, one report at a time.

A report takes the interpreter for part of a second at worst, and databases may take their time: so the loop only waits for
it, and no more than `MAX_ASKED` are being made or wait for their turn. What a report is, and what its JSON means, is said in
`stores/insight`.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from proxy.core.settings import LedgerSettings, Settings
from proxy.server.application import Page
from proxy.server.refusals import NO_LEDGER, REPORTS_BUSY, Refusal, bad_query, unreadable_ledger
from proxy.stores.insight.periods import FORMS, read_moment
from proxy.stores.insight.premium import price_routes
from proxy.stores.insight.purses import purses_of
from proxy.stores.insight.records import report_record
from proxy.stores.insight.report import USUAL, Context, Question, make_report
from proxy.stores.ledger.contract import FOREVER, Span, Unreadable
from proxy.stores.ledger.place import open_reader
from proxy.stores.ledger.queries import DIMENSIONS

MAX_ASKED = 4
MAX_DIMENSIONS = 4
PARAMETERS = ("by", "since", "until", "premium", "forecast")
_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False, "": False}


def read_question(query: Mapping[str, str], now: float) -> Question | Refusal:
    """What is asked, or which parameter is wrong and how."""
    for name in query:
        if name not in PARAMETERS:
            return bad_query(name, f"There is no parameter {name[:100]!r}; known: {', '.join(PARAMETERS)}.")
    by = tuple(dict.fromkeys(query["by"].split(","))) if query.get("by") else USUAL
    wrong = [name for name in by if name not in DIMENSIONS]
    if wrong:
        return bad_query("by", f"Cannot group by {wrong[0][:100]!r}; known: {', '.join(DIMENSIONS)}.")
    if len(by) > MAX_DIMENSIONS:
        return bad_query("by", f"Group by {MAX_DIMENSIONS} at most.")
    times = {"since": 0, "until": FOREVER}
    for name in times:
        if query.get(name):
            try:
                times[name] = max(read_moment(query[name], now), 0)
            except (ValueError, OverflowError):
                return bad_query(name, f"{name} must be {FORMS}.")
    if times["since"] >= times["until"]:
        return bad_query("until", "until must be later than since.")
    for name in ("premium", "forecast"):
        if query.get(name, "").lower() not in _FLAGS:
            return bad_query(name, f"{name} must be 1 or 0.")
    premium, forecast = (_FLAGS[query.get(name, "").lower()] for name in ("premium", "forecast"))
    return Question(Span(times["since"], times["until"]), by, premium, forecast)


class Reports:
    """Answers `/report` from the ledger of the present configuration."""

    def __init__(self, settings: Callable[[], Settings], wall: Callable[[], float]) -> None:
        self._settings = settings
        self._wall = wall
        self._turn = asyncio.Semaphore(1)
        self._asked = 0

    async def answer(self, query: Mapping[str, str]) -> Page | Refusal:
        settings, now = self._settings(), self._wall()
        question = read_question(query, now)
        if isinstance(question, Refusal):
            return question
        if settings.ledger is None:
            return NO_LEDGER
        if self._asked >= MAX_ASKED:
            return REPORTS_BUSY
        context = Context(now, price_routes(settings, now), purses_of(settings))
        self._asked += 1
        try:
            async with self._turn:
                body = await asyncio.to_thread(_make, settings.ledger, question, context)
        except Unreadable as error:
            return unreadable_ledger(str(error))
        finally:
            self._asked -= 1
        return Page(200, body)


def _make(place: LedgerSettings, question: Question, context: Context) -> bytes:
    with open_reader(place) as reader:
        return msgspec.json.encode(report_record(make_report(reader, question, context)))
