import pytest

from proxy.config.messages import keys_at, locate, nearest


def test_the_nearest_name_or_the_few_there_are() -> None:
    assert nearest("fastst", ["ordered", "fastest"]) == '; did you mean "fastest"?'
    assert nearest("OpenAI", ["openai"]) == '; did you mean "openai"?'
    assert nearest("zzz", ["a", "b"]) == "; known: a, b"
    assert nearest("zzz", []) == ""
    assert nearest("zzz", [str(n) for n in range(99)]) == ""


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("routes", 0, "targets", 0, 0, "to"), ("routes", 0, "targets", 0)),
        (("routes", 0, "targets", 1, 0, "weight"), ("routes", 0, "targets", 1, "weight")),
        (("routes", 0, "targets", 2, 1, "to"), ("routes", 0, "targets", 2, 1)),
        (("routes", 0, "model", 0), ("routes", 0, "model")),
        (("routes", 0, "strategy"), ("routes", 0, "strategy")),
        (("providers", "x ", "[key]"), ("providers", "x ")),
    ],
)
def test_locations_of_models_are_found_in_the_file(location: tuple[str | int, ...], path: tuple[str | int, ...]) -> None:
    data = {
        "providers": {"x ": {}},
        "routes": [{"model": "m", "targets": ["a/b", {"to": "a/c", "weight": 0}, ["a/d", "a/e"]]}],
    }
    assert locate(location, data) == path


def test_known_keys_of_every_place() -> None:
    assert "providers" in keys_at(())
    assert "credentials" in keys_at(("providers", "models"))
    assert "context_window" in keys_at(("providers", "x", "models", "gpt"))
    assert "weight" in keys_at(("routes", 0, "targets", 0))
    assert "min_tokens" in keys_at(("routes", 0, "targets", 0, 1, "when"))
    assert "idle" in keys_at(("defaults", "timeout"))
    assert keys_at(("nowhere",)) == []


COMPLAINTS = [
    ("provders: {}", 'provders: unknown key; did you mean "providers"?'),
    (
        "budgets: {url: x}",
        "budgets: unknown key; known: server, providers, routes, defaults, keys, cache, key_store, tags, ledger, alerts, "
        "hints",
    ),
    (
        "ledger: {url: x}",
        "ledger.url: expected sqlite: and a file, such as sqlite:undimmed.db or sqlite:/var/lib/undimmed/undimmed.db",
    ),
    ("providers: []", "providers: expected a mapping (`key: value` pairs)"),
    ("routes: {}", "routes: expected a list"),
    ("providers: {x: 3}", "providers.x: expected a mapping (`key: value` pairs)"),
    ("providers: {x: {}}", "providers.x.kind: is required"),
    ("providers: {x: {kind: opnai}}", 'providers.x.kind: unknown kind "opnai"; did you mean "openai"?'),
    ("providers: {x: {kind: openai, preset: grok}}", 'providers.x.preset: unknown preset "grok"; did you mean "groq"?'),
    ("providers: {x: {kind: ollama, direct: maybe}}", "providers.x.direct: expected true or false"),
    ("providers: {' x': {kind: ollama}}", 'providers[" x"]: must be text without surrounding spaces or control characters'),
    ("routes: [{targets: [a/b]}]", "routes[0].model: is required"),
    ("routes: [{model: [], targets: [a/b]}]", "routes[0].model: must not be empty"),
    ("routes: [{model: a, targets: []}]", "routes[0].targets: must not be empty"),
    ("routes: [{model: a, targets: [[]]}]", "routes[0].targets[0]: must not be empty"),
    ("routes: [{model: 4, targets: [a/b]}]", "routes[0].model: expected text; put the number in quotes"),
    ("routes: [{model: on, targets: [a/b]}]", "routes[0].model: expected text; off, on, yes and no mean"),
    ("routes: [{model: a, targets: [{too: a/b}]}]", 'routes[0].targets[0].too: unknown key; did you mean "to"?'),
    ("defaults: {retry: {attempts: 0}}", "defaults.retry.attempts: expected a whole number from 1 to 20"),
    *(
        (
            f"routes: [{{model: m, targets: [{{to: a/b, weight: {weight}}}]}}]",
            "routes[0].targets[0].weight: expected a whole number from 1 to 10000",
        )
        for weight in ("-1", "0", "10001", "1.5", "true")
    ),
    ("defaults: {retry: {budget_ratio: 2}}", "defaults.retry.budget_ratio: must be at most 1"),
    ("defaults: {retry: {budget_ratio: x}}", "defaults.retry.budget_ratio: expected a number"),
    ("defaults: {timeout: {idle: soon}}", "defaults.timeout.idle: expected a duration such as 250ms"),
    ("defaults: {strategy: fastst}", 'defaults.strategy: unknown strategy "fastst"; did you mean "fastest"?'),
    (
        "server: {max_body: big}",
        'server.max_body: expected a size such as 512KiB, 32MiB or 1GB (a plain number is bytes), not "big"',
    ),
    ("server: {listen: ':80'}", "server.listen: expected an address and a port"),
    ("keys: [{name: a, hash: sk-mine}]", "keys[0].hash: expected the SHA-256 of the key in hex"),
    (
        "keys: [{name: a, hash: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}]",
        "keys[0].hash: this is the hash of an empty key",
    ),
]


@pytest.mark.parametrize(("text", "expected"), COMPLAINTS)
def test_mistakes_in_plain_english(complain, text: str, expected: str) -> None:
    found = complain(text)
    assert any(line.startswith(f"1: {expected}") for line in found), found
    assert not any("sk-mine" in line for line in found)


def test_values_from_the_environment_are_not_repeated(complain) -> None:
    found = complain("defaults: {strategy: '${S}', timeout: {idle: '${S}'}}", {"S": "sk-secret"})
    assert len(found) >= 2
    assert "sk-secret" not in "\n".join(found)


def test_secrets_are_not_repeated_wherever_they_are_wrong(complain) -> None:
    text = "providers: {x: {kind: ollama, credentials: [{key: [sk-secret]}], headers: {a: [sk-secret]}}}"
    found = complain(text)
    assert len([line for line in found if "credentials" in line or "headers" in line]) == 2
    assert "sk-secret" not in "\n".join(found)
