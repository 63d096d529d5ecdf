"""Output items of a streamed response while they are being written: a message, a run of reasoning, a call.

Each knows the events of its own life, in the API's order: added, its deltas, its done events with the whole text, the done
item. A delta is one formatting of bytes around a prefix that was made when its part began; nothing else is built per piece.
`Sequence` numbers all events of a response from 0. Refuses to know which item comes when (`encoder.py`).
"""

from collections.abc import Sequence as Items
from typing import Protocol

import msgspec

from proxy.wire.pieces import CallBegan, Citation, ThinkingSealed
from proxy.wire.seals import Seal, seal_id, wrap

_ENCODE = msgspec.json.Encoder().encode
_IS_JSON = msgspec.json.Decoder(msgspec.Raw).decode

COMPLETED, INCOMPLETE = b"completed", b"incomplete"


class Sequence:
    """The count of a response's events."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next = 0

    def write(self, kind: bytes, fields: bytes) -> bytes:
        """One event. `fields`: its members but for the type and the number."""
        number = self.next
        self.next = number + 1
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n' % (kind, kind, number, fields)


class OutputItem(Protocol):
    """`index`: its place in the output. `close` gives its last events; `whole` is then the item as the response shows it."""

    index: int
    whole: bytes

    def close(self, status: bytes) -> bytes: ...


class _Deltas:
    """A text that grows by events of one kind."""

    __slots__ = ("_pieces", "_prefix", "_sequence")

    def __init__(self, sequence: Sequence, kind: bytes, place: bytes) -> None:
        self._sequence = sequence
        self._prefix = b'event: %b\ndata: {"type":"%b",%b,"sequence_number":' % (kind, kind, place)
        self._pieces: list[str] = []

    def write(self, text: str) -> bytes:
        self._pieces.append(text)
        sequence = self._sequence
        number = sequence.next
        sequence.next = number + 1
        return b'%b%d,"delta":%b}\n\n' % (self._prefix, number, _ENCODE(text))

    def text(self) -> str:
        return "".join(self._pieces)


class Message:
    """What the assistant says. Its parts follow each other; a text part collects its sources."""

    __slots__ = ("_annotations", "_cited", "_deltas", "_id", "_parts", "_place", "_refuses", "_sequence", "index", "whole")

    def __init__(self, sequence: Sequence, item_id: str, index: int) -> None:
        self.index = index
        self.whole = b""
        self._sequence = sequence
        self._id = item_id.encode()
        self._parts: list[bytes] = []
        self._deltas: _Deltas | None = None
        self._refuses = False
        self._place = b""
        self._annotations: list[bytes] = []
        self._cited = (0, 0)

    def open(self) -> bytes:
        item = self._write(b"in_progress")
        return self._sequence.write(b"response.output_item.added", b'"output_index":%d,"item":%b' % (self.index, item))

    def write(self, text: str, refusal: bool) -> bytes:
        deltas = self._deltas
        if deltas is not None and self._refuses is refusal:
            return deltas.write(text)
        closed = self._close_part()
        begun, deltas = self._open_part(refusal)
        return closed + begun + deltas.write(text)

    def cite(self, citation: Citation) -> bytes:
        """A source of the text since the last one; nothing where the source has no address, or there is no text."""
        if self._deltas is None or self._refuses or not citation.url:
            return b""
        length, (start, end) = len(self._deltas.text()), self._cited
        if length > end:
            start, end = self._cited = (end, length)
        annotation = b'{"type":"url_citation","url":%b,"title":%b,"start_index":%d,"end_index":%d}' % (
            _ENCODE(citation.url),
            _ENCODE(citation.title),
            start,
            end,
        )
        self._annotations.append(annotation)
        place = b'%b,"annotation_index":%d' % (self._place, len(self._annotations) - 1)
        return self._sequence.write(b"response.output_text.annotation.added", b'%b,"annotation":%b' % (place, annotation))

    def close(self, status: bytes) -> bytes:
        closed = self._close_part()
        self.whole = self._write(status)
        fields = b'"output_index":%d,"item":%b' % (self.index, self.whole)
        return closed + self._sequence.write(b"response.output_item.done", fields)

    def _open_part(self, refusal: bool) -> tuple[bytes, _Deltas]:
        self._refuses = refusal
        self._annotations = []
        self._cited = (0, 0)
        self._place = b'"item_id":"%b","output_index":%d,"content_index":%d' % (self._id, self.index, len(self._parts))
        if refusal:
            deltas = _Deltas(self._sequence, b"response.refusal.delta", self._place)
        else:
            deltas = _Deltas(self._sequence, b"response.output_text.delta", self._place + b',"logprobs":[]')
        self._deltas = deltas
        part = b'%b,"part":%b' % (self._place, self._write_part(""))
        return self._sequence.write(b"response.content_part.added", part), deltas

    def _close_part(self) -> bytes:
        if self._deltas is None:
            return b""
        text = self._deltas.text()
        part = self._write_part(text)
        self._parts.append(part)
        self._deltas = None
        sequence, place, encoded = self._sequence, self._place, _ENCODE(text)
        if self._refuses:
            done = sequence.write(b"response.refusal.done", b'%b,"refusal":%b' % (place, encoded))
        else:
            done = sequence.write(b"response.output_text.done", b'%b,"text":%b,"logprobs":[]' % (place, encoded))
        return done + sequence.write(b"response.content_part.done", b'%b,"part":%b' % (place, part))

    def _write_part(self, text: str) -> bytes:
        if self._refuses:
            return b'{"type":"refusal","refusal":%b}' % _ENCODE(text)
        annotations = b",".join(self._annotations)
        return b'{"type":"output_text","text":%b,"annotations":[%b],"logprobs":[]}' % (_ENCODE(text), annotations)

    def _write(self, status: bytes) -> bytes:
        return b'{"id":"%b","type":"message","role":"assistant","status":"%b","content":[%b]}' % (
            self._id,
            status,
            b",".join(self._parts),
        )


class Reasoning:
    """A run of reasoning, shown as a summary of one part. Its seal stands on the done item only."""

    __slots__ = ("_deltas", "_id", "_place", "_sealed", "_sequence", "index", "whole")

    def __init__(self, sequence: Sequence, item_id: str, index: int) -> None:
        self.index = index
        self.whole = b""
        self._sequence = sequence
        self._id = item_id.encode()
        self._place = b'"item_id":"%b","output_index":%d,"summary_index":0' % (self._id, index)
        self._deltas: _Deltas | None = None
        self._sealed = b"null"

    def open(self) -> bytes:
        item = self._write(b"")
        return self._sequence.write(b"response.output_item.added", b'"output_index":%d,"item":%b' % (self.index, item))

    def write(self, text: str) -> bytes:
        if self._deltas is not None:
            return self._deltas.write(text)
        self._deltas = _Deltas(self._sequence, b"response.reasoning_summary_text.delta", self._place)
        part = b'%b,"part":{"type":"summary_text","text":""}' % self._place
        return self._sequence.write(b"response.reasoning_summary_part.added", part) + self._deltas.write(text)

    def seal(self, sealed: ThinkingSealed) -> None:
        if sealed.redacted is not None:
            self._sealed = _ENCODE(wrap(Seal(sealed.vendor, "redacted", sealed.redacted)))
        elif sealed.signature:
            self._sealed = _ENCODE(wrap(Seal(sealed.vendor, "signature", sealed.signature)))

    def close(self, status: bytes) -> bytes:
        closed = part = b""
        if self._deltas is not None:
            text, sequence = _ENCODE(self._deltas.text()), self._sequence
            part = b'{"type":"summary_text","text":%b}' % text
            closed = sequence.write(b"response.reasoning_summary_text.done", b'%b,"text":%b' % (self._place, text))
            closed += sequence.write(b"response.reasoning_summary_part.done", b'%b,"part":%b' % (self._place, part))
        self.whole = self._write(part)
        fields = b'"output_index":%d,"item":%b' % (self.index, self.whole)
        return closed + self._sequence.write(b"response.output_item.done", fields)

    def _write(self, summary: bytes) -> bytes:
        return b'{"id":"%b","type":"reasoning","summary":[%b],"encrypted_content":%b}' % (self._id, summary, self._sealed)


class ToolCall:
    """A call of a function or of a custom tool. Fragments of several calls may come in turn: each has its own place. `home`:
    the tool's namespace and its name there."""

    __slots__ = ("_custom", "_deltas", "_id", "_name", "_place", "_sequence", "_wanted", "index", "whole")

    def __init__(self, sequence: Sequence, place: tuple[str, int], began: CallBegan, home: tuple[str, str] | None) -> None:
        item_id, index = place
        namespace, name = home or ("", began.name)
        self.index = index
        self.whole = b""
        self._sequence = sequence
        self._id = item_id.encode()
        self._custom = began.custom
        self._name = _ENCODE(name)
        self._wanted = b'"call_id":%b,"name":%b' % (_ENCODE(seal_id(began.id, began.signature)), self._name)
        if namespace:
            self._wanted += b',"namespace":%b' % _ENCODE(namespace)
        self._place = b'"item_id":"%b","output_index":%d' % (self._id, index)
        kind = b"response.custom_tool_call_input.delta" if began.custom else b"response.function_call_arguments.delta"
        self._deltas = _Deltas(sequence, kind, self._place)

    def open(self) -> bytes:
        item = self._write(b"in_progress", b'""')
        return self._sequence.write(b"response.output_item.added", b'"output_index":%d,"item":%b' % (self.index, item))

    def write(self, fragment: str) -> bytes:
        return self._deltas.write(fragment)

    @property
    def complete(self) -> bool:
        """Nothing can follow: the arguments are a whole JSON object. Of free text nobody can tell."""
        text = self._deltas.text()
        if self._custom or not text.lstrip().startswith("{"):
            return False
        try:
            _IS_JSON(text.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True

    def close(self, status: bytes) -> bytes:
        # Official clients parse the arguments without a look; none at all means an empty object.
        empty = not self._custom and not self._deltas.text() and status == COMPLETED
        closed = self._deltas.write("{}") if empty else b""
        text = _ENCODE(self._deltas.text())
        self.whole = self._write(status, text)
        if self._custom:
            kind, fields = b"response.custom_tool_call_input.done", b'%b,"input":%b' % (self._place, text)
        else:
            kind = b"response.function_call_arguments.done"
            fields = b'%b,"name":%b,"arguments":%b' % (self._place, self._name, text)
        closed += self._sequence.write(kind, fields)
        fields = b'"output_index":%d,"item":%b' % (self.index, self.whole)
        return closed + self._sequence.write(b"response.output_item.done", fields)

    def _write(self, status: bytes, text: bytes) -> bytes:
        if self._custom:
            return b'{"id":"%b","type":"custom_tool_call",%b,"input":%b}' % (self._id, self._wanted, text)
        return b'{"id":"%b","type":"function_call","status":"%b",%b,"arguments":%b}' % (
            self._id,
            status,
            self._wanted,
            text,
        )


def join_items(items: Items[OutputItem]) -> bytes:
    """The output of a response, in the order of its items' places."""
    return b",".join([item.whole for item in sorted(items, key=lambda item: item.index)])
