import base64

from proxy.tokens.parts import Image, PromptParts

PIXELS = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (64).to_bytes(4, "big") * 2 + bytes(60)).decode()
URL = f"data:image/png;base64,{PIXELS}"


def test_text_is_kept_and_anything_else_is_not():
    parts = PromptParts()
    for value in ("hello", "", None, 5, ["x"], {"text": "x"}):
        parts.add_text(value)
    assert parts == PromptParts(texts=["hello"])


def test_media_inside_text_is_taken_out():
    parts = PromptParts()
    parts.add_text(f"before {URL} between data:audio/mp3;base64,{'A' * 64_000} after")
    assert parts.texts == ["before  between  after"]
    assert parts.images == [Image((64, 64), "auto")]
    assert parts.audio_seconds == 3
    assert parts.lower_bound


def test_urls():
    parts = PromptParts()
    parts.add_url(URL, "low")
    assert not parts.lower_bound
    parts.add_url("https://example.com/a.png", "high")
    parts.add_url(None, "auto")
    assert parts.images == [Image((64, 64), "low"), Image(None, "high"), Image(None, "auto")]
    assert parts.lower_bound


def test_other_media():
    parts = PromptParts()
    parts.add_media("application/pdf", base64.b64encode(b"%PDF /Type /Page").decode())
    assert parts.pages == 1
    parts.add_media("video/mp4", "AAAA")
    assert parts.lower_bound
    assert not parts.texts


def test_letters_that_were_taken_for_a_file():
    parts = PromptParts()
    parts.add_text("abc~4000~")
    parts.add_text("wavy~")
    assert (parts.texts, parts.unread) == (["abc", "wavy~"], 4000)
