"""What detectors are told of an answer, in the formats of all clients."""

import json

import pytest

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.pipeline.sight import _judge, sort_of
from proxy.policy.quality import Flaw
from proxy.wire.glance import MAX_BODY, Glance, glance
from proxy.wire.openai_chat import ChatStreamReader
from proxy.wire.reading import Answer


def call(endpoint: Endpoint = Endpoint.CHAT, body: bytes = b"{}", stream: bool = True, **fields: bytes) -> Call:
    return Call("c", endpoint, Envelope("m", stream, False, fields, body), {})


def chat(finish: str = "stop", **message: object) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}]}).encode()


CALLED = [{"index": 0, "function": {"name": "f", "arguments": '{"a": 1'}}]
BODIES = {
    "well": (Endpoint.CHAT, chat(content="Fine."), "stop", 0),
    "cut at a limit": (Endpoint.CHAT, chat(content="Fi"), "length", 1 << Flaw.TRUNCATED),
    "refused": (Endpoint.CHAT, chat(refusal="No."), "stop", 1 << Flaw.REFUSED),
    "declined": (Endpoint.CHAT, chat(content="I cannot assist with that."), "stop", 1 << Flaw.REFUSED),
    "broken call": (Endpoint.CHAT, chat(tool_calls=CALLED), "tool_calls", 1 << Flaw.BAD_ARGUMENTS),
    "other script": (Endpoint.CHAT, chat(content="It is ไม่มีอะไรเลย"), "stop", 1 << Flaw.FOREIGN_SCRIPT),
    "in circles": (
        Endpoint.COMPLETIONS,
        b'{"choices":[{"text":"%b"}]}' % (b"on and on it went, " * 40),
        "stop",
        1 << Flaw.LOOPING,
    ),
    "a message": (Endpoint.MESSAGES, b'{"content":[{"type":"text","text":"Fine."}]}', "end_turn", 0),
    "a response": (
        Endpoint.RESPONSES,
        b'{"output":[{"type":"function_call","arguments":"{"},{"type":"message","content":[{"text":"x"}]}]}',
        "completed",
        1 << Flaw.BAD_ARGUMENTS,
    ),
    "unreadable": (Endpoint.CHAT, b"{", "stop", 0),
    "unfinished": (Endpoint.CHAT, chat(content="Fine."), None, 1 << Flaw.UNFINISHED),
}


@pytest.mark.parametrize("name", BODIES)
def test_whole_answers(name: str) -> None:
    endpoint, body, finish, flaws = BODIES[name]
    from proxy.core.outcome import OK

    assert _judge(call(endpoint, b"hello", stream=False), Answer(OK, body, finish=finish), True) == flaws


def streamed(*deltas: dict[str, object], finish: str = "stop") -> ChatStreamReader:
    reader = ChatStreamReader()
    for delta in [*deltas, {}]:
        end = finish if delta == {} else None
        chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
        reader.feed(b"data: %b\n\n" % json.dumps(chunk).encode())
    return reader


def test_streams() -> None:
    asked = call(body=b"hello")
    assert _judge(asked, streamed({"content": "Fine."}), True) == 0
    assert _judge(asked, streamed(), True) == 1 << Flaw.EMPTY
    assert _judge(asked, streamed({"refusal": "No."}), True) == 1 << Flaw.REFUSED
    assert _judge(asked, streamed({"tool_calls": CALLED}, finish="tool_calls"), False) == 1 << Flaw.BAD_ARGUMENTS
    assert _judge(asked, streamed({"reasoning": "hm"}), True) == 0
    assert _judge(asked, streamed({"content": "on and on it went, " * 40}), True) == 1 << Flaw.LOOPING
    thai = streamed({"content": "It is ไม่มีอะไรเลย"})
    assert _judge(asked, thai, True) == 1 << Flaw.FOREIGN_SCRIPT
    assert _judge(call(body=b'{"a":"\\u0e44"}'), thai, True) == 0
    assert _judge(asked, thai, False) == 0


def test_json_is_checked_where_it_was_asked_for() -> None:
    asked = call(body=b"hello", response_format=b'{"type":"json_object"}')
    assert _judge(asked, streamed({"content": '{"a": 1}'}), False) == 0
    assert _judge(asked, streamed({"content": '{"a": '}), False) == 1 << Flaw.BAD_JSON
    from proxy.core.outcome import OK

    whole = call(body=b"hello", stream=False, response_format=b'{"type":"json_schema"}')
    assert _judge(whole, Answer(OK, chat(content="no"), finish="stop"), False) == 1 << Flaw.BAD_JSON
    assert _judge(whole, Answer(OK, chat(content="1"), finish="stop"), False) == 0


def test_sorts_tell_requests_apart() -> None:
    sorts = [
        sort_of(call(body=b"x" * size, stream=stream, **fields))
        for size in (10, 10_000, 100_000)
        for stream in (True, False)
        for fields in ({}, {"thinking": b"{}"})
    ]
    assert len(set(sorts)) == 12


def test_a_glance_does_not_look_at_what_it_does_not_know() -> None:
    assert glance(Endpoint.EMBEDDINGS, b"{}") == Glance()
    assert glance(Endpoint.CHAT, b" " * (MAX_BODY + 1)) == Glance()
    assert glance(Endpoint.CHAT, b'{"choices":[{"text":"a"},{"message":null},{"message":{"tool_calls":[{}]}}]}') == Glance(
        ["a"]
    )
