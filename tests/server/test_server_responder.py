"""A reply's bytes: one write for head and first piece, one for each further piece, exact framing."""

import asyncio

import pytest
import structlog

from proxy.core.settings import ServerSettings
from proxy.server.errand import Errand
from proxy.server.outlet import Outlet
from proxy.server.refusals import INTERNAL, Refusal
from proxy.server.responder import Responder
from proxy.server.roster import Roster

HEADERS = ((b"a", b"b"),)


class FakeTransport:
    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        self.limits = (high, low)


class FakeLine:
    def __init__(self) -> None:
        self.events: list[object] = []

    def replied(self) -> None:
        self.events.append("replied")

    def broken(self, reset: bool) -> None:
        self.events.append(("broken", reset))

    def fail(self, refusal: Refusal) -> None:
        self.events.append(refusal)


class FakeSource:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def pause(self) -> None:
        self.heard.append("pause")

    def resume(self) -> None:
        self.heard.append("resume")


class Reply:
    def __init__(self) -> None:
        loop = asyncio.new_event_loop()
        self.roster = Roster(None, ServerSettings(), loop)
        loop.close()
        self.transport = FakeTransport()
        self.line = FakeLine()
        self.outlet = Outlet(self.transport, self.roster)
        self.responder = Responder(self.line, self.outlet, self.roster)

    @property
    def sent(self) -> list[bytes]:
        return self.transport.writes


@pytest.fixture(name="reply")
def _reply(monkeypatch: pytest.MonkeyPatch) -> Reply:
    monkeypatch.setattr("proxy.server.roster.DateLine", FakeDate)
    return Reply()


class FakeDate:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def current(self) -> bytes:
        return b""


def test_the_transport_holds_64_kib_before_it_complains(reply: Reply) -> None:
    assert reply.transport.limits == (65536, 16384)


def test_head_and_first_piece_are_one_write(reply: Reply) -> None:
    reply.responder.start(200, HEADERS, None)
    assert reply.sent == []
    assert reply.responder.started
    reply.responder.write(b"hello")
    reply.responder.write(b"")
    reply.responder.write(b"x" * 16)
    reply.responder.finish()
    assert reply.sent == [
        b"HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"10\r\n" + b"x" * 16 + b"\r\n",
        b"0\r\n\r\n",
    ]
    assert reply.line.events == ["replied"]


def test_an_answer_without_body_is_one_write(reply: Reply) -> None:
    reply.responder.start(503, (), 0)
    reply.responder.finish()
    assert reply.sent == [b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"]


def test_large_pieces_are_not_copied_to_join_the_head(reply: Reply) -> None:
    body = b"x" * 100_000
    reply.responder.start(200, (), len(body))
    reply.responder.write(body)
    assert reply.sent[1] == body


def test_more_than_announced_is_not_sent(reply: Reply) -> None:
    reply.responder.start(200, (), 3)
    reply.responder.write(b"ab")
    reply.responder.write(b"cdHTTP/1.1 200 OK")
    reply.responder.finish()
    assert b"".join(reply.sent).endswith(b"\r\n\r\nabc")
    assert reply.line.events == ["replied"]


def test_less_than_announced_breaks_the_reply(reply: Reply) -> None:
    reply.responder.start(200, (), 3)
    reply.responder.write(b"ab")
    reply.responder.finish()
    assert reply.line.events == [("broken", False)]


def test_204_has_no_length(reply: Reply) -> None:
    reply.responder.start(204, (), 0)
    reply.responder.write(b"x")
    reply.responder.finish()
    assert b"".join(reply.sent) == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_old_clients_are_told_the_connection_ends(reply: Reply) -> None:
    reply.outlet.old = True
    reply.responder.start(200, (), None)
    reply.responder.write(b"abc")
    assert reply.sent == [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"]
    assert not reply.outlet.keep
    reply.responder.abort()
    assert reply.line.events == [("broken", True)]


def test_draining_ends_the_connection(reply: Reply) -> None:
    reply.roster.draining = True
    reply.responder.start(200, (), 0)
    reply.responder.finish()
    assert b"connection: close" in reply.sent[0]


def test_twice_is_a_mistake_of_ours(reply: Reply) -> None:
    reply.responder.start(200, (), 0)
    with pytest.raises(RuntimeError, match="once"):
        reply.responder.start(200, (), 0)


@pytest.mark.parametrize("end", ["finish", "abort", "lose"])
def test_after_the_end_nothing_happens(reply: Reply, end: str) -> None:
    source = FakeSource()
    reply.responder.start(200, (), None)
    reply.responder.attach(source)
    getattr(reply.responder, end)()
    sent, events = list(reply.sent), list(reply.line.events)
    reply.responder.write(b"x")
    reply.responder.finish()
    reply.responder.abort()
    reply.responder.pause()
    reply.responder.attach(source)
    reply.responder.resume()
    assert (reply.sent, reply.line.events, source.heard) == (sent, events, [])


def test_a_client_that_left_before_the_start_is_no_error(reply: Reply) -> None:
    reply.responder.lose()
    reply.responder.start(200, (), 5)
    assert reply.responder.started
    assert reply.sent == []


def test_only_the_last_source_hears_of_back_pressure(reply: Reply) -> None:
    first, second = FakeSource(), FakeSource()
    reply.responder.attach(first)
    reply.responder.pause()
    reply.outlet.stalled = True
    reply.responder.attach(second)
    reply.responder.resume()
    reply.responder.attach(None)
    reply.responder.pause()
    assert (first.heard, second.heard) == (["pause"], ["pause", "resume"])


def settle(reply: Reply, outcome: BaseException | None) -> list[object]:
    async def work() -> None:
        if outcome is not None:
            raise outcome

    async def run() -> None:
        Errand(work(), asyncio.get_running_loop(), reply.responder.settle).start()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(run())
    return logs


def test_a_failure_is_logged_without_its_words(reply: Reply) -> None:
    logs = settle(reply, ValueError("a prompt"))
    assert reply.line.events == [INTERNAL]
    assert reply.roster.failed == 1
    assert "a prompt" not in str(logs)
    assert logs[0]["error"] == "ValueError"
    assert "test_server_responder.py" in logs[0]["at"]


def test_an_unfinished_reply_is_a_failure_too(reply: Reply) -> None:
    reply.responder.start(200, (), None)
    logs = settle(reply, None)
    assert reply.line.events == [("broken", False)]
    assert [entry["event"] for entry in logs] == ["reply_unfinished"]


def test_a_call_cut_by_the_shutdown_is_told_so(reply: Reply) -> None:
    assert settle(reply, asyncio.CancelledError()) == []
    assert [event.status for event in reply.line.events] == [503]


def test_a_call_whose_client_left_ends_in_silence(reply: Reply) -> None:
    reply.responder.lose()
    assert settle(reply, asyncio.CancelledError()) == []
    assert (reply.line.events, reply.roster.failed) == ([], 0)
    assert repr(reply.responder) == "<Responder ended>"
