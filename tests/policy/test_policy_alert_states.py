"""Rules over states and the last hour's accounts: what is said, and when nothing is."""

import pytest

from proxy.core.alarming import IncidentNotice, Severity, Thresholds, Topic
from proxy.policy.alerts.figures import Figures, Hours, LedgerStanding, Outage, Rejection, Traffic
from proxy.policy.alerts.table import RULES, look

NOW = 1_764_079_200.0  # 2025-11-25 14:00 UTC


def said(**figures: object) -> dict[str, list[tuple[str, Severity, str]]]:
    found = look(Figures(NOW, **figures), Thresholds(), Topic)  # type: ignore[arg-type]
    return {rule.name: [(f.subject, f.severity, f.text) for f in findings] for rule, findings in found.items() if findings}


def test_all_well_says_nothing() -> None:
    ledger = LedgerStanding("ok", NOW)
    assert said(hours=Hours(0, {}), ledger=ledger, traffic=[Traffic("a/m", 50_000, 1_000, 100, 9)]) == {}


@pytest.mark.parametrize(
    ("figures", "rule", "expected"),
    [
        (
            {"targets": [Outage("openai/gpt-5 (chat)", "openai", NOW - 40, "5 failures in a row")]},
            "target.open",
            (
                "openai/gpt-5 (chat)",
                Severity.WARNING,
                "openai/gpt-5 (chat) is out of traffic since 13:59 UTC: 5 failures in a row; its routes have others; told "
                "after 30 s",
            ),
        ),
        (
            {"targets": [Outage("a/m (chat)", "a", NOW - 40, "it stalls", ["gpt-5", "fast"])]},
            "target.open",
            (
                "a/m (chat)",
                Severity.CRITICAL,
                "a/m (chat) is out of traffic since 13:59 UTC: it stalls; nothing else is left for route gpt-5, fast; told "
                "after 30 s",
            ),
        ),
        (
            {"credentials": [Outage("openai#2", "openai", NOW - 60, "401")]},
            "credential.refused",
            ("openai#2", Severity.CRITICAL, "credential openai#2 cannot be used since 13:59 UTC: 401"),
        ),
        (
            {"ledger": LedgerStanding("spilling", NOW - 60, waiting=1200, error="database is locked")},
            "ledger.unwritten",
            (
                "ledger",
                Severity.WARNING,
                "the ledger is spilling since 13:59 UTC: its database takes no rows: 1,200 wait in the journal "
                "(database is locked); requests are not affected",
            ),
        ),
        (
            {"ledger": LedgerStanding("losing", NOW - 60, lost=7)},
            "ledger.unwritten",
            (
                "ledger",
                Severity.CRITICAL,
                "the ledger is losing since 13:59 UTC: its journal is full: 7 calls are lost so far; requests are not "
                "affected",
            ),
        ),
        (
            {"rejection": Rejection(NOW, "line 3: unknown key")},
            "config.rejected",
            (
                "configuration",
                Severity.WARNING,
                "the configuration read at 14:00 UTC was not taken, and the one before goes on: line 3: unknown key",
            ),
        ),
        (
            {"incidents": [IncidentNotice("inc-7", "openai is slow", NOW)]},
            "incident.open",
            ("incident inc-7", Severity.WARNING, "incident inc-7 since 14:00 UTC: openai is slow"),
        ),
        (
            {"traffic": [Traffic("a/m", 10_000, 3_000, 50, 0), Traffic("b/m", 1_000, 10, 5, 0)]},
            "estimates.share",
            (
                "all traffic",
                Severity.WARNING,
                "27 % of the 11,000 tokens of the last hour are estimates, most of them at a/m (3,000): no usage was "
                "reported for them; told from 20 % on",
            ),
        ),
        (
            {"traffic": [Traffic("a/m", 10_000, 0, 50, 10)]},
            "unpriced.traffic",
            (
                "a/m",
                Severity.INFO,
                "10 of 50 attempts at a/m in the last hour have no known price; write one into its provider's `models` (0 "
                "if it is free); told from 10 an hour on",
            ),
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(figures: dict[str, object], rule: str, expected: tuple[str, Severity, str]) -> None:
    assert said(**figures) == {rule: [expected]}


def test_few_tokens_have_no_share() -> None:
    assert said(traffic=[Traffic("a/m", 9_000, 9_000, 3, 0)]) == {}


def test_rules_keep_to_their_topics_and_to_what_can_be_known() -> None:
    every = look(Figures(NOW), Thresholds(), Topic)
    assert "spend.unusual" not in {rule.name for rule in every}  # no hours are known
    assert {rule.topic for rule in look(Figures(NOW), Thresholds(), [Topic.LEDGER])} == {Topic.LEDGER}
    assert {rule.topic for rule in RULES} == set(Topic)
    assert all(rule.name.partition(".")[0] == rule.topic for rule in RULES)
