"""Cut from OpenAI's OpenAPI document the schemas that the contract tests need.

    python tests/contract/trim_openapi.py openapi.yaml tests/contract/openai_schemas.json

What is left is JSON Schema 2020-12: references point into `$defs`, prose and examples are gone. The document calls itself
OpenAPI 3.1 but still says `nullable: true`, which JSON Schema ignores; that is rewritten to a union with null. Its licence
is copied into the file.
"""

import argparse
import json
from pathlib import Path

import yaml

ROOTS = (
    "CreateChatCompletionRequest",
    "CreateChatCompletionResponse",
    "CreateChatCompletionStreamResponse",
    "CreateCompletionResponse",
    "CreateEmbeddingResponse",
    "ErrorResponse",
    "ListModelsResponse",
    "Model",
    "Response",
    "ResponseStreamEvent",
)
#: Unions of which this proxy writes only some: what it passes on untouched is held to nothing.
NARROWED = {
    "Annotation": {"UrlCitationBody"},
    "InputItem": set[str](),
    "OutputItem": {"OutputMessage", "FunctionToolCall", "ReasoningItem", "CustomToolCall"},
    "ResponseStreamEvent": {
        "ResponseCompletedEvent",
        "ResponseContentPartAddedEvent",
        "ResponseContentPartDoneEvent",
        "ResponseCreatedEvent",
        "ResponseCustomToolCallInputDeltaEvent",
        "ResponseCustomToolCallInputDoneEvent",
        "ResponseErrorEvent",
        "ResponseFunctionCallArgumentsDeltaEvent",
        "ResponseFunctionCallArgumentsDoneEvent",
        "ResponseInProgressEvent",
        "ResponseIncompleteEvent",
        "ResponseOutputItemAddedEvent",
        "ResponseOutputItemDoneEvent",
        "ResponseOutputTextAnnotationAddedEvent",
        "ResponseReasoningSummaryPartAddedEvent",
        "ResponseReasoningSummaryPartDoneEvent",
        "ResponseReasoningSummaryTextDeltaEvent",
        "ResponseReasoningSummaryTextDoneEvent",
        "ResponseRefusalDeltaEvent",
        "ResponseRefusalDoneEvent",
        "ResponseTextDeltaEvent",
        "ResponseTextDoneEvent",
    },
    "Tool": {"FunctionTool", "CustomToolParam"},
    "ToolChoiceParam": {"ToolChoiceOptions", "ToolChoiceAllowed", "ToolChoiceFunction", "ToolChoiceCustom"},
}
#: For people and generators; validators do not look at them. `format` is not asserted by default either.
PROSE = frozenset({"description", "title", "example", "examples", "deprecated", "externalDocs", "discriminator", "default"})
#: Keywords whose value maps names of the author's choice to schemas.
NAMED = frozenset({"properties", "patternProperties", "$defs"})
REFERENCE = "#/components/schemas/"


def trim(schema: object) -> object:
    """One schema, or a list of them, rewritten."""
    if isinstance(schema, list):
        return [trim(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, object] = {}
    for key, value in schema.items():
        if key in NAMED:
            kept[key] = {name: trim(inner) for name, inner in value.items()}
        elif key == "$ref":
            kept[key] = value.replace(REFERENCE, "#/$defs/")
        elif key in ("enum", "const", "required"):
            kept[key] = value
        elif key not in PROSE and not key.startswith("x-"):
            kept[key] = trim(value)
    return allow_null(kept) if kept.pop("nullable", False) else kept


def allow_null(schema: dict[str, object]) -> dict[str, object]:
    """What `nullable: true` meant."""
    kind = schema.get("type")
    if "$ref" in schema or kind is None:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = kind if isinstance(kind, list) else [kind]
    widened = {**schema, "type": [*kinds, "null"]}
    enum = schema.get("enum")
    if isinstance(enum, list) and None not in enum:
        widened["enum"] = [*enum, None]
    return widened


def references(schema: object) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(references, schema.values()))
    own = schema.get("$ref")
    return found | {own.rsplit("/", 1)[1]} if isinstance(own, str) else found


def narrow(name: str, schema: object) -> object:
    """A union without the members that don't concern us; without any, nothing fits it."""
    kept = NARROWED.get(name)
    union = next((key for key in ("oneOf", "anyOf") if isinstance(schema, dict) and key in schema), None)
    if kept is None or union is None or not isinstance(schema, dict):
        return schema
    members = [member for member in schema[union] if member["$ref"].rsplit("/", 1)[1] in kept]
    return {**schema, union: members} if members else {"not": {}}


def cut(document: dict[str, dict[str, object]]) -> dict[str, object]:
    """The schemas of ROOTS and all they refer to."""
    schemas = document["components"]["schemas"]
    assert isinstance(schemas, dict)
    kept: dict[str, object] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = trim(narrow(name, schemas[name]))
            waiting += references(kept[name])
    info = document["info"]
    comment = f"Cut from '{info['title']}' {info['version']} by trim_openapi.py."
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": comment,
        "license": info["license"],
        "$defs": dict(sorted(kept.items())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    document = yaml.load(options.document.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    options.output.write_text(json.dumps(cut(document), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
