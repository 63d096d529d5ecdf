"""One connection, fed by hand: framings at every split point, ends, limits, garbage."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transport_fakes import Bench, Recorder

from proxy.transport.limits import TransportLimits

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = ["head", "body", "complete"]


@dataclass
class Case:
    wire: bytes
    body: bytes = b""
    status: int = 200
    events: tuple[str, ...] = ("head", "body", "complete")
    closes: bool = False  # the body ends with the connection
    reusable: bool = True


ANSWERS = {
    "length": Case(OK + b"Content-Length: 5\r\nX-A:  b \t\r\n\r\nhello", b"hello"),
    "empty length": Case(OK + b"content-length: 0\r\n\r\n", events=("head", "complete")),
    "chunked": Case(CHUNKED + b'5\r\nhello\r\nb;x="y"\r\n, old world\r\n0\r\nX-T: 1\r\n\r\n', b"hello, old world"),
    "empty chunked": Case(CHUNKED + b"0\r\n\r\n", events=("head", "complete")),
    "upper hex": Case(CHUNKED + b"0A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "until close": Case(OK + b"\r\nhello", b"hello", closes=True, reusable=False),
    "until close, empty": Case(OK + b"\r\n", events=("head", "complete"), closes=True, reusable=False),
    "http/1.0": Case(b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello", closes=True, reusable=False),
    "connection close": Case(OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi", b"hi", reusable=False),
    "204": Case(b"HTTP/1.1 204 No Content\r\n\r\n", status=204, events=("head", "complete")),
    "304 with a length": Case(b"HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n", status=304, events=("head", "complete")),
    "no reason": Case(b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx", b"x"),
    "redirect is an answer": Case(
        b"HTTP/1.1 307 T\r\nlocation: http://evil.test/\r\ncontent-length: 2\r\n\r\ngo", b"go", status=307
    ),
    "interim": Case(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi",
        b"hi",
    ),
    "trailing": Case(OK + b"Content-Length: 2\r\n\r\nhiHTTP/1.1 2", b"hi", reusable=False),
}

GARBAGE = {
    "html": b"<html><body>502 Bad Gateway</body></html>",
    "rtsp": b"RTSP/1.0 200 OK\r\n\r\n",
    "h2": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "0.9": b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    "h2 settings frame": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "tls alert": b"\x15\x03\x03\x00\x02\x02\x46",
    "lf only": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "lf only header": OK + b"content-length: 0\n\n",
    "status 1000": b"HTTP/1.1 1000 OK\r\n\r\n",
    "status 20": b"HTTP/1.1 20 OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "bare 101": b"HTTP/1.1 101 X\r\n\r\n",
    "two lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nhi",
    "length list": OK + b"content-length: 2, 2\r\n\r\nhi",
    "negative length": OK + b"content-length: -2\r\n\r\nhi",
    "huge length": OK + b"content-length: 99999999999999999999999\r\n\r\nhi",
    "length and chunked": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip transfer": OK + b"transfer-encoding: gzip\r\n\r\nhi",
    "gzip, chunked": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded": OK + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "nul": OK + b"x: a\0b\r\ncontent-length: 0\r\n\r\n",
    "bare cr": OK + b"x: a\rb\r\ncontent-length: 0\r\n\r\n",
    "space before colon": OK + b"x : a\r\ncontent-length: 0\r\n\r\n",
    "no colon": OK + b"xa\r\ncontent-length: 0\r\n\r\n",
    "br": OK + b"content-encoding: br\r\ncontent-length: 2\r\n\r\nhi",
    "gzip, gzip": OK + b"content-encoding: gzip\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nhi",
    "chunk size": CHUNKED + b"zz\r\n",
    "chunk size overflow": CHUNKED + b"fffffffffffffffff\r\n",
    "chunk size space": CHUNKED + b"5 \r\nhello\r\n",
    "chunk lf": CHUNKED + b"5\nhello\n",
    "chunk too long": CHUNKED + b"5\r\nhelloX\r\n",
}


def play(case: Case, *pieces: bytes) -> Bench:
    bench = Bench().feed(*pieces)
    if case.closes:
        bench.end()
    return bench


def check(case: Case, bench: Bench) -> None:
    recorder = bench.recorder
    assert recorder.events == list(case.events)
    assert (recorder.status, recorder.body) == (case.status, case.body)
    assert all(name == name.lower() and value == value.strip() for name, value in recorder.headers)


def splits(wire: bytes) -> list[tuple[bytes, bytes]]:
    return [(wire[:at], wire[at:]) for at in range(1, len(wire))]


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_at_once_and_split_everywhere(name: str) -> None:
    case = ANSWERS[name]
    whole = play(case, case.wire)
    check(case, whole)
    assert whole.reusable is case.reusable
    for pieces in [*splits(case.wire), tuple(bytes([byte]) for byte in case.wire)]:
        bench = play(case, *pieces)
        check(case, bench)
        assert list(bench.recorder.headers) == list(whole.recorder.headers)


@pytest.mark.parametrize("name", [name for name in ANSWERS if len(ANSWERS[name].wire) < 80])
def test_answer_in_three_pieces(name: str) -> None:
    case = ANSWERS[name]
    wire = case.wire
    for first in range(1, len(wire) - 1):
        for second in range(first + 1, len(wire)):
            check(case, play(case, wire[:first], wire[first:second], wire[second:]))


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    cuts=st.lists(st.integers(1, 400), max_size=8),
    extension=st.sampled_from([b"", b";a", b";a=b"]),
)
def test_chunked_any_content_any_split(chunks: list[bytes], cuts: list[int], extension: bytes) -> None:
    wire = CHUNKED + b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + b"0\r\n\r\n"
    edges = [0, *sorted({cut for cut in cuts if cut < len(wire)}), len(wire)]
    bench = Bench().feed(*(wire[start:end] for start, end in itertools.pairwise(edges)))
    assert bench.recorder.body == b"".join(chunks)
    assert bench.recorder.events == ["head", *["body"][: len(chunks)], "complete"]
    assert bench.reusable


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5), st.booleans())
def test_any_bytes_end_in_one_verdict(pieces: list[bytes], after_head: bool) -> None:
    bench = Bench()
    if after_head:
        bench.feed(CHUNKED)
    bench.feed(*pieces).end()
    assert bench.recorder.over
    assert bench.connection in bench.keeper.forgotten


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(name: str) -> None:
    wire = GARBAGE[name]
    for pieces in [(wire,), tuple(bytes([byte]) for byte in wire)]:
        bench = Bench().feed(*pieces)
        assert bench.recorder.kind == "garbage"
        assert bench.socket.aborted
        assert bench.recorder.error is not None
        assert bench.recorder.error.detail.startswith("provider.test:80: ")


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "trailing"])
def test_cut_anywhere(name: str) -> None:
    """Cut after n bytes: closed before the first, broken inside, and never a forged completion."""
    case = ANSWERS[name]
    body_begins = case.wire.find(b"\r\n\r\n") + 4
    for at in range(len(case.wire)):
        for error in (None, ConnectionResetError("reset by peer")):
            bench = Bench().feed(case.wire[:at]).end(error)
            if case.closes and error is None and at >= body_begins:
                assert bench.recorder.events[-1] == "complete"
            else:
                assert bench.recorder.kind == ("broken" if at else "closed"), at
            assert not bench.reusable


def test_reset_breaks_a_body_that_ends_with_the_connection() -> None:
    bench = Bench().feed(OK + b"\r\nhello").end(ConnectionResetError("reset by peer"))
    assert bench.recorder.kind == "broken"


def test_next_answer_on_the_same_connection() -> None:
    bench = Bench().feed(OK + b"content-length: 2\r\n\r\nhi")
    second = bench.again()
    bench.feed(CHUNKED + b"3\r\nyou\r\n0\r\n\r\n")
    assert (second.body, second.events) == (b"you", WHOLE)
    assert repr(bench.connection) == "<Connection provider.test:80 idle, 2 served>"


def test_bytes_while_idle_close() -> None:
    bench = Bench().feed(OK + b"content-length: 0\r\n\r\n")
    bench.connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert bench.socket.aborted
    assert bench.connection in bench.keeper.forgotten


def test_end_while_idle_closes() -> None:
    bench = Bench().feed(OK + b"content-length: 0\r\n\r\n").end()
    assert bench.connection in bench.keeper.forgotten


def test_stale_connection_is_repeated_once_and_only_before_the_first_byte() -> None:
    bench = Bench().feed(OK + b"content-length: 0\r\n\r\n")
    stale = bench.again()
    bench.end(ConnectionResetError("reset"))
    assert bench.keeper.repeated == [bench.exchange]
    assert stale.events == []

    bench = Bench().feed(OK + b"content-length: 0\r\n\r\n")
    bench.again()
    bench.exchange.repeated = True
    bench.end()
    assert bench.recorder.kind == "closed"

    bench = Bench().feed(OK + b"content-length: 0\r\n\r\n")
    bench.again()
    bench.feed(b"H").end()
    assert (bench.recorder.kind, bench.keeper.repeated) == ("broken", [])


def test_answer_before_the_request_was_written_is_not_reused() -> None:
    bench = Bench()
    bench.socket.unsent = 100_000
    bench.feed(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
    assert bench.recorder.events == ["head", "complete"]
    assert not bench.reusable


def test_large_body_is_not_copied() -> None:
    bench = Bench().feed(OK + b"content-length: 0\r\n\r\n")
    bench.socket.written.clear()
    body = b"x" * 200_000
    bench.exchange.request.body = body
    bench.connection.begin(bench.exchange)
    assert bench.socket.written[1] is body


def headers(count: int, size: int = 1) -> bytes:
    return b"".join(b"x-%d: %s\r\n" % (number, b"v" * size) for number in range(count))


def test_many_headers_are_fine_too_many_are_not() -> None:
    assert len(Bench().feed(OK + headers(127) + b"content-length: 0\r\n\r\n").recorder.headers) == 128
    assert Bench().feed(OK + headers(128) + b"content-length: 0\r\n\r\n").recorder.kind == "garbage"


@pytest.mark.parametrize("piece", [1_000, 65_536, 200_000])
def test_head_size(piece: int) -> None:
    for wire in (
        OK + headers(20, 4_000) + b"content-length: 0\r\n\r\n",
        OK + b"x: " + b"v" * 80_000,
        OK + b"v" * 80_000,
        b"HTTP/1.1 200 " + b"O" * 80_000,
        b"HTTP/1.1 103 Hints\r\nlink: a\r\n\r\n" * 3_000 + OK + b"content-length: 0\r\n\r\n",
    ):
        bench = Bench().feed(*(wire[at : at + piece] for at in range(0, len(wire), piece)))
        assert bench.recorder.kind == "garbage"
        assert "head is larger" in str(bench.recorder.error)


def test_body_in_the_read_of_the_head_does_not_count_as_head() -> None:
    bench = Bench().feed(OK + b"content-length: 200000\r\n\r\n" + b"x" * 200_000)
    assert len(bench.recorder.body) == 200_000
    assert bench.reusable
    bench = Bench().feed(OK + b"content-length: 2\r\n\r\nhi" + b"x" * 200_000)
    assert bench.recorder.events == WHOLE
    assert bench.socket.aborted


@pytest.mark.parametrize("stuffing", [b"5;" + b"e" * 40_000, b"0\r\nx-t: " + b"v" * 40_000, b"0\r\n" + b"a: b\r\n" * 7_000])
def test_framing_without_body_is_bounded(stuffing: bytes) -> None:
    wire = b"3\r\nabc\r\n" + stuffing
    bench = Bench().feed(CHUNKED, *(wire[at : at + 1_000] for at in range(0, len(wire), 1_000)))
    assert bench.recorder.kind == "garbage"


def test_trailers_are_not_headers() -> None:
    bench = Bench().feed(CHUNKED + b"0\r\ncontent-encoding: br\r\nx: y\r\n\r\n")
    assert bench.recorder.headers == [(b"transfer-encoding", b"chunked")]
    assert bench.recorder.events == ["head", "complete"]


def test_error_of_a_receiver_is_not_taken_for_the_providers() -> None:
    def stumble(event: str) -> None:
        if event == "body":
            raise ZeroDivisionError(event)

    bench = Bench(recorder=Recorder(stumble))
    with pytest.raises(ZeroDivisionError):
        bench.feed(OK + b"content-length: 2\r\n\r\nhi")


def test_limits_are_settings() -> None:
    bench = Bench(TransportLimits(head=40)).feed(OK + b"content-length: 0\r\nx: yyyyyyyyyyyyy\r\n\r\n")
    assert bench.recorder.kind == "garbage"
