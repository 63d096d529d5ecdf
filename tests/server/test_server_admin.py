"""The admin plane: pages, explanations, and the same rules about who may ask."""

import asyncio
import json
from dataclasses import replace

import pytest
from listener_bench import CLOSE, QUICK, Bench, FakeApplication, get

from proxy.server.admin import AdminPlane

pytestmark = pytest.mark.live


def ask(*requests: bytes, app: FakeApplication | None = None, **changes: object) -> list[bytes]:
    fake = app or FakeApplication()

    async def play() -> list[bytes]:
        plane = AdminPlane(fake, replace(QUICK, admin_port=0, **changes))
        host, port = await plane.start()
        bench = Bench(None, fake, host, port)
        try:
            return [await bench.exchange(raw) for raw in requests]
        finally:
            await plane.stop()
            await plane.stop()

    return asyncio.run(play())


def admin(path: str, extra: str = "", method: str = "GET") -> bytes:
    return get(path, extra + CLOSE, method)


def test_pages_and_index() -> None:
    app = FakeApplication()
    index, health, usage, alerts = ask(admin("/"), admin("/health"), admin("/usage?x=1"), admin("/alerts"), app=app)
    assert b"/explain" in index
    assert b"/alerts" in index
    assert alerts.endswith(b'{"object":"alerts"}')
    assert health.endswith(b'{"page":"/health"}')
    assert b"cache-control: no-store" in usage.lower()
    assert app.pages == [("/health", ""), ("/usage", "x=1")]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("model=gpt-5", b"gpt-5 False False 0"),
        ("model=a%2Fb&tools=1&images=true&tokens=1200", b"a/b True True 1200"),
        ("model=m&tools=0&images=no", b"m False False 0"),
    ],
)
def test_explain(query: str, answer: bytes) -> None:
    [reply] = ask(admin(f"/explain?{query}"))
    assert reply.endswith(answer)


def test_report_is_asked_with_what_the_query_says() -> None:
    [reply] = ask(admin("/report?by=key%2Cday&premium=1"))
    assert reply.endswith(b'{"by": "key,day", "premium": "1"}')


@pytest.mark.parametrize(
    ("query", "param"),
    [("", "model"), ("model=m&tokens=many", "tokens"), ("model=m&tokens=-1", "tokens"), ("model=m&tools=maybe", "tools")],
)
def test_explain_says_what_is_wrong_with_a_question(query: str, param: str) -> None:
    [reply] = ask(admin(f"/explain?{query}"))
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert json.loads(reply.split(b"\r\n\r\n", 1)[1])["error"]["param"] == param


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/chat/completions", "/nope", "//health", "/health/..%2fusage", "/usage/"]
)
def test_other_paths_are_404(path: str) -> None:
    app = FakeApplication()
    [reply] = ask(admin(path), app=app)
    assert reply.startswith(b"HTTP/1.1 404 ")
    assert app.pages == []


def test_nothing_can_be_changed() -> None:
    replies = ask(
        *(
            admin(path, method=method)
            for path in ("/", "/usage", "/explain", "/report")
            for method in ("POST", "PUT", "DELETE")
        )
    )
    assert all(reply.startswith(b"HTTP/1.1 405 ") for reply in replies)


KEY = "Authorization: Bearer s\r\n"
PLAIN = b"GET %b HTTP/1.0\r\n\r\n"


def statuses(*requests: bytes, app: FakeApplication, **changes: object) -> list[bytes]:
    return [reply.split()[1] for reply in ask(*requests, app=app, **changes)]


def test_on_loopback_no_key_is_asked_for_but_hosts_and_origins_are_checked() -> None:
    told = statuses(
        admin("/usage"),
        admin("/metrics"),
        admin("/explain?model=m"),
        admin("/health"),
        admin("/usage").replace(b"localhost", b"evil.test"),
        admin("/usage").replace(b"localhost", b"a?/admin#"),
        admin("/health", "Origin: http://evil.test\r\n"),
        admin("/usage", "Origin: http://evil.test\r\n"),
        admin("/usage", "Access-Control-Request-Method: GET\r\n", "OPTIONS"),
        PLAIN % b"/health/ready",
        PLAIN % b"/usage",
        app=FakeApplication(secret="s"),
    )
    assert told == [b"200"] * 4 + [b"421", b"400", b"403", b"403", b"403", b"200", b"400"]


@pytest.mark.parametrize(
    ("secret", "routes", "usage"),
    [("s", None, [b"401", b"200"]), ("s", frozenset({"m"}), [b"401", b"403"]), (None, None, [b"401", b"401"])],
)
def test_elsewhere_it_takes_a_key_for_everything(
    secret: str | None, routes: frozenset[str] | None, usage: list[bytes]
) -> None:
    app = FakeApplication(secret=secret, routes=routes)
    for path in ("/usage", "/metrics", "/explain?model=m", "/report", "/"):
        assert statuses(admin(path), admin(path, KEY), app=app, admin_host="0.0.0.0") == usage
    assert statuses(admin("/health"), admin("/health/ready"), app=app, admin_host="0.0.0.0") == [b"200", b"200"]


def test_without_an_admin_port_there_is_nothing_to_start() -> None:
    with pytest.raises(ValueError, match="admin port"):
        asyncio.run(AdminPlane(FakeApplication(), replace(QUICK, admin_port=None)).start())
