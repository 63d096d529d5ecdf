"""Rules over the last hour's accounts: are the numbers still the providers' own, and do they have a price?"""

from collections.abc import Iterator

from proxy.core.alarming import Severity, Thresholds
from proxy.policy.alerts.figures import HOUR, Figures, Finding
from proxy.policy.alerts.words import percent

#: Tokens in the hour before a share of them means anything.
ENOUGH = 10_000


def estimated(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """Too much of what was counted is our own estimate."""
    total = sum(traffic.tokens for traffic in figures.traffic)
    guessed = sum(traffic.estimated for traffic in figures.traffic)
    if total < ENOUGH or guessed <= total * thresholds.estimates_share:
        return
    worst = max(figures.traffic, key=lambda traffic: traffic.estimated)
    share = guessed / total
    yield Finding(
        subject="all traffic",
        severity=Severity.WARNING,
        text=f"{percent(share)} of the {total:,} tokens of the last hour are estimates, "
        f"most of them at {worst.target} ({worst.estimated:,}): no usage was reported for them; told from "
        f"{percent(thresholds.estimates_share)} on",
        since=figures.now - HOUR,
        provider=worst.target.partition("/")[0],
        value=round(share, 4),
        threshold=thresholds.estimates_share,
    )


def unpriced(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """A target uses tokens whose price nobody knows, so that budgets and reports miss it."""
    for traffic in figures.traffic:
        if traffic.unpriced < thresholds.unpriced_attempts:
            continue
        yield Finding(
            subject=traffic.target,
            severity=Severity.INFO,
            text=f"{traffic.unpriced:,} of {traffic.attempts:,} attempts at {traffic.target} in the "
            f"last hour have no known price; write one into its provider's `models` (0 if it "
            f"is free); told from {thresholds.unpriced_attempts} an hour on",
            since=figures.now - HOUR,
            provider=traffic.target.partition("/")[0],
            value=float(traffic.unpriced),
            threshold=float(thresholds.unpriced_attempts),
        )
