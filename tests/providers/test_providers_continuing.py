"""Who can be asked to go on with an answer, and how it is told."""

from dataclasses import replace
from json import dumps, loads
from typing import Any

import pytest

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.providers.contract import ProviderKind
from proxy.providers.model_facts import facts_of
from proxy.providers.presets import PRESETS
from proxy.providers.table import KINDS
from proxy.wire.formats import FORMATS

KEY = Credential("p#1", "sk-1")
HELLO = [{"role": "user", "content": "hi"}]
BODIES: dict[Endpoint, dict[str, Any]] = {
    Endpoint.CHAT: {"messages": HELLO},
    Endpoint.COMPLETIONS: {"prompt": "hi"},
    Endpoint.MESSAGES: {"messages": HELLO, "max_tokens": 100},
    Endpoint.RESPONSES: {"input": "hi"},
}
CLAUDE, LATER_CLAUDE = "claude-sonnet-4-5", "claude-opus-4-7"


def bind(kind: str, preset: str = "", prefix: str = "/v1") -> ProviderKind:
    line = PRESETS[preset or kind]
    project = "project-1" if line.project else ""
    origin = Origin("https", "api.example", 443, prefix)
    return KINDS[kind](Provider("p", kind, line.name, origin, (KEY,), region=line.region, project=project))


def make_call(endpoint: Endpoint, **fields: Any) -> Call:
    body = dumps({"model": "public", "stream": True, **BODIES[endpoint], **fields}).encode()
    return Call("id", endpoint, FORMATS[endpoint].read_envelope(body, endpoint), {})


def target_of(model: str) -> Target:
    return Target("p", model, facts=facts_of(model))


def asked(kind: ProviderKind, call: Call, model: str = "m") -> dict[str, Any] | None:
    """What the target would be sent, None: it cannot go on."""
    target = target_of(model)
    further = kind.continuation(call, target, "Good")
    if further is None:
        return None
    value: dict[str, Any] = loads(kind.request(further, target, KEY).body)
    return value


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_servers_of_openais_format_are_told_as_they_want_it(preset: str, endpoint: Endpoint) -> None:
    """Relayed or written anew, the last turn is the assistant's, and marked."""
    line = PRESETS[preset]
    kind = bind("openai", preset, line.continues_at or "/v1")
    told = asked(kind, make_call(endpoint))
    if not line.continues or (endpoint is Endpoint.RESPONSES and line.responses):
        assert told is None
        return
    assert told is not None
    last = told["messages"][-1]
    assert (last["role"], last["content"]) == ("assistant", "Good")
    assert last.get("prefix", False) is (line.continues == "mark")
    assert told.get("continue_final_message", False) is (line.continues == "flag")
    assert told.get("add_generation_prompt", True) is (line.continues != "flag")


def test_deepseek_does_so_at_one_address_only() -> None:
    assert asked(bind("openai", "deepseek"), make_call(Endpoint.CHAT)) is None
    assert asked(bind("openai", "deepseek", "/beta"), make_call(Endpoint.CHAT)) is not None


def test_a_plain_prompt_is_what_every_server_goes_on_from() -> None:
    told = asked(bind("openai", "custom"), make_call(Endpoint.COMPLETIONS))
    assert told is not None
    assert told["prompt"] == "hiGood"


def test_a_model_that_goes_on_does_so_behind_any_server() -> None:
    assert asked(bind("openai", "openrouter"), make_call(Endpoint.CHAT), f"anthropic/{CLAUDE}") is not None
    assert asked(bind("openai", "openrouter"), make_call(Endpoint.CHAT), f"anthropic/{LATER_CLAUDE}") is None


@pytest.mark.parametrize("kind", ["anthropic", "bedrock", "vertex"])
@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_claude_goes_on_where_the_model_takes_it(kind: str, endpoint: Endpoint) -> None:
    prefix = "anthropic." if kind == "bedrock" else ""
    bound = bind(kind)
    told = asked(bound, make_call(endpoint), f"{prefix}{CLAUDE}")
    assert told is not None
    assert told["messages"][-1]["role"] == "assistant"
    assert "Good" in dumps(told["messages"][-1])
    assert asked(bound, make_call(endpoint), f"{prefix}{LATER_CLAUDE}") is None
    assert asked(bound, make_call(Endpoint.COMPLETIONS), f"{prefix}{CLAUDE}") is None


@pytest.mark.parametrize(
    ("endpoint", "fields", "goes_on"),
    [
        (Endpoint.MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, False),
        (Endpoint.MESSAGES, {"thinking": {"type": "disabled"}}, True),
        (Endpoint.CHAT, {"reasoning_effort": "high"}, False),
        (Endpoint.CHAT, {"reasoning_effort": "none"}, True),
        (Endpoint.RESPONSES, {"reasoning": {"effort": "low"}}, False),
    ],
)
def test_claude_does_not_go_on_where_it_thinks_first(endpoint: Endpoint, fields: dict[str, Any], goes_on: bool) -> None:
    assert (asked(bind("anthropic"), make_call(endpoint, **fields), CLAUDE) is not None) is goes_on


@pytest.mark.parametrize(
    ("kind", "model"),
    [("gemini", "gemini-3-flash"), ("vertex", "gemini-3-flash"), ("cohere", "command-a"), ("azure", "gpt-5")],
)
def test_nobody_knows_of_the_others(kind: str, model: str) -> None:
    assert asked(bind(kind), make_call(Endpoint.CHAT), model) is None


def test_the_client_s_own_call_stays_as_it_was() -> None:
    call = make_call(Endpoint.CHAT)
    before = call.envelope.body, dict(call.envelope.fields)
    assert asked(bind("openai", "vllm"), call) is not None
    assert (call.envelope.body, dict(call.envelope.fields)) == before


def test_facts_of_a_target_are_looked_up_where_nobody_wrote_them() -> None:
    target = replace(target_of(CLAUDE), facts=Target("p", "m").facts)
    assert bind("anthropic").continuation(make_call(Endpoint.MESSAGES), target, "Good") is not None
