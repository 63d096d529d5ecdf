"""A report: a question, the few queries that answer it, and the answer, for whoever shows it (`undimmed report`, the admin
listener). Reads nothing but sums, so it takes as long with a million calls as with a thousand. Blocks: not for the loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.core.usage import Price
from proxy.stores.insight.findings import Finding, find, gather
from proxy.stores.insight.lines import Line, group_by, total_of
from proxy.stores.insight.outlooks import Forecast, Purse, make_forecast, span_for
from proxy.stores.insight.premium import Premium, find_premium
from proxy.stores.ledger.contract import Reader, Span

EVER = Span()
#: What a report is grouped by if nobody says otherwise.
USUAL = ("route", "target")


@dataclass(frozen=True, slots=True)
class Question:
    """Which time, grouped by which dimensions (`queries.DIMENSIONS`), and what more to look at."""

    span: Span = EVER
    by: Sequence[str] = USUAL
    premium: bool = False
    forecast: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What the ledger does not know: the time, and the present configuration's prices (by route and target) and budgets."""

    now: float
    prices: Mapping[str, Mapping[str, Price | None]] = field(default_factory=dict)
    purses: Sequence[Purse] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`hours`: the first and the last Unix hour of which there is anything, None: there is nothing. `targets`: each one's
    sums. What was not asked for is None."""

    by: Sequence[str]
    hours: tuple[int, int] | None
    lines: Sequence[Line]
    total: Line
    targets: Sequence[Line]
    findings: Sequence[Finding]
    premium: Sequence[Premium] | None = None
    forecast: Forecast | None = None


def make_report(reader: Reader, question: Question, context: Context) -> Report:
    """Ask the ledger. Raises Unreadable."""
    span = question.span
    by = tuple(question.by)
    pairs = reader.sums(span, ("route", "target", "waste"))
    rows = pairs if by == ("route", "target") else reader.sums(span, tuple(dict.fromkeys((*by, "waste"))))
    sums = gather(pairs)
    premium = find_premium(reader.uses(span), context.prices) if question.premium else None
    forecast = _forecast(reader, context) if question.forecast else None
    return Report(
        by=by,
        hours=reader.hours(span),
        lines=group_by(rows, by),
        total=total_of(pairs),
        targets=[line for line in sums.targets if line.group != ("",)],
        findings=find(sums, premium or (), forecast),
        premium=premium,
        forecast=forecast,
    )


def _forecast(reader: Reader, context: Context) -> Forecast:
    """Always of the present month, whatever the span."""
    span = span_for(context.now)
    dimensions = dict.fromkeys(purse.dimension for purse in context.purses)
    rows = {dimension: reader.sums(span, (dimension, "hour")) for dimension in dimensions}
    by_route = rows["route"] if "route" in rows else reader.sums(span, ("route", "hour"))
    return make_forecast(by_route, context.now, context.purses, rows)
