"""The outside of a Responses request, and histories that hold what this proxy wrote."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.responses_plays import CALL_ID, PLAYS, call, envelope, parse

from proxy.core.call import Envelope, Needs
from proxy.core.endpoints import Endpoint
from proxy.core.features import Feature
from proxy.core.outcome import OK
from proxy.wire.dialects import CLIENTS
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall
from proxy.wire.formats import FORMATS
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.pieces import AnswerPart, Completion, CompletionChoice, Finish, Finished
from proxy.wire.responses.history import clean_history
from proxy.wire.responses.marks import make_item_id, make_response_id
from proxy.wire.seals import Seal, seal_id, wrap

FORM = FORMATS[Endpoint.RESPONSES]
OWN = make_response_id(CALL_ID)


def from_bytes(body: bytes) -> Envelope:
    return FORM.read_envelope(body, Endpoint.RESPONSES)


def test_usage_is_in_the_terminal_event_and_never_asked_for() -> None:
    what = envelope(stream=True, stream_options={"include_usage": True})
    assert (what.model, what.stream, what.wants_usage) == ("public", True, False)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"model":5}', b'{"model":"m","stream":"yes"}'])
def test_the_frame_is_openais(body: bytes) -> None:
    with pytest.raises(EnvelopeError):
        from_bytes(body)


def refuse(**fields: object) -> EnvelopeError:
    with pytest.raises(EnvelopeError) as error:
        envelope(**fields)
    return error.value


def test_a_translated_response_cannot_be_continued_by_its_id() -> None:
    error = refuse(previous_response_id=OWN)
    assert (error.param, error.code) == ("previous_response_id", "previous_response_not_found")
    assert OWN in error.message
    assert "'input'" in error.message


@pytest.mark.parametrize("item", [{"type": "item_reference"}, {}])
def test_nor_by_a_reference_to_its_items(item: dict[str, object]) -> None:
    own = make_item_id("msg", CALL_ID, 0)
    error = refuse(input=[{"role": "user", "content": "hi"}, 5, {**item, "id": own}])
    assert (error.param, error.code) == ("input[2].id", "item_not_found")
    assert own in error.message


def test_the_mark_alone_refuses_nothing() -> None:
    envelope(input=f"what is {OWN}?", previous_response_id="resp_1")
    envelope(input=[{"type": "item_reference", "id": "msg_undimmed"}, {"role": "user", "content": OWN}])


def test_needs() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 4000}
    what = envelope(
        instructions="x" * 400,
        input=[{"role": "user", "content": [image, {"type": "input_text", "text": "y" * 400}]}],
        tools=[{"type": "function", "name": "f"}],
        max_output_tokens=70,
        temperature=0.5,
        previous_response_id="resp_1",
    )
    needs = FORM.needs_of(what)
    assert (needs.tools, needs.images, needs.output) == (True, True, 70)
    assert 200 <= needs.tokens < 300
    assert needs.features == {Feature.TOOLS, Feature.IMAGES, Feature.STATE}


def test_needs_of_what_cannot_be_read_are_none() -> None:
    assert FORM.needs_of(envelope(input=[5])) == Needs(tokens=0)
    assert FORM.needs_of(from_bytes(b'{"model":"m"}')) == Needs()


def test_a_conversation_keeps_its_place_while_it_grows() -> None:
    first = {"role": "user", "content": "hi"}
    start = FORM.affinity_of(envelope(instructions="a", input=[first]))
    assert start
    later = [{"role": "developer", "content": "d"}, first, {"role": "assistant", "content": "b"}, first]
    assert FORM.affinity_of(envelope(instructions="a", input=later)) == start
    assert FORM.affinity_of(envelope(instructions="b", input=[first])) != start
    assert FORM.affinity_of(envelope(instructions="a", input="hi")) != start


@pytest.mark.parametrize("body", [b'{"model":"m"}', b'{"model":"m","input":null,"instructions":null}'])
def test_no_start_no_place(body: bytes) -> None:
    assert FORM.affinity_of(from_bytes(body)) == ""


@pytest.mark.parametrize("items", [[], [{"role": "assistant"}], [5]])
def test_nor_where_nobody_asks(items: list[Any]) -> None:
    assert FORM.affinity_of(envelope(input=items)) == ""


def clean(*items: object) -> tuple[list[Any] | None, tuple[str, ...]]:
    value, dropped = clean_history(envelope(input=list(items)))
    return (None if value is None else json.loads(value)), dropped


USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    "items",
    [
        [USER],
        [{"role": "user", "content": "what is undimmed_x and call::sig:eA?"}],
        [{"type": "reasoning", "id": "rs_1", "summary": [{"text": "undimmed"}], "encrypted_content": "gAAA"}],
        [{"type": "function_call", "call_id": "a::sig:", "name": "f", "arguments": "{}"}],
        [5, "undimmed_"],
    ],
)
def test_a_native_history_stays_the_bytes_it_is(items: list[object]) -> None:
    assert clean(*items) == (None, ())


def test_strings_and_nothing_stay_too() -> None:
    assert clean_history(envelope(input="undimmed_")) == (None, ())
    assert clean_history(from_bytes(b'{"model":"undimmed_"}')) == (None, ())


def test_our_marks_go_before_a_native_vendor_sees_them() -> None:
    sealed = seal_id("call_1", "Z2VtaW5p")
    theirs = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    items, dropped = clean(
        USER,
        theirs,
        {"type": "reasoning", "id": make_item_id("rs", CALL_ID, 0), "summary": [{"text": "hm"}]},
        {"type": "reasoning", "id": "x", "summary": [], "encrypted_content": wrap(Seal("google", "signature", "s"))},
        {"type": "message", "id": make_item_id("msg", CALL_ID, 1), "role": "assistant", "content": "a"},
        {"type": "function_call", "id": "fc_1", "call_id": sealed, "name": "f", "arguments": '{"a":1.10}'},
        {"type": "function_call_output", "call_id": sealed, "output": "ok"},
    )
    assert items == [
        USER,
        theirs,
        {"type": "message", "role": "assistant", "content": "a"},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a":1.10}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "ok"},
    ]
    assert dropped == ("reasoning.history",)


@pytest.mark.parametrize("play", PLAYS)
def test_whatever_we_answer_can_be_continued_anywhere(play: str) -> None:
    """Sent back as it came: readable as a dialogue, and without a trace of us for a native vendor."""
    dialect = CLIENTS[Endpoint.RESPONSES]
    encoder = dialect.encoder(call())
    output = parse(encoder.encode(PLAYS[play]) + encoder.close())[-1]["response"]["output"]
    calls = [item for item in output if "call_id" in item]
    results = [{"type": item["type"] + "_output", "call_id": item["call_id"], "output": "ok"} for item in calls]
    what = envelope(input=[USER, *output, *results, USER])
    dialogue = dialect.read(what)
    assert [turn.role for turn in dialogue.turns][::2] == ["user"] * len(dialogue.turns[::2])
    value, _ = clean_history(what)
    assert b"undimmed" not in (value or b"")
    assert (value is None) == (not output)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
SEALS = st.sampled_from(["c2ln", "a.b", "Z2VtaW5p=="])
PARTS = st.one_of(
    st.builds(Text, TEXTS),
    st.builds(Refusal, TEXTS),
    st.builds(Thinking, TEXTS),
    st.builds(Thinking, TEXTS, SEALS, vendor=st.sampled_from(["anthropic", "google"])),
    st.builds(Thinking, redacted=SEALS, vendor=st.just("anthropic")),
    st.builds(ToolCall, st.just("call"), TEXTS, st.just('{"a": 1.10}'), signature=st.none() | SEALS),
    st.builds(ToolCall, st.just("call"), TEXTS, TEXTS, custom=st.just(True)),
)


@given(st.lists(PARTS, min_size=1, max_size=6))
def test_what_a_model_said_comes_back_as_it_said_it(parts: list[AnswerPart]) -> None:
    """Through a whole answer, the client, and the next request: texts, calls and seals, in order."""
    said = [replace(part, id=f"call_{at}") if isinstance(part, ToolCall) else part for at, part in enumerate(parts)]
    completion = Completion(OK, choices=[CompletionChoice(said, Finished(Finish.STOP))])
    output = json.loads(CLIENTS[Endpoint.RESPONSES].write_answer(call(), completion))["output"]
    turns = CLIENTS[Endpoint.RESPONSES].read(envelope(input=[USER, *output])).turns
    assert [turn.role for turn in turns] == ["user", "assistant"]
    assert turns[1].parts == list(_joined(said))


def _joined(parts: list[AnswerPart]) -> Iterator[AnswerPart]:
    """Texts of one kind in a row are one text."""
    for (kind, _), row in groupby(parts, key=lambda part: (type(part), 0 if isinstance(part, Text | Refusal) else id(part))):
        same = list(row)
        if kind in (Text, Refusal):
            yield kind("".join(part.text for part in same if isinstance(part, Text | Refusal)))
        else:
            yield same[0]
