"""`GET /limits`: what is limited, what is used of it and what is left. Money is an exact decimal string of dollars."""

from datetime import UTC, datetime

from proxy.core.limits import Budget, BudgetStanding, Unit
from proxy.pipeline.gate import Gate
from proxy.policy.allowances import Allowance
from proxy.tokens.prices import dollars


def limits_view(gate: Gate) -> dict[str, object]:
    """One entry per subject: keys, tags, routes, providers, in this order."""
    at = gate.moment()
    return {"limits": [_subject(allowance, at.loop, at.wall) for allowance in gate.allowances]}


def _subject(allowance: Allowance, now: float, wall: float) -> dict[str, object]:
    scope, name = allowance.subject
    standings = list(allowance.standings(wall))
    budgets = [spending.budget for spending in allowance.budgets]
    return {
        "scope": scope.value,
        "name": name,
        "in_flight": allowance.running,
        "concurrent": allowance.limits.rates.concurrent,
        "rates": {
            what: {"limit": limit, "left": left, "whole_again_s": round(reset, 1)}
            for what, (limit, left, reset) in allowance.rate_view(now).items()
        },
        "budgets": [_budget(*pair) for pair in zip(budgets, standings, strict=True)],
    }


def _budget(budget: Budget, standing: BudgetStanding) -> dict[str, object]:
    def amount(value: int) -> object:
        return dollars(value) if budget.unit is Unit.USD else value

    return {
        "unit": standing.unit,
        "per": budget.per.value,
        "zone": str(budget.zone),
        "limit": amount(standing.limit),
        "spent": amount(standing.spent),
        "reserved": amount(standing.reserved),
        "left": amount(max(standing.limit - standing.spent - standing.reserved, 0)),
        "starts": _show(standing.period_start),
        "ends": _show(standing.period_end),
        "soft": standing.soft,
    }


def _show(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
