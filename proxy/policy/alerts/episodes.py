"""Findings into alerts: one per rule and subject, from when it began until it is over.

An episode is told once when it is ripe, again only when it gets worse (a higher step than any told before), and once more
when it has not been found for as long as its rule takes to settle. One that comes and goes faster than that is one episode;
one that was over before it was ripe is never told.

Invariants: what was told as firing is told as resolved, once; ids depend only on rule, subject and when it began, so that a
proxy that starts again, or a second one, names the same budget's alert the same; no more than `MAX_EPISODES` are kept, and
those beyond are counted, not told.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from proxy.core.alarming import Notice, NoticeState, Thresholds
from proxy.policy.alerts.figures import Finding
from proxy.policy.alerts.table import Rule
from proxy.policy.alerts.words import clock, span

MAX_EPISODES = 200


@dataclass(slots=True)
class Episode:
    """`began`: first found; `seen`: last found; `times`: how often it came back. `step`: the worst step told, 0: none."""

    id: str
    rule: Rule
    finding: Finding
    began: float
    seen: float
    times: int = 1
    there: bool = True
    step: int = 0


def alert_id(rule: str, subject: str, anchor: float) -> str:
    """Equal for equal occurrences, wherever they are seen."""
    return "alert_" + hashlib.sha256(f"{rule}\n{subject}\n{anchor:.0f}".encode()).hexdigest()[:24]


class Episodes:
    """The alerts of one webhook."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._episodes: dict[tuple[str, str], Episode] = {}
        self._ended: deque[str] = deque(maxlen=MAX_EPISODES)
        self.suppressed = 0

    def __repr__(self) -> str:
        return f"<Episodes {len(self._episodes)}, {len(self.firing())} firing>"

    def firing(self) -> list[Notice]:
        """The last message of each alert that was told and is not over."""
        return [_firing(episode, episode.seen) for episode in self._episodes.values() if episode.step]

    def update(self, now: float, found: Mapping[Rule, Sequence[Finding]]) -> list[Notice]:
        """Take in one look; the messages that it is worth. Rules that are missing could not look."""
        notices: list[Notice] = []
        for rule, findings in found.items():
            for finding in findings:
                notices += self._note(rule, finding, now)
            present = {finding.subject for finding in findings}
            notices += self._settle(rule, present, now)
        return notices

    def _note(self, rule: Rule, finding: Finding, now: float) -> Iterator[Notice]:
        key = (rule.name, finding.subject)
        episode = self._episodes.get(key)
        if episode is not None and _renewed(episode, finding):
            yield from self._end(key, now)  # another occurrence: the old one is over
            episode = None
        if episode is None:
            if len(self._episodes) >= MAX_EPISODES:
                self.suppressed += 1
                return
            episode = self._episodes[key] = self._begin(rule, finding, now)
        elif not episode.there:
            episode.times += 1
        episode.there, episode.seen, episode.finding = True, now, finding
        waited = now - _counts_from(episode)
        if waited >= rule.ripens(self._thresholds) and finding.step > episode.step:
            episode.step = finding.step
            yield _firing(episode, now)

    def _begin(self, rule: Rule, finding: Finding, now: float) -> Episode:
        identity = alert_id(rule.name, finding.subject, finding.since if finding.anchor is None else finding.anchor)
        if identity in self._ended:  # the same occurrence, once over and back: receivers would take it for a repetition
            identity = alert_id(rule.name, finding.subject, now)
        return Episode(identity, rule, finding, min(finding.since, now), now)

    def _end(self, key: tuple[str, str], now: float) -> Iterator[Notice]:
        episode = self._episodes.pop(key)
        if episode.step:
            self._ended.append(episode.id)
            lasted = span(episode.seen - _counts_from(episode))
            yield _notice(episode, NoticeState.RESOLVED, f"over after {lasted}: {episode.finding.text}", now)

    def _settle(self, rule: Rule, present: set[str], now: float) -> Iterator[Notice]:
        for key, episode in list(self._episodes.items()):
            if key[0] != rule.name or key[1] in present:
                continue
            episode.there = False
            if now - episode.seen >= rule.settles:
                yield from self._end(key, now)


def _counts_from(episode: Episode) -> float:
    return min(episode.began, episode.finding.since)


def _renewed(episode: Episode, finding: Finding) -> bool:
    return finding.anchor is not None and finding.anchor != episode.finding.anchor


def _firing(episode: Episode, now: float) -> Notice:
    again = f" ({episode.times} times since {clock(episode.began, now)})" if episode.times > 1 else ""
    return _notice(episode, NoticeState.FIRING, f"{episode.finding.text}{again}", now)


def _notice(episode: Episode, state: NoticeState, text: str, now: float) -> Notice:
    finding = episode.finding
    return Notice(
        alert=episode.id,
        step=episode.step,
        state=state,
        topic=episode.rule.topic,
        condition=episode.rule.name,
        severity=finding.severity,
        subject=finding.subject,
        text=text,
        since=_counts_from(episode),
        at=now,
        provider=finding.provider,
        value=finding.value,
        threshold=finding.threshold,
    )
