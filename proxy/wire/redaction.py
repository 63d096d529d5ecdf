"""Cleaning of provider texts before anybody is shown them: no keys, no pages, no walls of text.

A provider may echo a key in its error text (OpenAI does, masked in the middle), and its edge may send a whole page
instead of an error. What leaves here is one bounded line of plain text.
"""

import re

MAX_TEXT = 500

#: What is looked at of a text at most, so that a hostile megabyte costs nothing.
_HORIZON = 4096

_MASK = "[redacted]"
_SECRETS = re.compile(
    r"""(?ix)
    (?<![a-z0-9]) (?:sk|pk|rk|gsk|fw|hf|xai|pplx|tgp|r8|nvapi|csk) [-_] [a-z0-9_\-*.]{6,}   # the vendors' prefixes
    | (?<![a-z0-9]) (?:AIza|AKIA|ASIA|ya29\.) [a-z0-9_\-*.]{8,}
    | (?<![a-z0-9]) eyJ [a-z0-9_\-]{8,} \. [a-z0-9_\-.]*                                    # a JSON web token
    """
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]{6,}")
_AFTER_KEY = re.compile(
    r"(?i)(key|token|secret)(\s+(?:provided|is|was)[^a-z0-9*]{1,4}|[^a-z0-9*]{1,4})([a-z0-9_\-*./+=]{8,})"
)
_TITLE = re.compile(r"(?is)<title[^>]{0,200}>(.{0,200}?)</title")
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """One line of at most `limit` characters with everything masked that looks like a key."""
    text = text[:_HORIZON].encode("utf-8", "replace").decode("utf-8")  # a lone surrogate could not be sent to anybody
    text = _BLANKS.sub(" ", text).strip()
    text = _SECRETS.sub(_MASK, text)
    text = _BEARER.sub(lambda found: f"{found[1]} {_MASK}", text)
    text = _AFTER_KEY.sub(_mask_after_key, text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _mask_after_key(found: re.Match[str]) -> str:
    # `key_not_found` and `token authentication` are words; a secret has digits or stars in it, or is very long.
    token = found[3]
    if len(token) >= 20 or any(sign.isdigit() or sign == "*" for sign in token):
        return f"{found[1]}{found[2]}{_MASK}"
    return found[0]


def is_page(body: bytes) -> bool:
    """Whether these bytes are an HTML or XML page rather than an error for programs."""
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<center", b"<title"))


def describe_page(body: bytes) -> str:
    """What to say of an HTML page: its title."""
    title = _TITLE.search(body[:_HORIZON].decode("utf-8", "replace"))
    words = clean(title[1], 100) if title else ""
    return f"HTML error page ({words})" if words else "HTML error page"
