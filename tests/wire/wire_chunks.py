"""Chunks and streams for the readers' tests."""

import json

from proxy.wire.openai_chat import ChatStreamReader
from proxy.wire.openai_stream import Asked


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def chunk(delta: dict[str, object] | None = None, finish: str | None = None, index: int = 0, **rest: object) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return event({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **rest})


HELLO = chunk({"role": "assistant", "content": ""}) + chunk({"content": "Hello"}) + chunk(finish="stop")


def read(stream: bytes | list[bytes], asked: Asked = Asked()) -> tuple[ChatStreamReader, bytes]:  # noqa: B008
    reader = ChatStreamReader(asked)
    parts = [stream] if isinstance(stream, bytes) else stream
    return reader, b"".join([reader.feed(part) for part in parts])
