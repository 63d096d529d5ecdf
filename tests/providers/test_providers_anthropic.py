"""Anthropic and the hosts that serve its API: what is sent to them, and what is made of what they say."""

import json
from typing import Any

import pytest

from proxy import __version__
from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.errors import ConfigError
from proxy.core.exchange import UpstreamRequest
from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.settings import Credential, Origin, ProbeSettings, Provider, Target
from proxy.core.sources import EntraManagedSource
from proxy.core.usage import Usage
from proxy.providers.anthropic import AnthropicKind
from proxy.providers.messages import to_vertex_body
from proxy.wire.formats import FORMATS
from proxy.wire.openai_envelope import EnvelopeError

ORIGIN = Origin("https", "api.anthropic.com", 443)
KEY = Credential("a#1", "sk-ant-api03-secret")
TARGET = Target("a", "up")
HI = [{"role": "user", "content": "hi"}]


def make(**rest: Any) -> AnthropicKind:
    origin, credentials = rest.pop("origin", ORIGIN), rest.pop("credentials", (KEY,))
    return AnthropicKind(Provider("a", "anthropic", "anthropic", origin, credentials, **rest))


def call(endpoint: Endpoint = Endpoint.MESSAGES, headers: dict[str, str] | None = None, **fields: object) -> Call:
    body = json.dumps({"model": "public", "messages": HI, **fields}, separators=(",", ":")).encode()
    form = FORMATS[Endpoint.MESSAGES if endpoint is Endpoint.COUNT_TOKENS else endpoint]
    return Call("id", endpoint, form.read_envelope(body, endpoint), headers or {})


def head_of(request: UpstreamRequest) -> dict[str, str]:
    lines = request.head.decode().split("\r\n")[1:-2]
    return dict(line.split(": ", 1) for line in lines)


def test_the_head_byte_for_byte() -> None:
    what = call(stream=True, max_tokens=5, headers={"anthropic-beta": "a,b", "traceparent": "00-1", "openai-beta": "x"})
    request = make(headers={"X-Title": "undimmed"}).request(what, TARGET, KEY)
    assert request.head == (
        b"POST /v1/messages HTTP/1.1\r\nhost: api.anthropic.com\r\nx-api-key: sk-ant-api03-secret\r\n"
        b"accept: text/event-stream\r\naccept-encoding: identity\r\nuser-agent: undimmed/%b\r\nx-title: undimmed\r\n"
        b"anthropic-version: 2023-06-01\r\nanthropic-beta: a,b\r\ntraceparent: 00-1\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    ) % (__version__.encode(), len(request.body))
    assert request.pool == "a"


def test_a_client_of_the_same_format_is_forwarded_byte_for_byte() -> None:
    raw = b'{"max_tokens":5,"messages":[ 1.10 ],"model":"public","new_field":{"a":[]}}'
    what = Call("id", Endpoint.MESSAGES, FORMATS[Endpoint.MESSAGES].read_envelope(raw, Endpoint.MESSAGES), {})
    request = make().request(what, TARGET, KEY)
    assert request.body == raw.replace(b'"public"', b'"up"')
    assert request.dropped == ()
    assert make().request(what, Target("a", "public"), KEY).body == raw


def test_what_others_left_in_the_history_is_taken_out() -> None:
    thought = {"type": "thinking", "thinking": "x", "signature": "undimmed.google.signature.S"}
    what = call(messages=[*HI, {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]}, *HI])
    request = make().request(what, TARGET, KEY)
    assert json.loads(request.body)["messages"][1]["content"] == [{"type": "text", "text": "a"}]
    assert request.dropped == ("reasoning.history",)


@pytest.mark.parametrize(
    ("configured", "client", "secret", "version", "betas"),
    [
        ({}, {}, "k", "2023-06-01", None),
        ({}, {"anthropic-version": "2026-10-21", "anthropic-beta": "b"}, "k", "2026-10-21", "b"),
        (
            {"Anthropic-Version": "v", "Anthropic-Beta": "a"},
            {"anthropic-version": "w", "anthropic-beta": "b, a"},
            "k",
            "v",
            "a,b",
        ),
        ({}, {"anthropic-version": "x\r\ny: z", "anthropic-beta": "x\r\ny: z"}, "k", "2023-06-01", None),
        ({}, {"anthropic-beta": "b"}, "sk-ant-oat01-x", "2023-06-01", "oauth-2025-04-20,b"),
    ],
)
def test_version_and_betas(
    configured: dict[str, str], client: dict[str, str], secret: str, version: str, betas: str | None
) -> None:
    credential = Credential("a#1", secret)
    head = head_of(make(headers=configured, credentials=(credential,)).request(call(headers=client), TARGET, credential))
    assert (head["anthropic-version"], head.get("anthropic-beta")) == (version, betas)


def test_versions_of_other_clients_are_ours_to_choose() -> None:
    kind, client = make(), {"anthropic-version": "w", "anthropic-beta": "b"}
    plain = kind.request(call(Endpoint.CHAT, client), TARGET, KEY)
    warm = kind.request(call(Endpoint.CHAT, client, temperature=0.5), TARGET, KEY)
    assert [head_of(request)["anthropic-version"] for request in (plain, warm)] == ["2026-10-21", "2023-06-01"]
    assert "anthropic-beta" not in head_of(plain)


@pytest.mark.parametrize(
    ("origin", "credential", "expected"),
    [
        (ORIGIN, KEY, {"x-api-key": KEY.secret}),
        (ORIGIN, Credential("a#1", "sk-ant-oat01-x"), {"authorization": "Bearer sk-ant-oat01-x"}),
        (ORIGIN, Credential("a#1", "token", source=EntraManagedSource()), {"authorization": "Bearer token"}),
        (ORIGIN, Credential("a#1"), {}),
        (
            Origin("https", "r.services.ai.azure.com", 443, "/anthropic"),
            KEY,
            {"x-api-key": KEY.secret, "api-key": KEY.secret},
        ),
        (
            Origin("https", "bedrock-mantle.us-east-1.api.aws", 443, "/anthropic"),
            KEY,
            {"authorization": f"Bearer {KEY.secret}"},
        ),
    ],
)
def test_who_asks(origin: Origin, credential: Credential, expected: dict[str, str]) -> None:
    request = make(origin=origin, credentials=(credential,)).request(call(), TARGET, credential)
    head = head_of(request)
    assert {name: head[name] for name in ("x-api-key", "api-key", "authorization") if name in head} == expected
    assert request.head.startswith(b"POST %b/v1/messages HTTP/1.1\r\n" % origin.prefix.encode())


def test_a_base_url_may_hold_the_version() -> None:
    request = make(origin=Origin("https", "gateway.example", 443, "/x/v1")).request(call(), TARGET, KEY)
    assert request.head.startswith(b"POST /x/v1/messages ")


def test_counting_tokens() -> None:
    request = make().request(call(Endpoint.COUNT_TOKENS), TARGET, KEY)
    assert request.head.startswith(b"POST /v1/messages/count_tokens HTTP/1.1\r\n")
    answer = make().answer(call(Endpoint.COUNT_TOKENS), [], b'{"input_tokens":43}')
    assert (answer.outcome.ok, answer.body, answer.usage) == (True, b'{"input_tokens":43}', Usage())


@pytest.mark.parametrize("name", ["x-api-key", "Authorization", "api-key", "host", "a b", "anthropic-version"])
def test_headers_that_cannot_be_configured(name: str) -> None:
    with pytest.raises(ConfigError):
        make(headers={name: "é" if name == "anthropic-version" else "x"})


def test_other_clients_are_translated() -> None:
    kind = make()
    target = Target("a", "up", facts=ModelFacts(adaptive_thinking=True))
    request = kind.request(call(Endpoint.CHAT, reasoning_effort="low", seed=1, odd=2), target, KEY)
    value = json.loads(request.body)
    assert (value["model"], value["thinking"], value["output_config"]) == ("up", {"type": "adaptive"}, {"effort": "low"})
    assert request.dropped == ("odd", "seed")
    legacy = kind.request(call(Endpoint.COMPLETIONS, prompt="hi", messages=None), TARGET, KEY)
    assert json.loads(legacy.body)["messages"] == [{"role": "user", "content": "hi"}]
    responses = kind.request(call(Endpoint.RESPONSES, input="hi", messages=None), TARGET, KEY)
    assert json.loads(responses.body)["messages"] == [{"role": "user", "content": "hi"}]


def test_a_model_that_a_client_named_by_itself_is_looked_up() -> None:
    named = make().request(call(Endpoint.CHAT, reasoning_effort="low"), Target("a", "claude-sonnet-4-5"), KEY)
    assert json.loads(named.body)["thinking"] == {"type": "enabled", "budget_tokens": 1024}


def test_answers_and_streams_of_other_clients() -> None:
    kind, what = make(), call(Endpoint.CHAT)
    kind.request(what, TARGET, KEY)
    body = (
        b'{"type":"message","id":"msg_1","model":"claude-x","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn",'
        b'"usage":{"input_tokens":1,"output_tokens":2}}'
    )
    answer = kind.answer(what, [], body)
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "a"
    assert answer.usage == Usage(1, 2)
    reader = kind.reader(what)
    out = reader.feed(
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude-x"}}\n\n'
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
        b"event: message_delta\n"
        b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n'
    )
    assert b'"content":"a"' in out
    assert reader.end().ok


def test_what_cannot_be_said_is_refused() -> None:
    for fields in ({"n": 2}, {"logprobs": True}, {"modalities": ["audio"], "audio": {"voice": "v", "format": "wav"}}):
        with pytest.raises(EnvelopeError, match="cannot carry"):
            make().request(call(Endpoint.CHAT, **fields), TARGET, KEY)
    kind = make()
    assert kind.fate(Endpoint.CHAT, Feature.CHOICES) is Fate.REFUSED
    assert kind.fate(Endpoint.MESSAGES, Feature.FILE_IDS) is Fate.CARRIED
    assert kind.fate(Endpoint.COUNT_TOKENS, Feature.TOOLS) is Fate.CARRIED
    assert kind.fate(Endpoint.EMBEDDINGS, Feature.TOOLS) is Fate.REFUSED


def test_probes() -> None:
    kind = make()
    free = kind.free_probe(KEY)
    assert free is not None
    assert free.head.startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert head_of(free)["anthropic-version"] == "2023-06-01"
    assert kind.free_probe_lies
    own = make(probe=ProbeSettings(path="/health"))
    probe = own.free_probe(KEY)
    assert probe is not None
    assert probe.head.startswith(b"GET /health ")
    assert not own.free_probe_lies
    nearby = make(origin=Origin("https", "x", 443, "/a"), probe=ProbeSettings(path="health")).free_probe(KEY)
    assert nearby is not None
    assert nearby.head.startswith(b"GET /a/health ")
    question = json.loads(kind.completion_probe(TARGET, Endpoint.CHAT, KEY).body)
    assert question == {"model": "up", "max_tokens": 1, "messages": HI}
    assert "api.anthropic.com" in repr(kind)
    assert KEY.secret not in repr(kind)


def error(kind: str, message: str = "x", **rest: object) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **rest}, "request_id": "r"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (529, error("overloaded_error", "Overloaded"), Kind.OVERLOADED),
        (529, b"<html>", Kind.OVERLOADED),
        (500, error("overloaded_error"), Kind.OVERLOADED),
        (500, error("api_error"), Kind.SERVER_ERROR),
        (504, error("timeout_error"), Kind.SERVER_ERROR),
        (401, error("authentication_error"), Kind.AUTH_FAILED),
        (402, error("billing_error"), Kind.QUOTA_EXHAUSTED),
        (403, error("permission_error"), Kind.AUTH_FAILED),
        (404, error("not_found_error", "model: claude-x"), Kind.MODEL_NOT_FOUND),
        (409, error("conflict_error"), Kind.SERVER_ERROR),
        (413, error("request_too_large", "Request exceeds the maximum size"), Kind.CONTEXT_TOO_LONG),
        (400, error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), Kind.CONTEXT_TOO_LONG),
        (
            400,
            error("invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 2 > 10, decrease"),
            Kind.CONTEXT_TOO_LONG,
        ),
        (
            400,
            error("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
            Kind.QUOTA_EXHAUSTED,
        ),
        (400, error("invalid_request_error", "This workspace has reached its spend limit"), Kind.QUOTA_EXHAUSTED),
        (400, error("invalid_request_error", "temperature: Extra inputs are not permitted"), Kind.BAD_REQUEST),
        (429, error("rate_limit_error"), Kind.QUOTA_EXHAUSTED),
        (429, error("rate_limit_error", details={"error_code": "ramp_limit_exceeded"}), Kind.RATE_LIMITED),
        (429, error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}), Kind.QUOTA_EXHAUSTED),
    ],
)
def test_errors(status: int, body: bytes, expected: Kind) -> None:
    assert make().error(status, [], body).kind is expected


def test_a_pace_is_no_quota() -> None:
    outcome = make().error(429, [(b"retry-after", b"7")], error("rate_limit_error"))
    assert (outcome.kind, outcome.retry_after) == (Kind.RATE_LIMITED, 7)


class TestVertex:
    def test_the_version_is_in_the_body_and_the_model_is_not(self) -> None:
        draft = to_vertex_body(call(max_tokens=5, headers={"anthropic-version": "2023-06-01"}), TARGET)
        assert json.loads(draft.body) == {"max_tokens": 5, "messages": HI, "anthropic_version": "vertex-2023-10-16"}
        newer = to_vertex_body(call(headers={"anthropic-version": "2026-10-21"}), TARGET)
        assert json.loads(newer.body)["anthropic_version"] == newer.version == "2026-10-21"

    def test_of_other_clients(self) -> None:
        draft = to_vertex_body(call(Endpoint.CHAT, seed=1, max_tokens=5), Target("a", 'up"x'))
        assert json.loads(draft.body) == {
            "anthropic_version": "2026-10-21",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": "hi"}],
        }
        assert draft.dropped == ("seed",)
        warm = to_vertex_body(call(Endpoint.CHAT, temperature=0), TARGET)
        assert json.loads(warm.body)["anthropic_version"] == "vertex-2023-10-16"
