import json

import pytest
import wire_fixtures as fixtures
from wire_chunks import chunk, event, read

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.openai_chat import read_chat_answer
from proxy.wire.openai_stream import Asked

USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


# What is content.


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a"},
        {"reasoning_content": "a"},
        {"reasoning": "a"},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
        {"refusal": "no"},
        {"tool_calls": [{"index": 0, "id": "c"}]},
        {"tool_calls": [{"index": 0, "custom": {"name": "t", "input": "x"}}]},
        {"tool_calls": [{"index": 0, "function": {"name": "t", "arguments": {"a": 1}}}]},
        {"function_call": {"name": "f", "arguments": ""}},
        {"audio": {"id": "a"}},
        {"audio": {"transcript": "a"}},
        {"content": [{"type": "text", "text": "a"}]},
        {"content": ["a"]},
        {"content": [{"type": "thinking", "thinking": "a"}]},
        {"content": "a", "tool_calls": [{"index": 0, "function": {"name": "t"}}]},
    ],
)
def test_content_of_every_kind_counts(delta: dict[str, object]) -> None:
    assert read(chunk(delta))[0].content


@pytest.mark.parametrize(
    "data",
    [
        b": OPENROUTER PROCESSING\n\n",
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "content": None, "reasoning": None, "refusal": None, "tool_calls": []}),
        chunk({"content": [1, {"type": "thinking", "thinking": []}, {"text": ""}, ""]}),
        fixtures.AZURE_FIRST,
        b"data:\n\n",
        b"data: \n\n",
        b"event: ping\n\n",
        event({"choices": [{"index": 0, "finish_reason": None}]}),
        event({"choices": None, "type": "ping"}),
    ],
)
def test_what_carries_nothing_is_not_content(data: bytes) -> None:
    reader, _ = read(data)
    assert not reader.content
    assert reader.failure is None


# Whole answers.


def body(message: dict[str, object], finish: str = "stop", **rest: object) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "c", "model": "m", "choices": [choice], **rest}).encode()


def test_a_sound_answer_is_forwarded_as_it_is() -> None:
    data = body({"content": "Paris", "reasoning": "hm"}, usage=USAGE, custom={"a": 1})
    answer = read_chat_answer(data)
    assert answer.outcome.ok
    assert answer.body is data
    assert (answer.usage, answer.model, answer.texts) == (Usage(3, 2), "m", []), "what was counted need not be kept"
    unsaid = read_chat_answer(body({"content": "Paris", "reasoning": "hm"}))
    assert (unsaid.usage, unsaid.texts) == (None, ["Paris", "hm"])


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
        {"content": None, "function_call": {"name": "f"}},
        {"content": None, "refusal": "no"},
        {"content": None, "audio": {"id": "a", "data": "x", "transcript": "hi"}},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, {"type": "text", "text": "b"}]},
        {"reasoning_content": "a"},
        {"reasoning_details": [{}]},
    ],
)
def test_any_content_makes_an_answer(message: dict[str, object]) -> None:
    assert read_chat_answer(body(message)).outcome.ok


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.MALFORMED),
        (b"<html><title>502</title>", Kind.MALFORMED),
        (b"[]", Kind.MALFORMED),
        (b"{}", Kind.MALFORMED),
        (b'{"choices":[]}', Kind.MALFORMED),
        (b'{"choices":null}', Kind.MALFORMED),
        (b'{"choices":[{"message":{"content":"\xff"},"finish_reason":"stop"}]}', Kind.MALFORMED),
        (b"[" * 100_000, Kind.MALFORMED),
        (body({"content": ""}), Kind.MALFORMED),
        (body({"content": ""}, usage={"completion_tokens": 0}), Kind.MALFORMED),
        (body({"content": ""}, usage={"completion_tokens": 1}), Kind.OK),
        (body({"content": ""}, "length"), Kind.OK),
        (body({"content": "x"}, "error"), Kind.SERVER_ERROR),
        (b'{"error":{"code":429,"message":"x"}}', Kind.RATE_LIMITED),
        (b'{"error":{"code":"server_error","message":"x"},"choices":[]}', Kind.SERVER_ERROR),
        (b'[{"error":{"code":503,"message":"x"}}]', Kind.OVERLOADED),
        (b'{"object":"error","message":"maximum context length is 10 tokens","code":400}', Kind.CONTEXT_TOO_LONG),
        (b'{"choices":[{"message":{"content":"\\ud83d"},"finish_reason":"stop"}]}', Kind.OK),
    ],
)
def test_a_200_is_not_yet_a_success(data: bytes, kind: Kind) -> None:
    assert read_chat_answer(data).outcome.kind is kind


def test_a_finished_empty_answer_is_right_where_the_client_named_stops() -> None:
    assert read_chat_answer(body({"content": ""}), Asked(stops=True)).outcome.ok


def test_groq_usage_counts_in_whole_answers_too() -> None:
    assert read_chat_answer(body({"content": "x"}, x_groq={"usage": USAGE})).usage == Usage(3, 2)
    assert read_chat_answer(body({"content": "x"}, x_groq={})).usage is None
