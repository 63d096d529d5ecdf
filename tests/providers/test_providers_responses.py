"""Clients of the Responses API at servers of OpenAI's family: native where the vendor has it, else written as chat."""

import json
from typing import Any

import pytest
from openai.types.responses import Response
from wire.responses_plays import CALL_ID, parse

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.core.usage import Usage
from proxy.providers.openai import OpenAIKind
from proxy.wire.formats import FORMATS
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.responses.marks import make_item_id

KEY = Credential("p#1", "sk-abcdefgh")
TARGET = Target("p", "up")
NATIVE = ("openai", "openrouter", "groq", "xai", "lmstudio")
KEEPS = ("openai", "xai", "lmstudio")


def make(preset: str) -> OpenAIKind:
    return OpenAIKind(Provider("p", "openai", preset, Origin("https", "api.example", 443, "/v1"), (KEY,)))


def call(**fields: object) -> Call:
    body = json.dumps({"model": "up", "input": "hi", **fields}, separators=(",", ":")).encode()
    return Call(CALL_ID, Endpoint.RESPONSES, FORMATS[Endpoint.RESPONSES].read_envelope(body, Endpoint.RESPONSES), {})


def ask(preset: str, what: Call, target: Target = TARGET) -> UpstreamRequest:
    return make(preset).request(what, target, KEY)


def sent(preset: str, what: Call) -> dict[str, Any]:
    value = json.loads(ask(preset, what).body)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("preset", NATIVE)
def test_a_native_request_is_the_bytes_that_came(preset: str) -> None:
    what = call(stream=True, tools=[{"type": "web_search"}], previous_response_id="resp_1")
    request = ask(preset, what)
    assert request.head.startswith(b"POST /v1/responses HTTP/1.1\r\n")
    assert b"accept: text/event-stream\r\n" in request.head
    assert request.body is what.envelope.body
    assert request.dropped == ()


def test_only_the_model_changes() -> None:
    assert ask("openai", call(store=True), Target("p", "other")).body == b'{"model":"other","input":"hi","store":true}'


@pytest.mark.parametrize(
    ("store", "body", "dropped"),
    [
        (True, b'{"model":"up","input":"hi"}', ("store",)),
        (False, b'{"model":"up","input":"hi"}', ()),
        (None, b'{"model":"up","input":"hi"}', ()),
    ],
)
def test_who_keeps_nothing_is_not_asked_to(store: object, body: bytes, dropped: tuple[str, ...]) -> None:
    request = ask("openrouter", call(store=store))
    assert (request.body, request.dropped) == (body, dropped)


def test_a_history_of_ours_is_cleaned_for_a_native_vendor() -> None:
    own = {"type": "reasoning", "id": make_item_id("rs", CALL_ID, 0), "summary": [{"type": "summary_text", "text": "hm"}]}
    user = {"role": "user", "content": "hi"}
    request = ask("openrouter", call(input=[user, own], store=True))
    assert json.loads(request.body) == {"model": "up", "input": [user]}
    assert request.dropped == ("reasoning.history", "store")


@pytest.mark.parametrize("preset", ["mistral", "ollama", "vllm", "llamacpp", "custom"])
def test_elsewhere_it_is_written_as_chat(preset: str) -> None:
    request = ask(preset, call(stream=True, store=True, instructions="Be brief."))
    assert request.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"accept: text/event-stream\r\n" in request.head
    body = json.loads(request.body)
    assert (body["model"], body["stream"]) == ("up", True)
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "hi"]
    assert "store" in request.dropped


@pytest.mark.parametrize(
    ("preset", "cap"), [("mistral", "max_tokens"), ("deepseek", "max_tokens"), ("custom", "max_tokens")]
)
def test_the_vendors_quirks_hold_for_what_is_written(preset: str, cap: str) -> None:
    body = sent(preset, call(stream=True, max_output_tokens=70))
    assert body[cap] == 70
    assert ("stream_options" in body) is (preset != "mistral")


def test_what_no_vendor_could_be_asked_raises() -> None:
    with pytest.raises(EnvelopeError):
        ask("mistral", call(input=5))


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"conversation": "conv_1"}, "conversation", "state (conversation)"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]", "state (input[0])"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]", "tools.hosted (tools[0])"),
        ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice", "tools.hosted (tool_choice)"),
        ({"top_logprobs": 2}, "top_logprobs", "logprobs (top_logprobs)"),
        ({"include": ["message.output_text.logprobs"]}, "include", "logprobs (include)"),
    ],
)
def test_what_chat_has_no_words_for_is_refused_by_name(fields: dict[str, object], param: str, words: str) -> None:
    with pytest.raises(EnvelopeError) as error:
        ask("vllm", call(**fields))
    assert (error.value.param, error.value.code) == (param, "unsupported")
    assert words in error.value.message


CHAT = (
    b'{"id":"c","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Hello"},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}'
)


def chunk(delta: dict[str, object], finish: str | None = None, **rest: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps({"id": "c", "created": 5, "model": "m", "choices": [choice], **rest}).encode()


STREAM = (
    chunk({"role": "assistant", "content": ""})
    + chunk({"reasoning_content": "hm"})
    + chunk({"content": "Hel"})
    + chunk({"content": "lo"})
    + chunk({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]})
    + chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]})
    + chunk({}, "tool_calls")
    + b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\ndata: [DONE]\n\n'
)


def test_a_chat_stream_reaches_a_responses_client() -> None:
    reader = make("vllm").reader(call(stream=True))
    events = parse(reader.feed(STREAM))
    assert reader.end().ok
    assert (reader.content, reader.done, reader.model, reader.resource_id) == (True, True, "m", None)
    assert reader.usage == Usage(9, 3)
    last = parse(reader.terminator)[-1]
    assert last["type"] == "response.completed"
    assert [item["type"] for item in last["response"]["output"]] == ["reasoning", "message", "function_call"]
    assert Response.model_validate(last["response"]).output_text == "Hello"
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert reader.texts() == ["hm", "Hello", 'f{"a":1}']


def test_a_native_stream_is_judged_as_one() -> None:
    reader = make("openai").reader(call(stream=True))
    created = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","model":"m"}}\n\n'
    assert reader.feed(created) is created
    assert (reader.resource_id, reader.content) == ("resp_1", False)


def test_whole_answers() -> None:
    got = make("vllm").answer(call(), [], CHAT)
    response = Response.model_validate_json(got.body)
    assert (response.output_text, response.status) == ("Hello", "incomplete")
    assert (got.outcome.ok, got.usage, got.resource_id) == (True, Usage(9, 3), None)
    native = b'{"id":"resp_1","model":"m","status":"completed","output":[{"type":"message","content":[]}],"usage":null}'
    got = make("openai").answer(call(), [], native)
    assert got.body is native
    assert (got.outcome.ok, got.resource_id) == (True, "resp_1")


def test_an_echoed_secret_is_masked_here_too() -> None:
    body = b'{"error":{"message":"who is sk-abcdefgh?"}}'
    for preset in ("openai", "vllm"):
        outcome = make(preset).answer(call(), [], body).outcome
        assert (outcome.kind, outcome.message) == (OutcomeKind.SERVER_ERROR, "who is [redacted]?")


@pytest.mark.parametrize("preset", NATIVE)
def test_native_fates(preset: str) -> None:
    kind = make(preset)
    assert kind.fate(Endpoint.RESPONSES, Feature.HOSTED_TOOLS) is Fate.CARRIED
    assert kind.fate(Endpoint.RESPONSES, Feature.STATE) is (Fate.CARRIED if preset in KEEPS else Fate.REFUSED)
    assert kind.fate(Endpoint.CHAT, Feature.LOGPROBS) is Fate.CARRIED


def test_translated_fates() -> None:
    kind = make("vllm")
    assert kind.fate(Endpoint.RESPONSES, Feature.STATE) is Fate.REFUSED
    assert kind.fate(Endpoint.RESPONSES, Feature.HOSTED_TOOLS) is Fate.REFUSED
    assert kind.fate(Endpoint.RESPONSES, Feature.LOGPROBS) is Fate.REFUSED
    assert kind.fate(Endpoint.RESPONSES, Feature.TOOLS) is Fate.CARRIED
    assert kind.fate(Endpoint.RESPONSES, Feature.STORE) is Fate.DROPPED


@pytest.mark.parametrize(
    ("preset", "endpoint", "line", "body"),
    [
        ("openai", Endpoint.RESPONSES, b"POST /v1/responses ", {"input": "hi", "max_output_tokens": 16}),
        (
            "vllm",
            Endpoint.RESPONSES,
            b"POST /v1/chat/completions ",
            {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1},
        ),
    ],
)
def test_probes(preset: str, endpoint: Endpoint, line: bytes, body: dict[str, object]) -> None:
    request = make(preset).completion_probe(TARGET, endpoint, KEY)
    assert request.head.startswith(line)
    assert json.loads(request.body) == {"model": "up", **body}
