"""Calls of tools put together from the fragments of a stream.

Theory of operation. Fragments belong together by `index`; where a server gives none, or the same one to every call (Ollama,
Google's compatible endpoint), a new id begins a new call. Calls are numbered in the order in which they begin. A call is
told of when its name is known; fragments that come before wait. An id that is missing is made from the answer's, so that it
is the only one in a conversation and the same however the bytes were split.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from proxy.wire.chat.spelling import read_signature
from proxy.wire.openai_chat import Function, ToolCall
from proxy.wire.pieces import CallBegan, CallPiece, Piece

_MAX_NAME = 40


class SealedCall(ToolCall):
    """A call, or a fragment of one, with Google's corner."""

    extra_content: Any = None


@dataclass(slots=True)
class _Growing:
    number: int
    id: str
    custom: bool
    signature: str | None
    name: str = ""
    waiting: list[str] = field(default_factory=list)


class CallAssembler:
    """The calls of one choice."""

    __slots__ = ("_all", "_choice", "_growing", "_last")

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._growing: dict[int, _Growing] = {}
        self._last: _Growing | None = None
        self._all: list[_Growing] = []

    def add(self, fragment: SealedCall, answer: str) -> Iterator[Piece]:
        """What this fragment says. `answer` is the id of the whole answer."""
        custom = fragment.custom is not None
        said = fragment.custom or fragment.function or Function()
        call = self._find(fragment, said)
        if call is None:
            number = len(self._all)
            id_ = fragment.id or invent_id(answer, self._choice, number)
            call = _Growing(number, id_, custom, read_signature(fragment.extra_content))
            self._all.append(call)
            if fragment.index is not None:
                self._growing[fragment.index] = call
        self._last = call
        if not call.name and said.name:
            call.name = said.name
            yield from self._begin(call)
        text = read_arguments(said)
        if text:
            if call.name:
                yield CallPiece(call.number, text, self._choice)
            else:
                call.waiting.append(text)

    def finish(self) -> Iterator[Piece]:
        """Calls that never got a name, so that nothing is lost; a client will not know them."""
        for call in self._all:
            if call.waiting:
                yield from self._begin(call)

    def _find(self, fragment: SealedCall, said: Function) -> _Growing | None:
        known = self._last if fragment.index is None else self._growing.get(fragment.index)
        if known is None or (fragment.id and fragment.id != known.id and said.name):
            return None
        if fragment.index is None and not fragment.id and said.name and known.name:
            return None  # whole calls without index and id
        return known

    def _begin(self, call: _Growing) -> Iterator[Piece]:
        yield CallBegan(call.number, call.id, call.name, call.custom, call.signature, self._choice)
        yield from (CallPiece(call.number, text, self._choice) for text in call.waiting)
        call.waiting.clear()


def invent_id(answer: str, choice: int, number: int) -> str:
    """An id for a call whose vendor gave none, in the letters that every vendor takes."""
    letters = "".join(letter for letter in answer if letter.isascii() and (letter.isalnum() or letter in "-_"))
    return f"call_{letters[-_MAX_NAME:]}_{choice}_{number}"


def read_arguments(function: Function) -> str:
    """Arguments as text, as they came; an object (some servers) is written as JSON."""
    arguments = function.arguments
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or function.input or ""
