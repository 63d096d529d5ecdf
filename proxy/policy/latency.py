"""How fast a target answers: a peak-sensitive average to choose by, and a p99 to judge silence by.

The average is Finagle's peak EWMA: it jumps to a slow sample at once and forgets it over `DECAY` seconds, so traffic steers
off a slowing target with the first slow answer. What is not measured decays towards zero, so an abandoned target is
looked at again. Fed with the time to first content, never with the length of a stream, which the prompt decides.
"""

from math import exp

DECAY = 10.0
_SAMPLES = 128
_ENOUGH = 20
_REFRESH = 16


class Recent:
    """The last 128 samples, in seconds."""

    __slots__ = ("_next", "_quantiles", "_samples", "_stale")

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._next = 0
        self._stale = 0
        self._quantiles: tuple[float, float] | None = None

    def observe(self, seconds: float) -> None:
        samples = self._samples
        if len(samples) < _SAMPLES:
            samples.append(seconds)
        else:
            samples[self._next] = seconds
            self._next = (self._next + 1) % _SAMPLES
        self._stale += 1

    def p95(self) -> float | None:
        """The 95th percentile (nearest rank), at most 16 samples old; None below 20 samples."""
        quantiles = self._look()
        return None if quantiles is None else quantiles[0]

    def p99(self) -> float | None:
        """The 99th percentile, likewise."""
        quantiles = self._quantiles
        if quantiles is None or self._stale >= _REFRESH:
            quantiles = self._look()
        return None if quantiles is None else quantiles[1]

    def _look(self) -> tuple[float, float] | None:
        if self._stale >= _REFRESH or self._quantiles is None:
            count = len(self._samples)
            if count < _ENOUGH:
                return None
            ranked = sorted(self._samples)
            self._quantiles = ranked[-(-count * 95 // 100) - 1], ranked[-(-count * 99 // 100) - 1]
            self._stale = 0
        return self._quantiles


class Latency:
    """Time to first content of one target, in seconds."""

    __slots__ = ("_at", "_average", "recent")

    def __init__(self) -> None:
        self.recent = Recent()
        self._average: float | None = None
        self._at = 0.0

    def observe(self, seconds: float, now: float) -> None:
        """Take in a sample."""
        self.recent.observe(seconds)
        self.penalise(seconds, now)

    def penalise(self, seconds: float, now: float) -> None:
        """Take in a wait that ended without an answer: it moves the average, but is no measure for the p99."""
        average = self._average
        if average is None or seconds >= average:
            self._average = seconds
        else:
            weight = exp((self._at - now) / DECAY)
            self._average = average * weight + seconds * (1 - weight)
        self._at = now

    def ewma(self, now: float) -> float | None:
        """The average to choose by, decayed since the last sample; None: never measured."""
        if self._average is None:
            return None
        return self._average * exp((self._at - now) / DECAY)

    def typical(self, now: float) -> float | None:
        """The average to show: as of the last sample. None: never measured."""
        return self._average

    def p99(self) -> float | None:
        return self.recent.p99()
