"""A chat request, read into a `Dialogue`.

Theory of operation. One typed decode of the body checks all shapes; then every field goes to its place, and every feature
that the request really uses is noted: a null, an `n` of one or a `tool_choice` of auto uses nothing. What several vendors
spell differently is taken in any spelling, OpenAI's first. Refuses to judge values: whether a temperature is in range is
the vendor's to say.
"""

import msgspec

from proxy.core.call import Envelope
from proxy.core.features import Feature
from proxy.wire.chat.shapes import ChatRequest, Count, ResponseFormat, Tuning
from proxy.wire.chat.spelling import EFFORTS
from proxy.wire.chat.tools import read_tool_choice, read_tools
from proxy.wire.chat.turns import read_turns
from proxy.wire.complaints import make_fault, make_missing, make_mistyped, make_unsupported, read_shape
from proxy.wire.dialogue import AnswerFormat, Dialogue, Reasoning, Sampling
from proxy.wire.hosted import sort_hosted
from proxy.wire.openai_envelope import EnvelopeError

_REQUEST = msgspec.json.Decoder(ChatRequest)
#: Known to the envelope; the rest of the known is what the struct has.
_ROUTED = frozenset(("model", "stream", "stream_options"))
_KNOWN = frozenset(ChatRequest.__struct_fields__) | _ROUTED
_FORMATS = ("json_object", "json_schema", "text")


def read_chat(envelope: Envelope) -> Dialogue:
    """The request in the neutral form. Raises EnvelopeError for what OpenAI would answer with 400."""
    request = read_shape(_REQUEST, envelope.body)
    if request.messages is None:
        raise make_missing("messages")
    if not request.messages:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise EnvelopeError(message, "messages", "empty_array")
    turns, features = read_turns(request.messages)
    sampling = read_sampling(request)
    sampling.max_tokens = _first(
        read_count(request.max_completion_tokens, "max_completion_tokens"), read_count(request.max_tokens, "max_tokens")
    )
    sampling.logprobs = bool(request.logprobs)
    sampling.top_logprobs = read_count(request.top_logprobs, "top_logprobs")
    dialogue = Dialogue(
        turns=turns,
        stream=envelope.stream,
        tools=read_tools(request, features),
        tool_choice=read_tool_choice(request, features),
        parallel=request.parallel_tool_calls,
        answer_format=_read_format(request.response_format),
        reasoning=_read_reasoning(request),
        sampling=sampling,
        verbosity=request.verbosity,
        prediction=request.prediction,
        features=features,
        unknown=list_unknown(envelope, _KNOWN),
    )
    sort_hosted(dialogue)
    if request.functions and not request.tools:
        dialogue.parallel = False  # an answer in that form has room for one call
    fill_account(dialogue, request)
    features |= list_used(dialogue)
    if "audio" in (request.modalities or ()) or request.audio is not None:
        features.add(Feature.AUDIO_OUTPUT)
    return dialogue


def read_sampling(request: Tuning) -> Sampling:
    """What chat and legacy completions have in common. Raises EnvelopeError."""
    choices = read_count(request.n, "n")
    if choices is not None and choices < 1:
        raise make_fault("n", "expected a value of at least 1")
    stop = request.stop
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=read_count(request.top_k, "top_k"),
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        seed=read_count(request.seed, "seed"),
        stop=[stop] if isinstance(stop, str) else stop or [],
        choices=choices or 1,
        logit_bias=request.logit_bias or None,
    )


def fill_account(dialogue: Dialogue, request: Tuning) -> None:
    """Who asks, and how it is booked."""
    dialogue.user = request.safety_identifier or request.user or None
    dialogue.metadata = request.metadata or None
    dialogue.service_tier = request.service_tier
    dialogue.cache_key = request.prompt_cache_key
    if request.store:
        dialogue.features.add(Feature.STORE)


def read_count(value: Count, name: str) -> int | None:
    """A whole number, which may be written `10.0`."""
    if value is None or isinstance(value, int):
        return value
    if not value.is_integer():
        raise make_mistyped(name, ("int",), "float")
    return int(value)


def list_unknown(envelope: Envelope, known: frozenset[str]) -> list[str]:
    """Fields that have no place; null is no value."""
    return [name for name, raw in envelope.fields.items() if name not in known and bytes(raw) != b"null"]  # type: ignore[call-overload]


def list_used(dialogue: Dialogue) -> set[Feature]:
    """The features that the dialogue's own fields show; those of turns and tools are noted where they are read."""
    sampling, reasoning, answer = dialogue.sampling, dialogue.reasoning, dialogue.answer_format
    used = {
        Feature.PARALLEL_OFF: dialogue.parallel is False,
        Feature.JSON_OBJECT: answer is not None and answer.kind == "json",
        Feature.JSON_SCHEMA: answer is not None and answer.kind == "schema",
        Feature.REASONING: reasoning is not None and (reasoning.effort, reasoning.budget, reasoning.adaptive) != _NOTHING,
        Feature.REASONING_BUDGET: reasoning is not None and reasoning.budget is not None,
        Feature.REASONING_SUMMARY: reasoning is not None and reasoning.summary is not None,
        Feature.CHOICES: sampling.choices > 1,
        Feature.LOGPROBS: sampling.logprobs,
        Feature.LOGIT_BIAS: sampling.logit_bias is not None,
        Feature.TEMPERATURE: sampling.temperature is not None,
        Feature.TOP_P: sampling.top_p is not None,
        Feature.TOP_K: sampling.top_k is not None,
        Feature.PENALTIES: bool(sampling.presence_penalty or sampling.frequency_penalty),
        Feature.SEED: sampling.seed is not None,
        Feature.STOP: bool(sampling.stop),
        Feature.MAX_TOKENS: sampling.max_tokens is not None,
        Feature.PREDICTION: dialogue.prediction is not None,
        Feature.VERBOSITY: dialogue.verbosity is not None,
        Feature.SERVICE_TIER: dialogue.service_tier not in (None, "auto"),
        Feature.USER: dialogue.user is not None,
        Feature.METADATA: dialogue.metadata is not None,
        Feature.SUFFIX: dialogue.suffix is not None,
    }
    return {feature for feature, is_used in used.items() if is_used}


_NOTHING = (None, None, False)


def _read_format(asked: ResponseFormat | None) -> AnswerFormat | None:
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return AnswerFormat("json")
    if asked.type != "json_schema":
        raise make_unsupported("response_format.type", asked.type, _FORMATS)
    wanted = asked.json_schema
    if wanted is None:
        raise make_missing("response_format.json_schema")
    return AnswerFormat("schema", wanted.name, wanted.schema, wanted.strict, wanted.description)


def _read_reasoning(request: ChatRequest) -> Reasoning | None:
    """OpenAI's effort, else OpenRouter's object, else Anthropic's."""
    router, thinking = request.reasoning, request.thinking
    summary = "omitted" if router is not None and router.exclude else None
    if request.reasoning_effort is not None:
        return _make_effort(request.reasoning_effort, "reasoning_effort", summary)
    if router is not None:
        if router.effort is not None:
            return _make_effort(router.effort, "reasoning.effort", summary)
        if router.max_tokens is not None:
            return Reasoning(budget=read_count(router.max_tokens, "reasoning.max_tokens"), summary=summary)
        if router.enabled is not None:
            return Reasoning(effort="medium" if router.enabled else "none", summary=summary)
        if summary is not None:
            return Reasoning(summary=summary)
    if thinking is None:
        return None
    if thinking.type == "disabled":
        return Reasoning(effort="none")
    budget = read_count(thinking.budget_tokens, "thinking.budget_tokens")
    return Reasoning(adaptive=True) if budget is None else Reasoning(budget=budget)


def _make_effort(effort: str, where: str, summary: str | None) -> Reasoning:
    if effort == "default":  # Groq: as the model sees fit
        return Reasoning(adaptive=True, summary=summary)
    if effort not in EFFORTS:
        raise make_unsupported(where, effort, EFFORTS)
    return Reasoning(effort=effort, summary=summary)


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one
