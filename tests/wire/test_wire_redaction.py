import pytest

from proxy.wire.redaction import clean, describe_page, is_page


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456789",
        "sk-abcd********wxyz",
        "gsk_abcdef123456",
        "xai-abcdef123456",
        "hf_abcdefghijkl",
        "AIzaSyA-1234567890abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig",
    ],
)
def test_keys_are_masked_wherever_they_stand(secret: str) -> None:
    for text in (f"Incorrect API key provided: {secret}.", f"({secret})", f"bad key '{secret}' used"):
        assert secret not in clean(text)
        assert "[redacted]" in clean(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"),
        ("invalid key abcdefghijklmnopqrstuv", "invalid key [redacted]"),
        ("API key provided: 12ab34cd", "API key provided: [redacted]"),
        ("token=abcd1234efgh", "token=[redacted]"),
        ("the token authentication failed", "the token authentication failed"),
        ("missing key: messages", "missing key: messages"),
        ("maximum context length is 8192 tokens", "maximum context length is 8192 tokens"),
        ("  a\n\tb\x00c  ", "a b c"),
        ("lone \ud83d half", "lone ? half"),
    ],
)
def test_words_stay_and_secrets_go(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_long_texts_are_cut() -> None:
    assert len(clean("x " * 10_000)) == 500
    assert clean("abcdef", 4) == "abc…"


@pytest.mark.parametrize("body", [b"<!DOCTYPE html>", b"\n <HTML>", b"\xef\xbb\xbf<html>", b"<?xml version='1.0'?>"])
def test_pages_are_known(body: bytes) -> None:
    assert is_page(body)


@pytest.mark.parametrize("body", [b"", b"{}", b"plain <html>", b"<data>"])
def test_other_bodies_are_no_pages(body: bytes) -> None:
    assert not is_page(body)


def test_a_page_is_told_by_its_title() -> None:
    assert describe_page(b"<html><head><TITLE lang=en>\n 502 Bad\n Gateway </title>") == "HTML error page (502 Bad Gateway)"
    assert describe_page(b"<html><title></title>") == "HTML error page"
