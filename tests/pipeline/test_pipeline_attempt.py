"""One attempt as client and provider see it: heartbeats, back-pressure, whole answers, limits of memory."""

import asyncio

import pytest
from pipeline_stage import COMPLETION, DONE, JSON, STREAM, USAGE, Canned, Stage, act, by_pool, chunk, error_of, stream, whole
from support.simulation import World, play, rehearse, replace, settings, steady

from proxy.core.exchange import FailureKind, TransportError
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Timeouts
from proxy.rehearse.behaviour import Behaviour, Latency, Mode, Style
from proxy.rehearse.client import SimulatedClient, Wish

WAITING = b": undimmed waiting\n\n"
ONE = (("a/m",),)
PATIENT = Timeouts(connect=1.0, first_content=60.0, idle=30.0, total=600.0)
LIT = chunk({"content": "lit"})
END = chunk(finish="stop") + USAGE + DONE


class TestHeartbeats:
    CONFIGURED = settings(timeouts=PATIENT, heartbeat=2.0)

    def test_a_silent_wait_is_kept_alive(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            down = client.downstream
            assert down.started_at == pytest.approx(2.0)
            assert bytes(down.body).startswith(WAITING * 3 + b"data: ")
            assert client.verdict == "ok"
            assert (down.status, down.header("content-type")) == (200, "text/event-stream; charset=utf-8")
            assert down.misuse == []

        act(by_pool({"a": stream((0.0, LIT), (0.0, END), wait=7.0)}), body, self.CONFIGURED)

    def test_failover_stays_invisible_after_one(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert client.verdict == "ok"
            assert stage.transport.models() == ["a/m", "b/m"]
            assert bytes(client.downstream.body).count(WAITING) == 3
            assert b"error" not in client.downstream.body
            assert client.downstream.misuse == []
            assert stage.records[0].status == 200

        bad = whole(b"{}", 500, wait=5.0)
        act(by_pool({"a": bad, "b": stream((0.0, LIT), (0.0, END), wait=2.0)}), body, self.CONFIGURED)

    def test_an_error_after_one_comes_in_band(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            down = client.downstream
            assert down.status == 200
            assert client.verdict == "failed"
            assert error_of(client)["code"] == "provider_error"
            assert down.aborted_at is not None
            assert down.finished_at is None
            assert DONE not in down.body
            record = stage.records[0]
            assert (record.status, record.committed, record.outcome) == (200, False, OutcomeKind.SERVER_ERROR)

        bad = whole(b"{}", 500, wait=3.0)
        act(by_pool({"a": bad, "b": bad}), body, self.CONFIGURED)

    def test_an_error_before_the_first_keeps_its_status(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert client.downstream.status == 502
            assert WAITING not in client.downstream.body

        bad = whole(b"{}", 500, wait=0.5)
        act(by_pool({"a": bad, "b": bad}), body, self.CONFIGURED)

    def test_silent_reasoning_in_mid_stream(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert bytes(client.downstream.body).count(WAITING) == 3
            assert bytes(client.downstream.body).startswith(LIT + WAITING * 3 + LIT)
            assert client.verdict == "ok"

        act(by_pool({"a": stream((0.0, LIT), (7.0, LIT), (0.0, END), wait=0.5)}), body, self.CONFIGURED)

    def test_none_while_the_stream_talks(self) -> None:
        run = rehearse({"a": Behaviour(chunks=12, gap=1.0)}, steady(1, 1), settings(ONE, timeouts=PATIENT, heartbeat=2.0))
        assert run.verdicts == {"ok": 1}
        assert WAITING not in run.clients[0].downstream.body

    def test_none_for_whole_answers(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask()
            assert WAITING not in client.downstream.body
            assert client.verdict == "ok"
            assert client.downstream.started_at == pytest.approx(20.0)

        act(by_pool({"a": whole(wait=20.0)}), body, self.CONFIGURED)

    def test_off(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert WAITING not in client.downstream.body

        off = settings(timeouts=PATIENT, heartbeat=0.0)
        act(by_pool({"a": stream((0.0, LIT), (0.0, END), wait=20.0)}), body, off)


class TestSlowClients:
    LONG = Behaviour(chunks=800, gap=0.001, latency=Latency(0.05))
    CONFIGURED = settings(ONE, timeouts=replace(PATIENT, idle=1.0))

    def test_the_provider_is_paused_and_not_blamed(self) -> None:
        async def body(world: World) -> None:
            client = await world.one(Wish("slow", reads=1000.0))
            assert client.verdict == "ok"
            contact = world.network.contacts[0]
            assert contact.ended_at is not None
            assert contact.ended_at - contact.started_at > 30, "the provider had to wait for the client"
            assert client.downstream.peak < 70_000
            attempt = world.notes.calls[0].attempts[0]
            assert attempt.kind is OutcomeKind.OK
            assert world.notes.changes == []

        play(body, {"a": self.LONG}, self.CONFIGURED)

    def test_memory_is_bounded_by_the_pause(self) -> None:
        """The provider has a megabyte ready; what is taken from it stays near what the client has taken."""

        async def body(stage: Stage) -> None:
            client = SimulatedClient(Wish("slow", reads=1000.0, leaves=20.0))
            task = stage.loop.create_task(client.ask(stage.parts.gateway.serve))
            await asyncio.sleep(19.0)
            exchange = stage.transport.exchanges[0]
            assert exchange.paused
            assert exchange.delivered < 64 * 1024 + 20_000
            await task
            assert exchange.ended == "aborted"

        act(by_pool({"a": stream(*[(0.0, LIT)] * 10_000, (0.0, END))}), body, self.CONFIGURED)

    def test_silence_after_the_client_has_caught_up_is_the_providers(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("slow", reads=50_000.0))
            assert client.verdict == "failed"
            assert stage.records[0].attempts[0].kind is OutcomeKind.IDLE_TIMEOUT
            assert stage.transport.exchanges[0].pauses == 1

        burst = stream(*[(0.0, LIT)] * 700, hang=True)
        act(by_pool({"a": burst}), body, self.CONFIGURED)

    def test_the_deadline_holds_for_slow_clients_too(self) -> None:
        configured = settings(ONE, timeouts=replace(PATIENT, idle=1.0, total=10.0))
        run = rehearse({"a": self.LONG}, steady(1, 1, reads=1000.0), configured)
        assert run.notes.calls[0].attempts[0].kind is OutcomeKind.DEADLINE_EXCEEDED
        assert run.notes.changes == []


class TestWholeAnswers:
    @pytest.mark.parametrize("status", [200, 201, 202, 203, 206])
    def test_any_2xx_passes_through(self, status: int) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask()
            assert client.downstream.status == stage.records[0].status == status
            assert client.verdict == "ok"
            assert stage.transport.models() == ["a/m"]

        act(by_pool({"a": whole(status=status)}), body)

    def test_a_stream_with_another_2xx_is_a_stream(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert client.verdict == "ok"
            assert client.downstream.status == 201
            assert client.downstream.first_write_at == pytest.approx(0.1), "as it comes"
            assert stage.transport.models() == ["a/m"]

        created = Canned(201, STREAM, ((0.0, LIT), (0.5, END)))
        act(by_pool({"a": created}), body)

    def test_the_body_is_the_providers_own(self) -> None:
        body_bytes = b'{"choices": [{"message":{"content":"x","odd":1e400},"finish_reason":"stop"}],"later":{"n":[ ]}}'

        async def body(stage: Stage) -> None:
            client = await stage.ask()
            assert bytes(client.downstream.body) == body_bytes
            assert client.downstream.length == len(body_bytes)

        act(by_pool({"a": whole(body_bytes)}), body)

    @pytest.mark.parametrize(
        "bad",
        [
            whole(b"<!DOCTYPE html><html><body>Just a moment</body></html>"),
            whole(b'{"id": "chatcmpl-1", "choi'),
            whole(b""),
            whole({**COMPLETION, "choices": []}),
            whole({"error": {"message": "broken", "type": "server_error"}}),
            Canned(200, ((b"content-type", b"text/html"),), ((0.0, b"<html></html>"),)),
            Canned(pieces=((0.0, b'{"id"'),), error=TransportError(FailureKind.BROKEN, "reset")),
        ],
        ids=["page", "half", "empty", "no choices", "error in 200", "html type", "broken"],
    )
    @pytest.mark.parametrize("streamed", [True, False])
    def test_what_is_no_answer_goes_elsewhere(self, bad: Canned, streamed: bool) -> None:
        good = stream((0.0, LIT), (0.0, END)) if streamed else whole()

        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("w", stream=streamed))
            assert client.verdict == "ok"
            assert stage.transport.models() == ["a/m", "b/m"]
            assert b"<" not in client.downstream.body
            assert not stage.records[0].attempts[0].delivered

        act(by_pool({"a": bad, "b": good}), body)

    def test_a_whole_answer_to_a_stream_request_goes_elsewhere(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert client.verdict == "ok"
            first = stage.records[0].attempts[0]
            assert (first.kind, first.target) == (OutcomeKind.MALFORMED, "a/m")

        act(by_pool({"a": whole(), "b": stream((0.0, LIT), (0.0, END))}), body)

    def test_a_stream_without_its_type_is_still_a_stream(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert client.verdict == "ok"
            assert stage.transport.models() == ["a/m"]

        plain = Canned(headers=((b"content-type", b"text/plain"),), pieces=((0.0, LIT), (0.0, END)))
        act(by_pool({"a": plain}), body)

    def test_an_oversized_answer_goes_elsewhere(self) -> None:
        async def body(stage: Stage) -> None:
            stage.parts.gateway._forwarder._services.max_answer = 10_000
            client = await stage.ask()
            assert client.verdict == "ok"
            first = stage.records[0].attempts[0]
            assert first.kind is OutcomeKind.MALFORMED
            assert "10000 bytes" in first.outcome.message
            exchange = stage.transport.exchanges[0]
            assert exchange.ended == "aborted"
            assert exchange.delivered <= 11_000, "read no further than the limit"

        big = Canned(pieces=[(0.0, b"x" * 1000)] * 100)
        act(by_pool({"a": big, "b": whole()}), body)

    def test_an_endless_error_body_is_not_read_to_its_end(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask()
            assert client.verdict == "ok"
            assert stage.transport.exchanges[0].delivered <= 65 * 1024 + 1000

        act(by_pool({"a": Canned(500, JSON, [(0.0, b"x" * 1000)] * 1000), "b": whole()}), body)

    def test_endless_emptiness_before_the_first_content_goes_elsewhere(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert client.verdict == "ok"
            assert stage.records[0].attempts[0].kind is OutcomeKind.MALFORMED
            assert stage.transport.exchanges[0].delivered < 300_000

        empty = stream(*[(0.0, chunk({"role": "assistant", "content": ""}) * 10)] * 1000)
        act(by_pool({"a": empty, "b": stream((0.0, LIT), (0.0, END))}), body)

    def test_slow_whole_answers_have_time_of_their_own(self) -> None:
        """Four times the limit for first content, since all of it is generated before a byte comes."""
        configured = settings(ONE, retry=replace(settings().retry, attempts=1))
        for seconds, verdict in ((7.9, "ok"), (8.1, "error")):
            run = rehearse({"a": Behaviour(latency=Latency(seconds), chunks=1)}, steady(1, 1, stream=False), configured)
            assert run.verdicts == {verdict: 1}


def test_bytes_of_a_failed_attempt_never_reach_the_client() -> None:
    """A role chunk and comments, held back, are dropped with the attempt that sent them."""
    opening = b": keep-alive\n\n" + chunk({"role": "assistant", "content": ""}, note="from a")

    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("s"))
        assert client.verdict == "ok"
        assert b"from a" not in client.downstream.body
        assert b"keep-alive" not in client.downstream.body

    half = stream((0.0, opening), error=TransportError(FailureKind.BROKEN, "reset"))
    act(by_pool({"a": half, "b": stream((0.0, LIT), (0.0, END))}), body)


def test_held_bytes_come_with_the_first_content_in_order() -> None:
    opening = chunk({"role": "assistant", "content": ""})

    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("s"))
        assert bytes(client.downstream.body).startswith(opening + LIT)
        assert client.downstream.first_write_at == pytest.approx(0.6)

    act(by_pool({"a": stream((0.0, opening), (0.5, LIT), (0.0, END))}), body, settings(ONE))


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 50])
def test_any_split_of_the_bytes_reaches_the_client_whole(pieces: int) -> None:
    sent = chunk({"role": "assistant", "content": ""}) + LIT * 3 + chunk(finish="stop")
    whole_stream = sent + DONE
    size = -(-len(whole_stream) // pieces)
    parts = [(0.01, whole_stream[start : start + size]) for start in range(0, len(whole_stream), size)]

    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("s"))
        assert client.verdict == "ok"
        got = bytes(client.downstream.body)
        assert got.startswith(sent)
        assert got.endswith(DONE)
        assert got[len(sent) :].startswith(b": undimmed {")

    act(by_pool({"a": stream(*parts)}), body, settings(ONE))


@pytest.mark.parametrize("style", Style)
def test_every_sort_of_content_commits(style: Style) -> None:
    run = rehearse({"a": Behaviour(chunks=6, style=style), "b": Behaviour()}, steady(2, 2))
    assert run.verdicts == {"ok": 4}
    assert all(client.waited == pytest.approx(0.2) for client in run.clients)


def test_a_provider_is_let_go_as_soon_as_its_answer_is_whole() -> None:
    """What comes after the terminator is nobody's; the connection is not held for it."""

    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("s"))
        assert client.verdict == "ok"
        assert stage.transport.exchanges[0].ended == "detached"
        assert b"late" not in client.downstream.body

    act(by_pool({"a": stream((0.0, LIT), (0.0, END), (5.0, b"data: late\n\n"), hang=True)}), body, settings(ONE))


def test_a_second_failure_does_not_follow_a_verdict() -> None:
    """Failing while the client leaves in the same turn settles the permit once."""

    async def body(world: World) -> None:
        client = SimulatedClient(Wish("gone", leaves=0.2))
        await client.ask(world.parts.gateway.serve)
        await asyncio.sleep(0.1)
        record = world.notes.calls[0]
        assert len(record.attempts) == 1
        assert all(state.in_flight == 0 for state in world.parts.gateway.routing.states())

    play(body, {"a": Behaviour(Mode.STATUS, latency=Latency(0.2))}, settings(ONE))


def test_a_bug_in_making_the_request_costs_the_target_no_place() -> None:
    async def body(world: World) -> None:
        routing = world.parts.gateway.routing
        state = next(iter(routing.states()))

        def fail(*_: object) -> None:
            raise RuntimeError("bug")

        routing.kinds["a"].request = fail  # type: ignore[method-assign, assignment]
        with pytest.raises(RuntimeError, match="bug"):
            await world.one(Wish("unlucky"))
        assert state.in_flight == 0
        assert world.notes.calls[-1].attempts[0].kind is OutcomeKind.BAD_REQUEST

    play(body, {"a": Behaviour(), "b": Behaviour()})
