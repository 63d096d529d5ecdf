"""The rules, a line each: what it is called, whom it concerns, when it has lasted long enough, when it is over."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from proxy.core.alarming import Thresholds, Topic
from proxy.policy.alerts import anomalies, budgets, quality, states
from proxy.policy.alerts.figures import Figures, Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` is `topic.what`. `ripens`: seconds from the first finding of an episode until it is told, while it is still
    found; `settles`: seconds without a finding until the episode is over. In between, one that comes and goes is one
    episode. `needs`: the field of the figures without which it cannot tell, so that its alerts stay as they are."""

    name: str
    topic: Topic
    find: Callable[[Figures, Thresholds], Iterable[Finding]]
    settles: float = 0.0
    ripens: Callable[[Thresholds], float] = lambda _: 0.0
    needs: str = ""


RULES: tuple[Rule, ...] = (
    Rule("budget.reached", Topic.BUDGET, budgets.reached),
    Rule("budget.burning", Topic.BUDGET, budgets.burning, settles=1800.0),
    Rule("spend.unusual", Topic.SPEND, anomalies.unusual, settles=3600.0, needs="hours"),
    Rule("target.open", Topic.TARGET, states.out, settles=300.0, ripens=lambda thresholds: thresholds.target_after),
    Rule("credential.refused", Topic.CREDENTIAL, states.refused, settles=600.0, ripens=lambda _: 10.0),
    Rule("estimates.share", Topic.ESTIMATES, quality.estimated, settles=1800.0),
    Rule("unpriced.traffic", Topic.UNPRICED, quality.unpriced, settles=3600.0),
    Rule("ledger.unwritten", Topic.LEDGER, states.unwritten, settles=120.0, ripens=lambda _: 10.0),
    Rule("config.rejected", Topic.CONFIG, states.rejected),
    Rule("incident.open", Topic.INCIDENT, states.underway),
)


def look(figures: Figures, thresholds: Thresholds, topics: Iterable[Topic]) -> dict[Rule, list[Finding]]:
    """What the rules of these topics find. Rules that cannot tell are missing."""
    wanted = frozenset(topics)
    return {
        rule: list(rule.find(figures, thresholds))
        for rule in RULES
        if rule.topic in wanted and (not rule.needs or getattr(figures, rule.needs) is not None)
    }
