"""Judging native streams and whole answers of the Responses API."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.responses_plays import PLAYS, call

from proxy.core.outcome import OutcomeKind
from proxy.core.usage import Usage
from proxy.wire import reading
from proxy.wire.responses.encoder import ResponsesEncoder
from proxy.wire.responses.stream import ResponsesStreamReader
from proxy.wire.responses.whole import read_responses_answer
from proxy.wire.sse import MAX_BLOCK

K = OutcomeKind


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def response(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "model": "m", "status": status, "error": None, "output": [], **fields}


USAGE = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 3, "total_tokens": 12}
MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
CREATED = event("response.created", response=response("in_progress"), sequence_number=0)
ADDED = event("response.output_item.added", output_index=0, item={"type": "function_call", "arguments": ""})
HELLO = event("response.output_text.delta", delta="Hello", logprobs=[])
DONE = event("response.completed", response=response(output=[MESSAGE], usage=USAGE))
WHOLE = CREATED + ADDED + HELLO + DONE


def read(*data: bytes) -> tuple[ResponsesStreamReader, bytes]:
    reader = ResponsesStreamReader()
    return reader, b"".join([reader.feed(piece) for piece in data])


def test_a_whole_stream_passes_as_it_is_but_for_its_end() -> None:
    reader, out = read(WHOLE)
    assert out == CREATED + ADDED + HELLO
    assert (reader.terminator, reader.done, reader.content, reader.failure) == (DONE, True, True, None)
    assert reader.end().ok
    assert reader.usage == Usage(9, 3, cached=4)
    assert (reader.model, reader.resource_id, reader.data_events) == ("m", "resp_1", 4)
    assert reader.texts() == ["Hello"]


@pytest.mark.parametrize("data", [CREATED, HELLO])
def test_one_event_is_handed_on_as_the_object_it_was(data: bytes) -> None:
    assert ResponsesStreamReader().feed(data) is data


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_split_gives_the_same(cuts: list[int], end: bytes) -> None:
    data = WHOLE.replace(b"\n", end)
    places = sorted({0, len(data), *cuts})
    reader, out = read(*[data[start:stop] for start, stop in pairwise(places)])
    assert out == CREATED + ADDED + HELLO
    assert (reader.terminator, reader.end().ok, reader.data_events) == (DONE, True, 4)


@given(st.sampled_from(sorted(PLAYS)), st.lists(st.integers(0, 20_000), max_size=6))
def test_what_we_write_ourselves_is_whole(name: str, cuts: list[int]) -> None:
    encoder = ResponsesEncoder(call(stream=True))
    before, end = encoder.encode(PLAYS[name]), encoder.close()
    data = before + end
    places = sorted({0, len(data), *[cut for cut in cuts if cut < len(data)]})
    reader, out = read(*[data[start:stop] for start, stop in pairwise(places)])
    assert out + reader.terminator == data
    assert reader.terminator == data[data.rindex(b"event: ") :]
    assert reader.end().kind is (K.MALFORMED if name == "nothing" else K.OK)
    assert reader.content == any(kind.startswith("response.") and ".delta" in kind for kind in _kinds(data))


def _kinds(data: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in data.decode().split("\n") if line.startswith("event: ")]


@pytest.mark.parametrize(
    ("data", "content", "texts"),
    [
        (CREATED, False, []),
        (event("response.in_progress", response=response("in_progress")), False, []),
        (event("response.queued", response=response("queued")), False, []),
        (event("response.in_progress"), False, []),
        (ADDED, False, []),
        (event("response.content_part.added", part={"type": "output_text", "text": ""}), False, []),
        (event("response.output_text.delta", delta=""), False, []),
        (event("response.output_text.delta", delta=None), False, []),
        (event("response.output_text.delta", delta="a"), True, ["a"]),
        (event("response.refusal.delta", delta="a"), True, ["a"]),
        (event("response.reasoning_text.delta", delta="a"), True, ["a"]),
        (event("response.reasoning_summary_text.delta", delta="a"), True, ["a"]),
        (event("response.function_call_arguments.delta", delta="{"), True, ["{"]),
        (event("response.custom_tool_call_input.delta", delta="x"), True, ["x"]),
        (event("response.audio.transcript.delta", delta="x"), True, ["x"]),
        (event("response.audio.delta", delta="aGk="), True, []),
        (event("response.web_search_call.in_progress", item_id="ws_1"), True, []),
        (event("response.image_generation_call.partial_image", partial_image_b64="x"), True, []),
        (event("response.mcp_list_tools.in_progress"), True, []),
        (event("response.output_text.done", text="all at once"), True, ["all at once"]),
        (event("response.output_text.done", text=""), False, []),
        (event("response.function_call_arguments.done", arguments="{}"), True, ["{}"]),
        (event("response.reasoning_summary_part.done", part={"text": "x"}), False, []),
        (event("response.of_next_year.done", text=["x"]), False, []),
        (event("response.of_next_year"), False, []),
        (event("keepalive", sequence_number=3), False, []),
        (b'data: {"unknown":1}\n\n', False, []),
        (b"data: \n\n", False, []),
        (b": ping\n\n", False, []),
        (b"event: ping\n\n", False, []),
        (b"id: 5\nretry: 10\n\n", False, []),
    ],
)
def test_what_is_content(data: bytes, content: bool, texts: list[str]) -> None:
    reader, out = read(data)
    assert out == (b"" if data == b"data: \n\n" else data)
    assert (reader.content, reader.texts(), reader.failure, reader.done) == (content, texts, None, False)
    assert reader.end().kind is K.STREAM_BROKEN


NESTED = event("error", sequence_number=3, error={"type": "server_error", "code": "server_error", "message": "boom"})
FLAT = event("error", sequence_number=3, code="server_error", message="boom", param=None)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (NESTED, K.SERVER_ERROR, "boom"),
        (FLAT, K.SERVER_ERROR, "boom"),
        (event("error", code="rate_limit_exceeded", message="slow"), K.RATE_LIMITED, "slow"),
        (event("error", error={"code": "context_length_exceeded", "message": "long"}), K.CONTEXT_TOO_LONG, "long"),
        (event("error"), K.SERVER_ERROR, "error without a message"),
        (b'data: {"error":{"message":"boom"}}\n\n', K.SERVER_ERROR, "boom"),
        (b'data: {"error":"boom"}\n\n', K.SERVER_ERROR, "boom"),
        (b'data: {"object":"error","message":"boom"}\n\n', K.SERVER_ERROR, "boom"),
        (b'data: [{"error":{"code":503,"message":"boom","status":"UNAVAILABLE"}}]\n\n', K.OVERLOADED, "boom"),
        (b'{"error":{"message":"boom"}}\n\n', K.SERVER_ERROR, "boom"),
        (
            event("response.failed", response=response("failed", error={"code": "server_error", "message": "boom"})),
            K.SERVER_ERROR,
            "boom",
        ),
        (
            event("response.failed", response=response("failed", error={"code": "invalid_prompt", "message": "no"})),
            K.CONTENT_FILTERED,
            "no",
        ),
        (
            event("response.failed", response=response("failed", error={"code": "invalid_image", "message": "no"})),
            K.BAD_REQUEST,
            "no",
        ),
        (
            event("response.failed", response=response("failed")),
            K.SERVER_ERROR,
            "the provider ended the answer with an error",
        ),
        (event("response.failed"), K.SERVER_ERROR, "the provider ended the answer with an error"),
        (event("response.completed", response=5), K.MALFORMED, "the terminal event of the stream cannot be read"),
        (event("response.completed"), K.MALFORMED, "the terminal event of the stream cannot be read"),
        (b"data: {\n\n", K.MALFORMED, "an event of the stream cannot be read"),
        (b"data: 5\n\n", K.MALFORMED, "an event of the stream cannot be read"),
        (b'data: {"type":"\xff"}\n\n', K.MALFORMED, "an event of the stream cannot be read"),
        (b'data: {"x":"\xff"}\n\n', K.MALFORMED, "an event of the stream cannot be read"),
        (b'data: ["\\ud83d"]\n\n', K.MALFORMED, "an event of the stream cannot be read"),
    ],
)
@pytest.mark.parametrize("before", [CREATED, CREATED + HELLO], ids=["before content", "after content"])
def test_failures_go_no_further(data: bytes, kind: K, message: str, before: bytes) -> None:
    reader, out = read(before, data + HELLO, DONE)
    assert out == before
    assert reader.failure is not None
    assert (reader.failure.kind, reader.failure.message) == (kind, message)
    assert reader.end() is reader.failure
    assert not reader.done
    assert reader.terminator == b""


def test_a_stream_that_dies_with_a_generic_error_is_a_failure_after_its_content() -> None:
    """OpenAI, 2026-05-14: streams began and ended within a minute in `error` without a code."""
    died = event(
        "error",
        sequence_number=5,
        error={
            "type": "server_error",
            "code": None,
            "message": "An error occurred while processing your request. You can retry your request.",
            "param": None,
        },
    )
    reader, out = read(CREATED, HELLO, died)
    assert out == CREATED + HELLO
    assert (reader.content, reader.failure and reader.failure.kind) == (True, K.SERVER_ERROR)
    assert reader.texts() == ["Hello"]


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"", K.STREAM_BROKEN, "the stream ended before its first content"),
        (CREATED, K.STREAM_BROKEN, "the stream ended before its first content"),
        (CREATED + HELLO, K.STREAM_BROKEN, "the stream ended without its terminal event"),
        (CREATED + HELLO + DONE[:-30], K.STREAM_BROKEN, "the stream ended without its terminal event"),
        (CREATED + HELLO + b"data: [DONE]\n\n", K.STREAM_BROKEN, "the stream ended without its terminal event"),
        (b'{"error":{"message":"boom","code":429}}', K.RATE_LIMITED, "boom"),
        (b"<html>", K.MALFORMED, "the answer is not an event stream"),
        (b"event: response.created", K.STREAM_BROKEN, "the stream ended before its first content"),
        (CREATED + event("response.completed", response=response()), K.MALFORMED, "the answer is empty"),
        (
            CREATED + event("response.completed", response=response(usage={"output_tokens": 0})),
            K.MALFORMED,
            "the answer is empty",
        ),
    ],
)
def test_what_is_not_whole(data: bytes, kind: K, message: str) -> None:
    reader, _ = read(data)
    outcome = reader.end()
    assert (outcome.kind, outcome.message) == (kind, message)


@pytest.mark.parametrize(
    "end",
    [
        event("response.incomplete", response=response("incomplete", incomplete_details={"reason": "content_filter"})),
        event("response.completed", response=response(usage=USAGE)),
        event("response.completed", response=response(output=[MESSAGE])),
        event("response.completed", response={"output": [MESSAGE]}),
    ],
)
def test_answers_without_a_delta_can_be_whole(end: bytes) -> None:
    reader, _ = read(CREATED, end)
    assert reader.done
    assert reader.terminator == end
    assert reader.end().ok
    assert (reader.model, reader.resource_id) == ("m", "resp_1")


def test_the_end_tells_the_text_that_no_delta_told() -> None:
    reader, _ = read(event("response.completed", response=response(output=[MESSAGE])))
    assert (reader.texts(), reader.content, reader.usage) == (["Hello"], True, None)


def test_a_stray_page_is_left_out_and_judged_at_the_end() -> None:
    reader, out = read(b"<html>\n\n", b"</html>")
    assert (out, reader.failure) == (b"", None)
    assert reader.end().kind is K.MALFORMED


def test_half_an_emoji_is_forwarded_as_it_came() -> None:
    data = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"\\ud83d"}\n\n'
    reader, out = read(data)
    assert (out, reader.content, reader.texts(), reader.data_events) == (data, True, ["?"], 1)


def test_half_an_emoji_in_the_end_ends_it_all_the_same() -> None:
    end = DONE.replace(b"Hello", b"\\ud83d")
    reader, _ = read(CREATED, HELLO, end)
    assert (reader.terminator, reader.end().ok) == (end, True)


def test_an_endless_event_is_not_waited_for() -> None:
    reader, out = read(CREATED, b"data: " + b"x" * (MAX_BLOCK + 1))
    assert out == CREATED
    assert reader.failure is not None
    assert reader.failure.message == "an event of the stream is too long"


def test_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_TEXT", 7)
    reader, _ = read(HELLO, HELLO, HELLO)
    assert reader.texts() == ["Hello"]


def answer(**fields: Any) -> bytes:
    return json.dumps(response(**fields)).encode()


def test_a_whole_answer_is_forwarded_untouched() -> None:
    body = answer(output=[MESSAGE], usage=USAGE)
    got = read_responses_answer(body)
    assert got.outcome.ok
    assert got.body is body
    assert (got.usage, got.model, got.texts, got.resource_id) == (Usage(9, 3, cached=4), "m", [], "resp_1")


def test_texts_are_kept_where_nothing_was_counted() -> None:
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "content": None},
        MESSAGE,
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "name": "p", "input": "x"},
        5,
    ]
    assert read_responses_answer(answer(output=items)).texts == ["hm", "Hello", "{}", "f", "x", "p"]


@pytest.mark.parametrize("status", ["queued", "in_progress", "incomplete", "cancelled"])
def test_other_states_are_answers(status: str) -> None:
    got = read_responses_answer(answer(status=status))
    assert (got.outcome.kind, got.resource_id) == (K.OK, "resp_1")


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (answer(status="failed", error={"code": "server_error", "message": "boom"}), K.SERVER_ERROR, "boom"),
        (answer(status="failed"), K.SERVER_ERROR, "the provider ended the answer with an error"),
        (answer(error={"code": "rate_limit_exceeded", "message": "slow"}), K.RATE_LIMITED, "slow"),
        (answer(), K.MALFORMED, "the answer is empty"),
        (answer(usage={**USAGE, "output_tokens": 0}), K.MALFORMED, "the answer is empty"),
        (b'{"error":{"message":"boom"}}', K.SERVER_ERROR, "boom"),
        (b"{}", K.MALFORMED, "the answer cannot be read"),
        (b"", K.MALFORMED, "the answer cannot be read"),
        (b"<html><title>502</title>", K.MALFORMED, "HTML error page (502)"),
        (b'{"id":"resp_1","output":5}', K.MALFORMED, "the answer cannot be read"),
        (b'{"id":"resp_1","x":"\xff"}', K.MALFORMED, "the answer cannot be read"),
        (b'{"id":"\\ud83d","output":5}', K.MALFORMED, "the answer cannot be read"),
    ],
)
def test_answers_that_are_none(body: bytes, kind: K, message: str) -> None:
    got = read_responses_answer(body)
    assert (got.outcome.kind, got.outcome.message) == (kind, message)
    assert got.resource_id is None or kind is K.MALFORMED


def test_half_an_emoji_in_a_whole_answer() -> None:
    body = answer(output=[MESSAGE]).replace(b"Hello", b"\\ud83d")
    got = read_responses_answer(body)
    assert (got.outcome.ok, got.texts) == (True, ["?"])


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    reader, _ = read(data)
    assert not reader.end().ok
    assert not read_responses_answer(data).outcome.ok
