"""What a model of Cohere's would say: answers of `/v2/chat`, whole or as events, and embeddings.

The same model as in `answers.py`, one word per token, in the words of Cohere's SDK: events name their type twice, counts
are floats and come twice, read and billed, and the last event ends the stream.
"""

from json import dumps

from proxy.rehearse.answers import Asked, Reply, say_word
from proxy.rehearse.behaviour import Style
from proxy.rehearse.calls import CALLING, Fragment, list_calls, name_call, plan_calls

PATHS = ("/v2/chat", "/v2/embed")
#: Tokens of Cohere's own instructions, which are read and not billed.
PREAMBLE = 70
_DIMENSIONS = 16


def compose(asked: Asked, identity: str, chunks: int, style: Style = Style.TEXT) -> Reply:
    """The answer to a request; `max_tokens` may end it sooner than after `chunks` tokens."""
    if asked.path.endswith("/v2/embed"):
        return Reply(whole=_embeddings(asked))
    count = min(chunks, asked.body.max_tokens or chunks)
    speech = _Speech(asked, identity, count, count < chunks, style)
    return speech.events() if asked.streams else speech.whole()


def error_event(failure: str) -> bytes:
    """How a stream fails: its end says that it is none."""
    delta = {"finish_reason": "ERROR", "error": f"the generation failed ({failure})"}
    return _event("message-end", id="c1", delta=delta)


class _Speech:
    """One answer."""

    def __init__(self, asked: Asked, identity: str, count: int, cut: bool, style: Style) -> None:
        self.asked = asked
        self.identity = identity
        self.count = count
        self.style = style
        self.finish = "TOOL_CALL" if style in CALLING else "MAX_TOKENS" if cut else "COMPLETE"
        self.thoughts = count // 2 if style is Style.REASONING else 0

    def usage(self) -> dict[str, object]:
        given, said = float(self.asked.input_tokens), float(self.count)
        return {
            "billed_units": {"input_tokens": given, "output_tokens": said},
            "tokens": {"input_tokens": given + PREAMBLE, "output_tokens": said},
            "cached_tokens": 0.0,
        }

    def events(self) -> Reply:
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        opening = _event("message-start", id=self.identity, delta={"message": message})
        pieces = [self._piece(place) for place in range(self.count)]
        end = "tool-call-end" if self.style in CALLING else "content-end"
        finish = _event(end, index=self._last_block)
        finish += _event("message-end", id=self.identity, delta={"finish_reason": self.finish, "usage": self.usage()})
        return Reply(opening, pieces, finish, b"", b"", self.count)

    @property
    def _last_block(self) -> int:
        plan = plan_calls(self.count, self.style)
        return plan[-1].call if plan else 1 if self.thoughts else 0

    def _piece(self, place: int) -> bytes:
        if self.style in CALLING:
            return self._call_piece(plan_calls(self.count, self.style)[place])
        opening = b""
        thinking = place < self.thoughts
        kind, block = ("thinking", 0) if thinking else ("text", self._last_block)
        if place == self.thoughts and self.thoughts:
            opening = _event("content-end", index=0)
        if place in (0, self.thoughts):
            content = {"type": kind, kind: ""}
            opening += _event("content-start", index=block, delta={"message": {"content": content}})
        return opening + _event(
            "content-delta", index=block, delta={"message": {"content": {kind: say_word(place, self.style)}}}
        )

    def _call_piece(self, fragment: Fragment) -> bytes:
        call = {"function": {"arguments": fragment.text}}
        piece = _event("tool-call-delta", index=fragment.call, delta={"message": {"tool_calls": call}})
        if not fragment.opens:
            return piece
        before = _event("tool-call-end", index=fragment.call - 1) if fragment.call else b""
        first = self._call(fragment.call, fragment.name, "")
        return before + _event("tool-call-start", index=fragment.call, delta={"message": {"tool_calls": first}}) + piece

    def _call(self, call: int, name: str, arguments: str) -> dict[str, object]:
        function = {"name": name, "arguments": arguments}
        return {"id": name_call(name, self.identity, call), "type": "function", "function": function}

    def whole(self) -> Reply:
        message: dict[str, object] = {"role": "assistant"}
        if self.style in CALLING:
            calls = enumerate(list_calls(self.count, self.style))
            message["tool_calls"] = [self._call(at, name, arguments) for at, (name, arguments) in calls]
        else:
            words = [say_word(place, self.style) for place in range(self.count)]
            content = [{"type": "text", "text": "".join(words[self.thoughts :])}]
            if self.thoughts:
                content.insert(0, {"type": "thinking", "thinking": "".join(words[: self.thoughts])})
            message["content"] = content
        body = {"id": self.identity, "finish_reason": self.finish, "message": message, "usage": self.usage()}
        return Reply(whole=_json(body), output=self.count)


def _embeddings(asked: Asked) -> bytes:
    rows = [
        [((index + 1) * (place + 3) % 17) / 17 - 0.5 for place in range(_DIMENSIONS)]
        for index in range(len(asked.body.texts or " "))
    ]
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": float(asked.input_tokens)}}
    return _json({"id": "e1", "embeddings": {"float": rows}, "meta": meta, "response_type": "embeddings_by_type"})


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + _json({"type": kind, **fields}) + b"\n\n"


def _json(value: object) -> bytes:
    return dumps(value, separators=(",", ":")).encode()
