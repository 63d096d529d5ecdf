"""What a model at Bedrock would say: Converse answers, whole or as frames of AWS's event stream, Claude's own, embeddings.

The same model as in `answers.py`, one word per token, in the shapes of recorded streams: no start for blocks of text, usage
in a frame behind the reason to stop, and in every payload a padding of changing length. What a stream has failed by comes
as an exception frame. The model's name is part of the path (`/model/anthropic.claude-x/converse-stream`).
"""

from base64 import b64encode
from dataclasses import replace
from json import dumps, loads

import msgspec

from proxy.rehearse import anthropic_answers
from proxy.rehearse.answers import Asked, Reply, say_word
from proxy.rehearse.behaviour import Style
from proxy.rehearse.calls import CALLING, Fragment, list_calls, name_call, plan_calls
from proxy.rehearse.cloud_errors import CLOUD_ERRORS
from proxy.wire.eventstream import write_frame

VERBS = ("/converse", "/converse-stream", "/invoke", "/invoke-with-response-stream")
STREAM_TYPE = b"application/vnd.amazon.eventstream"
SIGNATURE = "EqQBCkYIARgCKkBzaW11bGF0ZWQ="
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"
_DIMENSIONS = 16


def compose(asked: Asked, identity: str, chunks: int, style: Style = Style.TEXT) -> Reply:
    """The answer to a request; `maxTokens` may end it sooner than after `chunks` tokens."""
    if asked.body.anthropic_version is not None:
        return _pack(asked, identity, chunks, style)
    if asked.path.endswith("/invoke"):
        return Reply(whole=_embeddings(asked))
    config = asked.body.inference_config
    count = min(chunks, (config.max_tokens if config is not None else None) or chunks)
    speech = _Speech(asked, identity, count, count < chunks, style)
    return speech.events() if asked.streams else speech.whole()


def error_event(failure: str) -> bytes:
    """An exception in the middle of a stream: its name begins small there."""
    known = failure if failure.startswith("bedrock_") and failure in CLOUD_ERRORS else "bedrock_internal"
    _, _, body, headers = CLOUD_ERRORS[known]
    name = headers[1][1].decode().partition(":")[0]
    return write_frame(
        {
            ":exception-type": name[0].lower() + name[1:],
            ":content-type": "application/json",
            ":message-type": "exception",
        },
        body,
    )


def _pack(asked: Asked, identity: str, chunks: int, style: Style) -> Reply:
    """Claude's own answer: each of its events in a frame."""
    body = msgspec.structs.replace(asked.body, stream=asked.streams, model=asked.path.split("/")[-2])
    reply = anthropic_answers.compose(replace(asked, body=body), identity, chunks, style)
    if not asked.streams:
        return reply
    last = reply.finish + anthropic_answers.MESSAGE_STOP
    return replace(
        reply, opening=_frame(reply.opening), pieces=[_frame(piece) for piece in reply.pieces], finish=_frame(last)
    )


def _frame(events: bytes) -> bytes:
    """Server-sent events as frames; pings are not among them."""
    packed = b""
    for place, event in enumerate(events.split(b"\n\n")):
        data = event.partition(b"data: ")[2].strip()
        if data and b'"ping"' not in data:
            packed += _event("chunk", place, bytes=b64encode(data).decode())
    return packed


class _Speech:
    """One answer."""

    def __init__(self, asked: Asked, identity: str, count: int, cut: bool, style: Style) -> None:
        self.asked = asked
        self.identity = identity
        self.count = count
        self.style = style
        self.stop = "tool_use" if style in CALLING else "max_tokens" if cut else "end_turn"
        self.thoughts = count // 2 if style is Style.REASONING else 0

    def usage(self) -> dict[str, object]:
        given = self.asked.input_tokens
        return {"inputTokens": given, "outputTokens": self.count, "totalTokens": given + self.count}

    def events(self) -> Reply:
        opening = _event("messageStart", 3, role="assistant")
        finish = _event("contentBlockStop", 5, contentBlockIndex=self._last_block)
        finish += _event("messageStop", 7, stopReason=self.stop)
        usage = _event("metadata", 11, usage=self.usage(), metrics={"latencyMs": 400})
        return Reply(opening, [self._piece(place) for place in range(self.count)], finish, usage, b"", self.count)

    @property
    def _last_block(self) -> int:
        plan = plan_calls(self.count, self.style)
        return plan[-1].call if plan else 1 if self.thoughts else 0

    def _piece(self, place: int) -> bytes:
        if self.style in CALLING:
            return self._call_piece(place, plan_calls(self.count, self.style)[place])
        if place < self.thoughts:
            return self._delta(place, 0, {"reasoningContent": {"text": say_word(place, self.style)}})
        seal = b""
        if place == self.thoughts and self.thoughts:
            seal = self._delta(place, 0, {"reasoningContent": {"signature": SIGNATURE}})
            seal += _event("contentBlockStop", place, contentBlockIndex=0)
        return seal + self._delta(place, self._last_block, {"text": say_word(place, self.style)})

    def _call_piece(self, place: int, fragment: Fragment) -> bytes:
        call, opening = fragment.call, b""
        if fragment.opens:
            if call:
                opening = _event("contentBlockStop", place, contentBlockIndex=call - 1)
            start = {"toolUse": self._call(call, fragment.name)}
            opening += _event("contentBlockStart", place, start=start, contentBlockIndex=call)
        return opening + self._delta(place, call, {"toolUse": {"input": fragment.text}})

    def _call(self, call: int, name: str) -> dict[str, object]:
        return {"toolUseId": name_call("tooluse", self.identity, call), "name": name}

    def _delta(self, place: int, block: int, delta: dict[str, object]) -> bytes:
        return _event("contentBlockDelta", place, contentBlockIndex=block, delta=delta)

    def whole(self) -> Reply:
        content: list[dict[str, object]] = []
        if self.style in CALLING:
            for at, (name, arguments) in enumerate(list_calls(self.count, self.style)):
                content.append({"toolUse": {**self._call(at, name), "input": loads(arguments)}})
        else:
            words = [say_word(place, self.style) for place in range(self.count)]
            if self.thoughts:
                thought = {"text": "".join(words[: self.thoughts]), "signature": SIGNATURE}
                content.append({"reasoningContent": {"reasoningText": thought}})
            content.append({"text": "".join(words[self.thoughts :])})
        body = {
            "metrics": {"latencyMs": 400},
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": self.stop,
            "usage": self.usage(),
        }
        return Reply(whole=_json(body), output=self.count)


def _embeddings(asked: Asked) -> bytes:
    texts = asked.body.texts
    rows = [
        [((index + 1) * (place + 3) % 17) / 17 - 0.5 for place in range(_DIMENSIONS)] for index in range(len(texts or " "))
    ]
    if texts is None:  # Titan
        return _json({"embedding": rows[0], "inputTextTokenCount": asked.input_tokens})
    return _json({"embeddings": {"float": rows}, "id": "e1", "response_type": "embeddings_by_type"})


def _event(kind: str, place: int, **fields: object) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return write_frame(headers, _json({**fields, "p": _PADDING[: place * 7 % len(_PADDING)]}))


def _json(value: object) -> bytes:
    return dumps(value, separators=(",", ":")).encode()
