"""Streams of ConverseStream as recorded, content shortened; every payload with its padding."""

import json
from itertools import pairwise
from typing import Any

from proxy.wire.eventstream import write_frame


def event(kind: str, **fields: object) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return write_frame(headers, json.dumps({**fields, "p": "abcdefgh"}).encode())


def exception(kind: str, **fields: object) -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return write_frame(headers, json.dumps(fields).encode())


def delta(index: int = 0, **inner: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=inner)


def start(index: int, call: str, name: str, **more: str) -> bytes:
    tool = {"toolUseId": call, "name": name, **more}
    return event("contentBlockStart", contentBlockIndex=index, start={"toolUse": tool})


def stop(reason: str = "end_turn") -> bytes:
    return event("messageStop", stopReason=reason)


def close(index: int = 0) -> bytes:
    return event("contentBlockStop", contentBlockIndex=index)


BEGIN = event("messageStart", role="assistant")
METADATA = event(
    "metadata",
    usage={
        "inputTokens": 10,
        "outputTokens": 5,
        "totalTokens": 115,
        "cacheReadInputTokens": 60,
        "cacheWriteInputTokens": 40,
    },
    metrics={"latencyMs": 300},
)
HELLO = BEGIN + delta(text="Hel") + delta(text="lo") + close() + stop() + METADATA
THINKING = (
    BEGIN
    + delta(reasoningContent={"text": "hm"})
    + delta(reasoningContent={"text": "m"})
    + delta(reasoningContent={"signature": "EqQB"})
    + close()
    + delta(1, reasoningContent={"redactedContent": "AAAA"})
    + close(1)
    + delta(2, text="Hi")
    + close(2)
    + stop()
    + METADATA
)
TOOLS = (
    BEGIN
    + delta(text="Let me see.")
    + close()
    + start(1, "tooluse_1", "weather")
    + delta(1, toolUse={"input": '{"city":'})
    + delta(1, toolUse={"input": ' "Rome"}'})
    + close(1)
    + start(2, "tooluse_2", "time")
    + delta(2, toolUse={"input": ""})
    + close(2)
    + stop("tool_use")
    + METADATA
)


def cut(stream: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]
