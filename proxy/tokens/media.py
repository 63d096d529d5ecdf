"""Looking at inline media without tokenising it: image sizes, lengths of audio, pages of PDF files.

Base64 of a picture is thousands of times larger as text than what a model is billed for it, so it is taken out before
anything is counted (`inline.py` finds it). Only the first 64 KB of an image are decoded. Nothing is ever fetched. Bytes that
make no sense give None or a rough figure, never an error: they are the client's. Base64 may have been clipped
(`unpacking.py`): then it ends with the number of characters that are missing, between two tildes.
"""

import binascii
import re
import struct

_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")

HEAD = 64 * 1024
PDF_LIMIT = 8 * 1024 * 1024
#: Bytes decoded at a time, and how many of them are looked at again with the next ones.
STEP = 48 * 1024
OVERLAP = 32

#: Bytes a second, for sound whose header does not tell: MP3 at 128 kbit/s, raw 16-bit PCM at 24 kHz.
BYTE_RATES = {"pcm16": 48_000, "pcm": 48_000, "l16": 48_000}
BYTE_RATE = 16_000
#: Length of the data in a WAV header that was written before it was known.
_ENDLESS = 0xFFFF_FFFF

#: kbit/s of an MPEG-1 and of an MPEG-2 layer III frame by the index in its header, samples a second likewise.
_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_SAMPLES_1 = (44_100, 48_000, 32_000, 0)

#: JPEG markers that carry the frame's size; C4, C8 and CC in their midst are something else.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def clip_mark(missing: int) -> bytes:
    """What stands at the end of base64 of which so many characters were cut off."""
    return b"~%d~" % missing


def missing_of(encoded: str) -> tuple[int, int]:
    """How many characters were cut off, and how long the mark is that says so."""
    if encoded.endswith("~"):
        missing = encoded[-24:-1].rpartition("~")[2]
        if missing.isdecimal():
            return int(missing), len(missing) + 2
    return 0, 0


def size_of(encoded: str) -> int:
    """Bytes that base64 text stands for, clipped or not."""
    missing, mark = missing_of(encoded)
    return (len(encoded) + missing - mark) * 3 // 4


def decode(encoded: str, limit: int, start: int = 0) -> bytes:
    """The first `limit` bytes of base64 text from character `start` (a multiple of 4) on, as far as they can be read."""
    part = encoded[start : start + limit // 3 * 4]
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
    """How long a base64 recording is: exact for WAV, as its first frame says for MP3, rough for others."""
    size = size_of(encoded)
    head = decode(encoded, 4096)
    seconds = _wav(head, size) if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else _mp3(head, size)
    return size / BYTE_RATES.get(form, BYTE_RATE) if seconds is None else seconds


def _wav(head: bytes, size: int) -> float | None:
    """By its chunks: what a second takes, and how much sound there is."""
    rate, at = 0, 12
    while at + 8 <= len(head):
        name, length = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt " and at + 20 <= len(head):
            rate = int.from_bytes(head[at + 16 : at + 20], "little")
        if name == b"data":
            there = max(0, size - at - 8)
            return (there if length == _ENDLESS else min(length, there)) / rate if rate else None
        at += 8 + length + length % 2
    return size / rate if rate else None


def _mp3(head: bytes, size: int) -> float | None:
    """By its first frame: whole where a table at its start counts the frames, else as if all had its bit rate."""
    at = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        at = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    if at + 4 > len(head) or head[at] != 0xFF or head[at + 1] & 0xE6 != 0xE2:
        return None
    first = head[at + 1] & 0x18 == 0x18
    half = 1 if first else 2 if head[at + 1] & 0x10 else 4
    rate = (_RATES_1 if first else _RATES_2)[head[at + 2] >> 4] * 125
    samples = _SAMPLES_1[head[at + 2] >> 2 & 3] // half
    if not rate or not samples:
        return None
    table = max(head.find(b"Xing", at, at + 200), head.find(b"Info", at, at + 200))
    if table > 0 and head[table + 7] & 1:
        return int.from_bytes(head[table + 8 : table + 12], "big") * (1152 if first else 576) / samples
    return max(0, size - at) / rate


def pdf_pages(encoded: str) -> int:
    """Pages of a base64 PDF, at least one; those inside compressed object streams are not seen."""
    pages, before = 0, b""
    whole, step = min(len(encoded), PDF_LIMIT // 3 * 4), STEP // 3 * 4
    for start in range(0, whole, step):
        data = before + decode(encoded, STEP, start)
        # What begins in the last bytes is left for the next step, which sees what follows it.
        limit = len(data) if start + step >= whole else max(0, len(data) - OVERLAP)
        pages += sum(found.start() < limit for found in _PAGE.finditer(data))
        before = data[limit:]
    return max(1, pages)
