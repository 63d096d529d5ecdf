"""Joints of streams of Anthropic's Messages format.

Blocks follow each other and are numbered. Text of the next answer goes on in the block that was open when the first one was
cut, or opens another; its thoughts are left out, and whatever else it brings gets the next free number. A thought that was
cut is closed with the seal that says that nobody sealed it (`thoughts.py`), so that no vendor is ever given half of one as a
whole. The message and its usage began with the first answer: only what comes at the end is told again.
"""

from typing import Any

from proxy.wire.anthropic.thoughts import write_signature
from proxy.wire.joints.joint import ENCODE, Joint, read_count

_THOUGHTS = frozenset(("thinking", "redacted_thinking"))
_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class MessagesJoint(Joint):
    """`_open`: number and type of the block that the client has open. `_count`: blocks it has seen begin. `_sealed`: the
    last thought has its signature. The same with `_leg` in front while another answer is joined; `_places`: its own numbers
    to the client's, None: hidden, `_TEXT`: wherever the text goes."""

    __slots__ = ("_count", "_leg_count", "_leg_open", "_open", "_places", "_sealed")

    def __init__(self) -> None:
        super().__init__()
        self._open: tuple[int, str] | None = None
        self._count = 0
        self._sealed = True
        self._leg_open: tuple[int, str] | None = None
        self._leg_count = 0
        self._places: dict[int, int | None] = {}

    def _note(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "content_block_start":
            self._note_block(event.get("index", self._count), event.get("content_block") or {})
        elif kind == "content_block_delta":
            self._note_delta(event.get("delta") or {})
        elif kind == "content_block_stop":
            self._open = None
        elif kind == "message_start":
            usage = (event.get("message") or {}).get("usage") or {}
            self.input = sum(read_count(usage, name) for name in _INPUT) or None
        elif kind != "ping":
            self.obstacle = "the end"

    def _note_block(self, index: int, block: dict[str, Any]) -> None:
        kind = block.get("type", "")
        self._open = (index, kind)
        self._count = index + 1
        if kind in _THOUGHTS:
            self._sealed = kind != "thinking"
        elif kind == "text":
            self._add(block.get("text") or "")
        else:
            self.obstacle = f"a block of type {kind}"

    def _note_delta(self, delta: dict[str, Any]) -> None:
        if "text" in delta:
            self._add(delta["text"] or "")
        elif "signature" in delta:
            self._sealed = True
        elif "thinking" not in delta:
            self.obstacle = f"a {delta.get('type')}"

    def _take_over(self) -> None:
        self._leg_open, self._leg_count = self._open, self._count
        self._places = {}

    def _rewrite(self, event: dict[str, Any]) -> bytes:
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "content_block_start":
            return self._begin_block(event, index, event.get("content_block") or {})
        if kind == "content_block_delta":
            return self._go_on(event, index, event.get("delta") or {})
        if kind == "content_block_stop":
            ends_text = self._places.get(index) == _TEXT and self._is_saying() and self.complete
            return self._close() if ends_text or self._is_open(index) else b""
        if kind == "message_delta":
            return self._end(event)
        return _write(event) if kind == "message_stop" else b""

    def _begin_block(self, event: dict[str, Any], index: int, block: dict[str, Any]) -> bytes:
        kind = block.get("type", "")
        if kind in _THOUGHTS:
            self._places[index] = None
            return b""
        if kind == "text":
            self._places[index] = _TEXT
            return self._say(self._advance(block.get("text") or ""))
        before = self._say(self._pass()) + self._close()
        self._places[index] = event["index"] = self._leg_count
        self._leg_open = (self._leg_count, kind)
        self._leg_count += 1
        return before + _write(event)

    def _go_on(self, event: dict[str, Any], index: int, delta: dict[str, Any]) -> bytes:
        place = self._places.get(index)
        if place == _TEXT and "text" in delta:
            return self._say(self._advance(delta["text"] or ""))
        if place == _TEXT:
            place = self._leg_open[0] if self._leg_open is not None and self._is_saying() and self.complete else None
        return b"" if place is None else _write(event | {"index": place})

    def _end(self, event: dict[str, Any]) -> bytes:
        before = self._say(self._pass()) + self._close()
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._correct(usage)
        return before + _write(event)

    def _say(self, text: str) -> bytes:
        """Text for the client, in a block of text."""
        if not text:
            return b""
        begun = b""
        if self._leg_open is None or not self._is_saying():
            begun = self._close()
            self._leg_open = (self._leg_count, "text")
            self._leg_count += 1
            block = {"type": "text", "text": ""}
            begun += _write({"type": "content_block_start", "index": self._leg_open[0], "content_block": block})
        delta = {"type": "text_delta", "text": text}
        return begun + _write({"type": "content_block_delta", "index": self._leg_open[0], "delta": delta})

    def _close(self) -> bytes:
        """End the block that the client has open."""
        if self._leg_open is None:
            return b""
        index, kind = self._leg_open
        self._leg_open = None
        sealed = b""
        if kind == "thinking" and not self._sealed:
            seal = {"type": "signature_delta", "signature": write_signature("", None)}
            sealed = _write({"type": "content_block_delta", "index": index, "delta": seal})
        return sealed + _write({"type": "content_block_stop", "index": index})

    def _is_saying(self) -> bool:
        return self._leg_open is not None and self._leg_open[1] == "text"

    def _is_open(self, index: int) -> bool:
        """Is this block of the next answer, which is no text, the one that the client has open?"""
        place = self._places.get(index)
        return place is not None and self._leg_open is not None and self._leg_open[0] == place

    def _correct(self, usage: dict[str, Any]) -> None:
        if self.bill.input is not None:
            for name in _INPUT:
                usage.pop(name, None)  # it stood in `message_start`, and still holds
        elif "input_tokens" in usage:
            usage["input_tokens"] = max(0, read_count(usage, "input_tokens") - self.bill.before)
        usage["output_tokens"] = read_count(usage, "output_tokens") + self.bill.before


#: Stands for the block into which text goes.
_TEXT = -1


def _write(event: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(event.get("type", "")).encode(), ENCODE(event))
