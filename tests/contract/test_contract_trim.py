"""The schemas the other contract tests rely on say what OpenAI's document meant."""

import pytest
from contract_schemas import DOCUMENT, violations
from jsonschema import Draft202012Validator
from trim_openapi import ROOTS, cut, narrow, references, trim


def test_the_fixture_is_sound_complete_and_licensed() -> None:
    Draft202012Validator.check_schema(DOCUMENT)
    assert set(ROOTS) <= set(DOCUMENT["$defs"])
    assert references(DOCUMENT["$defs"]) <= set(DOCUMENT["$defs"])
    assert DOCUMENT["license"] == {"name": "MIT", "identifier": "MIT"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "string", "enum": ["stop"], "nullable": True, "description": "x"},
            {"type": ["string", "null"], "enum": ["stop", None]},
        ),
        (
            {"$ref": "#/components/schemas/Usage", "nullable": True},
            {"anyOf": [{"$ref": "#/$defs/Usage"}, {"type": "null"}]},
        ),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"properties": {"description": {"type": "string", "x-order": 1, "nullable": True}}, "required": ["description"]},
            {"properties": {"description": {"type": ["string", "null"]}}, "required": ["description"]},
        ),
    ],
)
def test_nullable_becomes_a_union_with_null(given: dict[str, object], meant: dict[str, object]) -> None:
    assert trim(given) == meant


def test_unions_keep_only_what_we_write() -> None:
    members = [{"$ref": f"#/components/schemas/{name}"} for name in ("WebSearchTool", "FunctionTool")]
    assert narrow("Tool", {"oneOf": members}) == {"oneOf": members[1:]}
    assert narrow("InputItem", {"oneOf": members}) == {"not": {}}
    assert narrow("Other", {"oneOf": members}) == {"oneOf": members}


def test_cut_takes_what_is_referred_to_and_nothing_else() -> None:
    schemas: dict[str, object] = {name: {"type": "object"} for name in ROOTS}
    schemas["Model"] = {"items": [{"$ref": "#/components/schemas/A"}]}
    schemas["A"] = {"properties": {"b": {"$ref": "#/components/schemas/B"}}}
    schemas |= {"B": {}, "C": {}}
    info = {"title": "T", "version": "1", "license": {"name": "MIT"}}
    assert set(cut({"components": {"schemas": schemas}, "info": info})["$defs"]) == {*ROOTS, "A", "B"}  # type: ignore[call-overload]


def test_the_schemas_can_say_no() -> None:
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    assert violations("CreateChatCompletionStreamResponse", chunk) == []
    assert violations("CreateChatCompletionStreamResponse", {**chunk, "object": "chunk"})
    choice = {"index": 0, "delta": {}, "finish_reason": None}
    assert violations("CreateChatCompletionStreamResponse", {**chunk, "choices": [choice]}) == []
    assert violations("CreateChatCompletionStreamResponse", {**chunk, "choices": [{**choice, "finish_reason": "end"}]})
    assert violations("ErrorResponse", {"error": {"message": "x", "type": "y", "param": None}})
    assert violations("ErrorResponse", {"error": {"message": "x", "type": "y", "param": None, "code": 429}})
