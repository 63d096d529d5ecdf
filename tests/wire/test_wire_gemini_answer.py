import json

import pytest
from gemini_chunks import BLOCKED, CALLING, CAPPED, EXHAUSTED, THINKING, USAGE, call, judge_response, response
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.dialogue import Text, Thinking, ToolCall
from proxy.wire.gemini.answer import read_completion
from proxy.wire.pieces import Citation, Completion, Finish, Finished


def body_of(stream: bytes) -> bytes:
    return stream.removeprefix(b"data: ").rstrip()


def read(value: object) -> Completion:
    judge_response(value)
    return read_completion(json.dumps(value).encode())


def test_text_with_thoughts() -> None:
    parts = ({"text": "pl", "thought": True}, {"text": "an", "thought": True}, {"text": "Pa"})
    answer = read(response(*parts, {"text": "ris", "thoughtSignature": "AAAA"}, finish="STOP", usageMetadata=USAGE))
    assert answer.outcome.ok
    assert (answer.id, answer.model, answer.usage) == ("r1", "gemini-3-flash-preview", Usage(8, 30, reasoning=28))
    (choice,) = answer.choices
    assert choice.parts == [
        Thinking("plan", vendor="google"),
        Text("Paris"),
        Thinking(redacted="AAAA", vendor="google"),
    ]
    assert choice.finish == Finished(Finish.STOP)


def test_a_thoughts_own_seal() -> None:
    one = {"text": "a", "thought": True, "thoughtSignature": "AAAA"}
    (choice,) = read(response(one, {"text": "b", "thought": True}, {"text": "c"}, finish="STOP")).choices
    assert choice.parts == [Thinking("a", "AAAA", vendor="google"), Thinking("b", vendor="google"), Text("c")]
    sealed = ({"text": "c"}, {"text": "", "thought": True, "thoughtSignature": "AAAA"})
    (choice,) = read(response(*sealed, finish="STOP")).choices
    assert choice.parts == [Text("c"), Thinking(signature="AAAA", vendor="google")]


def test_calls() -> None:
    answer = read_completion(body_of(CALLING))
    (choice,) = answer.choices
    first, second = choice.parts
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert (first.name, first.arguments, first.signature) == ("get_capital", '{"country": "France"}', "BBBB")
    assert (second.arguments, second.signature) == ('{"country": "Spain"}', None)
    assert first.id != second.id
    assert choice.finish.reason is Finish.TOOL_CALLS


def test_several_candidates_and_their_sources() -> None:
    both = response({"text": "a"}, finish="STOP")
    other = response({"text": "b"}, finish="MAX_TOKENS", index=1)["candidates"][0]  # type: ignore[index]
    other["citationMetadata"] = {"citations": [{"uri": "https://x.example"}]}
    both["candidates"] = [other, *both["candidates"]]  # type: ignore[misc]
    first, second = read(both).choices
    assert (first.parts, first.finish) == ([Text("a")], Finished(Finish.STOP))
    assert (second.parts, second.finish) == ([Text("b")], Finished(Finish.LENGTH, choice=1))
    assert second.citations == [Citation("https://x.example", "", {"uri": "https://x.example"}, 1)]


def test_what_is_whole_is_finished_whether_or_not_it_says_so() -> None:
    assert read(response({"text": "a"})).choices[0].finish == Finished(Finish.STOP)
    assert read(response(call("f"))).choices[0].finish == Finished(Finish.TOOL_CALLS)


def test_a_thought_to_the_limit() -> None:
    answer = read_completion(body_of(CAPPED))
    assert answer.outcome.ok
    assert answer.choices[0].parts == []
    assert answer.choices[0].finish.reason is Finish.LENGTH


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (body_of(BLOCKED), Kind.CONTENT_FILTERED),
        (json.dumps(response(finish="SAFETY")).encode(), Kind.CONTENT_FILTERED),
        (json.dumps(response({"text": "x"}, finish="MALFORMED_FUNCTION_CALL")).encode(), Kind.MALFORMED),
        (json.dumps(response(finish="MISSING_THOUGHT_SIGNATURE")).encode(), Kind.BAD_REQUEST),
        (EXHAUSTED, Kind.OVERLOADED),
        (b'{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}', Kind.OVERLOADED),
        (b'{"candidates":[],"error":null}', Kind.MALFORMED),
        (b'{"candidates":[{"index":0}]}', Kind.MALFORMED),
        (b"{}", Kind.MALFORMED),
        (b"<html><title>x</title></html>", Kind.MALFORMED),
        (b"", Kind.MALFORMED),
    ],
)
def test_answers_that_are_none(body: bytes, kind: Kind) -> None:
    assert read_completion(body).outcome.kind is kind


def test_what_was_used_for_a_blocked_prompt_is_known() -> None:
    assert read_completion(body_of(BLOCKED)).usage == Usage(5)


def test_lone_surrogates_are_read() -> None:
    answer = read_completion(b'{"candidates":[{"content":{"parts":[{"text":"a\\ud83d"}]},"finishReason":"STOP"}]}')
    assert answer.choices[0].parts == [Text("a?")]


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    assert not read_completion(data).outcome.ok
    read_completion(b'{"candidates":[{"content":{"parts":[' + data + b"]}}]}")


def test_whole_and_streamed_answers_are_read_alike() -> None:
    whole = json.loads(body_of(THINKING[THINKING.index(b"\r\n\r\n") + 4 :]))
    answer = read(whole)
    assert answer.choices[0].parts == [Text("Paris"), Thinking(redacted="AAAA", vendor="google")]
