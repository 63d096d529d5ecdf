"""How much a Claude model should think, said in the way that its version takes.

Newer models adapt: they take an effort, and no budget. Older ones take a budget of tokens that counts towards `max_tokens`,
so that is raised above it. Neither may be forced to call a tool while it thinks, and one with a budget cannot go on from a
tool call that another vendor's model made; then it does not think, since an answer of the kind that was asked for counts
more. Sources: the documentation and the errors of each version (facts), the steps between effort and budget (ours).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.dialogue import Reasoning

MIN_BUDGET = 1024
#: Tokens of an answer whose length nobody has said.
USUAL_ANSWER = 8192

_EFFORTS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_BUDGETS: Mapping[str, int] = {
    "minimal": MIN_BUDGET,
    "low": MIN_BUDGET,
    "medium": 4096,
    "high": 16384,
    "xhigh": 32768,
    "max": 32768,
}
_LOW, _MEDIUM = 2048, 8192


@dataclass(slots=True)
class Plan:
    """`thinking` and `effort` as they are sent, None: not at all. `thinks`: there will be thinking."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str | None = None
    thinks: bool = False


def plan(
    reasoning: Reasoning | None, limit: int | None, facts: ModelFacts, barred: bool, fates: dict[Feature, Fate]
) -> Plan:
    """`limit`: the longest answer that the client allows. `barred`: this request must not think."""
    made = Plan(_find_limit(limit, facts, fates))
    if reasoning is None:
        return made
    if reasoning.effort == "none":
        made.thinking = {"type": "disabled"}
        return made
    if facts.adaptive_thinking is False:
        made.thinks = not barred
        if not barred:
            made.thinking = {"type": "enabled", "budget_tokens": _set_budget(reasoning, made, facts, fates)}
    else:
        made.effort = _find_effort(reasoning, fates)
        made.thinks = not barred
        made.thinking = {"type": "disabled"} if barred else {"type": "adaptive"}
    if barred:
        fates[Feature.REASONING] = Fate.APPROXIMATED
    elif reasoning.summary is not None and made.thinking is not None:
        made.thinking["display"] = "omitted" if reasoning.summary == "omitted" else "summarized"
    return made


def _find_limit(limit: int | None, facts: ModelFacts, fates: dict[Feature, Fate]) -> int:
    longest = facts.max_output
    if limit is None:
        return min(longest or USUAL_ANSWER, USUAL_ANSWER)
    if longest is not None and limit > longest:
        fates[Feature.MAX_TOKENS] = Fate.APPROXIMATED
        return longest
    return limit


def _find_effort(reasoning: Reasoning, fates: dict[Feature, Fate]) -> str | None:
    if reasoning.budget is not None:
        fates[Feature.REASONING_BUDGET] = Fate.APPROXIMATED
        return "low" if reasoning.budget <= _LOW else "medium" if reasoning.budget <= _MEDIUM else "high"
    if reasoning.effort is None:
        return None
    effort = _EFFORTS.get(reasoning.effort)
    if effort != reasoning.effort:
        fates[Feature.REASONING] = Fate.APPROXIMATED
    return effort


def _set_budget(reasoning: Reasoning, made: Plan, facts: ModelFacts, fates: dict[Feature, Fate]) -> int:
    """The budget; `made.max_tokens` becomes what fits both it and the answer."""
    if reasoning.budget is not None:
        budget = max(MIN_BUDGET, reasoning.budget)
    else:
        budget = _BUDGETS.get(reasoning.effort or "medium", _BUDGETS["medium"])
        fates[Feature.REASONING] = Fate.APPROXIMATED
    if made.max_tokens <= budget:
        made.max_tokens += budget
        fates[Feature.MAX_TOKENS] = Fate.APPROXIMATED
    longest = facts.max_output
    if longest is not None and made.max_tokens > longest:
        made.max_tokens = longest
        budget = max(MIN_BUDGET, min(budget, longest // 2))
    return budget
