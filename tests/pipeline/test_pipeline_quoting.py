"""`POST /v1/tokens` through the gateway, in virtual time: nobody is asked, and everything that matters is said."""

import json
from hashlib import sha256
from typing import Any

import pytest
from pipeline_stage import Stage, act, by_pool, whole
from support.simulation import replace, settings

from proxy.core.endpoints import Endpoint
from proxy.core.settings import ClientKey, Target
from proxy.core.usage import Price
from proxy.rehearse.client import SimulatedClient, Wish

PRICE = Price(
    input=2_000_000_000, output=8_000_000_000, per_request=500_000, tiers=((5, Price(4_000_000_000, 9_000_000_000)),)
)
SETTINGS = settings(((Target("a", "m", price=PRICE, context_window=400),), (Target("b", "m"),)))
CHAT = {"model": "lamp", "messages": [{"role": "user", "content": "Keep the light on."}]}


def ask(body: object, headers: dict[str, str] | None = None, routes: frozenset[str] | None = None) -> tuple[int, Any]:
    """Status and answer, from providers that would answer if they were asked."""
    found: list[tuple[int, Any]] = []

    async def play(stage: Stage) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        client = SimulatedClient(Wish("t", endpoint=Endpoint.TOKENS, stream=False), raw)
        await client.ask(stage.parts.gateway.serve, headers)
        found.append((client.downstream.status, json.loads(bytes(client.downstream.body))))
        assert stage.transport.sent == []
        assert stage.records == []

    act(by_pool({"a": whole(), "b": whole()}), play, SETTINGS)
    return found[0]


def test_a_row_for_every_target() -> None:
    status, view = ask({**CHAT, "max_tokens": 100})
    assert status == 200
    assert [view[key] for key in ("model", "route", "endpoint", "max_output", "asked_first")] == [
        "lamp",
        "lamp",
        "chat",
        100,
        "a/m",
    ]
    first, second = view["targets"]
    # The estimator of these tests says 10 tokens, which is above the tier's 5.
    assert first["input_tokens"] == 10
    assert first["cost_usd"] == {"input": "0.00004", "output": "0.0009", "total": "0.00094"}
    assert first["price"] == {"input": "4", "output": "9", "from": "file"}
    assert (first["source"], first["factor"], first["samples"]) == ("estimate", 1.0, 0)
    assert (first["context_window"], first["fits"], first["tier"]) == (400, True, 1)
    assert (first["state"], first["why"]) == ("ready", "goes here")
    assert (second["price"], second["cost_usd"], second["fits"]) == (None, None, None)


def test_an_answer_that_does_not_fit() -> None:
    _, view = ask({**CHAT, "max_completion_tokens": 395})
    assert view["targets"][0]["fits"] is False


@pytest.mark.parametrize(
    ("body", "headers", "endpoint"),
    [
        ({"messages": []}, {}, "chat"),
        ({"messages": [], "system": "x", "max_tokens": 5}, {}, "messages"),
        ({"messages": [], "max_tokens": 5}, {"x-undimmed-endpoint": "messages"}, "messages"),
        ({"input": "x"}, {}, "responses"),
        ({"input": "x", "dimensions": 5}, {}, "embeddings"),
        ({"prompt": "x"}, {}, "completions"),
    ],
)
def test_every_format(body: dict[str, object], headers: dict[str, str], endpoint: str) -> None:
    status, view = ask({"model": "lamp", **body}, headers)
    assert (status, view.get("endpoint")) == (200, endpoint), view


def test_embeddings_have_no_output() -> None:
    _, view = ask({"model": "lamp", "input": ["x"], "encoding_format": "float"})
    assert view["targets"][0]["output_tokens"] == 0


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"[]", {}, 400, "invalid_json"),
        (b"{", {}, 400, "invalid_json"),
        ({"messages": []}, {}, 400, "invalid_json"),
        ({"model": 5}, {}, 400, "invalid_json"),
        (CHAT, {"x-undimmed-endpoint": "images"}, 400, "invalid_endpoint"),
        ({"model": ""}, {}, 400, None),
        ({**CHAT, "model": "lamq"}, {}, 404, "model_not_found"),
    ],
)
def test_what_is_wrong_is_said(body: object, headers: dict[str, str], status: int, code: str | None) -> None:
    told, view = ask(body, headers)
    assert told == status
    assert code is None or view["error"]["code"] == code


def test_a_key_asks_about_its_own_routes_only() -> None:
    digest = sha256(b"sk").hexdigest()
    configured = replace(SETTINGS, keys=(ClientKey("k", digest, frozenset({"other"})),))

    async def play(stage: Stage) -> None:
        from proxy.core.exchange import ClientRequest
        from proxy.rehearse.client import ScriptedDownstream

        identity = stage.parts.gateway.identify({"x-api-key": "sk"})
        assert identity is not None
        down = ScriptedDownstream(stage.loop)
        request = ClientRequest(Endpoint.TOKENS, {}, json.dumps(CHAT).encode(), identity.key, identity.routes, 0.0)
        await stage.parts.gateway.serve(request, down)
        assert down.status == 403

    act(by_pool({"a": whole()}), play, configured)
