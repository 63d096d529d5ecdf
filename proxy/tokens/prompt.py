"""What a request makes a model read, taken apart into things that can be counted.

The request comes as its top-level JSON fields, still raw; only those that become input are decoded. Framing (roles, names,
tool calls, the primed reply) is a number, text stays text, and media is measured instead of tokenised. Whatever shape a
client sends, nothing here raises: a part that cannot be understood makes the result a lower bound.
"""

from collections.abc import Callable, Mapping

import msgspec

from proxy.core.endpoints import Endpoint
from proxy.tokens.parts import PromptParts
from proxy.tokens.tools import FRAME, WITH_SYSTEM, render
from proxy.wire.lenient import repair

#: Every reply is primed with a few tokens.
PRIMED = 3
NAME = 1
TOOL_CALL = 3
TOOL_CHOICE_NONE = 1
TOOL_CHOICE_NAMED = 7
#: A file that is only named by its id: as much as one page.
UNSEEN_PAGES = 1


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _read(payload: bytes) -> object:
    """Raises one of `_UNREADABLE`."""
    try:
        return msgspec.json.decode(payload)
    except _UNREADABLE:
        repaired = repair(payload)
        if repaired is None:
            raise
    return msgspec.json.decode(repaired)


def _field(parts: PromptParts, fields: Mapping[str, object], name: str) -> object:
    """The value of a top-level field; None if it is absent or cannot be read."""
    raw = fields.get(name)
    if not isinstance(raw, msgspec.Raw | bytes | bytearray | memoryview):
        return None
    try:
        return _read(bytes(raw))
    except _UNREADABLE:
        parts.lower_bound = True
        return None


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(parts: PromptParts, part: dict[str, object]) -> None:
    parts.add_text(part.get("text"))


def _refusal(parts: PromptParts, part: dict[str, object]) -> None:
    parts.add_text(part.get("refusal"))


def _thinking(parts: PromptParts, part: dict[str, object]) -> None:
    thinking = part.get("thinking")
    _content(parts, thinking)


def _image(parts: PromptParts, part: dict[str, object]) -> None:
    """`image_url` is an object in chat, a string elsewhere."""
    url = part.get("image_url")
    detail = _mapping(url).get("detail") or part.get("detail")
    parts.add_url(_mapping(url).get("url", url), detail if isinstance(detail, str) else "auto")


def _audio(parts: PromptParts, part: dict[str, object]) -> None:
    audio = _mapping(part.get("input_audio"))
    data, form = audio.get("data"), audio.get("format")
    if isinstance(data, str):
        parts.add_media(f"audio/{form}", data)
    else:
        parts.lower_bound = True


def _file(parts: PromptParts, part: dict[str, object]) -> None:
    data = _mapping(part.get("file")).get("file_data")
    parts.lower_bound = True
    if not isinstance(data, str):
        parts.pages += UNSEEN_PAGES
        return
    head, _, encoded = data.partition(";base64,")
    parts.add_media(head.removeprefix("data:"), encoded) if encoded else parts.add_media("application/pdf", data)


def _source(parts: PromptParts, part: dict[str, object]) -> None:
    """A part in another vendor's shape, `{"source": {"media_type", "data"}}`, that a lenient server lets through."""
    source = _mapping(part.get("source"))
    mime, data = source.get("media_type"), source.get("data")
    if isinstance(mime, str) and isinstance(data, str):
        parts.add_media(mime, data)
    else:
        parts.add_url(source.get("url"), "auto")


_PARTS: dict[str, Callable[[PromptParts, dict[str, object]], None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _image,
    "input_image": _image,
    "image": _source,
    "document": _source,
    "input_audio": _audio,
    "file": _file,
}


def _content(parts: PromptParts, content: object) -> None:
    parts.add_text(content)
    for item in _items(content):
        parts.add_text(item)
        part = _mapping(item)
        kind = part.get("type")
        read = _PARTS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            read(parts, part)
        elif part:
            parts.add_text(part.get("text"))
            parts.lower_bound = True


def _message(parts: PromptParts, message: dict[str, object]) -> None:
    parts.messages += 1
    _content(parts, message.get("content"))
    parts.add_text(message.get("refusal"))
    if isinstance(message.get("name"), str):
        parts.add_text(message["name"])
        parts.tokens += NAME
    calls = [_mapping(call) for call in _items(message.get("tool_calls"))]
    functions = [_mapping(call.get("function") or call.get("custom")) for call in calls]
    if isinstance(message.get("function_call"), dict):
        functions.append(_mapping(message["function_call"]))
    for function in functions:
        parts.tokens += TOOL_CALL
        parts.add_text(function.get("name"))
        parts.add_text(function.get("arguments"))
        parts.add_text(function.get("input"))


def _tools(parts: PromptParts, fields: Mapping[str, object], has_system: bool) -> None:
    tools = [_mapping(tool) for tool in _items(_field(parts, fields, "tools"))]
    functions = [_mapping(tool.get("function") or tool.get("custom")) for tool in tools]
    functions += [_mapping(function) for function in _items(_field(parts, fields, "functions"))]
    functions = [function for function in functions if function]
    parts.lower_bound = parts.lower_bound or len(functions) < len(tools)
    if not functions:
        return
    parts.tools = len(functions)
    parts.add_text(render(functions))
    parts.tokens += FRAME + (WITH_SYSTEM if has_system else 0)
    choice = _field(parts, fields, "tool_choice" if "tool_choice" in fields else "function_call")
    name = _mapping(_mapping(choice).get("function", choice)).get("name")
    if choice == "none":
        parts.tokens += TOOL_CHOICE_NONE
    elif isinstance(name, str):
        parts.tokens += TOOL_CHOICE_NAMED
        parts.add_text(name)


def _chat(parts: PromptParts, fields: Mapping[str, object]) -> None:
    messages = [_mapping(message) for message in _items(_field(parts, fields, "messages"))]
    parts.tokens += PRIMED
    for message in messages:
        _message(parts, message)
    _tools(parts, fields, any(message.get("role") in ("system", "developer") for message in messages))
    schema = _mapping(_mapping(_field(parts, fields, "response_format")).get("json_schema")).get("schema")
    if isinstance(schema, dict):
        parts.add_text(msgspec.json.encode(schema).decode())


def _prompt(parts: PromptParts, prompt: object) -> None:
    """A string, strings, token ids, or lists of token ids; ids are counted as they are."""
    parts.add_text(prompt)
    for item in _items(prompt):
        parts.add_text(item)
        parts.tokens += isinstance(item, int) or len(_items(item))


def _completions(parts: PromptParts, fields: Mapping[str, object]) -> None:
    _prompt(parts, _field(parts, fields, "prompt"))
    parts.add_text(_field(parts, fields, "suffix"))


def _embeddings(parts: PromptParts, fields: Mapping[str, object]) -> None:
    _prompt(parts, _field(parts, fields, "input"))


_ENDPOINTS: dict[Endpoint, Callable[[PromptParts, Mapping[str, object]], None]] = {
    Endpoint.CHAT: _chat,
    Endpoint.COMPLETIONS: _completions,
    Endpoint.EMBEDDINGS: _embeddings,
}


def prompt_texts(endpoint: Endpoint, fields: Mapping[str, object]) -> PromptParts:
    """The countable parts of a request. `fields`: each top-level key's raw JSON, convertible with `bytes`."""
    parts = PromptParts()
    _ENDPOINTS[endpoint](parts, fields)
    return parts
