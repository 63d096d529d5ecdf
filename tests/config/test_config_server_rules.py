import pytest
from config_texts import DIGEST, KEYS, PROVIDERS, defaults, route

REFUSED = [
    # breaker
    (
        defaults("breaker: {recent_failures: 30}"),
        "defaults.breaker.recent_failures: recent_failures (30) is above recent (20)",
    ),
    (defaults("breaker: {recent: 10}"), "defaults.breaker.recent: recent_failures (16) is above recent (10)"),
    (defaults("breaker: {open_for: 10m}"), "open_for (10m) is above open_cap (5m)"),
    (defaults("breaker: {consecutive: 30}"), "consecutive (30) is above minimum (20)"),
    (defaults("breaker: {stall: false, stall_count: 3}"), "defaults.breaker.stall_count: has no effect with stall: false"),
    # listeners
    (f"server: {{listen: 0.0.0.0:8080}}\n{PROVIDERS}", "server.listen: 0.0.0.0:8080 is open to others"),
    (f"server: {{admin: 0.0.0.0:8081}}\n{PROVIDERS}", "server.admin: 0.0.0.0:8081 is open to others"),
    (f"server: {{admin: 127.0.0.1:8080}}\n{PROVIDERS}", "server.admin: port 8080 is already taken"),
    # keys
    (PROVIDERS + f"keys: [{{name: k, hash: {DIGEST}}}, {{name: k, hash: {'a' * 64}}}]", 'there is another key named "k"'),
    (PROVIDERS + f"keys: [{{name: k, hash: {DIGEST}}}, {{name: j, hash: {DIGEST}}}]", "keys[1].hash: is the same key"),
    (route("targets: [a/x]") + KEYS.replace("}]", ", routes: [n]}]"), 'keys[0].routes[0]: there is no route for "n"'),
    (route("targets: [a/x]") + KEYS.replace("}]", ", routes: []}]"), "keys[0].routes: allows nothing"),
    # nothing
    ("server: {listen: 127.0.0.1:1}", "providers: there are no providers"),
    ("providers: {a: {kind: vllm}}", "routes: there are no routes"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:60] for _, expected in REFUSED])
def test_what_cannot_be_meant_is_refused(complain, text: str, expected: str) -> None:
    found = complain(text)
    assert any(expected in line for line in found), found
