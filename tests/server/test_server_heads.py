"""No header, whatever it holds, adds a line."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from proxy.server.heads import DateLine, build_framing, build_head


def test_a_head_is_put_together() -> None:
    head = build_head(200, ((b"a", b"b"), (b"c", b"")), build_framing(5, keep=True, old=False))
    assert head == b"HTTP/1.1 200 OK\r\na: b\r\nc: \r\ncontent-length: 5\r\n\r\n"


def test_statuses_without_a_phrase() -> None:
    assert build_head(529, (), b"") == b"HTTP/1.1 529 \r\n\r\n"


def test_framing() -> None:
    assert build_framing(0, keep=False, old=False) == b"content-length: 0\r\nconnection: close\r\n"
    assert build_framing(0, keep=True, old=True) == b"content-length: 0\r\nconnection: keep-alive\r\n"
    assert build_framing(None, keep=True, old=False) == b"transfer-encoding: chunked\r\n"
    assert build_framing(None, keep=False, old=True) == b"connection: close\r\n"


def test_injected_lines_become_spaces() -> None:
    head = build_head(200, ((b"x-model", b"a\r\nset-cookie: b\x00\x7f\tc"), (b"x\n", b"y")), b"")
    assert head == b"HTTP/1.1 200 OK\r\nx-model: a  set-cookie: b  \tc\r\nx : y\r\n\r\n"


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=6))
def test_a_head_has_the_lines_it_should(headers: list[tuple[bytes, bytes]]) -> None:
    head = build_head(200, headers, b"")
    assert head.count(b"\n") == head.count(b"\r") == len(headers) + 2
    assert head.endswith(b"\r\n\r\n")
    assert b"\x00" not in head


def test_the_date_is_made_once_a_second() -> None:
    loop = asyncio.new_event_loop()
    date = DateLine(loop)
    first = date.current()
    assert first.startswith(b"date: ")
    assert first.endswith(b" GMT\r\n")
    date._line = b"kept"
    date._second = int(loop.time())
    assert date.current() in (b"kept", first) or int(loop.time()) != date._second
    loop.close()
