"""OpenAI's own schemas, as far as this proxy's answers go (see `trim_openapi.py`)."""

import json
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator

DOCUMENT = json.loads((Path(__file__).parent / "openai_schemas.json").read_text())
VALIDATORS = {name: Draft202012Validator({**DOCUMENT, "$ref": f"#/$defs/{name}"}) for name in DOCUMENT["$defs"]}


def violations(name: str, value: object) -> list[str]:
    """What OpenAI's schema of this name has against a decoded value; nothing: []."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATORS[name].iter_errors(value)]


def events(body: bytes) -> Iterator[str]:
    """The data of each event of a stream, comments left out. Whatever else stands there fails."""
    for block in body.decode().split("\n\n"):
        if block.startswith("data: "):
            yield block.removeprefix("data: ")
        else:
            assert block == "" or block.startswith(": undimmed"), block
