"""Which of the targets that may be asked is asked: one function and one line of the table per strategy.

Each gets the admitted candidates of one tier, never none, in the order of the configuration, and returns one of them.
Health is not decided here: whoever must not be asked is not among the candidates, so every strategy fails over by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import log
from random import Random

from proxy.core.endpoints import Endpoint
from proxy.core.settings import Target
from proxy.policy.abilities import ANYTHING, Ability
from proxy.policy.targets import Admission, TargetState


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target at its place in a route (weight, condition, price), with the live state it shares with other places, and what
    its provider's wire format can carry."""

    target: Target
    state: TargetState
    ability: Ability = ANYTHING


@dataclass(slots=True)
class Choice:
    """What a strategy may look at besides the candidates. `affinity` is the sticky key, empty for none. `bar` says why a
    candidate cannot be afforded; None: nothing is limited. `shunned`: hosts that have just failed this call, and whether
    nothing of them answers."""

    now: float
    rng: Random
    affinity: str
    endpoint: Endpoint
    bar: Callable[[Candidate], Admission | None] | None = None
    shunned: Mapping[str, bool] | None = None


Strategy = Callable[[Sequence[Candidate], Choice], Candidate]

#: Seconds that a target without any measure is taken to need, once its first call is under way.
_UNMEASURED = 1.0


def ordered(candidates: Sequence[Candidate], choice: Choice) -> Candidate:
    """The first."""
    return candidates[0]


def weighted(candidates: Sequence[Candidate], choice: Choice) -> Candidate:
    """At random, in proportion to the weights."""
    point = choice.rng.random() * sum(candidate.target.weight for candidate in candidates)
    for candidate in candidates:
        point -= candidate.target.weight
        if point < 0:
            return candidate
    return candidates[-1]


def fastest(candidates: Sequence[Candidate], choice: Choice) -> Candidate:
    """The better of two at random (so that not everybody runs to the same), by peak EWMA of the time to first content times
    the requests it would have. One that was never measured and is idle goes first: it has to be measured."""
    if len(candidates) == 1:
        return candidates[0]
    for candidate in candidates:
        if candidate.state.in_flight == 0 and candidate.state.latency.ewma(choice.now) is None:
            return candidate
    first = int(choice.rng.random() * len(candidates))
    second = int(choice.rng.random() * (len(candidates) - 1))
    if second >= first:
        second += 1
    return min(candidates[first], candidates[second], key=lambda candidate: _cost(candidate.state, choice.now))


def cheapest(candidates: Sequence[Candidate], choice: Choice) -> Candidate:
    """The lowest price of three input tokens and one output token; unknown prices last, ties in order."""
    return min(candidates, key=_price)


def least_busy(candidates: Sequence[Candidate], choice: Choice) -> Candidate:
    """The fewest requests in flight for its weight; ties in order."""
    return min(candidates, key=lambda candidate: candidate.state.in_flight / max(candidate.target.weight, 1))


def sticky(candidates: Sequence[Candidate], choice: Choice) -> Candidate:
    """Rendezvous hashing of the affinity, by weight: the same key gets the same target while that is admitted, and when one
    goes, only its own keys move. Without an affinity: the first."""
    if not choice.affinity:
        return candidates[0]
    return max(candidates, key=lambda candidate: _attraction(candidate, choice.affinity))


STRATEGIES: Mapping[str, Strategy] = {
    "ordered": ordered,
    "weighted": weighted,
    "fastest": fastest,
    "cheapest": cheapest,
    "least-busy": least_busy,
    "sticky": sticky,
}


def _cost(state: TargetState, now: float) -> float:
    seconds = state.latency.ewma(now)
    return (_UNMEASURED if seconds is None else seconds) * (state.in_flight + 1)


def _price(candidate: Candidate) -> float:
    price = candidate.target.price
    return float("inf") if price is None else 3 * price.input + price.output


def _attraction(candidate: Candidate, affinity: str) -> float:
    digest = blake2b(f"{affinity}\0{candidate.state.id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    unit = (int.from_bytes(digest, "big") + 0.5) / 2**64
    return -max(candidate.target.weight, 1) / log(unit)
