"""When a share is out of the ordinary: against what is usual for a target, and against those that do the same work.

Decides whether so many flawed answers among so many are a finding, and says it in a sentence. Few answers prove little, so
a share counts by the lower end of its confidence interval (Wilson's, at three standard deviations): that end has to be
above the flaw's floor and above three times what is usual. And whatever the others of a tier, or of the same model, do
just as often comes from the requests, not from the target.

`Usual` is slow memory: shares over hours (half of it fades in two hours of traffic). Counts wait two minutes before they
become usual, and those from a time of suspicion never do, unless it lasts for an hour.

Invariants: without a minimum of answers and of flawed ones nothing is a finding. Refuses to know what follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from proxy.core.detection import Sensitivity
from proxy.policy.baselines import BELIEVED_AFTER, ENOUGH
from proxy.policy.quality import FLAWS, WORDS, Flaw
from proxy.policy.slots import Slot

_HALF_LIFE = 2 * 3600.0
_LONGEST_STEP = 120.0
#: Standard deviations of the interval.
_DEVIATIONS = 3.0
#: A share this many times what is usual is out of the ordinary; likewise this many times the siblings'.
_TIMES_USUAL = 3.0
_TIMES_SIBLINGS = 3.0


@dataclass(frozen=True, slots=True)
class Rule:
    """`floor`: no share below it is a finding, in the lower end of its interval. `plain`: a fault whatever was asked, so
    that siblings without it prove it even where nothing is known of the past. `compared`: only siblings can tell it."""

    floor: float
    plain: bool
    compared: bool = False


#: By flaw. What clients can bring about (a low limit, a provocative question) takes more to count.
RULES: tuple[Rule, ...] = (
    Rule(0.05, True),  # EMPTY
    Rule(0.05, True),  # CUT
    Rule(0.20, False),  # UNFINISHED
    Rule(0.25, False),  # TRUNCATED
    Rule(0.15, False),  # REFUSED
    Rule(0.10, False),  # BAD_JSON
    Rule(0.08, True),  # BAD_ARGUMENTS
    Rule(0.05, False),  # FOREIGN_SCRIPT
    Rule(0.05, True),  # LOOPING
    Rule(0.30, True, compared=True),  # FAILED
)


@dataclass(frozen=True, slots=True)
class Strictness:
    """`flawed` answers of at least `judged` before a share means anything; `factor`: slow is beyond so many medians, `share`
    of at least `judged` answers makes a slow target."""

    flawed: int
    judged: int
    factor: float
    share: float


STRICTNESS = {
    Sensitivity.LOW: Strictness(flawed=10, judged=40, factor=4.0, share=0.8),
    Sensitivity.NORMAL: Strictness(flawed=5, judged=20, factor=2.5, share=0.6),
    Sensitivity.HIGH: Strictness(flawed=4, judged=12, factor=1.8, share=0.5),
}


def lowest(flawed: int, judged: int) -> float:
    """The lower end of the confidence interval of a share."""
    if not judged:
        return 0.0
    share, square = flawed / judged, _DEVIATIONS * _DEVIATIONS
    spread = sqrt(share * (1.0 - share) / judged + square / (4.0 * judged * judged))
    return (share + square / (2.0 * judged) - _DEVIATIONS * spread) / (1.0 + square / judged)


class Usual:
    """How often a target's answers show each flaw."""

    __slots__ = ("_at", "_doubtful", "_doubtful_since", "flawed", "judged")

    def __init__(self) -> None:
        self.judged = 0.0
        self.flawed = [0.0] * len(FLAWS)
        self._at = 0.0
        self._doubtful = [0] * (1 + len(FLAWS))
        self._doubtful_since: float | None = None

    def share(self, flaw: Flaw) -> float | None:
        """What is usual; None: too little is known. The first hundred answers do not make a share of nought."""
        return None if self.judged < ENOUGH else (self.flawed[flaw] + 0.5) / (self.judged + 50.0)

    def learn(self, slot: Slot, now: float, suspect: bool) -> None:
        """Take in a slot that has waited."""
        if not suspect:
            self._doubtful_since = None
            self._fade(now)
            self._add(slot[1:])
            return
        if self._doubtful_since is None:
            self._doubtful_since = now
            self._doubtful = [0] * (1 + len(FLAWS))
        self._doubtful = [mine + more for mine, more in zip(self._doubtful, slot[1:], strict=True)]
        if now - self._doubtful_since >= BELIEVED_AFTER and self._doubtful[0] >= ENOUGH:
            self.believe(self._doubtful)
            self._doubtful_since = now

    def believe(self, counts: Sequence[int]) -> None:
        """From now on this is usual: the number of answers, then of each flaw."""
        self.judged = 0.0
        self.flawed = [0.0] * len(FLAWS)
        self._add(counts)

    def _fade(self, now: float) -> None:
        factor = 0.5 ** (min(now - self._at, _LONGEST_STEP) / _HALF_LIFE)
        self._at = now
        self.judged *= factor
        self.flawed = [count * factor for count in self.flawed]

    def _add(self, counts: Sequence[int]) -> None:
        self.judged += counts[0]
        for flaw in FLAWS:
            self.flawed[flaw] += counts[1 + flaw]


def find_flaw(
    own: Slot, usual: Usual, siblings: Sequence[Slot], strictness: Strictness, seconds: float
) -> tuple[Flaw, str] | None:
    """The first flaw that is out of the ordinary, and a sentence about it without a full stop. `own` and `siblings`: counts
    of the last `seconds`."""
    judged = own[1]
    if judged < strictness.judged:
        return None
    others = [slot for slot in siblings if slot[1] >= strictness.judged]
    for flaw in FLAWS:
        flawed = own[2 + flaw]
        if flawed < strictness.flawed:
            continue
        rule, low = RULES[flaw], lowest(flawed, judged)
        if low < rule.floor:
            continue
        theirs = max((slot[2 + flaw] / slot[1] for slot in others), default=None)
        if theirs is not None and flawed / judged < _TIMES_SIBLINGS * theirs:
            continue
        why = _compare(rule, low, usual.share(flaw), theirs)
        if why:
            return flaw, f"{flawed} of {judged} answers in {seconds:.0f} s {WORDS[flaw]}{why}"
    return None


def _compare(rule: Rule, low: float, usual: float | None, theirs: float | None) -> str:
    """What makes the share a finding, "" for nothing."""
    if not rule.compared and usual is not None and low > _TIMES_USUAL * usual:
        return f", where {usual:.1%} is usual" + ("" if theirs is None else f" and its siblings have {theirs:.0%}")
    if rule.plain and theirs is not None and (rule.compared or usual is None):
        return f", and {theirs:.0%} of its siblings'"
    return ""
