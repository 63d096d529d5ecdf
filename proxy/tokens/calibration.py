"""What a target's own answers say about our estimates: one factor for each provider and model.

Theory of operation. Now and then a request that was answered with a count is estimated, too. The logarithm of the ratio
goes into a moving average, so that twice as much and half as much cancel out, and the average's exponential is the factor.
It learns whatever is constant: an unknown tokenizer, a hidden prompt, a proxy in between that adds to the instructions.

Only counts that are worth comparing are learned from: enough tokens, and text alone, since media is counted by its size. The
factor is laid over the text of estimates and nothing else; a number that a provider reported is never touched. `due` says
when the next comparison is wanted: often at first, then every few seconds, so that it costs nothing that could be measured.

Pure: the clock is an argument, and who counts, and where, is somebody else's business. Memory is bounded, since clients
that address models by name make targets up.
"""

import math

from msgspec import Struct

#: Below this a few tokens of framing are a large part.
LEAST_TOKENS = 200
#: Further away it is no tokenizer's fault: something is misread.
LOWEST, HIGHEST = 0.5, 3.0
#: Comparisons before the factor is used at all.
TRUSTED = 3
#: Weight of the newest comparison, once there are enough for it.
WEIGHT = 0.1
#: Seconds between two comparisons of a target: while there are few, and later.
EAGER, CALM = 1.0, 10.0
ENOUGH = 20
MAX_TARGETS = 1000


class Learned(Struct, gc=False):
    """Of one target. `mean` of the logarithms of so many `samples`; `due`: when to compare again (loop time)."""

    mean: float = 0.0
    samples: int = 0
    due: float = 0.0

    @property
    def factor(self) -> float:
        """1.0 until there are enough samples."""
        return math.exp(self.mean) if self.samples >= TRUSTED else 1.0


class Calibration:
    """Factors by target id. Kept over reloads of the configuration: what a model's tokenizer is does not depend on it."""

    __slots__ = ("_targets",)

    def __init__(self) -> None:
        self._targets: dict[str, Learned] = {}

    def __repr__(self) -> str:
        return f"<Calibration of {len(self._targets)} targets>"

    def due(self, target: str, now: float) -> bool:
        """Is a comparison wanted? The next is not before its time, whatever becomes of this one."""
        known = self._targets.get(target)
        if known is None:
            if len(self._targets) >= MAX_TARGETS:
                del self._targets[next(iter(self._targets))]
            known = self._targets[target] = Learned()
        elif now < known.due:
            return False
        known.due = now + (EAGER if known.samples < ENOUGH else CALM)
        return True

    def learn(self, target: str, reported: int, estimated: int) -> None:
        """A request that the provider counted, and our raw estimate of it: text alone."""
        known = self._targets.get(target)
        if known is None or reported < LEAST_TOKENS or estimated <= 0:
            return
        ratio = math.log(min(HIGHEST, max(LOWEST, reported / estimated)))
        known.samples += 1
        known.mean += (ratio - known.mean) * max(WEIGHT, 1 / known.samples)

    def factor(self, target: str) -> float:
        known = self._targets.get(target)
        return 1.0 if known is None else known.factor

    def samples(self, target: str) -> int:
        known = self._targets.get(target)
        return 0 if known is None else known.samples
