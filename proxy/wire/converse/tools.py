"""Tools as Converse takes them, and what to do where it cannot.

Converse wants `toolConfig` in every request whose history holds calls, and knows no way to forbid calls. So where a client
forbids them, or offers no tools, there is no `toolConfig`, and calls in the history become text: the model may read what
was called, and cannot call anything that nobody offered.

A schema for the answer that a model does not take by itself is the input of a tool that it must call; its decoder knows the
tool by its name and gives the input back as text. Source: the service model of botocore, AWS's user guide.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.core.features import Feature
from proxy.wire.converse.aim import Aim, Family
from proxy.wire.converse.blocks import Block, make_cache_point
from proxy.wire.dialogue import AnswerFormat, Dialogue, Tool, ToolCall, ToolResult
from proxy.wire.openai_envelope import EnvelopeError

#: The tool whose input is the answer. No client has one of that name.
ANSWER_TOOL = "undimmed_json_answer"

_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY_OBJECT: Mapping[str, Any] = {"type": "object", "properties": {}}


@dataclass(slots=True)
class ToolPlan:
    """`config`: the `toolConfig`, None for none. `flatten`: calls of the history go as text. `forced`: some tool must be
    called. `answers`: the answer's schema went into a tool."""

    config: Block | None = None
    flatten: bool = False
    forced: bool = False
    answers: bool = False


def plan_tools(dialogue: Dialogue, aim: Aim) -> ToolPlan:
    """Raises EnvelopeError for tools that are no functions."""
    choice = dialogue.tool_choice
    offered = dialogue.tools
    if choice is not None and choice.allowed is not None:
        offered = [tool for tool in offered if tool.name in choice.allowed]
    if offered and (choice is None or choice.mode != "none"):
        config: Block = {"tools": [entry for tool in offered for entry in _write_tool(tool, aim)]}
        if choice is None or choice.mode == "auto":
            return ToolPlan(config)
        config["toolChoice"] = {"any": {}} if choice.mode == "required" else {"tool": {"name": choice.name}}
        return ToolPlan(config, forced=True)
    called = any(isinstance(part, ToolCall | ToolResult) for turn in dialogue.turns for part in turn.parts)
    if called:
        aim.approximate(Feature.TOOLS)
        return ToolPlan(flatten=True)
    schema = _find_tool_schema(dialogue.answer_format, aim)
    if schema is None:
        return ToolPlan()
    aim.approximate(Feature.JSON_SCHEMA)
    spec = {"name": ANSWER_TOOL, "description": "Gives the answer.", "inputSchema": {"json": schema}}
    config = {"tools": [{"toolSpec": spec}], "toolChoice": {"tool": {"name": ANSWER_TOOL}}}
    return ToolPlan(config, forced=True, answers=True)


def clean_id(call: str) -> str:
    """A call's id as Converse takes it: as it is, or, where it has odd characters or is too long, a digest of it, which is
    the same for the call and its result."""
    return call if _ID.fullmatch(call) else "call_" + hashlib.sha256(call.encode("utf-8", "replace")).hexdigest()[:32]


def write_call(call: ToolCall) -> Block:
    """Raises EnvelopeError where the arguments are no JSON object."""
    arguments = call.arguments.strip() or "{}"
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        raise EnvelopeError(
            f"The arguments of the call of '{call.name[:64]}' are not a JSON object.", "messages", "invalid_value"
        ) from None
    block = {"toolUseId": clean_id(call.id), "name": call.name, "input": msgspec.Raw(arguments.encode())}
    return {"toolUse": block}


def _write_tool(tool: Tool, aim: Aim) -> list[Block]:
    if tool.hosted is not None or tool.grammar is not None:
        raise EnvelopeError(
            f"This model takes only functions as tools; '{tool.name[:64]}' is none.", "tools", "invalid_value"
        )
    spec: Block = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    parameters = tool.parameters or _ANY_OBJECT
    spec["inputSchema"] = {"json": parameters if "type" in parameters else {"type": "object", **parameters}}
    if tool.strict is not None:
        spec["strict"] = tool.strict
    if tool.cache is not None and aim.family is Family.NOVA:  # it caches prompts, not tools
        aim.drop(Feature.CACHE_CONTROL)
        return [{"toolSpec": spec}]
    return [{"toolSpec": spec}, *make_cache_point(tool.cache, aim)]


def _find_tool_schema(form: AnswerFormat | None, aim: Aim) -> Mapping[str, Any] | None:
    """The answer's schema, if it has to and can be the input of a tool."""
    if form is None or form.schema is None or aim.facts.native_schema is not False or Feature.TOOLS in aim.facts.lacks:
        return None
    return form.schema if form.schema.get("type") == "object" else None
