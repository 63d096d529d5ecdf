"""Calls, answers and event streams of the Responses API for tests."""

import json
from typing import Any

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage
from proxy.wire.formats import FORMATS
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)

CALL_ID = "0123456789abcdef01234567"


def envelope(**fields: object) -> Envelope:
    body = json.dumps({"model": "public", "input": "hi", **fields}).encode()
    return FORMATS[Endpoint.RESPONSES].read_envelope(body, Endpoint.RESPONSES)


def call(**fields: object) -> Call:
    return Call(CALL_ID, Endpoint.RESPONSES, envelope(**fields), {}, wall=1_700_000_000.5)


def parse(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each with its name checked against its data."""
    found = []
    for block in stream.decode().split("\n\n"):
        if not block:
            continue
        name, data = block.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert isinstance(value, dict)
        assert name == f"event: {value['type']}"
        found.append(value)
    return found


BEGAN = Began("chatcmpl-1", "vendor-model", 1_700_000_001)
SPENT = Spent(Usage(10, 5, cached=3, cache_write=1, reasoning=2))

#: Answers in pieces, by what they are about.
PLAYS: dict[str, list[Piece]] = {
    "text": [BEGAN, TextPiece("Hel"), TextPiece(""), TextPiece('lo "é"\n'), Finished(Finish.STOP), SPENT],
    "stop sequence": [BEGAN, TextPiece("a"), Finished(Finish.STOP_SEQUENCE, "###"), SPENT],
    "length": [BEGAN, TextPiece("cut o"), Finished(Finish.LENGTH), SPENT],
    "filtered": [BEGAN, TextPiece("well"), Finished(Finish.CONTENT_FILTER)],
    "paused": [BEGAN, TextPiece("wait"), Finished(Finish.PAUSE)],
    "nothing but a filter": [BEGAN, Finished(Finish.CONTENT_FILTER), SPENT],
    "refusal": [BEGAN, RefusalPiece("I can"), RefusalPiece("'t"), Finished(Finish.STOP), SPENT],
    "refused beside the answer": [BEGAN, TextPiece("Well, "), Finished(Finish.REFUSAL, explanation="not this"), SPENT],
    "refused without a word": [BEGAN, TextPiece("Well, "), Finished(Finish.REFUSAL), SPENT],
    "thinking": [
        BEGAN,
        ThinkingPiece("hm"),
        ThinkingPiece(" …"),
        ThinkingSealed("c2ln", None, "anthropic"),
        TextPiece("4"),
        Finished(Finish.STOP),
        SPENT,
    ],
    "thinking, unsealed": [BEGAN, ThinkingPiece("hm"), ThinkingPiece(""), TextPiece("4"), Finished(Finish.STOP), SPENT],
    "thinking, sealed with nothing": [
        BEGAN,
        ThinkingPiece("hm"),
        ThinkingSealed(None, None, ""),
        TextPiece("4"),
        Finished(Finish.STOP),
    ],
    "thinking, redacted": [
        BEGAN,
        ThinkingSealed(None, "b3BhcXVl", "anthropic"),
        ThinkingSealed(None, None, ""),
        TextPiece("4"),
        Finished(Finish.STOP),
    ],
    "redacted after thinking": [
        BEGAN,
        ThinkingPiece("hm"),
        ThinkingSealed(None, "b3BhcXVl", "anthropic"),
        Finished(Finish.LENGTH),
    ],
    "a seal after the text": [BEGAN, TextPiece("4"), ThinkingSealed("g", None, "google"), Finished(Finish.STOP), SPENT],
    "a call": [
        BEGAN,
        TextPiece("Let me look."),
        CallBegan(0, "call_1", "weather"),
        CallPiece(0, '{"city":'),
        CallPiece(0, '"Oslo"}'),
        Finished(Finish.TOOL_CALLS),
        SPENT,
    ],
    "calls one after the other": [
        BEGAN,
        CallBegan(0, "call_1", "weather"),
        CallPiece(0, '{"city":"Oslo"}'),
        CallBegan(1, "call_2", "time", signature="Z2VtaW5p"),
        CallPiece(1, "{}"),
        CallPiece(0, "  "),
        Finished(Finish.TOOL_CALLS),
    ],
    "calls in turn": [
        BEGAN,
        CallBegan(0, "call_1", "weather"),
        CallPiece(0, '{"city":'),
        CallBegan(1, "call_2", "time"),
        CallPiece(1, '{"zone":1'),
        CallPiece(0, '"Oslo"}'),
        CallPiece(1, "}"),
        TextPiece("both"),
        Finished(Finish.TOOL_CALLS),
    ],
    "a call without arguments": [BEGAN, CallBegan(0, "call_1", "now"), CallPiece(0, ""), Finished(Finish.TOOL_CALLS)],
    "a call that was cut": [BEGAN, CallBegan(0, "call_1", "f"), CallPiece(0, '{"a'), Finished(Finish.LENGTH)],
    "a custom call": [
        BEGAN,
        CallBegan(0, "call_1", "patch", custom=True),
        CallPiece(0, "*** Begin"),
        CallPiece(0, " Patch"),
        CallBegan(1, "call_2", "f"),
        CallPiece(1, "[1"),
        CallPiece(1, "]"),
        TextPiece("so"),
        Finished(Finish.TOOL_CALLS),
    ],
    "sources": [
        BEGAN,
        TextPiece("Oslo is a city."),
        Citation("https://a.example", "A"),
        Citation("https://b.example", "B"),
        Citation(raw={"type": "char_location"}),
        TextPiece(" Yes."),
        Citation("https://c.example", "C"),
        RefusalPiece("no more"),
        Citation("https://d.example", "D"),
        Finished(Finish.STOP),
        SPENT,
    ],
    "sources before the text": [
        BEGAN,
        Citation("https://a.example", "A"),
        ThinkingPiece("hm"),
        TextPiece("Oslo"),
        Finished(Finish.STOP),
        SPENT,
    ],
    "other choices": [
        BEGAN,
        TextPiece("a"),
        TextPiece("b", 1),
        ThinkingPiece("c", 1),
        ThinkingSealed("d", choice=1),
        RefusalPiece("e", 1),
        CallBegan(0, "f", "f", choice=1),
        CallPiece(0, "{}", 1),
        Citation("https://a.example", choice=1),
        Finished(Finish.LENGTH, choice=1),
        Finished(Finish.STOP),
    ],
    "no beginning": [TextPiece("a"), Finished(Finish.STOP)],
    "nothing": [],
}

#: Requests whose echo matters.
WISHES: dict[str, dict[str, Any]] = {
    "bare": {},
    "nulls": dict.fromkeys(("instructions", "metadata", "temperature", "text", "tools", "tool_choice", "user")),
    "full": {
        "instructions": "Be brief.",
        "max_output_tokens": 50,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low", "summary": "auto"},
        "temperature": 0.5,
        "top_p": 1,
        "text": {"verbosity": "low"},
        "truncation": "auto",
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "store": True,
        "tools": [
            {"type": "function", "name": "weather"},
            {"type": "function", "name": "time", "parameters": {"type": "object"}, "strict": True, "description": "x"},
            {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"}},
        ],
        "tool_choice": {"type": "function", "name": "weather"},
    },
    "schema": {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}},
    "choice": {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}},
}
