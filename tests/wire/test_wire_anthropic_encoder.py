"""Answers as clients of the Messages format get them, judged by the official SDK."""

import json
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from messages_shapes import accumulate, body, make_call, parse

from proxy.core.outcome import OK
from proxy.core.usage import Usage
from proxy.wire.anthropic.encoder import STOP_EVENT, MessageEncoder
from proxy.wire.anthropic.message import write_message
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Completion,
    CompletionChoice,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)

STOP = Finished(Finish.STOP)
USAGE = Usage(input=100, output=20, cached=30, cache_write=10, reasoning=5)


def encode(*pieces: Piece) -> bytes:
    encoder = MessageEncoder(make_call())
    return b"".join([encoder.encode([piece]) for piece in pieces]) + encoder.close()


def blocks(*pieces: Piece) -> list[dict[str, Any]]:
    return [block.model_dump(exclude_none=True) for block in accumulate(encode(*pieces)).content]


def names(stream: bytes) -> list[str]:
    return [
        event["type"] + (f".{event['delta']['type']}" if "index" in event and "delta" in event else "")
        for event in parse(stream)
    ]


def test_the_exact_sequence_of_a_text() -> None:
    encoder = MessageEncoder(make_call(body([{"role": "user", "content": "x" * 40}])))
    assert encoder.encode([Began("msg_1", "claude-x")]) == b""
    out = encoder.encode([TextPiece("He"), TextPiece(""), TextPiece("y\n")])
    assert out == (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
        b'"model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{"input_tokens":10,'
        b'"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"output_tokens_details":null}}}\n\n'
        b"event: content_block_start\n"
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"He"}}\n\n'
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"y\\n"}}\n\n'
    )
    assert encoder.encode([STOP]) == b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    assert encoder.encode([Spent(USAGE)]) == b"", "usage may come after the finish"
    assert encoder.close() == (
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,'
        b'"stop_details":null},"usage":{"input_tokens":60,"cache_creation_input_tokens":10,"cache_read_input_tokens":30,'
        b'"output_tokens":20,"output_tokens_details":{"thinking_tokens":5}}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )


def test_usage_that_comes_early_stands_at_the_start() -> None:
    encoder = MessageEncoder(make_call())
    start = parse(encoder.encode([Began(), Spent(USAGE), TextPiece("a")]))[0]["message"]
    assert (start["id"], start["model"], start["usage"]["input_tokens"], start["usage"]["output_tokens"]) == (
        "msg_id7",
        "m",
        60,
        1,
    )


def test_without_usage_the_end_holds_an_estimate() -> None:
    last = parse(encode(TextPiece("a" * 38), STOP))[-2]
    assert last["usage"]["output_tokens"] == 10


def test_an_answer_of_nothing_is_a_message_too() -> None:
    message = accumulate(encode(Began(), STOP))
    assert (message.content, message.stop_reason) == ([], "end_turn")


def test_thinking_text_and_tools() -> None:
    stream = encode(
        Began("msg_1", "m"),
        ThinkingPiece("let "),
        ThinkingPiece("me"),
        ThinkingSealed("EvMC", vendor="anthropic"),
        TextPiece("I"),
        CallBegan(0, "toolu_1", "f"),
        CallPiece(0, '{"a"'),
        CallPiece(0, ":1}"),
        CallBegan(1, "toolu_2", "g"),
        Finished(Finish.TOOL_CALLS),
        Spent(USAGE),
    )
    assert names(stream) == [
        "message_start",
        "content_block_start",
        "content_block_delta.thinking_delta",
        "content_block_delta.thinking_delta",
        "content_block_delta.signature_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta.text_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta.input_json_delta",
        "content_block_delta.input_json_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = accumulate(stream)
    assert [block.model_dump(exclude_none=True) for block in message.content] == [
        {"type": "thinking", "thinking": "let me", "signature": "EvMC"},
        {"type": "text", "text": "I"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
    ]
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("tool_use", 60, 20)


def test_calls_side_by_side_come_one_after_the_other() -> None:
    got = blocks(
        CallBegan(0, "a", "f"),
        CallBegan(1, "b", "g"),
        CallPiece(1, '{"y":'),
        CallPiece(0, '{"x":'),
        CallPiece(1, "2}"),
        TextPiece("said meanwhile"),
        CallPiece(7, "of no call"),
        CallPiece(0, "1}"),
        CallPiece(0, " "),
        STOP,
    )
    assert got == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {"y": 2}},
        {"type": "text", "text": "said meanwhile"},
    ]


def test_a_call_that_follows_a_whole_one_is_not_held_back() -> None:
    encoder = MessageEncoder(make_call())
    encoder.encode([CallBegan(0, "a", "f"), CallPiece(0, "{}")])
    assert names(encoder.encode([CallBegan(1, "b", "g"), CallPiece(1, "{")])) == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta.input_json_delta",
    ]
    encoder = MessageEncoder(make_call())
    encoder.encode([CallBegan(0, "a", "f"), CallPiece(0, '{"a":{}')])
    assert encoder.encode([CallBegan(1, "b", "g"), CallPiece(1, "{}")]) == b"", "its turn has not come"
    assert len(parse(encoder.encode([CallPiece(0, "}")]))) == 4


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (
            [ThinkingPiece("a"), TextPiece("b")],
            [{"type": "thinking", "thinking": "a", "signature": "undimmed..signature."}, {"type": "text", "text": "b"}],
        ),
        (
            [
                ThinkingPiece("a"),
                ThinkingSealed(),
                ThinkingSealed(),
                ThinkingPiece("b"),
                ThinkingSealed("S", vendor="google"),
            ],
            [
                {"type": "thinking", "thinking": "a", "signature": "undimmed..signature."},
                {"type": "thinking", "thinking": "b", "signature": "undimmed.google.signature.S"},
            ],
        ),
        ([ThinkingSealed("S", vendor="anthropic")], [{"type": "thinking", "thinking": "", "signature": "S"}]),
        ([ThinkingSealed()], []),
        ([ThinkingPiece("")], []),
        ([ThinkingSealed(redacted="R", vendor="anthropic")], [{"type": "redacted_thinking", "data": "R"}]),
        (
            [TextPiece("a"), ThinkingSealed(redacted="R", vendor="openai"), TextPiece("b")],
            [
                {"type": "text", "text": "a"},
                {"type": "redacted_thinking", "data": "undimmed.openai.redacted.R"},
                {"type": "text", "text": "b"},
            ],
        ),
        ([RefusalPiece("no"), RefusalPiece(".")], [{"type": "text", "text": "no."}]),
        ([CallBegan(0, "a", "f", signature="S")], [{"type": "tool_use", "id": "a::sig:Uw", "name": "f", "input": {}}]),
        (
            [
                Citation("https://before"),
                TextPiece("a"),
                Citation("https://x", "t"),
                Citation(),
                Citation(
                    raw={
                        "type": "page_location",
                        "cited_text": "c",
                        "document_index": 0,
                        "start_page_number": 1,
                        "end_page_number": 2,
                    }
                ),
            ],
            [
                {
                    "type": "text",
                    "text": "a",
                    "citations": [
                        {
                            "type": "web_search_result_location",
                            "url": "https://x",
                            "title": "t",
                            "cited_text": "",
                            "encrypted_index": "undimmed.citation",
                        },
                        {
                            "type": "page_location",
                            "cited_text": "c",
                            "document_index": 0,
                            "start_page_number": 1,
                            "end_page_number": 2,
                        },
                    ],
                }
            ],
        ),
    ],
)
def test_blocks(pieces: list[Piece], expected: list[dict[str, Any]]) -> None:
    assert blocks(*pieces, STOP) == expected


def test_other_choices_are_left_out() -> None:
    others: list[Piece] = [
        TextPiece("x", 1),
        ThinkingPiece("x", 1),
        ThinkingSealed("x", choice=1),
        RefusalPiece("x", 1),
        CallBegan(0, "x", "x", choice=1),
        CallPiece(0, "x", 1),
        Finished(Finish.LENGTH, choice=1),
    ]
    stream = encode(TextPiece("a"), *others, Citation("u", choice=1), STOP)
    assert stream == encode(TextPiece("a"), STOP)


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        (Finished(Finish.STOP), ("end_turn", None)),
        (Finished(Finish.STOP_SEQUENCE, "END"), ("stop_sequence", "END")),
        (Finished(Finish.LENGTH), ("max_tokens", None)),
        (Finished(Finish.TOOL_CALLS), ("tool_use", None)),
        (Finished(Finish.PAUSE), ("pause_turn", None)),
        (Finished(Finish.CONTENT_FILTER), ("refusal", None)),
    ],
)
def test_why_it_stopped(finished: Finished, expected: tuple[str, str | None]) -> None:
    message = accumulate(encode(TextPiece("a"), finished))
    assert (message.stop_reason, message.stop_sequence) == expected


def test_a_refusal_is_explained() -> None:
    delta = parse(encode(RefusalPiece("no"), Finished(Finish.REFUSAL, explanation="because")))[-2]["delta"]
    assert delta["stop_details"] == {"type": "refusal", "category": None, "explanation": "because"}


def test_calls_are_looked_for_where_there_are_any() -> None:
    assert accumulate(encode(CallBegan(0, "a", "f"), STOP)).stop_reason == "tool_use"
    assert accumulate(encode(CallBegan(0, "a", "f"), Finished(Finish.LENGTH))).stop_reason == "max_tokens"


PIECES = st.lists(
    st.one_of(
        st.builds(TextPiece, st.text(max_size=3)),
        st.builds(ThinkingPiece, st.text(max_size=3)),
        st.builds(
            ThinkingSealed, st.none() | st.just("s"), st.none() | st.just("r"), st.sampled_from(["anthropic", "google"])
        ),
        st.builds(CallBegan, st.integers(0, 2), st.just("id"), st.just("f")),
        st.builds(CallPiece, st.integers(0, 2), st.sampled_from(["{", "}", '"a":', "1", " ", ","])),
        st.builds(Citation, st.sampled_from(["", "u"])),
        st.just(Spent(USAGE)),
    ),
    max_size=12,
)


@settings(max_examples=300)
@given(PIECES, st.integers(0, 12))
def test_any_pieces_give_a_sound_stream_in_any_grouping(pieces: list[Piece], cut: int) -> None:
    pieces = [*pieces, STOP]
    encoder, other = MessageEncoder(make_call()), MessageEncoder(make_call())
    once = encoder.encode(pieces) + encoder.close()
    twice = other.encode(pieces[:cut]) + other.encode(pieces[cut:]) + other.close()
    assert once == twice
    assert once.endswith(STOP_EVENT)
    assert once.count(b"message_stop\n") == 1
    assert names(once)[-2:] == ["message_delta", "message_stop"]
    texts = [block["text"] for event in parse(once) if (block := event.get("delta", {})).get("type") == "text_delta"]
    assert "".join(texts) == "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


def write(*parts: Text | Thinking | ToolCall | Refusal, finish: Finished = STOP, **rest: Any) -> dict[str, Any]:
    choice = CompletionChoice(list(parts), finish, rest.pop("citations", []))
    value = json.loads(write_message(make_call(), Completion(OK, choices=[choice], **rest)))
    Message.model_validate(value)
    assert isinstance(value, dict)
    return value


def test_a_whole_answer() -> None:
    value = write(
        Thinking("hm", "S", vendor="anthropic"),
        Thinking("hm"),
        Thinking(redacted="R", vendor="openai"),
        Text("a"),
        Text(""),
        Refusal("no"),
        ToolCall("t", "f", '{"x":1.10}', signature="S"),
        ToolCall("u", "g", " "),
        ToolCall("v", "h", '{"cut'),
        ToolCall("w", "h", "[]"),
        usage=USAGE,
        id="msg_1",
        model="claude-x",
        citations=[Citation("https://x"), Citation()],
    )
    assert value["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        {"type": "thinking", "thinking": "hm", "signature": "undimmed..signature."},
        {"type": "redacted_thinking", "data": "undimmed.openai.redacted.R"},
        {"type": "text", "text": "a"},  # AI SDK takes no null for citations
        {
            "type": "text",
            "text": "no",
            "citations": [
                {
                    "type": "web_search_result_location",
                    "url": "https://x",
                    "title": None,
                    "cited_text": "",
                    "encrypted_index": "undimmed.citation",
                }
            ],
        },
        {"type": "tool_use", "id": "t::sig:Uw", "name": "f", "input": {"x": 1.1}},
        {"type": "tool_use", "id": "u", "name": "g", "input": {}},
        {"type": "tool_use", "id": "v", "name": "h", "input": {"INVALID_JSON": '{"cut'}},
        {"type": "tool_use", "id": "w", "name": "h", "input": {"INVALID_JSON": "[]"}},
    ]
    assert (value["id"], value["model"], value["stop_reason"]) == ("msg_1", "claude-x", "tool_use")
    assert (value["usage"]["input_tokens"], value["usage"]["cache_read_input_tokens"]) == (60, 30)


def test_a_whole_answer_of_which_little_is_known() -> None:
    value = write(ToolCall("t", "f", ""), finish=Finished(Finish.LENGTH), citations=[Citation("https://x")])
    assert (value["id"], value["model"], value["stop_reason"], value["usage"]["output_tokens"]) == (
        "msg_id7",
        "m",
        "max_tokens",
        13,
    )
