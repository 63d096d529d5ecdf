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
        if value["type"] == "ping":
            continue
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


# Streams as recorded (section 2.5 of the format's description), shortened; every event is padded as Anthropic does it.

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x","id":"msg_01","type":"message",'
    b'"role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":43,'
    b'"cache_creation_input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1}}    }\n\n'
)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"         }\n\n'


def begin(index: int, **block: Any) -> bytes:
    return event({"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, **what: Any) -> bytes:
    return event({"type": "content_block_delta", "index": index, "delta": what})


def close(index: int) -> bytes:
    return event({"type": "content_block_stop", "index": index})


def finish(reason: str = "end_turn", output: int = 282, **rest: Any) -> bytes:
    usage = {"input_tokens": None, "cache_read_input_tokens": 7, "output_tokens": output}
    usage |= {"output_tokens_details": {"thinking_tokens": 40}} if output > 40 else {}
    return event({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **rest}, "usage": usage})


def text(index: int, *pieces: str) -> bytes:
    deltas = [delta(index, type="text_delta", text=piece) for piece in pieces]
    return begin(index, type="text", text="") + b"".join(deltas) + close(index)


THOUGHT = (
    begin(0, type="thinking", thinking="", signature="")
    + PING
    + delta(0, type="thinking_delta", thinking="This")
    + delta(0, type="thinking_delta", thinking=" is")
    + delta(0, type="signature_delta", signature="EvMC")
    + close(0)
)
TOOL = (
    begin(2, type="tool_use", id="toolu_1", name="f", input={}, caller={"type": "direct"})
    + delta(2, type="input_json_delta", partial_json="")
    + delta(2, type="input_json_delta", partial_json='{"x":')
    + delta(2, type="input_json_delta", partial_json="1.10}")
    + close(2)
)
HELLO = START + PING + text(0, "He", "y ä") + finish() + STOP
AGENT = START + THOUGHT + text(1, "I") + TOOL + finish("tool_use") + STOP
OVERLOADED = event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
STREAMS = {
    "hello": HELLO,
    "agent": AGENT,
    "omitted": START + begin(0, type="thinking", thinking="", signature="") + delta(0, type="signature_delta", signature="E")
    + close(0) + text(1, "a") + finish() + STOP,
    "redacted": START + begin(0, type="redacted_thinking", data="R") + close(0) + text(1, "a") + finish() + STOP,
    "server_tools": START + begin(0, type="server_tool_use", id="s", name="web_search", input={})
    + delta(0, type="input_json_delta", partial_json='{"query":"q"}') + close(0)
    + begin(1, type="web_search_tool_result", tool_use_id="s", content=[]) + close(1)
    + begin(2, type="text", text="", citations=[])
    + delta(2, type="citations_delta", citation={"type": "web_search_result_location", "url": "https://x", "title": "t",
                                                  "cited_text": "c", "encrypted_index": "E"})
    + delta(2, type="text_delta", text="found") + close(2) + finish("pause_turn") + STOP,
    "refusal": START + text(0, "I") + finish("refusal", stop_details={"type": "refusal", "explanation": "no"}) + STOP,
    "crlf": HELLO.replace(b"\n", b"\r\n"),
    "unknown": START + event({"type": "brand_new", "x": 1}) + text(0, "a") + b": comment\n\n" + finish() + STOP,
}  # fmt: skip
