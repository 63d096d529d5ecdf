"""The neutral form of an answer: whole, or in the pieces of a stream.

A vendor's decoder turns bytes into pieces, a client format's encoder turns pieces into bytes; whole answers go through
`Completion` in the same way. Pieces come in the order in which the model wrote them; `Began` is the first. What belongs to
tool calls is keyed by `call`, the number of the call within its choice, from 0. A vendor that sends a call whole
sends `CallBegan` and one `CallPiece`.

Finish reasons are the words of `Finish`; each format maps its own to them and back.
"""

import enum
from dataclasses import dataclass, field
from typing import Any

from proxy.core.outcome import Outcome
from proxy.core.usage import Usage
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall


class Finish(enum.StrEnum):
    """Why a choice ended. STOP_SEQUENCE is STOP where a format cannot tell them apart."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"


@dataclass(slots=True)
class Began:
    """`id` and `model` as the vendor says; "" where it does not. `created`: Unix seconds, 0: not said. `given`: usage of
    which only the input counts yet."""

    id: str = ""
    model: str = ""
    created: int = 0
    given: Usage | None = field(default=None, compare=False)


@dataclass(slots=True)
class TextPiece:
    text: str
    choice: int = 0


@dataclass(slots=True)
class ThinkingPiece:
    text: str
    choice: int = 0


@dataclass(slots=True)
class ThinkingSealed:
    """Ends a run of `ThinkingPiece`: its seal, or (`redacted`) a block that had no text at all."""

    signature: str | None = None
    redacted: str | None = None
    vendor: str = ""
    choice: int = 0


@dataclass(slots=True)
class RefusalPiece:
    text: str
    choice: int = 0


@dataclass(slots=True)
class CallBegan:
    """A call of a tool. `id` is never empty: a decoder invents one where the vendor gives none. `signature`: Gemini's."""

    call: int
    id: str
    name: str
    custom: bool = False
    signature: str | None = None
    choice: int = 0


@dataclass(slots=True)
class CallPiece:
    """A fragment of a call's arguments (JSON text)."""

    call: int
    fragment: str
    choice: int = 0


@dataclass(slots=True)
class Citation:
    """A source of what was just written: `url` and `title`, or the vendor's own object in `raw`."""

    url: str = ""
    title: str = ""
    raw: Any = None
    choice: int = 0


@dataclass(slots=True)
class Finished:
    """A choice is complete. `sequence`: the stop sequence that was met, if the vendor says. `explanation` of a refusal."""

    reason: Finish
    sequence: str | None = None
    explanation: str = ""
    choice: int = 0


@dataclass(slots=True)
class Spent:
    """Usage so far; the last one counts."""

    usage: Usage


Piece = (
    Began | TextPiece | ThinkingPiece | ThinkingSealed | RefusalPiece | CallBegan | CallPiece | Citation | Finished | Spent
)

AnswerPart = Text | Thinking | ToolCall | Refusal


@dataclass(slots=True)
class CompletionChoice:
    """One whole answer: its parts in the order in which they were written."""

    parts: list[AnswerPart]
    finish: Finished
    citations: list[Citation] = field(default_factory=list)


@dataclass(slots=True)
class Completion:
    """A whole answer of any format. `outcome` is OK, or why this is none (an error inside, nothing readable, no choices, a
    malformed finish); then nothing else counts but `usage`. `service_tier` as the vendor says."""

    outcome: Outcome
    id: str = ""
    model: str = ""
    created: int = 0
    choices: list[CompletionChoice] = field(default_factory=list)
    usage: Usage | None = None
    service_tier: str | None = None
