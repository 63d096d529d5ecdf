"""The demo's parts, and a performance of a second and a half on real sockets; the build plays it in full length."""

import argparse
import asyncio
import io
import json
import re
import socket

import pytest
from rich.console import Console

from proxy.cli import demo
from proxy.cli.demo_screen import PlainLines, draw, figures
from proxy.cli.demo_stage import LARGE, SMALL, compose_settings, hurry
from proxy.cli.demo_story import Seen, Story, quantile
from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord
from proxy.core.usage import Usage
from proxy.rehearse.behaviour import Mode
from proxy.rehearse.scenario import load, parse
from proxy.stores.tally import Tally

URLS = {name: f"http://127.0.0.1:{port}/v1" for port, name in enumerate(("alpha", "beta", "gamma"), 9001)}


def survey(alpha: str = "ready", cause: str | None = None) -> dict:
    rows = [
        {"target": "alpha/sun", "state": alpha, "cause": cause, "next_trial_s": None, "in_flight": 2, "ttft_ms": 120},
        {"target": "beta/sun", "state": "ready", "cause": None, "next_trial_s": None, "in_flight": 0, "ttft_ms": None},
    ]
    return {"routes": [{"name": LARGE, "targets": rows}]}


def told() -> Story:
    """A story with one outage."""
    tally = Tally(0.0)
    attempts = [
        AttemptRecord("alpha/sun", "alpha", "alpha#1", 0.0, Outcome(OutcomeKind.SERVER_ERROR, 500), ended_at=1.0),
        AttemptRecord(
            "beta/sun", "beta", "beta#1", 1.0, OK, ended_at=2.0, usage=Usage(10, 5), cost=2_000_000, delivered=True
        ),
    ]
    attempts[0].usage = Usage(10, 0)
    tally.call_finished(CallRecord("1", LARGE, Endpoint.CHAT, True, None, 0.0, 0.0, 2.0, 200, attempts=attempts))
    story = Story(tally)
    story.begin_scene("alpha fails")
    story.look(survey(), 2.0)
    story.now = 1.5
    story.look(survey("open", "8 of the last 12 calls failed"), 2.0)
    return story


def test_settings_route_over_all_providers():
    settings = compose_settings(URLS, 0)
    large, small = settings.routes
    assert [target.id for tier in large.tiers for target in tier] == ["alpha/sun", "beta/sun", "gamma/sun"]
    assert (len(small.tiers), small.strategy, small.name) == (1, "fastest", SMALL)
    assert all(target.price for target in (*large.targets, *small.targets))
    assert settings.providers["beta"].origin.port == 9002


def test_hurry_squeezes_a_schedule():
    schedule = load("demo").providers["alpha"]
    fast = hurry(schedule, 2.0, 60.0)
    assert fast.period == 30.0
    assert fast.changes() == [edge / 2 for edge in schedule.changes()]


def test_the_demo_plays_the_promised_outage():
    modes = [span.behaviour.mode for span in load("demo").providers["alpha"].spans]
    assert modes == [Mode.OK, Mode.STATUS, Mode.BLACK_HOLE, Mode.ERROR_EVENT, Mode.CUT]


def test_changes_of_state_become_events_once():
    story = told()
    text = [event.text for event in story.events]
    assert text == [
        "alpha fails",
        "alpha/sun opened: 8 of the last 12 calls failed → beta serves",
    ]
    story.look(survey("open", "8 of the last 12 calls failed"), 2.0)
    assert len(story.events) == 2


def test_a_trial_and_a_ramp_are_told_without_flicker():
    story = told()
    for now, state, cause in [
        (2.0, "open", "the open time has passed"),
        (2.1, "open", "the trial failed"),
        (3.0, "open", "the open time has passed"),
        (3.1, "ready", None),
        (3.2, "ramping", None),
        (3.3, "ready", None),
        (3.4, "ramping", None),
        (3.9, "ready", None),
        (4.5, "ready", None),
    ]:
        story.now = now
        story.look(survey(state, cause), 2.0)
    assert [(event.at, event.text.partition(":")[0]) for event in list(story.events)[2:]] == [
        (2.1, "alpha/sun stays open"),
        (3.1, "alpha/sun answered its trial"),
        (4.5, "alpha/sun has its full share again"),
    ]


def test_shares_follow_the_last_answers():
    story = told()
    for _ in range(3):
        story.add(Seen(LARGE, 1.0, True, "beta/sun", took=0.3))
    story.add(Seen(LARGE, 1.0, True, "alpha/sun", took=0.3))
    story.look(survey(), 2.0)
    assert [row.share for row in story.rows] == [0.25, 0.75]
    story.now = 60.0
    story.look(survey(), 2.0)
    assert [row.share for row in story.rows] == [0.0, 0.0]


def test_sums_and_summary():
    story = told()
    story.add(Seen(LARGE, 0.0, True, "alpha/sun", 1, 0.1, 0.5))
    story.add(Seen(LARGE, 0.0, True, "beta/sun", 2, 0.9, 1.5))
    total = story.sums()[LARGE]
    assert (total.input, total.output, total.wasted, total.cost) == (20, 5, 10, pytest.approx(0.002))
    summary = story.summary()
    assert (summary.requests, summary.rerouted, summary.errors, summary.failovers) == (2, 1, 0, 1)
    assert summary.added == [pytest.approx(0.8)]
    assert any("800 ms p50" in line for line in summary.lines())


def test_client_errors_are_counted_and_told():
    story = told()
    story.add(Seen(LARGE, 0.0, True, error="503 nobody there"))
    assert len(story.errors) == 1
    assert "503 nobody there" in story.events[-1].text


def test_quantile():
    assert quantile([], 0.5) is None
    assert quantile([1.0], 0.99) == 1.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0


def test_the_screen_fits_a_small_terminal():
    story = told()
    for number in range(50):
        story.tell(f"event {number} " + "x" * 200)
    console = Console(width=100, height=30, record=True, force_terminal=True, file=io.StringIO())
    console.print(draw(story, "http://127.0.0.1:8080"))
    lines = console.export_text().rstrip("\n").split("\n")
    # The demo has four targets and one route more than this story.
    assert len(lines) <= 30 - 5
    assert max(len(line) for line in lines) <= 100
    assert any("○ open" in line for line in lines)


def test_plain_lines_say_everything_once():
    story = told()
    said: list[str] = []
    with PlainLines(story, said.append, "http://x") as screen:
        screen.show()
        screen.show()
    assert said[0].endswith("http://x")
    assert sum("opened" in line for line in said) == 1
    assert sum("answered, " in line for line in said) == 1
    assert "alpha open" in figures(story)


@pytest.mark.parametrize("speed", ["0.1", "9", "x"])
def test_speed_has_limits(speed: str):
    with pytest.raises((argparse.ArgumentTypeError, ValueError)):
        demo._speed(speed)


class Reply:
    """Just enough of a client's response."""

    def __init__(self, *lines: bytes, status: int = 200) -> None:
        self.content = self._each(lines)
        self.status = status
        self._lines = lines

    @staticmethod
    async def _each(lines: tuple[bytes, ...]):
        for line in lines:
            yield line

    async def json(self) -> object:
        return json.loads(self._lines[0])


WORD = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n'
DONE = b"data: [DONE]\n"


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((b": hi\n", WORD, b"\n", STOP, DONE), ""),
        ((WORD, STOP), "a stream without its end"),
        ((WORD, DONE), "a stream without its end"),
        ((STOP, DONE), "a stream without its end"),
        ((WORD, b'data: {"error":{"message":"broken"}}\n'), "error event: broken"),
    ],
)
def test_clients_judge_streams(lines: tuple[bytes, ...], error: str):
    assert asyncio.run(demo._read_stream(Reply(*lines)))[1] == error  # type: ignore[arg-type]


def resumed(*words: str) -> demo.Verdict:
    """What a client makes of a stream of these words that two targets wrote."""
    told = b': undimmed {"parts":[{"target":"alpha/sun","characters":5},{"target":"beta/sun","characters":4}]}\n'
    events = [
        b"data: " + json.dumps({"choices": [{"delta": {"content": w}, "finish_reason": None}]}).encode() for w in words
    ]
    return asyncio.run(demo._read_stream(Reply(*events, STOP, told, DONE)))  # type: ignore[arg-type]


def test_clients_look_at_the_seam():
    assert resumed("When ", "one lamp") == (pytest.approx(0, abs=1e12), "", ("alpha/sun", "beta/sun"))
    assert resumed("When ", "When one lamp")[1] == "a seam that shows: When When one lamp"


def test_resumed_streams_are_told_and_counted():
    story = told()
    for number in range(3):
        story.now = 2.0 + number * 0.5
        story.add(Seen(LARGE, 2.0, True, "alpha/sun", 1, 0.1, 0.5, authors=("alpha/sun", "beta/sun")))
    lines = [event.text for event in story.events if "cut in mid-answer" in event.text]
    assert lines == ["alpha/sun was cut in mid-answer → beta/sun wrote the rest, and nobody noticed"] * 2
    assert any("3 streams were cut in mid-answer" in line for line in story.summary().lines())


def test_clients_judge_whole_answers():
    good = Reply(b'{"choices":[{"message":{"content":"x"}}]}')
    bad = Reply(b'{"error":{"message":"no"}}', status=503)
    assert asyncio.run(demo._read_whole(good))[1] == ""  # type: ignore[arg-type]
    assert asyncio.run(demo._read_whole(bad)) == (None, "503 no", ())  # type: ignore[arg-type]


TINY = """
load: {rps: 20, streamed: 0.5, seconds: 1.5}
healthy: {first_byte: 0.01, chunks: 3, gap: 0.005}
providers:
  alpha: [{from: 0.4, to: 9, mode: refuse}]
  beta: []
  gamma: []
scenes: [{at: 0, title: calm}, {at: 0.4, title: alpha is gone}]
"""


@pytest.mark.live
def test_a_short_performance(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(demo, "load", lambda name: parse(TINY, name=name))
    status = demo.run(argparse.Namespace(once=True, serve=False, plain=True, speed=1.0, port=0))
    text = capsys.readouterr().out
    assert status == 0
    assert "client errors     0" in text
    assert "alpha is gone" in text
    assert re.search(r"alpha/sun (opened|is passed over): .* → beta serves", text)
    assert re.search(r'OpenAI\(base_url="http://127.0.0.1:\d+/v1"', text)


@pytest.mark.live
def test_a_port_that_is_taken_is_an_error_for_people(capsys: pytest.CaptureFixture[str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert demo.run(argparse.Namespace(once=True, serve=False, plain=True, speed=1.0, port=port)) == demo.CANNOT_START
    assert "cannot listen" in capsys.readouterr().err
