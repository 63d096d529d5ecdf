"""Clients of every other format at servers that speak chat: whatever `dialects.CLIENTS` lists is served by all of them."""

import json
from typing import Any

import pytest

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.features import Fate, Feature
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.core.usage import Usage
from proxy.providers.openai import FOREIGN, OpenAIKind
from proxy.wire.formats import FORMATS

KEY = Credential("p#1", "sk-abcdefgh")
#: A small request of each format, and the field that bounds its answer.
ASKED: dict[Endpoint, tuple[dict[str, Any], str]] = {
    Endpoint.RESPONSES: ({"instructions": "Be brief.", "input": "hi"}, "max_output_tokens"),
    Endpoint.MESSAGES: ({"system": "Be brief.", "messages": [{"role": "user", "content": "hi"}]}, "max_tokens"),
}
ENDPOINTS = sorted(FOREIGN)


def make(preset: str = "vllm") -> OpenAIKind:
    return OpenAIKind(Provider("p", "openai", preset, Origin("https", "api.example", 443, "/v1"), (KEY,)))


def call(endpoint: Endpoint, **fields: object) -> Call:
    start, cap = ASKED[endpoint]
    body = json.dumps({"model": "up", **start, cap: 70, **fields}).encode()
    return Call("0123456789abcdef01234567", endpoint, FORMATS[endpoint].read_envelope(body, endpoint), {}, wall=5.0)


@pytest.mark.parametrize(
    ("preset", "cap", "options"),
    [("vllm", "max_tokens", True), ("mistral", "max_tokens", False), ("fireworks", "max_tokens", True)],
)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_request_is_written_as_this_vendor_wants_it(endpoint: Endpoint, preset: str, cap: str, options: bool) -> None:
    request = make(preset).request(call(endpoint, stream=True), Target("p", "other"), KEY)
    assert request.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"accept: text/event-stream\r\n" in request.head
    body = json.loads(request.body)
    assert (body["model"], body["stream"], body[cap]) == ("other", True, 70)
    assert ("stream_options" in body) is options
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "hi"]


def chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps({"id": "c", "created": 5, "model": "m", "choices": [choice]}).encode()


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_stream_of_chat_becomes_the_clients(endpoint: Endpoint) -> None:
    kind, what = make(), call(endpoint, stream=True)
    kind.request(what, Target("p", "other"), KEY)
    reader = kind.reader(what)
    out = reader.feed(chunk({"role": "assistant", "content": ""}))
    assert not reader.content
    out += reader.feed(chunk({"content": "Hello"})) + reader.feed(chunk({}, "stop") + USAGE)
    assert reader.end().ok
    assert (reader.content, reader.usage, reader.resource_id, reader.texts()) == (True, Usage(9, 3), None, ["Hello"])
    assert b'"Hello"' in out
    assert reader.terminator.startswith(b"event: ")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_answer_of_chat_becomes_the_clients(endpoint: Endpoint) -> None:
    message = {"role": "assistant", "content": "Hello"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({"model": "m", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}).encode()
    answer = make().answer(call(endpoint), [], body)
    assert (answer.outcome.ok, answer.usage, answer.model) == (True, Usage(9, 3), "m")
    assert b'"Hello"' in answer.body
    assert b"choices" not in answer.body


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_chat_has_no_words_for_is_refused(endpoint: Endpoint) -> None:
    assert make().fate(endpoint, Feature.HOSTED_TOOLS) is Fate.REFUSED
    assert make().fate(endpoint, Feature.STATE) is Fate.REFUSED
    assert make().fate(endpoint, Feature.TOOLS) is Fate.CARRIED
