"""How much a Gemini model shall think: a level for 3.x, a budget of tokens for 2.5, nothing for what came before.

Which of them a model takes is known from its facts or read from its name; a name that says nothing is taken for a new one.
Not every model has every level: a Pro model cannot be kept from thinking, and 3 Pro knows only low and high. What cannot be
asked for exactly becomes the nearest that can, and is said to be approximated. Numbers are those of Google's documentation
of its OpenAI-compatible endpoint.
"""

import re
from collections.abc import Mapping
from typing import Any

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.dialogue import Reasoning

_BUDGETS: Mapping[str, int] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_MOST = 24576
_MOST_PRO = 32768
#: 2.5 Pro always thinks, at least so many tokens.
_LEAST_PRO = 128
_LEVELS: Mapping[str, str] = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_LACKING_PRO: Mapping[str, str] = {"MINIMAL": "LOW"}
_LACKING_3_PRO: Mapping[str, str] = {"MINIMAL": "LOW", "MEDIUM": "HIGH"}
#: The largest budget that is still this level.
_STEPS = ((0, "none"), (2048, "low"), (8192, "medium"))

_THOUGHTLESS = re.compile(r"gemini-(?:1\.|2\.0|pro(?:$|-vision))|gemma")

Fates = dict[Feature, Fate]


def takes_levels(model: str, facts: ModelFacts) -> bool:
    """Whether a model is asked by level, as those that seal their calls are."""
    if facts.adaptive_thinking is not None:
        return facts.adaptive_thinking
    return "gemini-2.5" not in model and thinks(model, facts)


def thinks(model: str, facts: ModelFacts) -> bool:
    """Whether a model can be asked to think at all."""
    if Feature.REASONING in facts.lacks:
        return False
    return facts.adaptive_thinking is not None or not _THOUGHTLESS.search(model)


def write_thinking(reasoning: Reasoning, model: str, facts: ModelFacts, fates: Fates) -> dict[str, Any] | None:
    """The `thinkingConfig`; None: this model has none. What becomes of the request goes into `fates`."""
    if not thinks(model, facts):
        if not _is_off(reasoning):
            fates[Feature.REASONING] = Fate.APPROXIMATED
        return None
    amount = _write_level(reasoning, model, fates) if takes_levels(model, facts) else _write_budget(reasoning, model, fates)
    if reasoning.summary in ("concise", "detailed"):
        fates[Feature.REASONING_SUMMARY] = Fate.APPROXIMATED
    shown = not _is_off(reasoning) and reasoning.summary != "omitted"
    return {**amount, "includeThoughts": True} if shown else amount or None


def _is_off(reasoning: Reasoning) -> bool:
    return reasoning.effort == "none" or reasoning.budget == 0


def _write_budget(reasoning: Reasoning, model: str, fates: Fates) -> dict[str, Any]:
    pro = "pro" in model
    if reasoning.adaptive:
        return {"thinkingBudget": -1}
    wanted, feature = reasoning.budget, Feature.REASONING_BUDGET
    if wanted is None:
        if reasoning.effort is None:
            return {}
        feature = Feature.REASONING
        wanted = _BUDGETS.get(reasoning.effort, _MOST)
        if reasoning.effort not in _BUDGETS:
            fates[feature] = Fate.APPROXIMATED
    given = min(wanted, _MOST_PRO if pro else _MOST)
    if pro:
        given = max(given, _LEAST_PRO)
    if given != wanted:
        fates[feature] = Fate.APPROXIMATED
    return {"thinkingBudget": given}


def _write_level(reasoning: Reasoning, model: str, fates: Fates) -> dict[str, Any]:
    effort = reasoning.effort
    if reasoning.budget is not None:
        fates[Feature.REASONING_BUDGET] = Fate.APPROXIMATED
        effort = next((name for most, name in _STEPS if reasoning.budget <= most), "high")
    if effort is None:
        return {}
    wanted = _LEVELS.get(effort)
    level = wanted or ("MINIMAL" if effort == "none" else "HIGH")
    if "pro" in model:
        level = (_LACKING_3_PRO if "gemini-3-pro" in model else _LACKING_PRO).get(level, level)
    if level != wanted:
        fates[Feature.REASONING] = Fate.APPROXIMATED
    return {"thinkingLevel": level}
