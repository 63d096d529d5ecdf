"""Custom tools at vendors that have only functions: there and back."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_chunks import chunk

from proxy.core.outcome import OK
from proxy.wire.chat.decoding import ChatDecoder
from proxy.wire.chat.quirks import USUAL
from proxy.wire.dialogue import Dialogue, Text, Tool, ToolCall, ToolResult, Turn
from proxy.wire.freeform import FreeformDecoder, as_functions, list_freeform, restore
from proxy.wire.pieces import CallBegan, CallPiece, Completion, CompletionChoice, Finish, Finished, Piece

PATCH = '*** Begin Patch\n+ "é" \\ \u2028\n*** End Patch'
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}}
TOOLS = [Tool("patch", "Edits.", grammar=GRAMMAR, home=("n", "p")), Tool("say", grammar={"type": "text"}), Tool("f")]
HISTORY = [
    Turn("user", [Text("go")]),
    Turn("assistant", [Text("so"), ToolCall("c1", "patch", PATCH, True, "seal"), ToolCall("c2", "f", "{}")]),
    Turn("user", [ToolResult("c1", "patch", [Text("done")], custom=True), ToolResult("c2", "f", [])]),
]


def test_there() -> None:
    dialogue = Dialogue(HISTORY, tools=TOOLS)
    before = deepcopy(dialogue)
    written = as_functions(dialogue)
    assert dialogue == before  # it may be written again, for another vendor
    patch, say, function = written.tools
    assert (patch.name, patch.grammar, patch.home) == ("patch", None, ("n", "p"))
    assert patch.description == "Edits.\n\nThe input must follow this grammar (lark):\nstart: A"
    assert patch.parameters is not None
    assert (patch.parameters["required"], list(patch.parameters["properties"])) == (["input"], ["input"])
    assert (say.description, function) == (None, TOOLS[2])
    _, made, answered = written.turns
    assert made.parts == [
        Text("so"),
        ToolCall("c1", "patch", json.dumps({"input": PATCH}, ensure_ascii=False, separators=(",", ":")), False, "seal"),
        ToolCall("c2", "f", "{}"),
    ]
    assert answered.parts == [ToolResult("c1", "patch", [Text("done")]), ToolResult("c2", "f", [])]
    assert list_freeform(dialogue) == {"patch", "say"}


@pytest.mark.parametrize("form", [{"type": "grammar"}, {"type": "grammar", "grammar": {"definition": 5}}])
def test_a_grammar_that_is_none_is_not_told(form: dict[str, object]) -> None:
    assert as_functions(Dialogue([], tools=[Tool("t", "d", grammar=form)])).tools[0].description == "d"


#: What a model may write for the function's arguments, and what the client gets.
ARGUMENTS = [
    (json.dumps({"input": PATCH}), PATCH),
    ('{"input":""}', ""),
    ("", ""),
    ("*** Begin", "*** Begin"),
    ('{"input":"cut of', '{"input":"cut of'),
    ('{"patch":"x"}', '{"patch":"x"}'),
    ('{"input":5}', '{"input":5}'),
    ("[" * 5000, "[" * 5000),
]


@pytest.mark.parametrize(("arguments", "text"), ARGUMENTS)
def test_back_whole(arguments: str, text: str) -> None:
    parts = [Text("a"), ToolCall("c1", "patch", arguments), ToolCall("c2", "f", "{}")]
    completion = Completion(OK, choices=[CompletionChoice([*parts], Finished(Finish.TOOL_CALLS))])
    restore(completion, frozenset({"patch"}))
    assert completion.choices[0].parts == [Text("a"), ToolCall("c1", "patch", text, True), ToolCall("c2", "f", "{}")]


def stream(arguments: list[str]) -> bytes:
    def calls(index: int, **function: str) -> bytes:
        head = {"id": f"c{index}"} if "name" in function else {}
        return chunk({"tool_calls": [{"index": index, **head, "function": function}]})

    made = [calls(0, name="patch", arguments=""), calls(1, name="f", arguments="{")]
    made += [calls(0, arguments=piece) for piece in arguments]
    return b"".join([*made, calls(1, arguments="}"), chunk({}, "tool_calls"), b"data: [DONE]\n\n"])


@given(st.sampled_from(ARGUMENTS), st.data())
def test_back_in_pieces(case: tuple[str, str], data: st.DataObject) -> None:
    arguments, text = case
    wire = stream([arguments[i : i + 700] for i in range(0, len(arguments), 700)])
    cut = data.draw(st.integers(0, len(wire)))
    decoder = FreeformDecoder(ChatDecoder(USUAL), frozenset({"patch"}))
    pieces: list[Piece] = [*decoder.feed(wire[:cut]), *decoder.feed(wire[cut:]), *decoder.finish()]
    calls = [piece for piece in pieces if isinstance(piece, CallBegan)]
    assert [(call.name, call.custom) for call in calls] == [("patch", True), ("f", False)]
    said = {call: "".join(p.fragment for p in pieces if isinstance(p, CallPiece) and p.call == call) for call in (0, 1)}
    assert said == {0: text, 1: "{}"}
    assert [type(piece) for piece in pieces].index(Finished) > max(
        at for at, piece in enumerate(pieces) if isinstance(piece, CallPiece)
    )
    assert (decoder.failure, decoder.done, decoder.events > 3) == (None, True, True)
