"""Tools and the choice among them, as the Responses API spells them: flat, where chat nests.

Tools can be grouped in namespaces, which other formats don't have: there, namespace and name make one name, and a call of
it is told in both again. A tool that is neither a function nor custom is run by the vendor (`hosted`).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from proxy.core.features import Feature
from proxy.wire.dialogue import Tool, ToolChoice
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.responses.content import Fields, read_text

_ODD = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_NAME = 64
_USUAL = "functions"
_MODES = frozenset(("auto", "none", "required"))


def read_tools(value: object, features: set[Feature], place: str = "tools") -> list[Tool]:
    """`place`: where in the request they stand. Raises EnvelopeError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise EnvelopeError(f"Invalid type for '{place}': expected an array of objects.", place, "invalid_type")
    tools: list[Tool] = []
    for at, tool in enumerate(value):
        where = f"{place}[{at}]"
        inner = tool.get("tools") if isinstance(tool, dict) and tool.get("type") == "namespace" else None
        if isinstance(inner, list):
            home = read_text(tool.get("name"))
            tools += [_settle(_read_tool(each, f"{where}.tools[{i}]", features), home) for i, each in enumerate(inner)]
        else:
            tools.append(_read_tool(tool, where, features))
    return tools


def join_name(namespace: str, name: str) -> str:
    """One name of two, in the letters and the length that every vendor takes. Where it has to be cut, a digest keeps it the
    only one. In the namespace where functions are at home anyway, it is the name."""
    if namespace == _USUAL:
        return name
    joined = _ODD.sub("_", f"{namespace}__{name}")
    if len(joined) <= _MAX_NAME:
        return joined
    digest = hashlib.sha256(joined.encode()).hexdigest()[:8]
    return f"{joined[: _MAX_NAME - 9]}_{digest}"


def list_homes(tools: Sequence[Tool]) -> dict[str, tuple[str, str]]:
    """Namespace and name of the tools that have both, by the name made of them."""
    return {tool.name: tool.home for tool in tools if tool.home is not None}


def _settle(tool: Tool, namespace: str) -> Tool:
    if tool.hosted is None:
        tool.name, tool.home = join_name(namespace, tool.name), (namespace, tool.name)
    return tool


def _read_tool(tool: object, where: str, features: set[Feature]) -> Tool:
    if not isinstance(tool, dict):
        raise EnvelopeError(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    kind = tool.get("type")
    if kind not in ("function", "custom"):
        return Tool(read_text(tool.get("name")) or read_text(kind), hosted=tool)
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        place = f"{where}.name"
        raise EnvelopeError(f"Missing required parameter: '{place}'.", place, "missing_required_parameter")
    description = read_text(tool.get("description")) or None
    if kind == "custom":
        features.add(Feature.CUSTOM_TOOLS)
        return Tool(name, description, grammar=_read_grammar(tool.get("format")))
    features.add(Feature.TOOLS)
    strict = tool.get("strict")
    if strict is True:
        features.add(Feature.STRICT_TOOLS)
    parameters = tool.get("parameters")
    return Tool(
        name,
        description,
        parameters if isinstance(parameters, dict) else None,
        strict if isinstance(strict, bool) else None,
    )


def _read_grammar(value: object) -> Mapping[str, Any]:
    """The format object as chat spells it, which is what `Tool.grammar` holds: the grammar one level deeper."""
    if not isinstance(value, dict) or value.get("type") != "grammar":
        return {"type": "text"}
    return {"type": "grammar", "grammar": {key: value[key] for key in ("definition", "syntax") if key in value}}


def read_choice(value: object, features: set[Feature]) -> ToolChoice | None:
    """`auto` is what everybody does unasked, so it is no feature."""
    if value is None or value == "auto":
        return None
    if isinstance(value, str) and value in _MODES:
        features.add(Feature.TOOL_CHOICE)
        return ToolChoice("none" if value == "none" else "required")
    if isinstance(value, dict):
        kind = value.get("type")
        if kind in ("function", "custom") and isinstance(value.get("name"), str):
            features.add(Feature.TOOL_CHOICE)
            return ToolChoice("named", value["name"])
        if kind == "allowed_tools":
            return _read_allowed(value, features)
        if isinstance(kind, str):
            features.add(Feature.HOSTED_TOOLS)
            return ToolChoice("named", kind)
    raise EnvelopeError("Invalid value for 'tool_choice'.", "tool_choice", "invalid_value")


def _read_allowed(value: Fields, features: set[Feature]) -> ToolChoice:
    features.add(Feature.ALLOWED_TOOLS)
    listed = value.get("tools")
    tools: Sequence[object] = listed if isinstance(listed, list) else ()
    allowed: list[str] = []
    for tool in tools:
        name = tool.get("name") if isinstance(tool, dict) else None
        if isinstance(name, str):
            allowed.append(name)
        else:
            features.add(Feature.HOSTED_TOOLS)
    return ToolChoice("required" if value.get("mode") == "required" else "auto", allowed=allowed)
