"""A dialogue as the body of a Messages request.

Each part of the format has its own writer (`turns`, `parts`, `tools`, `reasoning`); this file puts them in order and settles
what they have to know of each other: what is called for and what is thought about, what a schema turns into, how many cache
marks there may be, and whether sampling may be spoken of at all. Every difference from the table of fates is noted.
Source: the vendor's documentation, its SDK's types, and recorded refusals.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.anthropic.parts import BlockOut
from proxy.wire.anthropic.reasoning import Plan, plan
from proxy.wire.anthropic.tools import Offer, can_stand_for, offer_answer, write_tools
from proxy.wire.anthropic.turns import TurnWriter, breaks_off_thinking, write_messages, write_system
from proxy.wire.dialogue import AnswerFormat, Dialogue
from proxy.wire.translation import Written

#: Marks that one request may hold.
MAX_MARKS = 4

_ENCODE = msgspec.json.Encoder().encode
_JSON_WORDS = "Answer with one JSON object and nothing else: no other words around it, and no code fence."
_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only", "flex": "standard_only"}


@dataclass(slots=True)
class MessagesBody(Written):
    """`sampled`: the body speaks of temperature and the like, which newer versions of the API refuse."""

    sampled: bool = False


def write_body(dialogue: Dialogue, model: str, facts: ModelFacts) -> MessagesBody:
    """Raises EnvelopeError for what this format cannot say."""
    fates: dict[Feature, Fate] = {}
    turns = TurnWriter(dialogue, facts, fates)
    offer = write_tools(dialogue, facts, fates)
    form = _write_format(dialogue.answer_format, facts, turns, offer, fates)
    barred = offer.forced or (facts.adaptive_thinking is False and breaks_off_thinking(turns.messages))
    planned = plan(dialogue.reasoning, dialogue.sampling.max_tokens, facts, barred, fates)
    turns.end(planned.thinks)
    sampling = _write_sampling(dialogue, facts, planned, fates)
    body: dict[str, Any] = {"model": model, "max_tokens": planned.max_tokens}
    if turns.system:
        body["system"] = write_system(turns.system)
    body["messages"] = write_messages(turns.messages)
    if offer.tools:
        body["tools"] = offer.tools
    if offer.choice is not None:
        body["tool_choice"] = offer.choice
    if planned.thinking is not None:
        body["thinking"] = planned.thinking
    output = {"effort": planned.effort, "format": form}
    if any(output.values()):
        body["output_config"] = {key: value for key, value in output.items() if value is not None}
    body |= sampling
    _write_rest(dialogue, body, fates)
    _limit_marks(offer, turns, fates)
    return MessagesBody(_ENCODE(body), fates, bool(sampling))


def _write_format(
    answer: AnswerFormat | None, facts: ModelFacts, turns: TurnWriter, offer: Offer, fates: dict[Feature, Fate]
) -> dict[str, Any] | None:
    """What `output_config` says of a schema; other ways to ask for JSON go into tools and instructions."""
    if answer is None:
        return None
    if answer.kind == "json":
        turns.system.append({"type": "text", "text": _JSON_WORDS})
        return None
    if facts.native_schema:
        return {"type": "json_schema", "schema": answer.schema}
    fates[Feature.JSON_SCHEMA] = Fate.APPROXIMATED
    if can_stand_for(answer.schema):
        offer_answer(answer, offer)
    else:
        schema = _ENCODE(answer.schema).decode()
        words = f"Answer with JSON that this schema describes, and with nothing else:\n{schema}"
        turns.system.append({"type": "text", "text": words})
    return None


def _write_sampling(
    dialogue: Dialogue, facts: ModelFacts, planned: Plan, fates: dict[Feature, Fate]
) -> dict[str, float | int]:
    """Temperature and what belongs to it. Not of models that refuse them, not while they think, and never both of
    temperature and `top_p`, which no version from 4.1 on takes."""
    sampling = dialogue.sampling
    given = {
        Feature.TEMPERATURE: sampling.temperature,
        Feature.TOP_P: sampling.top_p,
        Feature.TOP_K: sampling.top_k,
    }
    said: dict[str, float | int] = {}
    for feature, value in given.items():
        if value is None:
            continue
        if facts.sampling is False or planned.thinks or (feature is Feature.TOP_P and "temperature" in said):
            fates[feature] = Fate.DROPPED
            continue
        if feature is Feature.TEMPERATURE and not 0 <= value <= 1:
            value = min(max(value, 0), 1)
            fates[feature] = Fate.APPROXIMATED
        said[feature.value] = value
    return said


def _write_rest(dialogue: Dialogue, body: dict[str, Any], fates: dict[Feature, Fate]) -> None:
    stops = [stop for stop in dialogue.sampling.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops
    if len(stops) < len(dialogue.sampling.stop):
        fates[Feature.STOP] = Fate.APPROXIMATED if stops else Fate.DROPPED
    if dialogue.user:
        # An id that says who it is must not be sent.
        body["metadata"] = {"user_id": sha256(dialogue.user.encode("utf-8", "replace")).hexdigest()}
    tier = _TIERS.get(dialogue.service_tier or "")
    if tier is not None:
        body["service_tier"] = tier
    elif dialogue.service_tier is not None:
        fates[Feature.SERVICE_TIER] = Fate.DROPPED
    if dialogue.stream:
        body["stream"] = True


def _limit_marks(offer: Offer, turns: TurnWriter, fates: dict[Feature, Fate]) -> None:
    """Keep the last of too many cache marks: each covers everything before it."""
    blocks: list[BlockOut] = [*offer.tools, *turns.system]
    for _, content in turns.messages:
        blocks += content
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[:-MAX_MARKS]:
        del block["cache_control"]
        fates[Feature.CACHE_CONTROL] = Fate.APPROXIMATED
