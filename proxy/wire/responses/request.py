"""A Responses request in the neutral form.

Reads every field of the API that another format could have a place for, and notes what is used. What only the vendor's own
account could do (`previous_response_id`, `conversation`, `background`, `prompt`, `context_management`) is noted as `STATE`,
which a target of another format refuses. `store: true`, the API's default, is not state: the answer is the same without it,
but its id can't be continued later, which `envelope.py` says when somebody tries.

Source: the OpenAPI document 2.3.0 and the types of openai-python 3.57.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.core.call import Envelope
from proxy.core.features import Feature
from proxy.wire.dialogue import AnswerFormat, Dialogue, Reasoning, Sampling
from proxy.wire.hosted import sort_hosted
from proxy.wire.openai_envelope import EnvelopeError, read_value
from proxy.wire.responses.content import Fields, read_text
from proxy.wire.responses.items import HistoryReader
from proxy.wire.responses.tools import read_choice, read_tools

#: Fields that continue, start or use something in one vendor's account, where they are set.
STATEFUL = ("previous_response_id", "conversation", "background", "prompt", "context_management")

#: Fields that are read, or that make no difference to an answer in this format.
_KNOWN = frozenset(
    (
        *STATEFUL,
        "model",
        "input",
        "instructions",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_logprobs",
        "truncation",
        "include",
        "store",
        "metadata",
        "user",
        "safety_identifier",
        "service_tier",
        "prompt_cache_key",
    )
)
_LOGPROBS = "message.output_text.logprobs"


def read_request(envelope: Envelope) -> Dialogue:
    """Raises EnvelopeError for what no vendor could be asked. Read once: routing asks for the features before."""
    known = envelope.reading
    if isinstance(known, Dialogue):
        return known
    envelope.reading = dialogue = _read_dialogue(envelope)
    return dialogue


def _read_dialogue(envelope: Envelope) -> Dialogue:
    fields = {key: read_value(envelope, key) for key in envelope.fields if key in _KNOWN and key != "model"}
    dialogue = Dialogue([], stream=envelope.stream)
    features = dialogue.features
    held = next((key for key in STATEFUL if fields.get(key)), None)
    if held is not None:
        features.add(Feature.STATE)
        dialogue.places[Feature.STATE] = held
    elif fields.get("input") is None:
        raise EnvelopeError("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    dialogue.unknown += [
        key
        for key, raw in envelope.fields.items()
        if key not in _KNOWN and not (isinstance(raw, msgspec.Raw) and bytes(raw) == b"null")
    ]
    dialogue.turns = HistoryReader(dialogue).read(fields.get("instructions"), fields.get("input"))
    # A tool that is told of again replaces the earlier one.
    tools = [*dialogue.tools, *read_tools(fields.get("tools"), features)]
    dialogue.tools = list({tool.name: tool for tool in tools}.values()) if dialogue.tools else tools
    dialogue.tool_choice = read_choice(fields.get("tool_choice"), features)
    sort_hosted(dialogue)
    _read_text_options(fields.get("text"), dialogue)
    _read_reasoning(fields.get("reasoning"), dialogue)
    dialogue.sampling = _read_sampling(fields, features)
    _read_rest(fields, dialogue)
    _note_places(dialogue)
    return dialogue


def _read_text_options(text: object, dialogue: Dialogue) -> None:
    """`text`: the answer's format and how wordy it should be."""
    if not isinstance(text, dict):
        return
    verbosity = text.get("verbosity")
    if isinstance(verbosity, str):
        dialogue.verbosity = verbosity
        dialogue.features.add(Feature.VERBOSITY)
    form = text.get("format")
    kind = form.get("type") if isinstance(form, dict) else None
    if not isinstance(form, dict) or kind == "text":
        return
    if kind == "json_object":
        dialogue.features.add(Feature.JSON_OBJECT)
        dialogue.answer_format = AnswerFormat("json")
    elif kind == "json_schema":
        dialogue.features.add(Feature.JSON_SCHEMA)
        dialogue.answer_format = _read_schema(form)
    else:
        known = "'text', 'json_object', and 'json_schema'"
        message = f"Invalid value: '{kind}'. Supported values are: {known}."
        raise EnvelopeError(message, "text.format.type", "invalid_value")


def _read_schema(form: Fields) -> AnswerFormat:
    schema, strict = form.get("schema"), form.get("strict")
    if not isinstance(schema, dict):
        place = "text.format.schema"
        raise EnvelopeError(f"Missing required parameter: '{place}'.", place, "missing_required_parameter")
    return AnswerFormat(
        "schema",
        read_text(form.get("name")),
        schema,
        strict if isinstance(strict, bool) else None,
        read_text(form.get("description")) or None,
    )


def _read_reasoning(value: object, dialogue: Dialogue) -> None:
    if not isinstance(value, dict):
        return
    effort = read_text(value.get("effort")) or None
    summary = read_text(value.get("summary") or value.get("generate_summary")) or None
    if effort is not None:
        dialogue.features.add(Feature.REASONING)
    if summary is not None:
        dialogue.features.add(Feature.REASONING_SUMMARY)
    if effort is not None or summary is not None:
        dialogue.reasoning = Reasoning(effort=effort, summary=summary)
    dialogue.unknown += [f"reasoning.{key}" for key in ("context", "mode") if value.get(key) is not None]


def _read_sampling(fields: Fields, features: set[Feature]) -> Sampling:
    sampling = Sampling(
        max_tokens=_read_count(fields, "max_output_tokens"),
        temperature=_read_number(fields, "temperature"),
        top_p=_read_number(fields, "top_p"),
        top_logprobs=_read_count(fields, "top_logprobs") or None,
    )
    include = fields.get("include")
    sampling.logprobs = sampling.top_logprobs is not None or (isinstance(include, list) and _LOGPROBS in include)
    for used, feature in (
        (sampling.max_tokens, Feature.MAX_TOKENS),
        (sampling.temperature, Feature.TEMPERATURE),
        (sampling.top_p, Feature.TOP_P),
        (sampling.logprobs or None, Feature.LOGPROBS),
    ):
        if used is not None:
            features.add(feature)
    return sampling


def _read_rest(fields: Fields, dialogue: Dialogue) -> None:
    features = dialogue.features
    if fields.get("parallel_tool_calls") is not None:
        dialogue.parallel = fields["parallel_tool_calls"] is not False
        if not dialogue.parallel:
            features.add(Feature.PARALLEL_OFF)
    dialogue.user = read_text(fields.get("safety_identifier")) or read_text(fields.get("user")) or None
    if dialogue.user is not None:
        features.add(Feature.USER)
    metadata: Mapping[str, Any] | None = fields.get("metadata")
    if isinstance(metadata, dict) and metadata:
        dialogue.metadata = metadata
        features.add(Feature.METADATA)
    tier = read_text(fields.get("service_tier"))
    if tier and tier != "auto":
        dialogue.service_tier = tier
        features.add(Feature.SERVICE_TIER)
    dialogue.cache_key = read_text(fields.get("prompt_cache_key")) or None
    if fields.get("store") is True:
        features.add(Feature.STORE)
    if fields.get("truncation") == "auto":  # to cut the history instead of failing; nobody else offers it
        dialogue.unknown.append("truncation")


def _note_places(dialogue: Dialogue) -> None:
    """Where the features stand that other formats are likely to refuse. What the history uses is noted already."""
    hosted = next((f"tools[{at}]" for at, tool in enumerate(dialogue.tools) if tool.hosted is not None), "tool_choice")
    for feature, place in (
        (Feature.HOSTED_TOOLS, hosted),
        (Feature.LOGPROBS, "top_logprobs" if dialogue.sampling.top_logprobs else "include"),
        (Feature.JSON_OBJECT, "text.format"),
        (Feature.JSON_SCHEMA, "text.format"),
    ):
        if feature in dialogue.features:
            dialogue.places.setdefault(feature, place)


def _read_number(fields: Fields, key: str) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EnvelopeError(f"Invalid type for '{key}': expected a decimal.", key, "invalid_type")
    return float(value)


def _read_count(fields: Fields, key: str) -> int | None:
    value = _read_number(fields, key)
    if value is None:
        return None
    if value != value // 1 or value < 0:
        raise EnvelopeError(f"Invalid value for '{key}': expected a count.", key, "invalid_value")
    return int(value)
