"""A head that came before is admitted without the parser, and only such a head."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listener_bench import Bench, Client, FakeApplication, post, run_bench
from smuggling_payloads import BASELINE, OURS

from proxy.core.endpoints import Endpoint
from proxy.server.admission import Admission
from proxy.server.application import Identity
from proxy.server.familiar import MAX_REMEMBERED, FamiliarHead, remember
from proxy.server.inlet import LESSONS

ADMISSION = Admission(Identity("k"), Endpoint.CHAT)
FIELDS = [("Host", "localhost"), ("Content-Length", "12"), ("X-A", "first"), ("x-a", "second")]
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\nX-A: first\r\nx-a: second\r\n\r\n"
CANARY = post(b"canary", extra="Connection: close\r\n")


def known(head: bytes = HEAD) -> FamiliarHead:
    familiar = remember(head, ADMISSION, FIELDS)
    assert familiar is not None
    return familiar


def test_fields_are_kept_lower_case_the_first_of_a_name_and_without_the_length() -> None:
    assert known().headers == {"host": "localhost", "x-a": "first"}
    assert repr(known()) == f"<FamiliarHead of {len(HEAD) - 2} bytes>"


@pytest.mark.parametrize(("digits", "length"), [(b"12", 12), (b"0", 0), (b"007", 7), (b"9" * 15, 10**15 - 1)])
def test_another_length_is_the_same_head(digits: bytes, length: int) -> None:
    head = HEAD.replace(b"12", digits)
    assert known().recall(head + b"body") == (len(head), length)


@pytest.mark.parametrize(
    "digits", [b"", b"-1", b"+1", b"1 ", b" 1", b"0x1", b"1_0", b"1,1", "²".encode(), b"9" * 16, b"1\n"]
)
def test_what_is_not_digits_is_another_head(digits: bytes) -> None:
    assert known().recall(HEAD.replace(b"12", digits)) is None


@settings(deadline=None)
@given(st.data())
def test_any_other_byte_makes_another_head(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(HEAD) - 1))
    byte = data.draw(st.integers(0, 255))
    changed = HEAD[:at] + bytes([byte]) + HEAD[at + 1 :]
    digits = HEAD.index(b"12")
    same = changed == HEAD or (at in (digits, digits + 1) and 48 <= byte <= 57)
    assert (known().recall(changed) is not None) == same


@pytest.mark.parametrize("end", range(len(HEAD)))
def test_a_part_of_it_is_not_it(end: int) -> None:
    assert known().recall(HEAD[:end]) is None


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace(b"POST", b"GET"),
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"\r\n" + HEAD,
        HEAD.replace(b"Content-Length: 12\r\n", b""),
        HEAD.replace(b"X-A", b"content-length: 12\r\nX-A"),
        HEAD.replace(b"12", b"1" * 16),
        HEAD.replace(b"first", b"x" * MAX_REMEMBERED),
    ],
)
def test_heads_that_are_not_remembered(head: bytes) -> None:
    assert remember(head, ADMISSION, FIELDS) is None


def test_a_client_that_asks_before_it_sends_is_not_remembered() -> None:
    assert remember(HEAD, ADMISSION, [*FIELDS, ("Expect", "100-continue")]) is None


# On the wire.


async def ask(client: Client, request: bytes, body: bytes) -> None:
    await client.send(request)
    reply = await client.read_until(b"\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: %d\r\n" % len(body) in reply
    if body:
        assert (await client.read_until(body)) == body


def inlet_of(bench: Bench) -> object:
    [connection] = bench.plane.state.connections
    return connection._inlet  # type: ignore[attr-defined]


def scene(play: Callable[[Bench, Client], Awaitable[None]], app: FakeApplication | None = None, **changes: object) -> None:
    """`play` on a connection whose head has become familiar."""

    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        for body in (b"one", b"three"):
            await ask(client, post(body, extra=EXTRA), body)
        assert inlet_of(bench).familiar is not None  # type: ignore[attr-defined]
        bench.app.served.clear()
        await play(bench, client)

    run_bench(scenario, app=app, **changes)


EXTRA = "Authorization: Bearer s3cret\r\n"


def test_a_familiar_head_with_any_body_serves_the_same() -> None:
    async def play(bench: Bench, client: Client) -> None:
        for body in (b"", b"x", b"y" * 3000):
            await ask(client, post(body, extra=EXTRA), body)
        assert [request.body for request in bench.app.served] == [b"", b"x", b"y" * 3000]
        assert {request.headers["authorization"] for request in bench.app.served} == {"Bearer s3cret"}
        assert bench.plane.state.requests == 5

    scene(play)


@pytest.mark.parametrize("cut", [1, 40, len(post(b"", extra=EXTRA)), len(post(b"", extra=EXTRA)) + 5])
def test_cut_anywhere_it_serves_the_same(cut: int) -> None:
    async def play(bench: Bench, client: Client) -> None:
        body = b"abcdefghij"
        raw = post(body, extra=EXTRA)
        for _ in range(3):
            await client.send(raw[:cut])
            await asyncio.sleep(0.005)
            await ask(client, raw[cut:], body)

    scene(play)


def test_what_stands_behind_a_familiar_request_is_the_next_one() -> None:
    async def play(bench: Bench, client: Client) -> None:
        await client.send(post(b"left", extra=EXTRA) + post(b"right", extra=EXTRA) + CANARY)
        reply = await client.read_to_end()
        assert reply.count(b"HTTP/1.1 200 ") == 3
        assert [request.body for request in bench.app.served] == [b"left", b"right", b"canary"]

    scene(play)


def test_what_stands_behind_a_body_that_came_late_is_the_next_request() -> None:
    async def play(bench: Bench, client: Client) -> None:
        raw = post(b"first body", extra=EXTRA)
        await client.send(raw[:-4])
        await asyncio.sleep(0.005)
        await client.send(raw[-4:] + post(b"second", extra=EXTRA) + CANARY)
        reply = await client.read_to_end()
        assert reply.count(b"HTTP/1.1 200 ") == 3
        assert [request.body for request in bench.app.served] == [b"first body", b"second", b"canary"]

    scene(play)


@pytest.mark.parametrize("behind", [CANARY, post(b"more", extra=EXTRA) + CANARY])
@pytest.mark.parametrize("size", [10, 200_000])
def test_a_body_behind_its_head_goes_past_the_parser_and_nothing_of_the_next_with_it(size: int, behind: bytes) -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        body = bytes(range(256)) * (size // 256 + 1)
        raw = post(body, extra=EXTRA)
        head = raw.index(b"\r\n\r\n") + 4
        await client.send(raw[: head + 3])
        await asyncio.sleep(0.005)
        await client.send(raw[head + 3 :] + behind)
        reply = await client.read_to_end()
        assert reply.count(b"HTTP/1.1 200 ") == 1 + behind.count(b"POST ")
        assert bench.app.served[0].body == body
        assert bench.app.served[-1].body == b"canary"

    run_bench(scenario)


def test_a_key_that_is_gone_is_refused_on_a_familiar_head_too() -> None:
    app = FakeApplication(secret="s3cret")

    async def play(bench: Bench, client: Client) -> None:
        app.secret = "another"
        await client.send(post(b"late", extra=EXTRA))
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        assert app.served == []

    scene(play, app)


def test_a_familiar_head_with_a_body_over_the_limit_is_refused() -> None:
    async def play(bench: Bench, client: Client) -> None:
        await client.send(post(b"x" * 1001, extra=EXTRA))
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        assert bench.app.served == []

    scene(play, max_body=1000)


def test_a_body_past_the_parser_that_does_not_come_is_too_slow() -> None:
    async def play(bench: Bench, client: Client) -> None:
        await client.send(post(b"never whole", extra=EXTRA)[:-1])
        reply = await client.read_to_end()
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert bench.app.served == []

    scene(play, body_timeout=0.1)


def test_leaving_inside_a_body_past_the_parser_leaves_nothing_behind() -> None:
    async def play(bench: Bench, client: Client) -> None:
        await client.send(post(b"never whole", extra=EXTRA)[:-1])
        await asyncio.sleep(0.005)
        client.close()
        while bench.plane.open_connections:
            await asyncio.sleep(0.002)
        assert bench.app.served == []

    scene(play)


def test_a_draining_proxy_closes_behind_a_familiar_request() -> None:
    async def play(bench: Bench, client: Client) -> None:
        bench.plane.state.draining = True
        await client.send(post(b"last", extra=EXTRA))
        assert b"connection: close" in await client.read_to_end()

    scene(play)


def test_old_clients_that_keep_their_connection_are_answered_as_such_each_time() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        for _ in range(4):
            await client.send(post(b"old", extra="Connection: keep-alive\r\n", version="1.0"))
            assert b"connection: keep-alive\r\n" in await client.read_until(b"old")
        assert inlet_of(bench).familiar is None  # type: ignore[attr-defined]

    run_bench(scenario)


def test_heads_that_never_repeat_are_not_learned_for_ever() -> None:
    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        seen = set()
        for number in range(LESSONS + 6):
            await ask(client, post(b"b", extra=f"Traceparent: {number}\r\n"), b"b")
            seen.add(inlet_of(bench).familiar)  # type: ignore[attr-defined]
        assert len(seen) == 1 + LESSONS

    run_bench(scenario)


def test_half_a_head_is_never_taken_for_a_whole_one() -> None:
    """What was read with the request before and what is read now are one head together; the second part alone, though it
    looks like one, is not learned."""
    first = b"POST /v1/chat/completions HTTP/1.1\r\nX: "

    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        for body in (b"one", b"two"):
            await client.send(post(body) + first)
            await client.read_until(body)
            await ask(client, post(b"tail"), b"tail")
            familiar = inlet_of(bench).familiar  # type: ignore[attr-defined]
            assert familiar is None or familiar.headers == {"host": "localhost"}
            assert familiar is None or familiar.recall(post(b"tail")) is not None

    run_bench(scenario)


@pytest.mark.live
@pytest.mark.parametrize(("name", "raw", "verdict"), BASELINE + OURS, ids=[name for name, _, _ in BASELINE + OURS])
def test_smuggling_behind_familiar_requests_is_refused_or_read_once(name: str, raw: bytes, verdict: int | bytes) -> None:
    async def play(bench: Bench, client: Client) -> None:
        bench.app.pages.clear()
        await client.send(raw + CANARY)
        reply = await client.read_to_end()
        bodies = [request.body for request in bench.app.served]
        if isinstance(verdict, int):
            assert reply.startswith(b"HTTP/1.1 %d " % verdict), reply[:200]
            assert (reply.count(b"HTTP/1.1 "), bodies, bench.app.pages) == (1, [], [])
        else:
            assert reply.startswith(b"HTTP/1.1 200 ")
            assert bodies in ([verdict], [verdict, b"canary"])

    scene(play)
