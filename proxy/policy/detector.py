"""What one endpoint of a target does differently than it used to: slower to begin, slower to go on, or more often wrong.

Decides whether the target is in a brownout, and says so in one sentence. Every answer is counted as it comes; conclusions
are drawn only when a bad one has come in, and at most once a second, so that a healthy target costs a few additions.

Speed is judged per sort of request (size, reasoning), since a long prompt begins later on any day; the shares of slow
answers of all sorts then count together. The window is eight seconds, or as much longer as it takes for enough answers.

Invariants: what comes in while the target is suspect never counts as usual (for an hour); siblings that are as bad are an
alibi. Refuses to know what follows from a finding (`suspicion.py`), and where texts come from.
"""

from collections.abc import Sequence
from math import inf

from proxy.core.detection import DetectSettings
from proxy.policy.baselines import ENOUGH, Baseline
from proxy.policy.outliers import STRICTNESS, Usual, find_flaw
from proxy.policy.quality import FLAWS, NAMES, SAMPLED, Flaw
from proxy.policy.slots import Slot, Slots

#: Slow answers: slots of a second for two minutes, of which the last eight seconds count if they hold enough.
SPEED_SPAN = 8.0
_SPEED_KEEP = 120
#: Flawed answers: slots of five seconds for ten minutes, of which the last fifteen seconds count, or the last sixty answers.
FLAW_SPAN = 15.0
_FLAW_ANSWERS = 60
_FLAW_WIDTH = 5.0
_FLAW_KEEP = 120
#: Slots that wait before they count as usual: two minutes; in the beginning, when nothing is known, 20 s.
_WAITING, _FIRST = 24, 4
#: The two figures of speed: seconds to the first content, seconds a token.
START, PACE = 0, 1
#: What is slow is so beyond the median by so many seconds at least; a token likewise.
_FLOORS = (0.3, 0.01)
_EVERY = 1.0
#: One text in so many is looked at, and all of the next so many after a find.
_SAMPLE = 4
_CLOSELY = 60
#: Usual shares below this are not worth a line.
_WORTH_SAYING = 0.02


class Detector:
    """See the module's text. `flaw`: the last finding's, None if it was about speed."""

    __slots__ = (
        "_baselines",
        "_checked",
        "_closely",
        "_learned",
        "_strictness",
        "_turn",
        "answers",
        "flaw",
        "settings",
        "speeds",
        "usual",
    )

    def __init__(self, settings: DetectSettings) -> None:
        self.settings = settings
        self._strictness = STRICTNESS[settings.sensitivity]
        self._baselines: tuple[dict[int, Baseline], ...] = ({}, {})
        self.speeds = (Slots(1.0, _SPEED_KEEP, 1), Slots(1.0, _SPEED_KEEP, 1))
        self.answers = Slots(_FLAW_WIDTH, _FLAW_KEEP, len(FLAWS))
        self.usual = Usual()
        self.flaw: Flaw | None = None
        self._checked = -inf
        self._learned = 0
        self._turn = 0
        self._closely = 0

    # Taking in.

    def took(self, what: int, sort: int, seconds: float, now: float, suspect: bool) -> bool:
        """An answer to a request of this sort took so many seconds to begin (START), or for each token (PACE). Was that
        slow?"""
        baseline = self._baselines[what].get(sort) or self._open(what, sort)
        slow = seconds > baseline.limit
        baseline.observe(seconds, now, suspect)
        slot = self.speeds[what].at(now)
        slot[1] += 1
        if slow:
            slot[2] += 1
        return slow

    def answered(self, flaws: int, now: float, suspect: bool) -> None:
        """An attempt is over that says something about the target: with these flaws (bits)."""
        answers = self.answers
        slot = answers.at(now)
        if slot[1] == 0:
            self._learn(slot[0], now, suspect)
        slot[1] += 1
        if flaws:
            if flaws & SAMPLED:
                self._closely = self._turn + _CLOSELY
            for flaw in FLAWS:
                if flaws >> flaw & 1:
                    slot[2 + flaw] += 1

    def sampled(self) -> bool:
        """Is the text of this answer to be looked at? One in four, and all of them for a while once something was found."""
        self._turn += 1
        return self._turn % _SAMPLE == 0 or self._turn < self._closely

    def due(self, now: float) -> bool:
        """May conclusions be drawn again? Asking is committing."""
        if now - self._checked < _EVERY:
            return False
        self._checked = now
        return True

    # Concluding.

    def find(self, now: float, siblings: Sequence["Detector"]) -> str | None:
        """What is out of the ordinary, in a sentence without a full stop; None: nothing is."""
        said = self._find_slowness(now, siblings) if self.settings.slow else None
        if said is not None:
            self.flaw = None
            return said
        if not self.settings.wrong:
            return None
        own = self._recent(now)
        others = [sibling._recent(now) for sibling in siblings]
        found = find_flaw(own, self.usual, others, self._strictness, self.answers.age(own[0], now))
        if found is None:
            return None
        self.flaw, said = found
        return said

    def adopt(self, now: float) -> Sequence[int]:
        """What was seen lately is usual from now on: the requests have changed, not the target. Gives what was seen."""
        counts = self._recent(now)[1:]
        self.usual.believe(counts)
        return counts

    def forget(self) -> None:
        """Begin anew to count what comes: what was seen before has had its consequence."""
        for slots in (*self.speeds, self.answers):
            slots.clear()

    # Views.

    def view(self, now: float) -> dict[str, object]:
        """For people: what is usual and what is now. Milliseconds, tokens a second, shares."""
        starts, paces = (self._recent_speed(what, now) for what in (START, PACE))
        usual, pace = self._median(START), self._median(PACE)
        own = self._recent(now)
        return {
            "usual_ttft_ms": None if usual is None else round(1000 * usual),
            "usual_tokens_per_s": None if pace is None else round(1 / pace, 1),
            "slow_to_begin": _share(starts[2], starts[1]),
            "slow_to_go_on": _share(paces[2], paces[1]),
            "flawed": {NAMES[flaw]: _share(own[2 + flaw], own[1]) for flaw in FLAWS if own[2 + flaw]},
            "usually_flawed": {
                NAMES[flaw]: round(share, 3) for flaw in FLAWS if (share := self.usual.share(flaw) or 0.0) >= _WORTH_SAYING
            },
        }

    def _find_slowness(self, now: float, siblings: Sequence["Detector"]) -> str | None:
        strictness = self._strictness
        for what in (START, PACE):
            own = self._recent_speed(what, now)
            if own[1] < strictness.judged or own[2] < strictness.share * own[1]:
                continue
            others = [sums for sibling in siblings if (sums := sibling._recent_speed(what, now))[1] >= strictness.judged]
            if others and min(sums[2] / sums[1] for sums in others) * 2 >= own[2] / own[1]:
                continue  # all of them are: it is not the target
            seconds = self.speeds[what].age(own[0], now)
            return f"{own[2]} of {own[1]} answers in {seconds:.0f} s {self._describe(what)}"
        return None

    def _describe(self, what: int) -> str:
        usual = self._median(what) or inf
        if what == START:
            return f"began far later than usual ({usual:.2g} s)"
        return f"came far slower than usual ({1 / usual:.3g} tokens a second)"

    def _median(self, what: int) -> float | None:
        """What is usual for the sort of request that is fastest, None: nothing is known."""
        return min((known.median for known in self._baselines[what].values() if known.median is not None), default=None)

    def _recent_speed(self, what: int, now: float) -> Slot:
        return self.speeds[what].sums(now, SPEED_SPAN, self._strictness.judged)

    def _recent(self, now: float) -> Slot:
        return self.answers.sums(now, FLAW_SPAN, _FLAW_ANSWERS)

    def _learn(self, number: int, now: float, suspect: bool) -> None:
        """A new slot has begun: those that have waited long enough are usual now."""
        ripe = number - (_WAITING if self.usual.judged >= ENOUGH else _FIRST)
        for slot in self.answers.between(self._learned, ripe):
            self.usual.learn(slot, now, suspect)
        self._learned = max(self._learned, ripe)

    def _open(self, what: int, sort: int) -> Baseline:
        baseline = self._baselines[what][sort] = Baseline(self._strictness.factor, _FLOORS[what])
        return baseline


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
