"""What detectors say, seen from admission and choice."""

import pytest
from policy_builders import CHAT, Middle, make_candidate, make_choice, must_acquire

from proxy.core.call import Needs
from proxy.core.detection import ON
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.settings import BreakerSettings, Origin, Provider
from proxy.policy.domains import Domains
from proxy.policy.selection import panics, select
from proxy.policy.siblings import relate
from proxy.policy.strategies import Candidate, ordered
from proxy.policy.suspicion import EJECTED, ON_TRIAL, TRUSTED
from proxy.policy.targets import Verdict

NOW = 100.0


def watched(*names: str) -> list[Candidate]:
    """Candidates whose host is what stands before the slash."""
    domains = Domains(BreakerSettings(), Middle(), lambda change: None)
    made = []
    for name in names:
        candidate = make_candidate(name)
        host = name.partition("/")[0]
        candidate.state.detect = ON
        candidate.state.territory = domains.territory(Provider(host, "openai", "custom", Origin("https", host, 443), ()))
        candidate.state.admission(CHAT, NOW)
        made.append(candidate)
    relate([[[candidate.state] for candidate in made]])
    return made


def eject(candidate: Candidate) -> None:
    favour = candidate.state.favour(CHAT)
    assert favour is not None
    assert favour.suspicion is not None
    favour.suspicion.eject("it is slow", NOW)


def choose(candidates: list[Candidate], shunned: dict[str, bool] | None = None, now: float = NOW + 1) -> str | None:
    choice = make_choice(now)
    choice.shunned = shunned
    selection = select([[candidate] for candidate in candidates], ordered, choice, set(), {}, Needs())
    return selection.candidate.target.id if selection.candidate else None


def test_what_is_ejected_is_passed_over_and_asked_when_nobody_else_can() -> None:
    one, other = watched("a/m", "b/m")
    eject(one)
    assert one.state.admission(CHAT, NOW + 1).verdict is Verdict.EJECTED
    assert choose([one, other]) == "b/m"
    other.state.target = make_candidate("b/m", cap=0).target
    assert choose([one, other]) == "a/m"
    favour = one.state.favour(CHAT)
    assert favour is not None
    assert (favour.state(NOW + 1), favour.objection(NOW + 1), favour.suspected(NOW + 1)) == (EJECTED, "it is slow", True)
    assert "doubt" in repr(favour)


def test_when_most_are_ejected_nobody_is_believed() -> None:
    candidates = watched("a/m", "b/m", "c/m")
    eject(candidates[0])
    assert choose(candidates) == "b/m"
    eject(candidates[1])
    assert panics([[candidate] for candidate in candidates], make_choice(NOW + 1))
    assert choose(candidates) == "a/m"


def test_what_failures_say_of_a_domain_is_always_believed() -> None:
    candidates = watched("a/m", "a/n", "b/m")
    territory = candidates[0].state.territory
    assert territory is not None
    territory.host.suspect("it is dead", NOW)
    assert choose(candidates) == "b/m"


@pytest.mark.parametrize(("silent", "next_one"), [(False, "a/n"), (True, "b/m")])
def test_neighbours_of_a_host_that_answers_nothing_come_last(silent: bool, next_one: str) -> None:
    candidates = watched("a/n", "b/m")
    assert choose(candidates, {"host a": silent}) == next_one
    assert choose(candidates[:1], {"host a": silent}) == "a/n"


def test_in_a_tier_another_host_goes_first() -> None:
    one, other = watched("a/n", "b/m")
    choice = make_choice(NOW)
    choice.shunned = {"host a": False}
    selection = select([[one, other]], ordered, choice, set(), {}, Needs())
    assert selection.candidate is other


def test_a_trial_decides_and_a_failure_is_told_to_its_domains() -> None:
    (one,) = watched("a/m")
    eject(one)
    later = NOW + 30
    favour = one.state.favour(CHAT)
    assert favour is not None
    assert one.state.admission(CHAT, later).verdict is Verdict.TRIAL
    permit = must_acquire(one.state, later)
    assert favour.state(later) == ON_TRIAL
    permit.settle(Outcome(OutcomeKind.SERVER_ERROR), later + 1)
    assert favour.state(later + 1) == EJECTED
    permit = must_acquire(one.state, later + 60)
    permit.first_content(later + 60.2)
    permit.paced(0.02, later + 61)
    permit.settle(OK, later + 61)
    assert favour.state(later + 61) == TRUSTED
    assert one.state.admission(CHAT, later + 61).verdict in (Verdict.READY, Verdict.RAMPING)


def test_two_refused_keys_speak_against_the_account() -> None:
    (one,) = watched("a/m")
    from policy_builders import make_ring

    one.state.ring = make_ring(3)
    for n in range(2):
        must_acquire(one.state, NOW + n).settle(Outcome(OutcomeKind.AUTH_FAILED, 401), NOW + n)
    admission = one.state.admission(CHAT, NOW + 2)
    assert admission.verdict is Verdict.EJECTED
    assert admission.cause == "account a: 2 credentials were refused within a minute"


def test_what_comes_back_from_an_outage_slow_is_ejected() -> None:
    (one,) = watched("a/m")
    for n in range(400):
        permit = must_acquire(one.state, NOW + n)
        permit.first_content(NOW + n + 0.2)
        permit.settle(OK, NOW + n + 0.5)
    at = NOW + 500
    for _ in range(5):
        must_acquire(one.state, at).settle(Outcome(OutcomeKind.SERVER_ERROR), at)
    assert one.state.admission(CHAT, at).verdict is Verdict.OPEN
    trial = must_acquire(one.state, at + 30)
    assert trial.trial
    trial.first_content(at + 30.9)
    trial.settle(OK, at + 31)
    admission = one.state.admission(CHAT, at + 31.5)
    assert (admission.verdict, admission.cause) == (Verdict.EJECTED, "it came back slower than usual")
