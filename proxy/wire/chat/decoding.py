"""A stream of chat completions, read into pieces.

Theory of operation. Splitting, salvage, errors in every spelling, usage wherever it stands and the terminator are the
business of the reader that relays such streams (`openai_stream.py`); here its look at each chunk's choices makes pieces of
them. An answer begins with the first chunk that has choices, so that Azure's empty first chunk begins nothing. Usage is told
after the chunk that brought it. A finish comes after everything else in its chunk.

Quirks: Mistral's lists of thinking and text, OpenRouter's reasoning details and its finish `error`, servers that finish with
`stop` after calling tools, Perplexity's sources, which stand in every chunk and are told once.

Invariants: any split of the bytes gives the same pieces; nothing comes after a failure. Inline `<think>` tags stay text.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.chat.calls import CallAssembler, SealedCall
from proxy.wire.chat.quirks import USUAL, Quirks
from proxy.wire.chat.spelling import FINISHES
from proxy.wire.chat.thoughts import read_thoughts
from proxy.wire.openai_chat import ChatChoice, ChatChunk, Delta, list_parts
from proxy.wire.openai_stream import Asked, OpenAIStreamReader
from proxy.wire.pieces import (
    Began,
    Citation,
    Finish,
    Finished,
    Piece,
    RefusalPiece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)

#: A deprecated `function_call` has no index; it is the only call of its answer.
_FUNCTION = 0


class FullDelta(Delta):
    """A delta or message with what only translations look at."""

    tool_calls: list[SealedCall] | None = None  # type: ignore[assignment]
    annotations: list[Any] | None = None


class _FullChoice(ChatChoice):
    delta: FullDelta | None = None


class _FullChunk(ChatChunk):
    choices: list[_FullChoice] | None = None  # type: ignore[assignment]
    id: Any = None
    created: Any = None
    citations: Any = None
    search_results: Any = None


_DECODE = msgspec.json.Decoder(_FullChunk).decode


class _PieceReader(OpenAIStreamReader[_FullChunk]):
    """Collects pieces; what it gives back as bytes is nobody's."""

    __slots__ = ("_answer", "_assemblers", "_began", "_sources", "_told", "pieces")

    def __init__(self, quirks: Quirks) -> None:
        # What an empty answer means and how many choices make a whole is judged once for all formats, not here.
        asked = Asked(stops=True, lenient_finish=quirks.lenient_finish, reasoning_outside=quirks.reasoning_outside)
        super().__init__(_DECODE, asked)
        self.pieces: list[Piece] = []
        self._began = False
        self._answer = ""
        self._assemblers: dict[int, CallAssembler] = {}
        self._sources: list[Citation] = []
        self._told: Usage | None = None

    def _take(self, payload: bytes, raw: bytes) -> bytes:
        out = super()._take(payload, raw)
        if self.usage is not None and self.usage is not self._told:
            self._told = self.usage
            self.pieces.append(Spent(self.usage))
        if self.done and self._asked.lenient_finish and self.content:
            for index, reason in self._finishes.items():
                if not reason:
                    self._finish(index, "stop")
        return out

    def _look(self, chunk: _FullChunk) -> None:
        if not self._began:
            self._begin(chunk)
        if chunk.search_results or chunk.citations:
            self._sources = read_sources(chunk.search_results, chunk.citations)
        for choice in chunk.choices or ():
            index = choice.index or 0
            finish = choice.finish_reason
            if finish == "error":
                self._fail(Outcome(OutcomeKind.SERVER_ERROR, message="the provider ended the stream with an error"))
                return
            if choice.delta is not None:
                self._read_delta(index, choice.delta)
            if not finish:
                self._finishes.setdefault(index, None)
            elif not self._finishes.get(index):
                self._finishes[index] = finish
                self._finish(index, finish)

    def _begin(self, chunk: _FullChunk) -> None:
        self._began = True
        self._answer = chunk.id if isinstance(chunk.id, str) else ""
        created = int(chunk.created) if isinstance(chunk.created, int | float) else 0
        self.pieces.append(Began(self._answer, chunk.model or "", created))

    def _read_delta(self, index: int, delta: FullDelta) -> None:
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details:
            self._read_thoughts(index, delta)
        content = delta.content
        if content and isinstance(content, str):
            self._add(TextPiece(content, index))
        elif content:
            for kind, text in list_parts(content):
                self._add(TextPiece(text, index) if kind == "content" else ThinkingPiece(text, index))
        if delta.refusal:
            self._add(RefusalPiece(delta.refusal, index))
        if delta.tool_calls or delta.function_call:
            self._read_calls(index, delta)
        if delta.annotations:
            self.pieces += read_annotations(delta.annotations, index)

    def _add(self, piece: Piece) -> None:
        self.content = True
        self.pieces.append(piece)

    def _read_thoughts(self, index: int, delta: FullDelta) -> None:
        for thought in read_thoughts(delta):
            if thought.text:
                self._add(ThinkingPiece(thought.text, index))
            else:
                self._add(ThinkingSealed(thought.signature, thought.redacted, thought.vendor, index))

    def _read_calls(self, index: int, delta: FullDelta) -> None:
        assembler = self._assemblers.get(index)
        if assembler is None:
            assembler = self._assemblers[index] = CallAssembler(index)
        self.content = True
        for fragment in delta.tool_calls or ():
            self.pieces += assembler.add(fragment, self._answer)
        if delta.function_call is not None:
            self.pieces += assembler.add(SealedCall(_FUNCTION, function=delta.function_call), self._answer)

    def _finish(self, index: int, word: str) -> None:
        assembler = self._assemblers.get(index)
        if assembler is not None:
            self.pieces += assembler.finish()
        if index == 0:
            self.pieces += self._sources
        self.pieces.append(Finished(read_finish(word, assembler is not None), choice=index))


class ChatDecoder:
    """Implements `StreamDecoder` for servers of OpenAI's chat format."""

    __slots__ = ("_reader", "done", "events", "failure")

    def __init__(self, quirks: Quirks = USUAL) -> None:
        self._reader = _PieceReader(quirks)
        self.failure: Outcome | None = None
        self.done = False
        self.events = 0

    def feed(self, data: bytes) -> list[Piece]:
        reader = self._reader
        reader.feed(data)
        self.failure, self.done, self.events = reader.failure, reader.done, reader.data_events
        pieces, reader.pieces = reader.pieces, []
        return pieces

    def finish(self) -> list[Piece]:
        outcome = self._reader.end()
        if not outcome.ok:
            self.failure = outcome
        return []


def read_finish(word: str | None, called: bool) -> Finish:
    """`stop` after a call of a tool is meant as a call: some servers say so, and OpenAI for a tool that was named."""
    finish = FINISHES.get(word or "", Finish.STOP)
    return Finish.TOOL_CALLS if called and finish is Finish.STOP else finish


def read_annotations(annotations: list[Any], choice: int = 0) -> list[Citation]:
    """OpenAI: {"type": "url_citation", "url_citation": {"url", "title", …}}."""
    places = [item.get("url_citation") for item in annotations if isinstance(item, dict)]
    return [_read_source(place, choice) for place in places if isinstance(place, dict)]


def read_sources(results: object, citations: object) -> list[Citation]:
    """Perplexity: `search_results` with titles, or `citations`, which are addresses alone."""
    if isinstance(results, list) and results:
        return [_read_source(result, 0) for result in results if isinstance(result, dict)]
    return [Citation(url=url) for url in citations if isinstance(url, str)] if isinstance(citations, list) else []


def _read_source(source: Mapping[str, Any], choice: int) -> Citation:
    url, title = source.get("url"), source.get("title")
    return Citation(url if isinstance(url, str) else "", title if isinstance(title, str) else "", source, choice)
