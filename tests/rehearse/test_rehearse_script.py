import json
from dataclasses import replace
from random import Random

import pytest

from proxy.rehearse.answers import DONE, ask
from proxy.rehearse.behaviour import Behaviour, Mode, constant
from proxy.rehearse.script import Accept, Ending, Script, write
from proxy.rehearse.vendor_errors import ERRORS

BASE = Behaviour(latency=constant(0.5), chunks=5, gap=0.1)
STREAMED = ask("POST", "/v1/chat/completions", "k", b'{"model":"m","stream":true}')
WHOLE = ask("POST", "/v1/chat/completions", "k", b'{"model":"m"}')


def script(mode: Mode, asked=STREAMED, **fields: object) -> Script:
    return write(replace(BASE, mode=mode, **fields), mode, asked, "a-1", Random(0))  # type: ignore[arg-type]


def text(made: Script) -> bytes:
    return b"".join(step.data for step in made.steps)


def test_a_healthy_stream():
    made = script(Mode.OK)
    assert (made.first_byte, made.status, made.chunked, made.ending) == (0.5, 200, True, Ending.COMPLETE)
    assert text(made).endswith(DONE)
    assert sum(step.tokens for step in made.steps) == 5
    assert [step.after for step in made.steps] == [0.0, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert made.model_ran


def test_a_whole_answer_takes_as_long_as_its_stream():
    made = script(Mode.OK, WHOLE)
    assert made.first_byte == pytest.approx(0.9)
    assert not made.chunked
    assert json.loads(text(made))["choices"]
    assert made.length == len(text(made))


@pytest.mark.parametrize(
    ("mode", "accept", "first_byte", "ending"),
    [
        (Mode.REFUSE, Accept.REFUSE, None, Ending.COMPLETE),
        (Mode.CONNECT_HANG, Accept.HANG, None, Ending.COMPLETE),
        (Mode.BLACK_HOLE, Accept.OK, None, Ending.HANG),
        (Mode.CLOSE, Accept.OK, None, Ending.CLOSE),
        (Mode.STALL, Accept.OK, 0.5, Ending.HANG),
        (Mode.CUT, Accept.OK, 0.5, Ending.CLOSE),
        (Mode.BAD_FRAMING, Accept.OK, 0.5, Ending.GARBLE),
        (Mode.ERROR_EVENT, Accept.OK, 0.5, Ending.COMPLETE),
    ],
)
def test_how_it_begins_and_ends(mode: Mode, accept: Accept, first_byte: float | None, ending: Ending):
    made = script(mode)
    assert (made.accept, made.first_byte, made.ending) == (accept, first_byte, ending)


@pytest.mark.parametrize("mode", [Mode.STALL, Mode.CUT, Mode.ERROR_EVENT, Mode.GARBAGE, Mode.BAD_FRAMING])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_mode_strikes_after_so_many_pieces(mode: Mode, after: int):
    made = script(mode, after=after)
    assert sum(step.tokens for step in made.steps) == after
    assert DONE not in text(made)
    assert b'"finish_reason":"' not in text(made)
    assert (b'"role"' in text(made)) == (after > 0)


def test_the_contentless_first_event_can_come_alone():
    made = script(Mode.ERROR_EVENT, role_first=True, failure="openai")
    assert b'"role":"assistant"' in made.steps[0].data
    assert b'"error"' in made.steps[1].data


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_at_every_byte(reset: bool):
    whole = text(script(Mode.OK))
    for limit in range(0, len(whole) + 2, 97):
        made = script(Mode.CUT, cut_bytes=limit, reset=reset)
        assert text(made) == whole[:limit]
        assert made.ending is (Ending.RESET if reset else Ending.CLOSE)


def test_whole_answers_break_in_their_middle():
    for mode in (Mode.CUT, Mode.STALL):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text(script(mode, WHOLE)))
    assert "error" in json.loads(text(script(Mode.ERROR_EVENT, WHOLE)))
    with pytest.raises(json.JSONDecodeError):
        json.loads(text(script(Mode.GARBAGE, WHOLE)))


def test_the_two_missing_ends():
    assert DONE not in text(script(Mode.MISSING_DONE))
    assert b'"finish_reason":"stop"' in text(script(Mode.MISSING_DONE))
    assert text(script(Mode.MISSING_FINISH)).endswith(DONE)
    assert b'"finish_reason":"stop"' not in text(script(Mode.MISSING_FINISH))
    assert json.loads(text(script(Mode.MISSING_DONE, WHOLE)))


def test_empty_and_strange_answers():
    assert b'"choices":[]' in text(script(Mode.EMPTY_CHOICES))
    assert text(script(Mode.EMPTY_STREAM)) == b""
    assert (b"content-type", b"text/html; charset=UTF-8") in script(Mode.HTML).headers


def test_vendor_errors_with_their_headers():
    made = script(Mode.STATUS, failure="openai_rate_limit")
    assert made.status == 429
    assert text(made) == ERRORS["openai_rate_limit"].body
    assert (b"retry-after", b"2") in made.headers
    assert not made.model_ran
    made = script(Mode.STATUS, failure="openai_rate_limit", retry_after="-1")
    assert [value for name, value in made.headers if name.startswith(b"retry-after")] == [b"-1"]
    assert script(Mode.OVERLOAD).status == 529
    assert script(Mode.CONTEXT).status == 400


def test_unknown_paths_are_404():
    assert script(Mode.OK, ask("POST", "/v1/nothing", "k", b"{}")).status == 404
