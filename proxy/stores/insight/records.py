"""A report as values for programs: what `--format json` prints and the admin listener answers. The keys are a promise.

Counts are whole numbers. Money is an exact decimal of dollars as a string, null where it is unknown; beside it stands how
many attempts have no price. Shares are 0 to 1. Times are ISO 8601 with an offset.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from proxy.stores.insight.lines import WASTES, Line, Waste
from proxy.stores.insight.outlooks import Ahead, Forecast, PurseAhead
from proxy.stores.insight.premium import Premium, Use
from proxy.stores.insight.report import Report
from proxy.tokens.prices import dollars

Record = dict[str, object]
#: More lines than this are left out, and counted: a report by the hour and key over years is for the export.
MAX_LINES = 10_000


def _money(nano: int | None) -> str | None:
    return None if nano is None else dollars(nano)


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def _at(unix: float, zone: tzinfo = UTC) -> str:
    return datetime.fromtimestamp(unix, zone).isoformat(timespec="seconds")


def figures_of(line: Line) -> Record:
    """A line without its group."""
    return {
        **{name: line[name] for name in ("calls", "attempts", "delivered", "input", "cached", "cache_write", "output")},
        **{name: line[name] for name in ("reasoning", "audio", "image", "estimated")},
        "estimated_share": round(line.estimated_share, 4),
        "reasoning_share": round(line.reasoning_share, 4),
        "cost_usd": _money(line.cost),
        "unpriced_attempts": line["unpriced"],
        "unpriced_tokens": line["unpriced_tokens"],
        "wasted": line["wasted"],
        "wasted_cost_usd": _money(line.wasted_cost),
        "possibly_billed_attempts": line["possibly_billed"],
        "failovers": line["failovers"],
        "failover_cost_usd": _money(line.failover_cost),
        "failovers_unpriced": line["failover_unpriced"],
        "cache_saved_usd": dollars(line["cache_saved"]),
        "own_cache_hits": line["hits"],
        "own_cache_saved_usd": dollars(line["saved"]),
        "first_content_ms": _rounded(line.first_content_ms, 1),
        "tokens_per_s": _rounded(line.speed, 1),
    }


def wastes_of(line: Line) -> dict[str, Record]:
    """By kind, those that there are none of too."""
    nothing = Waste()
    found = {kind: line.wastes.get(kind, nothing) for kind in WASTES}
    return {
        kind: {"attempts": waste.attempts, "tokens": waste.tokens, "cost_usd": _money(waste.cost)}
        for kind, waste in found.items()
    }


def line_record(by: Sequence[str], line: Line) -> Record:
    """A line with its group."""
    return {**dict(zip(by, line.group, strict=False)), **figures_of(line), "waste": wastes_of(line)}


def flat_record(by: Sequence[str], line: Line) -> Record:
    """The same without anything nested, for CSV. Where lines are one kind of waste each, `waste` is the kind's name."""
    wastes = wastes_of(line)
    return {
        **dict(zip(by, line.group, strict=False)),
        **figures_of(line),
        **{f"waste_{kind}_{name}": value for kind, waste in wastes.items() for name, value in waste.items()},
    }


def _use(use: Use) -> Record:
    return {
        "name": use.name,
        "attempts": use["attempts"],
        "delivered": use["delivered"],
        "input": use["input"],
        "output": use["output"],
        "reasoning": use["reasoning"],
        "audio_and_image": use["audio"] + use["image"],
        "cost_usd": _money(use.cost),
        "unpriced_attempts": use["unpriced"],
        "cheaper_cost_usd": _money(use.there),
        "saves_usd": _money(use.saves),
    }


def premium_record(premium: Premium) -> Record:
    """One dear target."""
    return {
        "route": premium.route,
        "target": premium.target,
        "cheaper": premium.cheaper,
        "unpriced_targets": list(premium.unpriced),
        "total": _use(premium.total),
        **{f"by_{kind}": [_use(use) for use in uses] for kind, uses in premium.uses.items()},
    }


#: The columns of `flat_premium`.
PREMIUM_FIELDS = ("route", "target", "cheaper", "by", *_use(Use("")))


def flat_premium(premiums: Sequence[Premium]) -> list[Record]:
    """A line for each use, for CSV."""
    return [
        {"route": p.route, "target": p.target, "cheaper": p.cheaper, "by": kind, **_use(use)}
        for p in premiums
        for kind, uses in (("total", [p.total]), *p.uses.items())
        for use in uses
    ]


def _ahead(ahead: Ahead, unit: str = "usd") -> Record:
    """Amounts in the unit's own words: `spent_usd` in dollars, `spent_tokens` as a count."""

    def amount(value: int | None) -> object:
        return _money(value) if unit == "usd" else value

    look = ahead.outlook
    return {
        f"spent_{unit}": amount(ahead.spent),
        f"expected_{unit}": amount(look.expected if look else None),
        f"low_{unit}": amount(look.low if look else None),
        f"high_{unit}": amount(look.high if look else None),
        "whole_days": ahead.days,
        "method": look.method if look else None,
        "why_not": ahead.why_not or None,
        "unpriced_attempts": ahead.unpriced,
    }


def _purse(found: PurseAhead) -> Record:
    purse = found.purse
    return {
        purse.dimension: purse.name,
        "per": purse.per,
        "zone": str(purse.zone),
        "unit": purse.unit,
        "limit": dollars(purse.limit) if purse.unit == "usd" else purse.limit,
        "ends": _at(found.end, purse.zone),
        "runs_out": None if found.runs_out is None else _at(found.runs_out, purse.zone),
        **_ahead(found.ahead, purse.unit),
    }


def forecast_record(forecast: Forecast) -> Record:
    """Until the month's end. `low` and `high`: four times out of five it ends between them."""
    return {
        "until": f"{forecast.end.isoformat()}T00:00:00+00:00",
        "band": 0.8,
        "total": _ahead(forecast.total),
        "routes": [{"route": ahead.name, **_ahead(ahead)} for ahead in forecast.routes],
        "budgets": [_purse(found) for found in forecast.purses],
    }


def flat_forecast(forecast: Forecast) -> list[Record]:
    """A line for all, and for each route, for CSV."""
    return [{"route": "", **_ahead(forecast.total)}, *({"route": a.name, **_ahead(a)} for a in forecast.routes)]


def report_record(report: Report) -> Record:
    """All of it."""
    first, last = report.hours or (None, None)
    record: Record = {
        "object": "report",
        "since": None if first is None else _at(first * 3600),
        "until": None if last is None else _at((last + 1) * 3600),
        "by": list(report.by),
        "lines": [line_record(report.by, line) for line in report.lines[:MAX_LINES]],
        "lines_left_out": max(len(report.lines) - MAX_LINES, 0),
        "total": line_record((), report.total),
        "targets": [line_record(("target",), line) for line in report.targets],
        "findings": [
            {"kind": f.kind, "subject": f.subject, "share": round(f.share, 4), "text": f.text} for f in report.findings
        ],
    }
    if report.premium is not None:
        record["premium"] = [premium_record(premium) for premium in report.premium]
    if report.forecast is not None:
        record["forecast"] = forecast_record(report.forecast)
    return record
