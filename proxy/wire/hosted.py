"""Tools that a vendor runs, offered beside tools that the client runs.

Agents offer a vendor's web search with every request, next to their own tools, and get along without it: its model uses it
or not. For a vendor that has no such tool those offers are *spare*, and left out by name (`Feature.SPARE_TOOLS`). What the
request is about is never spare: the only tools there are, a tool that the choice names, and tools that stand for something
of the client's own (its MCP servers, its vector stores, its shell, its computer). Those need their vendor
(`Feature.HOSTED_TOOLS`).
"""

import msgspec
from msgspec import Struct

from proxy.core.features import Feature
from proxy.wire.dialogue import Dialogue, Tool
from proxy.wire.lenient import UNREADABLE

#: How the types of general abilities begin; vendors date them (`web_search_20250305`, `web_search_preview_2025_03_11`).
SPARE = ("web_search", "web_fetch", "code_interpreter", "code_execution", "image_generation", "tool_search")


#: Types of tools that the client runs; Anthropic's need not say.
_CLIENTS = frozenset({None, "function", "custom"})


class _Tool(Struct, gc=False):
    type: str | None = None


_tools = msgspec.json.Decoder(list[_Tool])


def are_clients(tools: object) -> bool:
    """Are all of a request's tools (the field's raw bytes) run by the client itself? False where that cannot be told."""
    try:
        return all(tool.type in _CLIENTS for tool in _tools.decode(bytes(tools)))  # type: ignore[call-overload]
    except UNREADABLE:
        return False


def sort_hosted(dialogue: Dialogue) -> None:
    """Note what becomes of the hosted tools of a request, unless it is said already that it needs its vendor. All but its
    tools, its choice and its history may still be missing. Spare ones are taken out of `tools`."""
    hosted = [tool for tool in dialogue.tools if tool.hosted is not None]
    if not hosted or Feature.HOSTED_TOOLS in dialogue.features:
        return
    if len(hosted) < len(dialogue.tools) and all(map(_is_ability, hosted)) and not _are_wanted(dialogue, hosted):
        dialogue.features.add(Feature.SPARE_TOOLS)
        dialogue.tools = [tool for tool in dialogue.tools if tool.hosted is None]
    else:
        dialogue.features.add(Feature.HOSTED_TOOLS)


def _is_ability(tool: Tool) -> bool:
    kind = tool.hosted.get("type") if tool.hosted is not None else None
    return isinstance(kind, str) and kind.startswith(SPARE)


def _are_wanted(dialogue: Dialogue, hosted: list[Tool]) -> bool:
    """Does the choice say one of their names?"""
    choice = dialogue.tool_choice
    if choice is None:
        return False
    return any(tool.name == choice.name or tool.name in (choice.allowed or ()) for tool in hosted)
