import struct
from itertools import pairwise
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.eventstream import (
    MAX_HEADERS,
    MAX_PAYLOAD,
    FrameError,
    FrameSplitter,
    HeaderValue,
    read_headers,
    write_frame,
)

#: Recorded from ConverseStream.
RECORDED = bytes.fromhex(
    "000000800000005251a15f230b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74656e742d74797065070010617070"
    "6c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b2270223a22616263222c22726f6c65223a226173736973"
    "74616e74227df29ed8da"
)

Seen = list[tuple[dict[str, object], bytes]]


def cut(stream: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def read(parts: list[bytes]) -> tuple[Seen, str]:
    splitter = FrameSplitter()
    frames = [frame for part in parts for frame in splitter.feed(part)]
    return [(dict(frame.headers), frame.payload) for frame in frames], splitter.failure


def read_as_botocore(stream: bytes) -> tuple[Seen, bool]:
    """Frames, and whether it gave up."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    seen: Seen = []
    try:
        for message in buffer:
            seen.append((message.headers, message.payload))
    except (ParserError, KeyError, UnicodeDecodeError, struct.error):
        return seen, True
    return seen, False


def seal(block: bytes, payload: bytes, total: int | None = None, length: int | None = None) -> bytes:
    """A frame whose checksums are right, whatever it holds."""
    lengths = struct.pack(
        ">II", len(block) + len(payload) + 16 if total is None else total, len(block) if length is None else length
    )
    start = lengths + struct.pack(">I", crc32(lengths)) + block + payload
    return start + struct.pack(">I", crc32(start))


NAMES = st.text(max_size=12)
TYPED = st.one_of(
    st.booleans().map(lambda v: (v, bytes([0 if v else 1]))),
    st.integers(-128, 127).map(lambda v: (v, b"\x02" + struct.pack(">b", v))),
    st.integers(-(2**15), 2**15 - 1).map(lambda v: (v, b"\x03" + struct.pack(">h", v))),
    st.integers(-(2**31), 2**31 - 1).map(lambda v: (v, b"\x04" + struct.pack(">i", v))),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: (v, b"\x05" + struct.pack(">q", v))),
    st.binary(max_size=30).map(lambda v: (v, b"\x06" + struct.pack(">H", len(v)) + v)),
    st.text(max_size=30).map(lambda v: (v, b"\x07" + struct.pack(">H", len(v.encode())) + v.encode())),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: (v, b"\x08" + struct.pack(">q", v))),
    st.binary(min_size=16, max_size=16).map(lambda v: (v, b"\x09" + v)),
)
FRAMES = st.tuples(st.dictionaries(NAMES, TYPED, max_size=5), st.binary(max_size=60))


def build(frame: tuple[dict[str, tuple[HeaderValue, bytes]], bytes]) -> bytes:
    headers, payload = frame
    block = b"".join(bytes([len(name.encode())]) + name.encode() + raw for name, (_, raw) in headers.items())
    return seal(block, payload)


def test_the_recorded_frame() -> None:
    headers = {":event-type": "messageStart", ":content-type": "application/json", ":message-type": "event"}
    assert read([RECORDED]) == ([(headers, b'{"p":"abc","role":"assistant"}')], "")
    assert write_frame(headers, b'{"p":"abc","role":"assistant"}') == RECORDED


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_any_split_gives_the_frames_that_botocore_reads(frames: list[object], points: list[int]) -> None:
    stream = b"".join(build(frame) for frame in frames)  # type: ignore[arg-type]
    expected: Seen = [({n: v for n, (v, _) in headers.items()}, body) for headers, body in frames]  # type: ignore[misc]
    assert read_as_botocore(stream) == (expected, False)
    assert read(cut(stream, points)) == (expected, "")
    assert read([stream[i : i + 1] for i in range(len(stream))]) == (expected, "")


@given(st.lists(FRAMES, min_size=1, max_size=4), st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_stream_ends_where_botocore_ends(frames: list[object], place: int, flip: int) -> None:
    stream = bytearray(b"".join(build(frame) for frame in frames))  # type: ignore[arg-type]
    stream[place % len(stream)] ^= flip
    seen, gave_up = read_as_botocore(bytes(stream))
    ours, failure = read([bytes(stream)])
    assert gave_up
    assert ours == seen
    assert failure


@given(st.binary(max_size=80))
def test_garbage_never_raises(data: bytes) -> None:
    seen, gave_up = read_as_botocore(data)
    ours, failure = read([data])
    assert (ours, bool(failure)) == (seen, gave_up)


@given(st.binary(max_size=40))
def test_headers_that_are_none_are_refused(block: bytes) -> None:
    """Stricter than botocore in one way only: a value must not reach beyond its block."""
    _, gave_up = read_as_botocore(seal(block, b""))
    try:
        read_headers(block)
        assert not gave_up
    except FrameError:
        assert read([seal(block, b"")]) == ([], "a frame of the stream holds unreadable headers")


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"\x01a\x07\x00\x01xx", "rest"),
        (b"\x01a\x0a", "unknown type"),
        (b"\x01a\x00\x01a\x01", "twice"),
        (b"\x01a\x07\x00\x05x", "value too short"),
        (b"\x01\xff\x00", "name is no text"),
        (b"\x01a\x09short", "uuid too short"),
        (b"\x05a", "name too short"),
    ],
)
def test_odd_headers(block: bytes, why: str) -> None:
    with pytest.raises(FrameError):
        read_headers(block)


@pytest.mark.parametrize(
    ("frame", "failure"),
    [
        (seal(b"", b"", total=MAX_PAYLOAD + 17), "a frame of the stream is too long"),
        (seal(b"", b"", total=MAX_HEADERS + 17, length=MAX_HEADERS + 1), "a frame of the stream is too long"),
        (seal(b"", b"", total=15), "a frame of the stream is shorter than its headers"),
        (seal(b"", b"", total=20, length=100), "a frame of the stream is shorter than its headers"),
        (b"HTTP/1.1 200 OK\r\n", "the stream is no event stream, or a frame of it fails its checksum"),
        (RECORDED[:-1] + b"\x00", "a frame of the stream fails its checksum"),
    ],
)
def test_what_cannot_be_read_ends_the_stream(frame: bytes, failure: str) -> None:
    splitter = FrameSplitter()
    assert len(splitter.feed(RECORDED + frame)) == 1
    assert splitter.failure == failure
    assert splitter.feed(RECORDED) == []
    assert not splitter.pending


def test_what_is_unfinished_is_pending() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(RECORDED[:50]) == []
    assert splitter.pending
    assert len(splitter.feed(RECORDED[50:])) == 1
    assert not splitter.pending


def test_the_kept_headers_are_bounded() -> None:
    splitter = FrameSplitter()
    for number in range(200):
        frame = splitter.feed(write_frame({"n": str(number)}, b""))[0]
        assert frame.headers == {"n": str(number)}
    assert len(splitter._known) <= 32
    assert splitter.feed(write_frame({"n": "x" * 300}, b""))[0].headers["n"] == "x" * 300
