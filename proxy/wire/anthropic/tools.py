"""Tools, the choice among them, and the tool that stands for an answer in JSON.

Models that cannot follow a schema in their answer can follow that of a tool. So where a schema is asked of such a model, a
tool of the reserved name `ANSWER_TOOL` is offered and called for, and whoever reads the answer takes the tool's input for
the text. Where there are other tools too, one of all must be called.

A history with calls needs tools, even if none may be called any more: then they are made up from the names in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.anthropic.parts import BlockOut, write_mark
from proxy.wire.dialogue import AnswerFormat, Dialogue, Tool, ToolCall
from proxy.wire.openai_envelope import EnvelopeError

#: Never a client's tool; `decoder.py` and `answer.py` turn its input into text.
ANSWER_TOOL = "undimmed_answer"

_ANSWER_WORDS = "Give your final answer by calling this tool, once; its input is the answer."


@dataclass(slots=True)
class Offer:
    """`choice` None: nothing is said about it. `forced`: some tool must be called, which cannot be while thinking."""

    tools: list[BlockOut] = field(default_factory=list)
    choice: dict[str, Any] | None = None
    forced: bool = False


def write_tools(dialogue: Dialogue, facts: ModelFacts, fates: dict[Feature, Fate]) -> Offer:
    """Raises EnvelopeError for tools that only another vendor has."""
    offer = Offer()
    strict = facts.native_schema is not False
    choice = dialogue.tool_choice
    for tool in dialogue.tools:
        if choice is None or choice.allowed is None or tool.name in choice.allowed:
            offer.tools.append(_write_tool(tool, strict))
    if not strict and any(tool.strict for tool in dialogue.tools):
        fates[Feature.STRICT_TOOLS] = Fate.DROPPED
    if offer.tools:
        _write_choice(dialogue, offer)
    else:
        offer.tools = [_stand_in(name) for name in dict.fromkeys(_list_called(dialogue))]
        offer.choice = {"type": "none"} if offer.tools else None
    return offer


def offer_answer(answer: AnswerFormat, offer: Offer) -> None:
    """Add the tool that stands for an answer of this schema, and call for it."""
    if offer.forced:
        return  # a named tool has to be called, or any; an answer can come in a later turn
    only = not offer.tools or offer.choice == {"type": "none"}
    description = f"{answer.description}\n{_ANSWER_WORDS}" if answer.description else _ANSWER_WORDS
    schema = dict(answer.schema or {})
    schema.setdefault("type", "object")
    offer.tools.append({"name": ANSWER_TOOL, "description": description, "input_schema": schema})
    offer.choice = {"type": "tool", "name": ANSWER_TOOL} if only else {**(offer.choice or {}), "type": "any"}
    offer.forced = True


def can_stand_for(schema: Mapping[str, Any] | None) -> bool:
    """Whether a tool can have this schema: its input is an object."""
    return schema is not None and schema.get("type", "object") == "object"


def _write_tool(tool: Tool, strict: bool) -> BlockOut:
    if tool.hosted is not None or tool.grammar is not None:
        message = f"The tool '{tool.name}' is of a kind that this model does not have."
        raise EnvelopeError(message, "tools", "unsupported_value")
    block: BlockOut = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    parameters: Mapping[str, Any] = tool.parameters or {"properties": {}}
    block["input_schema"] = parameters if "type" in parameters else {"type": "object", **parameters}
    if strict and tool.strict:
        block["strict"] = True
    return write_mark(block, tool.cache)


def _write_choice(dialogue: Dialogue, offer: Offer) -> None:
    choice = dialogue.tool_choice
    mode = choice.mode if choice is not None else "auto"
    if choice is not None and mode == "named":
        offer.choice = {"type": "tool", "name": choice.name}
    elif choice is not None:
        offer.choice = {"type": {"required": "any"}.get(mode, mode)}
    offer.forced = mode in ("named", "required")
    if dialogue.parallel is False and mode != "none":
        offer.choice = {**(offer.choice or {"type": "auto"}), "disable_parallel_tool_use": True}


def _stand_in(name: str) -> BlockOut:
    return {"name": name, "input_schema": {"type": "object", "properties": {}}}


def _list_called(dialogue: Dialogue) -> Iterator[str]:
    return (part.name for turn in dialogue.turns for part in turn.parts if isinstance(part, ToolCall))
