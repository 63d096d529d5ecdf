from itertools import pairwise

import pytest
import wire_fixtures as fixtures
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_chunks import HELLO, chunk, event, read

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.openai_chat import ChatStreamReader
from proxy.wire.openai_stream import Asked
from proxy.wire.sse import MAX_BLOCK

DONE = b"data: [DONE]\n\n"
STREAMS = {
    name: getattr(fixtures, name)
    for name in (
        "OPENAI", "GROQ", "DEEPSEEK", "MISTRAL", "ZAI", "OPENROUTER",
        "OPENROUTER_FAILURE_A", "OPENROUTER_FAILURE_B", "SGLANG_OVERFLOW", "AZURE_FIRST",
    )
}  # fmt: skip
WHOLE = {name: STREAMS[name] for name in ("OPENAI", "GROQ", "DEEPSEEK", "MISTRAL", "ZAI", "OPENROUTER")}


def verdict(stream: bytes, asked: Asked = Asked()) -> Kind:  # noqa: B008
    return read(stream, asked)[0].end().kind


def state(parts: list[bytes], asked: Asked) -> tuple[object, ...]:
    reader, out = read(parts, asked)
    return out, reader.content, reader.done, reader.failure, reader.usage, reader.model, reader.texts(), reader.end()


@pytest.mark.parametrize(
    ("name", "usage", "texts", "model"),
    [
        ("OPENAI", Usage(53, 15), ['get_capital{"country":"UK"}'], "gpt-x"),
        ("GROQ", Usage(21, 9), ["Alright"], "m"),
        ("DEEPSEEK", Usage(6, 212, reasoning=198), ["Hmm"], "deepseek-reasoner"),
        ("MISTRAL", Usage(10, 232), ["Okay"], "magistral"),
        ("ZAI", Usage(13, 564, reasoning=561), ["1."], "glm"),
        ("OPENROUTER", Usage(8, 1), ["Hi"], "openai/gpt-4o-mini"),
    ],
)
def test_recorded_streams_are_whole_and_pass_untouched(name: str, usage: Usage, texts: list[str], model: str) -> None:
    reader, out = read(STREAMS[name])
    assert reader.end().ok
    assert reader.content
    assert reader.done
    assert (reader.usage, reader.texts(), reader.model) == (usage, texts, model)
    assert out + reader.terminator == STREAMS[name]


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_byte_alone_gives_the_same(name: str, ends: bytes, hide: bool) -> None:
    asked = Asked(hide_usage=hide)
    stream = STREAMS[name].replace(b"\n", ends)
    expected = state([STREAMS[name]], asked)
    assert state([stream], asked) == expected
    assert state([stream[i : i + 1] for i in range(len(stream))], asked) == expected


EVENTS = [
    b": ping\n\n", b"data: [DONE]\n\n", b"\n", b"\xef\xbb\xbf", b"<html>\n\n", b"data: {broken\n\n", b"data:\n\n",
    b"event: x\n",
    b'data: {"a":\r1}\n\n', b'data: {"choices":[],"usage":null}\n\n', chunk({"content": "é😀"}), chunk(finish="stop"), HELLO,
    chunk({"content": "x"}, usage=None), chunk({"content": '"usage":null'}, usage=None, z=1),
    event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}), event({"error": {"code": 502}}),
]  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(EVENTS), max_size=8).map(b"".join), st.lists(st.integers(0, 5000), max_size=10), st.booleans()
)
def test_any_split_gives_the_same(stream: bytes, points: list[int], hide: bool) -> None:
    asked = Asked(hide_usage=hide)
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    parts = [stream[a:b] for a, b in pairwise(edges)]
    assert state(parts, asked) == state([stream], asked)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_raise(parts: list[bytes]) -> None:
    reader = ChatStreamReader()
    for part in parts:
        reader.feed(b"data: " + part + b"\n\n")
        reader.feed(part)
    assert reader.end().kind is not Kind.OK


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_cut_at_any_byte_is_never_whole_before_its_finish(name: str) -> None:
    stream = WHOLE[name]
    # The finish event ends at the blank line after the last finish reason that is not null.
    last = max(stream.rfind(b'"finish_reason":"' + reason) for reason in (b"stop", b"tool_calls"))
    complete = stream.index(b"\n\n", last) + 2
    for size in range(len(stream) + 1):
        reader, out = read(stream[:size])
        ok = reader.end().ok
        if size < complete:
            assert not ok, size
        else:
            rest = stream[complete:size].rpartition(b"\n\n")[2]
            assert ok == (rest.strip() == b"" or DONE.startswith(rest)), size
        assert b"[DONE]" not in out


def test_one_whole_event_comes_back_as_the_same_object() -> None:
    reader = ChatStreamReader(Asked(hide_usage=True))
    for data in (chunk({"content": "a"}), chunk({"content": "a"}) * 3, b": ping\n\n" + chunk({"content": "b"})):
        assert reader.feed(data) is data


def test_comments_and_empty_events_are_no_life() -> None:
    reader, _ = read(b": ping\n\ndata:\n\n" + HELLO)
    assert reader.data_events == 3


# Failures.


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (fixtures.OPENROUTER_FAILURE_A, Kind.SERVER_ERROR),
        (fixtures.OPENROUTER_FAILURE_B, Kind.SERVER_ERROR),
        (fixtures.SGLANG_OVERFLOW, Kind.CONTEXT_TOO_LONG),
        (fixtures.OLLAMA_ERROR_LINE + b"\n\n", Kind.SERVER_ERROR),
        (event({"error": "context size has been exceeded"}), Kind.CONTEXT_TOO_LONG),
        (event({"error": {"code": "rate_limit_exceeded", "message": "slow"}}), Kind.RATE_LIMITED),
        (event({"error": {"code": 429, "message": "slow"}, "choices": []}), Kind.RATE_LIMITED),
        (event({"error": {"type": "invalid_request_error", "message": "bad"}}), Kind.BAD_REQUEST),
        (event({"error": ["odd"]}), Kind.SERVER_ERROR),
        (event([{"error": {"code": 503, "message": "x"}}]), Kind.OVERLOADED),
        (event({"object": "error", "message": "x", "code": 400}), Kind.BAD_REQUEST),
        (event({"choices": [], "x_groq": {"error": "over capacity"}}), Kind.SERVER_ERROR),
        (b"event: error\ndata: {\"message\":\"x\",\"code\":503}\n\n", Kind.OVERLOADED),
        (chunk(finish="error"), Kind.SERVER_ERROR),
        (b"data: {broken\n\n", Kind.MALFORMED),
        (b"data: 1\n\n", Kind.MALFORMED),
        (b"data: {\"choices\":{}}\n\n", Kind.MALFORMED),
        (b"data: {\"choices\":[{\"delta\":{\"content\":1}}]}\n\n", Kind.MALFORMED),
        (b'data: {"choices":[{"delta":{"content":"\\ud83d"}}],"n":{"a":NaN}}\n\n', Kind.MALFORMED),
        (b'data: {"choices":[{"delta":{"content":7}}],"x":"\\ud83d"}\n\n', Kind.MALFORMED),
        (b'data: {"unknown":"\xff\xfe","choices":[]}\n\n', Kind.MALFORMED),
        (b"data: " + b"[" * 100_000 + b"\n\n", Kind.MALFORMED),
        (b"data: " + b"x" * MAX_BLOCK, Kind.MALFORMED),
    ],
)  # fmt: skip
def test_failures_end_the_stream_and_nothing_of_them_goes_on(data: bytes, kind: Kind) -> None:
    reader, out = read([chunk({"content": "a"}), data, HELLO])
    assert reader.failure is not None
    assert reader.failure.kind is kind
    assert reader.end() is reader.failure
    assert out == chunk({"content": "a"})


def test_what_was_whole_before_a_failure_in_the_same_read_goes_on() -> None:
    good = chunk({"content": "a"})
    assert read(good + b"data: {broken\n\n" + good)[1] == good
    assert read(b"event: x\n" + good + b"data: {broken\n\n" + good)[1] == b"event: x\n" + good


@pytest.mark.parametrize("value", [None, False, "", {}, [], 0])
def test_an_empty_error_member_is_none(value: object) -> None:
    assert read(chunk({"content": "a"}, error=value))[0].failure is None


def test_groq_without_an_error_is_fine() -> None:
    assert read(chunk({"content": "a"}, x_groq={"error": None}))[0].failure is None


def test_an_event_name_that_is_not_error_changes_nothing() -> None:
    assert read(b"event: message\n" + chunk({"content": "a"}))[0].content


def test_a_lone_surrogate_is_no_garbage() -> None:
    data = b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n'
    reader, out = read(data)
    assert out == data
    assert reader.texts() == ["?"]
    assert reader.data_events == 1


def test_nothing_of_a_page_goes_on() -> None:
    reader, out = read(b"<!doctype html>\n\n<p>Bad gateway</p>\n\n")
    assert out == b""
    assert reader.end().kind is not Kind.OK


def test_data_after_done_is_ignored() -> None:
    reader, out = read(HELLO + DONE + HELLO)
    assert out == HELLO
    assert reader.feed(HELLO) == b""
    assert reader.data_events == 4


# Verdicts.


@pytest.mark.parametrize(
    ("stream", "asked", "kind"),
    [
        (HELLO, Asked(), Kind.OK),
        (HELLO + DONE, Asked(), Kind.OK),
        (HELLO + b"data: [DONE]", Asked(), Kind.OK),
        (HELLO + b": note", Asked(), Kind.OK),
        (HELLO + b"data: {", Asked(), Kind.STREAM_BROKEN),
        (b"", Asked(), Kind.STREAM_BROKEN),
        (b": ping\n\n", Asked(), Kind.STREAM_BROKEN),
        (b"data: {", Asked(), Kind.STREAM_BROKEN),
        (DONE, Asked(), Kind.MALFORMED),
        (b"<html>", Asked(), Kind.MALFORMED),
        (b'{"error":{"code":429}}', Asked(), Kind.RATE_LIMITED),
        (b'{"id":"x"}', Asked(), Kind.MALFORMED),
        (chunk({"content": "a"}) + DONE, Asked(), Kind.STREAM_BROKEN),
        (chunk({"content": "a"}) + DONE, Asked(lenient_finish=True), Kind.OK),
        (chunk({"content": "a"}), Asked(lenient_finish=True), Kind.STREAM_BROKEN),
        (chunk() + DONE, Asked(lenient_finish=True), Kind.STREAM_BROKEN),
        (chunk({"content": "a"}, finish=""), Asked(), Kind.STREAM_BROKEN),
        (chunk(finish="stop") + DONE, Asked(), Kind.MALFORMED),
        (chunk(finish="stop", usage={"completion_tokens": 0, "prompt_tokens": 3}) + DONE, Asked(), Kind.MALFORMED),
        (chunk(finish="stop", usage={"completion_tokens": 2, "prompt_tokens": 3}) + DONE, Asked(), Kind.OK),
        (chunk(finish="stop") + DONE, Asked(stops=True), Kind.OK),
        (chunk(finish="length") + DONE, Asked(), Kind.OK),
        (chunk(finish="content_filter") + DONE, Asked(), Kind.OK),
        (HELLO + chunk({"content": "b"}, index=1), Asked(choices=2), Kind.STREAM_BROKEN),
        (HELLO + chunk({"content": "b"}, "stop", index=1), Asked(choices=2), Kind.OK),
        (HELLO, Asked(choices=2), Kind.STREAM_BROKEN),
        (HELLO + DONE, Asked(choices=2), Kind.OK),
        (HELLO + chunk({"content": ""}), Asked(), Kind.OK),
    ],
)
def test_the_verdict_falls_at_the_end(stream: bytes, asked: Asked, kind: Kind) -> None:
    assert verdict(stream, asked) is kind


def test_texts_are_kept_per_choice_and_kind() -> None:
    reader, _ = read(
        chunk({"content": "a"}) + chunk({"content": "b"}, index=1) + chunk({"reasoning": "c"}) + chunk({"content": "é"})
    )
    assert sorted(reader.texts()) == ["aé", "b", "c"]


def test_texts_are_bounded() -> None:
    reader, _ = read([chunk({"content": "x" * 1024 * 1024})] * 4)
    assert sum(map(len, reader.texts())) == 2 * 1024 * 1024


# Hiding.

HIDE = Asked(hide_usage=True)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


def test_the_usage_chunk_that_only_we_asked_for_is_counted_and_dropped() -> None:
    reader, out = read([HELLO, event({"choices": [], "usage": USAGE}), DONE], HIDE)
    assert out == HELLO
    assert reader.usage == Usage(3, 2)


def test_a_client_that_asked_gets_it() -> None:
    stream = HELLO + event({"choices": [], "usage": USAGE})
    assert read(stream)[1] == stream
    assert read(chunk(usage=None))[1] == chunk(usage=None)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"choices":[],"usage":null}', b'{"choices":[]}'),
        (b'{"choices":[],"usage":null,"obfuscation":"x"}', b'{"choices":[],"obfuscation":"x"}'),
        (b'{"choices": [], "usage": null, "a": 1}', b'{"choices": [], "a": 1}'),
        (b'{"usage":null,"choices":[]}', b'{"choices":[]}'),
        (b'{"choices":[{"delta":{"content":"usage"}}],"usage":null}', b'{"choices":[{"delta":{"content":"usage"}}]}'),
        (
            b'{"choices":[{"delta":{"content":",\\"usage\\":null"}}],"usage":null}',
            b'{"choices":[{"delta":{"content":",\\"usage\\":null"}}]}',
        ),
        (b'{"choices":[],"x":{"a":1,"usage":null},"usage":null}', b'{"choices":[],"x":{"a":1,"usage":null}}'),
    ],
)
def test_null_usage_goes_and_nothing_else(data: bytes, expected: bytes) -> None:
    assert read(b"data: " + data + b"\n\n", HIDE)[1] == b"data: " + expected + b"\n\n"


def test_null_usage_of_an_event_in_several_lines() -> None:
    event_ = b'id: {1}\ndata: {"usage":null,\ndata: "choices":[{"usage":null}]}\n\n'
    assert read(event_, HIDE)[1] == b'data: {"choices":[{"usage":null}]}\n\n'


def test_null_usage_stays_where_the_event_can_only_be_read_after_a_repair() -> None:
    event_ = b'data: {"usage":null,"choices":[{"index":0,"delta":{"content":"\\ud83d"},"usage":null}]}\n\n'
    assert read(event_, HIDE)[1] == event_


def test_usage_that_comes_with_content_stays() -> None:
    data = chunk({"content": "a"}, usage=USAGE)
    reader, out = read(data, HIDE)
    assert out == data
    assert reader.usage == Usage(3, 2)


def test_the_last_usage_that_says_anything_wins() -> None:
    reader, _ = read(chunk(usage=USAGE) + chunk(usage={"completion_tokens": 7}) + chunk(usage={}) + chunk(usage="odd"))
    assert reader.usage == Usage(0, 7)


def test_moderation_chunks_stay() -> None:
    data = b'data: {"choices":[],"moderation":{"ok":true},"usage":null}\n\n'
    assert read(data, HIDE)[1] == b'data: {"choices":[],"moderation":{"ok":true}}\n\n'
