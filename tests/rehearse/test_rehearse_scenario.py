import pytest

from proxy.core.errors import ConfigError
from proxy.rehearse.behaviour import Latency, Mode, uniform
from proxy.rehearse.issuer import IssuerBehaviour, IssuerMode, IssuerPlan, IssuerSpan
from proxy.rehearse.scenario import Load, Scene, load, parse, shipped

GOOD = """
about: a test
load: {rps: 5, streamed: 1.0, seconds: 30}
healthy: {first_byte: {low: 0.1, high: 0.3}, chunks: 3}
providers:
  alpha:
    - {from: 1, to: 2, mode: status, failure: edge_502, retry_after: 7, models: [m]}
    - {from: 3, to: 4, mode: cut, after: 2, reset: true, first_byte: 0.5}
  beta: []
issuers:
  alpha:
    life: 60
    spans:
      - {from: 1, to: 2, mode: status, status: 429, retry_after: 7, share: 0.5}
      - {from: 3, to: 4, latency: 2}
  beta: {}
scenes:
  - {at: 1, title: down}
"""


def test_a_scenario_is_read():
    scenario = parse(GOOD, "x.yaml", "x")
    assert (scenario.name, scenario.about, scenario.load) == ("x", "a test", Load(5, 1.0, 30))
    assert scenario.scenes == (Scene(1, "down"),)
    first, second = (span.behaviour for span in scenario.providers["alpha"].spans)
    assert (first.mode, first.failure, first.retry_after, first.models) == (Mode.STATUS, "edge_502", "7", ("m",))
    assert first.latency == uniform(0.1, 0.3)
    assert (second.after, second.reset, second.latency, second.chunks) == (2, True, Latency(0.5), 3)
    assert scenario.providers["beta"].otherwise.chunks == 3


def test_issuers_are_read():
    issuers = parse(GOOD, "x.yaml", "x").issuers
    assert issuers["beta"] == IssuerPlan()
    assert issuers["alpha"].life == 60
    bad, slow = issuers["alpha"].spans
    assert bad == IssuerSpan(1, 2, IssuerBehaviour(IssuerMode.STATUS, share=0.5, status=429, retry_after="7"))
    assert slow == IssuerSpan(3, 4, IssuerBehaviour(latency=2))


@pytest.mark.parametrize("name", ["demo", "black_hole", "hard_errors", "brownout", "flapping", "everything_down"])
def test_shipped_scenarios_load(name: str):
    assert name in shipped()
    scenario = load(name)
    assert scenario.about
    assert "alpha" in scenario.providers


def test_all_shipped_scenarios_load():
    assert {load(name).name for name in shipped()} == set(shipped())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("providers: {a: [{from: 1, to: 2, mod: cut}]}", r"providers.a\[0\].mod: unknown key; did you mean mode\?"),
        ("providers: {a: [{from: 1, to: 2, mode: blackhole}]}", "'blackhole' is not known; did you mean black_hole"),
        ("providers: {a: [{from: 3, to: 2}]}", "ends at 2 s, not after its start at 3 s"),
        ("providers: {a: [{to: 2}]}", r"providers.a\[0\].from: is missing"),
        ("providers: {a: [{from: 0, to: 2, chunks: 1.5}]}", "must be a whole number"),
        ("providers: {a: [{from: 0, to: 2, reset: 1}]}", "must be true or false"),
        ("providers: {a: [{from: 0, to: 2, models: m}]}", "must be a list"),
        ("providers: {a: [{from: 0, to: 2, gap: -1}]}", "is not a number of 0 or more"),
        ("providers: {a: [{from: 0, to: 2, first_byte: {p50: 1}}]}", r"\{median, p99\} or \{low, high\}"),
        ("providers: {a: [{from: 0, to: 2, failure: edge_502}]}", "does nothing without mode"),
        ("providers: {a: [{from: 0, to: 2, mode: status, failure: vllm}]}", "is an event, not a status"),
        ("providers: {a: {}}", "must be a list of spans"),
        ("providers: {}", "at least one provider"),
        ("load: {streamed: 2}\nproviders: {a: []}", "is a share"),
        ("lod: {}\nproviders: {a: []}", "lod: unknown key; did you mean load"),
        ("providers: {a: []}\nissuers: {b: {}}", r"issuers.b: unknown key"),
        ("providers: {a: []}\nissuers: {a: {life: x}}", r"issuers.a.life: 'x' is not a number"),
        ("providers: {a: []}\nissuers: {a: {spans: {}}}\nlod: 1", "lod: unknown key"),
        ("providers: {a: []}\nissuers: {a: {spans: x}}", "issuers.a.spans: must be a list"),
        ("providers: {a: []}\nissuers: {a: {spans: [{from: 2, to: 1}]}}", r"spans\[0\]: ends at 1 s, not after"),
        ("providers: {a: []}\nissuers: {a: {spans: [{from: 0, to: 1, mode: hnag}]}}", "did you mean hang"),
        ("providers: {a: []}\nissuers: {a: {spans: [{from: 0, to: 1, share: 2}]}}", "is a share"),
        ("[1]", "must hold `key: value` pairs"),
        ("a: [", "x.yaml"),
    ],
)
def test_mistakes_are_named(text: str, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        parse(text, "x.yaml")
    assert all(str(problem).startswith("x.yaml") for problem in caught.value.problems)


def test_an_unknown_scenario_says_which_there_are():
    with pytest.raises(ConfigError, match="black_hole"):
        load("nonsense")
