"""Streams of every format that can be joined, written from pieces, and strict listeners that hear what a client would."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from json import loads
from typing import Any

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage
from proxy.wire.anthropic.relay import MessagesReader
from proxy.wire.dialects import CLIENTS
from proxy.wire.openai_chat import ChatStreamReader
from proxy.wire.openai_completions import CompletionStreamReader
from proxy.wire.openai_envelope import read_fields
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Finish,
    Finished,
    Piece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from proxy.wire.reading import StreamReader
from proxy.wire.responses.stream import ResponsesStreamReader

ENDPOINTS = (Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MESSAGES, Endpoint.RESPONSES)
READERS = {
    Endpoint.CHAT: ChatStreamReader,
    Endpoint.COMPLETIONS: CompletionStreamReader,
    Endpoint.MESSAGES: MessagesReader,
    Endpoint.RESPONSES: ResponsesStreamReader,
}


def envelope_of(body: bytes) -> Envelope:
    return Envelope("m", True, True, read_fields(body), body)


def write(endpoint: Endpoint, name: str, pieces: Sequence[Piece], usage: Usage | None = None) -> bytes:
    """A whole stream of a vendor that is called `name`."""
    call = Call(name, endpoint, envelope_of(b'{"model":"m"}'), {})
    encoder = CLIENTS[endpoint].encoder(call)
    spent = [] if usage is None else [Spent(usage)]
    began = Began(f"id-{name}", f"model-{name}", 1_700_000_000)
    return b"".join([encoder.encode([piece]) for piece in (began, *pieces, *spent)]) + encoder.close()


def say(words: Sequence[str], thoughts: Sequence[str] = (), finish: Finish = Finish.STOP) -> list[Piece]:
    thinking: list[Piece] = [ThinkingPiece(thought) for thought in thoughts]
    sealed: list[Piece] = [ThinkingSealed("seal", vendor="other")] if thoughts else []
    return [*thinking, *sealed, *(TextPiece(word) for word in words), Finished(finish)]


def call_tool(words: Sequence[str]) -> list[Piece]:
    called: list[Piece] = [CallBegan(0, "call_1", "light"), CallPiece(0, '{"lamp"'), CallPiece(0, ":1}")]
    return [*(TextPiece(word) for word in words), *called, Finished(Finish.TOOL_CALLS)]


def open_reader(endpoint: Endpoint) -> StreamReader:
    return READERS[endpoint]()


@dataclass
class Heard:
    """What a client makes of a stream. `ends`: how often it was told that it is over."""

    text: str = ""
    thought: str = ""
    arguments: str = ""
    names: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    finishes: list[str] = field(default_factory=list)
    ends: int = 0
    usage: dict[str, Any] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)


def listen(endpoint: Endpoint, data: bytes) -> Heard:
    """Takes in a whole stream. Asserts whatever a strict client relies on."""
    heard = Heard()
    listener = _LISTENERS[endpoint](heard)
    for block in data.split(b"\n\n"):
        lines = [line[6:] for line in block.split(b"\n") if line.startswith(b"data: ")]
        if lines == [b"[DONE]"]:
            heard.ends += 1
        elif lines:
            assert not heard.ends, "an event after the end"
            listener.hear(loads(lines[0]))
    return heard


class _Chunks:
    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def hear(self, event: dict[str, Any]) -> None:
        heard = self.heard
        heard.names.add(event["id"])
        heard.models.add(event["model"])
        heard.usage = event.get("usage") or heard.usage
        for choice in event["choices"]:
            assert not heard.finishes, "a choice after its end"
            assert choice["index"] == 0
            delta = choice.get("delta", {})
            heard.text += delta.get("content") or choice.get("text") or ""
            heard.thought += delta.get("reasoning_content") or ""
            for called in delta.get("tool_calls", ()):
                heard.arguments += called["function"]["arguments"]
            if choice["finish_reason"]:
                heard.finishes.append(choice["finish_reason"])


class _Messages:
    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.open: tuple[int, str] | None = None
        self.count = 0

    def hear(self, event: dict[str, Any]) -> None:
        heard, kind = self.heard, event["type"]
        if kind == "message_start":
            assert not heard.names, "a second message"
            heard.names.add(event["message"]["id"])
            heard.models.add(event["message"]["model"])
            heard.usage = event["message"]["usage"]
        elif kind == "content_block_start":
            assert self.open is None, "a block inside a block"
            assert event["index"] == self.count
            self.open = (event["index"], event["content_block"]["type"])
            self.count += 1
        elif kind == "content_block_delta":
            assert self.open is not None
            assert event["index"] == self.open[0]
            delta = event["delta"]
            heard.text += delta.get("text", "")
            heard.thought += delta.get("thinking", "")
            heard.arguments += delta.get("partial_json", "")
        elif kind == "content_block_stop":
            assert self.open is not None
            assert event["index"] == self.open[0]
            self.open = None
        elif kind == "message_delta":
            assert self.open is None, "the end inside a block"
            heard.finishes.append(event["delta"]["stop_reason"])
            heard.usage = heard.usage | event["usage"]
        elif kind == "message_stop":
            heard.ends += 1


class _Responses:
    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.number = 0
        self.open: dict[int, dict[str, Any]] = {}
        self.texts: dict[tuple[int, int], str] = {}

    def hear(self, event: dict[str, Any]) -> None:
        heard, kind = self.heard, event["type"]
        assert event["sequence_number"] == self.number
        self.number += 1
        if "response" in event:
            heard.names.add(event["response"]["id"])
            heard.models.add(event["response"]["model"])
        place = event.get("output_index", -1)
        if kind == "response.output_item.added":
            assert place == len(self.open) + len(heard.items)
            self.open[place] = event["item"]
        elif kind == "response.output_item.done":
            assert self.open.pop(place)["id"] == event["item"]["id"]
            heard.items.append(event["item"])
        elif kind == "response.output_text.delta":
            assert self.open[place]["id"] == event["item_id"]
            part = (place, event["content_index"])
            assert part in self.texts, "text before its part"
            self.texts[part] += event["delta"]
            heard.text += event["delta"]
        elif kind == "response.content_part.added":
            self.texts[place, event["content_index"]] = ""
        elif kind == "response.output_text.done":
            assert self.texts[place, event["content_index"]] == event["text"]
        elif kind == "response.content_part.done":
            assert self.texts[place, event["content_index"]] == event["part"]["text"]
        elif kind == "response.reasoning_summary_text.delta":
            heard.thought += event["delta"]
        elif kind == "response.function_call_arguments.delta":
            heard.arguments += event["delta"]
        elif kind in ("response.completed", "response.incomplete"):
            assert not self.open, "the end inside an item"
            assert event["response"]["output"] == heard.items
            heard.finishes.append(event["response"]["status"])
            heard.usage = event["response"].get("usage") or {}
            heard.ends += 1


_LISTENERS: dict[Endpoint, Any] = {
    Endpoint.CHAT: _Chunks,
    Endpoint.COMPLETIONS: _Chunks,
    Endpoint.MESSAGES: _Messages,
    Endpoint.RESPONSES: _Responses,
}
