"""Tags of a request, and the features that its record names."""

import json

import pytest
from pipeline_stage import Stage, act, by_pool, error_of, whole
from support.simulation import provider, replace, settings

from proxy.core.call import Call, Needs
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.features import Feature
from proxy.core.problem import Problem
from proxy.core.settings import ClientKey
from proxy.pipeline.tagging import MAX_HEADER, MAX_TAGS, is_tag, read_tags
from proxy.pipeline.used_features import list_features
from proxy.rehearse.client import ScriptedDownstream, Wish
from proxy.wire.formats import FORMATS


@pytest.mark.parametrize(
    ("given", "own", "tags"),
    [
        ("a", (), ("a",)),
        (" b , a,a,, ", (), ("a", "b")),
        ("", ("mine",), ("mine",)),
        ("mine,x", ("mine",), ("mine", "x")),
        ("team/search:v1.2_x-y", (), ("team/search:v1.2_x-y",)),
    ],
)
def test_tags(given: str, own: tuple[str, ...], tags: tuple[str, ...]) -> None:
    assert read_tags(given, own, {"mine", "other"}) == tags


@pytest.mark.parametrize(
    ("given", "status", "why"),
    [
        ("other", 403, "belongs to other keys"),
        ("ok,other", 403, "belongs to other keys"),
        ("ä", 400, "letters, digits"),
        ("-a", 400, "letters, digits"),
        ("a b", 400, "letters, digits"),
        ("a" * 49, 400, "letters, digits"),
        (",".join(f"t{n}" for n in range(MAX_TAGS + 1)), 400, "at most 8"),
        ("a," * MAX_HEADER, 400, "longer than"),
    ],
)
def test_tags_that_are_refused(given: str, status: int, why: str) -> None:
    problem = read_tags(given, ("mine",), {"mine", "other"})
    assert isinstance(problem, Problem)
    assert (problem.status, problem.param) == (status, "x-undimmed-tags")
    assert why in problem.message
    assert len(problem.message) < 200


def test_what_is_a_tag() -> None:
    assert is_tag("a" * 48)
    assert not is_tag("")
    assert not is_tag("a\n")


def test_tags_of_key_and_header_reach_the_record() -> None:
    configured = replace(settings(), keys=(ClientKey("x", "00", tags=("mine",)), ClientKey("y", "11", tags=("other",))))

    async def script(stage: Stage) -> None:
        for given in ("b,a", "other"):
            downstream = ScriptedDownstream(stage.loop)
            body = Wish("t", stream=False).body()
            request = ClientRequest(
                Endpoint.CHAT, {"x-undimmed-tags": given}, body, "x", None, stage.loop.time(), tags=("mine",)
            )
            await stage.parts.gateway.serve(request, downstream)
        assert [record.tags for record in stage.records] == [("a", "b", "mine"), ("mine",)]
        assert [record.status for record in stage.records] == [200, 403]
        client = await stage.ask(headers={"x-undimmed-tags": "ä"})
        assert error_of(client)["param"] == "x-undimmed-tags"

    act(by_pool({"a": whole()}), script, configured)


def call(endpoint: Endpoint = Endpoint.CHAT, **fields: object) -> Call:
    body = json.dumps({"model": "lamp", "messages": [], **fields}).encode()
    return Call("c", endpoint, FORMATS[endpoint].read(ClientRequest(endpoint, {}, body, None, None, 0.0)), {})


def test_features_that_the_envelope_tells() -> None:
    assert list_features(call()) == ()
    assert list_features(call(tools=[{}], reasoning_effort="low")) == ("reasoning", "tools")
    assert list_features(call(tools=[], functions=None, reasoning_effort="none")) == ()
    assert list_features(call(Endpoint.MESSAGES, thinking={"type": "enabled"}, max_tokens=1)) == ("reasoning",)


def test_features_of_a_request_that_was_weighed() -> None:
    weighed = call(tools=[{}])
    weighed.needs = Needs(features=frozenset({Feature.IMAGES, Feature.TOOLS}))
    assert list_features(weighed) == ("images", "tools")


def test_features_of_a_request_that_was_translated() -> None:
    async def script(stage: Stage) -> None:
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
        messages = [{"role": "user", "content": "go"}]
        body = json.dumps({"model": "lamp", "messages": messages, "tools": tools, "seed": 1}).encode()
        await stage.ask(body=body)
        assert stage.records[0].features == ("seed", "tools")

    claude = replace(provider("a"), kind="anthropic", preset="anthropic")
    act(by_pool({"a": whole(status=500)}), script, settings((("a/m",),), providers={"a": claude}))
