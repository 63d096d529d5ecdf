"""What is well is left alone; the tests of the rules have what is refused."""

import pytest
from config_texts import KEYS, PROVIDERS, defaults, provider, route

from proxy.config import (
    alert_rules,
    capacity_rules,
    continuity_rules,
    credential_rules,
    detect_rules,
    ledger_rules,
    limit_checks,
    provider_rules,
    resilience_rules,
    route_rules,
    server_rules,
)
from proxy.config.consistency import RULES

ACCEPTED = [
    route("targets: [a/x]"),
    route("targets: [[{to: a/x, weight: 2}, b/x]], strategy: weighted"),
    route("targets: [[a/x, b/x]], strategy: sticky, sticky_header: x-session"),
    route("targets: [a/x], strategy: fastest"),
    route(
        "targets: [[{to: a/x, price: {input: 1, output: 1}}, {to: b/x, price: {input: 1, output: 1}}]], strategy: cheapest"
    ),
    route("targets: [a/x, b/x], timeout: {total: 3s}"),
    route("targets: [a/x], retry: {attempts: 1}"),
    route("targets: [{to: a/x, max_in_flight: 1}, b/x]") + "",
    defaults("strategy: fastest"),
    f"{PROVIDERS}routes: [{{model: 'g*', targets: [a/x]}}, {{model: gpt, targets: [a/y]}}]",
    "server: {listen: '127.0.0.1:9090'}\n" + provider("kind: llamacpp"),
    "server: {listen: '127.0.0.1:0', admin: '127.0.0.1:0'}\n" + PROVIDERS,
    provider("kind: ollama, credentials: [k]"),
    provider("kind: custom, base_url: 'http://10.0.0.1:9/v1', credentials: [k]"),
    provider("kind: custom, base_url: 'http://gpu:9/v1', credentials: [k]"),
    provider("kind: custom, base_url: 'http://api.x.com/v1', credentials: [k], allow_plaintext: true"),
    "server: {listen: '0.0.0.0:8080', admin: '0.0.0.0:8081'}\n" + PROVIDERS + KEYS,
    PROVIDERS + KEYS.replace("}]", ", routes: [direct, a/z]}]"),
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_is_well_is_left_alone(complain, text: str) -> None:
    assert complain(text) == []


def test_every_rule_is_in_the_table() -> None:
    written = {
        function
        for module in (
            alert_rules,
            capacity_rules,
            continuity_rules,
            credential_rules,
            ledger_rules,
            detect_rules,
            limit_checks,
            provider_rules,
            resilience_rules,
            route_rules,
            server_rules,
        )
        for name, function in vars(module).items()
        if name.startswith("check_")
    }
    assert written == set(RULES)


def test_no_secret_is_ever_in_a_message(complain) -> None:
    text = provider(
        "kind: openai, base_url: 'http://u:sk-s@x.com/?k=sk-s', credentials: [sk-s, sk-s, 'sk-s x'], headers: {host: sk-s}"
    )
    found = complain(text)
    assert len(found) >= 4
    assert "sk-s" not in "\n".join(found)
