"""Response heads, put together by hand.

One function makes every head that leaves the listener, so that no value, wherever it came from, can add a line to
it: control bytes in names and values become spaces before anything is written.
"""

import asyncio
from email.utils import formatdate
from http import HTTPStatus

from proxy.core.exchange import HeaderList

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"connection: close\r\n"
#: HTTP/1.0 closes unless told otherwise.
KEEP_ALIVE_10 = b"connection: keep-alive\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTROLS = bytes(set(range(32)) - {9}) + b"\x7f"
_BLANKS = bytes.maketrans(_CONTROLS, b" " * len(_CONTROLS))


class DateLine:
    """The `date` header, made anew once a second (RFC 9110 6.6.1: a server with a clock sends one)."""

    __slots__ = ("_line", "_loop", "_second")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._second = -1
        self._line = b""

    def current(self) -> bytes:
        second = int(self._loop.time())
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(usegmt=True)}\r\n".encode()
        return self._line


def build_head(status: int, headers: HeaderList, framing: bytes) -> bytes:
    """Status line, headers and the blank line. `framing` are whole header lines of our own (length, connection, date)."""
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    block = b"\r\n".join([b": ".join(header) for header in headers])
    # Exactly one CR and one LF between two headers are ours; anything more was in a name or a value.
    if len(block) - len(block.translate(None, _CONTROLS)) != 2 * (len(headers) - 1):
        block = b"\r\n".join([b": ".join(header).translate(_BLANKS) for header in headers])
    return b"%b%b\r\n%b\r\n" % (line, block, framing) if headers else b"%b%b\r\n" % (line, framing)


def build_framing(length: int | None, *, keep: bool, old: bool) -> bytes:
    """Length and connection lines. `length` None: chunked, or for HTTP/1.0 (`old`) up to the connection's end."""
    unknown = b"" if old else CHUNKED
    framing = unknown if length is None else b"content-length: %d\r\n" % length
    if not keep:
        return framing + CLOSE
    return framing + KEEP_ALIVE_10 if old else framing
