import pytest
from config_texts import PROVIDERS, defaults, route

REFUSED = [
    # targets
    (route("targets: [c/x]"), 'routes[0].targets[0]: there is no provider "c"'),
    (route("targets: [x]"), 'routes[0].targets[0]: "x" is not provider/model'),
    (route("targets: [a/]"), "is not provider/model"),
    (route("targets: [a/x, a/x]"), '"a/x" is already a target of this route'),
    (route("targets: [a/x, [b/x, {to: a/x}]]"), "routes[0].targets[1][1].to: "),
    (route("targets: ['a/*']"), "needs the exact name"),
    # names
    (
        f"{PROVIDERS}routes: [{{model: m, targets: [a/x]}}, {{model: [n, m], targets: [a/y]}}]",
        'routes[1].model[1]: "m" is already',
    ),
    (f"{PROVIDERS}routes: [{{model: [m, m], targets: [a/x]}}]", "already served by this route"),
    (f"{PROVIDERS}routes: [{{model: 'g*', targets: [a/x]}}, {{model: 'gp*', targets: [a/y]}}]", '"gp*" can never match'),
    # strategies
    (route("targets: [[{to: a/x, weight: 2}, b/x]]"), "routes[0].targets[0][0].weight: has no effect with strategy ordered"),
    (route("targets: [a/x], sticky_header: x"), "routes[0].sticky_header: has no effect"),
    (route("targets: [a/x, b/x], strategy: fastest"), "routes[0].strategy: fastest has nothing to choose from"),
    (
        route("targets: [[a/x, b/x]], strategy: cheapest"),
        'routes[0].targets[0][1]: strategy cheapest needs a price for "b/x"',
    ),
    (
        "providers: {a: {kind: groq, credentials: k}, b: {kind: vllm}}\n"
        "routes: [{model: m, targets: [[a/openai/gpt-oss-120b, a/nobody-knows]], strategy: cheapest}]",
        'routes[0].targets[0][1]: strategy cheapest needs a price for "a/nobody-knows"',
    ),
    # time
    (route("targets: [a/x], timeout: {first_content: 5s, total: 3s}"), "first_content (5s) is above total (3s)"),
    (route("targets: [a/x], timeout: {idle: 5s, total: 3s}"), "idle (5s) is above total"),
    (route("targets: [a/x], timeout: {answer: 5s, total: 3s}"), "answer (5s) is above total"),
    (
        route("targets: [a/x], timeout: {connect: 5s, first_content: 5s}"),
        "routes[0].timeout.connect: connect (5s) is not below",
    ),
    (
        defaults("timeout: {first_content: 5s, total: 3s}"),
        "defaults.timeout.first_content: first_content (5s) is above total (3s)",
    ),
    (
        defaults("timeout: {idle: 30s}").replace("b/x]", "b/x], timeout: {total: 10s}"),
        "routes[0].timeout.total: idle (30s) is above total (10s)",
    ),
    # retry
    (route("targets: [a/x, b/x], retry: {attempts: 1}"), "routes[0].retry.attempts: with attempts: 1 the other 1 of the 2"),
    (defaults("retry: {attempts: 1}"), "routes[0].targets: with attempts: 1"),
    (defaults("retry: {base: 5s}"), "defaults.retry.base: base (5s) is above cap (2s)"),
    (route("targets: [a/x], retry: {base: 5s}"), "routes[0].retry.base: base (5s)"),
    # conditions
    (
        route("targets: [{to: a/x, when: {min_tokens: 9, max_tokens: 5}}, b/x]"),
        "routes[0].targets[0].when.min_tokens: min_tokens (9)",
    ),
    (route("targets: [{to: a/x, context_window: 5, when: {min_tokens: 9}}, b/x]"), "above the context window (5)"),
    (route("targets: [{to: a/x, when: {}}, b/x]"), "routes[0].targets[0].when: holds no condition"),
    # facts
    (
        f"{PROVIDERS}routes:\n- {{model: m, targets: [{{to: a/x, max_in_flight: 1}}]}}\n"
        "- {model: n, targets: [{to: a/x, max_in_flight: 2}]}",
        "routes[1].targets[0].max_in_flight: contradicts",
    ),
    (
        "providers: {a: {kind: vllm, models: {x: {price: {input: 1, output: 1}}}}}\n"
        "routes: [{model: m, targets: [{to: a/x, price: {input: 1, output: 2}}]}]",
        'contradicts the price given for "a/x" in line 1',
    ),
    (route("targets: [{to: a/x, max_queue: 3}]"), "has no effect without max_in_flight"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:60] for _, expected in REFUSED])
def test_what_cannot_be_meant_is_refused(complain, text: str, expected: str) -> None:
    found = complain(text)
    assert any(expected in line for line in found), found
