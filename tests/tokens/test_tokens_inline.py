import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.tokens.inline import LEAST, STEP, find_media
from proxy.tokens.parts import PromptParts

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (64).to_bytes(4, "big") * 2 + bytes(400)).decode()


def b64(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (base64.b64decode(PNG), "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(300), "image/jpeg"),
        (b"GIF89a" + bytes(300), "image/gif"),
        (b"GIF87a" + bytes(300), "image/gif"),
        (b"RIFF\x24\x10\x05\0WEBPVP8 " + bytes(300), "image/webp"),
        (b"RIFF\x24\x10\x05\0WAVEfmt " + bytes(300), "audio/wav"),
        (b"%PDF-1.7" + bytes(300), "application/pdf"),
        (b"ID3\x04" + bytes(300), "audio/mp3"),
        (b"OggS\0" + bytes(300), "audio/ogg"),
        (b"\0\0\0\x20ftypisom" + bytes(300), "video/mp4"),
    ],
)
@pytest.mark.parametrize("before", ["", "see: ", '{"data":"'])
def test_files_are_known_by_how_they_begin(data, mime, before):
    encoded = b64(data)
    text = f'{before}{encoded}" and so on'
    (found,) = find_media(text)
    assert text[found.start : found.end] == encoded
    assert found.mime == mime


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "words " * 500,
        "see data:image/png;base64,short",
        "data:nonsense;base64," + "A" * 500,
        "x" * 5 + PNG,
        PNG[: LEAST - 1],
        "Z0eXB" * 100,
        b64(bytes(900)),
        "/9j/ " * 500,
    ],
)
def test_what_is_no_media(text):
    assert find_media(text) == []


def test_data_urls():
    text = f"a data:image/png;charset=utf-8;base64,{PNG} b data:audio/mp3;base64,{'A' * 80}."
    first, second = find_media(text)
    assert text[first.data : first.end] == PNG
    assert (text[second.start : second.end], second.mime) == ("data:audio/mp3;base64," + "A" * 80, "audio/mp3")


@pytest.mark.parametrize("line", [64, 76])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_base64_in_lines(line, end):
    lines = [PNG[at : at + line] for at in range(0, len(PNG), line)]
    text = "--\n" + end.join(lines) + "\n\nrest"
    (found,) = find_media(text)
    assert text[found.start : found.end].split() == lines


@settings(deadline=None, max_examples=40)
@given(
    st.text(alphabet="ab ,.{}\n", max_size=50), st.integers(0, 3 * STEP), st.text(alphabet=' ,."}', min_size=1, max_size=9)
)
def test_only_the_text_around_is_left(before, size, after):
    encoded = b64(b"\xff\xd8\xff\xe0" + bytes(LEAST + size))
    parts = PromptParts()
    parts.add_text(f"{before} {encoded}{after}")
    assert parts.texts == [f"{before} {after}"]
    assert len(parts.images) == 1


def test_a_screenshot_inside_json_inside_a_string():
    parts = PromptParts()
    parts.add_text(json.dumps({"result": [{"type": "image", "data": PNG, "mimeType": "image/png"}]}))
    assert parts.images[0].size == (64, 64)
    assert len(parts.texts[0]) < 100
