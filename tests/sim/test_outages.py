"""Promise 49: every outage of the library against a configuration with another provider that is healthy.

Each vendor that was ever hit is somebody's first choice here, with a fallback at another vendor. What is promised: 99.99 %
of the requests are answered wherever another provider is healthy. The one exception is named, with what it comes to.
"""

import os
from functools import cache

import pytest
from sim_library import TEXT

from proxy.rehearse.findings import Findings
from proxy.rehearse.outage import load, shipped
from proxy.rehearse.performance import Plan, rehearse
from proxy.rehearse.traffic import Mix
from proxy.rehearse.twin import Original, Twin, read_twin

#: Requests to the vendor of the outage alone: the others would only make it look better.
FOCUS = {
    "openai": {"gpt-5": 1.0},
    "azure": {"gpt-5-2": 1.0, "gpt-5-mini": 1.0},
    "anthropic": {"claude": 1.0},
    "vertex": {"gemini": 1.0},
    "bedrock": {"nova": 1.0},
    "xai": {"grok": 1.0},
}
#: The first rejections of a broken model could be the clients' own mistakes: some twenty of them reach clients, whatever the
#: outage's length. At 2,000 requests that is more than one in ten thousand.
EXCEPTIONS = {"D19": 0.98}
#: All of them take about 40 s of CPU time: usually some, one of each shape.
PLAYED = shipped() if os.environ.get("UNDIMMED_ALL_OUTAGES") else ["D1", "D4", "D7", "D8", "D13", "D19", "D24"]


@cache
def twin() -> Twin:
    return read_twin(Original(TEXT, "outages.yaml"), {})


def play(name: str) -> Findings:
    vendor = next(vendor for vendor in load(name).vendors if vendor in FOCUS)
    return rehearse(twin(), load(name), Plan(Mix(FOCUS[vendor])))


@pytest.mark.parametrize("name", PLAYED)
def test_49_clients_are_served_wherever_another_provider_is_healthy(name: str) -> None:
    found = play(name)
    assert found.hit
    assert not found.as_if
    assert found.uncovered_routes == []
    assert 1700 <= found.proxied.requests <= 3200
    assert found.covered.requests == found.proxied.requests
    assert found.proxied.availability >= EXCEPTIONS.get(name, 0.9999), found.proxied.errors
    assert found.proxied.answered >= found.direct.answered
    assert found.kept


def test_49_the_exception_ends_within_a_minute() -> None:
    rejected = play("D19")
    assert set(rejected.proxied.errors) <= {"status 400"}
    lost = [piece.start for piece in rejected.slices if piece.proxied_failed]
    assert lost[-1] - lost[0] <= 60, "from then on the model's rejections are the provider's fault"


def test_49_without_resume_streams_that_die_in_their_middle_are_lost_honestly() -> None:
    plain = read_twin(Original(TEXT.replace(", resume: auto", ""), "plain.yaml"), {})
    cut = rehearse(plain, load("D24"), Plan(Mix(FOCUS["openai"])))
    assert not cut.kept
    assert cut.proxied.availability >= 0.97
    assert set(cut.proxied.errors) == {"ended by an error event"}, "never a stream that looks whole"


def test_equal_seeds_give_equal_findings_and_others_do_not() -> None:
    outage, configured = load("D4"), twin()
    first, again, other = (rehearse(configured, outage, Plan(seed=seed, duration=120)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
