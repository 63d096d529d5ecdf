"""The life of a call: what is refused before a provider is thought of, what is delivered, what is written down."""

import asyncio

import pytest
from pipeline_stage import COMPLETION, DONE, USAGE, Stage, act, by_pool, chunk, error_of, stream, whole
from support.simulation import World, play, provider, rehearse, replace, settings, steady

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Target, When
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish

GOOD = by_pool({"a": whole(), "b": whole()})
LIT = chunk({"content": "lit"})
TWO_ROUTES = replace(
    settings(),
    routes=(settings().routes[0], replace(settings().routes[0], name="torch", models=("torch", "flashlight"))),
)


class TestRefusals:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"nonsense",
            b"[]",
            b"null",
            b'"lamp"',
            b"{}",
            b'{"model": 5}',
            b'{"model": null}',
            b'{"model": "lamp"',
            b"\xff",
        ],
    )
    def test_a_body_that_is_no_request(self, body: bytes) -> None:
        async def script(stage: Stage) -> None:
            client = await stage.ask(body=body)
            assert client.downstream.status == 400
            assert error_of(client)["type"] == "invalid_request_error"
            assert stage.transport.sent == []
            record = stage.records[0]
            assert (record.status, record.outcome, record.route) == (400, OutcomeKind.BAD_REQUEST, "")

        act(GOOD, script)

    def test_an_unknown_model(self) -> None:
        async def script(stage: Stage) -> None:
            client = await stage.ask(Wish("u", model="lanp", stream=True))
            assert client.downstream.status == 404
            error = error_of(client)
            assert (error["code"], error["param"]) == ("model_not_found", "model")
            assert "Did you mean `lamp`" in str(error["message"])
            assert client.downstream.header("x-should-retry") == "false"
            assert client.downstream.header("content-type") == "application/json"
            assert stage.transport.sent == []
            assert stage.records[0].stream

        act(GOOD, script)

    def test_a_direct_address_of_a_provider_that_does_not_allow_it(self) -> None:
        async def script(stage: Stage) -> None:
            client = await stage.ask(Wish("u", model="a/m", stream=False))
            assert client.downstream.status == 404
            assert stage.transport.sent == []

        act(GOOD, script)

    def test_a_direct_address(self) -> None:
        async def script(stage: Stage) -> None:
            client = await stage.ask(Wish("u", model="a/some/model", stream=False))
            assert client.verdict == "ok"
            assert stage.transport.models() == ["a/some/model"]
            record = stage.records[0]
            assert (record.route, record.served_by) == ("direct", "a/some/model")

        act(GOOD, script, settings(providers={"a": replace(provider("a"), direct=True), "b": provider("b")}))

    def test_a_model_that_the_key_may_not_use(self) -> None:
        async def script(stage: Stage) -> None:
            down = await stage.ask_as("torch", frozenset({"lamp"}), key="intern")
            assert down.status == 403
            assert b"model_not_allowed" in down.body
            assert stage.transport.sent == []
            record = stage.records[0]
            assert (record.key, record.status, record.outcome) == ("intern", 403, OutcomeKind.BAD_REQUEST)

        act(GOOD, script, TWO_ROUTES)

    def test_a_model_that_the_key_may_use(self) -> None:
        async def script(stage: Stage) -> None:
            assert (await stage.ask_as("flashlight", frozenset({"torch"}))).status == 200
            assert stage.records[0].key == "team"

        act(GOOD, script, TWO_ROUTES)

    def test_names_of_other_routes_are_not_given_away(self) -> None:
        async def script(stage: Stage) -> None:
            down = await stage.ask_as("torchx", frozenset({"lamp"}))
            assert down.status == 404
            assert b"`torch`" not in down.body

        act(GOOD, script, TWO_ROUTES)


class TestChoosing:
    def test_targets_that_do_not_fit_are_passed_over(self) -> None:
        tiers = ((Target("a", "m", when=When(tools=True)),), (Target("b", "m"),))

        async def script(stage: Stage) -> None:
            await stage.ask()
            wish = Wish("t", stream=False)
            tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
            await stage.ask(wish, body=wish.body(tools=[tool]))
            assert stage.transport.models() == ["b/m", "a/m"]

        act(GOOD, script, settings(tiers))

    def test_conditions_on_streams_see_the_request(self) -> None:
        tiers = ((Target("a", "m", when=When(stream=True)),), (Target("b", "m"),))
        run = rehearse({"a": Behaviour(chunks=2), "b": Behaviour(chunks=2)}, [(0, Wish("s")), (9, Wish("w", stream=False))],
                       settings(tiers))  # fmt: skip
        assert [contact.provider for contact in run.network.contacts] == ["a", "b"]

    def test_nobody_takes_so_much(self) -> None:
        async def script(stage: Stage) -> None:
            client = await stage.ask()
            assert (client.downstream.status, error_of(client)["code"]) == (400, "context_length_exceeded")

        act(GOOD, script, settings(((Target("a", "m", context_window=1),),)))

    def test_nobody_fits(self) -> None:
        async def script(stage: Stage) -> None:
            client = await stage.ask()
            assert client.downstream.status == 400  # it would be the same with all of them well
            error = error_of(client)
            assert error["code"] == "unsupported"
            assert "it is for requests with tools" in str(error["message"])

        act(GOOD, script, settings(((Target("a", "m", when=When(tools=True)),),)))

    def test_a_session_sticks_to_its_target(self) -> None:
        tiers = (tuple(f"{name}/m" for name in "abcd"),)
        schedules = {name: Behaviour(chunks=1) for name in "abcd"}

        async def body(world: World) -> None:
            homes: dict[str, set[str]] = {}
            for session in [f"s{n}" for n in range(8)] * 3:
                await world.one(Wish(session, stream=False), headers={"x-undimmed-session": session})
                homes.setdefault(session, set()).add(world.network.contacts[-1].provider)
            assert all(len(home) == 1 for home in homes.values())
            assert len(set().union(*homes.values())) > 1

        play(body, schedules, settings(tiers, strategy="sticky"))

    def test_the_first_message_is_the_session_where_no_header_names_one(self) -> None:
        tiers = (tuple(f"{name}/m" for name in "abcd"),)

        async def body(world: World) -> None:
            homes = set()
            for talk in range(8):
                asked = []
                for turn in range(3):
                    said = [{"role": "user", "content": f"talk {talk}"}] + [{"role": "user", "content": f"{turn}"}] * turn
                    wish = Wish("w", stream=False)
                    await world.one(wish, body=wish.body(messages=said))
                    asked.append(world.network.contacts[-1].provider)
                assert len(set(asked)) == 1
                homes.add(asked[0])
            assert len(homes) > 1

        play(body, {name: Behaviour(chunks=1) for name in "abcd"}, settings(tiers, strategy="sticky"))

    @pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.EMBEDDINGS])
    def test_every_endpoint_is_served(self, endpoint: Endpoint) -> None:
        run = rehearse({"a": Behaviour(chunks=3)}, steady(2, 2, endpoint=endpoint), settings((("a/m",),)))
        assert run.verdicts == {"ok": 4}
        assert {record.endpoint for record in run.notes.calls} == {endpoint}


class TestRecords:
    def test_of_a_call_that_failed_over(self) -> None:
        run = rehearse({"a": Behaviour(Mode.STATUS, latency=Latency(0.1)), "b": Behaviour()}, steady(1, 1))
        record = run.notes.calls[0]
        assert (record.status, record.outcome, record.route, record.served_by) == (200, OutcomeKind.OK, "lamp", "b/m")
        assert (record.stream, record.committed, record.key) == (True, True, None)
        first, second = record.attempts
        assert (first.kind, first.status, first.delivered) == (OutcomeKind.SERVER_ERROR, 500, False)
        assert (second.kind, second.status, second.delivered) == (OutcomeKind.OK, 200, True)
        assert first.ended_at == pytest.approx(record.started_at + 0.1)
        assert second.started_at == first.ended_at, "another target costs no wait"
        assert second.first_byte_at == second.first_content_at == pytest.approx(second.started_at + 0.2)
        assert record.ended_at == second.ended_at
        assert record.wall == pytest.approx(1.0e9)
        assert second.served_model == "m"

    def test_of_a_stream_that_broke(self) -> None:
        run = rehearse({"a": Behaviour(Mode.CUT, after=3), "b": Behaviour()}, steady(1, 1))
        record = run.notes.calls[0]
        assert (record.status, record.outcome, record.committed) == (200, OutcomeKind.STREAM_BROKEN, True)
        assert record.served_by is None
        assert record.attempts[0].delivered, "the client has what there was of it"

    def test_ids_are_unique_and_shown(self) -> None:
        run = rehearse({"a": Behaviour(chunks=2)}, steady(50, 2))
        ids = {record.id for record in run.notes.calls}
        assert len(ids) == 100
        assert {client.downstream.header("x-undimmed-request-id") for client in run.clients} == ids

    def test_exactly_one_for_every_call(self) -> None:
        run = rehearse(
            {"a": Behaviour(Mode.CUT, after=2, share=0.3), "b": Behaviour(Mode.STATUS, share=0.5)},
            steady(20, 10, leaves=0.9),
        )
        assert len(run.notes.calls) == 200
        assert len({record.id for record in run.notes.calls}) == 200

    def test_in_the_order_in_which_calls_end(self) -> None:
        run = rehearse({"a": Behaviour(latency=Latency(0.3, 0.29))}, steady(30, 2, stream=False))
        ends = [record.ended_at for record in run.notes.calls]
        assert ends == sorted(ends)


class TestEndings:
    def test_shutdown_is_neither_the_clients_nor_the_providers_fault(self) -> None:
        async def body(world: World) -> None:
            client = SimulatedClient(Wish("s"))
            task = asyncio.get_running_loop().create_task(client.ask(world.parts.gateway.serve))
            await asyncio.sleep(0.5)
            task.cancel("shutdown")
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.1)
            record = world.notes.calls[0]
            assert record.outcome is OutcomeKind.SHUTDOWN
            assert record.attempts[0].kind is OutcomeKind.SHUTDOWN
            assert world.network.contacts[0].ending == "aborted"
            assert world.notes.changes == []

        play(body, {"a": Behaviour()}, settings((("a/m",),)))

    def test_a_broken_stream_is_broken_off_with_an_error_event(self) -> None:
        async def script(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            body = bytes(client.downstream.body)
            assert body.startswith(LIT * 2 + b'data: {"error"')
            assert error_of(client)["code"] == "provider_stream_broken"
            assert client.downstream.aborted_at is not None
            assert DONE not in body
            assert b": undimmed" not in body

        act(by_pool({"a": stream((0.0, LIT), (0.0, LIT))}), script, settings((("a/m",),)))

    def test_a_stream_that_only_lacks_its_terminator_is_completed(self) -> None:
        async def script(stage: Stage) -> None:
            client = await stage.ask(Wish("s"))
            assert client.verdict == "ok"
            assert bytes(client.downstream.body).endswith(DONE)

        finish = chunk(finish="stop")
        act(by_pool({"a": stream((0.0, LIT), (0.0, finish), (0.0, USAGE))}), script, settings((("a/m",),)))

    def test_an_embedding_is_no_stream_whatever_was_asked(self) -> None:
        wish = Wish("e", stream=False, endpoint=Endpoint.EMBEDDINGS)

        async def body(world: World) -> None:
            client = await world.one(wish, body=wish.body(stream=True))
            assert client.downstream.header("content-type") == "application/json"
            assert client.verdict == "ok"

        play(body, {"a": Behaviour()}, settings((("a/m",),)))

    def test_the_model_that_answers_is_the_targets(self) -> None:
        """The upstream name goes up, and its own words about itself come back."""

        async def script(stage: Stage) -> None:
            client = await stage.ask()
            assert stage.transport.models() == ["a/m"]
            assert bytes(client.downstream.body).find(COMPLETION["model"].encode()) > 0  # type: ignore[attr-defined]
            assert stage.records[0].attempts[0].served_model == "m-2026"

        act(GOOD, script)
