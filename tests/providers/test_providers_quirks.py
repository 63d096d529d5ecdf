"""What each vendor of OpenAI's family gets of one and the same request, and what its answers are read as."""

import json
from typing import Any

import pytest

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.core.usage import Usage
from proxy.providers.openai import OpenAIKind
from proxy.wire.formats import FORMATS

CREDENTIAL = Credential("p#1", "sk-0123456789")
#: Everything that some vendor does not take, and some things that all do.
REQUEST: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
    "max_completion_tokens": 5,
    "temperature": 0.5,
    "seed": 7,
    "user": "u",
    "logit_bias": {"1": 2},
    "logprobs": True,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "parallel_tool_calls": True,
    "service_tier": "auto",
    "store": False,
    "verbosity": "low",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "tool_choice": "required",
    "top_k": 3,
}


def bind(preset: str) -> OpenAIKind:
    return OpenAIKind(Provider("p", "openai", preset, Origin("https", "api.example", 443, "/v1"), (CREDENTIAL,)))


def make_call(body: dict[str, Any], endpoint: Endpoint = Endpoint.CHAT) -> Call:
    return Call("id", endpoint, FORMATS[endpoint].read_envelope(json.dumps(body).encode(), endpoint), {})


def send(preset: str, body: dict[str, Any] = REQUEST, endpoint: Endpoint = Endpoint.CHAT) -> dict[str, Any]:
    request = bind(preset).request(make_call(body, endpoint), Target("p", "m"), CREDENTIAL)
    sent: dict[str, Any] = json.loads(request.body)
    return sent


@pytest.mark.parametrize(
    ("preset", "gone", "renamed"),
    [
        ("openai", [], {}),
        ("openrouter", [], {}),
        ("groq", ["logprobs", "logit_bias", "verbosity", "prompt_cache_key", "safety_identifier"], {}),
        (
            "mistral",
            ["logit_bias", "user", "store", "service_tier", "verbosity", "prompt_cache_key", "safety_identifier"],
            {"seed": "random_seed", "max_completion_tokens": "max_tokens"},
        ),
        ("deepseek", [], {}),
        ("xai", [], {}),
        ("together", [], {}),
        ("fireworks", [], {}),
        ("perplexity", ["seed", "logprobs", "logit_bias"], {}),
        ("zai", [], {}),
        (
            "cerebras",
            ["frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls", "service_tier"],
            {},
        ),
        ("huggingface", [], {}),
        ("ollama", [], {"max_completion_tokens": "max_tokens"}),
        ("vllm", [], {}),
        ("llamacpp", [], {}),
        ("lmstudio", [], {}),
        ("sglang", [], {}),
        ("max", [], {}),
        ("custom", [], {}),
    ],
)
def test_fields_that_a_vendor_does_not_take(preset: str, gone: list[str], renamed: dict[str, str]) -> None:
    expected = {renamed.get(name, name): value for name, value in REQUEST.items() if name not in gone}
    if preset not in ("mistral", "perplexity"):  # they count unasked, and refuse to be asked
        expected["stream_options"] = {"include_usage": True}
    assert send(preset) == expected


@pytest.mark.parametrize(
    ("preset", "lacks"),
    [("perplexity", Feature.TOOLS), ("perplexity", Feature.PARALLEL_TOOLS), ("ollama", Feature.CHOICES)],
)
def test_features_that_a_vendor_has_not_are_asked_of_others(preset: str, lacks: Feature) -> None:
    for endpoint in (Endpoint.CHAT, Endpoint.MESSAGES, Endpoint.RESPONSES):
        assert bind(preset).fate(endpoint, lacks) is Fate.REFUSED
        assert bind("openai").fate(endpoint, lacks) is not Fate.REFUSED


def test_mistral_goes_on_with_an_answer_that_is_marked() -> None:
    body = {
        "model": "m",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "The answer"}],
    }
    assert send("mistral", body, Endpoint.MESSAGES)["messages"][-1] == {
        "role": "assistant",
        "content": "The answer",
        "prefix": True,
    }
    assert "prefix" not in send("openai", body, Endpoint.MESSAGES)["messages"][-1]
    body["messages"] = body["messages"][:1]  # type: ignore[index]
    assert "prefix" not in send("mistral", body, Endpoint.MESSAGES)["messages"][-1]


@pytest.mark.parametrize(("preset", "strict"), [("groq", True), ("cerebras", True), ("mistral", True), ("deepseek", False)])
def test_reasoning_of_others_never_ends_a_conversation(preset: str, strict: bool) -> None:
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello", "reasoning_content": "hm"},
        {"role": "user", "content": "more"},
    ]
    request = bind(preset).request(make_call({**REQUEST, "messages": history}), Target("p", "m"), CREDENTIAL)
    sent = json.loads(request.body)["messages"]
    assert (sent[1] == {"role": "assistant", "content": "Hello"}) is strict
    assert request.dropped == (("reasoning.history",) if strict else ())


def answer(preset: str, message: dict[str, Any], finish: str = "stop", **rest: Any) -> Any:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], **rest}
    return bind(preset).answer(make_call({**REQUEST, "stream": False}), [], json.dumps(body).encode())


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def test_mistral_thinks_in_a_list() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    assert answer("mistral", {"content": [thought, {"type": "text", "text": "Hi"}]}).texts == ["hm", "Hi"]
    assert answer("mistral", {"content": "Hi"}, "model_length", usage=USAGE).usage == Usage(10, 5)
    assert answer("mistral", {"content": "Hi"}, "error").outcome.kind is Kind.SERVER_ERROR


@pytest.mark.parametrize(
    ("preset", "usage", "read"),
    [
        ("xai", {**USAGE, "completion_tokens_details": {"reasoning_tokens": 7}}, Usage(10, 12, reasoning=7)),
        ("perplexity", {**USAGE, "citation_tokens": 3, "reasoning_tokens": 2}, Usage(10, 10, reasoning=2)),
        ("deepseek", {**USAGE, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}, Usage(10, 5, cached=4)),
        ("zai", {**USAGE, "completion_tokens_details": {"reasoning_tokens": 4}}, Usage(10, 5, reasoning=4)),
    ],
)
def test_each_vendor_counts_in_its_own_way(preset: str, usage: dict[str, Any], read: Usage) -> None:
    assert answer(preset, {"content": "Hi"}, usage=usage).usage == read


@pytest.mark.parametrize(
    ("preset", "status", "body", "kind", "message"),
    [
        (
            "mistral",
            422,
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]},
            Kind.BAD_REQUEST,
            "Extra inputs are not permitted",
        ),
        (
            "mistral",
            422,
            {"object": "error", "message": {"detail": [{"loc": ["body", "x"], "msg": "Extra inputs"}]}, "code": None},
            Kind.BAD_REQUEST,
            "Extra inputs",
        ),
        ("mistral", 400, {"object": "Error", "message": [{"msg": "Bad"}], "code": 3001}, Kind.BAD_REQUEST, "Bad"),
        ("mistral", 429, {"message": "Requests rate limit exceeded"}, Kind.RATE_LIMITED, "Requests rate limit exceeded"),
        ("groq", 498, {"error": {"message": "Flex tier capacity exceeded"}}, Kind.OVERLOADED, "Flex tier capacity exceeded"),
        ("groq", 413, {"error": {"message": "Limit on tokens per minute (TPM): 6000"}}, Kind.RATE_LIMITED, None),
        ("groq", 400, {"error": {"message": "x", "code": "tool_use_failed", "failed_generation": "<"}}, Kind.MALFORMED, "x"),
        ("groq", 424, {"error": {"message": "x"}}, Kind.SERVER_ERROR, "x"),
        ("deepseek", 402, {"error": {"message": "Insufficient Balance"}}, Kind.QUOTA_EXHAUSTED, "Insufficient Balance"),
        ("deepseek", 422, {"error": {"message": "x"}}, Kind.BAD_REQUEST, "x"),
        ("xai", 403, {"code": "Forbidden", "error": "Your team has no credits"}, Kind.QUOTA_EXHAUSTED, None),
        ("xai", 400, {"code": "Client", "error": "Model does not support parameter stop"}, Kind.BAD_REQUEST, None),
        (
            "together",
            403,
            {"error": {"message": "`inputs` tokens + `max_new_tokens` must be <= 8193"}},
            Kind.CONTEXT_TOO_LONG,
            None,
        ),
        ("together", 402, {"error": {"message": "Credit limit exceeded"}}, Kind.QUOTA_EXHAUSTED, None),
        ("together", 503, {"error": {"message": "Engine overloaded"}}, Kind.OVERLOADED, None),
        ("fireworks", 412, {"error": {"message": "Account is suspended"}}, Kind.AUTH_FAILED, None),
        ("zai", 429, {"error": {"code": "1113", "message": "Insufficient balance"}}, Kind.QUOTA_EXHAUSTED, None),
        ("ollama", 503, {"error": {"message": "server busy, please try again."}}, Kind.OVERLOADED, None),
    ],
)
def test_each_vendor_fails_in_its_own_words(
    preset: str, status: int, body: dict[str, Any], kind: Kind, message: str | None
) -> None:
    outcome = bind(preset).error(status, [], json.dumps(body).encode())
    assert outcome.kind is kind
    assert message is None or outcome.message == message
