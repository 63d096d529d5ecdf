"""A whole generateContent answer as a `Completion`: the same reading as a stream's, its pieces put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.wire.dialogue import GOOGLE, Text, Thinking, ToolCall
from proxy.wire.failures import find_failure, judge_unreadable
from proxy.wire.gemini.chunk import decode_chunk
from proxy.wire.gemini.reading import Reading
from proxy.wire.lenient import UNREADABLE, decode_leniently
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Citation,
    Completion,
    CompletionChoice,
    Finish,
    Finished,
    Piece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)


def read_completion(body: bytes) -> Completion:
    """Judge and read a whole answer; its outcome says why it is none."""
    reading = Reading()
    try:
        chunk = decode_leniently(decode_chunk, body)
        pieces = reading.take(chunk)
    except UNREADABLE:
        return Completion(judge_unreadable(body, "the answer cannot be read"))
    told = find_failure(body) if chunk.error else None
    if told is not None:
        return Completion(told)
    completion = _fold(pieces)
    failure = reading.judge()
    if failure is not None:
        completion.outcome = failure
    elif not completion.choices:
        completion.outcome = Outcome(OutcomeKind.MALFORMED, message="the answer has no candidates")
    return completion


def _fold(pieces: Sequence[Piece]) -> Completion:
    """The pieces put together. What is whole is finished, whether or not it says so."""
    completion = Completion(OK)
    choices: dict[int, CompletionChoice] = {}
    for piece in pieces:
        if isinstance(piece, Began):
            completion.id, completion.model = piece.id, piece.model
        elif isinstance(piece, Spent):
            completion.usage = piece.usage
        else:
            choice = choices.get(piece.choice)
            if choice is None:
                choice = choices[piece.choice] = CompletionChoice([], Finished(Finish.STOP, choice=piece.choice))
            _FOLDS[type(piece)](choice, piece)
    completion.choices = [choices[index] for index in sorted(choices)]
    return completion


def _fold_text(choice: CompletionChoice, piece: TextPiece) -> None:
    last = choice.parts[-1] if choice.parts else None
    if isinstance(last, Text):
        last.text += piece.text
    else:
        choice.parts.append(Text(piece.text))


def _fold_thinking(choice: CompletionChoice, piece: ThinkingPiece) -> None:
    last = choice.parts[-1] if choice.parts else None
    if isinstance(last, Thinking) and last.signature is None and last.redacted is None:
        last.text += piece.text
    else:
        choice.parts.append(Thinking(piece.text, vendor=GOOGLE))


def _fold_seal(choice: CompletionChoice, piece: ThinkingSealed) -> None:
    last = choice.parts[-1] if choice.parts else None
    if piece.redacted is None and isinstance(last, Thinking) and last.signature is None and last.redacted is None:
        last.signature = piece.signature
    else:
        choice.parts.append(Thinking(signature=piece.signature, redacted=piece.redacted, vendor=piece.vendor))


def _fold_call(choice: CompletionChoice, piece: CallBegan) -> None:
    choice.parts.append(ToolCall(piece.id, piece.name, "", signature=piece.signature))
    if choice.finish.reason is Finish.STOP:
        choice.finish = replace(choice.finish, reason=Finish.TOOL_CALLS)


def _fold_arguments(choice: CompletionChoice, piece: CallPiece) -> None:
    call = choice.parts[-1]
    assert isinstance(call, ToolCall)  # a call's arguments follow at once
    call.arguments += piece.fragment


def _fold_citation(choice: CompletionChoice, piece: Citation) -> None:
    choice.citations.append(piece)


def _fold_finish(choice: CompletionChoice, piece: Finished) -> None:
    choice.finish = piece


_FOLDS: Mapping[type, Callable[..., None]] = {
    TextPiece: _fold_text,
    ThinkingPiece: _fold_thinking,
    ThinkingSealed: _fold_seal,
    CallBegan: _fold_call,
    CallPiece: _fold_arguments,
    Citation: _fold_citation,
    Finished: _fold_finish,
}
