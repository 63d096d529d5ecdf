"""Vetting of request heads: pure functions from a parsed head to a refusal or None.

aiohttp's C parser (llhttp, strict) refuses most of what request smuggling needs: doubled or list lengths, a length
beside chunked, bare CR and LF, folded lines, control bytes. What it lets through and two servers could read differently is
closed here, and so are browsers: a page of another origin must not reach a proxy on loopback, neither by
its own name rebound to 127.0.0.1 (Host) nor by a form or a script (Origin, Sec-Fetch-Site).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol

from aiohttp.http import HttpVersion, HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from proxy.server.endpoints import HEALTH, SESSIONS
from proxy.server.refusals import (
    BAD_FRAMING,
    BAD_HEADER,
    BAD_HOST,
    BAD_SYNTAX,
    BAD_TARGET,
    BAD_VERSION,
    BODY_ON_GET,
    BODY_TOO_LARGE,
    ENCODED_BODY,
    EXPECTATION,
    FOREIGN_HOST,
    FOREIGN_ORIGIN,
    HEAD_TOO_LARGE,
    PREFLIGHT,
    WEBSOCKET,
    Refusal,
)
from proxy.wire.websocket import is_handshake

_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
#: Host values found good are remembered; a client that sends many different ones empties the memory.
_REMEMBERED = 256
#: A petabyte. aiohttp's parser takes 2^64-1 for "no body" and then swallows all that follows.
_LENGTH_DIGITS = 15
#: Headers that say where a body ends, what it is, or who sends it: there must be no second spelling of them.
_AMBIGUOUS = frozenset((b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"x-api-key"))


class Head(Protocol):
    """A request's head as aiohttp's parser gives it. `headers` finds names in any case."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def version(self) -> HttpVersion: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]: ...

    @property
    def upgrade(self) -> bool: ...


def split_authority(value: str) -> str | None:
    """The host of `host[:port]`, lower-case, without brackets and final dot; None: malformed."""
    match = _AUTHORITY.fullmatch(value)
    if match is None or len(value) > 260:
        return None
    name = match[1].lower()
    return name[1:-1] if name[0] == "[" else name.rstrip(".") or None


def is_loopback(name: str) -> bool:
    """localhost and its subdomains (RFC 6761), 127.0.0.0/8, ::1."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def judge_parse_error(error: HttpProcessingError) -> Refusal:
    """What the parser would not read. Its own words may quote the request's bytes, so they are not repeated to anybody."""
    if isinstance(error, LineTooLong) or "Too many headers" in error.message:
        return HEAD_TOO_LARGE
    return BAD_SYNTAX


@dataclass(slots=True)
class Rules:
    """What one listener accepts. `loopback`: it can only be reached from this machine. `hosts`: further names for
    it; on a public address an empty set means any name."""

    loopback: bool
    hosts: frozenset[str] = frozenset()
    max_body: int = 32 * 1024 * 1024
    remembered: set[str] = field(default_factory=set)


def make_rules(listen: str, hosts: tuple[str, ...], max_body: int) -> Rules:
    names = frozenset(host.lower().strip("[]").rstrip(".") for host in hosts)
    own = listen.lower().strip("[]")
    loopback = is_loopback(own)
    return Rules(loopback, names | {own} if names and not loopback else names, max_body)


def vet_head(message: Head, rules: Rules) -> Refusal | None:
    """Everything that can be told before knowing who asks and for what."""
    headers = message.headers
    coding, length = headers.get("transfer-encoding"), headers.get("content-length", "0")
    if message.version not in (HttpVersion11, HttpVersion10):
        return BAD_VERSION
    path = message.path
    if not path.startswith("/") or "#" in path or not path.isascii():
        return BAD_TARGET
    if coding is not None and (coding.lower() != "chunked" or message.version == HttpVersion10):
        return BAD_FRAMING
    if len(length) > _LENGTH_DIGITS:
        return BAD_FRAMING
    if not _readable(message.raw_headers):
        return BAD_HEADER
    if message.method in ("GET", "HEAD") and (coding is not None or length.strip("0")):
        return BODY_ON_GET
    if message.upgrade and headers.get("upgrade", "").lower() == "websocket" and not is_session(message):
        return WEBSOCKET
    if is_plain_check(message.version, path, headers):
        return None
    return vet_host(headers, rules)


def is_session(message: Head) -> bool:
    """The one upgrade that is served: a sound handshake for a realtime session."""
    return (
        message.method == "GET"
        and message.version == HttpVersion11
        and message.upgrade
        and message.path.partition("?")[0] in SESSIONS
        and is_handshake(message.raw_headers)
    )


def is_plain_check(version: HttpVersion, path: str, headers: Mapping[str, str]) -> bool:
    """A load balancer's plain health check: HTTP/1.0, where Host is optional. What a browser sends always has one."""
    return version == HttpVersion10 and "host" not in headers and path.partition("?")[0] in HEALTH


def _readable(headers: tuple[tuple[bytes, bytes], ...]) -> bool:
    # CGI-like servers before us read `a_b` and `a-b` as one name. Agents send `session_id`, which is nobody's other name.
    names = b"".join([name for name, _ in headers])
    if b"_" in names and any(b"_" in name and name.lower().replace(b"_", b"-") in _AMBIGUOUS for name, _ in headers):
        return False
    values = [value for _, value in headers]
    return b"".join(values).isascii() or all(map(_is_utf8, values))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def vet_host(headers: Mapping[str, str], rules: Rules) -> Refusal | None:
    """Host must be there, well-formed, and a name this listener goes by."""
    value = headers.get("host")
    if value is None:
        return BAD_HOST
    if value in rules.remembered:
        return None
    name = split_authority(value)
    if name is None:
        return BAD_HOST
    if (rules.loopback or rules.hosts) and not (name in rules.hosts or is_loopback(name)):
        return FOREIGN_HOST
    if len(rules.remembered) >= _REMEMBERED:
        rules.remembered.clear()
    rules.remembered.add(value)
    return None


def vet_preflight(method: str, headers: Mapping[str, str]) -> Refusal | None:
    """A browser's question before a cross-origin request. It never carries a key, so it is dealt with before keys are."""
    return PREFLIGHT if method == "OPTIONS" and "access-control-request-method" in headers else None


def vet_origin(method: str, headers: Mapping[str, str], rules: Rules) -> Refusal | None:
    """For listeners that ask for no key: nothing that a page of another origin has a browser send. Following a link to a
    page of ours is allowed, since the page it stands on cannot read the answer."""
    origin = headers.get("origin")
    if origin is not None:
        authority = origin.partition("://")[2].lower()
        if authority != headers.get("host", "").lower() and split_authority(authority) not in rules.hosts:
            return FOREIGN_ORIGIN
        return None
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return None
    return None if method == "GET" and headers.get("sec-fetch-mode") == "navigate" else FOREIGN_ORIGIN


def vet_body(message: Head, rules: Rules) -> Refusal | None:
    """What can be told of a body before it is read."""
    headers = message.headers
    length = headers.get("content-length")
    if length is not None and int(length) > rules.max_body:
        return BODY_TOO_LARGE
    if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        return ENCODED_BODY
    expectation = headers.get("expect")
    if expectation is not None and expectation.lower() != "100-continue":
        return EXPECTATION
    return None
