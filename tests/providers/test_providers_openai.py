import json
from typing import Any

import pytest

from proxy import __version__
from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.errors import ConfigError
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Credential, Origin, ProbeSettings, Provider, Target
from proxy.core.usage import Usage
from proxy.providers.openai import OpenAIKind
from proxy.wire.openai_envelope import read_envelope

ORIGIN = Origin("https", "api.example", 8443, "/v1")
KEY = Credential("p#1", "sk-abcdefgh")
TARGET = Target("p", "up")


def make(preset: str = "openai", **rest: Any) -> OpenAIKind:
    return OpenAIKind(Provider("p", "openai", preset, rest.pop("origin", ORIGIN), rest.pop("credentials", (KEY,)), **rest))


def call(endpoint: Endpoint = Endpoint.CHAT, headers: dict[str, str] | None = None, **fields: object) -> Call:
    body = json.dumps({"model": "up", **fields}, separators=(",", ":")).encode()
    return Call("id", endpoint, read_envelope(body, endpoint), headers or {})


def sent(kind: OpenAIKind, what: Call, target: Target = TARGET) -> dict[str, Any]:
    value = json.loads(kind.request(what, target, KEY).body)
    assert isinstance(value, dict)
    return value


def test_the_head_byte_for_byte() -> None:
    kind = make(headers={"X-Title": "undimmed"})
    request = kind.request(call(stream=True, headers={"traceparent": "00-1", "x-client-request-id": "7"}), TARGET, KEY)
    assert request.head == (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.example:8443\r\nauthorization: Bearer sk-abcdefgh\r\n"
        b"accept: text/event-stream\r\naccept-encoding: identity\r\nuser-agent: undimmed/%b\r\nx-title: undimmed\r\n"
        b"content-type: application/json\r\ntraceparent: 00-1\r\nx-client-request-id: 7\r\ncontent-length: %d\r\n\r\n"
    ) % (__version__.encode(), len(request.body))


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        (Endpoint.CHAT, b"POST /v1/chat/completions "),
        (Endpoint.COMPLETIONS, b"POST /v1/completions "),
        (Endpoint.EMBEDDINGS, b"POST /v1/embeddings "),
    ],
)
def test_paths(endpoint: Endpoint, path: bytes) -> None:
    request = make().request(call(endpoint), TARGET, KEY)
    assert request.head.startswith(path)
    assert b"accept: application/json\r\n" in request.head


def test_no_secret_no_authorization() -> None:
    assert b"authorization" not in make("ollama").request(call(), TARGET, Credential("p#1")).head


def test_an_unchanged_request_is_the_bytes_that_came() -> None:
    what = call(messages=[], n=2)
    assert make().request(what, TARGET, KEY).body is what.envelope.body


def test_only_the_model_changes() -> None:
    assert make().request(call(x=1), Target("p", 'other "m"'), KEY).body == b'{"model":"other \\"m\\"","x":1}'


@pytest.mark.parametrize(
    ("preset", "options", "expected"),
    [
        ("openai", None, {"include_usage": True}),
        ("openai", {"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
        ("openai", {"include_usage": False}, {"include_usage": True}),
        ("openai", {"include_usage": True, "x": 1}, {"include_usage": True, "x": 1}),
        ("openai", "odd", "odd"),
        ("mistral", {"include_usage": True}, None),
    ],
)
def test_usage_is_asked_for(preset: str, options: object, expected: object) -> None:
    fields = {} if options is None else {"stream_options": options}
    assert sent(make(preset), call(stream=True, **fields)).get("stream_options") == expected


def test_null_options_are_none() -> None:
    assert sent(make(), call(stream=True, stream_options=None))["stream_options"] == {"include_usage": True}


def test_usage_is_not_asked_for_in_whole_answers() -> None:
    assert "stream_options" not in sent(make(), call())
    assert "stream_options" not in sent(make("mistral"), call(stream=True))


def test_quirks_drop_and_rename() -> None:
    what = call(seed=7, max_completion_tokens=5, logit_bias={"1": 2}, user="u", temperature=0.5)
    assert sent(make("mistral"), what) == {"model": "up", "temperature": 0.5, "random_seed": 7, "max_tokens": 5}
    assert sent(make("mistral"), call(max_completion_tokens=5, max_tokens=3)) == {"model": "up", "max_tokens": 3}
    assert sent(make("groq"), call(logprobs=True, tools=[1], n=2)) == {"model": "up", "tools": [1], "n": 2}


USAGE_CHUNK = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"reasoning_tokens":4}}\n\n'


@pytest.mark.parametrize(
    ("preset", "options", "hidden"),
    [("openai", {}, True), ("openai", {"include_usage": True}, False), ("perplexity", {}, False)],
)
def test_what_only_we_asked_for_is_hidden(preset: str, options: dict[str, object], hidden: bool) -> None:
    reader = make(preset).reader(call(stream=True, stream_options=options))
    assert (reader.feed(USAGE_CHUNK) == b"") is hidden
    assert reader.usage is not None


def test_the_vendors_arithmetic_is_used() -> None:
    reader = make("xai").reader(call(stream=True))
    reader.feed(USAGE_CHUNK)
    assert reader.usage == Usage(1, 6, reasoning=4)


EMPTY = b'{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}'


@pytest.mark.parametrize(("stop", "ok"), [(["x"], True), ("x", True), ([], False), (None, False)])
def test_stop_sequences_make_an_empty_answer_right(stop: object, ok: bool) -> None:
    assert make().answer(call(stop=stop), [], EMPTY).outcome.ok is ok


@pytest.mark.parametrize(("n", "ok"), [(2, False), (1, True), (None, True), ("2", True), (True, True)])
def test_as_many_choices_as_asked(n: object, ok: bool) -> None:
    reader = make().reader(call(stream=True, n=n))
    reader.feed(b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n')
    assert reader.end().ok is ok


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (Endpoint.CHAT, b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}'),
        (Endpoint.COMPLETIONS, b'{"choices":[{"text":"a","finish_reason":"stop"}]}'),
        (Endpoint.EMBEDDINGS, b'{"data":[{"embedding":[1]}]}'),
    ],
)
def test_whole_answers_by_endpoint(endpoint: Endpoint, body: bytes) -> None:
    answer = make().answer(call(endpoint), [], body)
    assert answer.outcome.ok
    assert answer.body is body


def test_streams_by_endpoint() -> None:
    reader = make().reader(call(Endpoint.COMPLETIONS, stream=True))
    reader.feed(b'data: {"choices":[{"text":"a"}]}\n\n')
    assert reader.content


def test_an_echoed_secret_of_any_form_is_masked() -> None:
    plain = Credential("p#1", "correcthorsebattery")
    kind = make(credentials=(plain, Credential("p#2", "short"), Credential("p#3")))
    outcome = kind.error(401, [], b'{"error":{"message":"who is correcthorsebattery?"}}')
    assert (outcome.kind, outcome.message) == (OutcomeKind.AUTH_FAILED, "who is [redacted]?")
    inner = kind.answer(call(), [], b'{"error":{"message":"who is correcthorsebattery?"}}')
    assert inner.outcome.message == "who is [redacted]?"


@pytest.mark.parametrize(
    ("preset", "path", "line", "lies"),
    [
        ("openai", None, b"GET /v1/models HTTP/1.1\r\n", True),
        ("vllm", None, b"GET /health HTTP/1.1\r\n", False),
        ("openai", "/status", b"GET /status HTTP/1.1\r\n", False),
        ("openai", "status", b"GET /v1/status HTTP/1.1\r\n", False),
        ("perplexity", "/status", b"GET /status HTTP/1.1\r\n", False),
    ],
)
def test_free_probes(preset: str, path: str | None, line: bytes, lies: bool) -> None:
    kind = make(preset, probe=ProbeSettings(path=path))
    probe = kind.free_probe(KEY)
    assert probe is not None
    assert probe.head.startswith(line)
    assert probe.head.endswith(b"\r\n\r\n")
    assert b"authorization: Bearer sk-abcdefgh\r\n" in probe.head
    assert kind.free_probe_lies is lies


def test_some_have_no_free_probe() -> None:
    assert make("perplexity").free_probe(KEY) is None


@pytest.mark.parametrize(
    ("preset", "endpoint", "body"),
    [
        ("openai", Endpoint.CHAT, {"messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 1}),
        ("vllm", Endpoint.CHAT, {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}),
        ("openai", Endpoint.COMPLETIONS, {"prompt": "hi", "max_tokens": 1}),
        ("openai", Endpoint.EMBEDDINGS, {"input": "hi"}),
    ],
)
def test_completion_probes(preset: str, endpoint: Endpoint, body: dict[str, object]) -> None:
    request = make(preset).completion_probe(TARGET, endpoint, KEY)
    assert json.loads(request.body) == {"model": "up", **body}


@pytest.mark.parametrize(
    "rest",
    [
        {"preset": "nobody"},
        {"headers": {"x-a": "b\r\nx-c: d"}},
        {"headers": {"x a": "b"}},
        {"headers": {"Authorization": "b"}},
        {"headers": {"content-length": "3"}},
        {"credentials": (Credential("p#1", "a\nb"),)},
        {"credentials": (Credential("p#1", "schlüssel"),)},
    ],
)
def test_what_no_head_can_carry_is_refused_at_once(rest: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        make(**rest)
    assert error.value.problems[0].key.startswith("providers.p")
    assert "schlüssel" not in str(error.value)


def test_its_state_line_holds_no_secret() -> None:
    assert repr(make()) == "<OpenAIKind p (openai) at api.example:8443>"
