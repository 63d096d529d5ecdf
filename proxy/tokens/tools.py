"""Tool definitions as models are shown them.

OpenAI bills function schemas as the TypeScript that they are turned into, not as the JSON that was sent. This rendering
gives the API's own numbers on OpenAI's published example (101 tokens on gpt-4o, 105 on gpt-4; plain JSON gives 119). How
others write them is not known; there the words in them are counted, and what stands around the words is a number for each
(`families.HiddenPrompt`).
"""

from collections.abc import Iterator, Sequence

import msgspec

from proxy.tokens.parts import Tools

#: Tokens around the rendered namespace, and how many fewer there are when a system message carries it.
FRAME = 9
WITH_SYSTEM = -4
CHOICE_NONE = 1
CHOICE_NAMED = 7
#: A schema nested deeper is cut off; no real one is.
MAX_DEPTH = 16

_TYPES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def _literal(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _type(schema: object, depth: int) -> str:
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return "any"
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return " | ".join(_literal(choice) for choice in choices)
    for key in ("anyOf", "oneOf"):
        options = schema.get(key)
        if isinstance(options, list) and options:
            return " | ".join(_type(option, depth + 1) for option in options)
    kind = schema.get("type")
    if isinstance(kind, list):
        return _any_of(schema, kind, depth)
    if kind == "array":
        return f"{_type(schema.get('items'), depth + 1)}[]"
    if kind == "object":
        return "\n".join(["{", *_properties(schema, depth + 1), "}"])
    return _TYPES.get(kind, "any") if isinstance(kind, str) else "any"


def _any_of(schema: dict[str, object], kinds: list[object], depth: int) -> str:
    """One schema, several types. What has parts is written out for one of them only: else a schema that repeats itself at
    every level would be rendered a million times."""
    written, spelt = [], False
    for kind in dict.fromkeys(one for one in kinds if isinstance(one, str)):
        has_parts = kind in ("array", "object")
        written.append("any" if has_parts and spelt else _type({**schema, "type": kind}, depth + 1))
        spelt = spelt or has_parts
    return " | ".join(written) or "any"


def _properties(schema: dict[str, object], depth: int) -> list[str]:
    properties = schema.get("properties")
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    lines = []
    indent = "  " * depth
    for key, value in properties.items() if isinstance(properties, dict) else ():
        if isinstance(value, dict) and isinstance(value.get("description"), str):
            lines.append(f"{indent}// {value['description']}")
        lines.append(f"{indent}{key}{'' if key in names else '?'}: {_type(value, depth)},")
    return lines


def _function(function: dict[str, object]) -> list[str]:
    name = function.get("name")
    lines = []
    if isinstance(function.get("description"), str):
        lines.append(f"// {function['description']}")
    parameters = function.get("parameters")
    properties = _properties(parameters, 0) if isinstance(parameters, dict) else []
    if properties:
        lines += [f"type {name} = (_: {{", *properties, "}) => any;", ""]
    else:
        lines += [f"type {name} = () => any;", ""]
    return lines


def render(functions: Sequence[dict[str, object]]) -> str:
    """The functions (`{name, description, parameters}`) as the model sees them."""
    lines = ["namespace functions {", ""]
    for function in functions:
        lines += _function(function)
    return "\n".join([*lines, "} // namespace functions"])


def fixed_tokens(tools: Tools) -> int:
    """What OpenAI adds around the rendered text, but for the text of a tool's name that is asked for."""
    tokens = FRAME + (WITH_SYSTEM if tools.system else 0)
    if tools.named:
        return tokens + CHOICE_NAMED
    return tokens + (CHOICE_NONE if tools.choice == "none" else 0)


class Words(msgspec.Struct, gc=False):
    """The words in tool definitions, and around how many things they stand."""

    texts: list[str]
    descriptions: int = 0
    props: int = 0


def find_words(tools: Tools) -> Words:
    """Names, descriptions, properties and the values that they may have."""
    words = Words([])
    for function in tools.functions:
        _note(words, function)
        _note_schema(words, function.get("parameters"), 0)
    return words


def _note(words: Words, thing: dict[str, object]) -> None:
    name, description = thing.get("name"), thing.get("description")
    if isinstance(name, str):
        words.texts.append(name)
    if isinstance(description, str):
        words.texts.append(description)
        words.descriptions += 1


def _note_schema(words: Words, schema: object, depth: int) -> None:
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return
    choices = schema.get("enum")
    if isinstance(choices, list):
        words.texts.append(", ".join(map(_literal, choices)))
    properties = schema.get("properties")
    for key, value in properties.items() if isinstance(properties, dict) else ():
        words.props += 1
        words.texts.append(key)
        if isinstance(value, dict):
            _note(words, {"description": value.get("description")})
    for inner in _inside(schema):
        _note_schema(words, inner, depth + 1)


def _inside(schema: dict[str, object]) -> Iterator[object]:
    """The schemas right inside a schema."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        yield from properties.values()
    yield schema.get("items")
    for key in ("anyOf", "oneOf", "allOf"):
        options = schema.get(key)
        if isinstance(options, list):
            yield from options
