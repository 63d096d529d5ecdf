"""The tools that a request offers, and which of them may be called.

`functions` and `function_call`, deprecated in 2023 and still sent, become tools. A tool of any other type than function and
custom is run by the vendor and kept as the client wrote it; `web_search_options` is one that chat spells as a field.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.core.features import Feature
from proxy.wire.chat.parts import read_mark
from proxy.wire.chat.shapes import ChatRequest, OfferedFunction, OfferedTool
from proxy.wire.complaints import make_fault, make_missing, make_unsupported, read_shape
from proxy.wire.dialogue import Tool, ToolChoice

_TOOL = msgspec.json.Decoder(OfferedTool)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_MODES: Mapping[str, ToolChoice] = {
    "auto": ToolChoice("auto"),
    "none": ToolChoice("none"),
    "required": ToolChoice("required"),
    "any": ToolChoice("required"),  # Mistral's word for it
}
_CHOICES = ("none", "auto", "required")


def read_tools(request: ChatRequest, features: set[Feature]) -> list[Tool]:
    """Every tool of the request; those that the vendor runs are noted by `hosted.py`. Raises EnvelopeError."""
    tools = [_read_tool(bytes(raw), f"tools[{number}]", features) for number, raw in enumerate(request.tools or ())]
    tools += [_read_function(function) for function in request.functions or ()]
    if request.web_search_options is not None:
        tools.append(Tool("web_search", hosted={"type": "web_search", **request.web_search_options}))
    for tool in tools:
        if tool.hosted is None:
            features.add(Feature.TOOLS if tool.grammar is None else Feature.CUSTOM_TOOLS)
        if tool.strict:
            features.add(Feature.STRICT_TOOLS)
    return tools


def read_tool_choice(request: ChatRequest, features: set[Feature]) -> ToolChoice | None:
    """`tool_choice`, or the deprecated `function_call`. Raises EnvelopeError."""
    choice = None
    if request.tool_choice is not None:
        choice = _read_choice(request.tool_choice, "tool_choice")
    elif request.function_call is not None:
        choice = _read_choice(request.function_call, "function_call")
    if choice is not None and choice.mode != "auto":
        features.add(Feature.TOOL_CHOICE)
    if choice is not None and choice.allowed is not None:
        features.add(Feature.ALLOWED_TOOLS)
    return choice


def _read_tool(raw: bytes, where: str, features: set[Feature]) -> Tool:
    offered = read_shape(_TOOL, raw, where)
    mark = read_mark((offered.cache_control,), features)
    if offered.type == "function":
        if offered.function is None:
            raise make_missing(f"{where}.function")
        tool = _read_function(offered.function)
    elif offered.type == "custom":
        if offered.custom is None:
            raise make_missing(f"{where}.custom")
        tool = Tool(offered.custom.name, offered.custom.description, grammar=offered.custom.format or {"type": "text"})
    else:
        tool = Tool(offered.type, hosted=read_shape(_OBJECT, raw, where))
    tool.cache = mark
    return tool


def _read_function(function: OfferedFunction) -> Tool:
    return Tool(function.name, function.description, function.parameters, function.strict)


def _read_choice(value: str | Mapping[str, Any], where: str) -> ToolChoice:
    if isinstance(value, str):
        choice = _MODES.get(value)
        if choice is None:
            raise make_unsupported(where, value, _CHOICES)
        return choice
    if value.get("type") == "allowed_tools":
        return _read_allowed(value, where)
    name = _find_name(value)
    if name is None:
        raise make_missing(f"{where}.function.name")
    return ToolChoice("named", name)


def _read_allowed(value: Mapping[str, Any], where: str) -> ToolChoice:
    allowed = value.get("allowed_tools")
    inner = allowed if isinstance(allowed, dict) else value  # the Responses API has it flat
    mode, tools = inner.get("mode", "auto"), inner.get("tools")
    if mode not in ("auto", "required"):
        raise make_unsupported(f"{where}.allowed_tools.mode", str(mode), ("auto", "required"))
    if not isinstance(tools, list):
        raise make_missing(f"{where}.allowed_tools.tools")
    names = [_find_name(tool) if isinstance(tool, dict) else None for tool in tools]
    if None in names:
        raise make_fault(f"{where}.allowed_tools.tools", "every tool needs a name")
    return ToolChoice(mode, allowed=[name for name in names if name is not None])


def _find_name(value: Mapping[str, Any]) -> str | None:
    """The name in `{"type": "function", "function": {"name"}}`, in `{"type": "function", "name"}` or in `{"name"}`; of a
    hosted tool its type."""
    inner = value.get(value["type"]) if isinstance(value.get("type"), str) else None
    name = inner.get("name") if isinstance(inner, dict) else value.get("name")
    if name is None and inner is None and value.get("type") not in (None, "function", "custom"):
        name = value["type"]
    return name if isinstance(name, str) and name else None
