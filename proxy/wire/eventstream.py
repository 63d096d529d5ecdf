"""AWS's binary event stream: any split of the bytes into reads gives the same frames.

    total length u32 | headers length u32 | CRC-32 of these 8 bytes u32 | headers | payload | CRC-32 of all before it u32

Numbers are big-endian; the payload takes what is left of the total. A header is a name (its length in one byte), a type in
one byte, and a value. Bedrock uses strings only (`:message-type`, `:event-type`, `:content-type`), and the same few blocks
of headers again and again, so the parsed form of a short block is kept.

Both checksums are verified before anything inside is believed, the first of them before its lengths are waited for: a
frame that does not check is the end of what can be read, since nothing says where the next one starts. Refuses to know what
events mean. Source: Amazon Event Stream Encoding, as botocore reads it; its limits are used here.
"""

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from zlib import crc32

MAX_HEADERS = 128 * 1024
MAX_PAYLOAD = 24 * 1024 * 1024

HeaderValue = bool | int | bytes | str
Headers = Mapping[str, HeaderValue]

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_OVERHEAD = _PRELUDE.size + _CRC.size
_STRING = 7
#: Blocks of headers whose parsed form is kept, and how long each may be.
_KNOWN_BLOCKS = 32
_KNOWN_LENGTH = 256


class Frame:
    """One message. `headers` by name, values as their types say: strings, numbers, bytes (uuids too), booleans; timestamps
    are milliseconds of Unix time."""

    __slots__ = ("headers", "payload")

    def __init__(self, headers: Headers, payload: bytes) -> None:
        self.headers = headers
        self.payload = payload


class FrameError(ValueError):
    """Bytes that are no frame, or no headers; says why."""


class FrameSplitter:
    """Cuts a stream into frames. `pending`: an unfinished frame is kept. `failure`: why the stream cannot be read any
    further, "" while it can; nothing is given out after it."""

    __slots__ = ("_buffer", "_known", "_wanted", "failure")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _PRELUDE.size
        self._known: dict[bytes, Headers] = {}
        self.failure = ""

    @property
    def pending(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete, up to one that cannot be read."""
        frames: list[Frame] = []
        if not self.failure:
            self._buffer += data
            try:
                self._read_into(frames)
            except FrameError as error:
                self.failure = str(error)
                self._buffer.clear()
        return frames

    def _read_into(self, frames: list[Frame]) -> None:
        buffer = self._buffer
        at = 0
        while len(buffer) - at >= self._wanted:
            total, length, checksum = _PRELUDE.unpack_from(buffer, at)
            if self._wanted == _PRELUDE.size:
                _check_prelude(total, length, checksum, bytes(buffer[at : at + 8]))
                self._wanted = total
                continue  # the frame may not be there yet
            end = at + total - _CRC.size
            raw = bytes(buffer[at:end])
            if crc32(raw) != _CRC.unpack_from(buffer, end)[0]:
                raise FrameError("a frame of the stream fails its checksum")
            headers_end = _PRELUDE.size + length
            frames.append(Frame(self._get_headers(raw[_PRELUDE.size : headers_end]), raw[headers_end:]))
            at += total
            self._wanted = _PRELUDE.size
        if at:
            del buffer[:at]

    def _get_headers(self, block: bytes) -> Headers:
        headers = self._known.get(block)
        if headers is None:
            headers = read_headers(block)
            if len(block) <= _KNOWN_LENGTH and len(self._known) < _KNOWN_BLOCKS:
                self._known[block] = headers
        return headers


def write_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A frame with headers that are strings."""
    block = b"".join(_write_header(name.encode(), value.encode()) for name, value in headers.items())
    total = len(block) + len(payload) + _OVERHEAD
    start = _PRELUDE.pack(total, len(block), crc32(struct.pack(">II", total, len(block)))) + block + payload
    return start + _CRC.pack(crc32(start))


def read_headers(block: bytes) -> Headers:
    """Raises FrameError where the bytes are no headers, or a name stands twice."""
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name = block[at + 1 : name_end].decode()
            kind = block[name_end]
            value, at = _READERS[kind](block, name_end + 1)
            if name in headers or at > len(block):
                raise FrameError("a frame of the stream holds unreadable headers")
            headers[name] = value
    except (IndexError, struct.error, UnicodeDecodeError):
        raise FrameError("a frame of the stream holds unreadable headers") from None
    return MappingProxyType(headers)


def _check_prelude(total: int, length: int, checksum: int, raw: bytes) -> None:
    if crc32(raw) != checksum:
        raise FrameError("the stream is no event stream, or a frame of it fails its checksum")
    if length > MAX_HEADERS or total - length - _OVERHEAD > MAX_PAYLOAD:
        raise FrameError("a frame of the stream is too long")
    if total < length + _OVERHEAD:
        raise FrameError("a frame of the stream is shorter than its headers")


def _write_header(name: bytes, value: bytes) -> bytes:
    return b"%c%b%c%b%b" % (len(name), name, _STRING, _LENGTH.pack(len(value)), value)


_Read = Callable[[bytes, int], tuple[HeaderValue, int]]


def _read_number(layout: struct.Struct) -> _Read:
    def read(block: bytes, at: int) -> tuple[HeaderValue, int]:
        return layout.unpack_from(block, at)[0], at + layout.size

    return read


def _read_bytes(block: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + _LENGTH.unpack_from(block, at)[0]
    return block[at + 2 : end], end


def _read_string(block: bytes, at: int) -> tuple[HeaderValue, int]:
    value, end = _read_bytes(block, at)
    return value.decode(), end


_READERS: tuple[_Read, ...] = (
    lambda block, at: (True, at),
    lambda block, at: (False, at),
    _read_number(struct.Struct(">b")),
    _read_number(struct.Struct(">h")),
    _read_number(struct.Struct(">i")),
    _read_number(struct.Struct(">q")),
    _read_bytes,
    _read_string,
    _read_number(struct.Struct(">q")),  # timestamp
    lambda block, at: (block[at : at + 16], at + 16),  # uuid
)
