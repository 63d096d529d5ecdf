"""Custom tools, whose input is free text, for vendors whose tools are functions: as functions of one text.

Theory of operation. `as_functions` writes a dialogue's custom tools, and their calls in the history, as functions with the
one parameter `input`; a grammar is told in the description, where the model can keep to it but nobody makes it. The answer
goes the other way: `FreeformDecoder` stands behind a vendor's decoder and turns the calls of such functions back, and
`restore` does the same for a whole answer. Fragments of such a call are JSON that is not the client's, so they wait until
the call is complete. A model that wrote something else than was asked for has written the input: nothing is lost.

Refuses to know which vendors need this: their tables say so (`CUSTOM_TOOLS` approximated).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from proxy.core.outcome import Outcome
from proxy.wire.dialogue import Dialogue, Part, Tool, ToolCall, ToolResult
from proxy.wire.pieces import CallBegan, CallPiece, Completion, Finished, Piece
from proxy.wire.translation import StreamDecoder

_FIELD = "input"
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def list_freeform(dialogue: Dialogue) -> frozenset[str]:
    """The names of the custom tools that a request offers."""
    return frozenset(tool.name for tool in dialogue.tools if tool.grammar is not None)


def as_functions(dialogue: Dialogue) -> Dialogue:
    """The same dialogue with functions in place of custom tools; the one that is given stays as it is."""
    tools = [_to_function(tool) for tool in dialogue.tools]
    turns = [replace(turn, parts=[_to_json(part) for part in turn.parts]) for turn in dialogue.turns]
    return replace(dialogue, tools=tools, turns=turns)


def restore(completion: Completion, names: frozenset[str]) -> None:
    """Turn calls of these tools back, in a whole answer."""
    for choice in completion.choices:
        for part in choice.parts:
            if isinstance(part, ToolCall) and part.name in names:
                part.arguments, part.custom = _to_text(part.arguments), True


class FreeformDecoder:
    """Implements `StreamDecoder` behind another one."""

    def __init__(self, decoder: StreamDecoder, names: frozenset[str]) -> None:
        self._decoder = decoder
        self._names = names
        self.failure: Outcome | None = None
        self.done = False
        self.events = 0
        self._held: dict[tuple[int, int], list[str]] = {}  # by choice and call: fragments of calls that go on

    def feed(self, data: bytes) -> list[Piece]:
        return self._turn_back(self._decoder.feed(data))

    def finish(self) -> list[Piece]:
        return self._turn_back(self._decoder.finish())

    def _turn_back(self, pieces: list[Piece]) -> list[Piece]:
        decoder = self._decoder
        self.failure, self.done, self.events = decoder.failure, decoder.done, decoder.events
        turned: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, CallBegan) and piece.name in self._names:
                self._held[piece.choice, piece.call] = []
                piece = replace(piece, custom=True)
            elif isinstance(piece, CallPiece) and (held := self._held.get((piece.choice, piece.call))) is not None:
                held.append(piece.fragment)
                continue
            elif isinstance(piece, Finished):
                turned += self._release(piece.choice)
            turned.append(piece)
        return turned

    def _release(self, choice: int) -> list[Piece]:
        ready = [place for place in self._held if place[0] == choice]
        return [CallPiece(place[1], _to_text("".join(self._held.pop(place))), choice) for place in ready]


def _to_function(tool: Tool) -> Tool:
    if tool.grammar is None:
        return tool
    schema = {"type": "string", "description": "The whole input of the tool, as plain text."}
    parameters = {"type": "object", "properties": {_FIELD: schema}, "required": [_FIELD], "additionalProperties": False}
    words = [word for word in (tool.description, _describe(tool.grammar)) if word]
    return replace(tool, description="\n\n".join(words) or None, parameters=parameters, grammar=None)


def _describe(form: Mapping[str, Any]) -> str:
    grammar = form.get("grammar")
    if not isinstance(grammar, Mapping) or not isinstance(grammar.get("definition"), str):
        return ""
    return f"The input must follow this grammar ({grammar.get('syntax')}):\n{grammar['definition']}"


def _to_json(part: Part) -> Part:
    if isinstance(part, ToolCall) and part.custom:
        return replace(part, arguments=_ENCODE({_FIELD: part.arguments}).decode(), custom=False)
    return replace(part, custom=False) if isinstance(part, ToolResult) and part.custom else part


def _to_text(arguments: str) -> str:
    try:
        text = _DECODE(arguments.encode()).get(_FIELD)
    except _UNREADABLE:
        return arguments
    return text if isinstance(text, str) else arguments
