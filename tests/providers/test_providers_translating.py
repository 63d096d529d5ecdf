"""The four steps of a translation, with the chat format on the vendor's side and every client format before it."""

import json

import pytest
from wire.wire_chunks import HELLO, chunk
from wire.wire_dialogues import USER, call

from proxy.core.endpoints import Endpoint
from proxy.core.facts import UNKNOWN
from proxy.core.outcome import OutcomeKind as Kind
from proxy.providers.translating import open_reader, read_answer, read_dialogue, write_request
from proxy.wire.chat.vendor import CHAT_FORMAT
from proxy.wire.openai_envelope import EnvelopeError

ANSWER = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
EMPTY = b'{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}'


def test_a_dialogue_is_read_once_per_call() -> None:
    asked = call(messages=[USER])
    assert read_dialogue(asked) is read_dialogue(asked) is asked.dialogue
    with pytest.raises(EnvelopeError):
        read_dialogue(call(messages=[]))


def test_a_request_is_written_for_each_target_and_its_losses_named() -> None:
    asked = call(messages=[USER], top_k=3, min_p=0.1, reasoning={"max_tokens": 9})
    for model in ("a", "b"):
        body, dropped = write_request(asked, CHAT_FORMAT, model, UNKNOWN)
        assert json.loads(body) == {"model": model, "messages": [USER], "reasoning_effort": "low"}
        assert dropped == ("min_p", "top_k", "reasoning.budget;approximated")


@pytest.mark.parametrize(
    ("endpoint", "question", "shape"),
    [
        (Endpoint.CHAT, {"messages": [USER]}, b"chat.completion"),
        (Endpoint.COMPLETIONS, {"prompt": "hi"}, b"text_completion"),
    ],
)
def test_answers_come_in_the_clients_format(endpoint: Endpoint, question: dict[str, object], shape: bytes) -> None:
    asked = call(endpoint, **question)
    found = read_answer(asked, CHAT_FORMAT, ANSWER)
    assert found.outcome.ok
    assert b'"object":"%b"' % shape in found.body
    reader = open_reader(asked, CHAT_FORMAT)
    assert b'"object":"%b' % shape in reader.feed(HELLO)
    assert reader.end().ok
    assert reader.terminator == b"data: [DONE]\n\n"


def test_stop_sequences_allow_nothing() -> None:
    for stop, kind in ((None, Kind.MALFORMED), ("x", Kind.OK)):
        asked = call(messages=[USER], stop=stop)
        assert read_answer(asked, CHAT_FORMAT, EMPTY).outcome.kind is kind
        reader = open_reader(asked, CHAT_FORMAT)
        reader.feed(chunk(finish="stop"))
        assert reader.end().kind is kind


def test_every_choice_that_was_asked_for_has_to_finish() -> None:
    reader = open_reader(call(messages=[USER], n=2), CHAT_FORMAT)
    reader.feed(HELLO)
    assert reader.end().kind is Kind.STREAM_BROKEN
    reader = open_reader(call(messages=[USER], n=2), CHAT_FORMAT)
    reader.feed(HELLO + chunk({"content": "b"}, "stop", 1))
    assert reader.end().ok
