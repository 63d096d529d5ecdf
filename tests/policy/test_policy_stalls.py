"""The watch over calls that wait for a first byte."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from policy_builders import T_PROFILE

from proxy.policy.stalls import StallWatch


class Waiting(SimpleNamespace):
    """What the watch looks at of a permit."""

    __hash__ = object.__hash__

    def __init__(self, started: float, trial: bool = False) -> None:
        super().__init__(started=started, trial=trial)

    def __eq__(self, other: object) -> bool:
        return self is other


def make_watch(ttft: float = 0.2, samples: int = 20, **settings: Any) -> StallWatch:
    watch = StallWatch(replace(T_PROFILE, **settings))
    for _ in range(samples):
        answered = Waiting(0.0)
        watch.started(answered)
        watch.answered(answered, ttft)
    return watch


def start(watch: StallWatch, *moments: float) -> list[Waiting]:
    waiting = [Waiting(moment) for moment in moments]
    for permit in waiting:
        watch.started(permit)
    return waiting


@pytest.mark.parametrize(
    ("ttft", "samples", "stall", "limit"),
    [(0.2, 20, True, 0.75), (0.5, 20, True, 1.5), (0.2, 19, True, None), (0.2, 20, False, None)],
)
def test_limit(ttft: float, samples: int, stall: bool, limit: float | None) -> None:
    assert make_watch(ttft, samples, stall=stall).limit() == limit


def test_ten_that_waited_too_long() -> None:
    """The figures of promise 1: 200 calls a second, the tenth has waited 0.75 s at 0.795 s."""
    watch = make_watch()
    start(watch, *(10.0 + number * 0.005 for number in range(160)))
    assert watch.stalled(10.794) is None
    assert watch.stalled(10.045 + 0.75) == "10 calls have waited over 0.75 s each and nothing arrived"


def test_nine_are_not_enough_and_nothing_is_known_below_twenty_samples() -> None:
    watch = make_watch()
    start(watch, *[10.0] * 9)
    assert watch.stalled(100.0) is None
    unknown = make_watch(samples=5)
    start(unknown, *[10.0] * 50)
    assert unknown.stalled(100.0) is None
    assert unknown.overdue(100.0) == []


def test_an_answer_to_a_later_call_clears_those_before_it() -> None:
    watch = make_watch()
    waiting = start(watch, *(10.0 + number * 0.01 for number in range(20)))
    watch.answered(waiting[15], 10.5)
    assert watch.stalled(60.0) is None
    assert len(watch) == 19
    start(watch, *[11.0] * 6)
    # The answer that took 0.35 s has moved the p99, and so the limit.
    assert watch.stalled(12.0) is None
    assert watch.stalled(12.05) == "10 calls have waited over 1.05 s each and nothing arrived"


def test_an_answer_to_an_earlier_call_proves_nothing() -> None:
    watch = make_watch()
    early = start(watch, 9.9)[0]
    start(watch, *[10.0] * 10)
    watch.answered(early, 10.1)
    assert watch.stalled(10.8) is not None


def test_one_slow_call_does_not_blind_the_rule() -> None:
    watch = make_watch()
    slow = start(watch, 1.0)[0]
    watch.answered(start(watch, 5.0)[0], 5.2)
    start(watch, *[10.0] * 10)
    assert watch.stalled(10.8) is not None
    assert slow in watch.clear()
    assert len(watch) == 0


def test_an_overtaken_call_is_answered_or_ends() -> None:
    watch = make_watch()
    first, second, third = start(watch, 1.0, 1.1, 1.2)
    watch.answered(third, 1.3)
    watch.answered(first, 2.0)
    assert watch.ended(second) is True
    assert len(watch) == 0
    assert watch.ended(second) is False


def test_clear_gives_back_everybody_once_oldest_first() -> None:
    watch = make_watch()
    permits = start(watch, 1.0, 2.0, 3.0, 4.0)
    watch.answered(permits[1], 5.0)
    assert watch.clear() == [permits[0], permits[2], permits[3]]
    assert watch.clear() == []


def test_overdue_leaves_the_young_the_overtaken_and_the_trial() -> None:
    watch = make_watch()
    permits = start(watch, 1.0, 2.0, 3.0, 10.0)
    trial = Waiting(3.5, trial=True)
    watch.started(trial)
    watch.answered(permits[1], 3.2)
    assert watch.overdue(10.5) == [permits[2]]
    assert watch.overdue(10.5) == []
