"""The pieces of an answer, whole or in chunks: one reading for both, so that they cannot differ.

Theory of operation. A reading is fed one response after the other and gives the pieces that each adds. A function call
comes whole, with its arguments as an object, whose bytes are taken as they are. A finished choice takes nothing more.

Seals (`thoughtSignature`). A call's goes with the call. That of a thought ends the thought. A text's seal has no place on
the text in the neutral form, so it becomes a redacted thought beside it, which every client format can give back; it is
kept only where the choice has said something, so that a seal alone does not pass for an answer.

Judging. A prompt that was blocked, an answer that is nothing but filtered, and a generation that failed
(MALFORMED_FUNCTION_CALL and the like) are outcomes: nothing reached the client, and the failure table decides. What was
filtered after it had said something is an answer that ends with `content_filter`. A reason that is not known is a stop.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from msgspec import Raw

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.dialogue import GOOGLE
from proxy.wire.gemini.chunk import Candidate, Chunk, FunctionCall, Part
from proxy.wire.gemini.sources import read_sources
from proxy.wire.gemini.usage import read_usage
from proxy.wire.pieces import (
    Began,
    CallBegan,
    CallPiece,
    Finish,
    Finished,
    Piece,
    Spent,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)

_FINISHES: Mapping[str, Finish] = {
    "MAX_TOKENS": Finish.LENGTH,
    "CONTINUATION": Finish.LENGTH,
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
            *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE"),
            *("ESCALATION", "PUP_LIMITED_DISABLED"),
        ),
        Finish.CONTENT_FILTER,
    ),
}
_FAILED: Mapping[str, OutcomeKind] = {
    "MALFORMED_FUNCTION_CALL": OutcomeKind.MALFORMED,
    "UNEXPECTED_TOOL_CALL": OutcomeKind.MALFORMED,
    "TOO_MANY_TOOL_CALLS": OutcomeKind.MALFORMED,
    "MALFORMED_RESPONSE": OutcomeKind.MALFORMED,
    # The history lacked what the writer should have given back.
    "MISSING_THOUGHT_SIGNATURE": OutcomeKind.BAD_REQUEST,
}
_NULL = (b"", b"null")


@dataclass(slots=True)
class _Choice:
    """What is known of one candidate so far."""

    calls: int = 0
    spoken: bool = False
    finish: Finish | None = None
    explanation: str = ""
    sources: set[str] = field(default_factory=set)


class Reading:
    """Reads the responses of one answer. `failure`: why it is none; what was given before stands, nothing follows."""

    __slots__ = ("_choices", "_id", "failure", "opened")

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._id = ""
        self.opened = False
        self.failure: Outcome | None = None

    def take(self, chunk: Chunk) -> list[Piece]:
        """The pieces of one response. Raises msgspec's errors and UnicodeDecodeError where a part of it cannot be read."""
        pieces: list[Piece] = []
        if not self.opened:
            self.opened = True
            self._id = chunk.response_id or ""
            pieces.append(Began(self._id, chunk.model_version or ""))
        if chunk.usage_metadata is not None:
            usage = read_usage(chunk.usage_metadata)
            if usage is not None:
                pieces.append(Spent(usage))
        for candidate in chunk.candidates or ():
            if self.failure is None:
                self._take_candidate(candidate, pieces)
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason and not self._choices:
            words = feedback.block_reason_message or f"the prompt was blocked ({feedback.block_reason})"
            self.failure = Outcome(OutcomeKind.CONTENT_FILTERED, message=words, code=feedback.block_reason)
        return pieces

    def judge(self) -> Outcome | None:
        """What is wrong with the answer now that it is at its end; None: nothing that shows here."""
        if self.failure is not None:
            return self.failure
        choices = self._choices.values()
        if choices and all(choice.finish is Finish.CONTENT_FILTER and not choice.spoken for choice in choices):
            words = next((choice.explanation for choice in choices if choice.explanation), "the answer was filtered")
            return Outcome(OutcomeKind.CONTENT_FILTERED, message=words, code="content_filter")
        return None

    def _take_candidate(self, candidate: Candidate, pieces: list[Piece]) -> None:
        index = candidate.index or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        if choice.finish is not None:
            return
        if candidate.content is not None:
            for part in candidate.content.parts or ():
                if part.function_call is not None:
                    self._take_call(part.function_call, part.thought_signature, index, choice, pieces)
                else:
                    _take_text(part, index, choice, pieces)
        if candidate.citation_metadata or candidate.grounding_metadata:
            for source in read_sources(candidate.citation_metadata, candidate.grounding_metadata, index):
                if source.url not in choice.sources:
                    choice.sources.add(source.url)
                    pieces.append(source)
        if candidate.finish_reason:
            self._finish(candidate, candidate.finish_reason, index, choice, pieces)

    def _take_call(self, call: FunctionCall, seal: str | None, index: int, choice: _Choice, pieces: list[Piece]) -> None:
        name, arguments = call.name or "", _read_arguments(call.args)
        identity = call.id or self._invent_id(f"{index}:{choice.calls}:{name}:{arguments}")
        pieces.append(CallBegan(choice.calls, identity, name, signature=seal or None, choice=index))
        pieces.append(CallPiece(choice.calls, arguments, index))
        choice.calls += 1
        choice.spoken = True

    def _invent_id(self, what: str) -> str:
        """An id for a call that has none: the same again for the same answer."""
        return "call_" + blake2b(f"{self._id}:{what}".encode(), digest_size=12).hexdigest()

    def _finish(self, candidate: Candidate, reason: str, index: int, choice: _Choice, pieces: list[Piece]) -> None:
        failed = _FAILED.get(reason)
        words = candidate.finish_message or ""
        if failed is not None:
            self.failure = Outcome(failed, message=words or f"the generation failed ({reason})", code=reason)
            return
        choice.finish = _FINISHES.get(reason) or (Finish.TOOL_CALLS if choice.calls else Finish.STOP)
        if choice.finish is Finish.CONTENT_FILTER:
            choice.explanation = words or f"the answer was filtered ({reason})"
        pieces.append(Finished(choice.finish, explanation=choice.explanation, choice=index))


def _take_text(part: Part, index: int, choice: _Choice, pieces: list[Piece]) -> None:
    if part.text:
        choice.spoken = True
        pieces.append(ThinkingPiece(part.text, index) if part.thought else TextPiece(part.text, index))
    seal = part.thought_signature
    if not seal or not choice.spoken:
        return
    if part.thought:
        pieces.append(ThinkingSealed(signature=seal, vendor=GOOGLE, choice=index))
    else:
        pieces.append(ThinkingSealed(redacted=seal, vendor=GOOGLE, choice=index))


def _read_arguments(args: Raw) -> str:
    written = bytes(args)
    return "{}" if written in _NULL else written.decode()
