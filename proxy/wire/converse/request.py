"""A dialogue as the body of Converse and ConverseStream, which is the same for both; the model stands in the path.

Source: the service model of botocore, which also judges these bodies in the tests.
"""

import re
from typing import Any

import msgspec

from proxy.core.facts import ModelFacts
from proxy.core.features import Feature
from proxy.wire.converse.aim import Aim
from proxy.wire.converse.conversation import write_conversation
from proxy.wire.converse.reasoning import write_wishes
from proxy.wire.converse.tools import plan_tools
from proxy.wire.dialogue import Dialogue
from proxy.wire.translation import Written

_ENCODE = msgspec.json.Encoder().encode
_TIERS = {"default": "default", "standard_only": "default", "flex": "flex", "priority": "priority", "reserved": "reserved"}
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
_MAX_METADATA = 16


def write_request(dialogue: Dialogue, model: str, facts: ModelFacts) -> Written:
    """Raises EnvelopeError for what Converse cannot say."""
    aim = Aim(model, facts)
    plan = plan_tools(dialogue, aim)
    talk = write_conversation(dialogue, aim, plan.flatten)
    wishes = write_wishes(dialogue, aim, plan.forced or talk.open_call)
    output, instruction = _write_output(dialogue, aim, plan.answers)
    if wishes.effort is not None:
        output["effort"] = wishes.effort
    body = {
        "messages": talk.messages,
        "system": [*talk.system, *([{"text": instruction}] if instruction else [])],
        "inferenceConfig": wishes.inference,
        "toolConfig": plan.config,
        "additionalModelRequestFields": wishes.additional,
        "outputConfig": output,
        "serviceTier": _write_tier(dialogue, aim),
        "requestMetadata": _write_metadata(dialogue, aim),
    }
    return Written(_ENCODE({name: value for name, value in body.items() if value}), aim.fates)


def _write_output(dialogue: Dialogue, aim: Aim, answers: bool) -> tuple[dict[str, Any], str]:
    """`outputConfig`, and what the model is told where it has to be told instead. `answers`: a tool takes the answer."""
    form = dialogue.answer_format
    if form is None or answers:
        return {}, ""
    if form.schema is None:
        return {}, "Answer with one JSON object and nothing else."
    schema = _ENCODE(form.schema).decode()
    if aim.facts.native_schema is False:
        aim.approximate(Feature.JSON_SCHEMA)
        return {}, f"Answer with JSON that fits this schema and nothing else:\n{schema}"
    definition = {"schema": schema}
    if form.name:
        definition["name"] = form.name
    if form.description:
        definition["description"] = form.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}, ""


def _write_tier(dialogue: Dialogue, aim: Aim) -> dict[str, str] | None:
    tier = dialogue.service_tier
    if tier is None or tier == "auto":
        return None
    if tier not in _TIERS:
        aim.drop(Feature.SERVICE_TIER)
        return None
    return {"type": _TIERS[tier]}


def _write_metadata(dialogue: Dialogue, aim: Aim) -> dict[str, str]:
    given = dialogue.metadata or {}
    fitting = {
        name: value
        for name, value in given.items()
        if isinstance(value, str) and name and _METADATA.fullmatch(name) and _METADATA.fullmatch(value)
    }
    kept = dict(list(fitting.items())[:_MAX_METADATA])
    if len(kept) < len(given):
        aim.approximate(Feature.METADATA)
    return kept
