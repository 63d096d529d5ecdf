"""How one call's stream goes on after a cut: what the client has, what is asked of whom next, who wrote which part.

A route that resumes makes one of these for each call whose answer is nothing but text. It costs the stream a list of what
was written; all else happens after a cut. There are two ways: the same question again, spliced to what was sent, and going
on from what was sent, where a target can. `AUTO` begins with the first, which proves itself, and turns to the second once an
answer has diverged. A target that refuses to go on is asked no more (`Unwilling`), and its refusal is nobody's error.

While only reasoning has been sent no text is at stake, and asking the same again is right in every mode.

Invariants: at most `MAX_RESUMES` answers are begun for a call besides those that were refused; never one after something
that no other can end. Refuses to know when a further attempt may be made, and where (`retry.py`).
"""

import enum
from collections import OrderedDict
from collections.abc import Mapping

from proxy.core.call import Call
from proxy.core.continuity import Resume
from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind
from proxy.core.records import AttemptRecord
from proxy.pipeline.attempt import Attempt
from proxy.pipeline.journey import Journey
from proxy.pipeline.recording import Recorder
from proxy.pipeline.tunneling import TunnelAttempt
from proxy.policy.strategies import Candidate
from proxy.providers.contract import ProviderKind
from proxy.wire.joints.extending import BYTES_PER_TOKEN
from proxy.wire.joints.fitness import open_joint
from proxy.wire.joints.joint import Bill, Joint
from proxy.wire.joints.seam import Exact, Overlap
from proxy.wire.openai_envelope import EnvelopeError, read_value
from proxy.wire.translation import TranslatedReader

MAX_RESUMES = 2
#: Seconds for which a target that refused to go on is not asked to, and how many of them are known.
UNWILLING_FOR = 3600.0
MAX_UNWILLING = 1024


class Way(enum.StrEnum):
    """How a target is asked to go on."""

    SPLICE = "splice"
    CONTINUE = "continue"


class Unwilling:
    """Targets that refused to go on with an answer, each for a while."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, Endpoint], float] = OrderedDict()

    def note(self, target_id: str, endpoint: Endpoint, now: float) -> None:
        self._until[target_id, endpoint] = now + UNWILLING_FOR
        self._until.move_to_end((target_id, endpoint))
        if len(self._until) > MAX_UNWILLING:
            self._until.popitem(last=False)

    def knows(self, target_id: str, endpoint: Endpoint, now: float) -> bool:
        return now < self._until.get((target_id, endpoint), 0.0)


class Resumption:
    """See the module's text. `begun`: there has been a cut. `allowed`: attempts that this call may make altogether."""

    __slots__ = (
        "_call",
        "_diverged",
        "_extended",
        "_input",
        "_kinds",
        "_mode",
        "_parts",
        "_recorder",
        "_told",
        "_unwilling",
        "allowed",
        "begun",
        "joint",
    )

    def __init__(self, journey: Journey, joint: Joint, mode: Resume) -> None:
        self._call = journey.call
        self._mode = mode
        self._recorder = Recorder(journey.downstream, joint)
        journey.downstream = self._recorder
        self._kinds: Mapping[str, ProviderKind] = {}
        self._unwilling = Unwilling()
        self._diverged = False
        self._extended: dict[str, Call | None] = {}
        self._parts: list[tuple[str, int]] = []
        self._told = 0
        self._input: int | None = None
        self.joint = joint
        self.begun = False
        self.allowed = 0

    def may_follow(self, attempt: Attempt | TunnelAttempt) -> bool:
        """Can this stream, as far as the client has it, be ended by another answer? Takes note of the attempt's part."""
        self._recorder.read()
        if attempt.record.delivered:
            self._take_part(attempt.record)
            self._extended.clear()
        if attempt.record.outcome.kind is OutcomeKind.DIVERGED:
            self._diverged = True
        reader = attempt.reader
        kept = (
            reader is not None and reader.resource_id is not None and read_value(self._call.envelope, "store") is not False
        )
        if not self.begun and reader is not None:
            told = reader.usage.input if reader.usage is not None else None
            self._input = told if isinstance(reader, TranslatedReader) else self.joint.input or told
        return not self.joint.obstacle and not kept

    def begin(self, made: int, kinds: Mapping[str, ProviderKind], unwilling: Unwilling) -> None:
        """The first cut, after so many attempts."""
        self.begun = True
        self.allowed = made + MAX_RESUMES
        self._kinds = kinds
        self._unwilling = unwilling

    def find_way(self, candidate: Candidate, now: float) -> Way | None:
        """How this target would be asked; None: not at all."""
        if self._mode is Resume.SPLICE or (self._mode is Resume.AUTO and not self._diverged):
            return Way.SPLICE
        if not self.joint.text.strip():
            return Way.SPLICE  # there is nothing to go on from
        if self.can_extend(candidate, now):
            return Way.CONTINUE
        return Way.SPLICE if self._mode is Resume.AUTO else None

    def can_extend(self, candidate: Candidate, now: float) -> bool:
        """Can this target be asked to go on from what was sent, and does the route want that?"""
        if self._mode is Resume.SPLICE or self._unwilling.knows(candidate.state.id, self._call.endpoint, now):
            return False
        return self._extend(candidate) is not None

    def open(self, candidate: Candidate, way: Way) -> Call:
        """What this target is asked; its answer is joined from now on."""
        joint = self.joint
        extended = self._extend(candidate) if way is Way.CONTINUE else None
        if extended is None:
            joint.begin(Exact(joint.text), Bill(self._input))
            return self._call
        text = joint.text
        joint.begin(Overlap(text, text.rstrip()), Bill(self._input, -(-len(text) // BYTES_PER_TOKEN)))
        return extended

    def refused(self, candidate: Candidate, now: float) -> None:
        """This target refused to go on. It cost nothing, and does not count."""
        self._unwilling.note(candidate.state.id, self._call.endpoint, now)
        self.allowed += 1

    def close(self, attempt: Attempt | TunnelAttempt) -> None:
        """The stream is whole; its tail is about to be written."""
        self._recorder.read()
        self.joint.read(attempt.tail)
        if attempt.reader is not None:
            self.joint.read(attempt.reader.terminator)
        self._take_part(attempt.record)

    def parts(self) -> list[dict[str, object]]:
        """Who wrote how many characters, in order."""
        return [{"target": target, "characters": characters} for target, characters in self._parts]

    def _take_part(self, record: AttemptRecord) -> None:
        self._parts.append((record.target, self.joint.size - self._told))
        self._told = self.joint.size

    def _extend(self, candidate: Candidate) -> Call | None:
        target = candidate.target
        if target.id not in self._extended:
            try:
                kind = self._kinds[target.provider]
                self._extended[target.id] = kind.continuation(self._call, target, self.joint.text.rstrip())
            except EnvelopeError:
                self._extended[target.id] = None  # its wire format has no words for this request
        return self._extended[target.id]


def prepare_resumption(journey: Journey) -> Resumption | None:
    """For a call of a route that resumes; None: its answer is more than text, or does not come bit by bit."""
    mode, envelope = journey.route.route.resume, journey.call.envelope
    if mode is Resume.OFF or not envelope.stream:
        return None
    joint = open_joint(journey.call.endpoint, envelope, journey.format.needs_of)
    return None if joint is None else Resumption(journey, joint, mode)
