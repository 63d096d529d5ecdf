"""How often detectors are wrong about a healthy target, and how soon they are right about an ill one.

No pipeline and no sockets: samples with the noise that real targets have go straight to a `Suspicion`. The usual run plays
a few hours of a few seeds; `UNDIMMED_SEEDS=1000` plays so many, a whole day each.
"""

import math
import os
from dataclasses import dataclass, field
from random import Random

import pytest

from proxy.core.detection import ON
from proxy.core.endpoints import Endpoint
from proxy.core.records import StateChange
from proxy.core.settings import BreakerSettings
from proxy.policy.quality import Flaw
from proxy.policy.suspicion import Suspicion, doubt

SEEDS = int(os.environ.get("UNDIMMED_SEEDS", "0"))
HOUR = 3600.0
DAY = 24 * HOUR

#: How often healthy answers show a flaw, whoever is to blame.
USUAL = {Flaw.CUT: 0.003, Flaw.EMPTY: 0.003, Flaw.TRUNCATED: 0.06, Flaw.REFUSED: 0.015, Flaw.BAD_JSON: 0.004}


@dataclass
class Target:
    """A target with a day of its own: slower in the afternoon, with hiccups of seconds and bursts of errors."""

    rng: Random
    rate: float
    changes: list[StateChange] = field(default_factory=list)
    at: float = 0.0
    slower: float = 1.0
    flawed: dict[Flaw, float] = field(default_factory=dict)
    suspicion: Suspicion = field(init=False)

    def __post_init__(self) -> None:
        rng = self.rng
        make = lambda: doubt("a/m", Endpoint.CHAT, BreakerSettings(), rng, self.changes.append)  # noqa: E731
        self.suspicion = Suspicion(ON, make, list)
        self.median = rng.lognormvariate(math.log(0.6), 0.5)
        self.spread = rng.uniform(0.3, 0.8)
        self.tide = rng.uniform(0.0, 0.4)
        self.phase = rng.uniform(0, 2 * math.pi)
        self.pace = rng.lognormvariate(math.log(0.015), 0.4)
        self.hiccup = rng.expovariate(1 / (2 * HOUR))
        self.burst = rng.expovariate(1 / (2 * HOUR))

    def live(self, until: float) -> None:
        """Requests as they come, until a time."""
        rng, suspicion = self.rng, self.suspicion
        while self.at < until:
            now = self.at = self.at + rng.expovariate(self.rate)
            ticket = suspicion.trial(now)
            load = self.slower * (1 + self.tide * math.sin(2 * math.pi * now / DAY + self.phase))
            sort = rng.choice((1, 1, 1, 5, 9))
            if self.hiccup <= now < self.hiccup + 3:
                load *= 3
            elif now > self.hiccup + 3:
                self.hiccup = now + rng.expovariate(1 / (2 * HOUR))
            seconds = rng.lognormvariate(math.log(self.median * load * (1 + sort / 5)), self.spread)
            slow = suspicion.began(sort, seconds, now, True)
            slow = suspicion.paced(sort, rng.lognormvariate(math.log(self.pace * load), 0.25), now, True) or slow
            flaws = self.flaws(now)
            suspicion.answered(flaws, now, True)
            if ticket is not None:
                from proxy.policy.suspicion import Trials, judge

                Trials(suspicion, ticket, ()).end(judge(True, True, slow, flaws), now)

    def flaws(self, now: float) -> int:
        rng = self.rng
        if self.burst <= now < self.burst + 5:
            return 1 << Flaw.FAILED if rng.random() < 0.3 else 0
        if now > self.burst + 5:
            self.burst = now + rng.expovariate(1 / (2 * HOUR))
        for flaw, share in (*USUAL.items(), *self.flawed.items()):
            if rng.random() < share:
                return 1 << flaw
        return 0

    @property
    def ejections(self) -> list[StateChange]:
        return [change for change in self.changes if change.after == "ejected" and change.before == "trusted"]


def test_healthy_days() -> None:
    """Fewer than one false ejection per target and simulated day."""
    seeds, length = (SEEDS, DAY) if SEEDS else (12, 3 * HOUR)
    wrong = []
    for seed in range(seeds):
        rng = Random(seed)
        target = Target(rng, rate=rng.choice((0.05, 0.3, 1.0) if SEEDS else (0.3, 1.0)))
        target.live(length)
        wrong += [f"{seed}: {target.rate:g}/s {change.at:.0f} {change.cause}" for change in target.ejections]
    print(len(wrong), "of", seeds, *wrong[:40], sep="\n")
    assert len(wrong) < max(1, seeds * length / DAY * 0.1)


#: What goes wrong, and the seconds within which that is seen, by requests a second.
SHAPES = {
    "twice as slow again": ((3.0, {}), {1.0: 60, 10.0: 15}),
    "four times as slow": ((4.0, {}), {1.0: 40, 10.0: 12}),
    "a third cut": ((1.0, {Flaw.CUT: 0.33}), {1.0: 60, 10.0: 15}),
    "a fifth empty": ((1.0, {Flaw.EMPTY: 0.2}), {1.0: 150, 10.0: 30}),
    "a sixth in the wrong script": ((1.0, {Flaw.FOREIGN_SCRIPT: 0.16}), {1.0: 240, 10.0: 40}),
    "half refused": ((1.0, {Flaw.REFUSED: 0.5}), {1.0: 60, 10.0: 20}),
    "two thirds cut at a limit": ((1.0, {Flaw.TRUNCATED: 0.66}), {1.0: 60, 10.0: 25}),
    "a third no JSON": ((1.0, {Flaw.BAD_JSON: 0.33}), {1.0: 90, 10.0: 20}),
    "a quarter with broken arguments": ((1.0, {Flaw.BAD_ARGUMENTS: 0.25}), {1.0: 120, 10.0: 25}),
    "a fifth in circles": ((1.0, {Flaw.LOOPING: 0.2}), {1.0: 150, 10.0: 30}),
}


@pytest.mark.parametrize("rate", [1.0, 10.0])
@pytest.mark.parametrize("name", SHAPES)
def test_brownouts_are_seen_in_time(name: str, rate: float) -> None:
    (slower, flawed), limits = SHAPES[name]
    late = []
    for seed in range(SEEDS or 5):
        target = Target(Random(seed), rate=rate)
        target.hiccup = target.burst = math.inf
        target.live(900)
        assert not target.changes, target.changes
        target.slower, target.flawed = slower, flawed
        target.live(900 + limits[rate])
        if not target.ejections:
            late.append(seed)
        else:
            assert flawed == {} or "answers in" in target.ejections[0].cause
    assert len(late) <= (SEEDS or 5) * 0.01, late
