"""Who is chosen, and how often."""

from collections import Counter

import pytest
from policy_builders import make_candidate, make_choice, must_acquire, succeed

from proxy.policy.strategies import STRATEGIES, Candidate

NAMES = ("a/m", "b/m", "c/m")


def tally(strategy: str, candidates: list[Candidate], count: int = 3000) -> Counter[str]:
    choice = make_choice()
    return Counter(STRATEGIES[strategy](candidates, choice).target.id for _ in range(count))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_candidate_is_the_choice(strategy: str) -> None:
    only = make_candidate("a/m")
    assert STRATEGIES[strategy]([only], make_choice(affinity="k")) is only


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_choice_is_always_one_of_them(strategy: str) -> None:
    candidates = [make_candidate(name) for name in NAMES]
    for candidate in candidates:
        succeed(candidate.state, 99.0)
    assert set(tally(strategy, candidates, 50)) <= set(NAMES)


def test_ordered_takes_the_first() -> None:
    assert tally("ordered", [make_candidate(name) for name in NAMES]) == {"a/m": 3000}


def test_weighted_follows_the_weights() -> None:
    weights = {"a/m": 1, "b/m": 2, "c/m": 7}
    seen = tally("weighted", [make_candidate(name, weight=weight) for name, weight in weights.items()], 10_000)
    for name, weight in weights.items():
        assert seen[name] == pytest.approx(weight * 1000, rel=0.1)


def test_weighted_with_nothing_but_zeros_still_answers() -> None:
    assert tally("weighted", [make_candidate(name, weight=0) for name in NAMES], 10) == {"c/m": 10}


def test_fastest_never_takes_the_slowest_of_three() -> None:
    candidates = [make_candidate(name) for name in NAMES]
    for candidate, ttft in zip(candidates, (0.2, 0.4, 3.0), strict=True):
        succeed(candidate.state, 99.0 - ttft, ttft)
    seen = tally("fastest", candidates)
    assert seen["c/m"] == 0
    assert seen["a/m"] == pytest.approx(2000, rel=0.1)


def test_fastest_counts_what_is_in_flight() -> None:
    quick, slow = make_candidate("a/m"), make_candidate("b/m")
    succeed(quick.state, 98.8, 0.2)
    succeed(slow.state, 98.6, 0.4)
    assert tally("fastest", [quick, slow], 20) == {"a/m": 20}
    for _ in range(3):
        must_acquire(quick.state, 99.0)
    assert tally("fastest", [quick, slow], 20) == {"b/m": 20}


def test_fastest_measures_what_is_unmeasured_once() -> None:
    known, new = make_candidate("a/m"), make_candidate("b/m")
    succeed(known.state, 99.0)
    assert tally("fastest", [known, new], 20) == {"b/m": 20}
    must_acquire(new.state, 99.5)
    assert tally("fastest", [known, new], 20) == {"a/m": 20}


def test_cheapest_by_three_in_and_one_out() -> None:
    prices = {"a/m": (10, 10), "b/m": (1, 30), "c/m": None}
    candidates = [make_candidate(name, price=price) for name, price in prices.items()]
    assert tally("cheapest", candidates, 5) == {"b/m": 5}
    assert tally("cheapest", [candidates[2], candidates[0]], 5) == {"a/m": 5}
    assert tally("cheapest", [candidates[2], make_candidate("d/m")], 5) == {"c/m": 5}


def test_least_busy_by_weight_and_ties_in_order() -> None:
    small, big = make_candidate("a/m"), make_candidate("b/m", weight=3)
    assert tally("least-busy", [small, big], 5) == {"a/m": 5}
    must_acquire(small.state, 1.0)
    for _ in range(2):
        must_acquire(big.state, 1.0)
    assert tally("least-busy", [small, big], 5) == {"b/m": 5}
    must_acquire(big.state, 1.0)
    assert tally("least-busy", [small, big], 5) == {"a/m": 5}


def stuck_to(candidates: list[Candidate], keys: int = 600) -> dict[str, str]:
    return {f"k{key}": STRATEGIES["sticky"](candidates, make_choice(affinity=f"k{key}")).target.id for key in range(keys)}


def test_sticky_spreads_keys_and_moves_only_those_of_a_lost_target() -> None:
    candidates = [make_candidate(name) for name in NAMES]
    before = stuck_to(candidates)
    assert before == stuck_to(list(reversed(candidates)))
    assert all(count == pytest.approx(200, rel=0.25) for count in Counter(before.values()).values())
    after = stuck_to(candidates[:2])
    assert all(after[key] == target for key, target in before.items() if target != "c/m")
    assert stuck_to(candidates) == before


def test_sticky_by_weight_and_without_a_key() -> None:
    candidates = [make_candidate("a/m", weight=1), make_candidate("b/m", weight=3)]
    assert Counter(stuck_to(candidates).values())["b/m"] == pytest.approx(450, rel=0.15)
    assert tally("sticky", candidates, 5) == {"a/m": 5}
    odd = make_choice(affinity="\ud800")
    assert STRATEGIES["sticky"](candidates, odd) in candidates
