"""What a request makes a model read, taken apart into things that can be counted.

The request comes as its top-level JSON fields, still raw; only those that become input are decoded. Framing (roles, names,
tool calls, the primed reply) is a number, text stays text, and media is measured instead of tokenised. Whatever shape a
client sends, nothing here raises: a part that cannot be understood makes the result a lower bound.
"""

from collections.abc import Callable, Mapping

import msgspec

from proxy.core.endpoints import Endpoint
from proxy.tokens.content import TOOL_CALL, as_items, as_mapping, read_content, read_field, search_media
from proxy.tokens.parts import PromptParts, Tools

#: Every reply is primed with a few tokens, one less in the Responses API.
PRIMED = 3
PRIMED_RESPONSE = 2


def _message(parts: PromptParts, message: dict[str, object]) -> None:
    parts.messages += 1
    read_content(parts, message.get("content"))
    parts.add_text(message.get("refusal"))
    if isinstance(message.get("name"), str):
        parts.add_text(message["name"])
        parts.names += 1
    calls = [as_mapping(call) for call in as_items(message.get("tool_calls"))]
    functions = [as_mapping(call.get("function") or call.get("custom")) for call in calls]
    if isinstance(message.get("function_call"), dict):
        functions.append(as_mapping(message["function_call"]))
    for function in functions:
        parts.tokens += TOOL_CALL
        parts.add_text(function.get("name"))
        parts.add_text(function.get("arguments"))
        parts.add_text(function.get("input"))


def _tools(parts: PromptParts, fields: Mapping[str, object], has_system: bool) -> None:
    tools = [as_mapping(tool) for tool in as_items(read_field(parts, fields, "tools"))]
    functions = [as_mapping(tool.get("function") or tool.get("custom")) for tool in tools]
    functions += [as_mapping(function) for function in as_items(read_field(parts, fields, "functions"))]
    functions = [function for function in functions if function]
    choice = read_field(parts, fields, "tool_choice" if "tool_choice" in fields else "function_call")
    _add_tools(parts, functions, len(tools) - len(functions), has_system, choice)


def _chat(parts: PromptParts, fields: Mapping[str, object]) -> None:
    messages = [as_mapping(message) for message in as_items(read_field(parts, fields, "messages"))]
    parts.tokens += PRIMED
    for message in messages:
        _message(parts, message)
    _tools(parts, fields, any(message.get("role") in ("system", "developer") for message in messages))
    schema = as_mapping(as_mapping(read_field(parts, fields, "response_format")).get("json_schema")).get("schema")
    _add_schema(parts, schema)


def _add_tools(
    parts: PromptParts, functions: list[dict[str, object]], hosted: int, has_system: bool, choice: object
) -> None:
    """`hosted` tools are the vendor's own: what it tells its model about them cannot be seen."""
    parts.lower_bound = parts.lower_bound or hosted > 0
    if not functions:
        return
    told = as_mapping(choice)
    named = as_mapping(told.get("function", choice)).get("name")
    word = told.get("type", choice)
    forced = isinstance(named, str) or word in ("required", "any")
    parts.tools = Tools(
        functions,
        has_system,
        "none" if word == "none" else "forced" if forced else "",
        named if isinstance(named, str) else "",
    )


def _add_schema(parts: PromptParts, schema: object) -> None:
    if isinstance(schema, dict):
        parts.add_text(msgspec.json.encode(schema).decode())


def _prompt(parts: PromptParts, prompt: object) -> None:
    """A string, strings, token ids, or lists of token ids; ids are counted as they are."""
    parts.add_text(prompt)
    for item in as_items(prompt):
        parts.add_text(item)
        parts.tokens += isinstance(item, int) or len(as_items(item))


def _completions(parts: PromptParts, fields: Mapping[str, object]) -> None:
    _prompt(parts, read_field(parts, fields, "prompt"))
    parts.add_text(read_field(parts, fields, "suffix"))


def _embeddings(parts: PromptParts, fields: Mapping[str, object]) -> None:
    _prompt(parts, read_field(parts, fields, "input"))


def _messages(parts: PromptParts, fields: Mapping[str, object]) -> None:
    """Anthropic's: instructions beside the messages, tools with `input_schema`."""
    parts.tokens += PRIMED
    system = read_field(parts, fields, "system")
    if system:
        parts.messages += 1
        read_content(parts, system)
    for message in as_items(read_field(parts, fields, "messages")):
        _message(parts, as_mapping(message))
    tools = [as_mapping(tool) for tool in as_items(read_field(parts, fields, "tools"))]
    schemas = [{**tool, "parameters": tool["input_schema"]} for tool in tools if "input_schema" in tool]
    _add_tools(parts, schemas, len(tools) - len(schemas), bool(system), read_field(parts, fields, "tool_choice"))
    schema = as_mapping(as_mapping(read_field(parts, fields, "output_config")).get("format")).get("schema")
    _add_schema(parts, schema)


def _responses(parts: PromptParts, fields: Mapping[str, object]) -> None:
    """OpenAI's Responses: instructions, and items instead of messages; earlier turns may be held by the vendor."""
    parts.tokens += PRIMED_RESPONSE
    instructions = read_field(parts, fields, "instructions")
    parts.add_text(instructions)
    parts.messages += isinstance(instructions, str)
    items = read_field(parts, fields, "input")
    if isinstance(items, str):
        _message(parts, {"content": items})
    for item in as_items(items):
        _item(parts, as_mapping(item))
    tools = [as_mapping(tool) for tool in as_items(read_field(parts, fields, "tools"))]
    functions = [tool for tool in tools if tool.get("type") in ("function", "custom")]
    choice = read_field(parts, fields, "tool_choice")
    _add_tools(parts, functions, len(tools) - len(functions), isinstance(instructions, str), choice)
    _add_schema(parts, as_mapping(as_mapping(read_field(parts, fields, "text")).get("format")).get("schema"))
    if "previous_response_id" in fields or "conversation" in fields:
        parts.lower_bound = True


_OUTPUTS = frozenset(("function_call_output", "custom_tool_call_output", "computer_call_output"))


def _item(parts: PromptParts, item: dict[str, object]) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        _message(parts, item)
    elif kind in ("function_call", "custom_tool_call"):
        parts.tokens += TOOL_CALL
        for name in ("name", "arguments", "input"):
            parts.add_text(item.get(name))
    elif kind in _OUTPUTS:
        parts.messages += 1
        read_content(parts, item.get("output"))
    else:
        # Reasoning is sealed, references and hosted tools are held elsewhere. A picture that was made is sent again.
        search_media(parts, item)
        parts.lower_bound = True


_ENDPOINTS: dict[Endpoint, Callable[[PromptParts, Mapping[str, object]], None]] = {
    Endpoint.CHAT: _chat,
    Endpoint.COMPLETIONS: _completions,
    Endpoint.EMBEDDINGS: _embeddings,
    Endpoint.MESSAGES: _messages,
    Endpoint.COUNT_TOKENS: _messages,
    Endpoint.RESPONSES: _responses,
}


def prompt_texts(endpoint: Endpoint, fields: Mapping[str, object]) -> PromptParts:
    """The countable parts of a request. `fields`: each top-level key's raw JSON, convertible with `bytes`."""
    parts = PromptParts()
    read = _ENDPOINTS.get(endpoint)
    if read is None:
        parts.lower_bound = True  # what is relayed unread cannot be counted
    else:
        read(parts, fields)
    return parts
