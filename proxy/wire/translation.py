"""Between a client's format and a vendor's: the two halves, and the reader that joins them.

A `ClientDialect` reads requests of one client format into a `Dialogue` and writes answers back; a `VendorFormat` writes a
`Dialogue` as one vendor wants it and reads its answers. Any pair of them is a translation, so that a new vendor is one file
for all clients and a new client format one file for all vendors. The tables of both are data: `dialects.py` lists the
clients', each provider kind names its vendor's.

What a request loses on the way is said, never hidden: it follows from the vendor's table of fates, and from what `write`
gives back besides the body, which only this request could show.

`TranslatedReader` is a `StreamReader` over a vendor's decoder and a client's encoder. The verdict on a stream is made
here once for all pairs: no finish is a broken stream, a finish without anything before it is malformed. Refuses to know
which vendor or client it serves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.core.call import Call, Envelope
from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.dialogue import Dialogue, Refusal, Text, Thinking, ToolCall
from proxy.wire.pieces import (
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
from proxy.wire.reading import Answer, StreamReader


@dataclass(slots=True)
class Written:
    """A request in a vendor's format. `fates`: what this request turned out differently from the vendor's table."""

    body: bytes
    fates: dict[Feature, Fate] = field(default_factory=dict)


class StreamDecoder(Protocol):
    """Reads a vendor's stream. `feed` takes any split of the bytes and gives the pieces that they complete, in order; none
    after a failure. `failure`: an error in the stream or something that cannot be read. `done`: the terminal event was seen.
    `events`: how many events with data so far. Nothing raises."""

    failure: Outcome | None
    done: bool
    events: int

    def feed(self, data: bytes) -> list[Piece]: ...

    def finish(self) -> list[Piece]:
        """The vendor closed the stream in order: what was still held back. May set `failure` (an unreadable rest)."""
        ...


class StreamEncoder(Protocol):
    """Writes a client's stream. `encode` gives whole events. `close` gives what ends a whole stream, with its terminator:
    everything that a client takes for the end stands there and nowhere else."""

    def encode(self, pieces: Sequence[Piece]) -> bytes: ...

    def close(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ClientDialect:
    """One client format as seen from here. `read` raises EnvelopeError for what no vendor could be asked. `lacks`: features
    of the format whose answers the neutral form has no place for, so that no vendor of another format can serve them."""

    read: Callable[[Envelope], Dialogue]
    encoder: Callable[[Call], StreamEncoder]
    write_answer: Callable[[Call, Completion], bytes]
    lacks: frozenset[Feature] = frozenset()


@dataclass(frozen=True, slots=True)
class VendorFormat:
    """One vendor format as seen from here. `fates` names every feature. `write` gets the dialogue, the upstream model's name
    and what is known of it; it raises EnvelopeError for what this format cannot say (tool arguments that are no JSON)."""

    name: str
    fates: Mapping[Feature, Fate]
    write: Callable[[Dialogue, str, ModelFacts], Written]
    decoder: Callable[[], StreamDecoder]
    read_answer: Callable[[bytes], Completion]


def name_losses(dialogue: Dialogue, written: Written, fates: Mapping[Feature, Fate]) -> tuple[str, ...]:
    """What a translation changes, for `x-undimmed-dropped`: names of dropped features and fields, then approximated ones
    with `;approximated`, each sorted."""
    verdicts = {feature: written.fates.get(feature, fates[feature]) for feature in dialogue.features}
    verdicts |= written.fates
    dropped = sorted([feature.value for feature, fate in verdicts.items() if fate is Fate.DROPPED] + dialogue.unknown)
    near = sorted(feature.value for feature, fate in verdicts.items() if fate is Fate.APPROXIMATED)
    return (*dropped, *(f"{name};approximated" for name in near))


def find_refused(dialogue: Dialogue, fates: Mapping[Feature, Fate]) -> Feature | None:
    """A feature of this request that a format cannot carry and must not drop; None: there is none. Routing should not have
    come here with it, but what it did not look at must not be answered by half."""
    return min((feature for feature in dialogue.features if fates.get(feature) is Fate.REFUSED), default=None)


def translate_answer(call: Call, dialect: ClientDialect, completion: Completion) -> Answer:
    """A vendor's whole answer as the client's."""
    model = completion.model or None
    if not completion.outcome.ok:
        return Answer(completion.outcome, b"", completion.usage, model)
    usage = completion.usage
    stops = isinstance(call.dialogue, Dialogue) and bool(call.dialogue.sampling.stop)
    finishes = [choice.finish.reason for choice in completion.choices]
    if not any(choice.parts for choice in completion.choices) and _is_nothing(finishes, usage, stops):
        return Answer(Outcome(OutcomeKind.MALFORMED, message="the answer is empty"), b"", usage, model)
    texts = [text for choice in completion.choices for part in choice.parts for text in _texts_of(part)]
    kept = [] if usage is not None else texts
    finish = finishes[0] if finishes else None
    return Answer(OK, dialect.write_answer(call, completion), usage, model, kept, finish=finish)


def _texts_of(part: Text | Thinking | ToolCall | Refusal) -> tuple[str, ...]:
    if isinstance(part, ToolCall):
        return (part.name, part.arguments) if part.arguments else (part.name,)
    return (part.text,) if part.text else ()


def _is_nothing(finishes: Sequence[Finish], usage: Usage | None, stops: bool) -> bool:
    """Nothing was written and nothing explains it: not a stop sequence, not a filter, not a limit."""
    return not stops and set(finishes) <= {Finish.STOP} and (usage is None or usage.output == 0)


class TranslatedReader(StreamReader):
    """`stops`: the request names stop sequences, so that an empty answer can be right. `choices`: how many finishes make a
    whole answer. A translated answer is stored nowhere."""

    __slots__ = (
        "_broken",
        "_choices",
        "_decoder",
        "_encoder",
        "_finishes",
        "_stops",
    )

    def __init__(self, decoder: StreamDecoder, encoder: StreamEncoder, stops: bool = False, choices: int = 1) -> None:
        super().__init__()
        self._decoder = decoder
        self._encoder = encoder
        self._stops = stops
        self._broken = False
        self._choices = choices
        self._finishes: dict[int, Finish] = {}

    @property
    def finish(self) -> str | None:
        return self._finishes.get(0)

    def feed(self, data: bytes) -> bytes:
        if self._silent:
            return b""
        return self._take(self._decoder.feed(data))

    def forgo(self) -> None:
        self._broken = True

    def end(self) -> Outcome:
        rest = b""
        if not self._silent and not self._broken:
            rest = self._take(self._decoder.finish())
        if self.failure is not None:
            return self.failure
        self._silent = True
        if len(self._finishes) < max(self._choices, 1):
            where = "without a finish reason" if self.content else "before its first content"
            return Outcome(OutcomeKind.STREAM_BROKEN, message=f"the stream ended {where}")
        empty = not self.content and not self.extends
        if empty and _is_nothing(list(self._finishes.values()), self.usage, self._stops):
            return Outcome(OutcomeKind.MALFORMED, message="the stream finished without any content")
        # What the decoder held back until now belongs before the end, and nothing else can be written any more.
        self.terminator = rest + self._encoder.close()
        return OK

    def _take(self, pieces: Sequence[Piece]) -> bytes:
        decoder = self._decoder
        self.data_events = decoder.events
        for piece in pieces:
            _NOTES[type(piece)](self, piece)
        out = self._encoder.encode(pieces) if pieces else b""
        if decoder.failure is not None:
            self._fail(decoder.failure)
        elif decoder.done:
            self.done = self._silent = True
        return out

    def _note_began(self, piece: Began) -> None:
        self.model = piece.model or self.model
        self.given = piece.given or self.given

    def _note_text(self, piece: TextPiece) -> None:
        self._keep("content", piece.text, piece.choice)

    def _note_thinking(self, piece: ThinkingPiece) -> None:
        self._keep("reasoning", piece.text, piece.choice)

    def _note_sealed(self, piece: ThinkingSealed) -> None:
        self.content = True

    def _note_refusal(self, piece: RefusalPiece) -> None:
        self._keep("refusal", piece.text, piece.choice)

    def _note_call(self, piece: CallBegan) -> None:
        self._keep(f"tool:{piece.call}", piece.name, piece.choice)

    def _note_arguments(self, piece: CallPiece) -> None:
        self._keep(f"tool:{piece.call}", piece.fragment, piece.choice)

    def _note_citation(self, piece: Citation) -> None:
        pass

    def _note_finished(self, piece: Finished) -> None:
        self._finishes[piece.choice] = piece.reason

    def _note_spent(self, piece: Spent) -> None:
        self.usage = piece.usage


_NOTES: Mapping[type, Callable[..., None]] = {
    Began: TranslatedReader._note_began,
    TextPiece: TranslatedReader._note_text,
    ThinkingPiece: TranslatedReader._note_thinking,
    ThinkingSealed: TranslatedReader._note_sealed,
    RefusalPiece: TranslatedReader._note_refusal,
    CallBegan: TranslatedReader._note_call,
    CallPiece: TranslatedReader._note_arguments,
    Citation: TranslatedReader._note_citation,
    Finished: TranslatedReader._note_finished,
    Spent: TranslatedReader._note_spent,
}
