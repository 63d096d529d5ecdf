"""What a receiver may do, and when: abort, detach, pause and resume from anywhere, inside the parser too."""

import gzip

import pytest
from transport_fakes import Bench, Recorder

from proxy.transport.limits import TransportLimits

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
MANY = CHUNKED + b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"


def acting(action: str, on: str) -> Bench:
    """A bench whose receiver does this at its first event of that name."""
    bench = Bench()

    def act(event: str) -> None:
        if event == on:
            bench.recorder.on_event = None
            getattr(bench.exchange, action)()

    bench.recorder.on_event = act
    return bench


@pytest.mark.parametrize("pieces", [(MANY,), tuple(bytes([byte]) for byte in MANY)], ids=["one read", "bytewise"])
@pytest.mark.parametrize(
    ("on", "heard"), [("head", ["head"]), ("body", ["head", "body"]), ("complete", ["head", "body", "complete"])]
)
def test_abort_inside_a_callback(on: str, heard: list[str], pieces: tuple[bytes, ...]) -> None:
    bench = acting("abort", on).feed(*pieces)
    assert bench.recorder.events == heard
    # One read is one piece of body, however many chunks it holds.
    assert len(bench.recorder.body) == {"head": 0, "body": 3 if len(pieces) == 1 else 1, "complete": 3}[on]
    assert bench.socket.aborted is (on != "complete")
    assert bench.reusable is (on == "complete")
    bench.connection.connection_lost(None)
    assert bench.recorder.events == heard


@pytest.mark.parametrize("pieces", [(MANY,), tuple(bytes([byte]) for byte in MANY)], ids=["one read", "bytewise"])
@pytest.mark.parametrize("on", ["head", "body"])
def test_detach_inside_a_callback_keeps_the_connection(on: str, pieces: tuple[bytes, ...]) -> None:
    bench = acting("detach", on).feed(*pieces)
    assert bench.recorder.events == ["head", "body"][: 1 + (on == "body")]
    assert bench.reusable
    assert bench.loop.pending_timers == []
    assert bench.again().events == []
    bench.feed(MANY)
    assert bench.recorder.body == b"abc"


@pytest.mark.parametrize("action", ["abort", "detach"])
def test_leaving_before_the_head_and_then_anything(action: str) -> None:
    bench = Bench()
    getattr(bench.exchange, action)()
    for _ in range(2):
        bench.exchange.pause()
        bench.exchange.resume()
        bench.exchange.abort()
        bench.exchange.detach()
    bench.feed(MANY)
    assert bench.recorder.events == []
    assert bench.reusable is (action == "detach")


def test_late_abort_does_not_hit_the_next_exchange() -> None:
    bench = Bench().feed(MANY)
    first = bench.exchange
    bench.again()
    first.abort()
    first.pause()
    first.detach()
    assert (bench.socket.aborted, bench.socket.reading) == (False, True)
    bench.feed(MANY)
    assert bench.recorder.events[-1] == "complete"


def test_detached_answer_that_is_long_or_late_closes() -> None:
    bench = Bench(TransportLimits(drain_bytes=1_000)).feed(OK + b"content-length: 5000\r\n\r\n")
    bench.exchange.detach()
    bench.feed(b"x" * 900)
    assert not bench.socket.aborted
    bench.feed(b"x" * 200)
    assert bench.socket.aborted
    assert bench.loop.pending_timers == []

    bench = Bench().feed(OK + b"content-length: 5000\r\n\r\n")
    bench.exchange.detach()
    [timer] = bench.loop.pending_timers
    assert timer.delay == TransportLimits().drain
    timer.callback(*timer.args)
    assert bench.socket.aborted


@pytest.mark.parametrize("before_head", [True, False])
def test_detached_answer_that_only_the_end_would_end_closes_at_once(before_head: bool) -> None:
    bench = Bench()
    if before_head:
        bench.exchange.detach()
        bench.feed(OK + b"\r\n")
    else:
        bench.feed(OK + b"\r\n")
        bench.exchange.detach()
    assert bench.socket.aborted


def test_detached_connection_that_breaks_is_not_heard_of() -> None:
    bench = Bench().feed(OK + b"content-length: 5\r\n\r\nhe")
    bench.exchange.detach()
    bench.end(ConnectionResetError("reset"))
    assert bench.recorder.events == ["head", "body"]
    assert bench.loop.pending_timers == []


def test_detached_garbage_closes() -> None:
    bench = Bench().feed(CHUNKED)
    bench.exchange.detach()
    bench.feed(b"zz\r\n")
    assert bench.socket.aborted
    assert bench.recorder.events == ["head"]


def test_pause_and_resume_are_idempotent_and_reach_the_socket() -> None:
    bench = Bench().feed(OK + b"content-length: 5\r\n\r\n")
    bench.exchange.pause()
    bench.exchange.pause()
    assert not bench.socket.reading
    assert "paused" in repr(bench.exchange)
    bench.exchange.resume()
    bench.exchange.resume()
    assert bench.socket.reading


def test_paused_at_the_end_reads_again_for_the_next_exchange() -> None:
    bench = acting("pause", "body").feed(MANY)
    assert bench.recorder.body == b"abc"  # this read was in hand already; no more is asked for
    assert bench.recorder.events[-1] == "complete"
    assert bench.socket.reading
    assert bench.reusable


def test_paused_and_detached_reads_on() -> None:
    bench = acting("pause", "head").feed(CHUNKED)
    assert not bench.socket.reading
    bench.exchange.detach()
    assert bench.socket.reading


def test_pause_after_close_is_harmless() -> None:
    bench = Bench().feed(b"garbage")
    bench.exchange.pause()
    bench.exchange.resume()
    assert bench.recorder.kind == "garbage"


def gzipped(plain: bytes) -> bytes:
    packed = gzip.compress(plain, mtime=0)
    return OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed


PLAIN = b"".join(b"%d," % number for number in range(60_000))


def test_pause_stops_the_decoder_within_one_read() -> None:
    """A compressed read that holds much more than it weighs: what comes after the pause waits in its compressed form."""
    bench = acting("pause", "body").feed(gzipped(PLAIN))
    assert len(bench.recorder.body) == 65_536
    assert not bench.socket.reading
    assert not bench.keeper.released
    while not bench.recorder.over:
        before = len(bench.recorder.body)
        bench.recorder.on_event = lambda event: bench.exchange.pause()
        bench.exchange.resume()
        bench.loop.turn()
        assert before < len(bench.recorder.body) <= before + 65_536 or bench.recorder.over
    assert bench.recorder.body == PLAIN
    assert bench.recorder.events == ["head", "body", "complete"]
    assert bench.socket.reading
    assert bench.reusable


def test_paused_decoder_survives_the_end_of_the_connection() -> None:
    for error in (None, ConnectionResetError("reset")):
        bench = acting("pause", "body").feed(gzipped(PLAIN)).end(error)
        bench.exchange.resume()
        bench.loop.turn()
        assert bench.recorder.body == PLAIN
        assert bench.recorder.events[-1] == "complete"
        assert bench.connection in bench.keeper.forgotten
        assert bench.keeper.released == []


def test_paused_decoder_whose_body_ended_with_the_connection() -> None:
    wire = gzipped(PLAIN).replace(b"content-length", b"x-length")
    bench = acting("pause", "body").feed(wire).end()
    assert not bench.recorder.over
    bench.exchange.resume()
    bench.loop.turn()
    assert bench.recorder.body == PLAIN
    assert bench.recorder.events[-1] == "complete"


def test_more_bytes_behind_a_waiting_answer_spoil_the_connection_only() -> None:
    bench = acting("pause", "body").feed(gzipped(PLAIN))
    bench.feed(b"more")
    bench.exchange.resume()
    bench.loop.turn()
    assert bench.recorder.events[-1] == "complete"
    assert not bench.reusable


@pytest.mark.parametrize("action", ["abort", "detach"])
def test_leaving_a_paused_decoder(action: str) -> None:
    bench = acting("pause", "body").feed(gzipped(PLAIN))
    bench.exchange.resume()
    getattr(bench.exchange, action)()
    bench.loop.turn()
    assert bench.recorder.events == ["head", "body"]
    assert len(bench.recorder.body) == 65_536
    assert bench.reusable is (action == "detach")


def test_abort_and_detach_while_decoding() -> None:
    for action in ("abort", "detach"):
        bench = acting(action, "body").feed(gzipped(PLAIN))
        assert len(bench.recorder.body) == 65_536
        assert bench.recorder.events == ["head", "body"]
        assert bench.reusable is (action == "detach")


def test_resume_and_pause_again_before_the_loop_turns() -> None:
    bench = acting("pause", "body").feed(gzipped(PLAIN))
    bench.exchange.resume()
    bench.exchange.pause()
    bench.loop.turn()
    assert len(bench.recorder.body) == 65_536
    bench.exchange.resume()
    bench.exchange.pause()
    bench.exchange.resume()
    bench.loop.turn()
    assert bench.recorder.body == PLAIN
    assert bench.recorder.events[-1] == "complete"


def test_new_request_from_inside_on_complete_uses_the_same_connection() -> None:
    bench = Bench()
    first = bench.recorder
    second = Recorder()

    def follow(event: str) -> None:
        if event == "complete":
            bench.again(second)

    first.on_event = follow
    bench.feed(MANY)
    bench.feed(MANY)
    assert first.events == second.events == ["head", "body", "complete"]
