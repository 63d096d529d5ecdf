"""What a model would say in OpenAI's Responses API: whole or as events, as `answers.py` does for chat.

Shapes and order are those of recorded streams: two events that repeat the response before anything is said, each item and
part opened, filled and closed, and one terminal event that holds everything; nothing follows it. Reasoning comes as a
summary; what seals it, only where the request includes it.
"""

from json import dumps

from proxy.rehearse.answers import CREATED, Asked, Reply, say_word
from proxy.rehearse.behaviour import Style
from proxy.rehearse.calls import CALLING, Fragment, list_calls, name_call, plan_calls
from proxy.rehearse.vendor_errors import error_body

PATH = "/responses"
#: A seal as they look: opaque base64.
SEAL = "gAAAAABoSimulated=="
_INCLUDED = "reasoning.encrypted_content"


def compose(asked: Asked, identity: str, chunks: int, style: Style = Style.TEXT) -> Reply:
    """The answer to `POST /v1/responses`; `max_output_tokens` may end it sooner than after `chunks` tokens."""
    count = min(chunks, asked.body.max_output_tokens or chunks)
    speech = _Speech(asked, identity, count, count < chunks, style)
    return speech.events() if asked.streams else Reply(whole=_json(speech.response(done=True)), output=count)


def error_event(failure: str) -> bytes:
    """An error in the middle of a stream, nested as the service sends it."""
    return b'event: error\ndata: {"type":"error","sequence_number":9,' + error_body(failure)[1:] + b"\n\n"


class _Speech:
    """One answer."""

    def __init__(self, asked: Asked, identity: str, count: int, cut: bool, style: Style) -> None:
        self.asked = asked
        self.identity = identity
        self.count = count
        self.style = style
        self.status = "incomplete" if cut and style not in CALLING else "completed"
        self.thoughts = count // 2 if style is Style.REASONING else 0
        self.sealed = _INCLUDED in (asked.body.include or ())
        self._sequence = 0

    def response(self, *, done: bool) -> dict[str, object]:
        """The whole object: as it begins, or with everything in it."""
        cut = done and self.status == "incomplete"
        return {
            "id": f"resp_{self.identity}",
            "object": "response",
            "created_at": CREATED,
            "status": self.status if done else "in_progress",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": None,
            "metadata": {},
            "model": self.asked.body.model,
            "output": self._list_items() if done else [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": self._usage() if done else None,
        }

    def events(self) -> Reply:
        opening = b"".join(self._event(f"response.{word}", response=self.response(done=False)) for word in _BEGINNINGS)
        say = self._say_call if self.style in CALLING else self._say_word
        pieces = [say(place) for place in range(self.count)]
        end = self._event(f"response.{self.status}", response=self.response(done=True))
        return Reply(opening, pieces, end, b"", b"", self.count)

    def _usage(self) -> dict[str, object]:
        given = self.asked.input_tokens
        return {
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": self.count,
            "output_tokens_details": {"reasoning_tokens": self.thoughts},
            "total_tokens": given + self.count,
        }

    def _list_items(self) -> list[object]:
        if self.style in CALLING:
            calls = enumerate(list_calls(self.count, self.style))
            return [self._call(at, name, arguments, "completed") for at, (name, arguments) in calls]
        items: list[object] = [self._reasoning([_summary(self._join(0, self.thoughts))])] if self.thoughts else []
        return [*items, self._message([_part(self._join(self.thoughts, self.count))], self.status)]

    def _join(self, start: int, end: int) -> str:
        return "".join(say_word(place, self.style) for place in range(start, end))

    def _message(self, content: list[object], status: str) -> dict[str, object]:
        return {"id": f"msg_{self.identity}", "type": "message", "role": "assistant", "status": status, "content": content}

    def _reasoning(self, summary: list[object]) -> dict[str, object]:
        sealed = {"encrypted_content": SEAL} if self.sealed and summary else {}
        return {"id": f"rs_{self.identity}", "type": "reasoning", "summary": summary, **sealed}

    def _call(self, call: int, name: str, arguments: str, status: str) -> dict[str, object]:
        ids = {"id": name_call("fc", self.identity, call), "call_id": name_call("call", self.identity, call)}
        return {**ids, "type": "function_call", "status": status, "name": name, "arguments": arguments}

    def _say_call(self, place: int) -> bytes:
        fragment = plan_calls(self.count, self.style)[place]
        where = {"item_id": name_call("fc", self.identity, fragment.call), "output_index": fragment.call}
        said = b""
        if fragment.opens:
            item = self._call(fragment.call, fragment.name, "", "in_progress")
            said = self._event("response.output_item.added", output_index=fragment.call, item=item)
        said += self._event("response.function_call_arguments.delta", **where, delta=fragment.text)
        return said + self._close_call(fragment, where) if fragment.closes else said

    def _close_call(self, fragment: Fragment, where: dict[str, object]) -> bytes:
        name, arguments = list_calls(self.count, self.style)[fragment.call]
        done = self._event("response.function_call_arguments.done", **where, name=name, arguments=arguments)
        item = self._call(fragment.call, name, arguments, "completed")
        return done + self._event("response.output_item.done", output_index=fragment.call, item=item)

    def _say_word(self, place: int) -> bytes:
        if place < self.thoughts:
            return self._say_thought(place)
        index = 1 if self.thoughts else 0
        where = {"item_id": f"msg_{self.identity}", "output_index": index, "content_index": 0}
        said = b""
        if place == self.thoughts:
            item = self._message([], "in_progress")
            said = self._event("response.output_item.added", output_index=index, item=item)
            said += self._event("response.content_part.added", **where, part=_part(""))
        said += self._event("response.output_text.delta", **where, delta=say_word(place, self.style), logprobs=[])
        if place < self.count - 1:
            return said
        text = self._join(self.thoughts, self.count)
        said += self._event("response.output_text.done", **where, text=text, logprobs=[])
        said += self._event("response.content_part.done", **where, part=_part(text))
        item = self._message([_part(text)], self.status)
        return said + self._event("response.output_item.done", output_index=index, item=item)

    def _say_thought(self, place: int) -> bytes:
        where = {"item_id": f"rs_{self.identity}", "output_index": 0, "summary_index": 0}
        said = b""
        if place == 0:
            said = self._event("response.output_item.added", output_index=0, item=self._reasoning([]))
            said += self._event("response.reasoning_summary_part.added", **where, part=_summary(""))
        said += self._event("response.reasoning_summary_text.delta", **where, delta=say_word(place, self.style))
        if place < self.thoughts - 1:
            return said
        text = self._join(0, self.thoughts)
        said += self._event("response.reasoning_summary_text.done", **where, text=text)
        said += self._event("response.reasoning_summary_part.done", **where, part=_summary(text))
        item = self._reasoning([_summary(text)])
        return said + self._event("response.output_item.done", output_index=0, item=item)

    def _event(self, kind: str, **fields: object) -> bytes:
        number, self._sequence = self._sequence, self._sequence + 1
        data = _json({"type": kind, "sequence_number": number, **fields})
        return f"event: {kind}\n".encode() + b"data: " + data + b"\n\n"


_BEGINNINGS = ("created", "in_progress")


def _part(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary(text: str) -> dict[str, object]:
    return {"type": "summary_text", "text": text}


def _json(value: object) -> bytes:
    return dumps(value, separators=(",", ":")).encode()
