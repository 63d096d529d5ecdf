"""A dialogue, written as a chat request for one server of OpenAI's format.

Every setting is a top-level field of its own, so that a vendor's quirks (fields that it does not take or spells differently)
are applied to the finished body, in one place. Usage is always asked for where a server can be asked. What this request
loses beyond the table of fates, because of its values or of the model, is said in `Written.fates`.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.chat.messages import write_messages
from proxy.wire.chat.quirks import CONTINUE_FIELDS, CONTINUE_MARKS, USUAL, Quirks
from proxy.wire.chat.spelling import spell_tier
from proxy.wire.complaints import make_fault
from proxy.wire.dialogue import AnswerFormat, Dialogue, Reasoning, Sampling, Tool, ToolChoice
from proxy.wire.translation import Written

_ENCODE = msgspec.json.Encoder().encode
_MAX_STOPS = 4
_MAX_USER = 64
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}
_BY_SCHEMA = "Answer with nothing but a JSON object that conforms to this JSON Schema:\n"

#: What reasoning models refuse to be tuned by, and the features behind.
_TUNING: Mapping[str, Feature] = {
    "temperature": Feature.TEMPERATURE,
    "top_p": Feature.TOP_P,
    "presence_penalty": Feature.PENALTIES,
    "frequency_penalty": Feature.PENALTIES,
    "logit_bias": Feature.LOGIT_BIAS,
}


def write_chat(dialogue: Dialogue, model: str, facts: ModelFacts, quirks: Quirks = USUAL) -> Written:
    """The request's body. Raises EnvelopeError for what cannot be said: hosted tools, files by address or id."""
    fates: dict[Feature, Fate] = {}
    messages = write_messages(dialogue.turns, quirks, facts, fates)
    fields: dict[str, Any] = {"model": model, "messages": messages}
    if Feature.PREFILL in dialogue.features and (facts.prefill or quirks.continues):
        fates[Feature.PREFILL] = Fate.CARRIED
        if messages and messages[-1]["role"] == "assistant":
            messages[-1] |= CONTINUE_MARKS[quirks.continues]
            fields |= CONTINUE_FIELDS[quirks.continues]
    if dialogue.stream:
        fields["stream"] = True
        if quirks.ask_usage:
            fields["stream_options"] = {"include_usage": True}
    fields |= _write_tools(dialogue)
    _write_format(dialogue.answer_format, facts, fields, fates)
    _write_reasoning(dialogue.reasoning, fields)
    _write_sampling(dialogue.sampling, facts, quirks, fields, fates)
    _write_account(dialogue, fields, fates)
    optional = {
        "verbosity": dialogue.verbosity,
        "prediction": dialogue.prediction,
        "prompt_cache_key": dialogue.cache_key,
    }
    fields |= {name: value for name, value in optional.items() if value is not None}
    for name in quirks.drop:
        fields.pop(name, None)
    return Written(_ENCODE({quirks.rename.get(name, name): value for name, value in fields.items()}), fates)


def _write_tools(dialogue: Dialogue) -> dict[str, Any]:
    choice = dialogue.tool_choice or ToolChoice("auto")
    offered = [tool for tool in dialogue.tools if choice.allowed is None or tool.name in choice.allowed]
    if not offered:
        return {}
    fields: dict[str, Any] = {"tools": [_write_tool(tool) for tool in offered]}
    if choice.mode == "named":
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif dialogue.tool_choice is not None:
        fields["tool_choice"] = choice.mode
    if dialogue.parallel is not None:
        fields["parallel_tool_calls"] = dialogue.parallel
    return fields


def _write_tool(tool: Tool) -> dict[str, Any]:
    if tool.hosted is not None:
        raise make_fault("tools", f"the tool {tool.name} is not run here")
    spelled: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        spelled["description"] = tool.description
    spelled["parameters"] = _NO_PARAMETERS if tool.parameters is None else tool.parameters
    if tool.strict is not None:
        spelled["strict"] = tool.strict
    return {"type": "function", "function": spelled}


def _write_format(
    wanted: AnswerFormat | None, facts: ModelFacts, fields: dict[str, Any], fates: dict[Feature, Fate]
) -> None:
    if wanted is None:
        return
    if wanted.kind == "json":
        fields["response_format"] = {"type": "json_object"}
        return
    if facts.native_schema is False:
        # The nearest that such a model has: any JSON, and the schema as an instruction.
        fates[Feature.JSON_SCHEMA] = Fate.APPROXIMATED
        fields["response_format"] = {"type": "json_object"}
        instruction = {"role": "system", "content": _BY_SCHEMA + _ENCODE(wanted.schema or {}).decode()}
        messages = fields["messages"]
        messages.insert(next((i for i, m in enumerate(messages) if m["role"] != "system"), len(messages)), instruction)
        return
    schema: dict[str, Any] = {"name": wanted.name or "answer"}
    optional = {"description": wanted.description, "schema": wanted.schema, "strict": wanted.strict}
    schema |= {name: value for name, value in optional.items() if value is not None}
    fields["response_format"] = {"type": "json_schema", "json_schema": schema}


def _write_reasoning(reasoning: Reasoning | None, fields: dict[str, Any]) -> None:
    if reasoning is None:
        return
    effort = reasoning.effort
    if effort is None and reasoning.budget is not None:
        effort = "low" if reasoning.budget <= 2048 else "medium" if reasoning.budget <= 8192 else "high"
    if effort is not None:
        fields["reasoning_effort"] = effort


def _write_sampling(
    sampling: Sampling, facts: ModelFacts, quirks: Quirks, fields: dict[str, Any], fates: dict[Feature, Fate]
) -> None:
    for name, feature in _TUNING.items():
        value = getattr(sampling, name)
        if value is None:
            continue
        if facts.sampling is False:
            fates[feature] = Fate.DROPPED
        else:
            fields[name] = value
    if sampling.seed is not None:
        fields["seed"] = sampling.seed
    if sampling.choices > 1:
        fields["n"] = sampling.choices
    if sampling.stop:
        fields["stop"] = sampling.stop[:_MAX_STOPS]
        if len(sampling.stop) > _MAX_STOPS:
            fates[Feature.STOP] = Fate.APPROXIMATED
    if sampling.max_tokens is not None:
        fields[quirks.cap] = sampling.max_tokens
        if facts.max_output is not None and sampling.max_tokens > facts.max_output:
            fields[quirks.cap] = facts.max_output
            fates[Feature.MAX_TOKENS] = Fate.APPROXIMATED


def _write_account(dialogue: Dialogue, fields: dict[str, Any], fates: dict[Feature, Fate]) -> None:
    user = dialogue.user
    if user is not None:
        # OpenAI refuses longer ones. A hash says as well who it is, and that is all it is for.
        fields["user"] = user if len(user) <= _MAX_USER else blake2b(user.encode(), digest_size=16).hexdigest()
    if dialogue.service_tier is not None:
        tier = spell_tier(dialogue.service_tier)
        if tier is None:
            fates[Feature.SERVICE_TIER] = Fate.DROPPED
        else:
            fields["service_tier"] = tier
