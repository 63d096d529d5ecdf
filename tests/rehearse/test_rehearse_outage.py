import re

import pytest

from proxy.core.errors import ConfigError
from proxy.rehearse.behaviour import Latency, Mode
from proxy.rehearse.dialects import DIALECTS, KNOWN, WORDS, speak
from proxy.rehearse.issuer import IssuerMode
from proxy.rehearse.outage import load, parse, shipped
from proxy.rehearse.vendor_errors import ERRORS

HEAD = "title: t\nsource: s\ndate: 2026-01-01\nlength: 1h\nvendor: [openai]\n"
GOOD = """
title: a test
source: https://status.example/1
evidence: secondary
date: 2026-01-16
length: 1h30m
vendor: [openai, azure]
hits: one
rps: 5
promise: 0.98
spans:
  - {from: 0s, to: 90s, mode: status, failure: [overloaded, edge_502], share: 0.5, nth_model: 2}
  - {from: 1h, to: 1h30m, slower: 4, nth_key: 1, first_byte: 2}
issuer:
  life: 1h
  spans: [{from: 0s, to: 10m, mode: hang}]
note: n
"""


def test_an_outage_is_read() -> None:
    outage = parse(GOOD, "x.yaml", "X")
    assert (outage.name, outage.title, outage.evidence, outage.date, outage.length) == (
        "X",
        "a test",
        "secondary",
        "2026-01-16",
        5400.0,
    )
    assert (outage.vendors, outage.one, outage.rps, outage.promise) == (("openai", "azure"), True, 5.0, 0.98)
    first, second = outage.strikes
    assert (first.start, first.end, first.failures, first.nth_model) == (0.0, 90.0, ("overloaded", "edge_502"), 2)
    assert first.changes == {"mode": Mode.STATUS, "share": 0.5}
    assert (second.slower, second.nth_key, second.changes) == (4.0, 1, {"latency": Latency(2.0)})
    assert outage.issuer is not None
    assert outage.issuer.spans[0].behaviour.mode is IssuerMode.HANG
    assert outage.onsets() == [0.0, 3600.0]


def test_trouble_that_goes_over_into_other_trouble_is_one_onset() -> None:
    text = (
        HEAD + "spans: [{from: 0s, to: 1m, mode: close}, {from: 1m, to: 2m, mode: refuse}, {from: 5m, to: 6m, mode: close}]"
    )
    assert parse(text).onsets() == [0.0, 300.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spans: [{from: 0s, to: 1m, mode: status, failure: overloded}]", "did you mean overloaded"),
        ("spans: [{from: 0s, to: 1m, failure: overloaded}]", "does nothing without mode status or error_event"),
        ("spans: [{from: 2m, to: 1m, mode: close}]", "ends at 60 s, not after its start at 120 s"),
        ("spans: [{from: 0s, to: 1x, mode: close}]", r"spans\[0\].to: '1x' is not a number"),
        ("spans: [{from: 0s, to: 1m, slower: 0.5}]", "is a factor of 1 or more"),
        ("spans: [{from: 0s, to: 1m, nth_model: 0}]", "counts from 1"),
        ("spans: [{from: 0s, to: 1m, mod: close}]", r"spans\[0\].mod: unknown key; did you mean mode"),
        ("spans: [x]", r"spans\[0\]: must be a mapping"),
        ("spans: {}", "spans: must be a list of spans"),
        ("spans:", "nothing happens"),
        ("hits: some\nspans: [{from: 0s, to: 1m, mode: close}]", "hits: 'some' is not known"),
        ("promise: 2\nspans: [{from: 0s, to: 1m, mode: close}]", "promise: is a share"),
        ("rps: 0\nspans: [{from: 0s, to: 1m, mode: close}]", "rps: must be more than nothing"),
        ("spnas: []\nissuer: {}", "spnas: unknown key; did you mean spans"),
        ("issuer: {spans: [{from: 0s, to: 1m, mode: hnag}]}", "did you mean hang"),
    ],
)
def test_mistakes_are_named_with_their_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(HEAD + text, "x.yaml")
    assert all(re.match(r"x\.yaml:[0-9]+: |x\.yaml: spans: nothing", str(problem)) for problem in caught.value.problems)


@pytest.mark.parametrize("key", ["title", "source", "date", "length", "vendor"])
def test_what_an_outage_must_have(key: str) -> None:
    text = re.sub(rf"{key}:.*\n", "", HEAD) + "issuer: {}"
    with pytest.raises(ConfigError, match=rf"{key}: "):
        parse(text, "x.yaml")


def test_all_that_are_shipped_say_where_they_come_from() -> None:
    assert shipped() == [f"D{number}" for number in range(1, 26)]
    for name in shipped():
        outage = load(name)
        assert outage.name == name
        assert outage.evidence in ("primary", "secondary")
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", outage.date)
        assert all(strike.end <= outage.length for strike in outage.strikes)
        if outage.issuer is not None:
            assert all(span.end <= outage.length for span in outage.issuer.spans)
    assert sorted(load(name).date for name in shipped()) == [load(name).date for name in shipped()]


def test_an_unknown_one_says_which_there_are() -> None:
    with pytest.raises(ConfigError, match="there are D1, D2, D3"):
        load("D99")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        load("nowhere.yaml")


def test_every_word_is_said_in_every_format() -> None:
    assert set(ERRORS) < KNOWN
    for kind in (*DIALECTS, "openai", "responses"):
        for word in WORDS:
            assert speak(word, kind) in ERRORS
    assert speak("overloaded", "anthropic") == "anthropic_overloaded"
    assert speak("bad_gateway", "anthropic") == "edge_502"
    assert speak("openai_quota", "vertex") == "openai_quota"
