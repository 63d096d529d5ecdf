"""A provider that answers like OpenAI's chat, with everything an SDK may ask for, and always the same.

Tools are called once, with the arguments of `CITY`; an answer of a schema is that city too.
"""

import base64
import json
import struct
from typing import Any

from support.raw_server import Peer

CITY = {"name": "Paris", "rooms": 3}
USAGE = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}


def _message(asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    value = json.dumps(CITY)
    if asked.get("tools") and asked["messages"][-1]["role"] != "tool":
        call = {"id": "call_1", "type": "function", "function": {"name": asked["tools"][0]["function"]["name"]}}
        call["function"]["arguments"] = value  # type: ignore[index]
        return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}, "tool_calls"
    text = value if "response_format" in asked else f"Höllo 🎉, {len(asked['messages'])} messages"
    return {"role": "assistant", "content": text, "refusal": None}, "stop"


def _whole(asked: dict[str, Any]) -> bytes:
    message, finish = _message(asked)
    logprobs = {"content": [{"token": "H", "logprob": -0.5, "bytes": [72], "top_logprobs": []}], "refusal": None}
    choices = [
        {
            "index": index,
            "message": message,
            "logprobs": logprobs if asked.get("logprobs") else None,
            "finish_reason": finish,
        }
        for index in range(asked.get("n") or 1)
    ]
    answer = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m-1", "choices": choices, "usage": USAGE}
    # Indented, with a field nobody knows: bytes that a proxy which decodes and encodes again would change.
    return json.dumps({**answer, "x_vendor": {"price": 1.10}}, indent=2, ensure_ascii=False).encode()


def _events(asked: dict[str, Any]) -> list[bytes]:
    message, finish = _message(asked)
    with_usage = bool((asked.get("stream_options") or {}).get("include_usage"))

    def event(choices: list[dict[str, Any]], usage: object = None) -> bytes:
        chunk = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices}
        if with_usage:
            chunk["usage"] = usage
        return b"data: " + json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"

    def delta(index: int, inner: dict[str, Any], finish: str | None = None) -> bytes:
        return event([{"index": index, "delta": inner, "logprobs": None, "finish_reason": finish}])

    indexes = range(asked.get("n") or 1)
    events = [delta(index, {"role": "assistant", "content": None if finish == "tool_calls" else ""}) for index in indexes]
    if finish == "tool_calls":
        call = message["tool_calls"][0]
        arguments = call["function"]["arguments"]
        first = {"index": 0, "id": "call_1", "type": "function", "function": {**call["function"], "arguments": ""}}
        events.append(delta(0, {"tool_calls": [first]}))
        pieces = [arguments[at : at + 5] for at in range(0, len(arguments), 5)]
        events += [delta(0, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces]
    else:
        text = message["content"]
        events += [delta(i, {"content": text[at : at + 4]}) for at in range(0, len(text), 4) for i in indexes]
    events += [delta(index, {}, finish) for index in indexes]
    if with_usage:
        events.append(event([], USAGE))
    return [*events, b"data: [DONE]\n\n"]


def _embeddings(asked: dict[str, Any]) -> bytes:
    vector: Any = [0.25, -1.5, 3.0]
    if asked.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<3f", *vector)).decode()
    inputs = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(inputs))]
    return json.dumps(
        {"object": "list", "data": data, "model": "m-1", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    ).encode()


def _completion(asked: dict[str, Any]) -> bytes:
    prompts = asked["prompt"] if isinstance(asked["prompt"], list) else [asked["prompt"]]
    choices = [{"text": " on", "index": i, "logprobs": None, "finish_reason": "length"} for i in range(len(prompts))]
    return json.dumps({"id": "t-1", "object": "text_completion", "created": 1, "model": "m-1", "choices": choices}).encode()


class Vendor:
    """The scripted provider; `bodies` are the requests it has seen, decoded, `raw` the last one's bytes."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.raw = b""

    async def serve(self, peer: Peer) -> None:
        while True:
            head, self.raw = await peer.request()
            path = head.split(b" ", 2)[1]
            asked = json.loads(self.raw)
            self.bodies.append(asked)
            if path.endswith(b"/embeddings"):
                await self._reply(peer, _embeddings(asked))
            elif asked.get("refuse"):
                words = {"message": "Unknown parameter: 'refuse'.", "type": "invalid_request_error"}
                await self._reply(peer, json.dumps({"error": {**words, "param": "refuse", "code": "unknown"}}).encode(), 400)
            elif path.endswith(b"/chat/completions"):
                await (self._stream(peer, asked) if asked.get("stream") else self._reply(peer, _whole(asked)))
            else:
                await self._reply(peer, _completion(asked))

    @staticmethod
    async def _reply(peer: Peer, body: bytes, status: int = 200) -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: %d\r\n\r\n"
        await peer.send(head % (status, len(body)) + body)

    @staticmethod
    async def _stream(peer: Peer, asked: dict[str, Any]) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in _events(asked)]
        await peer.send(head, *chunks, b"0\r\n\r\n")
