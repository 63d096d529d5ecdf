"""Calls, requests and streams of the Messages format, and the official SDK as their judge."""

import json
from collections.abc import Sequence
from typing import Any, cast

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from pydantic import TypeAdapter

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.wire.anthropic.envelope import read_envelope
from proxy.wire.anthropic.request import read_request
from proxy.wire.dialogue import Dialogue

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_REQUEST: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsNonStreaming)
_STREAMED: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)


def body(messages: Sequence[object] = ({"role": "user", "content": "hi"},), **fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": list(messages), **fields}, separators=(",", ":")).encode()


def make_call(payload: bytes = body()) -> Call:
    call = Call("id7", Endpoint.MESSAGES, read_envelope(payload, Endpoint.MESSAGES), {})
    call.dialogue = read_request(call.envelope)
    return call


def read(messages: Sequence[object] = ({"role": "user", "content": "hi"},), **fields: object) -> Dialogue:
    """The dialogue of a request."""
    return read_request(read_envelope(body(messages, **fields), Endpoint.MESSAGES))


def event(value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), json.dumps(value, separators=(",", ":")).encode())


def parse(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each of which must be named as what it is."""
    events = []
    for part in stream.split(b"\n\n")[:-1]:
        name, data = part.split(b"\n")
        value = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + value["type"].encode()
        events.append(value)
    return events


def accumulate(stream: bytes) -> Message:
    """What the official SDK makes of a stream: every event valid, blocks strictly one after the other."""
    message: Any = None
    buffers: dict[int, bytes] = {}
    opened: list[int] = []
    closed = 0
    for value in parse(stream):
        parsed = _EVENT.validate_python(value)
        if value["type"] == "content_block_start":
            assert value["index"] == len(opened) == closed
            opened.append(value["index"])
        elif value["type"] == "content_block_delta":
            assert value["index"] == closed == len(opened) - 1
        elif value["type"] == "content_block_stop":
            assert value["index"] == closed
            closed += 1
        if value["type"] != "message_stop":
            message = accumulate_event(event=parsed, current_snapshot=message, json_bufs=buffers)
    assert closed == len(opened)
    return cast(Message, message)


def judge_request(value: dict[str, Any]) -> None:
    """Whether the official SDK's own types would let this request be sent, unknown keys and all."""
    # In the types of the newest version of the API there is no sampling any more.
    value = {name: inner for name, inner in value.items() if name not in ("temperature", "top_p", "top_k")}
    assert _exhaust((_STREAMED if value.get("stream") else _REQUEST).validate_python(value)) == value


def _exhaust(value: Any) -> Any:
    """Iterables are judged only when somebody iterates."""
    if isinstance(value, dict):
        return {name: _exhaust(inner) for name, inner in value.items()}
    return value if isinstance(value, str | int | float | None) else [_exhaust(inner) for inner in value]
