from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.sse import Block, EventSplitter, are_whole_blocks


def cut(stream: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(stream) + 1) for point in points), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def read(parts: list[bytes]) -> tuple[list[tuple[bytes, bytes | None, bytes, bytes]], bytes]:
    splitter = EventSplitter()
    blocks = [block for part in parts for block in splitter.feed(part)]
    return [(block.raw, block.data, block.event, block.stray) for block in blocks], splitter.rest()


PIECES = st.sampled_from(
    [b"data: a", b"data:b", b"data:  c", b": comment", b"event: error", b"id: 1", b"retry: 5", b"<html>", b"\n", b"\r\n",
     b"\r",      b"\n\n", b"\r\n\r\n", b"\r\r", "data: é日😀".encode(), b"\xef\xbb\xbf", b"data"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25).map(b"".join), st.lists(st.integers(0, 10_000), max_size=12))
def test_any_split_gives_the_same_events(stream: bytes, points: list[int]) -> None:
    whole = read([stream])
    assert read(cut(stream, points)) == whole
    assert read([stream[i : i + 1] for i in range(len(stream))]) == whole


@given(st.lists(PIECES, max_size=25).map(b"".join))
def test_nothing_is_lost_but_marks_and_line_ends(stream: bytes) -> None:
    blocks, rest = read([stream])
    expected = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\xef\xbb\xbf", b"")
    assert (b"".join(block[0] for block in blocks) + rest).replace(b"\xef\xbb\xbf", b"") == expected


def test_fields_are_read_as_the_standard_says() -> None:
    block = Block(b"event: error\nid: 7\ndata: a\ndata:b\ndata:  c\n: note\ndata\nretry: 1\n\n")
    assert (block.data, block.event, block.stray) == (b"a\nb\n c\n", b"error", b"")


def test_comments_and_blank_lines_have_no_data() -> None:
    blocks, rest = read([b": hello\n\n\n\n: more\n"])
    assert [block[1] for block in blocks] == [None, None, None]
    assert rest == b": more\n"


def test_a_line_that_is_no_field_is_kept_as_stray() -> None:
    assert Block(b'{"error":"x"}\n{"more":1}\n\n').stray == b'{"error":"x"}'


def test_a_mark_at_the_start_goes() -> None:
    assert Block(b"\xef\xbb\xbfdata: a\n\n").raw == b"data: a\n\n"


def test_crlf_cut_between_its_two_bytes_is_one_line_end() -> None:
    splitter = EventSplitter()
    first = splitter.feed(b"data: a\r\n\r")
    assert [block.data for block in first] == [b"a"]
    assert splitter.pending
    assert splitter.feed(b"") == []
    assert [block.data for block in splitter.feed(b"\ndata: b\n\n")] == [b"b"]
    assert not splitter.pending


def test_an_unfinished_event_over_the_limit_overflows_and_keeps_what_was_before() -> None:
    splitter = EventSplitter(limit=20)
    assert [block.data for block in splitter.feed(b"data: a\n\ndata: " + b"x" * 20)] == [b"a"]
    assert splitter.overflow


def test_a_whole_event_over_the_limit_overflows_too() -> None:
    splitter = EventSplitter(limit=20)
    assert splitter.feed(b"data: " + b"x" * 20 + b"\n\n") == []
    assert splitter.overflow


def test_whole_blocks_are_recognised_and_nothing_else() -> None:
    assert are_whole_blocks(b"data: a\n\n: c\n\n")
    for other in (b"data: a\n", b"data: a\r\n\r\n\n\n", b"event: x\ndata: a\n\n", b"a\n\n\nb\n\n", b""):
        assert not are_whole_blocks(other)
