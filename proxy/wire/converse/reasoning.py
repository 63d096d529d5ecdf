"""How much a model should think, and how it picks its words: Converse's own fields, and those of each family.

Converse has `inferenceConfig` for all and `outputConfig.effort` for models that think by effort; everything else stands in
`additionalModelRequestFields` as the model's vendor spells it:

    Claude   `thinking` with a budget or adaptive; not together with forced calls, temperature, top_p, top_k, a begun answer
    Nova 2   `reasoningConfig.maxReasoningEffort`; high only without limits and sampling
    gpt-oss  `reasoning_effort`

Where thinking and another wish exclude each other, the wish that shows in the answer wins: a client that forces a call
cannot use an answer without one. Budgets for efforts are this project's choice. Sources: the service model of botocore,
AWS's and Anthropic's user guides.
"""

from dataclasses import dataclass, field
from typing import Any

from proxy.core.features import Feature
from proxy.wire.converse.aim import Aim, Family
from proxy.wire.dialogue import Dialogue, Reasoning, Sampling

#: Tokens to think for a model that wants a number.
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 32768}
MIN_BUDGET = 1024
#: Tokens for the answer itself where the client named no limit, beside those to think.
USUAL_ANSWER = 8192

_THREE = {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


@dataclass(slots=True)
class Wishes:
    """`additional` as it stands in the body. `effort` for `outputConfig`. `thinks`: Claude is asked to think, for `budget`
    tokens at most (0: it decides)."""

    inference: dict[str, Any] = field(default_factory=dict)
    additional: dict[str, Any] = field(default_factory=dict)
    effort: str | None = None
    thinks: bool = False
    budget: int = 0


def write_wishes(dialogue: Dialogue, aim: Aim, unthinking: bool) -> Wishes:
    """`unthinking`: something else in the request keeps Claude from thinking."""
    wishes = Wishes()
    reasoning = dialogue.reasoning
    if reasoning is not None and (reasoning.effort or reasoning.budget or reasoning.adaptive):
        _REASONING[aim.family](reasoning, dialogue.sampling, aim, wishes)
        if wishes.thinks and unthinking:
            aim.approximate(Feature.REASONING)
            del wishes.additional["thinking"]
            wishes.thinks, wishes.budget = False, 0
    _write_length(dialogue.sampling, aim, wishes)
    _write_sampling(dialogue.sampling, aim, wishes)
    return wishes


def _ask_claude(reasoning: Reasoning, sampling: Sampling, aim: Aim, wishes: Wishes) -> None:
    adaptive = aim.facts.adaptive_thinking is True
    effort = reasoning.effort
    if effort == "none":
        if adaptive:
            wishes.additional["thinking"] = {"type": "disabled"}
        return
    wishes.thinks = True
    if adaptive:
        if reasoning.budget is not None:
            aim.approximate(Feature.REASONING_BUDGET)
            effort = "low" if reasoning.budget <= 2048 else "medium" if reasoning.budget <= 8192 else "high"
        wishes.additional["thinking"] = {"type": "adaptive"}
        # Every one of these models takes `max`, only some what is between that and `high`.
        wishes.effort = None if effort is None else effort if effort == "max" else _THREE.get(effort, effort)
        if effort in ("minimal", "xhigh"):
            aim.approximate(Feature.REASONING)
        return
    wishes.budget = reasoning.budget or BUDGETS.get(effort or "medium", BUDGETS["medium"])
    limit = sampling.max_tokens
    if reasoning.budget is None and limit is not None:
        wishes.budget = max(MIN_BUDGET, min(wishes.budget, limit // 2))
    wishes.additional["thinking"] = {"type": "enabled", "budget_tokens": wishes.budget}


def _ask_nova(reasoning: Reasoning, sampling: Sampling, aim: Aim, wishes: Wishes) -> None:
    if "nova-2" not in aim.model:
        aim.approximate(Feature.REASONING)
        return
    if reasoning.effort == "none":
        wishes.additional["reasoningConfig"] = {"type": "disabled"}
        return
    effort = _name_effort(reasoning, aim)
    if effort == "high" and (sampling.max_tokens, sampling.temperature, sampling.top_p) != (None, None, None):
        effort = "medium"
        aim.approximate(Feature.REASONING)
    wishes.additional["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}


def _ask_gpt_oss(reasoning: Reasoning, sampling: Sampling, aim: Aim, wishes: Wishes) -> None:
    wishes.additional["reasoning_effort"] = _name_effort(reasoning, aim)


def _ask_other(reasoning: Reasoning, sampling: Sampling, aim: Aim, wishes: Wishes) -> None:
    if aim.facts.adaptive_thinking and reasoning.effort not in (None, "none"):
        wishes.effort = _name_effort(reasoning, aim)
    else:
        aim.approximate(Feature.REASONING)  # it thinks as it always does


def _name_effort(reasoning: Reasoning, aim: Aim) -> str:
    """low, medium or high."""
    if reasoning.budget is not None:
        aim.approximate(Feature.REASONING_BUDGET)
        return "low" if reasoning.budget <= 2048 else "medium" if reasoning.budget <= 8192 else "high"
    named = _THREE.get(reasoning.effort or "medium", "medium")
    if named != reasoning.effort:
        aim.approximate(Feature.REASONING)
    return named


_REASONING = {
    Family.CLAUDE: _ask_claude,
    Family.NOVA: _ask_nova,
    Family.GPT_OSS: _ask_gpt_oss,
    Family.OTHER: _ask_other,
}


def _write_length(sampling: Sampling, aim: Aim, wishes: Wishes) -> None:
    limit, most = sampling.max_tokens, aim.facts.max_output
    if wishes.budget and limit is None:
        limit = wishes.budget + USUAL_ANSWER
    elif limit is not None and limit <= wishes.budget:
        limit += wishes.budget  # it must be larger
        aim.approximate(Feature.MAX_TOKENS)
    if limit is None:
        return
    if most is not None and limit > most:
        limit = most
        if sampling.max_tokens is not None:
            aim.approximate(Feature.MAX_TOKENS)
    wishes.inference["maxTokens"] = limit


def _write_sampling(sampling: Sampling, aim: Aim, wishes: Wishes) -> None:
    free = aim.facts.sampling is not False and not wishes.thinks
    temperature, top_p, top_k = sampling.temperature, sampling.top_p, sampling.top_k
    if temperature is not None:
        if not free:
            aim.drop(Feature.TEMPERATURE)
        else:
            wishes.inference["temperature"] = min(temperature, 1.0)
            if temperature > 1:
                aim.approximate(Feature.TEMPERATURE)
    if top_p is not None:
        # Newer Claude models take one of the two.
        if not free or (aim.family is Family.CLAUDE and temperature is not None):
            aim.drop(Feature.TOP_P)
        else:
            wishes.inference["topP"] = top_p
    if top_k is not None:
        _write_top_k(top_k, aim, wishes, free)
    stops = [stop for stop in sampling.stop if stop.strip()]
    if len(stops) < len(sampling.stop):
        aim.approximate(Feature.STOP)
    if stops:
        wishes.inference["stopSequences"] = stops


def _write_top_k(top_k: int, aim: Aim, wishes: Wishes, free: bool) -> None:
    if free and aim.family is Family.CLAUDE:
        wishes.additional["top_k"] = top_k
    elif free and aim.family is Family.NOVA:
        wishes.additional["inferenceConfig"] = {"topK": top_k}
    else:
        aim.drop(Feature.TOP_K)
