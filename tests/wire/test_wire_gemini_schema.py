from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.gemini.schema import prune_schema

NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "integer", "multipleOf": 2}}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "what is not known goes": (
        {"type": "object", "additionalProperties": False, "$schema": "x", "properties": {}, "title": "T"},
        {"type": "object", "properties": {}, "title": "T"},
    ),
    "null": ({"type": ["string", "null"], "minLength": 1}, {"type": "string", "nullable": True, "minLength": 1}),
    "several types": ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    "optional": (
        {"anyOf": [{"type": "string", "description": "d"}, {"type": "null"}], "title": "T"},
        {"type": "string", "description": "d", "nullable": True, "title": "T"},
    ),
    "alternatives": (
        {"oneOf": [{"type": "string"}, {"type": "integer", "const": 1}]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    ),
    "constant": ({"const": "a"}, {"enum": ["a"], "type": "string"}),
    "list of words": ({"enum": ["a", None]}, {"enum": ["a"], "type": "string", "nullable": True}),
    "list of numbers": ({"type": "integer", "enum": [1, 2]}, {"type": "integer"}),
    "only null": ({"anyOf": [{"type": "null"}]}, {"nullable": True}),
    "items": ({"type": "array", "items": {"type": "string", "x": 1}}, {"type": "array", "items": {"type": "string"}}),
    "recursion ends": (
        {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
        {"type": "object", "properties": {"next": {}, "v": {"type": "integer"}}},
    ),
    "escaped name": ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}, {"type": "string"}),
    "reference to nothing": ({"$ref": "#/$defs/x/y"}, {}),
    "members that are no schemas": ({"properties": {"a": True}, "enum": "x", "anyOf": 5}, {"properties": {"a": {}}}),
}


@pytest.mark.parametrize("name", CASES)
def test_schemas_are_cut_down(name: str) -> None:
    schema, pruned = CASES[name]
    assert prune_schema(schema) == pruned
    types.Schema.model_validate(pruned)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "anyOf", "enum", "$ref", "items", "properties", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["type", "anyOf", "enum", "$ref", "items", "properties"]), JSON))
def test_no_schema_raises(schema: dict[str, Any]) -> None:
    prune_schema(schema)
