"""A dialogue as the body of Cohere's `/v2/chat`.

Numbers are bent into Cohere's ranges: `p` of 1 would be refused, and leaving it out would mean 0.75. A schema for the answer
and tools exclude each other there, so beside tools it becomes an instruction. Budgets for efforts are this project's
choice. Source: Cohere's SDK and API reference.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.cohere.messages import write_messages
from proxy.wire.dialogue import Dialogue, Reasoning, Sampling, Tool
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.translation import Written

_ENCODE = msgspec.json.Encoder().encode
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 32768}
_MAX_STOPS = 5
_MIN_P, _MAX_P = 0.01, 0.99
_MAX_K = 500
_ANY_OBJECT = {"type": "object", "properties": {}}

Fates = dict[Feature, Fate]


def write_request(dialogue: Dialogue, model: str, facts: ModelFacts) -> Written:
    """Raises EnvelopeError for what Cohere cannot be told."""
    fates: Fates = {}
    reasons = "reasoning" in model
    body: dict[str, Any] = {"model": model, "stream": dialogue.stream}
    messages = write_messages(dialogue, reasons, fates)
    tools = _write_tools(dialogue, fates)
    body |= tools
    if dialogue.answer_format is not None:
        schema = dialogue.answer_format.schema
        if tools:
            messages.insert(0, {"role": "system", "content": _instruct(schema)})
            fates[Feature.JSON_OBJECT if schema is None else Feature.JSON_SCHEMA] = Fate.APPROXIMATED
        else:
            body["response_format"] = {"type": "json_object"} | ({} if schema is None else {"json_schema": schema})
    if dialogue.reasoning is not None:
        thinking = _write_thinking(dialogue.reasoning, reasons, fates)
        if thinking is not None:
            body["thinking"] = thinking
    body |= _write_sampling(dialogue.sampling, facts, fates)
    body["messages"] = messages
    return Written(_ENCODE(body), fates)


def _write_tools(dialogue: Dialogue, fates: Fates) -> dict[str, Any]:
    choice, offered = dialogue.tool_choice, dialogue.tools
    if choice is not None and choice.allowed is not None:
        offered = [tool for tool in offered if tool.name in choice.allowed]
    if choice is not None and choice.mode == "named":
        offered = [tool for tool in offered if tool.name == choice.name]
    if not offered:
        return {}
    found: dict[str, Any] = {"tools": [_write_tool(tool) for tool in offered]}
    if choice is not None and choice.mode != "auto":
        found["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    strict = [bool(tool.strict) for tool in offered]
    if all(strict):
        found["strict_tools"] = True
    elif any(strict):
        fates[Feature.STRICT_TOOLS] = Fate.DROPPED  # it is for all of them or for none
    return found


def _write_tool(tool: Tool) -> dict[str, Any]:
    if tool.hosted is not None or tool.grammar is not None:
        raise EnvelopeError(f"This model takes only functions as tools, not '{tool.name[:64]}'.", "tools", "invalid_value")
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or _ANY_OBJECT
    return {"type": "function", "function": function}


def _instruct(schema: Mapping[str, Any] | None) -> str:
    if schema is None:
        return "Unless you call a tool, answer with one JSON object and nothing else."
    return f"Unless you call a tool, answer with JSON that fits this schema and nothing else:\n{_ENCODE(schema).decode()}"


def _write_thinking(reasoning: Reasoning, reasons: bool, fates: Fates) -> dict[str, Any] | None:
    if not (reasoning.effort or reasoning.budget or reasoning.adaptive):
        return None
    if not reasons:
        if reasoning.effort != "none":
            fates[Feature.REASONING] = Fate.APPROXIMATED  # it answers without
        return None
    if reasoning.effort == "none":
        return {"type": "disabled"}
    budget = reasoning.budget or _BUDGETS.get(reasoning.effort or "")
    return {"type": "enabled"} | ({"token_budget": budget} if budget else {})


def _write_sampling(sampling: Sampling, facts: ModelFacts, fates: Fates) -> dict[str, Any]:
    def fit(value: float, low: float, high: float, feature: Feature) -> float:
        fitting = min(max(value, low), high)
        if fitting != value:
            fates[feature] = Fate.APPROXIMATED
        return fitting

    found: dict[str, Any] = {}
    if sampling.max_tokens is not None:
        most = facts.max_output or sampling.max_tokens
        found["max_tokens"] = fit(sampling.max_tokens, 0, most, Feature.MAX_TOKENS)
    if sampling.temperature is not None:
        found["temperature"] = fit(sampling.temperature, 0, 1, Feature.TEMPERATURE)
    if sampling.top_p is not None:
        found["p"] = fit(sampling.top_p, _MIN_P, _MAX_P, Feature.TOP_P)
    if sampling.top_k is not None:
        found["k"] = fit(sampling.top_k, 0, _MAX_K, Feature.TOP_K)
    for name in ("frequency_penalty", "presence_penalty"):
        penalty = getattr(sampling, name)
        if penalty is not None:
            found[name] = fit(penalty, 0, 1, Feature.PENALTIES)
    if sampling.seed is not None:
        found["seed"] = sampling.seed
    if sampling.stop:
        found["stop_sequences"] = sampling.stop[:_MAX_STOPS]
        if len(sampling.stop) > _MAX_STOPS:
            fates[Feature.STOP] = Fate.APPROXIMATED
    return found
