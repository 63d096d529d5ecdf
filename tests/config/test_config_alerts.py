"""Alerts and status pages in the file: what they become, and what cannot be meant."""

import pytest
from config_texts import PROVIDERS

from proxy.config.load import parse
from proxy.core.alarming import AlertSettings, Thresholds, Topic
from proxy.core.settings import Settings

LEDGER = "ledger: {url: sqlite:u.db}\n"
BUDGET = "tags: {team-a: {budget: {usd: 5}}}\n"
KNOWN = "providers: {openai: {kind: openai, credentials: [k], direct: true%s}}\n"
URL = "https://ops.test/hooks/token-9a"


def read(text: str, env: dict[str, str] | None = None) -> Settings:
    return parse(text, "f.yaml", env or {})


def alerts(text: str, more: str = "") -> str:
    return f"{PROVIDERS}{more}alerts: [{{{text}}}]\n"


def test_defaults() -> None:
    [found] = read(alerts(f"webhook: '{URL}'")).alerts
    assert found == AlertSettings("1", frozenset(Topic) - {Topic.SPEND, Topic.LEDGER, Topic.BUDGET}, URL)
    [with_ledger] = read(alerts(f"webhook: '{URL}'", LEDGER)).alerts
    assert with_ledger.topics == frozenset(Topic) - {Topic.BUDGET}
    [with_both] = read(alerts(f"webhook: '{URL}'", LEDGER + BUDGET)).alerts
    assert with_both.topics == frozenset(Topic)
    assert read(PROVIDERS).alerts == ()


def test_everything_written() -> None:
    text = alerts(
        "name: team, webhook: '${HOOK}', format: slack, when: [budget, spend, target, estimates, unpriced], "
        "budget_steps: [0.9], budget_pace: 2, spend_deviations: 8, spend_factor: 3, spend_floor: 2.5, token_floor: 2M, "
        "target_after: 2m, estimates_share: 0.5, unpriced_attempts: 1",
        LEDGER + BUDGET,
    )
    [found] = read(text, {"HOOK": URL}).alerts
    assert (found.name, found.url, found.format) == ("team", URL, "slack")
    assert found.thresholds == Thresholds((0.9,), 2.0, 8.0, 3.0, 2_500_000_000, 2_000_000, 120.0, 0.5, 1)


def test_slack_is_known_by_its_address_and_secrets_are_read() -> None:
    [slack] = read(alerts("webhook: 'https://hooks.slack.com/services/T/B/x'")).alerts
    assert slack.format == "slack"
    [signed] = read(alerts(f"webhook: '{URL}', when: target, secret: whsec_{'A' * 43}=")).alerts
    assert signed.secret == bytes(32)
    assert signed.topics == {Topic.TARGET}
    for host in ("127.0.0.1:9", "alertmanager", "10.0.0.7"):
        assert read(alerts(f"webhook: 'http://{host}/x'")).alerts


REFUSED = [
    ("webhook: 'ftp://x.com/'", "webhook: must be an address that begins with https://"),
    ("webhook: 'https://'", "webhook: must be an address"),
    ("webhook: 'https://[x/'", "webhook: must be an address"),
    ("webhook: 'https://u:p@x.com/'", "webhook: must not hold a user name or password"),
    ("webhook: 'http://x.com/'", "webhook: would go over the internet unencrypted; use https://"),
    ("webhook: 7", "webhook: expected text"),
    ("when: [target]", "webhook: is required"),
    (f"webhook: '{URL}', when: []", "when: must not be empty"),
    (f"webhook: '{URL}', when: [targte]", 'when[0]: unknown topic "targte"; did you mean "target"?'),
    (f"webhook: '{URL}', when: [target, target]", "when[1]: target stands here twice"),
    (f"webhook: '{URL}', when: [spend]", "when[0]: spend has nothing to look at without a ledger"),
    (f"webhook: '{URL}', when: [ledger]", "when[0]: ledger has nothing to look at without a ledger"),
    (f"webhook: '{URL}', format: xml", 'format: unknown format "xml"'),
    (f"webhook: '{URL}', secret: short", "secret: is shorter than 24 bytes"),
    (f"webhook: '{URL}', secret: 'whsec_?'", "secret: what follows whsec_ is not base64"),
    (f"webhook: '{URL}', format: slack, secret: {'s' * 24}", "secret: has no effect with format slack"),
    (f"webhook: '{URL}', when: [target], budget_pace: 2", "budget_pace: has no effect without budget in when"),
    (f"webhook: '{URL}', when: [budget]", "when[0]: budget has nothing to look at without a budget"),
    (f"webhook: '{URL}', budget_pace: 2", "budget_pace: has no effect without a budget"),
    (f"webhook: '{URL}', spend_floor: 2", "spend_floor: has no effect without a ledger"),
    (f"webhook: '{URL}', budget_steps: [1, 0.5]", "budget_steps: must be rising"),
    (f"webhook: '{URL}', budget_steps: []", "budget_steps: must be rising"),
    (f"webhook: '{URL}', budget_steps: [50]", "budget_steps[0]: must be at most 10"),
    (f"webhook: '{URL}', name: a}}, {{webhook: '{URL}', name: a", 'alerts[1].name: there is another webhook named "a"'),
    (f"webhook: '{URL}', name: '2'}}, {{webhook: '{URL}'", 'alerts[1].name: there is another webhook named "2"'),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:60] for _, expected in REFUSED])
def test_what_cannot_be_meant_is_refused(complain, text: str, expected: str) -> None:
    found = complain(alerts(text))
    assert any(expected in line for line in found), found


def test_no_address_or_secret_is_ever_in_a_message(complain) -> None:
    found = complain(alerts("webhook: 'http://x.com/token-9a', secret: 'token-9a', when: [spend], budget_pace: 2"))
    assert len(found) == 4
    assert "token-9a" not in "\n".join(found)
    assert "token-9a" not in "\n".join(complain(alerts("webhook: ['token-9a'], secret: ['token-9a'], name: [x]")))


def feed(text: str, hints: bool = False) -> str | None:
    return read(KNOWN % text + f"hints: {str(hints).lower()}\n").providers["openai"].status_feed


def test_status_pages_are_read_only_where_somebody_asks_for_it() -> None:
    usual = "https://status.openai.com/api/v2/summary.json"
    assert feed("") is None
    assert feed("", hints=True) == usual
    assert feed(", status_feed: usual") == usual
    assert feed(", status_feed: 'https://s.test/x.json'") == "https://s.test/x.json"
    assert feed(", status_feed: 'https://s.test/x.json'", hints=True) == "https://s.test/x.json"
    both = (
        "providers: {openai: {kind: openai, credentials: [k], direct: true, status_feed: off}, "
        "groq: {kind: groq, credentials: [k], direct: true}}\nhints: true\n"
    )
    assert read(both).providers["openai"].status_feed is None
    assert read(both).providers["groq"].status_feed == "https://groqstatus.com/api/v2/summary.json"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KNOWN % ", status_feed: off", "providers.openai.status_feed: is off anyway"),
        (KNOWN % ", status_feed: 'status.openai.com'", "providers.openai.status_feed: must be an address"),
        (KNOWN % ", status_feed: 'http://s.com/x'", "status_feed: would go over the internet unencrypted"),
        ("providers: {p: {kind: vllm, direct: true, status_feed: usual}}", "vllm has no status page that is known here"),
        (PROVIDERS + "hints: true", "hints: has no effect: no provider here has a usual status page"),
        ("providers: {p: {kind: openai, base_url: 'x', direct: true, status_feed: usual}}", "custom has no status page"),
    ],
)
def test_status_pages_that_cannot_be_meant(complain, text: str, expected: str) -> None:
    found = complain(text)
    assert any(expected in line for line in found), found
