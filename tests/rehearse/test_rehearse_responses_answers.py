"""Simulated answers of the Responses API, read by OpenAI's types and by our own reader."""

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from wire.responses_plays import parse

from proxy.core.outcome import OutcomeKind as Kind
from proxy.rehearse.answers import Asked, Reply, ask
from proxy.rehearse.behaviour import Style
from proxy.rehearse.responses_answers import SEAL, compose, error_event
from proxy.rehearse.speakers import find_speaker
from proxy.wire.responses.stream import ResponsesStreamReader
from proxy.wire.responses.whole import read_responses_answer

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def asked(stream: bool = False, **fields: object) -> Asked:
    return ask("POST", "/v1/responses", "k", json.dumps({"model": "gpt", "stream": stream, **fields}).encode())


def stream_of(reply: Reply) -> bytes:
    return reply.opening + b"".join(reply.pieces) + reply.finish


@pytest.mark.parametrize("style", Style)
def test_whole_and_streamed_answers_say_the_same(style: Style) -> None:
    made = compose(asked(), "r", 12, style)
    whole = Response.model_validate_json(made.whole, strict=True)
    reply = compose(asked(stream=True), "r", 12, style)
    events = parse(stream_of(reply))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    typed = [EVENT.validate_python(event) for event in events]
    assert typed[-1].response == whole
    done = [event.item for event in typed if event.type == "response.output_item.done"]
    assert done == whole.output
    assert len(reply.pieces) == reply.output == made.output == 12
    reader = ResponsesStreamReader()
    reader.feed(stream_of(reply))
    assert reader.end().ok
    assert reader.usage == read_responses_answer(made.whole).usage
    assert reader.usage is not None
    assert (reader.usage.output, reader.usage.reasoning) == (12, 6 if style is Style.REASONING else 0)


@pytest.mark.parametrize("style", [Style.TOOL, Style.PARALLEL])
def test_arguments_come_in_fragments(style: Style) -> None:
    whole = Response.model_validate_json(compose(asked(), "r", 7, style).whole)
    told: dict[str, str] = {}
    for event in parse(stream_of(compose(asked(stream=True), "r", 7, style))):
        if event["type"] == "response.function_call_arguments.delta":
            told[event["item_id"]] = told.get(event["item_id"], "") + event["delta"]
    assert told == {item.id: item.arguments for item in whole.output if item.type == "function_call"}
    assert len(told) == (2 if style is Style.PARALLEL else 1)


def test_reasoning_is_sealed_where_the_request_includes_it() -> None:
    for included in ((), ("reasoning.encrypted_content",)):
        whole = json.loads(compose(asked(include=included), "r", 6, Style.REASONING).whole)
        assert whole["output"][0].get("encrypted_content") == (SEAL if included else None)


def test_a_limit_is_kept() -> None:
    whole = Response.model_validate_json(compose(asked(max_output_tokens=3), "r", 12).whole)
    assert whole.incomplete_details is not None
    assert (whole.status, whole.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    events = parse(stream_of(compose(asked(stream=True, max_output_tokens=3), "r", 12)))
    assert events[-1]["type"] == "response.incomplete"


def test_streams_fail_by_an_event() -> None:
    reader = ResponsesStreamReader()
    reader.feed(compose(asked(stream=True), "r", 6).opening + error_event("openai_server_error"))
    assert reader.failure is not None
    assert reader.failure.kind is Kind.SERVER_ERROR


def test_the_path_tells_the_speaker() -> None:
    speaker = find_speaker(asked())
    assert speaker is not None
    assert (speaker.name, speaker.terminator) == ("responses", b"")
