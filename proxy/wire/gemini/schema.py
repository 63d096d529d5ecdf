"""JSON Schema cut down to the part of OpenAPI's schema language that older models take.

Only for models that are known to take no JSON Schema; all others get the schema as the client wrote it. References into the
schema itself are put in place (once each on a path, so that a recursive schema ends), what the language has no word for is
left out, and a type that may be null becomes `nullable`. What comes out allows no less than what went in.
Source: the reference of `Schema` in Google's API.
"""

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset(
    (
        *("title", "description", "format", "default", "example", "nullable", "required", "propertyOrdering"),
        *(
            "minimum",
            "maximum",
            "minItems",
            "maxItems",
            "minLength",
            "maxLength",
            "minProperties",
            "maxProperties",
            "pattern",
        ),
    )
)
_ALTERNATIVES = ("anyOf", "oneOf")

Schema = dict[str, Any]


def prune_schema(schema: Mapping[str, Any]) -> Schema:
    """The schema in the smaller language; what is no schema at all becomes one that allows anything."""
    return _prune(schema, schema, frozenset())


def _prune(node: object, root: Mapping[str, Any], seen: frozenset[str]) -> Schema:
    if not isinstance(node, Mapping):
        return {}
    address = node.get("$ref")
    if isinstance(address, str):
        target = None if address in seen else _find(root, address)
        return _prune(target, root, seen | {address})
    pruned: Schema = {key: value for key, value in node.items() if key in _KEPT}
    _put_type(pruned, node.get("type"))
    if isinstance(values := node.get("enum", [node["const"]] if "const" in node else None), list):
        _put_enum(pruned, values)
    if isinstance(members := node.get("properties"), Mapping):
        pruned["properties"] = {name: _prune(member, root, seen) for name, member in members.items()}
    if isinstance(items := node.get("items"), Mapping):
        pruned["items"] = _prune(items, root, seen)
    for key in _ALTERNATIVES:
        if isinstance(options := node.get(key), list):
            _put_options(pruned, [_prune(option, root, seen) for option in options if not _is_null(option)])
            if any(_is_null(option) for option in options):
                pruned["nullable"] = True
    return pruned


def _find(root: Mapping[str, Any], address: str) -> object:
    """What `#/$defs/name` points at; None: nothing in this schema."""
    node: object = root
    for step in address.removeprefix("#").split("/")[1:]:
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
    return node


def _put_type(pruned: Schema, named: object) -> None:
    names = [name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)]
    if "null" in names:
        pruned["nullable"] = True
    others = [name for name in names if name != "null"]
    if len(others) == 1:
        pruned["type"] = others[0]
    elif others:
        pruned["anyOf"] = [{"type": name} for name in others]


def _put_enum(pruned: Schema, values: list[Any]) -> None:
    """Only texts can be listed; what lists anything else is left to its type."""
    texts = [value for value in values if isinstance(value, str)]
    if texts and len(texts) == len([value for value in values if value is not None]):
        pruned["enum"] = texts
        pruned.setdefault("type", "string")
    if None in values:
        pruned["nullable"] = True


def _put_options(pruned: Schema, options: list[Schema]) -> None:
    if len(options) == 1:
        for key, value in options[0].items():
            pruned.setdefault(key, value)
    elif options:
        pruned["anyOf"] = options


def _is_null(option: object) -> bool:
    return isinstance(option, Mapping) and option.get("type") == "null"
