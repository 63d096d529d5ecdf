"""What stands in an answer, whole or streamed, in each format that clients speak."""

import json

import pytest

from proxy.core.endpoints import Endpoint
from proxy.core.escalation import Examined
from proxy.wire.examining import examine

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def chat(finish: str | None = "stop", logprobs: object = None, **message: object) -> dict[str, object]:
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    return {"choices": [choice, {"index": 1, "message": {"content": "other"}, "finish_reason": "length"}]}


WHOLE = [
    (Endpoint.CHAT, chat(content="Hi"), Examined("r", "t", "Hi", "stop")),
    (Endpoint.CHAT, chat("tool_calls", content=None, tool_calls=[CALL]), Examined("r", "t", "", "tool_calls", tools=True)),
    (Endpoint.CHAT, chat(refusal="No"), Examined("r", "t", "", "stop", refused=True)),
    (
        Endpoint.CHAT,
        chat(content="Hi", logprobs={"content": [{"logprob": -1.0}, {"logprob": -3}, {"logprob": None}]}),
        Examined("r", "t", "Hi", "stop", logprob=-2.0),
    ),
    (Endpoint.CHAT, {"choices": None}, Examined("r", "t", "")),
    (Endpoint.CHAT, [], Examined("r", "t", "")),
    (Endpoint.COMPLETIONS, {"choices": [{"text": "Hi", "finish_reason": "stop"}]}, Examined("r", "t", "Hi", "stop")),
    (
        Endpoint.MESSAGES,
        {"content": [{"type": "thinking", "text": "hm"}, {"type": "text", "text": "Hi"}], "stop_reason": "end_turn"},
        Examined("r", "t", "Hi", "end_turn"),
    ),
    (
        Endpoint.MESSAGES,
        {"content": [{"type": "tool_use"}], "stop_reason": "tool_use"},
        Examined("r", "t", "", "tool_use", tools=True),
    ),
    (Endpoint.MESSAGES, {"content": [], "stop_reason": "refusal"}, Examined("r", "t", "", "refusal", refused=True)),
    (
        Endpoint.RESPONSES,
        {"status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]},
        Examined("r", "t", "Hi", "completed"),
    ),
    (
        Endpoint.RESPONSES,
        {
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [{"type": "function_call"}, {"type": "message", "content": [{"type": "refusal", "refusal": "No"}]}],
        },
        Examined("r", "t", "", "max_output_tokens", tools=True, refused=True),
    ),
]


@pytest.mark.parametrize(("endpoint", "answer", "expected"), WHOLE)
def test_whole(endpoint: Endpoint, answer: object, expected: Examined) -> None:
    assert examine(endpoint, json.dumps(answer).encode(), False, "r", "t") == expected


def stream(*events: object) -> bytes:
    return (
        b": undimmed waiting\n\n"
        + b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
        + b"data: x\n\n"
    )


def delta(finish: str | None = None, **said: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


STREAMED = [
    (Endpoint.CHAT, [delta(role="assistant"), delta(content="H"), delta(content="i"), delta("stop")], "Hi", "stop"),
    (
        Endpoint.COMPLETIONS,
        [{"choices": [{"text": "Hi"}]}, {"choices": [{"text": "", "finish_reason": "stop"}]}],
        "Hi",
        "stop",
    ),
    (
        Endpoint.MESSAGES,
        [
            {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        ],
        "Hi",
        "end_turn",
    ),
    (
        Endpoint.RESPONSES,
        [
            {"type": "response.output_text.delta", "delta": "H"},
            {
                "type": "response.completed",
                "response": {"status": "completed", "output": [{"content": [{"type": "output_text", "text": "Hi"}]}]},
            },
        ],
        "Hi",
        "completed",
    ),
]


@pytest.mark.parametrize(("endpoint", "events", "text", "finish"), STREAMED)
def test_streamed(endpoint: Endpoint, events: list[object], text: str, finish: str) -> None:
    assert examine(endpoint, stream(*events), True, "r", "t") == Examined("r", "t", text, finish)
