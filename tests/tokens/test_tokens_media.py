import base64
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.tokens.media import DATA_URL, audio_seconds, decode, image_size, pdf_pages


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


def test_data_urls():
    found = DATA_URL.search("see data:image/png;charset=utf-8;base64," + "Q" * 80 + " there")
    assert (found[1], found[2]) == ("image/png", "Q" * 80)
    assert DATA_URL.search("data:text/plain;base64,aGk=") is None


def test_wav_is_measured_by_its_header():
    rate = 32_000
    head = b"RIFF" + bytes(4) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, rate, 2, 16)
    assert audio_seconds(b64(head + bytes(rate * 2 - len(head))), "wav") == pytest.approx(2, abs=0.01)


def test_other_sound_is_guessed():
    assert audio_seconds(b64(bytes(160_000)), "mp3") == pytest.approx(10, abs=0.1)
    assert audio_seconds(b64(bytes(96_000)), "pcm16") == pytest.approx(2, abs=0.1)
    assert audio_seconds(b64(b"RIFF" + bytes(4) + b"WAVEfmt " + bytes(48)), "wav") < 1


def test_pdf_pages():
    body = b"%PDF-1.7 /Type /Pages /Count 2 /Type /Page /x /Type/Page>>"
    assert pdf_pages(b64(body)) == 2
    assert pdf_pages(b64(b"%PDF compressed")) == 1
