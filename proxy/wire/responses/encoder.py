"""An answer as the Responses API streams it, and whole.

Theory of operation. Pieces come in the order in which the model wrote them; every change of kind opens another output item.
A message or a run of reasoning is closed by whatever comes next. A call is closed by the next item if its arguments are
complete, and stays open beside it otherwise, since fragments of several calls may alternate: events carry their item's
place, so both can be followed. What is still open at the end is closed by `close`, never before: an item that is done is a
promise that the stream has been whole.

`close` writes the one terminal event, with the whole response and its usage; there is no `[DONE]` in this API. A whole
answer is the response of the terminal event that its stream would have had, so that the two never differ.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from proxy.core.call import Call
from proxy.core.usage import Usage
from proxy.wire.dialogue import Dialogue, Refusal, Text, Thinking
from proxy.wire.pieces import (
    AnswerPart,
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Completion,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from proxy.wire.responses import output
from proxy.wire.responses.body import Body
from proxy.wire.responses.marks import make_item_id
from proxy.wire.responses.output import COMPLETED, INCOMPLETE, Message, OutputItem, Reasoning, ToolCall, join_items
from proxy.wire.responses.tools import list_homes

#: Why a response is incomplete; what is not here completes it.
_REASONS: Mapping[Finish, bytes] = {
    Finish.LENGTH: b"max_output_tokens",
    Finish.CONTENT_FILTER: b"content_filter",
    Finish.REFUSAL: b"content_filter",
}


class ResponsesEncoder:
    """Implements `StreamEncoder`. The API knows one choice: pieces of others are left out."""

    __slots__ = (
        "_body",
        "_call",
        "_calls",
        "_done",
        "_finished",
        "_homes",
        "_item",
        "_places",
        "_sequence",
        "_uncited",
        "_usage",
    )

    def __init__(self, call: Call) -> None:
        self._call = call
        self._homes = list_homes(call.dialogue.tools) if isinstance(call.dialogue, Dialogue) else {}
        self._body: Body | None = None
        self._sequence = output.Sequence()
        self._places = 0
        self._item: Message | Reasoning | None = None
        self._calls: dict[int, ToolCall] = {}
        self._done: list[OutputItem] = []
        self._uncited: list[Citation] = []
        self._finished = Finished(Finish.STOP)
        self._usage: Usage | None = None

    def encode(self, pieces: Sequence[Piece]) -> bytes:
        if len(pieces) == 1:
            return _WRITERS[type(pieces[0])](self, pieces[0])
        return b"".join([_WRITERS[type(piece)](self, piece) for piece in pieces])

    def close(self) -> bytes:
        begun, body = self._begin()
        explained = self._explain()
        ended = self._end_items()
        whole = self._write_whole(body)
        kind = b"response.incomplete" if self._reason else b"response.completed"
        return begun + explained + ended + self._sequence.write(kind, b'"response":' + whole)

    def write_whole(self) -> bytes:
        """The response as an answer that is not streamed; instead of `close`."""
        _, body = self._begin()
        self._explain()
        self._end_items()
        return self._write_whole(body)

    @property
    def _reason(self) -> bytes:
        return _REASONS.get(self._finished.reason, b"")

    def _begin(self, piece: Began | None = None) -> tuple[bytes, Body]:
        """The two events before the output, once."""
        if self._body is not None:
            return b"", self._body
        body = self._body = Body(self._call, piece or Began())
        fields = b'"response":' + body.write(b"in_progress")
        write = self._sequence.write
        return write(b"response.created", fields) + write(b"response.in_progress", fields), body

    def _write_whole(self, body: Body) -> bytes:
        reason = self._reason
        return body.write(INCOMPLETE if reason else COMPLETED, reason, join_items(self._done), self._usage)

    def _explain(self) -> bytes:
        """Why the model refused, where it said so beside the answer and not in it."""
        if self._finished.reason is not Finish.REFUSAL or not self._finished.explanation:
            return b""
        return self._write_refusal(RefusalPiece(self._finished.explanation))

    def _end_items(self) -> bytes:
        """Close all that is open. The last item of an answer that was cut is what was cut."""
        still_open: list[OutputItem] = [*self._calls.values()]
        if self._item is not None:
            still_open.append(self._item)
        still_open.sort(key=lambda item: item.index)
        self._item, self._calls = None, {}
        cut = self._places - 1 if self._reason else -1
        return b"".join([self._end(item, INCOMPLETE if item.index == cut else COMPLETED) for item in still_open])

    def _end(self, item: OutputItem, status: bytes = COMPLETED) -> bytes:
        cited = self._cite_open(item) if self._uncited else b""
        self._done.append(item)
        return cited + item.close(status)

    def _make_place(self, kind: str) -> tuple[str, int]:
        """The next item's id and place."""
        place = self._places
        self._places = place + 1
        return make_item_id(kind, self._call.id, place), place

    def _make_room(self) -> bytes:
        """Another item begins: close what cannot go on."""
        begun, _ = self._begin()
        ended = b""
        for number, call in list(self._calls.items()):
            if call.complete:
                del self._calls[number]
                ended += self._end(call)
        item, self._item = self._item, None
        return begun + ended + (self._end(item) if item is not None else b"")

    # One writer per kind of piece.

    def _write_began(self, piece: Began) -> bytes:
        return self._begin(piece)[0]

    def _write_text(self, piece: TextPiece) -> bytes:
        if not piece.text or piece.choice:
            return b""
        item = self._item
        if type(item) is Message:
            return item.write(piece.text, False)
        return self._open_message(piece.text, False)

    def _write_refusal(self, piece: RefusalPiece) -> bytes:
        if not piece.text or piece.choice:
            return b""
        item = self._item
        if type(item) is Message:
            return item.write(piece.text, True)
        return self._open_message(piece.text, True)

    def _open_message(self, text: str, refusal: bool) -> bytes:
        ended = self._make_room()
        item = self._item = Message(self._sequence, *self._make_place("msg"))
        return ended + item.open() + item.write(text, refusal)

    def _write_thinking(self, piece: ThinkingPiece) -> bytes:
        if not piece.text or piece.choice:
            return b""
        item = self._item
        if type(item) is Reasoning:
            return item.write(piece.text)
        ended, item = self._open_reasoning()
        return ended + item.write(piece.text)

    def _write_sealed(self, piece: ThinkingSealed) -> bytes:
        if piece.choice:
            return b""
        begun, item = b"", self._item
        if type(item) is not Reasoning or piece.redacted is not None:
            if piece.redacted is None and not piece.signature:
                return b""
            begun, item = self._open_reasoning()
        item.seal(piece)
        self._item = None
        return begun + self._end(item)

    def _open_reasoning(self) -> tuple[bytes, Reasoning]:
        ended = self._make_room()
        item = self._item = Reasoning(self._sequence, *self._make_place("rs"))
        return ended + item.open(), item

    def _write_call(self, piece: CallBegan) -> bytes:
        if piece.choice:
            return b""
        ended = self._make_room()
        place = self._make_place("ctc" if piece.custom else "fc")
        call = self._calls[piece.call] = ToolCall(self._sequence, place, piece, self._homes.get(piece.name))
        return ended + call.open()

    def _write_arguments(self, piece: CallPiece) -> bytes:
        # A call that is closed had complete arguments: what follows could only be white space.
        call = self._calls.get(piece.call) if not piece.choice else None
        return call.write(piece.fragment) if call is not None and piece.fragment else b""

    def _write_citation(self, piece: Citation) -> bytes:
        if piece.choice:
            return b""
        if type(self._item) is Message:
            return self._item.cite(piece)
        self._uncited.append(piece)  # some vendors name their sources before the text
        return b""

    def _cite_open(self, item: OutputItem) -> bytes:
        if type(item) is not Message:
            return b""
        cited, self._uncited = self._uncited, []
        return b"".join([item.cite(citation) for citation in cited])

    def _write_finished(self, piece: Finished) -> bytes:
        if not piece.choice:
            self._finished = piece
        return b""

    def _write_spent(self, piece: Spent) -> bytes:
        self._usage = piece.usage
        return b""


_WRITERS: Mapping[type, Callable[..., bytes]] = {
    Began: ResponsesEncoder._write_began,
    TextPiece: ResponsesEncoder._write_text,
    ThinkingPiece: ResponsesEncoder._write_thinking,
    ThinkingSealed: ResponsesEncoder._write_sealed,
    RefusalPiece: ResponsesEncoder._write_refusal,
    CallBegan: ResponsesEncoder._write_call,
    CallPiece: ResponsesEncoder._write_arguments,
    Citation: ResponsesEncoder._write_citation,
    Finished: ResponsesEncoder._write_finished,
    Spent: ResponsesEncoder._write_spent,
}


def write_answer(call: Call, completion: Completion) -> bytes:
    """A whole answer."""
    encoder = ResponsesEncoder(call)
    encoder.encode(list(_list_pieces(completion)))
    return encoder.write_whole()


def _list_pieces(completion: Completion) -> Iterator[Piece]:
    """The stream that this answer could have been."""
    yield Began(completion.id, completion.model, completion.created)
    for choice in completion.choices[:1]:
        last = max((at for at, part in enumerate(choice.parts) if isinstance(part, Text)), default=-1)
        for at, part in enumerate(choice.parts):
            yield from _split_part(part, at)
            if at == last:
                yield from choice.citations
        yield Finished(choice.finish.reason, choice.finish.sequence, choice.finish.explanation)
    if completion.usage is not None:
        yield Spent(completion.usage)


def _split_part(part: AnswerPart, call: int) -> Iterator[Piece]:
    if isinstance(part, Text):
        yield TextPiece(part.text)
    elif isinstance(part, Refusal):
        yield RefusalPiece(part.text)
    elif isinstance(part, Thinking):
        yield ThinkingPiece(part.text)
        yield ThinkingSealed(part.signature, part.redacted, part.vendor)
    else:
        yield CallBegan(call, part.id, part.name, part.custom, part.signature)
        yield CallPiece(call, part.arguments)
