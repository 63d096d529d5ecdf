"""Rules over budgets: how much is used, and how fast.

*Burning* follows the multi-window alerts of the SRE workbook (chapter 5): a long window says that it matters, a short one
that it still goes on. There an error budget may be used up by the end of its period and 14.4 times the even pace means that
an hour took 2 % of a month; an hour of a day's budget is 4 % at the even pace already. So each length of period has paces of
its own, and a second condition makes them worth a message: at the slower of the two paces, the rest does not last.
"""

from collections.abc import Iterator

from proxy.core.alarming import Severity, Thresholds
from proxy.core.limits import BudgetStanding
from proxy.policy.alerts.figures import FIVE_MINUTES, HALF_HOUR, HOUR, SIX_HOURS, BudgetPace, Figures, Finding
from proxy.policy.alerts.words import DAY, amount, clock, every, percent, span

#: Longest period in seconds -> multiples of the even pace, over an hour and over six.
PACES = ((1.5 * DAY, (3.0, 1.5)), (10.0 * DAY, (8.0, 3.0)), (float("inf"), (14.4, 6.0)))


def subject_of(standing: BudgetStanding) -> str:
    """`key ci`, or `key ci, tokens a day`."""
    return f"{standing.scope}, {standing.name}" if standing.name else standing.scope


def reached(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """A step of a budget is used up."""
    for budget in figures.budgets:
        standing = budget.standing
        used = share_used(standing)
        passed = [step for step in thresholds.budget_steps if used >= step]
        if not passed:
            continue
        left = span(standing.period_end - figures.now)
        yield Finding(
            subject=subject_of(standing),
            severity=_severity(standing, used),
            text=f"{standing.scope} has used {percent(used)} of its budget of {_limit(standing)} "
            f"({amount(standing.spent, standing.unit)}) since {clock(standing.period_start, figures.now)}, with {left} "
            f"of the period to go; {_consequence(standing, used)}; told from {percent(passed[-1])} on",
            since=figures.now,
            step=len(passed),
            value=round(used, 4),
            threshold=passed[-1],
            anchor=standing.period_start,
        )


def burning(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """A budget goes so fast that it will not last."""
    for budget in figures.budgets:
        finding = _burning(budget, figures.now, thresholds)
        if finding is not None:
            yield finding


def _burning(budget: BudgetPace, now: float, thresholds: Thresholds) -> Finding | None:
    standing = budget.standing
    period = standing.period_end - standing.period_start
    left = standing.limit - standing.spent
    if period <= 0 or left <= 0:
        return None
    fast, slow = next(paces for longest, paces in PACES if period <= longest)
    even = standing.limit / period
    for long, short, factor, severity in (
        (HOUR, FIVE_MINUTES, fast, Severity.CRITICAL),
        (SIX_HOURS, HALF_HOUR, slow, Severity.WARNING),
    ):
        pace = min(budget.paces[long], budget.paces[short])
        needed = even * factor * thresholds.budget_pace
        if pace < needed or pace <= 0 or now + left / pace >= standing.period_end:
            continue
        return Finding(
            subject=subject_of(standing),
            severity=severity,
            text=f"{standing.scope} spends its budget of {_limit(standing)} at {pace / even:.1f} times the even pace, "
            f"over the last {span(long)} and still over the last {span(short)}: "
            f"at {amount(pace * HOUR, standing.unit)} an hour it runs out in {span(left / pace)}, "
            f"at {clock(now + left / pace, now)}, {span(standing.period_end - now - left / pace)} too early; "
            f"told from {needed / even:.1f} times on",
            since=now - long,
            step=2 if severity is Severity.CRITICAL else 1,
            value=round(pace / even, 2),
            threshold=round(needed / even, 2),
        )
    return None


def share_used(standing: BudgetStanding) -> float:
    """0 to 1, and beyond."""
    return standing.spent / standing.limit if standing.limit > 0 else 1.0


def _limit(standing: BudgetStanding) -> str:
    return f"{amount(standing.limit, standing.unit)} a {every(standing.period_end - standing.period_start)}"


def _severity(standing: BudgetStanding, used: float) -> Severity:
    if used >= 1 and not standing.soft:
        return Severity.CRITICAL
    return Severity.WARNING if used >= 0.8 else Severity.INFO


def _consequence(standing: BudgetStanding, used: float) -> str:
    if standing.soft:
        return "it is soft, so nobody is refused"
    return "requests are refused until it begins anew" if used >= 1 else "at 100 % requests are refused"
