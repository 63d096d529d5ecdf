"""Which requests have answers that may be joined, and what a target is asked to go on with."""

from json import dumps, loads
from typing import Any

import pytest

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.formats import FORMATS
from proxy.wire.joints.extending import extend
from proxy.wire.joints.fitness import open_joint
from proxy.wire.openai_envelope import read_fields

CHAT, COMPLETIONS, MESSAGES, RESPONSES = Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MESSAGES, Endpoint.RESPONSES
HELLO = [{"role": "user", "content": "Hello"}]
PLAIN: dict[Endpoint, dict[str, Any]] = {
    CHAT: {"messages": HELLO},
    COMPLETIONS: {"prompt": "Hello"},
    MESSAGES: {"messages": HELLO, "max_tokens": 10},
    RESPONSES: {"input": "Hello"},
    Endpoint.EMBEDDINGS: {"input": "Hello"},
}


def envelope_of(endpoint: Endpoint, **fields: Any) -> Envelope:
    body = dumps({"model": "m", "stream": True, **PLAIN[endpoint], **fields}).encode()
    return Envelope("m", True, False, read_fields(body), body)


def fits(endpoint: Endpoint, **fields: Any) -> bool:
    return open_joint(endpoint, envelope_of(endpoint, **fields), FORMATS[endpoint].needs_of) is not None


SCHEMA = {"type": "json_schema", "name": "x", "schema": {"type": "object"}}


@pytest.mark.parametrize("endpoint", [CHAT, COMPLETIONS, MESSAGES, RESPONSES])
def test_text_fits(endpoint: Endpoint) -> None:
    assert fits(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        (CHAT, {"tools": [{"type": "function", "function": {"name": "f"}}], "logprobs": False, "n": 1, "store": False}),
        (CHAT, {"tools": None, "response_format": {"type": "text"}, "web_search_options": None}),
        (MESSAGES, {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}),
        (MESSAGES, {"tools": [{"type": "custom", "name": "f", "input_schema": {"type": "object"}}]}),
        (RESPONSES, {"tools": [{"type": "function", "name": "f", "parameters": {}}], "store": False, "background": False}),
        (COMPLETIONS, {"logprobs": None, "best_of": None}),
    ],
)
def test_what_only_looks_like_more_fits(endpoint: Endpoint, fields: dict[str, Any]) -> None:
    assert fits(endpoint, **fields)


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        (Endpoint.EMBEDDINGS, {}),
        (CHAT, {"n": 2}),
        (CHAT, {"logprobs": True}),
        (CHAT, {"top_logprobs": 2}),
        (CHAT, {"response_format": {"type": "json_object"}}),
        (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}),
        (CHAT, {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}),
        (CHAT, {"store": True}),
        (CHAT, {"web_search_options": {"user_location": None}}),
        (CHAT, {"tools": [{"type": "web_search"}]}),
        (CHAT, {"tools": ["odd"]}),
        (COMPLETIONS, {"logprobs": 0}),
        (COMPLETIONS, {"echo": True}),
        (COMPLETIONS, {"suffix": "end"}),
        (COMPLETIONS, {"best_of": 3}),
        (MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        (MESSAGES, {"mcp_servers": [{"type": "url", "url": "https://x"}]}),
        (MESSAGES, {"container": "c_1"}),
        (RESPONSES, {"background": True}),
        (RESPONSES, {"store": True}),
        (RESPONSES, {"previous_response_id": "resp_1"}),
        (RESPONSES, {"tools": [{"type": "file_search"}]}),
        (RESPONSES, {"text": {"format": SCHEMA}}),
    ],
)
def test_more_than_text_does_not(endpoint: Endpoint, fields: dict[str, Any]) -> None:
    assert not fits(endpoint, **fields)


def extended(
    endpoint: Endpoint, text: str = "Good", marks: Any = (), added: Any = (), **fields: Any
) -> dict[str, Any] | None:
    call = Call("c", endpoint, envelope_of(endpoint, **fields), {}, dialogue=object(), wall=1.0)
    further = extend(call, text, dict(marks), dict(added))
    if further is None:
        return None
    assert further.dialogue is None
    assert further.envelope.body != call.envelope.body
    assert further.wall == call.wall
    value: dict[str, Any] = loads(further.envelope.body)
    assert set(further.envelope.fields) == set(value)
    return value


def test_each_format_has_its_place_for_a_beginning() -> None:
    turn = {"role": "assistant", "content": "Good"}
    for endpoint in (CHAT, MESSAGES):
        told = extended(endpoint, unknown={"kept": 1})
        assert told is not None
        assert told["messages"] == [*HELLO, turn]
        assert told["unknown"] == {"kept": 1}
    told = extended(CHAT, marks={"prefix": True}, added={"continue_final_message": True})
    assert told is not None
    assert told["messages"][-1] == turn | {"prefix": True}
    assert told["continue_final_message"] is True
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Good"}]}
    told = extended(RESPONSES)
    assert told is not None
    assert told["input"] == [{"type": "message", "role": "user", "content": "Hello"}, item]
    told = extended(RESPONSES, input=HELLO)
    assert told is not None
    assert told["input"] == [*HELLO, item]
    for prompt in ("Hello", ["Hello"]):
        told = extended(COMPLETIONS, prompt=prompt)
        assert told is not None
        assert told["prompt"] == "HelloGood"


def test_limits_on_the_length_are_lowered() -> None:
    for field, limit, left in (("max_tokens", 50, 40), ("max_completion_tokens", 50, 40), ("max_tokens", 5, 1)):
        told = extended(CHAT, "x" * 40, **{field: limit})
        assert told is not None
        assert told[field] == left
    told = extended(CHAT, "x" * 40, max_tokens=None)
    assert told is not None
    assert told["max_tokens"] is None


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        (CHAT, {"messages": "odd"}),
        (CHAT, {"messages": []}),
        (RESPONSES, {"input": None}),
        (COMPLETIONS, {"prompt": [1, 2]}),
        (COMPLETIONS, {"prompt": ["a", "b"]}),
        (Endpoint.EMBEDDINGS, {}),
    ],
)
def test_where_there_is_no_place_nothing_is_asked(endpoint: Endpoint, fields: dict[str, Any]) -> None:
    assert extended(endpoint, **fields) is None
