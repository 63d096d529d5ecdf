"""Incidents: what begins one, what belongs to it, what it cost, and that it survives a restart."""

import os
from pathlib import Path

import msgspec
import pytest

from proxy.cli.postmortem import write_postmortem
from proxy.core.endpoints import Endpoint
from proxy.core.incidents import Happening, Incident, Point
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, StateChange
from proxy.core.settings import Origin, Provider, Route, ServerSettings, Settings, Target
from proxy.core.usage import Price, Usage
from proxy.policy.incidents import MAX_HAPPENINGS, MAX_POINTS, MAX_TARGETS, IncidentBook
from proxy.stores.incident_file import MAX_LINES, IncidentFile, incident_path
from proxy.stores.incident_sink import IncidentSink


def provider(name: str, host: str) -> Provider:
    return Provider(name, "openai", "custom", Origin("https", host, 443), ())


CHEAP, DEAR = Price(1_000_000_000, 2_000_000_000), Price(3_000_000_000, 6_000_000_000)
TIERS = ((Target("a", "m", price=CHEAP), Target("a", "n", price=CHEAP)), (Target("b", "m", price=DEAR),))
SETTINGS = Settings(
    ServerSettings(), {"a": provider("a", "x.test"), "b": provider("b", "y.test")}, (Route("r", ("r",), TIERS),)
)
USAGE = Usage(input=100, output=50)


class Stage:
    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[tuple[str, bool]] = []
        self.sink = IncidentSink(lambda: self.now, lambda: self.now)
        self.sink.use(SETTINGS)
        self.sink.listeners.append(lambda incident: self.told.append((incident.id, incident.ended is None)))

    def change(self, subject: str, after: str, before: str = "closed") -> None:
        self.sink.state_changed(StateChange(self.now, subject, "chat", before, after, f"{after} for a reason"))

    def call(self, *attempts: tuple[str, Outcome], ttft: float = 0.2) -> CallRecord:
        record = CallRecord("c", "r", Endpoint.CHAT, True, None, self.now, self.now)
        for target, outcome in attempts:
            at = self.now
            self.now += 0.5
            made = AttemptRecord(target, target[0], f"{target[0]}#1", at, outcome, usage=USAGE, cost=200_000)
            if outcome.ok:
                made.first_content_at, made.delivered = at + ttft, True
                record.served_by = target
            record.attempts.append(made)
        record.outcome = record.attempts[-1].outcome.kind
        record.ended_at = self.now
        self.sink.call_finished(record)
        return record


FAILED = Outcome(OutcomeKind.SERVER_ERROR)


def test_the_life_of_an_incident() -> None:
    stage = Stage()
    for _ in range(40):
        stage.call(("a/m", OK))
    noticed = stage.call(("a/m", FAILED), ("b/m", OK))
    stage.change("a/m", "open")
    (incident,) = stage.sink.running()
    assert incident.trigger == "a/m: open for a reason"
    assert (incident.calls, incident.rerouted, noticed.incident) == (1, 1, "")
    assert incident.wasted_tokens == 150
    assert incident.extra_latency == pytest.approx(0.5)
    # What was wasted; a/m would have cost as much as b/m did.
    assert incident.extra_cost == 200_000
    assert stage.call(("a/m", FAILED), ("b/m", OK)).incident == incident.id
    assert stage.call(("b/m", OK)).incident == incident.id
    assert stage.call(("a/n", OK)).incident == incident.id  # in an ordered tier a/m would have been asked before it
    assert stage.call(("a/m", OK), ttft=0.3).incident == ""
    assert stage.call(("a/m", OK), ttft=2.0).incident == incident.id
    assert incident.extra_latency == pytest.approx(1.0 + 1.8)
    gone = stage.call(("a/m", FAILED), ("b/m", FAILED))
    assert gone.incident == incident.id
    assert incident.errors == 1
    assert stage.call(("a/m", Outcome(OutcomeKind.CLIENT_GONE))).incident == ""
    # Another target of the same host joins it, one of another host does not.
    stage.change("a/n", "ejected", "trusted")
    stage.change("host x.test", "ejected", "trusted")
    stage.change("b/m", "open")
    assert [one.targets for one in stage.sink.running()] == [["a/m", "a/n"], ["b/m"]]
    assert incident.domains == ["host x.test"]
    stage.now += 10
    back = stage.now
    for subject in ("a/m", "b/m"):
        stage.change(subject, "closed", "half_open")
    for subject in ("a/n", "host x.test"):
        stage.change(subject, "trusted", "on_trial")
    stage.now += 61
    assert stage.sink.running() == []
    assert incident.ended == back
    assert stage.sink.find(incident.id) is incident
    assert stage.sink.find("unknown") is None
    assert [ended for _, ended in stage.told] == [True, True, False, False]
    assert stage.call(("a/m", FAILED), ("b/m", OK)).incident == ""
    assert {point.target for point in incident.timeline} >= {"a/m"}


def test_what_is_no_incident() -> None:
    stage = Stage()
    stage.change("a#1", "held", "usable")
    stage.change("a/m", "closed", "half_open")
    assert stage.sink.all() == []


def test_a_target_that_flaps_is_one_incident() -> None:
    stage = Stage()
    for _ in range(300):
        stage.change("a/m", "open")
        stage.now += 20
        stage.change("a/m", "closed", "half_open")
        stage.now += 20
    (incident,) = stage.sink.all()
    assert len(incident.happenings) == MAX_HAPPENINGS


def test_memory_is_bounded() -> None:
    book = IncidentBook(lambda subject: (), lambda incident: None)
    for n in range(MAX_TARGETS + 10):
        book.observe(f"a/{n}", "ok", None, 1.0)
    assert len(book.sketches) == MAX_TARGETS
    book.changed(StateChange(1.0, "a/1", None, "closed", "open", "why"), 1.0)
    for n in range(3 * MAX_POINTS):
        book.observe("a/1", "ok" if n % 2 else "stalled", 0.5 if n % 3 else None, 10.0 * n)
    (incident,) = book.incidents
    assert len(incident.timeline) <= MAX_POINTS
    assert sum(sum(point.outcomes.values()) for point in incident.timeline) == 3 * MAX_POINTS
    for n in range(300):
        book.changed(StateChange(1.0, f"b/{n}", None, "closed", "open", "why"), 20_000.0 + n // 2)
    assert len(book.incidents) == 200
    assert len({one.id for one in book.incidents}) == 200


def incident(identity: str = "20260309-140211", ended: float | None = 1100.0) -> Incident:
    return Incident(
        identity,
        1000.0,
        "a/m: 5 calls in a row failed",
        ["a/m"],
        ["host x.test"],
        ended,
        calls=7,
        happenings=[Happening(1000.0, "a/m", "open", "an <b>error</b> | *of* theirs")],
        timeline=[Point(990.0, "a/m", {"ok": 3, "stalled": 1}, 0.4, 0.21), Point(1000.0, "a/m", {"stalled": 2}, 0.2)],
    )


def test_it_survives_a_restart(tmp_path: Path) -> None:
    path = incident_path(tmp_path / "undimmed.db")
    file = IncidentFile(path)
    assert file.load() == []
    file.write(incident(ended=None), [])
    file.write(incident(), [])
    file.write(incident("20260310-000000", None), [])
    file.close()
    path.write_bytes(path.read_bytes() + b"{torn")
    one, other = IncidentFile(path).load()
    assert one == incident()
    assert other.ended == 1000.0
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_grew_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    path.write_bytes(b"\n".join([msgspec.json.encode(incident())] * MAX_LINES) + b"\n")
    file = IncidentFile(path)
    (known,) = file.load()
    file.write(known, [known])
    file.close()
    assert path.read_bytes().count(b"\n") == 1
    assert os.listdir(tmp_path) == ["i.jsonl"]


def test_a_disk_that_takes_nothing_is_noted(tmp_path: Path) -> None:
    file = IncidentFile(tmp_path / "gone" / "i.jsonl")
    file.write(incident(), [])
    file.close()
    assert file.error == "No such file or directory"


def test_the_post_mortem() -> None:
    text = write_postmortem(incident())
    assert text.startswith(
        "# Incident 20260309-140211\n\nBegan 1970-01-01 00:16:40Z, ended 1970-01-01 00:18:20Z (1 min 40 s)."
    )
    assert "| 1970-01-01 00:16:40Z | a/m | open | an \\<b\\>error\\</b\\> \\| \\*of\\* theirs |" in text
    assert "| 1970-01-01 00:16:30Z | a/m | 0.4 | 25% | 210 ms | ok 3, stalled 1 |" in text
    assert "it lasts" in write_postmortem(incident(ended=None))
    long = incident()
    long.timeline = long.timeline * 200
    assert "Every 4. line" in write_postmortem(long)
    bare = incident()
    bare.timeline, bare.domains = [], []
    assert "What was observed" not in write_postmortem(bare)
