import pytest
from config_texts import defaults, provider

REFUSED = [
    # providers
    (
        "providers: {a: {kind: vllm}, b: {kind: ollama}}\nroutes: [{model: m, targets: [a/x]}]",
        "providers.b: no route uses it",
    ),
    (
        "providers: {a: {kind: vllm, models: {y: {context_window: 5}}}}\nroutes: [{model: m, targets: [a/x]}]",
        'providers.a.models.y: has no effect: no route has the target "a/y"',
    ),
    ("providers: {'a b': {kind: vllm, direct: true}}", 'providers["a b"]: a provider\'s name is made of'),
    (provider("kind: groq, preset: mistral, credentials: [k]"), "kind groq already names a preset"),
    (provider("kind: gemini, preset: groq, credentials: [k]"), "kind gemini already names a preset"),
    (provider("kind: openai, preset: gemini, credentials: [k]"), "has a format of its own; write kind: gemini"),
    (provider("kind: openai, credentials: [k], region: eu"), "providers.p.region: has no effect: openai has no regions"),
    (provider("kind: vertex, credentials: [k], region: eu"), "region: has no effect without project"),
    (provider("kind: vertex, credentials: [k], project: p, region: EU/x"), "region: a region is made of small letters"),
    (provider("kind: gemini, credentials: [k], project: p"), "providers.p.project: has no effect: gemini has no projects"),
    (provider("kind: gemini"), 'gemini needs a key: credentials: ["${GEMINI_API_KEY}"]'),
    (provider("kind: vertex, project: p"), "vertex needs a key: credentials: [...]"),
    (provider("kind: custom, region: eu, project: p"), "providers.p.base_url: is required"),
    (provider("kind: custom"), "providers.p.base_url: is required"),
    (provider("kind: openai, base_url: api.x.com, credentials: [k]"), "providers.p.base_url: must begin with"),
    (provider("kind: openai, base_url: 'https://u:p@x.com', credentials: [k]"), "user name"),
    (provider("kind: llamacpp"), "port 8080 of this machine is where the proxy itself listens"),
    (provider("kind: openai"), 'providers.p.credentials: openai needs a key: credentials: ["${OPENAI_API_KEY}"]'),
    (provider("kind: openai, credentials: ['${K:-}']"), "openai needs a key"),
    (provider("kind: openai, credentials: [k, j, k]"), "providers.p.credentials[2]: is the same key"),
    (provider("kind: openai, credentials: ['k j']"), "providers.p.credentials[0]: holds a space"),
    (provider('kind: openai, credentials: ["k\\n"]'), "providers.p.credentials[0]: holds a space, a line break"),
    (provider("kind: custom, base_url: 'http://api.x.com/v1', credentials: [k]"), "would send the credentials unencrypted"),
    (provider("kind: openai, credentials: [k], allow_plaintext: true"), "allow_plaintext: has no effect"),
    (provider("kind: vllm, headers: {'a b': c}"), "is not a header name"),
    (provider("kind: vllm, headers: {Authorization: c}"), "is made from credentials"),
    (provider("kind: vllm, headers: {Content-Length: c}"), "is set by the proxy itself"),
    (provider('kind: vllm, headers: {a: "b\\r\\nc: d"}'), "its value holds a line break"),
    (provider("kind: vllm, probe: {kind: passive, every: 5s}"), "providers.p.probe.every: has no effect with kind: passive"),
    (provider("kind: vllm, probe: {kind: completion, path: /x}"), "has no effect with kind: completion"),
    (provider("kind: vllm, probe: {kind: free, hourly_completions: 5}"), "has no effect with kind: free"),
    (defaults("probe: {kind: passive, every: 5s}"), "defaults.probe.every: has no effect"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:60] for _, expected in REFUSED])
def test_what_cannot_be_meant_is_refused(complain, text: str, expected: str) -> None:
    found = complain(text)
    assert any(expected in line for line in found), found
