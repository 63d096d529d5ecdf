"""Second copies are a share of the calls before them, and only a few can be saved up."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.hedges import MOST_SAVED, HedgeBudget


@given(st.sampled_from((0.01, 0.05, 0.5, 1.0)), st.lists(st.booleans(), max_size=400))
def test_never_more_than_the_share(share: float, asks: list[bool]) -> None:
    budget = HedgeBudget(share)
    granted = 0
    for count, ask in enumerate(asks, start=1):
        budget.called()
        if ask and budget.take():
            granted += 1
        assert granted <= share * count + 1e-6


def test_a_burst_is_bounded() -> None:
    budget = HedgeBudget(0.05)
    assert not budget.take()
    for _ in range(10_000):
        budget.called()
    assert sum(budget.take() for _ in range(100)) == MOST_SAVED
