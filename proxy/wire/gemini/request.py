"""A dialogue as the body of a generateContent request.

The tables say what becomes of each feature where nothing about the request or the model changes it; `write_request` gives
back what did. A request that uses what this format has no place for, and whose answer would be to another question, raises
EnvelopeError: routing keeps such requests away from here, and this is the last to notice.

The format says less than others about one thing only: at most one call a turn cannot be asked for. Log probabilities could
be asked for, but the neutral form of an answer has no place for them, so they are refused.
Source: the types of Google's SDK (google-genai).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.dialogue import Dialogue, Sampling, Tool
from proxy.wire.gemini.contents import Contents
from proxy.wire.gemini.host import Host
from proxy.wire.gemini.schema import prune_schema
from proxy.wire.gemini.thinking import takes_levels, write_thinking
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.translation import Written

_BY_FATE: Mapping[Fate, tuple[Feature, ...]] = {
    Fate.CARRIED: (
        Feature.TOOLS,
        Feature.PARALLEL_TOOLS,
        Feature.TOOL_CHOICE,
        Feature.ALLOWED_TOOLS,
        Feature.TOOL_RESULT_ERROR,
        Feature.IMAGES,
        Feature.IMAGE_URLS,
        Feature.AUDIO_INPUT,
        Feature.DOCUMENTS,
        Feature.JSON_OBJECT,
        Feature.JSON_SCHEMA,
        Feature.REASONING,
        Feature.REASONING_BUDGET,
        Feature.REASONING_SUMMARY,
        Feature.THINKING_HISTORY,
        Feature.SIGNATURES,
        Feature.CHOICES,
        Feature.TEMPERATURE,
        Feature.TOP_P,
        Feature.TOP_K,
        Feature.PENALTIES,
        Feature.SEED,
        Feature.STOP,
        Feature.MAX_TOKENS,
        Feature.SERVICE_TIER,
    ),
    Fate.APPROXIMATED: (
        Feature.CUSTOM_TOOLS,  # functions of one text
        Feature.TOOL_RESULT_MEDIA,  # stands beside the result
        Feature.LATER_SYSTEM,  # said by the user, in a tag
        Feature.REFUSALS,  # said as text
    ),
    Fate.DROPPED: (
        Feature.SPARE_TOOLS,
        Feature.PARALLEL_OFF,
        Feature.STRICT_TOOLS,
        Feature.IMAGE_DETAIL,
        Feature.LOGIT_BIAS,
        Feature.PREDICTION,
        Feature.VERBOSITY,
        Feature.NAMES,
        Feature.CACHE_CONTROL,  # Google caches by itself
        Feature.CITATIONS,
        Feature.USER,
        Feature.METADATA,
        Feature.STORE,
        Feature.SAFETY,
    ),
    Fate.REFUSED: (
        Feature.HOSTED_TOOLS,
        Feature.AUDIO_OUTPUT,
        Feature.FILE_IDS,
        Feature.PREFILL,
        Feature.LOGPROBS,
        Feature.STATE,
        Feature.SUFFIX,
        Feature.ECHO,
    ),
}

#: What becomes of each feature at a host that fetches files by their address.
FATES: Mapping[Feature, Fate] = MappingProxyType({name: fate for fate, names in _BY_FATE.items() for name in names})

_REFUSED = frozenset(_BY_FATE[Fate.REFUSED])
_ENCODE = msgspec.json.Encoder().encode
_MODES = {"none": "NONE", "required": "ANY", "named": "ANY"}
_TIERS = {"auto": None, "default": "standard", "standard": "standard", "standard_only": "standard"}
_TIERS |= {"flex": "flex", "priority": "priority"}


def write_request(dialogue: Dialogue, model: str, facts: ModelFacts, host: Host) -> Written:
    """The body for this model at this host. Raises EnvelopeError."""
    for feature in sorted(dialogue.features & _REFUSED):
        raise EnvelopeError(f"This target cannot do what the request asks for ({feature}).", code="unsupported")
    contents = Contents(host, takes_levels(model, facts))
    contents.write(dialogue)
    fates = contents.fates
    body: dict[str, Any] = {"contents": contents.contents}
    if contents.system:
        body["systemInstruction"] = {"parts": contents.system}
    _put_tools(body, dialogue, facts)
    config = _write_sampling(dialogue.sampling, facts, fates)
    _put_answer_format(config, dialogue, facts, fates)
    if dialogue.reasoning is not None:
        thinking = write_thinking(dialogue.reasoning, model, facts, fates)
        if thinking is not None:
            config["thinkingConfig"] = thinking
    if config:
        body["generationConfig"] = config
    if dialogue.service_tier is not None:
        _put_tier(body, dialogue.service_tier, fates)
    return Written(_ENCODE(body), fates)


def _put_tools(body: dict[str, Any], dialogue: Dialogue, facts: ModelFacts) -> None:
    choice = dialogue.tool_choice
    tools = dialogue.tools
    allowed = None if choice is None or choice.allowed is None else set(choice.allowed)
    if allowed is not None and choice is not None and choice.mode == "auto":
        # Names can only be listed where a call is required; the others are not shown to the model.
        tools = [tool for tool in tools if tool.name in allowed]
    if not tools:
        return
    body["tools"] = [{"functionDeclarations": [_write_tool(tool, facts) for tool in tools]}]
    if choice is None or choice.mode == "auto":
        return
    calling: dict[str, Any] = {"mode": _MODES[choice.mode]}
    if choice.mode == "named":
        calling["allowedFunctionNames"] = [choice.name]
    elif allowed is not None and choice.mode == "required":
        calling["allowedFunctionNames"] = [tool.name for tool in tools if tool.name in allowed]
    body["toolConfig"] = {"functionCallingConfig": calling}


def _write_tool(tool: Tool, facts: ModelFacts) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.parameters is not None and facts.native_schema is False:
        written["parameters"] = prune_schema(tool.parameters)
    elif tool.parameters is not None:
        written["parametersJsonSchema"] = tool.parameters
    return written


def _write_sampling(sampling: Sampling, facts: ModelFacts, fates: dict[Feature, Fate]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "maxOutputTokens": sampling.max_tokens,
        "stopSequences": sampling.stop or None,
        "seed": sampling.seed,
        "candidateCount": sampling.choices if sampling.choices > 1 else None,
    }
    tuned = (
        (Feature.TEMPERATURE, "temperature", sampling.temperature),
        (Feature.TOP_P, "topP", sampling.top_p),
        (Feature.TOP_K, "topK", sampling.top_k),
        (Feature.PENALTIES, "presencePenalty", sampling.presence_penalty),
        (Feature.PENALTIES, "frequencyPenalty", sampling.frequency_penalty),
    )
    for feature, name, value in tuned:
        if value is not None and facts.sampling is False:
            fates[feature] = Fate.DROPPED
        else:
            said[name] = value
    return {name: value for name, value in said.items() if value is not None}


def _put_answer_format(config: dict[str, Any], dialogue: Dialogue, facts: ModelFacts, fates: dict[Feature, Fate]) -> None:
    wanted = dialogue.answer_format
    if wanted is None:
        return
    config["responseMimeType"] = "application/json"
    if wanted.kind != "schema" or wanted.schema is None:
        return
    if facts.native_schema is False:
        config["responseSchema"] = prune_schema(wanted.schema)
        fates[Feature.JSON_SCHEMA] = Fate.APPROXIMATED
    else:
        config["responseJsonSchema"] = wanted.schema


def _put_tier(body: dict[str, Any], named: str, fates: dict[Feature, Fate]) -> None:
    if named not in _TIERS:
        fates[Feature.SERVICE_TIER] = Fate.DROPPED
    elif (tier := _TIERS[named]) is not None:
        body["serviceTier"] = tier
