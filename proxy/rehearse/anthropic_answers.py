"""What a model would say in Anthropic's Messages format: whole or as events, as `answers.py` does for OpenAI's.

Shapes and order are those of recorded streams: `message_start` with the input's usage and one token of output, blocks one
after the other, `message_delta` with cumulative usage, and padding blanks behind the JSON of an event.
"""

from json import dumps, loads

from proxy.rehearse.answers import Asked, Reply, say_word
from proxy.rehearse.behaviour import Style
from proxy.rehearse.calls import CALLING, list_calls, name_call, plan_calls
from proxy.rehearse.vendor_errors import ERRORS

MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"      }\n\n'
SIGNATURE = "EvMCCkYICRgCKkBzaW11bGF0ZWQ="


def compose(asked: Asked, identity: str, chunks: int, style: Style = Style.TEXT) -> Reply:
    """The answer to `POST /v1/messages`; `max_tokens` may end it sooner than after `chunks` tokens."""
    if asked.method == "GET":
        return Reply(whole=_models())
    if asked.path.endswith("/count_tokens"):
        return Reply(whole=_json({"input_tokens": asked.input_tokens}))
    count = min(chunks, asked.body.max_tokens or chunks)
    speech = _Speech(asked, identity, count, count < chunks, style)
    return speech.events() if asked.body.stream else speech.whole()


def error_event(failure: str) -> bytes:
    """An error in the middle of a stream, its body as a whole answer would have it."""
    known = failure if failure.startswith("anthropic_") and failure in ERRORS else "anthropic_overloaded"
    return b"event: error\ndata: " + ERRORS[known].body + b"\n\n"


def _json(value: object) -> bytes:
    return dumps(value, separators=(",", ":")).encode()


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\n".encode() + b"data: " + _json({"type": kind, **fields}) + b"   \n\n"


class _Speech:
    def __init__(self, asked: Asked, identity: str, count: int, cut: bool, style: Style) -> None:
        self.asked = asked
        self.identity = f"msg_{identity}"
        self.name = identity
        self.count = count
        self.style = style
        self.stop = "tool_use" if style in CALLING else "max_tokens" if cut else "end_turn"
        self.thoughts = count // 2 if style is Style.REASONING else 0

    def usage(self, output: int) -> dict[str, object]:
        return {
            "input_tokens": self.asked.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output,
        }

    def message(self, content: list[object], stop: str | None, output: int) -> dict[str, object]:
        return {
            "id": self.identity,
            "type": "message",
            "role": "assistant",
            "model": self.asked.body.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": self.usage(output),
        }

    def events(self) -> Reply:
        opening = _event("message_start", message=self.message([], None, 1)) + b'event: ping\ndata: {"type": "ping"}\n\n'
        finish = _event("content_block_stop", index=self._last_block())
        finish += _event(
            "message_delta",
            delta={"stop_reason": self.stop, "stop_sequence": None},
            usage=self.usage(self.count),
        )
        return Reply(opening, self._pieces(), finish, b"", b"", self.count)

    def _last_block(self) -> int:
        if self.style is Style.PARALLEL:
            return plan_calls(self.count, self.style)[-1].call
        return 1 if self.thoughts else 0

    def _pieces(self) -> list[bytes]:
        if self.style in CALLING:
            return self._call_pieces()
        pieces: list[bytes] = []
        for position in range(self.count):
            piece = b""
            if position == 0 or position == self.thoughts:
                piece = self._open_block(position)
            pieces.append(piece + self._delta(position))
        return pieces

    def _open_block(self, position: int) -> bytes:
        if position < self.thoughts:
            return _event(
                "content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}
            )
        seal = b""
        if self.thoughts:
            seal = _event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": SIGNATURE})
            seal += _event("content_block_stop", index=0)
        block = {"type": "text", "text": ""}
        return seal + _event("content_block_start", index=self._last_block(), content_block=block)

    def _call_pieces(self) -> list[bytes]:
        pieces: list[bytes] = []
        for fragment in plan_calls(self.count, self.style):
            piece = b""
            if fragment.opens:
                if fragment.call:
                    piece = _event("content_block_stop", index=fragment.call - 1)
                block = self._call(fragment.call, fragment.name)
                piece += _event("content_block_start", index=fragment.call, content_block=block)
            delta = {"type": "input_json_delta", "partial_json": fragment.text}
            pieces.append(piece + _event("content_block_delta", index=fragment.call, delta=delta))
        return pieces

    def _call(self, call: int, name: str) -> dict[str, object]:
        return {"type": "tool_use", "id": name_call("toolu", self.name, call), "name": name, "input": {}}

    def _delta(self, position: int) -> bytes:
        word = say_word(position, self.style)
        if position < self.thoughts:
            return _event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": word})
        return _event("content_block_delta", index=self._last_block(), delta={"type": "text_delta", "text": word})

    def whole(self) -> Reply:
        content: list[object] = []
        if self.style in CALLING:
            for at, (name, arguments) in enumerate(list_calls(self.count, self.style)):
                content.append({**self._call(at, name), "input": loads(arguments)})
        else:
            thought = "".join(say_word(position, self.style) for position in range(self.thoughts))
            if thought:
                content.append({"type": "thinking", "thinking": thought, "signature": SIGNATURE})
            text = "".join(say_word(position, self.style) for position in range(self.thoughts, self.count))
            content.append({"type": "text", "text": text})
        return Reply(whole=_json(self.message(content, self.stop, self.count)), output=self.count)


def _models() -> bytes:
    model = {"type": "model", "id": "lamp-1", "display_name": "Lamp 1", "created_at": "2026-01-01T00:00:00Z"}
    return _json({"data": [model], "has_more": False, "first_id": "lamp-1", "last_id": "lamp-1"})
