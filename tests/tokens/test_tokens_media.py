import base64
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.tokens.media import STEP, audio_seconds, clip_mark, decode, image_size, pdf_pages, size_of


def png(width, height):
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x06\0\0\0" + bytes(40)


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(40)


def jpeg(width, height, before=b""):
    app = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    frame = b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)
    return b"\xff\xd8" + app + before + frame + bytes(40)


def webp(form, payload):
    return b"RIFF" + struct.pack("<I", 100) + b"WEBP" + form + struct.pack("<I", 50) + payload + bytes(40)


def b64(data):
    return base64.b64encode(data).decode()


VP8 = webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480))
VP8L = webp(b"VP8L", b"\x2f" + ((640 - 1) | (480 - 1) << 14).to_bytes(4, "little"))
VP8X = webp(b"VP8X", bytes(4) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little"))
HUFFMAN = b"\xff\xc4" + struct.pack(">H", 6) + bytes(4)


@pytest.mark.parametrize(
    "data",
    [png(640, 480), gif(640, 480), jpeg(640, 480), jpeg(640, 480, HUFFMAN), jpeg(640, 480, b"\xff"), VP8, VP8L, VP8X],
    ids=["png", "gif", "jpeg", "jpeg with a huffman table", "jpeg with a fill byte", "vp8", "vp8l", "vp8x"],
)
def test_image_sizes(data):
    assert image_size(b64(data)) == (640, 480)


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "!!!!",
        "AAAAA",
        b64(b"BM not supported here" * 10),
        b64(png(0, 480)),
        b64(png(640, 480)[:18]),
        b64(gif(1, 1)[:8]),
        b64(b"RIFF" + bytes(60)),
        b64(webp(b"ABCD", bytes(30))),
        b64(b"\xff\xd8\xff\xe0\xff\xff"),
        b64(b"\xff\xd8junk instead of a marker"),
        "日本" * 50,
    ],
)
def test_images_of_unknown_size(encoded):
    assert image_size(encoded) is None


@settings(deadline=None)
@given(st.binary(max_size=120), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"GIF8", b"RIFF", b""]))
def test_any_bytes_have_a_size_or_none(data, magic):
    size = image_size(b64(magic + data))
    assert size is None or min(size) > 0


def test_only_the_head_is_decoded():
    assert len(decode("A" * 1_000_000, 64 * 1024)) <= 64 * 1024
    assert decode("AAAA=AAA", 64) in (b"\0\0\0", b"")


RATE = 32_000


def wav(data, *, length=None, extra=b""):
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, RATE, 2, 16)
    length = len(data) if length is None else length
    return b"RIFF" + bytes(4) + b"WAVE" + form + extra + b"data" + struct.pack("<I", length) + data


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (wav(bytes(RATE * 2)), 2),
        (wav(bytes(RATE * 2), extra=b"LIST" + struct.pack("<I", 3) + bytes(4)), 2),
        (wav(bytes(RATE * 2) + b"LIST" + bytes(900), length=RATE * 2), 2),
        (wav(bytes(RATE), length=0xFFFF_FFFF), 1),
        (wav(bytes(RATE), length=RATE * 50), 1),
    ],
    ids=["plain", "with a chunk before", "with chunks after", "length not known", "length beyond its end"],
)
def test_wav_is_exact(data, seconds):
    assert audio_seconds(b64(data), "wav") == pytest.approx(seconds, abs=0.0002)


def test_wav_without_sound_or_rate():
    head = b"RIFF" + bytes(4) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, RATE, 2, 16)
    assert audio_seconds(b64(head + b"junk" + struct.pack("<I", 10**6) + bytes(RATE)), "wav") == pytest.approx(1, abs=0.01)
    none = b"RIFF" + bytes(4) + b"WAVEdata" + struct.pack("<I", 8) + bytes(16_000)
    assert audio_seconds(b64(none), "wav") == pytest.approx(1, abs=0.01)


#: MPEG-1 layer III, 64 kbit/s, 44.1 kHz; MPEG-2, 64 kbit/s, 22.05 kHz.
FRAME_1, FRAME_2 = b"\xff\xfb\x50\x00", b"\xff\xf3\x80\x00"


def test_mp3_by_its_first_frame():
    assert audio_seconds(b64(FRAME_1 + bytes(8000 - 4)), "mp3") == pytest.approx(1, abs=0.001)
    assert audio_seconds(b64(FRAME_2 + bytes(8000 - 4)), "mp3") == pytest.approx(1, abs=0.001)
    tagged = b"ID3\x04\0\0\0\0\x01\0" + bytes(128) + FRAME_1 + bytes(8000 - 4)
    assert audio_seconds(b64(tagged), "mp3") == pytest.approx(1, abs=0.001)


def test_mp3_with_a_table_is_exact():
    table = bytes(32) + b"Xing" + struct.pack(">II", 1, 383)
    assert audio_seconds(b64(FRAME_1 + table + bytes(5000)), "mp3") == pytest.approx(383 * 1152 / 44_100)


@pytest.mark.parametrize("head", [b"\xff\xfb\xf0\0", b"\xff\xfb\x5c\0", b"\xff\xe3\x00\0", b"ID3\4\0\0\x7f\x7f\x7f\x7f"])
def test_mp3_whose_frame_says_nothing_is_guessed(head):
    assert audio_seconds(b64(head + bytes(16_000 - 4)), "mp3") == pytest.approx(1, abs=0.01)


def test_other_sound_is_guessed():
    assert audio_seconds(b64(bytes(160_000)), "ogg") == pytest.approx(10, abs=0.1)
    assert audio_seconds(b64(bytes(96_000)), "pcm16") == pytest.approx(2, abs=0.1)
    assert audio_seconds("", "mp3") == 0


def test_clipped_base64_knows_its_size():
    whole = b64(bytes(90_000))
    assert size_of(whole) == 90_000
    assert size_of(whole[:40_000] + clip_mark(80_000).decode()) == 90_000
    assert size_of("AAAA~") == 3


def test_pdf_pages():
    body = b"%PDF-1.7 /Type /Pages /Count 2 /Type /Page /x /Type/Page>>"
    assert pdf_pages(b64(body)) == 2
    assert pdf_pages(b64(b"%PDF compressed")) == 1
    assert pdf_pages("") == 1


@settings(deadline=None, max_examples=50)
@given(st.integers(-60, 60), st.integers(0, 3))
def test_pages_are_counted_once_wherever_they_stand(shift, more):
    page = b"/Type /Page "
    body = b"x" * (STEP + shift) + page * (1 + more) + b"x" * STEP + page
    assert pdf_pages(b64(body)) == 2 + more
