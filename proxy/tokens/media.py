"""Looking at inline media without tokenising it: data URLs, image sizes, lengths of audio, pages of PDF files.

Base64 of a picture is thousands of times larger as text than what a model is billed for it, so it is taken out before
anything is counted. Only the first 64 KB of an image are decoded. Nothing is ever fetched. Bytes that make no
sense give None or a rough figure, never an error: they are the client's.
"""

import binascii
import re
import struct

DATA_URL = re.compile(r"data:([\w.+-]{1,64}/[\w.+-]{1,64})(?:;[\w.=-]{1,64}){0,4};base64,([A-Za-z0-9+/=_-]{64,})")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")

HEAD = 64 * 1024
PDF_LIMIT = 8 * 1024 * 1024

#: Bytes a second, for sound whose header does not tell: MP3 at 128 kbit/s, raw 16-bit PCM at 24 kHz.
BYTE_RATES = {"pcm16": 48_000}
BYTE_RATE = 16_000

#: JPEG markers that carry the frame's size; C4, C8 and CC in their midst are something else.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def decode(encoded: str, limit: int) -> bytes:
    """The first `limit` bytes of base64 text, as far as they can be read."""
    part = encoded[: limit // 3 * 4]
    try:
        return binascii.a2b_base64(part[: len(part) // 4 * 4].encode("ascii", "replace"))
    except binascii.Error:
        return b""


def _png(data: bytes) -> tuple[int, int] | None:
    return struct.unpack(">II", data[16:24]) if len(data) >= 24 else None


def _gif(data: bytes) -> tuple[int, int] | None:
    return struct.unpack("<HH", data[6:10]) if len(data) >= 10 else None


def _webp(data: bytes) -> tuple[int, int] | None:
    if data[8:12] != b"WEBP" or len(data) < 30:
        return None
    form = data[12:16]
    if form == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        # A fill byte stands alone; every other segment before the frame says how long it is.
        at += 1 if marker == 0xFF else 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


_FORMATS = ((b"\x89PNG\r\n\x1a\n", _png), (b"\xff\xd8", _jpeg), (b"GIF8", _gif), (b"RIFF", _webp))


def image_size(encoded: str) -> tuple[int, int] | None:
    """Width and height in pixels of a base64 PNG, JPEG, GIF or WebP; None: cannot tell."""
    data = decode(encoded, HEAD)
    for magic, read in _FORMATS:
        if data.startswith(magic):
            size = read(data)
            return size if size and size[0] > 0 and size[1] > 0 else None
    return None


def audio_seconds(encoded: str, form: str) -> float:
    """How long a base64 recording is: exact for WAV with its usual header, rough for others."""
    size = len(encoded) * 3 // 4
    head = decode(encoded, 64)
    rate = BYTE_RATES.get(form, BYTE_RATE)
    if head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt " and len(head) >= 32:
        rate = int.from_bytes(head[28:32], "little") or rate
    return size / rate


def pdf_pages(encoded: str) -> int:
    """Pages of a base64 PDF, at least one; those inside compressed object streams are not seen."""
    return max(1, len(_PAGE.findall(decode(encoded, PDF_LIMIT))))
