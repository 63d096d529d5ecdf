import json
from typing import Any

import msgspec
import pytest

from proxy.core.errors import ConfigError
from proxy.core.incidents import Incident, Point
from proxy.core.outcome import OutcomeKind
from proxy.rehearse.behaviour import Mode
from proxy.rehearse.incident import NEUTRAL, PLAYED, to_outage
from proxy.rehearse.outage import Outage, parse

START = 1_780_000_000.0


def moment(at: float, outcomes: dict[str, int], target: str = "openai/gpt-5", ttft: float | None = 0.5) -> dict[str, Any]:
    return {"t": START + at, "target": target, "outcomes": outcomes, "ttft_p50": ttft, "rate": 2.0}


def record(*timeline: dict[str, Any], **fields: Any) -> Outage:
    incident = {"id": "i7", "started": START, "ended": START + 600, "trigger": "8 of 20 failed", "targets": ["openai/gpt-5"]}
    text = to_outage(json.dumps({**incident, "timeline": timeline, **fields}).encode(), "i.json")
    return parse(text, "i.yaml", "i")


def test_a_timeline_becomes_spans() -> None:
    outage = record(
        moment(0, {"ok": 12, "server_error": 6, "overloaded": 2, "client_gone": 9}),
        moment(60, {"first_content_timeout": 10}, ttft=None),
        moment(120, {"ok": 10}, ttft=4.0),
        moment(300, {"ok": 1000, "server_error": 1}),
    )
    assert (outage.title, outage.evidence, outage.date) == ("8 of 20 failed", "own", "2026-05-28")
    assert outage.vendors == ("openai",)
    failing, silent, slow = outage.strikes
    assert (failing.start, failing.end, failing.failures) == (0.0, 60.0, ("server_error",))
    assert failing.changes == {"mode": Mode.STATUS, "share": 0.4, "models": ("gpt-5",)}
    assert silent.changes == {"mode": Mode.BLACK_HOLE, "models": ("gpt-5",)}
    assert (slow.start, slow.end, slow.slower) == (120.0, 300.0, 8.0)
    assert outage.length == 300.0


def test_only_the_targets_of_the_incident_are_played_each_by_its_own_lines() -> None:
    lines = [
        moment(0, {"server_error": 5}),
        moment(0, {"auth_failed": 5}, "openai/gpt-5-mini"),
        moment(0, {"ok": 5}, "azure/gpt-5"),
        moment(90, {"ok": 5}),
    ]
    outage = record(*lines, targets=["openai/gpt-5", "openai/gpt-5-mini"])
    assert [(s.start, s.end, s.changes["models"]) for s in outage.strikes] == [
        (0.0, 90.0, ("gpt-5",)),
        (0.0, 600.0, ("gpt-5-mini",)),
    ]
    alone = record(*lines, targets=[])
    assert alone.vendors == ("openai", "azure")


def test_times_may_be_told_from_the_start_and_an_incident_may_still_last() -> None:
    lines = [{**moment(at, {"server_error": 1}), "t": at} for at in (0.0, 60.0)]
    assert [(s.start, s.end) for s in record(*lines, ended=None).strikes] == [(0.0, 60.0), (60.0, 120.0)]


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if kind.value not in NEUTRAL])
def test_every_failure_of_a_target_can_be_played(kind: OutcomeKind) -> None:
    assert kind in PLAYED
    [strike] = record(moment(0, {kind.value: 3})).strikes
    assert strike.changes["mode"] is not Mode.OK


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x", "is not the record of an incident"),
        (b'{"id": "1"}', "missing required field"),
        (json.dumps({"id": "1", "started": 0, "timeline": []}).encode(), "nothing happens in its timeline"),
        (
            json.dumps({"id": "1", "started": 0, "timeline": [{"t": 0, "target": "a/m", "outcomes": {"ok": 3}}]}).encode(),
            "nothing happens in its timeline",
        ),
    ],
)
def test_what_cannot_be_made_an_outage_is_said(data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        to_outage(data, "i.json")


def test_the_record_that_the_proxy_keeps_is_one() -> None:
    point = Point(START + 10.0, "openai/gpt-5", {"server_error": 9, "ok": 1}, 1.0)
    kept = Incident("i8", START, "5 calls in a row failed", ["openai/gpt-5"], ended=START + 60, timeline=[point])
    assert parse(to_outage(msgspec.json.encode(kept), "i8.json"), "i8.yaml", "i8").strikes
