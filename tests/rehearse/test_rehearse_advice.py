"""Each weak spot is told with the key to change; a sound configuration is left in peace."""

import pytest

from proxy.rehearse.advice import GRAVE, MILD, SERIOUS, Advice, advise
from proxy.rehearse.findings import Findings
from proxy.rehearse.outage import load, parse
from proxy.rehearse.performance import Plan, rehearse
from proxy.rehearse.twin import Original, Twin, read_twin

PROVIDERS = """
providers:
  openai: {kind: openai, credentials: [one, two]}
  azure: {kind: azure, base_url: "https://eu.openai.azure.com", credentials: [one, two]}
  azure-us: {kind: azure, base_url: "https://us.openai.azure.com", credentials: [one, two]}
  anthropic: {kind: anthropic, credentials: [one, two]}
  groq: {kind: groq, credentials: [one]}
  laptop: {kind: ollama}
keys:
"""
PROVIDERS += "".join(f'  - {{name: k{n}, hash: "sha256:{n:064x}"}}\n' for n in range(5))
SOUND = "routes: [{model: m, targets: [openai/gpt-5, anthropic/claude-sonnet-4-5], timeout: {first_content: 6s}}]"


def twin(routes: str) -> Twin:
    used = {name: name for name in ("azure", "azure-us", "groq", "laptop", "openai", "anthropic")}
    text = PROVIDERS
    for name in used:
        if f"{name}/" not in routes:
            text = "\n".join(line for line in text.split("\n") if not line.startswith(f"  {name}:"))
    return read_twin(Original(text + routes, "advice.yaml"), {})


def told(routes: str, *findings: Findings) -> dict[str, Advice]:
    return {advice.key: advice for advice in advise(twin(routes), findings)}


def play(routes: str, name: str, duration: float = 300.0) -> Findings:
    return rehearse(twin(routes), load(name), Plan(duration=duration))


def test_a_sound_configuration_is_left_in_peace() -> None:
    assert told(SOUND) == {}
    assert told(SOUND, play(SOUND, "D4")) == {}


def test_one_host_is_one_failure_domain() -> None:
    routes = (
        "routes: [{model: m, targets: [openai/gpt-5, openai/gpt-5-mini]}, {model: c, targets: [anthropic/c, openai/gpt-5]}]"
    )
    advice = told(routes)["routes[0].targets"]
    assert advice.weight == SERIOUS
    assert "route m has one failure domain: all 2 targets are at api.openai.com" in advice.text
    assert "such as `anthropic/c`, which this file already has" in advice.text
    seen = told(routes, play(routes, "D4"))["routes[0].targets"]
    assert seen.weight == GRAVE
    assert seen.outages == ["D4"]
    assert "In D4 it lost " in seen.text


def test_two_regions_of_one_vendor_are_something() -> None:
    advice = told("routes: [{model: m, targets: [azure/gpt-5, azure-us/gpt-5]}]")["routes[0].targets"]
    assert advice.weight == MILD
    assert "has one vendor: all 2 targets are azure's" in advice.text
    assert "such as" not in advice.text


def test_no_fallback_at_all() -> None:
    assert (
        "has one target, openai/gpt-5, and no fallback"
        in told("routes: [{model: m, targets: [openai/gpt-5]}]")["routes[0].targets"].text
    )


def test_silence_that_was_heard_and_silence_that_may_be() -> None:
    routes = SOUND.replace("6s", "60s")
    quiet = told(routes)["routes[0].timeout.first_content"]
    assert quiet.weight == MILD
    assert "first_content 60s means that long a silence" in quiet.text
    hole = "title: t\nsource: s\ndate: 2026-01-01\nlength: 10m\nvendor: openai\n"
    hole += "spans: [{from: 0s, to: 10m, mode: black_hole}]"
    found = rehearse(twin(routes), parse(hole, "hole.yaml", "hole"), Plan(rps=0.5))
    heard = told(routes, found)["routes[0].timeout.first_content"]
    assert heard.weight == SERIOUS
    assert heard.outages == ["hole"]
    assert "s of silence in hole until the breaker of openai/gpt-5 opened" in heard.text
    assert "begin within 6s, say so" in heard.text


def test_no_time_left_for_the_fallback() -> None:
    routes = SOUND.replace("{first_content: 6s}", "{first_content: 6s, total: 8s}")
    advice = told(routes)["routes[0].timeout.total"]
    assert "after a silent first target (6s) 2s of 8s are left for its fallback. Raise it to 18s" in advice.text


def test_one_key() -> None:
    routes = "routes: [{model: m, targets: [groq/x, openai/gpt-5], timeout: {first_content: 5s}}]"
    advice = told(routes)["providers.groq.credentials"]
    assert advice.text.startswith("`groq` has only one credential")
    both = told("routes: [{model: m, targets: [laptop/x, openai/gpt-5]}]")
    assert "providers.laptop.credentials" not in both


def test_a_fallback_that_takes_less() -> None:
    routes = """routes:
  - model: m
    targets:
      - {to: openai/gpt-5, context_window: 400k}
      - {to: laptop/x, context_window: 8000, max_in_flight: 2, when: {tools: false}, price: {input: 100, output: 100}}
"""
    made = [advice for advice in advise(twin(routes), ()) if advice.key.startswith("routes[0].targets")]
    texts = " ".join(advice.text for advice in made)
    assert "its largest fallback, laptop/x, takes 8,000 tokens and its first choice 400,000" in texts
    assert "laptop/x takes 2 at a time, which is about 0.8 short answers a second" in texts
    assert "no fallback takes requests with tools (`when: {tools: false}` on all)" in texts
    assert "what laptop/x generates costs 10.0 times as much as at openai/gpt-5" in texts
    assert "routes[0].targets[1].max_in_flight" in {advice.key for advice in made}


def test_rejections_without_keys_to_tell_clients_apart() -> None:
    routes = "routes: [{model: m, targets: [azure/gpt-5.2, anthropic/c], timeout: {first_content: 6s}}]"
    providers = [line for line in PROVIDERS.split("\n") if line.startswith(("providers:", "  azure:", "  anthropic:"))]
    alone = read_twin(Original("\n".join([*providers, routes]), "x"), {})
    found = rehearse(alone, load("D19"), Plan(duration=300))
    advice = next(advice for advice in advise(alone, [found]) if advice.key == "keys")
    assert advice.outages == ["D19"]
    assert "told apart from 5 client keys on, and this file has 0" in advice.text


def test_the_gravest_comes_first() -> None:
    routes = "routes: [{model: m, targets: [openai/gpt-5], timeout: {first_content: 60s}}]"
    weights = [advice.weight for advice in advise(twin(routes), [play(routes, "D4")])]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == GRAVE


@pytest.mark.parametrize("rps", [2.0, 20.0])
def test_a_given_rate_is_kept(rps: float) -> None:
    found = rehearse(twin(SOUND), load("D4"), Plan(rps=rps))
    assert found.rps == rps
    assert found.proxied.requests == pytest.approx(rps * found.seconds, rel=0.1)
    assert found.ends - found.begins == max(300.0, min(17 * 60, 2000 / rps))
