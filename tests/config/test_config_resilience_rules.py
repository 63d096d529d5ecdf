"""Hedges and the like as they are written, and what about them could never take effect."""

import pytest
from config_texts import defaults, route

from proxy.config.load import parse
from proxy.core.escalation import Escalation
from proxy.core.settings import Hedge

WRITTEN = [
    ("hedge: p95", Hedge(None, 0.05)),
    ("hedge: 800ms", Hedge(0.8, 0.05)),
    ("hedge: 2", Hedge(2.0, 0.05)),
    ("hedge: {share: 10%}", Hedge(None, 0.1)),
    ("hedge: {after: 1s, share: 0.02}", Hedge(1.0, 0.02)),
]


@pytest.mark.parametrize(("text", "expected"), WRITTEN, ids=[text for text, _ in WRITTEN])
def test_hedges_as_they_are_written(text: str, expected: Hedge) -> None:
    assert parse(route(f"targets: [a/x, b/x], {text}"), "f.yaml", {}).routes[0].hedge == expected


def test_nothing_is_sent_twice_unless_it_is_written() -> None:
    assert parse(route("targets: [a/x, b/x]"), "f.yaml", {}).routes[0].hedge is None


REFUSED = [
    (route("targets: [a/x], hedge: p95"), "routes[0].hedge: has no effect with one target"),
    (route("targets: [a/x, b/x], hedge: p99"), "routes[0].hedge: expected a duration"),
    (route("targets: [a/x, b/x], hedge: {share: 0}"), "routes[0].hedge.share: expected a share such as 5% or 0.05"),
    (route("targets: [a/x, b/x], hedge: {share: 101%}"), "routes[0].hedge.share: expected a share"),
    (route("targets: [a/x, b/x], hedge: {share: true}"), "routes[0].hedge.share: expected a share"),
    (route("targets: [a/x, b/x], hedge: {share: many}"), "routes[0].hedge.share: expected a share"),
    (
        route("targets: [a/x, b/x], timeout: {first_content: 2s, answer: 4s}, hedge: 4s"),
        "routes[0].hedge: 4s is not below the limit at which an attempt is given up (4s)",
    ),
    (
        defaults("retry: {attempts: 1}").replace("b/x]", "b/x], hedge: p95"),
        "routes[0].hedge: has no effect with retry.attempts: 1",
    ),
]


REFUSED += [
    (route("targets: [a/x, b/x], degrade: {}"), "routes[0].degrade: says nothing to fall to"),
    (route("targets: [a/x, b/x], degrade: {stale: 1h, max_output: 5}"), "routes[0].degrade.max_output: has no effect"),
    (route("targets: [a/x], degrade: {targets: [c/x]}"), 'routes[0].degrade.targets[0]: there is no provider "c"'),
    (route("targets: [a/x], degrade: {targets: [a/x]}"), '"a/x" is already a target of this route'),
    (
        route("targets: [a/x], retry: {attempts: 1}, degrade: {targets: [b/x]}"),
        "routes[0].degrade.targets: with retry.attempts: 1 nothing can ever fall back on them",
    ),
    (route("targets: [a/x, b/x]") + "cache: {size: 1MiB}", "cache: has no effect: no route has degrade.stale"),
]

TIERS = "targets: [a/x, b/x]"
REFUSED += [
    (route("targets: [[a/x, b/x]], escalate: {}"), "routes[0].escalate: has no effect with one tier"),
    (route(f"{TIERS}, retry: {{attempts: 1}}, escalate: {{}}"), "routes[0].escalate: has no effect with retry.attempts: 1"),
    (route(f"{TIERS}, hold: 50 tokens, escalate: {{}}"), "routes[0].hold: has no effect with escalate"),
    (route(f"{TIERS}, resume: splice, escalate: {{}}"), "routes[0].resume: has no effect with escalate"),
    (route(f"{TIERS}, escalate: {{matches: '('}}"), "routes[0].escalate.matches: is no regular expression"),
    (route(f"{TIERS}, escalate: {{webhook: x}}"), "routes[0].escalate.webhook: is no address"),
    (route(f"{TIERS}, escalate: {{timeout: 2s}}"), "routes[0].escalate.timeout: has no effect without command or webhook"),
    (route(f"{TIERS}, escalate: {{min_logprob: 1}}"), "routes[0].escalate.min_logprob"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:60] for _, expected in REFUSED])
def test_what_cannot_be_meant_is_refused(complain, text: str, expected: str) -> None:
    found = complain(text)
    assert any(expected in line for line in found), found


def test_last_resorts_come_after_all_tiers() -> None:
    settings = parse(route("targets: [a/x], degrade: {targets: [[a/y, b/x]], max_output: 1k, stale: 2h}"), "f.yaml", {})
    tiers = settings.routes[0].tiers
    assert [[(t.id, t.last_resort, t.max_answer) for t in tier] for tier in tiers] == [
        [("a/x", False, None)],
        [("a/y", True, 1000), ("b/x", True, 1000)],
    ]
    assert settings.routes[0].stale == 7200.0
    assert settings.shelf is not None
    assert settings.shelf.path.endswith("undimmed-cache.db")


def test_no_file_without_a_route_that_repeats() -> None:
    assert parse(route("targets: [a/x], degrade: {targets: [b/x]}"), "f.yaml", {}).shelf is None


def test_checks_as_they_are_written() -> None:
    written = parse(
        route(f"{TIERS}, escalate: {{finish: false, min_length: 20, command: ./judge, timeout: 2s}}"), "f.yaml", {}
    )
    assert written.routes[0].escalate == Escalation(finish=False, min_length=20, command=("./judge",), timeout=2.0)
    assert parse(route(TIERS), "f.yaml", {}).routes[0].escalate is None
