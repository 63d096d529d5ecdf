"""Baselines, shares, detectors and domains, each by itself."""

from math import inf
from random import Random

import pytest

from proxy.core.detection import OFF, ON, DetectSettings, Sensitivity
from proxy.core.outcome import OutcomeKind
from proxy.core.records import StateChange
from proxy.core.settings import BreakerSettings, Credential, Origin, Provider
from proxy.policy import quality
from proxy.policy.baselines import BELIEVED_AFTER, Baseline, Histogram, bin_of
from proxy.policy.breaker import Result
from proxy.policy.detector import PACE, START, Detector
from proxy.policy.domains import Domains, wider_domains
from proxy.policy.outliers import Usual, lowest
from proxy.policy.quality import Flaw
from proxy.policy.slots import Slots
from proxy.policy.suspicion import Suspicion, Trials, doubt, judge


def fed(baseline: Baseline, value: float, start: float, seconds: int, suspect: bool = False) -> None:
    for second in range(seconds):
        baseline.observe(value, start + second, suspect)


class TestBaseline:
    def test_nothing_is_slow_before_enough_is_known(self) -> None:
        baseline = Baseline(2.5, 0.3)
        fed(baseline, 0.2, 0.0, 59)
        assert baseline.limit == inf
        fed(baseline, 0.2, 60.0, 200)
        assert baseline.median == pytest.approx(0.2, rel=0.1)
        assert 0.45 < baseline.limit < 0.55
        assert "median 0.19" in repr(baseline)

    def test_a_brownout_is_not_usual_and_what_lasts_is(self) -> None:
        baseline = Baseline(2.5, 0.3)
        fed(baseline, 0.2, 0.0, 300)
        fed(baseline, 2.0, 300.0, 90)  # not yet noticed: these two minutes are thrown away
        fed(baseline, 2.0, 390.0, 600, suspect=True)
        fed(baseline, 0.2, 990.0, 300)
        assert baseline.median == pytest.approx(0.2, rel=0.1)
        fed(baseline, 2.0, 1300.0, int(BELIEVED_AFTER) + 10, suspect=True)
        assert baseline.median == pytest.approx(2.0, rel=0.1)

    def test_it_follows_a_drift_over_hours(self) -> None:
        baseline = Baseline(2.5, 0.3)
        fed(baseline, 0.2, 0.0, 3600)
        fed(baseline, 0.4, 3600.0, 4 * 3600)
        assert baseline.median == pytest.approx(0.4, rel=0.1)

    def test_every_number_has_a_bin(self) -> None:
        assert bin_of(0.0) == bin_of(1e-9) == 0
        assert bin_of(1e9) == bin_of(1e12)
        assert Histogram().quantile(0.5) == inf


def test_slots_forget_and_look_as_far_back_as_they_must() -> None:
    slots = Slots(1.0, 10, 1)
    for second in range(20):
        slots.at(second)[1] += 1
    assert slots.sums(19.0, 3.0, 0)[1] == 3
    assert slots.sums(19.0, 3.0, 6)[1] == 6
    assert slots.sums(19.0, 3.0, 50)[1] == 10
    assert [slot[0] for slot in slots.between(12, 14)] == [12, 13]
    slots.clear()
    assert slots.sums(19.0, 3.0, 50)[1] == 0


ENDS = {
    None: 1 << Flaw.UNFINISHED,
    "stop": 0,
    "end_turn": 0,
    "tool_calls": 0,
    "length": 1 << Flaw.TRUNCATED,
    "max_tokens": 1 << Flaw.TRUNCATED,
    "refusal": 1 << Flaw.REFUSED,
    "content_filter": 1 << Flaw.REFUSED,
}


@pytest.mark.parametrize("finish", ENDS)
def test_finish_reasons(finish: str | None) -> None:
    assert quality.judge_finish(finish) == ENDS[finish]


def test_outcomes_show_flaws() -> None:
    assert quality.flaws_of(OutcomeKind.OK, True) == 0
    assert quality.flaws_of(OutcomeKind.MALFORMED, False) == 1 << Flaw.EMPTY
    assert quality.flaws_of(OutcomeKind.STREAM_BROKEN, False) == 1 << Flaw.EMPTY
    assert quality.flaws_of(OutcomeKind.STREAM_BROKEN, True) == 1 << Flaw.CUT
    assert quality.flaws_of(OutcomeKind.SERVER_ERROR, False) == 1 << Flaw.FAILED


def test_texts() -> None:
    assert quality.is_refusal("I'm sorry, but I can't help with that.")
    assert not quality.is_refusal("I can help you with that.")
    assert quality.is_json('{"a": [1, 2]}')
    assert not quality.is_json('```json\n{"a": 1}\n```')
    assert quality.is_json("x" * (quality.MAX_JSON + 1))
    assert not quality.has_broken_arguments(['get_weather{"city":"Ulm"}', "ping", 'a{"x":{}}b{"y":1}'])
    assert quality.has_broken_arguments(['get_weather{"city":"Ul'])
    assert quality.is_looping("It began well. " + "and then they went on and on, " * 30)
    assert not quality.is_looping("A table follows\n" + "-" * 400)
    assert not quality.is_looping("short " * 4)
    assert not quality.is_looping("".join(f"line {n} tells of another thing entirely\n" for n in range(60)))
    assert not quality.is_looping("x" * 300 + "a long line of words that comes twice " + "y" * 60 + "a line of words, twice")
    assert quality.has_foreign_script("The answer is ไม่มีอะไรเลย of course")
    assert not quality.has_foreign_script("Größe, naïve, ﬁne, 𝑥 ∈ ℝ, α + β")
    assert not quality.has_foreign_script("plain")


def test_few_answers_prove_little() -> None:
    assert lowest(0, 0) == 0.0
    assert lowest(10, 20) < lowest(100, 200) < 0.5


def detector(answers: int, flaws: int = 0, every: int = 0, settings: DetectSettings = ON, start: float = 0.0) -> Detector:
    """One that has seen an answer each second, each `every`-th with these flaws."""
    made = Detector(settings)
    for n in range(answers):
        made.answered(flaws if every and n % every == 0 else 0, start + n, False)
    return made


class TestDetector:
    def test_a_share_above_the_usual_is_a_finding(self) -> None:
        seen = detector(400)
        for n in range(60):
            seen.answered(1 << Flaw.CUT if n % 3 == 0 else 0, 400.0 + n, False)
        said = seen.find(460.0, [])
        assert said is not None
        assert "were cut off, where 0.1% is usual" in said
        assert seen.flaw is Flaw.CUT
        view = seen.view(460.0)
        assert view["flawed"] == {"cut": pytest.approx(0.33, abs=0.02)}

    def test_siblings_that_do_the_same_are_an_alibi(self) -> None:
        seen, sibling = detector(400), detector(400)
        for n in range(60):
            for one in (seen, sibling):
                one.answered(1 << Flaw.TRUNCATED if n % 2 == 0 else 0, 400.0 + n, False)
        assert seen.find(460.0, [sibling]) is None
        assert seen.find(460.0, [detector(60, start=400.0)]) is not None

    def test_without_a_past_only_siblings_can_tell(self) -> None:
        seen = detector(60, 1 << Flaw.LOOPING, 3)
        assert seen.find(60.0, []) is None
        said = seen.find(60.0, [detector(60)])
        assert said is not None
        assert said.endswith("went round in circles, and 0% of its siblings'")

    def test_failures_count_only_against_siblings(self) -> None:
        seen = detector(400)
        for n in range(60):
            seen.answered(1 << Flaw.FAILED if n % 2 == 0 else 0, 400.0 + n, False)
        assert seen.find(460.0, []) is None
        assert seen.find(460.0, [detector(60, start=400.0)]) is not None

    def test_what_is_off_finds_nothing(self) -> None:
        seen = detector(60, 1 << Flaw.LOOPING, 2, DetectSettings(slow=True, wrong=False))
        assert seen.find(60.0, [detector(60)]) is None
        seen = detector(60, 1 << Flaw.LOOPING, 2, OFF)
        assert seen.find(60.0, [detector(60)]) is None
        assert not OFF.watches

    @pytest.mark.parametrize("what", [START, PACE])
    def test_slow_siblings_are_an_alibi_too(self, what: int) -> None:
        seen, sibling = Detector(ON), Detector(ON)
        for one in (seen, sibling):
            for n in range(200):
                one.took(what, 1, 0.02, n / 2, False)
            for n in range(40):
                assert one.took(what, 1, 2.0, 100 + n / 4, False)
        said = seen.find(110.0, [])
        assert said is not None
        assert ("began far later" in said) == (what == START)
        assert seen.find(110.0, [sibling]) is None
        assert seen.view(110.0)["slow_to_begin" if what == START else "slow_to_go_on"] == 1.0

    def test_one_text_in_four_is_looked_at_and_all_after_a_find(self) -> None:
        seen = Detector(ON)
        assert [seen.sampled() for _ in range(8)] == [False, False, False, True] * 2
        seen.answered(1 << Flaw.LOOPING, 1.0, False)
        assert all(seen.sampled() for _ in range(40))

    def test_sensitivity(self) -> None:
        shy, keen = (Detector(DetectSettings(sensitivity=s)) for s in (Sensitivity.LOW, Sensitivity.HIGH))
        for one in (shy, keen):
            for n in range(200):
                one.took(START, 1, 1.0, n / 2, False)
        assert keen.took(START, 1, 2.2, 101.0, False)
        assert not shy.took(START, 1, 2.2, 101.0, False)


def test_usual_shares_wait_fade_and_are_believed_after_an_hour() -> None:
    usual = Usual()
    slot = [0, 100, *[0] * 10]
    usual.learn(slot, 10.0, False)
    assert usual.share(Flaw.CUT) == pytest.approx(0.0033, abs=0.001)
    bad = list(slot)
    bad[2 + Flaw.CUT] = 50
    for n in range(70):
        usual.learn(bad, 100.0 + 60 * n, True)
    share = usual.share(Flaw.CUT)
    assert share is not None
    assert 0.4 < share < 0.6


class Stage:
    """Two siblings with suspicions of their own."""

    def __init__(self) -> None:
        self.changes: list[StateChange] = []
        self.one, self.other = self.make("a/m", lambda: [self.other]), self.make("b/m", lambda: [self.one])

    def make(self, name: str, siblings: object) -> Suspicion:
        settings, rng = BreakerSettings(), Random(1)
        return Suspicion(ON, lambda: doubt(name, None, settings, rng, self.changes.append), siblings)  # type: ignore[arg-type]

    def play(self, who: Suspicion, start: int, seconds: int, flaw: Flaw | None = None) -> None:
        for second in range(start, start + seconds):
            who.answered(0 if flaw is None else 1 << flaw, float(second), True)

    @property
    def path(self) -> list[tuple[str, str]]:
        return [(change.subject, change.after) for change in self.changes]


class TestSuspicion:
    def test_ejected_tried_trusted(self) -> None:
        stage = Stage()
        stage.play(stage.one, 0, 300)
        stage.play(stage.one, 300, 60, Flaw.EMPTY)
        assert stage.path == [("a/m", "ejected")]
        until = stage.changes[0].until
        assert until is not None
        assert stage.one.trial(until - 0.1) is None
        assert not stage.one.calm(until)
        assert "doubt" in repr(stage.one)
        ticket = stage.one.trial(until)
        assert ticket is not None
        assert stage.one.trial(until) is None
        Trials(stage.one, ticket, ()).end(judge(True, True, False, 1), until + 1)
        again = stage.changes[-1].until
        assert again is not None
        ticket = stage.one.trial(again)
        assert ticket is not None
        Trials(stage.one, ticket, ()).end(judge(True, True, False, 0), again + 1)
        assert [after for _, after in stage.path] == ["ejected", "on_trial", "ejected", "on_trial", "trusted"]
        assert stage.one.trial(again + 2) is None  # it ramps up
        assert stage.one.calm(again + 40)

    def test_what_siblings_show_next_was_the_requests(self) -> None:
        stage = Stage()
        stage.play(stage.one, 0, 300)
        stage.play(stage.other, 0, 300)
        stage.play(stage.one, 300, 60, Flaw.TRUNCATED)
        assert stage.path == [("a/m", "ejected")]
        stage.play(stage.other, 360, 120, Flaw.TRUNCATED)
        assert stage.path[-1] == ("a/m", "trusted")
        assert ("b/m", "ejected") not in stage.path
        assert stage.changes[-1].cause == "its siblings do the same"

    def test_how_trials_end(self) -> None:
        assert judge(False, False, False, 0)[0] is Result.NEUTRAL
        assert judge(False, True, False, 0)[0] is Result.FAILED
        assert judge(True, True, True, 0) == (Result.OK, True, True)


def provider(name: str, host: str, preset: str = "custom", region: str = "") -> Provider:
    return Provider(name, "openai", preset, Origin("https", host, 443), (Credential(f"{name}#1", "k"),), region=region)


class TestDomains:
    def make(self) -> tuple[Domains, list[StateChange]]:
        changes: list[StateChange] = []
        return Domains(BreakerSettings(), Random(1), changes.append), changes

    def test_two_members_within_seconds(self) -> None:
        domains, changes = self.make()
        here = domains.territory(provider("a", "x.test"))
        neighbour = domains.territory(provider("b", "x.test"))
        for n in range(2):
            here.failed("a/m chat", OutcomeKind.SERVER_ERROR, "it failed", 10.0 + n)
            here.failed("a/n chat", OutcomeKind.CONNECT_FAILED, "it failed", 10.5 + n)
        assert [(c.subject, c.after) for c in changes] == [("host x.test", "ejected")]
        assert changes[0].cause == "host x.test: a/m chat, a/n chat failed within 1.5 s: it failed"
        assert not neighbour.calm(12.0)
        standing = neighbour.standing(12.0)
        assert standing is not None
        assert neighbour.trials(12.0) == []
        (ticket,) = neighbour.trials(30.0)
        Trials(None, None, [ticket]).end(judge(True, True, True, 1), 31.0)
        assert changes[-1].after == "trusted"
        assert neighbour.trials(32.0) == []
        assert neighbour.calm(100.0)
        assert "host x.test" in repr(here.host)

    def test_one_member_proves_nothing_and_a_success_forgives(self) -> None:
        domains, changes = self.make()
        here = domains.territory(provider("a", "x.test"))
        for n in range(50):
            here.failed("a/m chat", OutcomeKind.SERVER_ERROR, "", 10.0 + n / 100)
        assert here.host.shaky(11.0)
        here.succeeded(11.0)
        assert not here.host.shaky(11.0)
        for n in range(3):
            here.failed("a/n chat", OutcomeKind.SERVER_ERROR, "", 12.0 + n / 100)
        here.failed("a/m chat", OutcomeKind.RATE_LIMITED, "", 12.5)
        assert changes == []

    def test_a_vendor_is_hosts(self) -> None:
        domains, changes = self.make()
        east = domains.territory(provider("e", "e.test", "azure", "eastus"))
        west = domains.territory(provider("w", "w.test", "azure", "westus"))
        for n in range(2):
            east.failed("e/m chat", OutcomeKind.SERVER_ERROR, "", 10.0 + n)
            west.failed("w/m chat", OutcomeKind.SERVER_ERROR, "", 10.0 + n)
        assert [c.subject for c in changes] == ["vendor azure"]

    def test_an_account_of_which_two_keys_are_refused(self) -> None:
        domains, changes = self.make()
        domains.territory(provider("a", "x.test")).refused(2, 5.0)
        assert changes[0].cause == "account a: 2 credentials were refused within a minute"

    def test_unrelated_servers_share_no_vendor(self) -> None:
        assert list(wider_domains(provider("a", "x.test"))) == []
        assert list(wider_domains(provider("a", "x.test", "azure", "r"))) == ["region azure r", "vendor azure"]
