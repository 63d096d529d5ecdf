"""What a client of the matrix wants and what it got, in words that belong to no format."""

from dataclasses import dataclass, field
from typing import Any

from support.sent import ToolUse

WORDS = "Keep the light on."
LAMPS: dict[str, Any] = {
    "type": "object",
    "properties": {"lamps": {"type": "array", "items": {"type": "integer"}}},
    "required": ["lamps"],
    "additionalProperties": False,
}
TOOLS = ("light", "dim")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "rooms": {"type": "integer"}},
    "required": ["city", "rooms"],
    "additionalProperties": False,
}
#: A whole PNG of one pixel.
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE_URL = "https://images.example/lamp.png"


@dataclass(frozen=True)
class Ask:
    """`image`: base64 of a PNG. `forced`: the tool that has to be called. `turns`: earlier assistant turns as the client got
    them (in its own format), each with the results that answer it, by call id, or none and the same words again."""

    tools: bool = False
    forced: str = ""
    image: str = ""
    image_url: str = ""
    schema: bool = False
    reasoning: bool = False
    turns: tuple[tuple[Any, dict[str, str]], ...] = ()


@dataclass
class Got:
    """`finish`: stop, calls or length. `turn`: the assistant's turn as this client sends it back. `shown`: text as it
    arrived, for streams. `dropped`: what the proxy said that it could not carry. `served_by`: target id."""

    text: str = ""
    thoughts: str = ""
    calls: list[ToolUse] = field(default_factory=list)
    finish: str = ""
    input: int = 0
    output: int = 0
    turn: Any = None
    shown: str = ""
    dropped: tuple[str, ...] = ()
    served_by: str = ""


def read_dropped(header: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in header.split(",")) if header else ()
