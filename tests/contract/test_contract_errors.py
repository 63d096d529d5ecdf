"""Every error this proxy can tell a client has OpenAI's shape, and is an error the official SDK can raise."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2 as httpx
import openai
import pytest
from contract_schemas import violations
from openai.types.shared import ErrorObject
from support.live import SERVER, Stack, running
from support.simulation import World, play, replace, settings

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.settings import ClientKey
from proxy.policy.outcomes import RULES, final_problem, unavailable_problem
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.vendor_errors import ERRORS
from proxy.server import refusals
from proxy.server.refusals import Refusal, encode_body, unknown_path, wrong_method
from proxy.wire.openai_errors import error_body, error_event

FAILURES = [kind for kind in OutcomeKind if kind is not OutcomeKind.OK]
REFUSALS = {name: value for name, value in vars(refusals).items() if isinstance(value, Refusal)}


def judge(body: bytes) -> dict[str, object]:
    """The error object of a reply, after it has passed schema and SDK type."""
    decoded = json.loads(body)
    assert violations("ErrorResponse", decoded) == []
    error = decoded["error"]
    ErrorObject.model_validate(error)
    assert isinstance(error, dict)
    assert error["message"]
    return error


def test_the_failure_table_is_covered() -> None:
    assert set(RULES) == set(OutcomeKind)


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize(
    "outcome",
    [
        lambda kind: Outcome(kind),
        lambda kind: Outcome(kind, 418, "the provider's own words", "some_code", "some_type", "messages[0]"),
        lambda kind: Outcome(kind, message='quotes " and \x00 and \ud7ff and ' + "long " * 1000),
    ],
    ids=["silent", "in its words", "odd"],
)
def test_final_problems(kind: OutcomeKind, outcome: object) -> None:
    problem = final_problem([Outcome(OutcomeKind.SERVER_ERROR), outcome(kind)], retry_after=1.5)  # type: ignore[operator]
    problem.attempts = [{"target": "a/m", "outcome": kind.value, "duration_ms": 1}]
    judge(error_body(problem))
    assert problem.status >= 400
    event = error_event(problem)
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2
    judge(event.removeprefix(b"data: "))


def test_nothing_available() -> None:
    assert judge(error_body(unavailable_problem(["a/m: open"], 3.0)))["code"] == "no_target_available"
    judge(error_body(unavailable_problem((), None)))


@pytest.mark.parametrize("name", [name for name in REFUSALS if not name.startswith("_")])
def test_refusals_of_the_listener(name: str) -> None:
    judge(encode_body(REFUSALS[name]))


def test_refusals_that_quote() -> None:
    judge(encode_body(unknown_path("GET", '/"\\' + "x" * 500)))
    judge(encode_body(wrong_method("PUT", "/v1/models", "GET")))
    judge(encode_body(refusals.bad_query("tokens", 'not "a" number')))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_of_real_vendors(name: str, stream: bool) -> None:
    """Whatever shape and types the vendor's error had (a number as code, a flat object, a web page)."""

    async def body(world: World) -> SimulatedClient:
        return await world.one(Wish("e", stream=stream))

    client = play(body, {"a": Behaviour(Mode.STATUS, failure=name)}, settings((("a/m",),)))
    assert isinstance(client, SimulatedClient)
    error = judge(bytes(client.downstream.body))
    assert client.downstream.status is not None
    assert client.downstream.status >= 400
    assert client.downstream.header("x-should-retry") == "false"
    assert client.downstream.header("content-type") == "application/json"
    assert error["attempts"]


KEYS = (
    ClientKey("all", hashlib.sha256(b"sk-all").hexdigest()),
    ClientKey("none", hashlib.sha256(b"sk-none").hexdigest(), frozenset({"other"})),
)
CHAT = "/v1/chat/completions"
LAMP = {"model": "lamp", "messages": [{"role": "user", "content": "hi"}]}
Asked = tuple[str, str, dict[str, object], int, str | None]
#: Method, path, what else is sent, the status and the code that must come.
ASKED: dict[str, Asked] = {
    "no key": ("POST", CHAT, {"json": LAMP, "headers": {"authorization": ""}}, 401, "invalid_api_key"),
    "wrong key": ("POST", CHAT, {"json": LAMP, "headers": {"authorization": "Bearer sk-x"}}, 401, "invalid_api_key"),
    "page, no key": ("GET", "/v1/models", {"headers": {"authorization": ""}}, 401, "invalid_api_key"),
    "not this key": ("POST", CHAT, {"json": LAMP, "headers": {"authorization": "Bearer sk-none"}}, 403, "model_not_allowed"),
    "unknown model": ("POST", CHAT, {"json": {**LAMP, "model": "lapm"}}, 404, "model_not_found"),
    "unknown model, page": ("GET", "/v1/models/lapm", {}, 404, "model_not_found"),
    "bad json": ("POST", CHAT, {"content": b'{"model": '}, 400, None),
    "not an object": ("POST", CHAT, {"content": b"[]"}, 400, "invalid_type"),
    "no model": ("POST", CHAT, {"json": {"messages": []}}, 400, None),
    "model is a number": ("POST", CHAT, {"json": {**LAMP, "model": 5}}, 400, "invalid_type"),
    "stream is a word": ("POST", CHAT, {"json": {**LAMP, "stream": "yes"}}, 400, "invalid_type"),
    "no body": ("POST", CHAT, {}, 400, None),
    "unknown path": ("POST", "/v1/nowhere", {"json": LAMP}, 404, "unknown_url"),
    "get an endpoint": ("GET", CHAT, {}, 405, "method_not_allowed"),
    "post a page": ("POST", "/v1/models", {"json": {}}, 405, "method_not_allowed"),
    "large": ("POST", CHAT, {"content": b"x" * 5000}, 413, None),
    "compressed": ("POST", CHAT, {"content": b"x", "headers": {"content-encoding": "gzip"}}, 415, None),
    "expectation": ("POST", CHAT, {"content": b"x", "headers": {"expect": "a-miracle"}}, 417, None),
    "other host": ("POST", CHAT, {"json": LAMP, "headers": {"host": "evil.test"}}, 421, "misdirected_request"),
    "large head": ("GET", "/v1/models", {"headers": {"x-large": "x" * 9000}}, 431, None),
    "all down": ("POST", CHAT, {"json": LAMP}, 502, "provider_error"),
}


@asynccontextmanager
async def guarded() -> AsyncIterator[tuple[Stack, httpx.AsyncClient]]:
    down = Behaviour(Mode.STATUS, latency=Latency(0.0))
    server = replace(SERVER, max_body=4096)

    headers = {"authorization": "Bearer sk-all"}
    async with (
        running({"a": down, "b": down}, replace(settings(), keys=KEYS), server) as live,
        httpx.AsyncClient(base_url=live.url, headers=headers) as http,
    ):
        yield live, http


@pytest.mark.live
def test_errors_over_the_wire() -> None:
    async def body() -> None:
        async with guarded() as (_, http):
            for name, (method, path, sent, status, code) in ASKED.items():
                reply = await http.request(method, path, **sent)  # type: ignore[arg-type]
                assert reply.status_code == status, (name, reply.text)
                assert reply.headers["content-type"] == "application/json", name
                assert method == "GET" or reply.headers["x-should-retry"] == "false", name
                assert judge(reply.content)["code"] == code, name

    asyncio.run(body())


@pytest.mark.live
def test_everything_down_is_told_at_once_and_the_sdk_raises_it() -> None:
    async def body() -> None:
        async with guarded() as (live, http):
            for _ in range(30):
                reply = await http.post(CHAT, json=LAMP)
                judge(reply.content)
            assert reply.status_code == 503
            assert judge(reply.content)["code"] == "no_target_available"
            assert re.fullmatch(r"[0-9]+", reply.headers["retry-after"])
            seen = live.calls("a") + live.calls("b")
            async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="sk-all") as client:
                with pytest.raises(openai.InternalServerError) as raised:
                    await client.chat.completions.create(**LAMP)  # type: ignore[call-overload]
            assert raised.value.code == "no_target_available"
            assert raised.value.type == "service_unavailable_error"
            assert live.calls("a") + live.calls("b") == seen

    asyncio.run(body())


RAISED: dict[str, type[openai.APIStatusError]] = {
    "no key": openai.AuthenticationError,
    "not this key": openai.PermissionDeniedError,
    "unknown model": openai.NotFoundError,
    "bad json": openai.BadRequestError,
    "all down": openai.InternalServerError,
}


@pytest.mark.live
@pytest.mark.parametrize("name", RAISED)
def test_the_sdk_raises_the_class_for_the_status(name: str) -> None:
    method, path, sent, status, code = ASKED[name]

    async def body() -> None:
        async with guarded() as (live, http):
            request = http.build_request(method, path, **sent)  # type: ignore[arg-type]
            reply = await http.send(request)
            client = openai.AsyncOpenAI(base_url=live.url, api_key="x", http_client=http)
            error = client._make_status_error_from_response(reply)
            assert type(error) is RAISED[name]
            assert (error.status_code, error.code) == (status, code)
            assert error.message

    asyncio.run(body())
