"""Rules for heads, one at a time. Whole requests as raw bytes are in test_server_smuggling.py."""

import asyncio

import pytest
from aiohttp import http_exceptions
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage

from proxy.server import guard, refusals
from proxy.server.guard import (
    Rules,
    is_loopback,
    make_rules,
    split_authority,
    vet_body,
    vet_head,
    vet_host,
    vet_origin,
    vet_preflight,
)
from proxy.server.inlet import Unpaused


@pytest.fixture(name="parse")
def _parse():
    loop = asyncio.new_event_loop()

    def parse(raw: bytes) -> RawRequestMessage:
        parser = HttpRequestParser(Unpaused(loop), loop, 65536, auto_decompress=False, max_msg_queue_size=1)
        return parser.feed_data(raw)[0][0][0]

    yield parse
    loop.close()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8080", "localhost"),
        ("my_proxy:80", "my_proxy"),
        ("a.b-c.test.", "a.b-c.test"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::1]:8080", "::1"),
        ("", None),
        (".", None),
        ("a b", None),
        ("a/b", None),
        ("a?b", None),
        ("a#b", None),
        ("u@a", None),
        ("a:", None),
        ("a:x", None),
        ("a:123456", None),
        ("::1", None),
        ("[::1", None),
        ("[::1]x", None),
        ("a,b", None),
        ("a\x7f", None),
        ("ä.test", None),
        ("a:1\n", None),
        ("a:١", None),
        ("a" * 261, None),
    ],
)
def test_split_authority(value: str, name: str | None) -> None:
    assert split_authority(value) == name


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("localhost", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("127.0.0.1.evil.test", False),
        ("localhost.evil.test", False),
        ("notlocalhost", False),
        ("2130706433", False),
        ("0177.0.0.1", False),
        ("127.1", False),
    ],
)
def test_is_loopback(name: str, local: bool) -> None:
    assert is_loopback(name) is local


@pytest.mark.parametrize(
    ("listen", "hosts", "accepted", "refused"),
    [
        ("127.0.0.1", (), ["localhost:1", "[::1]", "127.0.0.1:80"], ["evil.test", "10.0.0.1", "proxy.lan"]),
        ("localhost", ("Proxy.LAN",), ["localhost", "proxy.lan:8080"], ["evil.test"]),
        ("::1", (), ["[::1]:8080"], ["evil.test"]),
        ("0.0.0.0", (), ["anything.test", "10.0.0.1"], []),
        ("10.0.0.5", ("proxy.lan",), ["proxy.lan", "10.0.0.5:8080", "localhost"], ["evil.test", "10.0.0.6"]),
    ],
)
def test_hosts_accepted(listen: str, hosts: tuple[str, ...], accepted: list[str], refused: list[str]) -> None:
    rules = make_rules(listen, hosts, 1000)
    for _ in range(2):  # the second time from memory
        assert [vet_host({"host": host}, rules) for host in accepted] == [None] * len(accepted)
        assert [vet_host({"host": host}, rules) for host in refused] == [refusals.FOREIGN_HOST] * len(refused)


def test_remembered_hosts_are_bounded() -> None:
    rules = make_rules("0.0.0.0", (), 1000)
    for number in range(1000):
        assert vet_host({"host": f"h{number}.test"}, rules) is None
        assert vet_host({"host": f"h{number} .test"}, rules) is refusals.BAD_HOST
    assert len(rules.remembered) <= guard._REMEMBERED


@pytest.mark.parametrize(
    ("method", "headers", "ok"),
    [
        ("POST", {}, True),
        ("POST", {"origin": "http://localhost:8080"}, True),
        ("POST", {"origin": "HTTP://LOCALHOST:8080"}, True),
        ("POST", {"origin": "http://localhost"}, False),
        ("POST", {"origin": "http://ui.lan:3000"}, True),
        ("POST", {"origin": "http://evil.test"}, False),
        ("POST", {"origin": "http://localhost:8080.evil.test"}, False),
        ("POST", {"origin": "null"}, False),
        ("POST", {"origin": ""}, False),
        ("GET", {"sec-fetch-site": "none"}, True),
        ("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, False),
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
        ("POST", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),
    ],
)
def test_origins(method: str, headers: dict[str, str], ok: bool) -> None:
    rules = Rules(loopback=True, hosts=frozenset({"ui.lan"}))
    verdict = vet_origin(method, {"host": "localhost:8080", **headers}, rules)
    assert verdict is (None if ok else refusals.FOREIGN_ORIGIN)


@pytest.mark.parametrize(
    ("extra", "verdict"),
    [
        (b"Content-Length: 1000\r\n", None),
        (b"Content-Length: 1001\r\n", refusals.BODY_TOO_LARGE),
        (b"Content-Encoding: identity\r\n", None),
        (b"Content-Encoding: gzip\r\n", refusals.ENCODED_BODY),
        (b"Expect: 100-continue\r\n", None),
        (b"Expect: tea\r\n", refusals.EXPECTATION),
    ],
)
def test_bodies_are_judged_by_their_heads(parse, extra: bytes, verdict: refusals.Refusal | None) -> None:
    message = parse(b"POST /x HTTP/1.1\r\nHost: localhost\r\n" + extra + b"\r\n")
    rules = make_rules("127.0.0.1", (), 1000)
    assert vet_head(message, rules) is None
    assert vet_body(message, rules) is verdict


def test_header_text_may_be_utf8_but_nothing_else(parse) -> None:
    rules = make_rules("127.0.0.1", (), 1000)
    raw = b"GET /x HTTP/1.1\r\nHost: localhost\r\nX: %b\r\n\r\n"
    assert vet_head(parse(raw % "grüß".encode()), rules) is None
    assert vet_head(parse(raw % "grüß".encode("latin-1")), rules) is refusals.BAD_HEADER


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        (b"session_id", None),  # Codex, pi
        (b"Conversation_ID", None),
        (b"X_Api_Key", refusals.BAD_HEADER),
        (b"content_TYPE", refusals.BAD_HEADER),
        (b"Content_Length", refusals.BAD_HEADER),
    ],
)
def test_no_header_that_counts_has_a_second_spelling(parse, name: bytes, verdict: refusals.Refusal | None) -> None:
    raw = b"GET /x HTTP/1.1\r\nHost: localhost\r\n%b: 1\r\n\r\n" % name
    assert vet_head(parse(raw), make_rules("127.0.0.1", (), 1000)) is verdict


def test_parse_errors_never_quote_the_request() -> None:
    long = http_exceptions.LineTooLong(b"secret", 8190)
    many = http_exceptions.BadHttpMessage("Too many headers received")
    other = http_exceptions.BadHttpMessage("Invalid: secret")
    assert guard.judge_parse_error(long) is guard.judge_parse_error(many) is refusals.HEAD_TOO_LARGE
    assert guard.judge_parse_error(other) is refusals.BAD_SYNTAX


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        (b"GET /health HTTP/1.0\r\n\r\n", None),
        (b"HEAD /health/ready?x HTTP/1.0\r\n\r\n", None),
        (b"GET /usage HTTP/1.0\r\n\r\n", refusals.BAD_HOST),
        (b"GET /health/ HTTP/1.0\r\n\r\n", refusals.BAD_HOST),
        (b"GET /health HTTP/1.0\r\nHost: evil.test\r\n\r\n", refusals.FOREIGN_HOST),
        (b"GET /health HTTP/1.0\r\nHost:\r\n\r\n", refusals.BAD_HOST),
        (b"GET /health HTTP/1.0\r\nContent-Length: 3\r\n\r\n", refusals.BODY_ON_GET),
    ],
)
def test_plain_checks_of_load_balancers_may_lack_a_host(parse, raw: bytes, verdict: refusals.Refusal | None) -> None:
    assert vet_head(parse(raw), make_rules("127.0.0.1", (), 1000)) is verdict


def test_browsers_are_told_plainly_that_they_are_not_served() -> None:
    preflight = {"origin": "http://ui.test", "access-control-request-method": "POST"}
    assert vet_preflight("OPTIONS", preflight) is refusals.PREFLIGHT
    assert vet_preflight("POST", preflight) is None
    assert vet_preflight("OPTIONS", {"origin": "http://ui.test"}) is None
    for refusal in (refusals.PREFLIGHT, refusals.FOREIGN_ORIGIN):
        assert "Browsers are not served" in refusal.message
        assert "server.hosts" not in refusal.message
