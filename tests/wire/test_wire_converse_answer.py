import json
from typing import Any

import pytest
from wire.converse_judge import read_answer as read_as_botocore

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.wire.converse.format import CONVERSE_FORMAT
from proxy.wire.converse.tools import ANSWER_TOOL
from proxy.wire.dialogue import BEDROCK, Text, Thinking, ToolCall
from proxy.wire.pieces import Citation, Completion, Finish, Finished

USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}


def answer(content: object, reason: str | None = "end_turn", **rest: object) -> bytes:
    message = {"role": "assistant", "content": content}
    body = {"output": {"message": message}, "stopReason": reason, "usage": USAGE, "metrics": {"latencyMs": 1}, **rest}
    return json.dumps(body).encode()


def read(body: bytes) -> Completion:
    return CONVERSE_FORMAT.read_answer(body)


def test_all_kinds_of_parts() -> None:
    body = answer(
        [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}},
            {"reasoningContent": {"redactedContent": "AAAA"}},
            {"text": "Let me see."},
            {"text": ""},
            {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Rome", "n": 1.0}}},
            {"toolUse": {"toolUseId": "t2", "name": "search", "input": {}, "type": "server_tool_use"}},
            {"somethingNew": {"a": 1}},
        ],
        "tool_use",
        serviceTier={"type": "flex"},
        serverToolUsage={},
    )
    parsed = read_as_botocore(body)
    assert parsed["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]["signature"] == "EqQB"
    completion = read(body)
    assert completion.outcome.ok
    choice = completion.choices[0]
    assert choice.parts == [
        Thinking("hm", "EqQB", vendor=BEDROCK),
        Thinking(redacted="AAAA", vendor=BEDROCK),
        Text("Let me see."),
        ToolCall("t1", "weather", '{"city": "Rome", "n": 1.0}'),
    ]
    assert choice.finish == Finished(Finish.TOOL_CALLS)
    assert (completion.usage, completion.service_tier) == (Usage(10, 5, tier="flex"), "flex")


def test_citations() -> None:
    source = {"title": "T", "location": {"web": {"url": "https://x"}}}
    cited = {"content": [{"text": "Rome"}, {"text": None}], "citations": [source]}
    choice = read(answer([{"citationsContent": cited}, {"citationsContent": {}}])).choices[0]
    assert choice.parts == [Text("Rome")]
    assert choice.citations == [Citation("https://x", "T", source)]


def test_the_answers_tool_is_text() -> None:
    call = {"toolUse": {"toolUseId": "t", "name": ANSWER_TOOL, "input": {"a": 1}}}
    choice = read(answer([call], "tool_use")).choices[0]
    assert (choice.parts, choice.finish.reason) == ([Text('{"a": 1}')], Finish.STOP)


def test_calls_without_anything() -> None:
    calls = [{"toolUse": {}}, {"toolUse": {"name": "f", "input": None}}]
    assert read(answer(calls)).choices[0].parts == [ToolCall("call_0", "", "{}"), ToolCall("call_1", "f", "{}")]


def test_reasoning_that_nobody_sealed() -> None:
    parts = read(answer([{"reasoningContent": {"reasoningText": {"text": "hm", "signature": ""}}}])).choices[0].parts
    assert parts == [Thinking("hm", None, vendor=BEDROCK)]
    assert read(answer([{"reasoningContent": {}}])).choices[0].parts == []


def test_empty_answers_are_told_by_their_finish() -> None:
    completion = read(answer([], "guardrail_intervened", usage=None))
    assert completion.choices[0].finish.reason is Finish.CONTENT_FILTER
    assert (completion.choices[0].parts, completion.usage) == ([], None)
    assert read(answer(None)).choices[0].parts == []
    assert read(b'{"output":{"message":{"content":[{"text":"x"}]}}}').choices[0].finish.reason is Finish.STOP


def test_cached_tokens_are_input() -> None:
    usage: dict[str, Any] = {**USAGE, "cacheReadInputTokens": 60, "cacheWriteInputTokens": 40}
    assert read(answer([{"text": "x"}], usage=usage)).usage == Usage(110, 5, 60, 40)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.MALFORMED),
        (b"<html><title>502</title></html>", Kind.MALFORMED),
        (b"{}", Kind.MALFORMED),
        (b"[]", Kind.MALFORMED),
        (b"\xff", Kind.MALFORMED),
        (b'{"stopReason":"\\ud83d","output":1}', Kind.MALFORMED),
        (b"[" * 10_000, Kind.MALFORMED),
        (b'{"output":{}}', Kind.MALFORMED),
        (b'{"output":1,"message":"Too many requests, please wait."}', Kind.SERVER_ERROR),
        (b'{"message":"Input is too long for requested model."}', Kind.CONTEXT_TOO_LONG),
        (b'{"__type":"com.amazon#ThrottlingException","message":"Too many requests"}', Kind.RATE_LIMITED),
        (answer([{"text": "x"}], "malformed_tool_use"), Kind.MALFORMED),
    ],
)
def test_what_is_no_answer(body: bytes, kind: Kind) -> None:
    assert read(body).outcome.kind is kind


def test_half_an_emoji_can_be_read() -> None:
    assert read(b'{"output":{"message":{"content":[{"text":"\\ud83d"}]}}}').choices[0].parts == [Text("?")]
