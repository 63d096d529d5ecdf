import base64
import json
import struct

import pytest

from proxy.rehearse.answers import ask, compose, empty_choices, read_head
from proxy.rehearse.behaviour import Style

CHAT, LEGACY, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


def asked(path: str = CHAT, **fields: object):
    return ask("POST", path, "k", json.dumps({"model": "m", **fields}).encode())


def events(data: bytes) -> list[dict]:
    return [json.loads(event[6:]) for event in data.split(b"\n\n") if event]


def stream(path: str = CHAT, style: Style = Style.TEXT, chunks: int = 4, **fields: object) -> list[dict]:
    reply = compose(asked(path, stream=True, **fields), "alpha-1", chunks, style)
    return events(reply.opening + b"".join(reply.pieces) + reply.finish + reply.usage)


def test_a_request_is_read_from_raw_bytes():
    head = b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sk-1\r\n\r\n"
    one = read_head(head, b'{"model":"m","stream":true,"user":"c7","unknown":[1]}')
    assert (one.method, one.path, one.key, one.label, one.body.model, one.streams) == ("POST", CHAT, "sk-1", "c7", "m", True)
    assert read_head(b"GET /v1/models HTTP/1.1\r\n\r\n", b"").streams is False
    assert ask("POST", CHAT, "", b"not json").body.model == ""


def test_stream_and_whole_answer_say_the_same():
    whole = json.loads(compose(asked(), "alpha-1", 4).whole)
    deltas = [event["choices"][0]["delta"] for event in stream()]
    assert "".join(delta.get("content", "") for delta in deltas) == whole["choices"][0]["message"]["content"]
    assert whole["usage"]["completion_tokens"] == 4
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert {event["id"] for event in stream()} == {"chatcmpl-alpha-1"}
    assert stream()[-1]["choices"][0]["finish_reason"] == "stop"


def test_usage_only_where_asked():
    assert not any("usage" in event for event in stream())
    made = stream(stream_options={"include_usage": True})
    assert all(event["usage"] is None for event in made[:-1])
    assert made[-1]["choices"] == []
    assert made[-1]["usage"]["completion_tokens"] == 4


def test_several_choices_and_limits():
    made = stream(n=2, max_tokens=2, stream_options={"include_usage": True})
    assert {event["choices"][0]["index"] for event in made[:-1]} == {0, 1}
    assert [event["choices"][0]["finish_reason"] for event in made[-3:-1]] == ["length", "length"]
    assert made[-1]["usage"]["completion_tokens"] == 4
    whole = json.loads(compose(asked(n=2), "a", 3).whole)
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]


@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_tool_calls_come_in_fragments_that_join_to_json(chunks: int):
    made = [event["choices"][0] for event in stream(style=Style.TOOL, chunks=chunks)]
    assert made[0]["delta"]["tool_calls"][0]["function"]["name"] == "light"
    if chunks > 1:
        joined = "".join(c["delta"]["tool_calls"][0]["function"]["arguments"] for c in made[:-1])
        assert json.loads(joined)["lamps"][0] == 1
    assert made[-1]["finish_reason"] == "tool_calls"


def test_a_whole_tool_call():
    message = json.loads(compose(asked(), "a", 5, Style.TOOL).whole)["choices"][0]["message"]
    assert message["content"] is None
    assert json.loads(message["tool_calls"][0]["function"]["arguments"])["lamps"] == [1, 1, 1, 1]


def test_reasoning_comes_first_and_is_counted():
    deltas = [event["choices"][0]["delta"] for event in stream(style=Style.REASONING)]
    assert [next(iter(delta)) for delta in deltas[1:5]] == ["reasoning_content"] * 2 + ["content"] * 2
    whole = json.loads(compose(asked(), "a", 4, Style.REASONING).whole)
    assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] == 2
    assert whole["choices"][0]["message"]["reasoning_content"]


def test_legacy_completions():
    made = stream(LEGACY)
    assert made[0]["object"] == "text_completion"
    assert made[0]["choices"][0]["text"]
    assert json.loads(compose(asked(LEGACY), "a", 3).whole)["choices"][0]["text"].count(" ") == 2


def test_embeddings_in_both_encodings():
    plain = json.loads(compose(asked(EMBED, input=["a", "b"]), "a", 1).whole)["data"]
    packed = json.loads(compose(asked(EMBED, input=["a", "b"], encoding_format="base64"), "a", 1).whole)["data"]
    assert len(plain) == len(packed) == 2
    assert struct.unpack("<16f", base64.b64decode(packed[1]["embedding"])) == pytest.approx(plain[1]["embedding"])
    assert len(json.loads(compose(asked(EMBED, input=[1, 2, 3]), "a", 1).whole)["data"]) == 1


def test_models_and_health():
    assert json.loads(compose(ask("GET", "/v1/models", "", b""), "a", 1).whole)["data"][0]["object"] == "model"
    assert json.loads(compose(ask("GET", "/health", "", b""), "a", 1).whole) == {"status": "ok"}


def test_empty_choices():
    assert json.loads(empty_choices(asked(), "a"))["choices"] == []
    assert events(empty_choices(asked(stream=True), "a"))[0]["choices"] == []
