"""Playbooks of (seconds, found, messages): one message when it begins, when it gets worse, when it is over."""

from collections.abc import Sequence

import pytest

from proxy.core.alarming import Notice, NoticeState, Severity, Thresholds, Topic
from proxy.policy.alerts.episodes import MAX_EPISODES, Episodes, alert_id
from proxy.policy.alerts.figures import Finding
from proxy.policy.alerts.table import Rule

AT_ONCE = Rule("config.rejected", Topic.CONFIG, lambda *_: ())
TARGET = Rule("target.open", Topic.TARGET, lambda *_: (), settles=300.0, ripens=lambda thresholds: thresholds.target_after)


def finding(since: float, step: int = 1, subject: str = "a/m", anchor: float | None = None) -> Finding:
    return Finding(subject, Severity.WARNING, f"{subject} is out", since, step, anchor=anchor)


def play(rule: Rule, script: Sequence[tuple[float, Finding | None]]) -> list[tuple[float, str, int]]:
    episodes = Episodes(Thresholds())
    told: list[tuple[float, str, int]] = []
    for now, found in script:
        notices = episodes.update(now, {rule: [] if found is None else [found]})
        told += [(now, notice.state.value, notice.step) for notice in notices]
    return told


@pytest.mark.parametrize(
    ("rule", "script", "told"),
    [
        pytest.param(
            AT_ONCE,
            [(0, finding(0)), (5, finding(0)), (10, None), (15, None)],
            [(0, "firing", 1), (10, "resolved", 1)],
            id="begins and ends, and says nothing in between",
        ),
        pytest.param(
            AT_ONCE,
            [(0, finding(0)), (5, finding(0, 2)), (10, finding(0, 1)), (15, finding(0, 2)), (20, None)],
            [(0, "firing", 1), (5, "firing", 2), (20, "resolved", 2)],
            id="gets worse once, however often",
        ),
        pytest.param(
            TARGET,
            [(0, finding(0)), (29, finding(0)), (34, None), (400, None)],
            [],
            id="over before it was ripe",
        ),
        pytest.param(
            TARGET,
            [(0, finding(0)), (30, finding(0)), (60, None), (329, None), (330, None)],
            [(30, "firing", 1), (330, "resolved", 1)],
            id="ripens and settles",
        ),
        pytest.param(
            TARGET,
            [(0, finding(-40))],
            [(0, "firing", 1)],
            id="had begun before we looked",
        ),
        pytest.param(
            TARGET,
            [(at, finding(at) if at % 60 < 10 else None) for at in range(0, 1200, 5)]
            + [(at, None) for at in range(1200, 1600, 5)],
            [(60, "firing", 1), (1445, "resolved", 1)],
            id="flaps for twenty minutes, and is one alert",
        ),
        pytest.param(
            AT_ONCE,
            [(0, finding(0, anchor=0.0)), (5, finding(5, 1, anchor=100.0))],
            [(0, "firing", 1), (5, "resolved", 1), (5, "firing", 1)],
            id="another period is another alert",
        ),
    ],
)
def test_playbook(rule: Rule, script: Sequence[tuple[float, Finding | None]], told: list[tuple[float, str, int]]) -> None:
    assert play(rule, script) == told


def test_flapping_says_how_often() -> None:
    episodes = Episodes(Thresholds())
    texts: list[str] = []
    for now, found in ((0, True), (20, False), (40, True)):
        texts += [n.text for n in episodes.update(now, {TARGET: [finding(now)] if found else []})]
    assert texts == ["a/m is out (2 times since 00:00 UTC)"]


def test_a_rule_that_could_not_look_changes_nothing() -> None:
    episodes = Episodes(Thresholds())
    episodes.update(0.0, {AT_ONCE: [finding(0)]})
    assert episodes.update(5.0, {}) == []
    assert [notice.state for notice in episodes.firing()] == [NoticeState.FIRING]
    assert repr(episodes) == "<Episodes 1, 1 firing>"


def test_ids_are_the_same_wherever_an_occurrence_is_seen_and_differ_from_the_next() -> None:
    def first(now: float, episodes: Episodes, anchor: float | None) -> Notice:
        return episodes.update(now, {AT_ONCE: [finding(now, anchor=anchor)]})[-1]

    one, other = Episodes(Thresholds()), Episodes(Thresholds())
    assert first(3.0, one, 0.0).id == first(700.0, other, 0.0).id  # another process, or the same one later
    [over] = one.update(10.0, {AT_ONCE: []})
    again = first(20.0, one, 0.0)
    assert over.alert != again.alert  # or receivers would take it for a repetition
    assert over.id.endswith(".resolved.1")
    assert alert_id("r", "s", 1.2) == alert_id("r", "s", 1.4) != alert_id("r", "s", 2.0)


def test_a_flood_is_bounded_and_counted() -> None:
    episodes = Episodes(Thresholds())
    many = [finding(0, subject=f"t{number}") for number in range(MAX_EPISODES + 5)]
    assert len(episodes.update(0.0, {AT_ONCE: many})) == MAX_EPISODES
    assert episodes.suppressed == 5
    assert len(episodes.update(1.0, {AT_ONCE: []})) == MAX_EPISODES
