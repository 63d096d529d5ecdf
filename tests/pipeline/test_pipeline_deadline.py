import math

import pytest
from pipeline_stage import Stage, act, by_pool, error_of, stream, whole
from support.simulation import settings

from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Timeouts
from proxy.pipeline.deadline import limits
from proxy.rehearse.client import Wish

TIMEOUTS = Timeouts(total=600.0)
ALONE = settings((("a/m",),))


@pytest.mark.parametrize(
    ("headers", "deadline", "first_byte"),
    [
        ({}, 600.0, 600.0),
        ({"x-request-timeout-ms": "4000"}, 3.8, 3.8),
        ({"x-request-timeout-ms": "60000"}, 59.5, 59.5),
        ({"x-request-timeout-ms": "0.5"}, 0.000475, 0.000475),
        ({"x-stainless-read-timeout": "10"}, 600.0, 9.5),
        ({"x-stainless-read-timeout": "2.0"}, 600.0, 1.9),
        ({"x-stainless-timeout": "8"}, 600.0, 7.6),
        ({"x-stainless-timeout": "8", "x-stainless-read-timeout": "4"}, 600.0, 3.8),
        ({"x-stainless-timeout": "100", "x-request-timeout-ms": "1000"}, 0.95, 0.95),
        ({"x-request-timeout-ms": "86400000"}, 600.0, 600.0),
        ({"x-stainless-read-timeout": "9999"}, 600.0, 600.0),
    ],
)
def test_what_clients_announce_is_kept_with_a_margin(headers: dict[str, str], deadline: float, first_byte: float) -> None:
    got = limits(headers, TIMEOUTS, 100.0)
    assert got == (pytest.approx(100 + deadline), pytest.approx(100 + first_byte))


@pytest.mark.parametrize("name", ["x-request-timeout-ms", "x-stainless-read-timeout", "x-stainless-timeout"])
@pytest.mark.parametrize("value", ["", "soon", "-1", "0", "nan", "inf", "-inf", "1e999", "NOT_GIVEN", "10s", "0x10", "1,5"])
def test_garbage_is_no_limit(name: str, value: str) -> None:
    assert limits({name: value}, TIMEOUTS, 0.0) == (600.0, 600.0)


def test_no_margin_ever_eats_the_whole_limit() -> None:
    for announced in (0.001, 0.1, 1.0, 9.9, 10.0, 10.1, 500.0):
        _, first_byte = limits({"x-stainless-timeout": str(announced)}, TIMEOUTS, 0.0)
        assert 0 < first_byte < announced
        assert math.isclose(announced - first_byte, min(announced * 0.05, 0.5), rel_tol=1e-6)


def test_a_read_timeout_bounds_the_wait_for_the_first_byte_only() -> None:
    """Bytes keep coming after it, so a stream may last longer."""
    long = stream((0.0, LIT), *[(0.5, LIT)] * 10, (0.0, FINISH))

    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("s"), {"x-stainless-read-timeout": "1"})
        assert client.verdict == "ok"

    act(by_pool({"a": long}), body, ALONE)


def test_a_request_timeout_ends_a_stream_too() -> None:
    long = stream((0.0, LIT), *[(0.5, LIT)] * 10, (0.0, FINISH))

    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("s"), {"x-request-timeout-ms": "2000"})
        assert client.verdict == "failed"
        assert error_of(client)["code"] == "deadline_exceeded"
        assert client.downstream.aborted_at == pytest.approx(client.asked_at + 1.9)
        assert stage.transport.exchanges[0].ended == "aborted"

    act(by_pool({"a": long}), body, ALONE)


@pytest.mark.parametrize("streamed", [True, False])
def test_an_honest_504_comes_before_the_client_gives_up(streamed: bool) -> None:
    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("w", stream=streamed), {"x-stainless-read-timeout": "1"})
        assert client.downstream.status == 504
        assert error_of(client)["code"] == "deadline_exceeded"
        assert client.downstream.finished_at == pytest.approx(client.asked_at + 0.95)
        assert client.downstream.header("x-should-retry") == "false"
        record = stage.records[0]
        assert record.outcome is OutcomeKind.DEADLINE_EXCEEDED
        assert [attempt.kind for attempt in record.attempts] == [OutcomeKind.DEADLINE_EXCEEDED]
        assert stage.notes.changes == [], "a hurried client is nobody's failure"

    act(by_pool({"a": whole(wait=None)}), body, ALONE)


def test_no_further_attempt_begins_after_the_deadline() -> None:
    """The first answer fails when the time is almost up; what is left is given to the other target, no more."""

    async def body(stage: Stage) -> None:
        client = await stage.ask(None, {"x-request-timeout-ms": "1000"})
        assert stage.transport.models() == ["a/m", "b/m"]
        assert client.downstream.status == 504
        assert client.downstream.finished_at == pytest.approx(client.asked_at + 0.95)

    act(by_pool({"a": whole(status=500, wait=0.9), "b": whole(wait=0.2)}), body)


LIT = b'data: {"id":"chatcmpl-c-1","choices":[{"index":0,"delta":{"content":"lit"},"finish_reason":null}]}\n\n'
FINISH = (
    b'data: {"id":"chatcmpl-c-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\ndata: [DONE]\n\n'
)
