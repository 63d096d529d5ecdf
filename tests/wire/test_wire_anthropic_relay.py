"""Anthropic's own streams and answers, judged on their way to a client of the same format."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages_shapes import (
    AGENT,
    HELLO,
    OVERLOADED,
    PING,
    START,
    STOP,
    STREAMS,
    THOUGHT,
    TOOL,
    accumulate,
    begin,
    close,
    delta,
    event,
    finish,
    text,
)

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.anthropic.answer import read_count, read_message, write_count
from proxy.wire.anthropic.relay import MessagesReader
from proxy.wire.sse import MAX_BLOCK

USAGE = Usage(input=55, output=282, cached=7, cache_write=5, reasoning=40)


def read(*parts: bytes) -> tuple[MessagesReader, bytes]:
    reader = MessagesReader()
    return reader, b"".join([reader.feed(part) for part in parts])


@pytest.mark.parametrize("name", STREAMS)
def test_a_whole_stream_goes_on_untouched(name: str) -> None:
    stream = STREAMS[name]
    reader, out = read(stream)
    assert (out + reader.terminator) == stream.replace(b"\r\n", b"\n")
    assert (reader.end().ok, reader.done, reader.content, reader.model, reader.usage) == (
        True,
        True,
        True,
        "claude-x",
        USAGE,
    )
    assert reader.feed(HELLO) == b""


def test_a_read_of_whole_events_is_given_back_as_it_is() -> None:
    reader = MessagesReader()
    for data in (START, PING + text(0, "a", "b"), finish()):
        assert reader.feed(data) is data
    assert reader.feed(STOP) == b""
    assert reader.terminator == STOP


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (START, False),
        (PING, False),
        (b": waiting\n\n", False),
        (begin(0, type="text", text=""), False),
        (begin(0, type="text", text="a"), True),
        (begin(0, type="thinking", thinking="", signature=""), False),
        (begin(0, type="tool_use", id="t", name="f", input={}), False),
        (begin(0, type="redacted_thinking", data="R"), True),
        (event({"type": "content_block_start", "index": 0}), False),
        (delta(0, type="text_delta", text=""), False),
        (delta(0, type="text_delta", text="a"), True),
        (delta(0, type="thinking_delta", thinking="a"), True),
        (delta(0, type="signature_delta", signature="a"), True),
        (delta(0, type="input_json_delta", partial_json=""), False),
        (delta(0, type="input_json_delta", partial_json="{"), True),
        (event({"type": "content_block_delta", "index": 0}), False),
        (finish(), False),
        (event({"type": "message_start"}), False),
        (event({"type": "message_delta"}), False),
    ],
)
def test_what_is_content(part: bytes, content: bool) -> None:
    reader, out = read(part)
    assert out == part
    assert reader.content is content
    assert reader.failure is None


def test_pings_and_comments_are_no_life() -> None:
    reader, _ = read(START, PING, b": x\n\n", PING)
    assert reader.data_events == 1


def test_generated_text_is_kept_for_counting() -> None:
    reader, _ = read(START + THOUGHT + text(1, "I", " am") + TOOL)
    assert reader.texts() == ["This is", "I am", 'f{"x":1.10}']
    assert reader.usage is None, "what message_start counts is not the whole"


def test_text_beyond_the_limit_is_not_kept() -> None:
    reader, _ = read(delta(0, type="text_delta", text="x" * (2 * 1024 * 1024 + 1)))
    assert (reader.content, reader.texts()) == (True, [])


@pytest.mark.parametrize("name", ["hello", "agent", "server_tools"])
def test_a_stream_cut_at_any_byte_is_never_whole_before_its_stop_reason(name: str) -> None:
    stream = STREAMS[name]
    end = stream.index(b"event: message_stop")
    for size in range(len(stream)):
        reader, out = read(stream[:size])
        verdict = reader.end()
        assert out == stream[: len(out)]
        if size < end:
            assert verdict.kind is Kind.STREAM_BROKEN
        elif stream[end:size] != STOP[: size - end] or size > end + 54:
            continue
        else:
            assert verdict.ok, "only its terminator is missing"
            assert accumulate(out + reader.terminator).stop_reason


def test_a_stream_that_breaks_inside_a_strange_event_is_broken() -> None:
    reader, _ = read(HELLO.removesuffix(STOP) + b"event: message_st0p")
    assert reader.end().kind is Kind.STREAM_BROKEN
    assert read(HELLO.removesuffix(STOP) + b": half a comm")[0].end().ok


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (START + OVERLOADED, Kind.OVERLOADED),
        (START + text(0, "a") + OVERLOADED, Kind.OVERLOADED),
        (b'data: {"type":"error","error":{"type":"api_error","message":"x"}}\n\n', Kind.SERVER_ERROR),
        (b'event: error\ndata: {"message":"prompt is too long: 9 tokens > 5 maximum"}\n\n', Kind.CONTEXT_TOO_LONG),
        (b"event: error\ndata: not json\n\n", Kind.SERVER_ERROR),
        (b'data: {"error":{"message":"x","code":429}}\n\n', Kind.RATE_LIMITED),
        (b'data: {"type":3,"error":"rate limited"}\n\n', Kind.SERVER_ERROR),
        (b'event: x\ndata: {"type"\n\n', Kind.MALFORMED),
        (b'event: x\ndata: {"type":"\xff"}\n\n', Kind.MALFORMED),
        (b'event: x\ndata: {"unseen":"\xff"}\n\n', Kind.MALFORMED),
        (b'event: x\ndata: {"type":[],"x":"\\ud83d"}\n\n', Kind.MALFORMED),
        (b"<html>\n<body>\n\n", Kind.MALFORMED),
        (b"<html>", Kind.MALFORMED),
        (b"upstream request timeout", Kind.MALFORMED),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', Kind.OVERLOADED),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n', Kind.OVERLOADED),
        (b'{"what":1}', Kind.MALFORMED),
        (b"data: {" + b"x" * MAX_BLOCK, Kind.MALFORMED),
        (b"", Kind.STREAM_BROKEN),
        (START, Kind.STREAM_BROKEN),
        (START + STOP, Kind.STREAM_BROKEN),
        (START + finish(output=0) + STOP, Kind.MALFORMED),
        (event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}), Kind.MALFORMED),
    ],
)
def test_streams_that_are_none(stream: bytes, kind: Kind) -> None:
    for parts in ([stream], [stream[at : at + 1] for at in range(len(stream))] if len(stream) < 2000 else []):
        reader, out = read(*parts)
        assert b"error" not in out
        assert reader.end().kind is kind if parts else True
        assert reader.end().ok is False if parts else True


@pytest.mark.parametrize(
    "stream",
    [
        START + finish(output=3) + STOP,
        START + finish("max_tokens", output=0) + STOP,
        START + finish("stop_sequence", output=0) + STOP,
        START + begin(0, type="tool_use", id="t", name="f", input={}) + close(0) + finish("end_turn", output=0) + STOP,
    ],
)
def test_an_answer_of_nothing_can_be_right(stream: bytes) -> None:
    assert read(stream)[0].end().ok


def test_half_of_an_emoji_goes_on() -> None:
    part = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"text":"\\ud83d"}}\n\n'
    reader, out = read(part)
    assert (out, reader.content) == (part, True)


EVENTS = [
    START, PING, THOUGHT, TOOL, OVERLOADED, STOP, finish(), finish(output=0), text(0, "a"), begin(0, type="text", text=""),
    b": c\n\n", b"data: x\n\n", b"\n", b"event: ping\n\n", b'event: a\nevent: b\ndata: {"type":"ping"}\n\n', b"<p>\n\n",
    b"data: \n\n", b'data:{"type":"ping"}\r\n\r\n', b'event: ping\ndata: {"type":"ping"}\ndata: \n\n', HELLO, AGENT,
]  # fmt: skip


def state(parts: list[bytes]) -> object:
    reader, out = read(*parts)
    return (
        out,
        reader.end(),
        reader.content,
        reader.failure,
        reader.done,
        reader.usage,
        reader.model,
        reader.data_events,
        (
            reader.texts(),
            reader.terminator,
        ),
    )


@settings(max_examples=400)
@given(st.lists(st.sampled_from(EVENTS), max_size=8).map(b"".join), st.lists(st.integers(0, 5000), max_size=10))
def test_any_split_gives_the_same(stream: bytes, points: list[int]) -> None:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    assert state([stream[a:b] for a, b in pairwise(edges)]) == state([stream])


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_raise(parts: list[bytes]) -> None:
    reader = MessagesReader()
    for part in parts:
        reader.feed(b"event: x\ndata: " + part + b"\n\n")
        reader.feed(part)
    assert reader.end().kind is not Kind.OK


def whole(*content: dict[str, object], reason: str | None = "end_turn", output: int | None = 9, **rest: object) -> bytes:
    usage = {"input_tokens": 1, "output_tokens": output} if output is not None else None
    fields = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content}
    return json.dumps({**fields, "stop_reason": reason, "stop_sequence": None, "usage": usage, **rest}).encode()


def test_a_whole_answer_goes_on_untouched() -> None:
    body = whole({"type": "text", "text": "ä"})
    answer = read_message(body)
    assert answer.body is body
    assert (answer.outcome.ok, answer.usage, answer.model, answer.texts) == (True, Usage(1, 9), "claude-x", [])
    repaired = body.replace(b"\\u00e4", b"\\ud83d")
    assert read_message(repaired).body is repaired
    assert read_message(body.replace(b"\\u00e4", "ä".encode())).outcome.ok


def test_texts_are_kept_where_nothing_was_counted() -> None:
    blocks: list[dict[str, object]] = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
    ]
    answer = read_message(whole(*blocks, output=None))
    assert (answer.usage, answer.texts) == (None, ["hm", "a", "f", '{"x": 1}'])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (whole(output=0), Kind.MALFORMED),
        (whole({"type": "text", "text": ""}, output=None), Kind.MALFORMED),
        (whole(reason=None), Kind.MALFORMED),
        (b"{}", Kind.MALFORMED),
        (b"<html></html>", Kind.MALFORMED),
        (b"[", Kind.MALFORMED),
        (b"[" * 10_000, Kind.MALFORMED),
        (b'{"content":3}', Kind.MALFORMED),
        (b'{"content":[],"x":"\xff"}', Kind.MALFORMED),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', Kind.OVERLOADED),
        (b'{"error":"rate limit","content":3}', Kind.SERVER_ERROR),
        (whole({"type": "text", "text": "a"}, error={"type": "billing_error", "message": "x"}), Kind.QUOTA_EXHAUSTED),
    ],
)
def test_answers_that_are_none(body: bytes, kind: Kind) -> None:
    answer = read_message(body)
    assert (answer.outcome.kind, answer.body) == (kind, body)


@pytest.mark.parametrize(
    "body",
    [
        whole(),
        whole(reason="max_tokens", output=0),
        whole({"type": "tool_use", "id": "t", "name": "f", "input": {}}, reason="tool_use", output=0),
        whole({"type": "web_search_tool_result"}, output=0),
        whole({"type": "thinking", "thinking": "", "signature": "s"}, output=0),
    ],
)
def test_answers_of_little(body: bytes) -> None:
    assert read_message(body).outcome.ok


def test_numbers_of_tokens() -> None:
    assert read_count(write_count(43)).outcome.ok
    assert read_count(b'{"input_tokens":"x"}').outcome.kind is Kind.MALFORMED
    assert read_count(b'{"error":{"type":"overloaded_error","message":"x"}}').outcome.kind is Kind.OVERLOADED
