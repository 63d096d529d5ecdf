"""One connection: order, bodies, expectations, keys before bodies, HTTP/1.0, HEAD."""

import asyncio
import json
import socket

import pytest
from listener_bench import CLOSE, JSON, Bench, FakeApplication, echo, get, post, run_bench, until

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, Downstream

pytestmark = pytest.mark.live

SECRET = "sk-test"
KEY = f"Authorization: Bearer {SECRET}\r\n"


def body_of(reply: bytes) -> bytes:
    return reply.split(b"\r\n\r\n", 1)[1]


def error_of(reply: bytes) -> dict[str, object]:
    return json.loads(body_of(reply))["error"]


def exchange(raw: bytes, app: FakeApplication | None = None, **changes: object) -> bytes:
    async def scenario(bench: Bench) -> bytes:
        return await bench.exchange(raw)

    return run_bench(scenario, app=app, **changes)


@pytest.mark.parametrize("prefix", ["/v1", ""])
@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/chat/completions", Endpoint.CHAT),
        ("/completions", Endpoint.COMPLETIONS),
        ("/embeddings", Endpoint.EMBEDDINGS),
    ],
)
def test_post_endpoints_reach_the_application(prefix: str, path: str, endpoint: Endpoint) -> None:
    app = FakeApplication(secret=SECRET)
    reply = exchange(post(b'{"a":1}', prefix + path + "?beta=1", KEY + CLOSE), app)
    assert body_of(reply) == b'{"a":1}'
    [request] = app.served
    assert (request.endpoint, request.body, request.key, request.routes) == (endpoint, b'{"a":1}', "tester", {"m"})
    assert request.headers.get("content-length") == "7"
    assert request.arrived > 0


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop], ids=["asyncio"])
def test_the_standard_loop_serves_as_well(loop_factory: object) -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.exchange(post(b"x" * 100_000) + post(b"y", extra=CLOSE))
        assert reply.count(b"200 OK") == 2
        client = await bench.connect()
        await client.send(get("/nope", extra=CLOSE))
        assert b"404" in await client.read_to_end()
        client.close()

    run_bench(scenario, loop_factory=asyncio.new_event_loop)


def test_keep_alive_serves_request_after_request() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        for number in range(50):
            body = b"body %03d" % number
            await client.send(post(body))
            assert (await client.read_until(body)).startswith(b"HTTP/1.1 200 OK\r\n")
        assert bench.plane.state.accepted == 1
        client.close()

    run_bench(scenario)


def test_pipelined_requests_are_answered_in_order_whatever_they_take() -> None:
    async def slow_first(request: ClientRequest, downstream: Downstream) -> None:
        await asyncio.sleep({b"a": 0.05, b"b": 0.0, b"c": 0.02}[request.body])
        await echo(request, downstream)

    app = FakeApplication(slow_first)
    raw = post(b"a") + get("/v1/models/1") + post(b"b") + get("/health") + post(b"c") + get("/nope", CLOSE)
    reply = exchange(raw, app)
    marks = [b"\r\n\r\na", b"/v1/models/1", b"\r\n\r\nb", b'"/health"', b"\r\n\r\nc", b"404"]
    places = [reply.index(mark) for mark in marks]
    assert places == sorted(places)
    assert [request.body for request in app.served] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("second", [post(b"same"), post(b"same\r\n\r\n"), get("/health")], ids=["twin", "odd body", "page"])
@pytest.mark.parametrize("first", [post(b"same"), post(b""), post(b"x\r\n\r\nsame")], ids=["body", "empty", "blank line"])
def test_two_requests_cut_anywhere_are_both_answered(first: bytes, second: bytes) -> None:
    """However reads fall, also where what stands behind a request looks just like it."""

    async def scenario(bench: Bench) -> None:
        raw = first + second
        for place in range(0, len(raw), 3):
            client = await bench.connect()
            await client.send(raw[:place])
            await asyncio.sleep(0)
            await client.send(raw[place:] + get("/v1/models/last", CLOSE))
            reply = await client.read_to_end()
            assert reply.count(b"HTTP/1.1 200 OK\r\n") == 3, place
            client.close()

    run_bench(scenario, app=FakeApplication(echo))


def test_what_is_pipelined_behind_a_call_is_bounded_and_served_later() -> None:
    gate: list[asyncio.Event] = []

    async def wait(request: ClientRequest, downstream: Downstream) -> None:
        await gate[0].wait()
        await echo(request, downstream)

    async def scenario(bench: Bench) -> None:
        gate.append(asyncio.Event())
        client = await bench.connect(SO_SNDBUF=16384)
        await client.send(post(b"first"))
        await until(lambda: len(bench.app.served) == 1)
        [connection] = bench.plane.state.connections
        many = [post(b"%05d" % number + b"x" * 3000) for number in range(1000)]
        sending = asyncio.create_task(client.send(b"".join(many) + get(extra=CLOSE)))
        await asyncio.sleep(0.1)
        assert 64 * 1024 < connection._backlog._size < 512 * 1024
        gate[0].set()
        reply = await client.read_to_end(8)
        await sending
        assert reply.count(b"200 OK") == 1002
        assert [request.body[:5] for request in bench.app.served[1:]] == [b"%05d" % number for number in range(1000)]
        client.close()

    run_bench(scenario, app=FakeApplication(wait), write_timeout=9.0)


def test_chunked_and_split_bodies_are_put_together() -> None:
    async def scenario(bench: Bench) -> None:
        head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        client = await bench.connect()
        for part in (head[:20], head[20:], b"3\r\nab", b"c\r\n", b"2\r\nde\r\n0\r", b"\n\r\n"):
            await client.send(part)
            await asyncio.sleep(0.005)
        assert b"abcde" in await client.read_to_end()
        client.close()

    run_bench(scenario)


def test_empty_body_reaches_the_application() -> None:
    app = FakeApplication()
    exchange(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n" + CLOSE.encode() + b"\r\n", app)
    assert app.served[0].body == b""


# -- keys


def test_without_a_key_nothing_of_the_body_is_read() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\nab")
        reply = await client.read_to_end()
        assert reply.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in reply
        assert b"x-should-retry: false" in reply
        assert b"x-request-id" not in reply
        error = error_of(reply)
        assert (error["code"], error["type"], error["param"]) == ("invalid_api_key", "invalid_request_error", None)
        assert set(error) == {"message", "type", "param", "code"}
        client.close()

    run_bench(scenario, app=FakeApplication(secret=SECRET))


def test_a_client_without_a_key_is_not_read_from_for_long() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect(SO_SNDBUF=16384)
        await client.send(post(b"", extra="", path="/v1/completions").replace(b"Length: 0", b"Length: 250000000"))
        with pytest.raises((ConnectionError, TimeoutError)):
            async with asyncio.timeout(2.5):
                await client.send(b"x" * 64_000_000)
        client.close()

    run_bench(scenario, app=FakeApplication(secret=SECRET), max_body=2**30)


def test_a_refused_client_that_sent_all_it_announced_may_go_on() -> None:
    app = FakeApplication(secret=SECRET)
    reply = exchange(post(b"no key") + post(b"with key", extra=KEY + CLOSE), app)
    assert reply.index(b" 401 ") < reply.index(b" 200 ")
    assert [request.body for request in app.served] == [b"with key"]


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_needs_no_key(path: str) -> None:
    assert exchange(get(path, CLOSE), FakeApplication(secret=SECRET)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/metrics", "/usage", "/v1/models", "/v1/models/x", "/models", "/nope"])
def test_everything_else_needs_one(path: str) -> None:
    assert exchange(get(path, CLOSE), FakeApplication(secret=SECRET)).startswith(b"HTTP/1.1 401 ")


# -- paths and methods


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "//v1/models",
        "/v1//models",
        "/v1/../v1/models",
        "/v1/%6dodels",
        "/v1/models/..;/x/../../usage/",
        "/V1/models",
        "/v1/chat/completions/",
        "/v1/chat%2fcompletions",
        "/health/",
        "/v1/responses/",
    ],
)
def test_paths_match_exactly_or_not_at_all(path: str) -> None:
    app = FakeApplication()
    reply = exchange(get(path, CLOSE), app)
    if path.startswith("/v1/models/"):
        assert app.pages == [(path, "")]
        return
    assert reply.startswith(b"HTTP/1.1 404 ")
    assert app.pages == []
    assert "POST /v1/chat/completions" in str(error_of(reply)["message"])
    assert error_of(reply)["code"] == "unknown_url"


def test_pages_get_path_and_query() -> None:
    app = FakeApplication()
    exchange(get("/models/a%2Fb?x=1&y=?") + get("/usage?z", CLOSE), app)
    assert app.pages == [("/v1/models/a%2Fb", "x=1&y=?"), ("/usage", "z")]


@pytest.mark.parametrize(("extra", "theirs"), [("", False), ("anthropic-version: 2023-06-01\r\n", True)])
def test_pages_know_clients_of_anthropic(extra: str, theirs: bool) -> None:
    assert (b"for Anthropic's clients" in exchange(get("/v1/models?limit=20", extra + CLOSE))) is theirs


def test_a_page_that_does_not_exist_is_404() -> None:
    assert exchange(get("/v1/models/none", CLOSE)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", b"allow: POST\r\n"),
        ("DELETE", "/embeddings", b"allow: POST\r\n"),
        ("OPTIONS", "/v1/completions", b"allow: POST\r\n"),
        ("POST", "/v1/models", b"allow: GET, HEAD\r\n"),
        ("DELETE", "/health", b"allow: GET, HEAD\r\n"),
    ],
)
def test_other_methods_are_405(method: str, path: str, allowed: bytes) -> None:
    reply = exchange(get(path, CLOSE, method))
    assert reply.startswith(b"HTTP/1.1 405 ")
    assert allowed in reply
    assert b"access-control" not in reply.lower()


def test_head_is_get_without_the_body() -> None:
    reply = exchange(get("/health", method="HEAD") + get("/health", CLOSE))
    first, second = reply.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert body_of(first) == b""
    assert body_of(second) == b'{"page":"/health"}'
    assert b"content-length: 18" in first
    assert body_of(exchange(get("/nope", CLOSE, "HEAD"))) == b""


# -- bodies that are refused


def test_a_body_announced_too_large_is_refused_at_once() -> None:
    raw = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 262145\r\n\r\n"
    reply = exchange(raw)
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in reply
    assert b"100 Continue" not in reply


def test_a_large_body_is_read_away_so_that_the_refusal_arrives() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect(SO_SNDBUF=16384)
        sending = asyncio.create_task(client.send(post(b"x" * 500_000)))
        reply = await client.read_to_end()
        assert reply.startswith(b"HTTP/1.1 413 ")
        client.close()
        await asyncio.gather(sending, return_exceptions=True)

    run_bench(scenario)


@pytest.mark.parametrize("size", [1, 65536], ids=["tiny chunks", "large chunks"])
def test_a_chunked_body_is_cut_when_it_grows_too_large(size: int) -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
        sending = asyncio.create_task(client.send(chunk * (2_000_000 // len(chunk))))
        reply = await client.read_to_end()
        assert reply.startswith(b"HTTP/1.1 413 ")
        client.close()
        await asyncio.gather(sending, return_exceptions=True)
        assert bench.app.served == []

    run_bench(scenario)


def test_a_body_of_exactly_the_limit_passes() -> None:
    app = FakeApplication()
    assert exchange(post(b"x" * 262144, extra=CLOSE), app).startswith(b"HTTP/1.1 200 ")
    assert len(app.served[0].body) == 262144


@pytest.mark.parametrize("coding", ["gzip", "br", "x-gzip", "gzip, identity"])
def test_compressed_requests_are_415(coding: str) -> None:
    assert exchange(post(extra=f"Content-Encoding: {coding}\r\n" + CLOSE)).startswith(b"HTTP/1.1 415 ")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"])
def test_the_content_type_does_not_matter(kind: str) -> None:
    assert exchange(post(extra=f"Content-Type: {kind}\r\n" + CLOSE)).startswith(b"HTTP/1.1 200 ")


# -- Expect


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(post(b"12345", extra="Expect: 100-Continue\r\n")[:-5])
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"12345")
        assert (await client.read_until(b"12345")).startswith(b"HTTP/1.1 200 ")
        client.close()

    run_bench(scenario)


def test_a_client_that_did_not_wait_is_not_told() -> None:
    assert exchange(post(b"12345", extra="Expect: 100-continue\r\n" + CLOSE)).startswith(b"HTTP/1.1 200 ")


def test_other_expectations_are_417() -> None:
    assert exchange(post(extra="Expect: 200-ok\r\n" + CLOSE)).startswith(b"HTTP/1.1 417 ")


def test_a_client_without_a_key_that_asks_first_is_refused_instead() -> None:
    raw = post(b"12345", extra="Expect: 100-continue\r\n")[:-5]
    assert exchange(raw, FakeApplication(secret=SECRET)).startswith(b"HTTP/1.1 401 ")


# -- HTTP/1.0


async def stream(request: ClientRequest, downstream: Downstream) -> None:
    downstream.start(200, JSON, None)
    for _ in range(3):
        downstream.write(b"abc")
        await asyncio.sleep(0)
    downstream.write(b"")
    downstream.finish()


def test_streams_are_chunked_and_keep_the_connection() -> None:
    reply = exchange(post() + post(extra=CLOSE), FakeApplication(stream))
    assert reply.count(b"transfer-encoding: chunked\r\n") == 2
    assert reply.count(b"\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n") == 2
    assert reply.count(b"connection: close") == 1


def test_old_clients_get_streams_up_to_the_end_of_the_connection() -> None:
    reply = exchange(post(version="1.0", extra="Connection: keep-alive\r\n"), FakeApplication(stream))
    assert body_of(reply) == b"abcabcabc"
    assert b"transfer-encoding" not in reply
    assert b"connection: close" in reply


def test_old_clients_may_keep_the_connection_for_whole_answers() -> None:
    keep = "Connection: keep-alive\r\n"
    reply = exchange(post(b"1", version="1.0", extra=keep) + get(version="1.0", extra=keep) + post(b"2", version="1.0"))
    assert reply.count(b"connection: keep-alive") == 2
    assert reply.count(b" 200 OK") == 3
    assert reply.endswith(b"2")


# -- browsers


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ("Origin: http://evil.test\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: http://localhost:9999\r\n", 403),
        ("Origin: http://localhost\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", 403),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("Sec-Fetch-Site: none\r\n", 200),
    ],
)
def test_pages_of_other_origins_are_refused_on_loopback(extra: str, status: int) -> None:
    app = FakeApplication()
    plain = "Content-Type: text/plain\r\n"
    for raw in (post(extra=extra + plain + CLOSE), get(extra=extra + CLOSE), get("/health", extra + CLOSE)):
        assert exchange(raw, app).startswith(b"HTTP/1.1 %d " % status)
    assert len(app.served) + len(app.pages) == (3 if status == 200 else 0)


def test_a_client_with_a_key_is_no_browser_trick() -> None:
    reply = exchange(post(extra=KEY + "Origin: app://editor\r\n" + CLOSE), FakeApplication(secret=SECRET))
    assert reply.startswith(b"HTTP/1.1 200 ")


def test_names_rebound_to_loopback_are_421() -> None:
    raw = get(extra=CLOSE).replace(b"localhost", b"evil.test")
    assert exchange(raw).startswith(b"HTTP/1.1 421 ")
    assert exchange(raw, hosts=("evil.test",)).startswith(b"HTTP/1.1 200 ")


# -- what the application does wrong


@pytest.mark.parametrize("keep", [True, False])
def test_an_application_that_fails_gives_a_plain_500(keep: bool) -> None:
    async def fail(request: ClientRequest, downstream: Downstream) -> None:
        if request.body == b"ok":
            await echo(request, downstream)
            return
        raise ZeroDivisionError("secret prompt")

    async def scenario(bench: Bench) -> None:
        reply = await bench.exchange(post(extra="" if keep else CLOSE) + (post(b"ok", extra=CLOSE) if keep else b""))
        assert reply.startswith(b"HTTP/1.1 500 ")
        assert b"secret" not in reply
        assert b"Traceback" not in reply
        assert reply.count(b" 200 OK") == keep
        assert bench.plane.state.failed == 1

    run_bench(scenario, app=FakeApplication(fail))


@pytest.mark.parametrize("raises", [True, False])
def test_a_stream_left_unfinished_cannot_be_taken_for_whole(raises: bool) -> None:
    async def half(request: ClientRequest, downstream: Downstream) -> None:
        downstream.start(200, JSON, None)
        downstream.write(b"abc")
        if raises:
            raise ZeroDivisionError

    async def scenario(bench: Bench) -> None:
        reply = await bench.exchange(post() + post())
        assert reply.endswith(b"\r\n\r\n3\r\nabc\r\n")
        assert bench.plane.state.failed == 1
        assert len(bench.app.served) == 1

    run_bench(scenario, app=FakeApplication(half))


def test_aborting_sends_what_was_written_and_no_end() -> None:
    async def cut(request: ClientRequest, downstream: Downstream) -> None:
        downstream.start(200, JSON, None)
        downstream.write(b"data: {error}\n\n")
        downstream.abort()
        downstream.write(b"more")
        downstream.finish()

    reply = exchange(post(), FakeApplication(cut))
    assert reply.endswith(b"f\r\ndata: {error}\n\n\r\n")


def test_aborting_resets_where_only_the_end_of_the_connection_marks_the_end() -> None:
    async def cut(request: ClientRequest, downstream: Downstream) -> None:
        downstream.start(200, JSON, None)
        downstream.write(b"abc")
        downstream.abort()

    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(post(version="1.0"))
        with pytest.raises(ConnectionResetError):
            await client.read_to_end()
        client.close()

    run_bench(scenario, app=FakeApplication(cut))


def test_sockets_are_set_not_to_delay() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        await client.send(get())
        await client.read_until(b"}")
        [connection] = bench.plane.state.connections
        raw = connection._outlet.transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        client.close()

    run_bench(scenario)
