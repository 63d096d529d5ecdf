"""What is usual for a target: quantiles of a figure over hours, in constant memory.

Decides when an answer is slow *for this target*. Absolute limits can't: 3 s to the first word is an outage for one model and
a good day for another. The reference is a histogram on a logarithmic scale whose old counts fade (half of them in two hours
of traffic), so that it follows a target's drift over a day and not its brownout of ten minutes.

A brownout must not become what is usual. So samples wait before they count: those of the current and the last minute are
thrown away when the target becomes suspect, and while it is suspect they go to a histogram of their own. Only when the
suspicion has lasted for an hour is that one believed: the target is slower for good.

Invariants: `observe` is O(1) and allocates nothing; memory is a few hundred numbers; before `ENOUGH` samples nothing is
slow. Refuses to know units: what is measured may be seconds or seconds per token.
"""

from array import array
from math import inf, log2

#: Bins per doubling: a bin is 9 % wide on each side of its middle.
_FINENESS = 4
#: The lowest bin begins at 2**-_LOWEST (0.06 ms); the highest is open (beyond 4096).
_LOWEST = 14
_BINS = (_LOWEST + 12) * _FINENESS
_EMPTY = bytes(8 * _BINS)
_HALF_LIFE = 2 * 3600.0
_MINUTE = 60.0
#: A pause in traffic ages a baseline by no more than this: what nobody measured has not changed as far as we know.
_LONGEST_STEP = 120.0
#: Samples before anything is called usual.
ENOUGH = 100
#: After so long what was taken for a brownout is what is usual.
BELIEVED_AFTER = 3600.0


def bin_of(value: float) -> int:
    """The bin of a positive figure."""
    if value <= 0.0:
        return 0
    place = int((log2(value) + _LOWEST) * _FINENESS)
    return 0 if place < 0 else _BINS - 1 if place >= _BINS else place


def _middle(place: int) -> float:
    return float(2.0 ** ((place + 0.5) / _FINENESS - _LOWEST))


class Histogram:
    """Counts by bin. `total` may be a fraction: old counts fade."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = array("d", _EMPTY)
        self.total = 0.0

    def add(self, place: int) -> None:
        self.counts[place] += 1.0
        self.total += 1.0

    def absorb(self, other: "Histogram") -> None:
        """Take over what another one holds, and empty it."""
        if other.total:
            self.counts = array("d", (mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)))
            self.total += other.total
            other.clear()

    def fade(self, factor: float) -> None:
        self.counts = array("d", (count * factor for count in self.counts))
        self.total *= factor

    def clear(self) -> None:
        if self.total:
            self.counts = array("d", _EMPTY)
            self.total = 0.0

    def quantile(self, share: float) -> float:
        """The middle of the bin in which the quantile lies; inf without samples."""
        wanted = share * self.total
        for place, count in enumerate(self.counts):
            wanted -= count
            if count and wanted <= 0.0:
                return _middle(place)
        return inf


class Baseline:
    """One figure of one target and one sort of request. `limit`: above it a sample is slow (inf: too little is known);
    `median`: what is usual, None likewise. A sample is slow that is beyond `factor` medians, beyond nine tenths of what is
    usual, and beyond the median by `floor`."""

    __slots__ = (
        "_doubtful",
        "_doubtful_since",
        "_factor",
        "_floor",
        "_fresh",
        "_last",
        "_minute",
        "_reference",
        "limit",
        "median",
    )

    def __init__(self, factor: float, floor: float) -> None:
        self._factor = factor
        self._floor = floor
        self._reference = Histogram()
        self._fresh = Histogram()  # this minute
        self._last = Histogram()  # the minute before
        self._doubtful = Histogram()  # while suspect
        self._doubtful_since: float | None = None
        self._minute = 0
        self.limit = inf
        self.median: float | None = None

    def __repr__(self) -> str:
        return f"<Baseline median {self.median} limit {self.limit:.3g} of {self._reference.total:.0f}>"

    def observe(self, value: float, now: float, suspect: bool) -> None:
        """Take in a sample. `suspect`: the target is out of favour now, so this is no measure of what is usual."""
        minute = int(now / _MINUTE)
        if minute != self._minute:
            self._turn(minute)
        if suspect:
            self._doubt(now)
            self._doubtful.add(bin_of(value))
            return
        if self._doubtful_since is not None:
            self._doubtful_since = None
            self._doubtful.clear()
        fresh = self._fresh
        fresh.add(bin_of(value))
        # In the beginning nothing waits: a target is known after its first hundred answers.
        if self.median is None and fresh.total >= ENOUGH:
            self._learn()

    def _doubt(self, now: float) -> None:
        if self._doubtful_since is None:
            self._doubtful_since = now
            self._fresh.clear()
            self._last.clear()
        elif now - self._doubtful_since >= BELIEVED_AFTER and self._doubtful.total >= ENOUGH:
            self._reference.clear()
            self._reference.absorb(self._doubtful)
            self._doubtful_since = now
            self._settle()

    def _turn(self, minute: int) -> None:
        """A new minute: what is two minutes old has stood the test."""
        elapsed = min((minute - self._minute) * _MINUTE, _LONGEST_STEP)
        if self._last.total:
            self._reference.fade(0.5 ** (elapsed / _HALF_LIFE))
            self._reference.absorb(self._last)
            self._settle()
        self._last, self._fresh = self._fresh, self._last
        self._minute = minute

    def _learn(self) -> None:
        self._reference.absorb(self._last)
        self._reference.absorb(self._fresh)
        self._settle()

    def _settle(self) -> None:
        reference = self._reference
        if reference.total < ENOUGH:
            return
        self.median = median = reference.quantile(0.5)
        self.limit = max(self._factor * median, reference.quantile(0.9), median + self._floor)
