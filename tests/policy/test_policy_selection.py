"""From tiers to one candidate."""

from policy_builders import (
    Middle,
    fail,
    failed,
    make_candidate,
    make_choice,
    must_acquire,
    open_breaker,
)

from proxy.core.call import Needs
from proxy.core.outcome import OK, OutcomeKind
from proxy.core.settings import When
from proxy.policy.abilities import OVERSIZED, UNSERVED
from proxy.policy.selection import TRIED, Selection, select
from proxy.policy.strategies import Candidate, ordered
from proxy.policy.targets import Admission, Verdict

NOW = 100.0


def run(
    *tiers: list[Candidate],
    now: float = NOW,
    tried: frozenset[str] = frozenset(),
    used: dict[str, set[str]] | None = None,
    needs: Needs | None = None,
) -> Selection:
    return select(tiers, ordered, make_choice(now), tried, used or {}, needs or Needs())


def chosen(selection: Selection) -> str | None:
    return selection.candidate.target.id if selection.candidate else None


def test_tiers_in_order_and_tried_ones_left_out() -> None:
    tiers = [make_candidate("a/m")], [make_candidate("b/m"), make_candidate("c/m")]
    assert chosen(run(*tiers)) == "a/m"
    second = run(*tiers, tried=frozenset({"a/m"}))
    assert (chosen(second), second.skipped) == ("b/m", [("a/m", TRIED)])
    assert chosen(run(*tiers, tried=frozenset({"a/m", "b/m"}))) == "c/m"
    nobody = run(*tiers, tried=frozenset({"a/m", "b/m", "c/m"}))
    assert (chosen(nobody), nobody.refused, nobody.full) == (None, [], [])


def test_unfit_and_unhealthy_ones_are_skipped_with_their_reasons() -> None:
    sick, held, unfit, well = (make_candidate(name, when=when) for name, when in
                               (("a/m", None), ("b/m", None), ("c/m", When(tools=True)), ("d/m", None)))  # fmt: skip
    open_breaker(sick.state, NOW)
    fail(held.state, NOW, failed(OutcomeKind.RATE_LIMITED, 30.0))
    selection = run([sick, held], [unfit, well])
    assert chosen(selection) == "d/m"
    assert selection.reasons() == [
        ("a/m", "5 calls in a row failed"),
        ("b/m", "The provider's rate limit is reached"),
        ("c/m", "it is for requests with tools"),
    ]
    assert [(name, admission.until) for name, admission in selection.refused] == [("a/m", 105.0), ("b/m", 130.0)]


def test_used_credentials_belong_to_their_target() -> None:
    tiers = [make_candidate("a/m")], [make_candidate("b/m")]
    assert chosen(run(*tiers, used={"a/m": {"p#1"}})) == "b/m"
    assert chosen(run(*tiers, used={"b/m": {"p#1"}})) == "a/m"


def test_a_trial_is_a_candidate_until_its_slot_is_taken() -> None:
    sick, well = make_candidate("a/m"), make_candidate("b/m")
    open_breaker(sick.state, NOW)
    assert chosen(run([sick, well], now=105.0)) == "a/m"
    must_acquire(sick.state, 105.0)
    assert [chosen(run([sick, well], now=105.0)) for _ in range(100)] == ["b/m"] * 100


def test_a_returning_target_yields_to_a_later_tier_but_not_to_nobody() -> None:
    returning, other = make_candidate("a/m"), make_candidate("b/m")
    assert isinstance(returning.state._rng, Middle)
    open_breaker(returning.state, NOW)
    must_acquire(returning.state, 105.0).settle(OK, 105.0)
    assert chosen(run([returning], [other], now=106.0)) == "b/m"
    alone = run([returning], now=106.0)
    assert (chosen(alone), alone.refused[0][1].verdict) == ("a/m", Verdict.RAMPING)
    assert chosen(run([returning], [other], now=112.0)) == "a/m"


def test_full_ones_are_reported_for_the_queue() -> None:
    full, other = make_candidate("a/m", cap=1), make_candidate("b/m", cap=1)
    must_acquire(full.state, NOW)
    assert chosen(run([full], [other])) == "b/m"
    must_acquire(other.state, NOW)
    selection = run([full], [other])
    assert (chosen(selection), selection.full) == (None, [full, other])


def test_an_admission_without_words_is_named_by_its_verdict() -> None:
    assert Selection(skipped=[("a/m", Admission(Verdict.HELD))]).reasons() == [("a/m", "held")]


def test_what_nobody_could_ever_carry_is_told_apart() -> None:
    lacking, elsewhere = "its wire format cannot carry images.url", "it is for requests with tools"
    never = Selection(skipped=[("a/m", lacking), ("b/m", elsewhere)])
    assert never.unfit
    assert not never.unserved
    assert not never.oversized
    assert never.causes() == [f"a/m: {lacking}", f"b/m: {elsewhere}"]
    assert not Selection(skipped=[("a/m", lacking), ("b/m", Admission(Verdict.OPEN))]).unfit
    assert not Selection(skipped=[("a/m", lacking), ("b/m", TRIED)]).unfit
    assert not Selection().unfit
    long = OVERSIZED + "9 tokens"
    assert Selection(skipped=[("a/m", long), ("b/m", long)]).oversized
    assert not Selection(skipped=[("a/m", long), ("b/m", lacking)]).oversized
    assert Selection(skipped=[("a/m", UNSERVED + "messages")]).unserved
