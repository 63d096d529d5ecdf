"""Decompression: every coding, any split, and none of the ways it is used against a reader."""

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transport_fakes import Bench

from proxy.transport.decoding import PIECE, DecodeError, Inflater
from proxy.transport.limits import TransportLimits

LIMITS = TransportLimits()


def raw_deflate(plain: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(plain) + packer.flush()


PACKERS = {b"gzip": gzip.compress, b"x-gzip": gzip.compress, b"deflate": zlib.compress}


def inflate(coding: bytes, *pieces: bytes, limits: TransportLimits = LIMITS) -> tuple[bytes, Inflater]:
    inflater = Inflater(coding, limits)
    plain = b""
    for piece in pieces:
        inflater.feed(piece)
        while True:
            part = inflater.read()
            assert len(part) <= PIECE
            plain += part
            if not inflater.backlog:
                break
    return plain, inflater


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({at for at in cuts if at < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(
    plain=st.binary(max_size=300) | st.binary(min_size=1, max_size=4).map(lambda seed: seed * 40_000),
    coding=st.sampled_from(sorted(PACKERS)),
    cuts=st.lists(st.integers(1, 500), max_size=6),
)
def test_round_trip_at_any_split(plain: bytes, coding: bytes, cuts: list[int]) -> None:
    limits = TransportLimits(ratio=2_000)
    got, inflater = inflate(coding, *cut(PACKERS[coding](plain), cuts), limits=limits)
    assert got == plain
    assert inflater.ended


@given(plain=st.binary(max_size=300), cuts=st.lists(st.integers(1, 300), max_size=4))
def test_deflate_without_its_header(plain: bytes, cuts: list[int]) -> None:
    got, inflater = inflate(b"deflate", *cut(raw_deflate(plain), cuts))
    assert got == plain
    assert inflater.ended


def test_several_gzip_members_bytewise() -> None:
    packed = gzip.compress(b"one,") + gzip.compress(b"") + gzip.compress(b"two")
    got, inflater = inflate(b"gzip", *(bytes([byte]) for byte in packed))
    assert got == b"one,two"
    assert inflater.ended


def test_plain_size_of_exactly_one_piece() -> None:
    plain = bytes(range(256)) * (PIECE // 256)
    got, inflater = inflate(b"gzip", gzip.compress(plain))
    assert got == plain
    assert inflater.ended


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_each_event_arrives_when_it_was_flushed(coding: bytes) -> None:
    packer = zlib.compressobj(wbits=31 if coding == b"gzip" else 15)
    inflater = Inflater(coding, LIMITS)
    for number in range(5):
        inflater.feed(packer.compress(b"data: %d\n\n" % number) + packer.flush(zlib.Z_SYNC_FLUSH))
        assert inflater.read() == b"data: %d\n\n" % number
        assert not inflater.ended


def test_every_cut_is_noticed() -> None:
    packed = gzip.compress(b"hello" * 20)
    for at in range(1, len(packed)):
        _, inflater = inflate(b"gzip", packed[:at])
        assert not inflater.ended
    assert inflate(b"gzip")[1].ended


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        (b"gzip", b"plain text"),
        (b"deflate", b"\xff\xff\xff"),
        (b"deflate", zlib.compress(b"x") + b"more"),
        (b"gzip", gzip.compress(b"x", mtime=0) + b"m"),
    ],
)
def test_damage(coding: bytes, data: bytes) -> None:
    try:
        _, inflater = inflate(coding, data)
    except DecodeError:
        return
    assert not inflater.ended


def test_wrong_checksum() -> None:
    packed = bytearray(gzip.compress(b"hello"))
    packed[-6] ^= 1
    with pytest.raises(DecodeError, match="damaged"):
        inflate(b"gzip", bytes(packed))


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"compress", b"gzip, gzip", b"\xff"], ids=repr)
def test_codings_that_are_not_read(coding: bytes) -> None:
    with pytest.raises(DecodeError, match="was not asked for"):
        Inflater(coding, LIMITS)


def test_bomb_by_ratio_and_by_size() -> None:
    with pytest.raises(DecodeError, match="grows more than 200 times"):
        inflate(b"gzip", gzip.compress(bytes(8 * 1024 * 1024)))
    with pytest.raises(DecodeError, match="larger than"):
        inflate(b"gzip", gzip.compress(bytes(range(256)) * 1_000), limits=TransportLimits(decoded=100_000))


def test_small_answers_may_be_repetitive() -> None:
    plain = b" " * 1_000_000
    assert inflate(b"gzip", gzip.compress(plain))[0] == plain


def answer(coding: bytes, packed: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\nx: y\r\ncontent-length: %d\r\n\r\n" % (coding, len(packed)) + packed


@pytest.mark.parametrize("coding", [b"gzip", b"GZip", b"deflate"])
def test_receiver_sees_a_plain_answer(coding: bytes) -> None:
    wire = answer(coding, PACKERS[coding.lower()](b"hello"))
    for at in range(1, len(wire)):
        bench = Bench().feed(wire[:at], wire[at:])
        assert bench.recorder.events == ["head", "body", "complete"]
        assert bench.recorder.headers == [(b"x", b"y")]
        assert bench.recorder.body == b"hello"
        assert bench.reusable


def test_identity_is_left_alone() -> None:
    bench = Bench().feed(answer(b"identity", b"hello"))
    assert (b"content-length", b"5") in bench.recorder.headers
    assert bench.recorder.body == b"hello"


def test_empty_body_with_a_coding() -> None:
    assert Bench().feed(answer(b"gzip", b"")).recorder.events == ["head", "complete"]


def test_bomb_ends_the_exchange() -> None:
    bench = Bench().feed(answer(b"gzip", gzip.compress(bytes(64 * 1024 * 1024))))
    assert bench.recorder.kind == "garbage"
    assert len(bench.recorder.body) <= LIMITS.ratio_from + PIECE
    assert bench.socket.aborted


def test_complete_message_with_a_cut_inside() -> None:
    bench = Bench().feed(answer(b"gzip", gzip.compress(b"hello")[:-3]))
    assert bench.recorder.kind == "broken"
    assert bench.recorder.events == ["head", "body", "failed"]


def test_damage_after_some_body() -> None:
    bench = Bench().feed(answer(b"gzip", gzip.compress(b"hello") + b"garbage!"))
    assert bench.recorder.kind == "garbage"
