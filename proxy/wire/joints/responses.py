"""Joints of streams of the Responses API.

An answer is a list of items here, told three times over: by deltas, by an event when each is done, and by the terminal
event. So a joint writes what closes an item itself, from what the client has of it. Text of the next answer goes on in the
message that was open when the first one was cut; its reasoning is left out; whatever else it brings gets the next free
place. A reasoning item that was cut is closed as far as it goes. Events are numbered on, and the response keeps the id, the
time and the model that it began with.
"""

from dataclasses import dataclass, field
from typing import Any

from proxy.wire.joints.joint import ENCODE, Joint, read_count

_STARTS = frozenset(("response.created", "response.in_progress", "response.queued"))
_ENDS = frozenset(("response.completed", "response.incomplete"))
#: What of a response stays as it began.
_HEAD = ("id", "created_at", "model", "previous_response_id", "metadata", "store")


@dataclass(slots=True)
class Item:
    """An item that the client has open. `parts` are done; `texts` of the open part, None: none is open. `shell`: the item as
    it began. A reasoning item has its parts in `place` ("summary" or "content")."""

    index: int
    shell: dict[str, Any]
    parts: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] | None = None
    place: str = "content"

    @property
    def id(self) -> str:
        return str(self.shell.get("id", ""))

    @property
    def speaks(self) -> bool:
        return self.shell.get("type") == "message"

    def copy(self) -> "Item":
        return Item(self.index, self.shell, [*self.parts], None if self.texts is None else [*self.texts], self.place)


@dataclass(slots=True)
class View:
    """The response as the client sees it: how many events, items that are done, the open one, how many began."""

    events: int = 0
    done: list[dict[str, Any]] = field(default_factory=list)
    item: Item | None = None
    items: int = 0

    def copy(self) -> "View":
        return View(self.events, [*self.done], None if self.item is None else self.item.copy(), self.items)


class ResponsesJoint(Joint):
    """`_view`: what the client has; `_leg`: the same while another answer is joined. `_places`: that answer's places to the
    client's; a place that is not in it is hidden. `_messages`: its places that are messages."""

    __slots__ = ("_head", "_leg", "_messages", "_places", "_view")

    def __init__(self) -> None:
        super().__init__()
        self._head: dict[str, Any] = {}
        self._view = View()
        self._leg = View()
        self._places: dict[int, int] = {}
        self._messages: dict[int, dict[str, Any]] = {}

    # What the client was sent.

    def _note(self, event: dict[str, Any]) -> None:
        kind = str(event.get("type", ""))
        view = self._view
        view.events = max(view.events, read_count(event, "sequence_number") + 1)
        if kind in _STARTS:
            response = event.get("response") or {}
            self._head = self._head or {key: response[key] for key in _HEAD if key in response}
        elif kind == "response.output_item.added":
            self._note_item(event.get("output_index", view.items), event.get("item") or {})
        elif kind == "response.output_item.done":
            view.done.append(event.get("item") or {})
            view.item = None
        elif view.item is None:
            self.obstacle = "the end"
        elif not view.item.speaks:
            self._note_thought(kind, event, view.item)
        else:
            self._note_text(kind, event, view.item)

    def _note_item(self, index: int, item: dict[str, Any]) -> None:
        if item.get("type") not in ("message", "reasoning"):
            self.obstacle = f"an item of type {item.get('type')}"
        self._view.item = Item(index, item)
        self._view.items = index + 1

    def _note_text(self, kind: str, event: dict[str, Any], item: Item) -> None:
        if kind == "response.output_text.delta":
            text = event.get("delta") or ""
            item.texts = [] if item.texts is None else item.texts
            item.texts.append(text)
            self._add(text)
        elif kind == "response.content_part.added" and (event.get("part") or {}).get("type") == "output_text":
            item.texts = []
        elif kind == "response.content_part.done":
            item.parts.append(event.get("part") or {})
            item.texts = None
        elif kind != "response.output_text.done":
            self.obstacle = kind

    def _note_thought(self, kind: str, event: dict[str, Any], item: Item) -> None:
        item.place = "summary" if "summary" in kind else "content"
        if kind.endswith("text.delta"):
            item.texts = [] if item.texts is None else item.texts
            item.texts.append(event.get("delta") or "")
        elif kind.endswith("text.done"):
            item.parts.append(_make_thought(item.place, event.get("text") or ""))
            item.texts = None

    # What it gets of the next answer.

    def _take_over(self) -> None:
        self._leg = self._view.copy()
        self._places, self._messages = {}, {}

    def _rewrite(self, event: dict[str, Any]) -> bytes:
        kind, place = str(event.get("type", "")), event.get("output_index", -1)
        if kind == "response.output_text.delta":
            return self._say(self._advance(event.get("delta") or ""), place)
        if kind in _ENDS:
            return self._end(kind, event)
        if kind == "response.output_item.added":
            return self._begin_item(event, place, event.get("item") or {})
        if kind == "response.refusal.delta":
            self._seam.diverged = True
        if place in self._messages:
            return self._close() if kind == "response.output_item.done" and self.complete else b""
        if place not in self._places:
            return b""
        if kind == "response.output_item.done":
            self._leg.done.append(event.get("item") or {})
        return self._write(kind, event | {"output_index": self._places[place]})

    def _begin_item(self, event: dict[str, Any], place: int, item: dict[str, Any]) -> bytes:
        if item.get("type") == "message":
            self._messages[place] = item
        if item.get("type") in ("message", "reasoning"):
            return b""
        before = self._say(self._pass(), -1) + self._close()
        self._places[place] = self._leg.items
        self._leg.items += 1
        return before + self._write("response.output_item.added", event | {"output_index": self._places[place]})

    def _end(self, kind: str, event: dict[str, Any]) -> bytes:
        before = self._say(self._pass(), -1) + self._close("completed" if kind == "response.completed" else "incomplete")
        response = event.get("response") or {}
        response.update(self._head, output=self._leg.done)
        usage = response.get("usage")
        if isinstance(usage, dict):
            read, written = self.bill.correct(read_count(usage, "input_tokens"), read_count(usage, "output_tokens"))
            usage.update(input_tokens=read, output_tokens=written, total_tokens=read + written)
        return before + self._write(kind, {"type": kind, "response": response})

    def _say(self, text: str, place: int) -> bytes:
        """Text for the client, in a message. `place`: where the next answer has it."""
        if not text:
            return b""
        item, begun = self._leg.item, b""
        if item is None or not item.speaks:
            begun = self._close()
            item, opened = self._open_message(self._messages.get(place, {}))
            begun += opened
        if item.texts is None:
            item.texts = []
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            begun += self._write("response.content_part.added", self._locate(item) | {"part": part})
        item.texts.append(text)
        delta = self._locate(item) | {"delta": text, "logprobs": []}
        return begun + self._write("response.output_text.delta", delta)

    def _open_message(self, shell: dict[str, Any]) -> tuple[Item, bytes]:
        index = self._leg.items
        known = {item.get("id") for item in self._leg.done}
        name = str(shell.get("id") or f"msg_{index}")
        shell = {"id": f"{name}_{index}" if name in known else name, "type": "message", "role": "assistant"}
        item = self._leg.item = Item(index, shell)
        self._leg.items += 1
        fresh = shell | {"status": "in_progress", "content": []}
        return item, self._write("response.output_item.added", {"output_index": index, "item": fresh})

    def _close(self, status: str = "completed") -> bytes:
        """End the item that the client has open."""
        item, self._leg.item = self._leg.item, None
        if item is None:
            return b""
        closed = b"" if item.texts is None else self._close_part(item, "".join(item.texts))
        whole = item.shell | {"content" if item.speaks else item.place: item.parts}
        if item.speaks or "status" in whole:
            whole["status"] = status
        self._leg.done.append(whole)
        return closed + self._write("response.output_item.done", {"output_index": item.index, "item": whole})

    def _close_part(self, item: Item, text: str) -> bytes:
        place = self._locate(item)
        if item.speaks:
            part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            done = self._write("response.output_text.done", place | {"text": text, "logprobs": []})
            done += self._write("response.content_part.done", place | {"part": part})
        else:
            part = _make_thought(item.place, text)
            short = "response.reasoning_summary" if item.place == "summary" else "response.reasoning"
            done = self._write(f"{short}_text.done", place | {"text": text})
            last = f"{short}_part.done" if item.place == "summary" else "response.content_part.done"
            done += self._write(last, place | {"part": part})
        item.parts.append(part)
        return done

    def _locate(self, item: Item) -> dict[str, Any]:
        return {"item_id": item.id, "output_index": item.index, f"{item.place}_index": len(item.parts)}

    def _write(self, kind: str, event: dict[str, Any]) -> bytes:
        number = self._leg.events
        self._leg.events += 1
        whole = {"type": kind, **event, "sequence_number": number}
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), ENCODE(whole))


def _make_thought(place: str, text: str) -> dict[str, Any]:
    return {"type": "summary_text" if place == "summary" else "reasoning_text", "text": text}
