"""Which account gets what names no model, and what a restricted key gets of it."""

import asyncio
from json import dumps, loads

import pytest
from pipeline_stage import Canned, Stage, act, by_pool, whole
from support.simulation import provider, replace, settings

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.settings import Credential, Provider, Settings
from proxy.policy.pins import Resource
from proxy.rehearse.client import ScriptedDownstream
from proxy.wire.openai_envelope import read_envelope

FORM = b'--e\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--e--'
MADE = whole({"id": "file-1", "object": "file"})
ALL = by_pool({"a": MADE, "b": MADE})


def account(name: str, keys: int = 1, **changes: object) -> Provider:
    credentials = tuple(Credential(f"{name}#{i}", f"key-{i}") for i in range(1, keys + 1))
    return replace(provider(name), credentials=credentials, **changes)  # type: ignore[arg-type]


def configured(*providers: Provider) -> Settings:
    tiers = tuple((f"{one.name}/m",) for one in providers)
    return replace(settings(tiers), providers={one.name: one for one in providers})


TWO = configured(account("a"), account("b"))


async def ask(
    stage: Stage,
    method: str,
    path: str,
    endpoint: Endpoint = Endpoint.FILES,
    *,
    body: bytes = b"",
    key: str | None = None,
    routes: frozenset[str] | None = None,
    **headers: str,
) -> tuple[int, dict[str, object]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body == FORM:
        named["content-type"] = "multipart/form-data; boundary=e"
    downstream = ScriptedDownstream(stage.loop)
    request = ClientRequest(endpoint, named, body, key, routes, stage.loop.time(), method, path)
    await stage.parts.gateway.serve(request, downstream)
    await asyncio.sleep(0.01)
    return downstream.status or 0, loads(downstream.body)


def error(answer: tuple[int, dict[str, object]]) -> dict[str, str]:
    return answer[1]["error"]  # type: ignore[return-value]


async def make(stage: Stage, **more: object) -> None:
    assert (await ask(stage, "POST", "/files", body=FORM, **more))[0] == 200  # type: ignore[arg-type]


def test_a_header_or_a_route_chooses() -> None:
    async def body(stage: Stage) -> None:
        await make(stage, x_undimmed_provider="b")
        await make(stage, x_undimmed_route="lamp")
        assert [request.pool for request in stage.transport.sent] == ["b", "a"]
        for headers in ({"x_undimmed_provider": "c"}, {"x_undimmed_route": "none"}, {"x_undimmed_provider": ""}):
            refused = await ask(stage, "POST", "/files", body=FORM, **headers)  # type: ignore[arg-type]
            assert refused[0] == 400
            assert error(refused)["param"].startswith("x-undimmed-")
        assert error(await ask(stage, "GET", "/files"))["code"] == "provider_required"

    act(ALL, body, TWO)


def test_the_only_provider_needs_no_choice() -> None:
    async def body(stage: Stage) -> None:
        await make(stage)
        assert (await ask(stage, "GET", "/files"))[0] == 200
        assert stage.records[0].route == "files"
        assert stage.records[0].served_by == "a/#1"

    act(ALL, body, configured(account("a"), account("b", preset="deepseek")))


def test_where_nobody_has_it() -> None:
    async def body(stage: Stage) -> None:
        answer = await ask(stage, "POST", "/files", body=FORM)
        assert (answer[0], error(answer)["code"]) == (404, "unsupported_endpoint")

    act(ALL, body, configured(account("a", preset="deepseek")))


def test_what_one_key_made_is_unknown_to_another() -> None:
    async def body(stage: Stage) -> None:
        await make(stage, key="one", x_undimmed_provider="b")
        assert (await ask(stage, "GET", "/files/file-1", key="one"))[0] == 200
        asked = len(stage.transport.sent)
        for key in ("two", None):
            answer = await ask(stage, "GET", "/files/file-1", key=key)
            assert (answer[0], error(answer)["code"]) == (404, "file_not_found")
        assert len(stage.transport.sent) == asked

    act(ALL, body, TWO)


def test_a_restricted_key_sees_only_what_it_made() -> None:
    routes = frozenset({"lamp"})

    async def body(stage: Stage) -> None:
        who = {"key": "one", "routes": routes, "x_undimmed_provider": "a"}
        await make(stage, **who)
        assert (await ask(stage, "GET", "/files/file-1", **who))[0] == 200  # type: ignore[arg-type]
        assert (await ask(stage, "GET", "/files/file-2", **who))[0] == 404  # type: ignore[arg-type]
        for method, path, endpoint in (
            ("GET", "/files", Endpoint.FILES),
            ("GET", "/batches/b", Endpoint.BATCHES),
            ("POST", "/other", Endpoint.RELAY),
        ):
            answer = await ask(stage, method, path, endpoint, **who)  # type: ignore[arg-type]
            assert (answer[0], error(answer)["code"]) == (403, "insufficient_permissions")
        assert len(stage.transport.sent) == 2

    act(ALL, body, TWO)


def test_a_key_reaches_only_the_providers_of_its_routes() -> None:
    other = replace(settings((("b/m",),)).routes[0], name="other", models=("other",))
    two = replace(configured(account("a"), account("b")), routes=(*settings((("a/m",),)).routes, other))

    async def body(stage: Stage) -> None:
        refused = await ask(stage, "POST", "/files", body=FORM, routes=frozenset({"other"}), x_undimmed_provider="a")
        assert refused[0] == 400
        refused = await ask(stage, "POST", "/files", body=FORM, routes=frozenset({"other"}), x_undimmed_route="lamp")
        assert refused[0] == 400
        await make(stage, routes=frozenset({"other"}))
        await make(stage, routes=frozenset({"lamp"}))
        assert [request.pool for request in stage.transport.sent] == ["b", "a"]

    act(ALL, body, two)


@pytest.mark.parametrize(("direct", "status"), [(True, 200), (False, 404)])
def test_direct_and_relay_among_the_routes_of_a_key(direct: bool, status: int) -> None:
    async def body(stage: Stage) -> None:
        answer = await ask(stage, "POST", "/files", body=FORM, routes=frozenset({"direct"}))
        assert answer[0] == status
        answer = await ask(stage, "GET", "/other", Endpoint.RELAY, routes=frozenset({"relay"}))
        assert answer[0] == 200
        assert stage.transport.sent[-1].pool == "c"

    act(
        by_pool({"a": MADE, "c": whole()}),
        body,
        configured(account("a", direct=direct), account("c", preset="deepseek", relay=True)),
    )


def test_a_pin_outlives_neither_its_provider_nor_its_credential() -> None:
    async def body(stage: Stage) -> None:
        await make(stage, x_undimmed_provider="b")
        stage.parts.gateway.use(stage.parts.routing(configured(account("a"))))
        answer = await ask(stage, "GET", "/files/file-1")
        assert answer[0] == 404
        assert "not configured any more" in error(answer)["message"]

    act(ALL, body, TWO)


def test_an_account_never_uses_another_credential() -> None:
    """Not even where the failure table would have the same target asked again."""
    busy = Canned(503, pieces=((0.0, b'{"error":{"message":"overloaded"}}'),))

    async def body(stage: Stage) -> None:
        pins = stage.parts.gateway._forwarder._endings._accounts._pins
        pins.note(Resource.FILE, "file-9", "a/#2", "a#2")
        answer = await ask(stage, "GET", "/files/file-9")
        assert answer[0] == 503
        assert len(stage.transport.sent) > 1
        assert all(b"Bearer key-2\r\n" in request.head for request in stage.transport.sent)

    act(by_pool({"a": busy}), body, configured(account("a", keys=3)))


RESPONSE = whole({"id": "resp_1", "object": "response", "status": "completed"})


def test_a_history_goes_to_its_account_or_nowhere() -> None:
    three = replace(
        configured(account("a", keys=2, preset="openai"), account("b", preset="openai"), account("c", preset="openai")),
        routes=settings((("a/m", "a/n"), ("b/m",))).routes,
    )

    async def body(stage: Stage) -> None:
        accounts = stage.parts.gateway._forwarder._endings._accounts
        pins, routing = accounts._pins, stage.parts.gateway.routing
        state = routing.find("lamp")
        assert state is not None

        def follow(**fields: object) -> object:
            raw = dumps({"model": "lamp", **fields}).encode()
            request = ClientRequest(Endpoint.RESPONSES, {}, raw, None, None, 0.0)
            return accounts.follow(routing, state, request, read_envelope(raw, Endpoint.RESPONSES))

        pins.note(Resource.RESPONSE, "resp_1", "a/m", "a#2")
        pins.note(Resource.RESPONSE, "resp_c", "c/m", "c#1")
        pins.note(Resource.CONVERSATION, "conv_1", "a/#1", "a#1")
        pins.note(Resource.RESPONSE, "resp_x", "a/m", "a#2", owner="somebody")
        assert follow() is None
        bound = follow(previous_response_id="resp_1")
        assert [c.target.id for c in bound.route.candidates] == ["a/m", "a/n"]  # type: ignore[attr-defined]
        assert bound.excluded == {"a/m": {"a#1"}, "a/n": {"a#1"}}  # type: ignore[attr-defined]
        for fields, words in (
            ({"previous_response_id": "resp_?"}, "retrieve it once"),
            ({"previous_response_id": "resp_c"}, "no target of this route"),
            ({"previous_response_id": "resp_x"}, "not for this key"),
            ({"previous_response_id": "resp_1", "conversation": "conv_1"}, "another account"),
        ):
            problem = follow(**fields)
            assert problem.status == 400  # type: ignore[attr-defined]
            assert problem.param in fields  # type: ignore[attr-defined]
            assert words in problem.message  # type: ignore[attr-defined]

    act(by_pool({"a": RESPONSE}), body, three)


def test_what_no_provider_stores_is_theirs_to_refuse_and_one_that_does_is_asked() -> None:
    async def body(stage: Stage) -> None:
        accounts, routing = stage.parts.gateway._forwarder._endings._accounts, stage.parts.gateway.routing
        raw = b'{"model":"lamp","previous_response_id":"resp_?"}'
        request = ClientRequest(Endpoint.RESPONSES, {}, raw, None, None, 0.0)
        envelope = read_envelope(raw, Endpoint.RESPONSES)
        state = routing.find("lamp")
        assert state is not None
        bound = accounts.follow(routing, state, request, envelope)
        native = [p.name for p in routing.settings.providers.values() if p.preset == "openai"]
        assert ([c.target.provider for c in bound.route.candidates] if bound else []) == native  # type: ignore[union-attr]

    act(ALL, body, TWO)
    act(ALL, body, configured(account("a"), account("b", preset="openai")))


def test_with_one_account_there_is_nothing_to_know() -> None:
    async def body(stage: Stage) -> None:
        batch = dumps({"input_file_id": "file-unknown"}).encode()
        assert (await ask(stage, "POST", "/batches", Endpoint.BATCHES, body=batch))[0] == 200
        assert (await ask(stage, "DELETE", "/files/file-unknown"))[0] == 200
        assert (await ask(stage, "POST", "/batches", Endpoint.BATCHES, body=b"{}"))[0] == 200

    act(ALL, body, configured(account("a")))
