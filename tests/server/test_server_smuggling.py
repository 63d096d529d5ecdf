"""Every payload has one interpretation or none; what stands behind a refused one is never read as a request."""

import asyncio

import h11
import pytest
from listener_bench import CLOSE, Bench, FakeApplication, post, run_bench
from smuggling_payloads import BASELINE, OURS, Payload

PAYLOADS = BASELINE + OURS
CANARY = post(b"canary", extra=CLOSE)

#: What h11, an independent strict parser, lets through although it must not pass here: each with our reason.
H11_ACCEPTS = {
    # Doubled equal lengths may be merged (RFC 9110 8.6); we need no such client.
    "length-twice-equal", "length-list",
    # h11 leaves targets, versions below 1.1 and hosts to its user, and takes bare LF, folding and any header count.
    "absolute-form", "underscore-name", "host-with-path", "version-0.9", "get-with-length", "get-with-chunks",
    "bare-lf-in-headers", "bare-lf-everywhere", "folded-line", "folded-coding", "129-headers", "field-over-8190",
    "1.0-chunked", "version-2.0",
    # RFC 9112 6.3 lets a server ignore the length beside chunked; two servers in a row that differ are the classic attack.
    "length-then-chunked", "chunked-then-length",
}  # fmt: skip


def play(payload: bytes, tail: bytes = CANARY) -> tuple[bytes, FakeApplication]:
    app = FakeApplication()

    async def scenario(bench: Bench) -> bytes:
        return await bench.exchange(payload + tail)

    return run_bench(scenario, app=app), app


def test_there_are_enough_payloads() -> None:
    names = [name for name, _, _ in PAYLOADS]
    assert len(BASELINE) >= 38
    assert len(OURS) >= 30
    assert len(set(names)) == len(names)


@pytest.mark.live
@pytest.mark.parametrize(("name", "raw", "verdict"), PAYLOADS, ids=[name for name, _, _ in PAYLOADS])
def test_payload_is_refused_or_read_once(name: str, raw: bytes, verdict: int | bytes) -> None:
    reply, app = play(raw)
    bodies = [request.body for request in app.served]
    if isinstance(verdict, int):
        assert reply.startswith(b"HTTP/1.1 %d " % verdict), reply[:200]
        assert reply.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in reply
        assert bodies == []
        assert app.pages == []
    else:
        assert reply.startswith(b"HTTP/1.1 200 ")
        # A connection whose parser may carry something over ends after the reply; else the canary is the second request.
        assert bodies in ([verdict], [verdict, b"canary"])
        assert (b"connection: close" in reply.split(b"\r\n\r\n")[0]) == (len(bodies) == 1)


@pytest.mark.live
def test_payloads_arriving_byte_by_byte_are_judged_the_same() -> None:
    async def drip(bench: Bench, payload: Payload) -> None:
        name, raw, verdict = payload
        client = await bench.connect(SO_SNDBUF=4096)
        try:
            for byte in raw:
                await client.send(bytes([byte]))
                await asyncio.sleep(0)
            reply = await client.read_until(b"\r\n\r\n")
        except ConnectionError:
            # The rest was refused while it was still being sent; the verdict has been read already or is lost to the reset.
            return
        finally:
            client.close()
        expected = verdict if isinstance(verdict, int) else 200
        assert reply.startswith(b"HTTP/1.1 %d " % expected), (name, reply)

    async def scenario(bench: Bench) -> None:
        small = [payload for payload in PAYLOADS if len(payload[1]) < 300]
        await asyncio.gather(*(drip(bench, payload) for payload in small))
        assert all(request.body == b"abcd" for request in bench.app.served)

    run_bench(scenario)


@pytest.mark.live
def test_trailer_does_not_reach_the_next_request() -> None:
    """aiohttp's parser would show it among the next request's headers."""
    raw = dict((name, raw) for name, raw, _ in OURS)["single-trailer"]
    reply, app = play(raw, post(b"next"))
    assert [request.body for request in app.served] == [b"abcd"]
    assert reply.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in reply


def judge_with_h11(raw: bytes) -> bool:
    """Whether h11 reads a whole request out of it."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
    try:
        server.receive_data(raw)
        while not isinstance(event := server.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return False
    except h11.RemoteProtocolError:
        return False
    return True


@pytest.mark.parametrize(("name", "raw", "verdict"), PAYLOADS, ids=[name for name, _, _ in PAYLOADS])
def test_h11_agrees_or_the_difference_is_known(name: str, raw: bytes, verdict: int | bytes) -> None:
    if isinstance(verdict, bytes):
        # RFC 9112 2.2: a server should skip blank lines before the request line; h11 does not.
        assert judge_with_h11(raw.lstrip(b"\r\n")), "served here, though a strict parser refuses it"
    elif name in {n for n, _, _ in BASELINE}:
        assert judge_with_h11(raw) == (name in H11_ACCEPTS)
