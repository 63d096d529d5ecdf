"""Base URLs and hosts: what may stand in them, and how far away they are."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from proxy.core.settings import Origin

#: Paths of single endpoints: a base URL that ends with one would have it twice.
_ENDPOINTS = ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")
_PRIVATE_SUFFIXES = (".local", ".internal", ".lan", ".home.arpa", ".localhost", ".test")


def is_loopback(host: str) -> bool:
    """This machine, by name or address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """This machine or a network that is not the internet: private addresses, names without a dot, local suffixes."""
    dotless = "." not in host.rstrip(".") and ":" not in host
    if dotless or is_loopback(host) or host.endswith(_PRIVATE_SUFFIXES):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def _split(text: str) -> tuple[SplitResult, str, int | None]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise ValueError("is not a URL; expected something like https://api.example.com/v1") from error
    return parts, host, port


def parse_base_url(text: str) -> Origin:
    """Where a provider listens. ValueError says what is wrong without repeating the URL, which may hold a secret."""
    parts, host, port = _split(text)
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must begin with https:// or http:// and a host, such as https://api.example.com/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password; use credentials:")
    if parts.query or "?" in text:
        raise ValueError("must not hold a query (?…)")
    if parts.fragment or "#" in text:
        raise ValueError("must not hold a fragment (#…)")
    if port == 0 or not parts.path.isascii() or any(character in parts.path for character in ' "<>\\^`{|}'):
        raise ValueError("holds a port or characters that cannot be part of a base URL")
    prefix = parts.path.rstrip("/")
    ending = next((ending for ending in _ENDPOINTS if prefix.endswith(ending)), None)
    if ending is not None:
        raise ValueError(f"must end before {ending}, which is added for each request")
    return Origin(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), prefix)
