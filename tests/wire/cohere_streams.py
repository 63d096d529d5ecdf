"""Streams of Cohere's chat as its SDK types them and recordings show them, content shortened."""

import json
from itertools import pairwise
from typing import Any

USAGE = {
    "billed_units": {"input_tokens": 13.0, "output_tokens": 61.0},
    "tokens": {"input_tokens": 542.0, "output_tokens": 63.0},
    "cached_tokens": 512.0,
}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def say(index: int = 0, **content: str) -> bytes:
    return event("content-delta", index=index, delta={"message": {"content": content}})


def call(kind: str, index: int, **tool: Any) -> bytes:
    return event(f"tool-call-{kind}", index=index, delta={"message": {"tool_calls": tool}})


def end(reason: str | None = "COMPLETE", usage: Any = USAGE, **more: Any) -> bytes:
    return event("message-end", id="c1", delta={"finish_reason": reason, "usage": usage, **more})


BEGIN = event(
    "message-start",
    id="c1",
    delta={"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}},
)
SOURCE = {"type": "document", "id": "d1", "document": {"url": "https://x", "title": "T"}}
CITATION = {"start": 0, "end": 2, "text": "Hi", "sources": [{"type": "tool", "id": "t"}, SOURCE], "type": "TEXT_CONTENT"}
HELLO = (
    BEGIN
    + event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})
    + say(text="Hi")
    + say(text=" there")
    + event("citation-start", index=0, delta={"message": {"citations": CITATION}})
    + event("citation-end", index=0)
    + event("content-end", index=0)
    + end()
)
THINKING = (
    BEGIN
    + event("content-start", index=0, delta={"message": {"content": {"type": "thinking", "thinking": ""}}})
    + say(thinking="hm")
    + event("content-end", index=0)
    + event("content-start", index=1, delta={"message": {"content": {"type": "text", "text": "Y"}}})
    + say(1, text="es")
    + event("content-end", index=1)
    + end()
)
TOOLS = (
    BEGIN
    + event("tool-plan-delta", delta={"message": {"tool_plan": "I will look."}})
    + call("start", 0, id="weather_1", type="function", function={"name": "weather", "arguments": ""})
    + call("delta", 0, function={"arguments": '{"city":'})
    + call("delta", 0, function={"arguments": '"Rome"}'})
    + event("tool-call-end", index=0)
    + call("start", 1, id="time_1", type="function", function={"name": "time", "arguments": "{}"})
    + event("tool-call-end", index=1)
    + end("TOOL_CALL")
)


def cut(stream: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]
